"""Figures of the block and the whole model: a drawing, the rungs in words, their measured losses, shares by part.

The drawing and the list take the colours of the page, light or dark; the plots have a white ground.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources

import matplotlib.pyplot as plt
from IPython.display import HTML

from ditcourse.model.ladder import RUNGS

INK, QUIET = "#1f2933", "#52606d"
COLOURS = ("#0b3c6f", "#56a5d8", "#00573f", "#e08a4a", "#9fb3c8", "#7a45ad", "#bd2f43", "#c9b458")
HATCHES = ("", "///", "", "...", "", "xx", "", "\\\\\\")

BLUE, GREEN, PURPLE = "#1f6fb533", "#2f844633", "#7a45ad33"  # see-through: they read on white and on black


def block_drawing() -> HTML:
    """`DiTBlock` as a drawing, in the names of the code: the tokens run down, the condition comes in from the right."""
    parts = [_text(66, 16, "x (B, N, D)"), _text(262, 16, "c (B, D)"), _arrow(66, 22, 66, 556)]
    parts += [_arrow(262, 22, 262, 38), _box(206, 40, 112, "adaLN_modulation", PURPLE, "SiLU, Linear D to 6D", 44)]
    for number, (half, top) in enumerate((("msa", 72), ("mlp", 316)), start=1):
        shift, scale, gate = (f"{name}_{half}" for name in ("shift", "scale", "gate"))
        layer = (
            ("attn", "tokens hear from each other") if half == "msa" else ("mlp", "fc1, GELU, fc2, token by token")
        )
        parts += [
            _line(66, top + 8, 150, top + 8),
            _arrow(150, top + 8, 150, top + 28),
            _box(92, top + 28, 116, f"norm{number}", BLUE),
            _arrow(150, top + 54, 150, top + 68),
            _box(92, top + 68, 116, "× (1 + scale) + shift", PURPLE),
            _arrow(150, top + 94, 150, top + 108),
            _box(84, top + 108, 132, layer[0], GREEN, layer[1], 40),
            _arrow(150, top + 148, 150, top + 162),
            _box(92, top + 162, 116, "× gate", PURPLE),
            _line(150, top + 188, 150, top + 208),
            _arrow(150, top + 208, 76, top + 208),
            f'<circle cx="66" cy="{top + 208}" r="9" class="ground"/>',
            _text(66, top + 212, "+"),
            _arrow(262, top + 76, 210, top + 76, "condition"),
            _arrow(262, top + 88, 210, top + 88, "condition"),
            _arrow(262, top + 175, 210, top + 175, "condition"),
            _text(268, top + 74, shift, "start"),
            _text(268, top + 92, scale, "start"),
            _text(268, top + 179, gate, "start"),
        ]
    parts.append('<path d="M262 84 V491" class="condition"/>')
    parts += [
        _text(66, 572, "x (B, N, D)"),
        _text(20, 200, "residual", turned=True),
        _text(20, 444, "residual", turned=True),
    ]
    label = (
        "A DiT block. The tokens x are normalised, scaled and shifted, go through attention and a gate, and are added "
        "to x; then the same with the MLP. The condition c goes through adaLN_modulation, which gives shift, scale and "
        "gate for each half."
    )
    style = """
#dit-block {max-width: 25em; display: block; margin: 0 auto}
#dit-block text {font: 12px sans-serif; fill: currentColor}
#dit-block .small {font-size: 9px}
#dit-block path, #dit-block .ground {stroke: currentColor; fill: none; stroke-width: 1.3}
#dit-block .condition {stroke: #9a6bc9; stroke-dasharray: 4 3}
#dit-block rect {stroke: currentColor}
"""
    return HTML(
        f'<svg id="dit-block" viewBox="0 0 344 580" role="img" aria-label="{label}" width="100%">'
        f"<style>{style}</style>{''.join(parts)}</svg>"
    )


def ladder_list() -> HTML:
    """The rungs as a numbered list: name, what was done before, what is done now, and why."""
    items = []
    for rung in RUNGS:
        change = f"{escape(rung.before)} → {escape(rung.after)}" if rung.before else escape(rung.after)
        items.append(f"<li><strong>{escape(rung.name)}</strong>: {change}. <em>Why:</em> {escape(rung.why)}.</li>")
    return HTML(f'<ol start="0">{"".join(items)}</ol>')


def ladder_record() -> dict:
    """What experiments/ladder.py wrote: a copy of experiments/results/ladder.json."""
    return json.loads((resources.files("ditcourse") / "figures" / "ladder.json").read_text(encoding="utf-8"))


def plot_ladder(record: dict):
    """The losses of `experiments/results/ladder.json`, a row for each rung, a dot for each seed; returns the figure.

    Dotted lines: the exact denoiser, and the answer 0.
    """
    figure, ax = plt.subplots(figsize=(3.7, 4.2), dpi=150, facecolor="white", layout="constrained")
    names = [row["rung"] for row in record["rungs"]]
    for y, row in enumerate(record["rungs"]):
        ax.plot([record["exact"], row["median"]], [y, y], color="#d5dde5", linewidth=5, solid_capstyle="butt")
        ax.plot(row["losses"], [y] * len(row["losses"]), "o", color="#0b3c6f", markersize=4.5, alpha=0.7)
    for x, text, side in ((record["exact"], "exact denoiser", "left"), (record["zero"], "answer 0", "right")):
        ax.axvline(x, color=QUIET, linewidth=1.2, linestyle=":")
        ax.text(x, -0.75, f" {text} ", fontsize=8, color=QUIET, ha=side, va="bottom")
    ax.set(xscale="log", xlim=(0.9 * record["exact"], 1.1 * record["zero"]), ylim=(len(names) - 0.4, -0.8))
    ax.set_yticks(range(len(names)), [f"{name}  {i}" for i, name in enumerate(names)], fontsize=8.5)
    ticks = (0.005, 0.02, 0.05, 0.2, 1)
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    _plain(ax, "error of the predicted noise, held out")
    return figure


def plot_shares(rows: dict[str, dict[str, int]], what: str):
    """Shares of a whole by part: {row: {part: amount}}, all rows with the same parts; returns the figure.

    Parts too small to be seen in any row (below 1.5 %) are put together as "the rest", if there are several.
    """
    names = list(next(iter(rows.values())))
    if any(list(parts) != names for parts in rows.values()):
        raise ValueError("rows must all have the same parts, in the same order")
    shares = {name: [100 * parts[name] / sum(parts.values()) for parts in rows.values()] for name in names}
    style = dict(zip(names, zip(COLOURS, HATCHES, strict=True), strict=False))
    small = [name for name, share in shares.items() if max(share) < 1.5]
    if len(small) > 1:
        shares["the rest"] = [sum(share) for share in zip(*(shares.pop(name) for name in small), strict=True)]
        style["the rest"] = ("#d5dde5", "")
    figure, ax = plt.subplots(
        figsize=(3.7, 1.3 + 0.34 * len(rows) + 0.2 * len(shares)), dpi=150, facecolor="white", layout="constrained"
    )
    left = [0.0] * len(rows)
    for name, share in shares.items():
        colour, hatch = style[name]
        ax.barh(list(rows), share, left=left, label=name, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5)
        left = [a + b for a, b in zip(left, share, strict=True)]
    ax.invert_yaxis()
    ax.set(xlim=(0, 100))
    _plain(ax, f"share of the {what}, in %")
    figure.legend(loc="outside upper left", ncols=2 if max(map(len, shares)) < 16 else 1, frameon=False, fontsize=8.5)
    return figure


def _plain(ax, x: str) -> None:
    ax.set_facecolor("white")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=QUIET, labelsize=8.5)
    ax.set_xlabel(x, fontsize=9.5, color=INK)


def _text(x, y, text, anchor="middle", small=False, turned=False) -> str:
    turn = f' transform="rotate(-90 {x} {y})"' if turned else ""
    kind = ' class="small"' if small else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{kind}{turn}>{escape(text)}</text>'


def _box(x, y, width, text, fill, below="", height=26) -> str:
    middle = x + width / 2
    words = _text(middle, y + (17 if below else height / 2 + 4), text)
    if below:
        words += _text(middle, y + 32, below, small=True)
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}"/>{words}'


def _line(x1, y1, x2, y2, kind="") -> str:
    return f'<path d="M{x1} {y1} L{x2} {y2}"{f" class={kind!r}" if kind else ""}/>'


def _arrow(x1, y1, x2, y2, kind="") -> str:
    """A line with a head; along an axis."""
    dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    bx, by = x2 - 5 * dx, y2 - 5 * dy
    head = f'<path d="M{bx - 3.5 * dy} {by - 3.5 * dx} L{x2} {y2} L{bx + 3.5 * dy} {by + 3.5 * dx}"/>'
    return _line(x1, y1, x2, y2, kind) + head
