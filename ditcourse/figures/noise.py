"""Pictures of noise: clips in a grid, one row for each case, and schedules with their signal-to-noise ratio.

Still and on a white ground, so that they read on paper, on a telephone and in a dark page.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch

from ditcourse.figures.clips import to_frames
from ditcourse.figures.plots import INK, QUIET

LINES = (("#56a5d8", "-", 4), ("#e08a4a", "--", 3), ("#00573f", "-.", 1.8))  # colour, dash, width


def show_grid(rows: dict, columns: list[str]):
    """The middle frames of clips, in a grid; returns the figure.

    rows: {label: clips (n, C, T, H, W) in [-1, 1]}, what is beyond is cut off. columns: n headings.
    """
    counts = {label: len(clips) for label, clips in rows.items()}
    if set(counts.values()) != {len(columns)}:
        raise ValueError(f"rows must hold {len(columns)} clips each, one for each heading, got {counts}")
    # Fixed places, in inches: a layout that measures the labels would shift the columns by the longest of them.
    width, height = 0.92 * len(columns), 1.2 * len(rows)
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(width, height), dpi=130, facecolor="white", squeeze=False,
        gridspec_kw={"left": 0.01, "right": 0.99, "top": 1 - 0.22 / height, "bottom": 0.2 / height,
                     "wspace": 0.08, "hspace": 0.48},
    )  # fmt: skip
    for (label, clips), row in zip(rows.items(), axes, strict=True):
        row[0].set_title(label, loc="left", fontsize=9.5, color=INK)
        for ax, clip, heading in zip(row, clips, columns, strict=True):
            frames = to_frames(clip)
            ax.imshow(frames[len(frames) // 2], interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.set_xlabel(heading, fontsize=8.5, color=QUIET, labelpad=2)
            ax.spines[:].set_visible(False)
    return figure


def plot_schedules(schedules: dict):
    """Signal and sigma of each schedule, and below them the signal-to-noise ratio, logarithmic; returns the figure.

    schedules: {name: (schedule, times)}, at most three, times rising from the clip to the noise. The x axis is the
    share of the way. Where a ratio is 0 or infinite it has no place on a logarithmic axis.
    """
    if len(schedules) > len(LINES):
        raise ValueError(f"schedules: at most {len(LINES)}, one for each kind of line, got {len(schedules)}")
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(4.6, 5), dpi=130, facecolor="white", layout="constrained", sharex=True
    )
    for (name, (schedule, times)), (colour, dash, width) in zip(schedules.items(), LINES, strict=False):
        way, style = torch.linspace(0, 1, len(times)), {"color": colour, "linestyle": dash, "linewidth": width}
        upper.plot(way, schedule.signal(times), **style, label=name)
        upper.plot(way, schedule.sigma(times), **style, label=f"_{name}")
        lower.plot(way, schedule.snr(times), **style, label=f"_{name}")
    upper.set_ylabel("signal (falls), sigma (rises)", color=INK, fontsize=9.5)
    lower.axhline(1, color=QUIET, linewidth=0.8, dashes=(5, 4))
    lower.text(0.99, 1.25, "as much clip as noise", color=QUIET, fontsize=8.5, ha="right", va="bottom")
    lower.set(yscale="log", ylim=(1e-5, 1e5), xlim=(0, 1))
    lower.set_ylabel("signal-to-noise ratio", color=INK, fontsize=9.5)
    lower.set_xlabel("share of the way from clip to noise", color=INK, fontsize=9.5)
    for ax in (upper, lower):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=QUIET, labelsize=9)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure
