"""Batches for the loop: clips drawn afresh, or rows of a data set that lies on the device."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm.auto import tqdm

from ditcourse.model.autoencoder import Autoencoder
from ditcourse.model.conditions import Tokenizer
from ditcourse.training.checkpoint import load_weights, write_whole
from ditcourse.world import MINI, SKY, World, sky, sky_words

Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


def tokenizer(world: World = MINI) -> Tokenizer:
    """A world's words as numbers."""
    return Tokenizer(world.vocabulary, world.max_words)


def world_batches(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clips (count, 3, 8, 16, 16) and token numbers (count, 5) of the miniature world, drawn afresh for every batch."""
    clips, prompts = MINI.random_clips(count, generator)
    return clips, tokenizer()(prompts)


def resident(x0: Tensor, condition: Tensor, device: str | torch.device = "cpu") -> Draw:
    """A data set that stays on the device: draw(count, generator) picks rows at random, nothing else is moved.

    x0 (rows, ...) clips or latents, condition (rows, ...). Raises ValueError where they do not pair up.
    """
    if len(x0) != len(condition) or not len(x0):
        raise ValueError(f"x0 and condition must have as many rows, at least one, got {len(x0)} and {len(condition)}")
    x0, condition = x0.to(device), condition.to(device)

    def draw(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(x0), (count,), generator=generator).to(device, non_blocking=True)
        return x0[rows], condition[rows]

    return draw


def load_autoencoder() -> Autoencoder:
    """Skyworld's autoencoder, as it ships with the course: frozen, in float32."""
    with resources.as_file(resources.files("ditcourse") / "weights" / "vae") as folder:
        return load_weights(folder, Autoencoder)


def sky_latents(
    autoencoder: Autoencoder,
    count: int,
    seed: int = 0,
    device: str | torch.device = "cpu",
    split: str = "train",
    keep: Path | None = None,
    progress: bool = False,
) -> Draw:
    """Skyworld as the denoiser sees it: `count` clips are painted and encoded once, their latents stay on the device.

    draw(batch, generator) -> latents (batch, 4, 4, 16, 16) and token numbers (batch, 10). The sentences are drawn
    anew each time, so a clip is described in many ways. The autoencoder is only read. The first clips are the same for
    every count. With keep the latents are written to that file, and read from it the next time if it holds as many of
    the same clips by the same autoencoder, or more.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    facts = {"seed": str(seed), "split": split, "autoencoder": _fingerprint(autoencoder)}
    found = _kept(keep, facts, count)
    if found is None:
        found = encoded(autoencoder.to(device), count, seed, split, progress)
        if keep is not None:
            keep.parent.mkdir(parents=True, exist_ok=True)
            write_whole(keep, save(found, facts))
    latents, picks = found["latents"].to(device), found["picks"]
    words = tokenizer(SKY)

    def draw(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(count, (batch,), generator=generator)
        tokens = words(sky_words.random_captions(picks[rows], generator))
        return latents[rows.to(device, non_blocking=True)].float(), tokens

    return draw


@torch.no_grad()
def encoded(autoencoder: Autoencoder, count: int, seed: int, split: str, progress: bool) -> dict[str, Tensor]:
    """The training clips: latents (count, 4, 4, 16, 16) in float16 and compositions (count, 4), on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    latents, picks = [], []
    for _ in tqdm(range(0, count, 32), desc="encoding", unit="32 clips", disable=not progress):
        picks.append(sky_words.random_picks(32, generator, split))
        clips = sky.paint(picks[-1], generator, device=autoencoder.latent_mean.device)
        latents.append(autoencoder.encode(clips).half().cpu())
    return {"latents": torch.cat(latents)[:count].contiguous(), "picks": torch.cat(picks)[:count].contiguous()}


def _fingerprint(model: torch.nn.Module) -> str:
    """Sixteen letters that tell one set of weights from another."""
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _kept(path: Path | None, facts: dict[str, str], count: int) -> dict[str, Tensor] | None:
    """The first rows of what the file holds, if it is of these facts and has so many."""
    if path is None or not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        rows = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no dictionary)
        if file.metadata() != facts or any(row.get_shape()[0] < count for row in rows.values()):
            return None
        return {name: row[:count] for name, row in rows.items()}
