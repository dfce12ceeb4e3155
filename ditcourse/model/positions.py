"""Where a token sits in time and space: a table that is added to it (sincos), or an angle that turns its queries
and keys (rope).

Sources: Vaswani et al. 2017 (1706.03762) for one dimension, Peebles & Xie 2022 (2212.09748) for the image grid,
Su et al. 2021 (2104.09864) for the turning. Without positions attention cannot tell one order of the frames from
another (hand exercise, extension E).
"""

from __future__ import annotations

import torch
from torch import Tensor


def sincos_1d(dim: int, positions: Tensor) -> Tensor:
    """Sines, then cosines, of positions (N,) at dim/2 frequencies 10000^(-i/(dim/2)): (N, dim), float64."""
    if dim < 2 or dim % 2:
        raise ValueError(f"dim must be an even number of at least 2, got {dim}")
    angles = _angles(dim // 2, positions)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_2d(dim: int, height: int, width: int) -> Tensor:
    """The official image table, (height * width, dim): the first half encodes the column, the second the row."""
    rows, columns = _grid(height, width)
    return torch.cat([sincos_1d(dim // 2, columns), sincos_1d(dim // 2, rows)], dim=1)


def sincos_3d(dim: int, frames: int, height: int, width: int) -> Tensor:
    """Space and time, (frames * height * width, dim): the image table plus, for each frame, a table of its number.

    The time table is counted from frame 0 (its value there is subtracted), so that a clip's first frame has exactly
    the image's table and an image is a clip of one frame. Adding a table of time follows Latte (2401.03048).
    """
    space = sincos_2d(dim, height, width)
    time = sincos_1d(dim, torch.arange(frames))
    return (space[None, :, :] + (time - time[:1])[:, None, :]).reshape(frames * height * width, dim)


def rope_3d(head_dim: int, frames: int, height: int, width: int) -> Tensor:
    """Cosines and sines of each token's angles, (2, frames * height * width, head_dim / 2), float64.

    A head's head_dim / 2 pairs are shared out among time, row and column, a third each, the remainder to time (as in
    Wan 2.1). Raises ValueError where a head is too narrow for three axes.
    """
    pairs = head_dim // 2
    if head_dim % 2 or pairs < 3:
        raise ValueError(f"head_dim must be an even number of at least 6 for rope, got {head_dim}")
    space = pairs // 3
    rows, columns = (axis.repeat(frames) for axis in _grid(height, width))
    times = torch.arange(frames).repeat_interleave(height * width)
    angles = torch.cat(
        [_angles(pairs - 2 * space, times), _angles(space, rows), _angles(space, columns)], dim=1
    )
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: Tensor, rope: Tensor) -> Tensor:
    """Turn each pair of neighbouring values of x (..., N, d) by its token's angle, rope (2, N, d/2).

    A turned query times a turned key depends on the difference of their angles only, so on how far apart they are.
    """
    cos, sin = rope
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2).type_as(x)


def _angles(count: int, positions: Tensor) -> Tensor:
    """Positions (N,) times `count` frequencies 10000^(-i/count): (N, count), float64."""
    frequencies = 10000.0 ** (-torch.arange(count, dtype=torch.float64) / count)
    return torch.outer(positions.to(torch.float64), frequencies)


def _grid(height: int, width: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return rows.reshape(-1), columns.reshape(-1)
