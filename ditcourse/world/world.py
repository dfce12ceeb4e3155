"""What every world has: words, clips for them, and an oracle that reads clips. The rest of the course needs no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Reading:
    """What a clip shows, and how sure the oracle is of each attribute (0 a toss-up, 1 beyond doubt).

    `reading.colour` is short for `reading.values["colour"]`.
    """

    values: dict[str, str]
    confidence: dict[str, float]

    def __getattr__(self, name: str) -> str:
        if name in ("values", "confidence") or name.startswith("_") or name not in self.values:
            raise AttributeError(f"a reading has no {name!r}; see its values")
        return self.values[name]


@dataclass(frozen=True)
class World:
    """A captioned video world.

    render(prompts, generator) -> clips (B, 3, T, H, W) in [-1, 1]; random_clips(count, generator) -> clips, prompts;
    parse(prompt) -> {attribute: value} of what it names; read(clips) -> a Reading of each.
    """

    name: str
    attributes: dict[str, tuple[str, ...]]
    vocabulary: tuple[str, ...]
    max_words: int
    clip_size: tuple[int, int, int, int]  # C, T, H, W
    captions: Callable[..., list[str]]
    parse: Callable[[str], dict[str, str]]
    render: Callable[..., Tensor]
    random_clips: Callable[..., tuple[Tensor, list[str]]]
    read: Callable[[Tensor], list[Reading]]
    splits: tuple[str, ...] = ("train",)
    oracle: Callable[[], nn.Module] | None = None  # a network, where `read` is one
