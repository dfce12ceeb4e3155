"""Curves of a training run: the loss, and which attribute of the prompt is learned when.

Small and on a white ground, so that they read on a telephone and in a dark page. Every line has its own dash
beside its colour; the colours are near those of Okabe and Ito, which colour-blind readers can tell apart.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

INK, QUIET, SHADE = "#1f2933", "#52606d", "#e9edf1"
LINES = {  # colour, dash, width and marker: where two lines lie on each other, the thin one is in front
    "colour": ("#56a5d8", "-", 4.5, None),
    "direction": ("#00573f", "-.", 1.6, "o"),
    "shape": ("#e08a4a", "--", 4.5, None),
    "all": (INK, ":", 1.6, "s"),
}
CHANCE = {"chance for shape: 1/3": 1 / 3, "chance for colour, direction: 1/4": 1 / 4}


def plot_progress(progress: list[dict], until: int | None = None):
    """Share of clips that show what their prompt names, against the training step; returns the figure.

    progress: the list of that name in a run's record, [{"step": 100, "right": {"colour": 0.3, ...}}, ...].
    until: where a shorter run of the same kind stops; up to there the ground is shaded.
    Thin dashed lines show what guessing would score.
    """
    ax = _axes("training step", "share of clips right")
    steps = [point["step"] for point in progress]
    if until is not None:
        ax.axvspan(0, until, color=SHADE, zorder=0)
        ax.text(until / 2, 1.14, "trained\nlive here", fontsize=8, color=QUIET, ha="center", va="center")
    for (name, share), side in zip(CHANCE.items(), ("bottom", "top"), strict=True):
        ax.axhline(share, color=QUIET, linewidth=0.8, dashes=(5, 4), zorder=1, label=f"_{name}")
        above = 0.012 if side == "bottom" else -0.012
        ax.text(max(steps), share + above, name, fontsize=8, color=QUIET, ha="right", va=side)
    for name, (colour, dash, width, marker) in LINES.items():
        share = [point["right"][name] for point in progress]
        ax.plot(steps, share, dash, color=colour, linewidth=width, marker=marker, markersize=3, label=name)
    ax.set(xlim=(0, None), ylim=(0, 1.25), yticks=(0, 0.25, 0.5, 0.75, 1))
    _legend(ax)
    return ax.figure


def plot_losses(live: list[float], recorded: list[float], start: float, window: int = 20):
    """The losses of a live run over those of the recorded one, as running means, on a logarithmic scale.

    start: the loss of a model that answers 0, a dotted line. Returns the figure.
    """
    ax = _axes("training step", f"loss, mean of {window} steps")
    ax.axhline(start, color=QUIET, linewidth=1.2, linestyle=":", label="answering 0")
    for name, values, style in (
        ("recorded", recorded, {"color": "#9fb3c8", "linewidth": 3.5}),
        ("live", live, {"color": "#0b3c6f", "linewidth": 1.2}),
    ):
        ax.plot(np.arange(1, len(values) + 1), running_mean(values, window), label=name, **style)
    ax.set(xlim=(0, None), yscale="log")
    low, high = ax.get_ylim()
    ticks = [tick for tick in (0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2) if low <= tick <= high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    _legend(ax)
    return ax.figure


def running_mean(values, window: int) -> np.ndarray:
    """At each place the mean of the last `window` values; of all so far, while they are fewer."""
    if window < 1:
        raise ValueError(f"window must be at least 1, got {window}")
    total = np.cumsum(np.concatenate([[0.0], values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - window, 0)
    return (total[last] - total[first]) / (last - first)


def _axes(x: str, y: str):
    figure, ax = plt.subplots(figsize=(4.6, 3.2), dpi=150, facecolor="white", layout="constrained")
    ax.set_facecolor("white")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=QUIET, labelsize=9)
    ax.set_xlabel(x, fontsize=9.5, color=INK)
    ax.set_ylabel(y, fontsize=9.5, color=INK)
    return ax


def _legend(ax) -> None:
    """Above the axes, where it hides nothing."""
    count = len(ax.get_legend_handles_labels()[1])
    ax.figure.legend(loc="outside upper center", ncols=3 if count > 4 else count, frameon=False, fontsize=9)
