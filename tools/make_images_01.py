"""Draw the pictures of chapter 1 from the answer key:  python tools/make_images_01.py [--check]

SVG as plain text, the same bytes on every run. --check writes nothing and fails if a file is stale (for CI).
"""

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs in a plain checkout too

from ditcourse import byhand  # noqa: E402

OUTPUT = ROOT / "book" / "images"
CELL, GAP, EDGE = 44, 22, 12
FRAME = 2 * CELL
WIDTH = 2 * EDGE + 4 * FRAME + 3 * GAP
BRIGHTEST = 9  # the largest number of a correct pass is white, 0 is black
MARK = "#e8590c"


def text(x, y, words, size=15, colour="#1b1b1b", anchor="middle", weight="normal"):
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{words}</text>'
    )


def picture(height, parts):
    """The whole SVG, on a light card of its own, so that it reads the same in both themes."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" font-family="system-ui, sans-serif">',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f6f5f1"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def draw_frame(x, y, frame, same=None):
    """One frame of 2 x 2 pixels. `same` marks pixels (outlined) that are as in the training video."""
    parts = []
    for (row, column), value in np.ndenumerate(frame):
        left, top = x + column * CELL, y + row * CELL
        grey = round(255 * min(float(value) / BRIGHTEST, 1))
        parts.append(
            f'<rect x="{left}" y="{top}" width="{CELL}" height="{CELL}" fill="rgb({grey},{grey},{grey})" '
            'stroke="#9a9a94"/>'
        )
        if same is not None and same[row, column]:
            parts.append(
                f'<rect x="{left + 4}" y="{top + 4}" width="{CELL - 8}" height="{CELL - 8}" rx="4" '
                f'fill="none" stroke="{MARK}" stroke-width="3"/>'
            )
        colour = "#ffffff" if grey < 128 else "#000000"
        parts.append(text(left + CELL / 2, top + CELL / 2 + 6, f"{value:g}", 17, colour))
    return parts


def film(y, frames, original=None):
    parts = []
    for index, frame in enumerate(frames):
        same = None if original is None else frame == original[index]
        parts += draw_frame(EDGE + index * (FRAME + GAP), y, frame, same)
    return parts


def names_of_frames(y):
    return [text(EDGE + FRAME / 2 + i * (FRAME + GAP), y, f"F{i + 1}", weight="bold") for i in range(4)]


def video(exercise, key):
    """The four frames of the training video."""
    return picture(FRAME + 46, [*names_of_frames(24), *film(34, exercise.frames)])


def listen(exercise, key):
    """Who listens to whom: column j of A says what new token j is made of."""
    centre = [EDGE + FRAME / 2 + i * (FRAME + GAP) for i in range(4)]
    top, bottom = 62, 178
    parts = [text(EDGE, 22, "before: the tokens in C", anchor="start")]
    for old, new in np.argwhere(key.A > 0):
        parts.append(
            f'<line x1="{centre[old]:g}" y1="{top}" x2="{centre[new]:g}" y2="{bottom}" stroke="#3b5bdb" '
            'stroke-width="2.5"/>'
        )
    for y in (top, bottom):
        for index, x in enumerate(centre):
            parts.append(f'<circle cx="{x:g}" cy="{y}" r="22" fill="#ffffff" stroke="#1b1b1b"/>')
            parts.append(text(x, y + 6, f"F{index + 1}", 16, weight="bold"))
    parts.append(text(EDGE, 226, "after: the tokens in P, one half from each line", anchor="start"))
    return picture(238, parts)


def frames(exercise, key):
    """The training video, and what comes out before learning, after one step, with a perfect guess."""
    perfect = byhand.unpatchify(byhand.decode(key.L, exercise.W_dec, exercise.b_dec))
    rows = (
        ("the training video", exercise.frames, None),
        ("before learning", key.frames, exercise.frames),
        ("after one step", key.frames_after, exercise.frames),
        ("with a perfect guess of the noise", perfect, exercise.frames),
    )
    step = FRAME + 34
    parts = []
    for index, (label, shown, original) in enumerate(rows):
        y = index * step
        parts += [text(EDGE, y + 24, label, anchor="start", weight="bold"), *film(y + 33, shown, original)]
    legend = len(rows) * step + 26
    parts.append(text(EDGE, legend, "outlined: the pixel is as in the training video", anchor="start"))
    return picture(legend + 14, parts)


def files():
    exercise = byhand.load()
    key = byhand.solve(exercise)
    return {f"01_{make.__name__}.svg": make(exercise, key) for make in (video, listen, frames)}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a picture is stale")
    options = parser.parse_args(arguments)
    stale = 0
    for name, svg in files().items():
        path = OUTPUT / name
        if path.is_file() and path.read_bytes() == svg.encode("utf-8"):
            continue
        stale += 1
        if options.check:
            print(f"{path}: not up to date; run: python tools/make_images_01.py")
        else:
            path.write_bytes(svg.encode("utf-8"))  # bytes: LF on every system
            print(f"wrote {path}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
