"""Weights in the layout of the official DiT checkpoints, read into the course's own `DiT`.

Only names and shapes are followed (the official code is CC-BY-NC and none of it is here); the weights themselves are
under their own licence.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ditcourse.model.config import SIZES, DiTConfig
from ditcourse.model.dit import DiT


def load_official(state_dict: dict[str, Tensor], config: DiTConfig | None = None) -> DiT:
    """The model of an official state dict, in eval mode: an image DiT as a clip of one frame.

    The patch embedding comes as a convolution's weight (D, C, p, p), positions as a table (1, N, D), which must equal
    the course's own. Without `config` the shape is read off the tensors and the published table (for the heads).
    Raises ValueError for tensors that are missing, too many or of another shape, naming them.
    """
    state = dict(state_dict)
    config = config or _config_of(state)
    model = DiT(config)
    table = state.pop("pos_embed", None)
    if table is not None:
        ours = model.pos_embed if config.positions == "sincos" else None
        if ours is None or table.shape[-2:] != ours.shape or (table[0].float() - ours).abs().max() > 1e-5:
            raise ValueError(
                f"pos_embed of shape {tuple(table.shape)} is not the fixed sine-cosine table of a config with "
                f"input_size = {config.input_size}, patch_size = {config.patch_size}, positions = {config.positions!r}"
            )
    weight = state.get("x_embedder.proj.weight")
    if weight is not None and weight.dim() == 4:  # (D, C, p, p) -> (D, C p p), one frame
        state["x_embedder.proj.weight"] = weight.flatten(1)
    wanted = model.state_dict()
    for what, names in (("missing", wanted.keys() - state.keys()), ("unknown", state.keys() - wanted.keys())):
        if names:
            raise ValueError(f"{len(names)} {what} tensors, the first {min(names)!r}: not this DiT's layout")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; allowed: {tuple(wanted[name].shape)}"
            )
    model.load_state_dict(state)
    return model.eval()


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The tensors of an official `.pt` file: the bare state dict, or the averaged weights ("ema") of a training run.

    Read with weights_only=True, so that a file can hold nothing but tensors. Raises ValueError for anything else.
    """
    try:
        content = torch.load(Path(path), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # pickle's own errors are of many kinds
        raise ValueError(f"{path} is not a checkpoint of tensors alone: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("ema"), dict):
        content = content["ema"]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{path} holds no table of tensors, nor one under 'ema'")
    return content


def _config_of(state: dict[str, Tensor]) -> DiTConfig:
    try:
        width, channels, p, _ = state["x_embedder.proj.weight"].shape
        out = state["final_layer.linear.weight"].shape[0] // p**2
        classes = state["y_embedder.embedding_table.weight"].shape[0] - 1
        side = int(state["pos_embed"].shape[-2] ** 0.5 + 0.5) * p
    except (KeyError, ValueError) as error:
        raise ValueError(f"the shape cannot be read off these tensors ({error}); give config") from error
    depth = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
    heads = {(d, w): h for d, w, h in SIZES.values()}.get((depth, width))
    if heads is None:
        raise ValueError(f"no published DiT has depth {depth} and width {width}; give config")
    return DiTConfig(
        input_size=(1, side, side),
        patch_size=(1, p, p),
        in_channels=channels,
        hidden_size=width,
        depth=depth,
        num_heads=heads,
        num_classes=classes,
        learn_sigma=out == 2 * channels,
    )
