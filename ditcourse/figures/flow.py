"""The whole hand sheet on one picture, and frames in rows. All numbers come from the exercise and its key.

Both are tall and narrow, with a white ground, so that they read on a telephone and in a dark page.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from ditcourse import byhand

INCHES_PER_CELL = 0.236  # 18 cells are 4.25 inches: a number stays above 10 px on a page 390 px wide
INK, QUIET, GROUND = "#1f2933", "#52606d", "#f0f2f5"
KINDS = {  # fill and edge of a matrix, by what it holds
    "data": ("#e3effb", "#1f6fb5"),
    "weights": ("#e4f3e6", "#2f8446"),
    "noise": ("#fdebd5", "#b8640c"),
    "condition": ("#efe5f8", "#7a45ad"),
    "learning": ("#fce4e6", "#bd2f43"),
}
# Pixels of the drawn frames: the larger the number, the deeper the blue.
PIXELS = LinearSegmentedColormap.from_list("pixels", ["#f4f9ff", "#6aaede", "#0b3c6f"])


def draw_flow(exercise, key):
    """The sheet from the frames at the top to the frames at the bottom, with every matrix in its place.

    exercise, key: from `byhand.load()` and `byhand.solve(exercise)`, or others of the same shapes.
    Each number is a text whose gid is the name of its matrix ("X", "W_enc" ...).
    """
    shapes = {"X": (4, 4), "L": (2, 4), "c": (5,), "frames": (4, 2, 2)}
    for name, shape in shapes.items():
        came = getattr(key, name).shape
        if came != shape:
            raise ValueError(f"{name}: came with shape {came}; the picture is made for {shape}")
    ax = _canvas(18, 55.4)
    _legend(ax)
    _to_latent(ax, exercise, key)
    _condition(ax, exercise, key)
    _denoiser(ax, exercise, key)
    _learning(ax, exercise, key)
    _to_video(ax, exercise, key)
    return ax.figure


def draw_frames(rows):
    """Frames (F, h, w) in rows, one below the other: {label: frames}. Deeper blue is a larger number."""
    sizes = {np.shape(frames) for frames in rows.values()}
    if len(sizes) != 1 or len(next(iter(sizes))) != 3:
        raise ValueError(f"rows: came with shapes {sorted(sizes)}; allowed: (F, h, w), the same for all")
    count, height, width = sizes.pop()
    step = height + 2.0
    wide = max(count * (width + 0.6) + 0.4, 11)  # room for a label
    ax = _canvas(wide, len(rows) * step + 0.3)
    for number, (label, frames) in enumerate(rows.items()):
        top = number * step + 0.4
        _text(ax, 0.5, top + 0.4, label, size=9.5)
        _frames(ax, label, frames, 0.5, top + 1.0, gap=0.6)
    return ax.figure


# ---- the parts of the picture; x to the right and y downwards, in cells ----

MIDDLE = 8.4  # the column that the data run down
RIGHT = 11.6


def _legend(ax):
    x = 0.4
    for kind, width in zip(KINDS, (2.9, 3.7, 3.1, 4.1, 3.2), strict=True):
        fill, edge = KINDS[kind]
        ax.add_patch(Rectangle((x, 0.45), 0.62, 0.62, facecolor=fill, edgecolor=edge, linewidth=1.2))
        _text(ax, x + 0.85, 0.78, kind, size=8.5)
        x += width


def _to_latent(ax, exercise, key):
    _caption(ax, 3.35, 1.95, "given")
    _frames(ax, "frames", exercise.frames, 3.35, 2.5)
    _arrow(ax, (MIDDLE, 4.7), (MIDDLE, 6.5))
    _caption(ax, MIDDLE - 0.4, 5.5, "patches", align="right")
    _matrix(ax, "X", key.X, 6.4, 6.7, "data", name_left=True)

    _arrow(ax, (MIDDLE, 10.9), (MIDDLE, 12.8))
    _caption(ax, 0.4, 9.35, "encoder", two_lines=True)
    _matrix(ax, "W_enc", exercise.W_enc, 0.4, 10.4, "weights", below=r"$W_{enc}$")
    _matrix(ax, "b_enc", exercise.b_enc, 4.6, 10.4, "weights", below=r"$b_{enc}$")
    _arrow(ax, (5.8, 11.4), (8.2, 11.4), "weights")
    _text(ax, MIDDLE + 0.35, 11.45, "ReLU", size=8.5, color=QUIET)
    _matrix(ax, "L", key.L, 6.4, 13.0, "data", name_left=True, clipped=key.pre_encoder < 0)

    _arrow(ax, (MIDDLE, 15.2), (MIDDLE, 17.1))
    _caption(ax, 0.4, 14.45, "noise")
    _matrix(ax, "N", key.N, 0.4, 15.1, "noise", below="$N$")
    _arrow(ax, (4.6, 16.1), (8.0, 16.1), "noise")
    _sign(ax, MIDDLE, 16.1, "+")
    _matrix(ax, "Z", key.Z, 6.4, 17.3, "data", name_left=True)


def _condition(ax, exercise, key):
    _panel(ax, 11.15, 5.2, 6.65, 16.9, "#f3ecfa", zorder=0.5)
    _caption(ax, RIGHT, 6.0, "condition")
    _text(ax, RIGHT, 7.0, f"“{exercise.prompt}”, t = {exercise.t}", style="italic")
    _matrix(ax, "c", key.c[None], RIGHT, 7.7, "condition")
    _text(ax, RIGHT + 5.35, 8.2, "$c$", size=10.5)
    _caption(ax, RIGHT, 10.0, "scale_shift", two_lines=True)
    _matrix(ax, "W_ada", exercise.W_ada, RIGHT - 0.1, 11.05, "weights", below=r"$W_{ada}$")
    _matrix(ax, "b_ada", exercise.b_ada, RIGHT + 5.0, 11.05, "weights", below=r"$b_{ada}$")
    _arrow(ax, (RIGHT + 2.4, 16.3), (RIGHT + 2.4, 18.5), "condition")
    _matrix(ax, "scale", key.scale, RIGHT + 0.75, 18.7, "condition", below="scale")
    _matrix(ax, "shift", key.shift, RIGHT + 3.05, 18.7, "condition", below="shift")


def _denoiser(ax, exercise, key):
    _panel(ax, 0.75, 19.2, 17.05, 13.5, GROUND)
    _text(ax, 17.5, 23.4, "the diffusion\ntransformer", color=QUIET, ha="right", style="italic")
    _arrow(ax, (MIDDLE, 19.5), (MIDDLE, 22.2))
    _arrow(ax, (RIGHT + 0.55, 19.9), (8.6, 19.9), "condition")
    _caption(ax, 7.9, 20.9, "modulate", align="right", two_lines=True)
    _matrix(ax, "C", key.C, 6.4, 22.4, "data", name_left=True)

    _arrow(ax, (MIDDLE, 24.6), (MIDDLE, 27.3))
    _caption(ax, 1.0, 22.9, "attention", two_lines=True)
    _matrix(ax, "A", key.A, 1.0, 23.95, "data", below="$A$")
    _arrow(ax, (5.2, 25.95), (8.2, 25.95))
    _caption(ax, MIDDLE + 0.5, 25.95, "pooling")
    _matrix(ax, "P", key.P, 6.4, 27.5, "data", name_left=True)

    _arrow(ax, (MIDDLE, 29.7), (MIDDLE, 32.7))
    _caption(ax, RIGHT, 28.75, "feedforward", two_lines=True)
    _matrix(ax, "W_ff", exercise.W_ff, RIGHT, 29.65, "weights", below=r"$W_{ff}$")
    _matrix(ax, "b_ff", exercise.b_ff, RIGHT + 2.2, 29.65, "weights", below=r"$b_{ff}$")
    _arrow(ax, (RIGHT - 0.2, 30.65), (8.6, 30.65), "weights")
    _matrix(ax, "E", key.E, 6.4, 32.9, "noise", name_left=True)


def _learning(ax, exercise, key):
    after = RIGHT + 4.9
    _arrow(ax, (10.6, 33.9), (RIGHT, 33.9), "learning")
    _matrix(ax, "G", key.G, RIGHT + 0.2, 32.9, "learning")
    _arrow(ax, (RIGHT + 0.7, 36.4), (RIGHT + 0.7, 35.1), "noise")
    _text(ax, RIGHT + 1.2, 35.85, "true noise $N$")
    _caption(ax, RIGHT + 0.2, 37.3, "gradient", two_lines=True)
    _text(ax, RIGHT + 0.2, 39.2, f"$G = E - N$\nMSE {_number(key.loss)}: the latent loss")
    _arrow(ax, (after + 0.5, 33.9), (after + 0.5, 31.85), "learning", start=(RIGHT + 4.4, 33.9))
    _matrix(ax, "b_ff_after", key.b_ff_after, after, 29.65, "learning")
    _arrow(ax, (after - 0.15, 30.65), (RIGHT + 3.35, 30.65), "learning")
    _caption(ax, after + 1.1, 27.2, "update", align="right", two_lines=True)


def _to_video(ax, exercise, key):
    _arrow(ax, (MIDDLE, 35.1), (MIDDLE, 37.9))
    _sign(ax, MIDDLE, 36.4, "−")
    _skip(ax, [(6.2, 18.55), (0.45, 18.55), (0.45, 36.4), (8.0, 36.4)])
    _caption(ax, 1.0, 35.3, "denoise", two_lines=True)
    _matrix(ax, "D", key.D, 6.4, 38.1, "data", name_left=True)

    _arrow(ax, (MIDDLE, 40.3), (MIDDLE, 43.0))
    _caption(ax, 0.4, 38.9, "decode", two_lines=True)
    _matrix(ax, "W_dec", exercise.W_dec, 0.4, 39.95, "weights", below=r"$W_{dec}$")
    _matrix(ax, "b_dec", exercise.b_dec, 2.6, 39.95, "weights", below=r"$b_{dec}$")
    _arrow(ax, (3.8, 41.65), (8.2, 41.65), "weights")
    _text(ax, MIDDLE + 0.35, 41.7, "ReLU", size=8.5, color=QUIET)
    _matrix(ax, "Y", key.Y, 6.4, 43.2, "data", name_left=True, clipped=key.pre_decoder < 0)
    _text(ax, 10.8, 45.2, "dashed ring:\nwas below 0,\nset to 0 by ReLU", size=8.5, color=QUIET)

    _arrow(ax, (MIDDLE, 47.4), (MIDDLE, 49.1))
    _caption(ax, MIDDLE + 0.4, 48.2, "video")
    _text(ax, 0.4, 50.3, "before\nlearning", size=8.5)
    _frames(ax, "frames_out", key.frames, 3.35, 49.3)
    _text(ax, 0.4, 53.0, "after the\nupdate", size=8.5)
    _frames(ax, "frames_after", key.frames_after, 3.35, 52.0)
    for y, loss in ((50.3, key.loss), (53.0, key.loss_after)):
        _text(ax, 14.2, y, f"latent\nloss {_number(loss)}")
    new = ", ".join(_number(value) for value in key.b_ff_after)
    _text(ax, 0.4, 54.65, f"After the update: the same way down, with $b_{{ff}}$ = ({new})", size=8.5)


# ---- small things ----


def _canvas(width, height):
    size = (width * INCHES_PER_CELL, height * INCHES_PER_CELL)
    figure = plt.figure(figsize=size, dpi=150, facecolor="white")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    return ax


def _text(ax, x, y, text, size=9, color=INK, va="center", **options):
    ax.text(x, y, text, fontsize=size, color=color, va=va, **options)


def _caption(ax, x, y, step, align="left", two_lines=False):
    """Both numbers of a step and its name."""
    step = next(one for one in byhand.STEPS if one.key == step)
    between = "\n" if two_lines else " "
    _text(ax, x, y, f"{step.label}{between}{step.name}", size=8.5, ha=align, weight="bold", linespacing=1.3)


def _matrix(ax, name, values, x, y, kind, name_left=False, below="", clipped=None):
    """One cell a number; a vector stands upright. Cells that the ReLU `clipped` get a dashed ring."""
    values = np.asarray(values)
    values = values[:, None] if values.ndim == 1 else values
    fill, edge = KINDS[kind]
    rows, columns = values.shape
    for r, c in np.ndindex(rows, columns):
        ax.add_patch(Rectangle((x + c, y + r), 1, 1, facecolor=fill, edgecolor="white", linewidth=1))
        middle = (x + c + 0.5, y + r + 0.5)
        _cell(ax, name, values[r, c], *middle)
        if clipped is not None and clipped[r, c]:
            ax.add_patch(Circle(middle, 0.44, fill=False, color=edge, linestyle=(0, (2, 1.5))))
    ax.add_patch(Rectangle((x, y), columns, rows, fill=False, edgecolor=edge, linewidth=1.4))
    if name_left:
        _text(ax, x - 0.3, y + 0.5, f"${name}$", size=10.5, ha="right")
    if below:
        _text(ax, x + columns / 2, y + rows + 0.55, below, size=9.5, ha="center")


def _frames(ax, name, frames, x, y, gap=0.7):
    edge, top = KINDS["data"][1], max(10, np.max(frames))
    for number, frame in enumerate(np.asarray(frames)):
        left = x + number * (frame.shape[1] + gap)
        for r, c in np.ndindex(frame.shape):
            share = float(np.clip(frame[r, c] / top, 0, 1))
            pixel = Rectangle((left + c, y + r), 1, 1, facecolor=PIXELS(share), edgecolor="white")
            ax.add_patch(pixel)
            _cell(ax, name, frame[r, c], left + c + 0.5, y + r + 0.5, "white" if share > 0.5 else INK)
        height, width = frame.shape
        ax.add_patch(Rectangle((left, y), width, height, fill=False, edgecolor=edge, linewidth=1.4))


def _cell(ax, name, value, x, y, colour=INK):
    _text(ax, x, y + 0.04, _number(value), size=9.5, color=colour, ha="center", gid=name)


def _number(value):
    """2.0 -> 2, -1 -> −1 (a true minus), 0.5 -> ½."""
    text = "½" if value == 0.5 else f"{float(value):.3g}"
    return text.replace("-", "−")


def _arrow(ax, tail, head, kind="data", start=None):
    """An arrow; with `start` a plain line leads to its tail."""
    colour = KINDS[kind][1]
    if start:
        ax.plot(*np.transpose([start, tail]), color=colour, linewidth=1.4, solid_capstyle="round")
    ax.add_patch(FancyArrowPatch(tail, head, arrowstyle="-|>", mutation_scale=9, color=colour, linewidth=1.4,
                                 shrinkA=0, shrinkB=0, zorder=3))  # fmt: skip


def _skip(ax, corners):
    """Z goes down beside the denoiser, to the place where the predicted noise is taken from it."""
    colour = KINDS["data"][1]
    ax.plot(*np.transpose(corners[:-1]), color=colour, linewidth=1.4, zorder=1)
    _arrow(ax, corners[-2], corners[-1])


def _sign(ax, x, y, sign):
    ax.add_patch(Circle((x, y), 0.42, facecolor="white", edgecolor=INK, linewidth=1.2, zorder=4))
    _text(ax, x, y, sign, size=10, ha="center", va="center_baseline", zorder=5)


def _panel(ax, x, y, width, height, colour, zorder=0):
    box = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.4", linewidth=0,
                         facecolor=colour, zorder=zorder)  # fmt: skip
    ax.add_patch(box)
