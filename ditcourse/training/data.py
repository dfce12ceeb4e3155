"""Batches for the loop: clips of the world drawn afresh, or rows of a data set that lies on the device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ditcourse import world
from ditcourse.model.conditions import Tokenizer


def tokenizer() -> Tokenizer:
    """The miniature world's words as numbers."""
    return Tokenizer(world.VOCABULARY, world.MAX_WORDS)


def world_batches(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clips (count, 3, 8, 16, 16) and token numbers (count, 5), drawn afresh for every batch."""
    clips, prompts = world.random_clips(count, generator)
    return clips, tokenizer()(prompts)


def resident(
    x0: Tensor, condition: Tensor, device: str | torch.device = "cpu"
) -> Callable[[int, torch.Generator], tuple[Tensor, Tensor]]:
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
