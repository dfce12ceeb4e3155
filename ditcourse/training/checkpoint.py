"""Weights on disk: safetensors beside a JSON config, written whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ditcourse.model.dit import DiT, DiTConfig

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def save_weights(model: DiT, folder: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Write model.safetensors (in dtype) and config.json into folder, each by replacing the old file in one move."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().cpu().to(dtype).contiguous() for name, tensor in model.state_dict().items()
    }
    write_whole(folder / WEIGHTS, save(tensors))
    write_whole(folder / CONFIG, (json.dumps(asdict(model.config), indent=2) + "\n").encode())


def load_weights(folder: str | Path) -> DiT:
    """The model that `save_weights` wrote, in float32 and in eval mode.

    Raises FileNotFoundError or ValueError, naming the file, where it is missing, damaged or of another shape.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}")
    try:
        model = DiT(DiTConfig(**json.loads((folder / CONFIG).read_text())))
        model.load_state_dict(load_file(folder / WEIGHTS))  # copies into float32
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"the weights in {folder} cannot be used: {error}") from error
    return model.requires_grad_(False).eval()


def write_whole(path: Path, data: bytes) -> None:
    """Replace path by data in one move, so that a crash leaves the old file or the new one, never half of one."""
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
