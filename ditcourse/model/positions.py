"""Where a token sits in time and space, as a fixed vector of sines and cosines.

Source: Vaswani et al. 2017 (1706.03762) for one dimension; Peebles & Xie 2022 (2212.09748) for the image grid.
Without positions attention cannot tell one order of the frames from another (hand exercise, extension E).
"""

import torch
from torch import Tensor


def sincos_1d(dim: int, positions: Tensor) -> Tensor:
    """Sines, then cosines, of positions (N,) at dim/2 frequencies 10000^(-i/(dim/2)): (N, dim), float64."""
    if dim < 2 or dim % 2:
        raise ValueError(f"dim must be an even number of at least 2, got {dim}")
    frequencies = 10000.0 ** (-torch.arange(dim // 2, dtype=torch.float64) / (dim // 2))
    angles = torch.outer(positions.to(torch.float64), frequencies)
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


def _grid(height: int, width: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return rows.reshape(-1), columns.reshape(-1)
