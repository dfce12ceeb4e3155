"""Batches for the loop: clips of the world, and their captions as numbers."""

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
