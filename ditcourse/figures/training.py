"""Curves of chapter 10: a run over its floor, the gap at each noise level, and runs side by side."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np

from ditcourse.figures.plots import INK, QUIET, _axes, _legend, running_mean

BAND = "#9fd3c0"
STYLES = (  # colour, dash, width: where two lines lie on each other, the thin one is in front
    ("#56a5d8", "-", 4.0), ("#00573f", "-.", 1.6), ("#e08a4a", "--", 2.6), (INK, ":", 1.8), ("#a0569c", "-", 1.2),
)  # fmt: skip


def training_record() -> dict:
    """What experiments/training.py wrote: a copy of experiments/results/training.json."""
    return json.loads((resources.files("ditcourse") / "figures" / "training.json").read_text(encoding="utf-8"))


def plot_floor(losses: list[float], floor: tuple[float, float], start: float, window: int = 50):
    """The losses of a whole run as running means, over the bracket in which the floor lies; returns the figure.

    floor: (from, to); start: the loss of a model that answers 0, a dotted line. Logarithmic scale.
    """
    ax = _axes("training step", f"loss, mean of {window} steps")
    ax.axhline(start, color=QUIET, linewidth=1.2, linestyle=":", label="answering 0")
    steps = np.arange(1, len(losses) + 1)
    ax.plot(steps, running_mean(losses, window), color="#0b3c6f", linewidth=1.4, label="the run")
    ax.axhspan(*floor, color=BAND, label="here lies the floor", zorder=0)
    ax.set(xlim=(0, None), yscale="log")
    _ticks(ax, (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2))
    _legend(ax)
    return ax.figure


def plot_levels(record: dict):
    """Loss at each noise level: answering 0, the miniature, and the bracket of its floor; returns the figure.

    record: the part "levels" of `training_record()`. The lower edge is cut off at 0.001.
    """
    ax = _axes("t, from clip to noise", "loss")
    levels = record["levels"]
    ax.plot(levels, record["zero"], ":", color=QUIET, linewidth=1.2, label="answering 0")
    ax.plot(levels, record["mini"], "o-", color="#0b3c6f", markersize=3.5, label="miniature")
    low = np.maximum(record["inside"], 1e-3)
    ax.fill_between(levels, low, record["outside"], color=BAND, label="here lies the floor")
    ax.set(yscale="log", ylim=(1e-3, 2.5))
    _ticks(ax, (0.001, 0.01, 0.1, 1))
    _legend(ax)
    return ax.figure


def plot_runs(curves: dict[str, list[float]], per: int = 1, window: int = 1, top: float | None = None):
    """Losses of up to five runs side by side, on a logarithmic scale; returns the figure.

    curves: {name: losses}, each loss the mean of `per` steps. A run that was stopped ends with a cross.
    """
    if not 1 <= len(curves) <= len(STYLES):
        raise ValueError(f"curves must be 1 to {len(STYLES)} runs, got {len(curves)}")
    ax = _axes("training step", "loss")
    longest = max(map(len, curves.values()))
    for (name, losses), (colour, dash, width) in zip(curves.items(), STYLES, strict=False):
        steps, mean = per * np.arange(1, len(losses) + 1), running_mean(losses, window)
        ax.plot(steps, mean, dash, color=colour, linewidth=width, label=name)
        if len(losses) < longest:
            ax.plot(steps[-1], min(mean[-1], top or mean[-1]), "x", color=colour, markersize=9, markeredgewidth=2.5)
    ax.set(xlim=(0, None), yscale="log")
    if top is not None:
        ax.set_ylim(top=top)
    _ticks(ax, (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50))
    _legend(ax)
    return ax.figure


def _ticks(ax, wanted) -> None:
    """Ticks at these places; at more of them, where fewer than four would be seen."""
    low, high = ax.get_ylim()
    ticks = [tick for tick in wanted if low <= tick <= high]
    if len(ticks) < 4:
        finer = [m * 10.0**power for power in range(-3, 2) for m in (1, 1.5, 2, 3, 4, 5, 6, 8)]
        ticks = [tick for tick in finer if low <= tick <= high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
