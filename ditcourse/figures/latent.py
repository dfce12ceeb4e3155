"""Figures of chapter 12: clips side by side, PCA's directions, a run against PCA, the channels of a latent."""

from __future__ import annotations

import base64
import html
import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from ditcourse.figures.clips import to_frames
from ditcourse.figures.plots import INK, QUIET, _axes, _legend


def encode_lossy(frames, fps: float, quality: int) -> bytes:
    """Frames (T, H, W, 3 or 4) uint8 as an animated WebP that is close to them, but a fifth of a lossless one's size.

    A fourth channel says what is to be seen: 255, or 0 where the page shines through.
    """
    images = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(
        buffer, "WEBP", save_all=True, append_images=images[1:], duration=round(1000 / fps), loop=0, quality=quality,
        method=6,
    )  # fmt: skip
    return buffer.getvalue()


def with_gaps(clips, columns: int, gap: int = 2) -> np.ndarray:
    """Clips (B, C, T, H, W) as frames (T, height, width, 4) uint8, row by row, with `gap` clear pixels between them."""
    frames = np.stack([to_frames(clip) for clip in clips])  # (B, T, H, W, 3)
    B, T, H, W = frames.shape[:4]
    tall, wide = H + gap, W + gap
    grid = np.zeros((T, B // columns * tall - gap, columns * wide - gap, 4), dtype=np.uint8)
    for number, clip in enumerate(frames):
        top, left = number // columns * tall, number % columns * wide
        grid[:, top : top + H, left : left + W] = np.pad(clip, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=255)
    return grid


def show_together(clips, columns: int, alt: str, caption: str = "", width: int = 384, fps: float = 8, quality=90):
    """Clips (B, C, T, H, W) as one moving picture, row by row, so that they keep time; returns HTML for a notebook.

    alt says in words what is to be seen, caption what the columns are; width is that of the clips without the gaps
    between them. Slightly lossy: a rebuilt clip is full of faint noise, and kept bit for bit it would weigh a hundred
    kilobytes.
    """
    from IPython.display import HTML

    if len(clips) % columns:
        raise ValueError(f"clips must fill their rows of {columns}, got {len(clips)}")
    frames = with_gaps(clips, columns)
    width = round(width * frames.shape[2] / (columns * clips.shape[4]))
    middle = len(frames) // 2
    pictures = (encode_lossy(frames, fps, quality), encode_lossy(frames[middle : middle + 1], fps, quality))
    moving, still = (base64.b64encode(picture).decode() for picture in pictures)
    said = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return HTML(
        f'<figure class="clip" style="margin:4px 0;max-width:{width}px;text-align:center">'
        f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="data:image/webp;base64,{still}">'
        f'<img src="data:image/webp;base64,{moving}" alt="{html.escape(alt)}" width="{width}" '
        f'style="image-rendering:pixelated;max-width:100%"></picture>{said}</figure>'
    )


def directions_figure(directions):
    """Blocks (k, 3, T, H, W), a row for each and a column for each of its frames; returns the figure.

    Grey is zero. Each block is stretched until its largest number is 1 or -1: a colour's full light, or none of it.
    """
    directions = np.asarray(directions, dtype=float)
    k, T = directions.shape[0], directions.shape[2]
    figure, axes = plt.subplots(
        k, T, figsize=(3.7, 0.72 * k + 0.3), dpi=150, facecolor="white", layout="constrained", squeeze=False
    )
    for row, block in zip(axes, directions, strict=True):
        for ax, picture in zip(row, to_frames(block / np.abs(block).max()), strict=True):
            ax.imshow(picture)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    for number, ax in enumerate(axes[:, 0], start=1):
        ax.set_ylabel(number, fontsize=9, color=INK, rotation=0, ha="right", va="center")
    for number, ax in enumerate(axes[0], start=1):
        ax.set_title(f"frame {number}", fontsize=8, color=QUIET)
    return figure


def plot_psnr(curve: list[dict], pca: float):
    """PSNR against the training step, with PCA's as a line; returns the figure. curve: that of a run's record."""
    ax = _axes("training step", "PSNR in decibels")
    ax.axhline(pca, color="#e08a4a", linewidth=2, linestyle="--", label="PCA")
    ax.plot([p["step"] for p in curve], [p["psnr"] for p in curve], color="#0b3c6f", linewidth=1.6, label="autoencoder")
    ax.set(xlim=(0, None))
    _legend(ax)
    return ax.figure


def latent_figure(clip, latent, limit: float = 3.0):
    """A clip (3, T, H, W) above the channels of its latent (C, t, h, w); returns the figure.

    Each column is one latent frame, with the second of the frames that it stands for above it, and its number. Channels
    run from blue (-limit) over white to red (limit).
    """
    C, t = latent.shape[:2]
    every = clip.shape[1] // t
    frames = to_frames(clip)[1::every]
    figure, axes = plt.subplots(
        C + 1, t, figsize=(3.7, 0.86 * (C + 1) + 0.5), dpi=150, facecolor="white", layout="constrained", squeeze=False
    )
    for k in range(t):
        axes[0, k].imshow(frames[k])
        axes[0, k].set_title(f"frame {every * k + 2}", fontsize=8, color=QUIET)
        for c in range(C):
            shown = axes[c + 1, k].imshow(latent[c, k].detach().cpu().numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit)
    for row, label in zip(axes, ["clip", *(f"channel {c + 1}" for c in range(C))], strict=True):
        row[0].set_ylabel(label, fontsize=8, color=INK)
        for ax in row:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, location="bottom", shrink=0.6, aspect=30)
    bar.ax.tick_params(labelsize=8, colors=QUIET)
    bar.outline.set_visible(False)
    return figure
