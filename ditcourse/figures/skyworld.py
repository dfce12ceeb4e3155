"""Figures of chapter 11: signed distances of the subjects, tracks over clips and on paper, a confusion matrix."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import TwoSlopeNorm
from torch import Tensor

from ditcourse.figures.plots import INK, QUIET

MARK = np.array([1.0, -1.0, 0.9])  # a colour that no subject and no sky has


def plot_distances(shapes: dict[str, Callable], phase: float = 1.2, columns: int = 3):
    """Each subject's signed distance, red inside, with a line for every 0.1 and its edge bold; returns the figure.

    shapes: {name: (p, phase) -> signed distance}, as `ditcourse.world.sky.SHAPES`.
    """
    line = torch.linspace(-1.35, 1.35, 136)
    y, x = torch.meshgrid(line, line, indexing="ij")
    rows = -(-len(shapes) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.4, 1.95 * rows), squeeze=False, layout="constrained")
    for ax, (name, shape) in zip(axes.flat, shapes.items(), strict=False):
        distance = shape((x[None, None], y[None, None]), torch.tensor([[phase]]))[0, 0].numpy()
        ax.contourf(x, y, distance, np.arange(-0.8, 2.0, 0.1), cmap="RdBu", norm=TwoSlopeNorm(0, -0.8, 1.2), alpha=0.8)
        ax.contour(x, y, distance, [0], colors=INK, linewidths=1.8)
        ax.set(aspect="equal", xlim=(-1.35, 1.35), ylim=(1.35, -1.35), xticks=(), yticks=())
        ax.set_title(name, fontsize=10, color=INK)
    for ax in list(axes.flat)[len(shapes) :]:
        ax.remove()
    return figure


def mark_track(clip: Tensor, track: Tensor, scale: int = 2) -> Tensor:
    """The frames of a clip (3, T, H, W) that a track (K, 2) belongs to, evenly spread, with a ring at each place.

    The track is x and y in [-1, 1], from the left and from the top. Returns (3, K, scale H, scale W).
    """
    if clip.dim() != 4 or clip.shape[0] != 3:
        raise ValueError(f"clip must be (3, T, H, W), got {tuple(clip.shape)}; for a batch take clips[0]")
    if track.dim() != 2 or track.shape[1] != 2:
        raise ValueError(f"track must be (K, 2), x and y of K places, got {tuple(track.shape)}")
    chosen = torch.linspace(0, clip.shape[1] - 1, len(track)).round().long()
    frames = clip[:, chosen].repeat_interleave(scale, 2).repeat_interleave(scale, 3).clone()
    H, W = frames.shape[2:]
    y, x = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    for k, (across, down) in enumerate(((track + 1) / 2 * torch.tensor([W, H])).tolist()):
        away = ((x - across).square() + (y - down).square()).sqrt()
        ring = (away - 0.07 * H).abs() < 0.5 * scale
        frames[:, k, ring] = torch.tensor(MARK, dtype=frames.dtype)[:, None]
    return frames


def plot_tracks(tracks: dict[str, Tensor], columns: int = 3):
    """Tracks (K, 2) as lines in the picture, their dots from light to dark as time passes; returns the figure.

    tracks: {name: x and y in [-1, 1], y downwards}.
    """
    rows = -(-len(tracks) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.4, 1.95 * rows), squeeze=False, layout="constrained")
    for ax, (name, track) in zip(axes.flat, tracks.items(), strict=False):
        x, y = np.asarray(track).T
        ax.plot(x, y, color=QUIET, linewidth=0.8, zorder=1)
        ax.scatter(x, y, c=np.arange(len(x)), cmap="Blues", vmin=-4, s=26, edgecolors=INK, linewidths=0.6, zorder=2)
        ax.set(aspect="equal", xlim=(-1, 1), ylim=(1, -1), xticks=(), yticks=())
        ax.set_title(name, fontsize=10, color=INK)
    for ax in list(axes.flat)[len(tracks) :]:
        ax.remove()
    return figure


def plot_confusion(matrix, rows: tuple[str, ...], columns: tuple[str, ...]):
    """Counts (rows, columns): what was shown, and what was read. Zeros are left out; returns the figure."""
    matrix = np.asarray(matrix)
    if matrix.shape != (len(rows), len(columns)):
        raise ValueError(f"matrix must be {len(rows)} x {len(columns)} as its names, got shape {matrix.shape}")
    figure, ax = plt.subplots(figsize=(4.6, 0.45 * len(rows) + 1.2), layout="constrained")
    share = matrix / matrix.sum(1, keepdims=True).clip(min=1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for r, c in zip(*np.nonzero(matrix), strict=True):
        colour = "white" if share[r, c] > 0.5 else INK
        ax.text(c, r, str(matrix[r, c]), ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(columns)), columns, rotation=35, ha="right", fontsize=9)
    ax.set_yticks(range(len(rows)), rows, fontsize=9)
    ax.set_xlabel("read as", color=QUIET)
    ax.set_ylabel("painted", color=QUIET)
    return figure
