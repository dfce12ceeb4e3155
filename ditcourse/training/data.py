"""Batches for the loop: clips drawn afresh, or rows of a data set that lies on the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ditcourse.model.autoencoder import Autoencoder
from ditcourse.model.conditions import Tokenizer
from ditcourse.world import MINI, World, sky, sky_words

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


def sky_latents(
    autoencoder: Autoencoder,
    count: int,
    seed: int = 0,
    device: str | torch.device = "cpu",
    split: str = "train",
    progress: bool = False,
) -> Draw:
    """Skyworld as the denoiser sees it: `count` clips are painted and encoded once, their latents stay on the device.

    draw(batch, generator) -> latents (batch, 4, 4, 16, 16) and token numbers (batch, 10). The sentences are drawn
    anew each time, so a clip is described in many ways. The autoencoder is only read.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    generator = torch.Generator().manual_seed(seed)
    picks = sky_words.random_picks(count, generator, split)
    autoencoder = autoencoder.to(device)
    latents = []
    with torch.no_grad():
        for part in tqdm(picks.split(32), desc="encoding", disable=not progress):
            latents.append(autoencoder.encode(sky.paint(part, generator, device=device)))
    latents, words = torch.cat(latents), Tokenizer(sky_words.VOCABULARY, sky_words.MAX_WORDS)

    def draw(batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(count, (batch,), generator=generator)
        tokens = words(sky_words.random_captions(picks[rows], generator))
        return latents[rows.to(device, non_blocking=True)], tokens

    return draw
