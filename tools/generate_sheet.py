"""Write the chapter's matrices and the colleague's sheet into book/generated/, from the exercise's givens.

    python tools/generate_sheet.py            write every file
    python tools/generate_sheet.py --check    change nothing; fail and name the files that are not up to date

colleague.md                the whole sheet of a colleague who made two slips, as HTML tables
step_<key>.md               the solved matrices of one step in LaTeX, for chapter 1 to include
step_after.md, printed.md   the pass after the update, and the published variant
steps_table.md              sheet step -> NumPy function -> package symbol
"""

import argparse
import re
import sys
from fractions import Fraction
from html import escape
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ditcourse import byhand  # noqa: E402
from ditcourse.check.chapters.ch01 import colleague_key  # noqa: E402

OUTPUT = ROOT / "book" / "generated"
MADE = "made by tools/generate_sheet.py from ditcourse/byhand/exercise.json; do not edit"
STEP = {step.key: step for step in byhand.STEPS}

FRAMES = ("F1", "F2", "F3", "F4")
PIXELS = ("top left", "top right", "bottom left", "bottom right")
ROWS = ("row 1", "row 2")
CONDITION = ("text 1", "text 2", "text 3", "time 1", "time 2")
SIDES = (("top", "bottom"), ("left", "right"))
ADA = ("scale 1", "scale 2", "shift 1", "shift 2")
FORMULA = {
    "patches": "each frame, read row by row, is one column of <var>X</var>",
    "encoder": "<var>L</var> = ReLU(<var>W</var><sub>enc</sub> <var>X</var> + <var>b</var><sub>enc</sub>); "
    "ReLU writes 0 for anything below 0",
    "noise": "<var>Z</var> = <var>L</var> + <var>N</var>",
    "condition": "<var>c</var> = the text numbers, then <var>t</var> as two binary digits",
    "scale_shift": "(scale, shift) = <var>W</var><sub>ada</sub> <var>c</var> + <var>b</var><sub>ada</sub>",
    "modulate": "<var>C</var> = scale × <var>Z</var> + shift, row by row",
    "attention": "mark the two largest scores of each column of <var>S</var>; "
    "they become 1/2 in <var>A</var>, all else 0",
    "pooling": "<var>P</var> = <var>C</var> <var>A</var>",
    "feedforward": "<var>E</var> = <var>W</var><sub>ff</sub> <var>P</var> + <var>b</var><sub>ff</sub>",
    "gradient": "<var>G</var> = <var>E</var> − <var>N</var>; MSE = the mean of the squares of <var>G</var>",
    "update": "new <var>b</var><sub>ff</sub> = <var>b</var><sub>ff</sub> − the row means of <var>G</var>",
    "denoise": "<var>D</var> = <var>Z</var> − <var>E</var>",
    "decode": "<var>Y</var> = ReLU(<var>W</var><sub>dec</sub> <var>D</var> + <var>b</var><sub>dec</sub>)",
    "video": "each column of <var>Y</var>, written row by row, is one frame",
}
AFTER = {
    "feedforward": "the same <var>P</var> with the new bias: "
    "<var>E</var> = <var>W</var><sub>ff</sub> <var>P</var> + new <var>b</var><sub>ff</sub>",
    "gradient": "MSE = the mean of the squares of <var>E</var> − <var>N</var>",
}


# Numbers as text


def number(value):
    """A whole number or fraction as people write it: 3, −2, 3/2."""
    return str(Fraction(float(value)).limit_denominator(1000)).replace("-", "−")


def latex_number(value):
    value = Fraction(float(value)).limit_denominator(1000)
    if value.denominator == 1:
        return str(value.numerator)
    return f"{'-' if value < 0 else ''}\\tfrac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def subscripts(text):
    """Names as on paper: W_enc with a small enc."""
    return re.sub(r"_(\w+)", r"<sub>\1</sub>", escape(text))


def pmatrix(values):
    values = np.asarray(values)
    rows = values[:, None] if values.ndim == 1 else values
    body = r" \\ ".join(" & ".join(latex_number(value) for value in row) for row in rows)
    return r"\begin{pmatrix} " + body + r" \end{pmatrix}"


# The sheet, in HTML


def scroll(label):
    """The start of a box that scrolls within itself and can be reached by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'


class Sheet:
    """One filled-in sheet: `key` gives the numbers."""

    def __init__(self, name, exercise, key):
        self.name, self.exercise, self.key = name, exercise, key

    def write(self):
        """Frames before learning, one step of learning, frames after."""
        lines = [f"% {MADE}", "", "```{raw} html", f'<div class="sheet sheet-{self.name}">']
        for key in STEP:
            if key not in ("gradient", "update"):
                lines += self.step(key)
        lines += self.step("gradient") + self.step("update")
        for key in ("feedforward", "gradient", "denoise", "decode", "video"):
            lines += self.step(key, after=True)
        return "\n".join([*lines, "</div>", "```", ""])

    def step(self, key, after=False):
        step, formula = STEP[key], (AFTER if after else {}).get(key, FORMULA.get(key))
        title = f"{step.name}, after the update" if after else step.name
        mark = f"sheet-{self.name}-{'after-' if after else ''}{key.replace('_', '-')}"
        return [
            '<div class="sheet-step">',
            f'<h3 id="{mark}"><span class="numbers">{step.label}</span> {escape(title)}</h3>',
            *([] if after else [f"<p>{escape(step.meaning)}</p>"]),
            *([f'<p class="formula">{formula}</p>'] if formula else []),
            '<div class="matrices">',
            *[line for table in getattr(self, "after_" + key if after else key)() for line in table],
            "</div>",
            "</div>",
        ]

    # What each step shows; g are the givens, and a box stands for a number to find.

    def given(self):
        g = self.exercise
        yield [f'<p class="prompt">prompt: “{escape(g.prompt)}”, step number <var>t</var> = {g.t}</p>']
        yield from self.original()

    def patches(self):
        yield self.box("X", "X, the patches", PIXELS, FRAMES)

    def encoder(self):
        yield self.fact("W_enc", "W_enc", self.exercise.W_enc, ROWS, PIXELS)
        yield self.fact("b_enc", "b_enc", self.exercise.b_enc, ROWS, ("bias",))
        yield self.fact("pre_encoder", "W X + b, before ReLU", self.key.pre_encoder, ROWS, FRAMES)
        yield self.box("L", "L, the latent", ROWS, FRAMES)

    def noise(self):
        yield self.fact("N", "N, the noise", self.exercise.noise, ROWS, FRAMES)
        yield self.box("Z", "Z, the noised latent", ROWS, FRAMES)

    def condition(self):
        text = len(self.exercise.text)
        known = [row < text for row in range(len(self.key.c))]
        yield self.table("c", "c, the condition", self.key.c, CONDITION, ("c",), known)

    def scale_shift(self):
        yield self.fact("W_ada", "W_ada", self.exercise.W_ada, ADA, CONDITION, wide=True)
        yield self.fact("b_ada", "b_ada", self.exercise.b_ada, ADA, ("bias",))
        yield self.box("scale", "scale", ROWS, ("scale",))
        yield self.box("shift", "shift", ROWS, ("shift",))

    def modulate(self):
        yield self.box("C", "C, the conditioned latent", ROWS, FRAMES)

    def attention(self):
        yield self.fact("S", "S, the scores (each column looks for its two largest)", self.key.S, FRAMES, FRAMES)
        yield self.box("A", "A, the attention (each column sums to 1)", FRAMES, FRAMES)

    def pooling(self):
        yield self.box("P", "P, the mixed tokens", ROWS, FRAMES)

    def feedforward(self):
        yield self.fact("W_ff", "W_ff", self.exercise.W_ff, ROWS, ROWS)
        yield self.fact("b_ff", "b_ff", self.exercise.b_ff, ROWS, ("bias",))
        yield self.box("E", "E, the predicted noise", ROWS, FRAMES)

    def denoise(self):
        yield self.box("D", "D, the denoised latent", ROWS, FRAMES)

    def decode(self):
        yield self.fact("W_dec", "W_dec", self.exercise.W_dec, PIXELS, ROWS)
        yield self.fact("b_dec", "b_dec", self.exercise.b_dec, PIXELS, ("bias",))
        yield self.fact("pre_decoder", "W D + b, before ReLU", self.key.pre_decoder, PIXELS, FRAMES)
        yield self.box("Y", "Y, the pixels", PIXELS, FRAMES)

    def video(self):
        yield from self.original()
        yield from self.pictures("frames", "frame {} before learning")

    def gradient(self):
        yield self.box("G", "G, the gradient", ROWS, FRAMES)
        yield self.table("loss", "MSE", [self.key.loss], ("MSE",), ("value",), [False])

    def update(self):
        yield self.box("b_ff_after", "new b_ff", ROWS, ("bias",))

    def after_feedforward(self):
        yield self.box("E_after", "E after the update", ROWS, FRAMES)

    def after_gradient(self):
        yield self.table("loss_after", "MSE after", [self.key.loss_after], ("MSE",), ("value",), [False])

    def after_denoise(self):
        yield self.box("D_after", "D after the update", ROWS, FRAMES)

    def after_decode(self):
        yield self.box("Y_after", "Y after the update", PIXELS, FRAMES)

    def after_video(self):
        yield from self.original()
        yield from self.pictures("frames_after", "frame {} after learning")

    # Tables

    def original(self):
        for index, frame in enumerate(self.exercise.frames, start=1):
            yield self.fact("original", f"original frame {index}", frame, *SIDES)

    def pictures(self, name, caption):
        for index, frame in enumerate(getattr(self.key, name), start=1):
            yield self.table(f"{name}-{index}", caption.format(index), frame, *SIDES, known=[False] * 2)

    def fact(self, name, caption, values, rows, columns, wide=False):
        table = self.table(name, caption, values, rows, columns, [True] * len(rows))
        if wide:
            table = [scroll(f"{caption}, {self.name} sheet: scrolls sideways"), *table, "</div>"]
        return table

    def box(self, name, caption, rows, columns):
        return self.table(name, caption, getattr(self.key, name), rows, columns, [False] * len(rows))

    def table(self, name, caption, values, rows, columns, known):
        """One matrix. `known` says for each row whether it is given; the others are boxes named data-cell."""
        values = np.asarray(values)
        values = values[:, None] if values.ndim == 1 else values
        assert values.shape == (len(rows), len(columns)), (name, values.shape)
        lines = [
            '<table class="matrix">',
            f"<caption>{subscripts(caption)}</caption>",
            "<thead><tr><td></td>"
            + "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
            + "</tr></thead>",
            "<tbody>",
        ]
        for i, row in enumerate(rows):
            cells = [f'<th scope="row">{escape(row)}</th>']
            for j in range(len(columns)):
                text = number(values[i, j])
                if known[i]:
                    cells.append(f'<td class="given">{text}</td>')
                else:
                    cell = f'class="blank" data-cell="{name}-{i + 1}-{j + 1}"'
                    cells.append(f"<td {cell}>{text}</td>")
            lines.append("<tr>" + "".join(cells) + "</tr>")
        return [*lines, "</tbody>", "</table>"]


# The chapter's matrices, in LaTeX: one short line each, so that they fit a phone


def aligned(*equations):
    """Lines of `left = right`, lined up at the sign."""
    body = " \\\\[6pt]\n".join(f"{left} &= {right}" for left, right in equations)
    return "\n".join([f"% {MADE}", "", "$$", r"\begin{aligned}", body, r"\end{aligned}", "$$", ""])


def named(*pairs):
    return [(name, pmatrix(values)) for name, values in pairs]


def frame_row(frames):
    return r"\; ".join(pmatrix(frame) for frame in frames)


def pictures(name, frames):
    return [(f"{name}_{{1, 2}}", frame_row(frames[:2])), (f"{name}_{{3, 4}}", frame_row(frames[2:]))]


def mean_square(key):
    total = latex_number((key.G**2).sum())
    return r"\text{MSE}", rf"\tfrac{{{total}}}{{{key.G.size}}} = {latex_number(key.loss)}"


def snippets(g, key):
    """File name -> text, for every step and for the pass after the update."""
    W, b = (lambda name: rf"W_\text{{{name}}}"), (lambda name: rf"b_\text{{{name}}}")
    scale_shift = np.concatenate([key.scale, key.shift])
    steps = {
        "given": [*pictures("F", g.frames), ("t", str(g.t))],
        "patches": named(("X", key.X)),
        "encoder": [
            *named((f"{W('enc')} X + {b('enc')}", key.pre_encoder)),
            *named((r"L = \text{ReLU}(\ldots)", key.L)),
        ],
        "noise": named(("Z = L + N", key.Z)),
        "condition": [("c", pmatrix(key.c))],
        "scale_shift": [
            *named((f"{W('ada')} c + {b('ada')}", scale_shift)),
            *named((r"\text{scale}", key.scale), (r"\text{shift}", key.shift)),
        ],
        "modulate": named(("Z", key.Z), (r"C = \text{scale} \times Z + \text{shift}", key.C)),
        "attention": [("A", r"\tfrac{1}{2}" + pmatrix(2 * key.A))],
        "pooling": named(("P = C A", key.P)),
        "feedforward": named((f"E = {W('ff')} P + {b('ff')}", key.E)),
        "gradient": [
            *named(("G = E - N", key.G)),
            mean_square(key),
        ],
        "update": [
            (r"\text{row means of } G", pmatrix(key.G.mean(axis=1))),
            (rf"\text{{new }} {b('ff')}", f"{pmatrix(g.b_ff)} - {pmatrix(key.G.mean(axis=1))}"),
            *named(("", key.b_ff_after)),
        ],
        "denoise": named(("D = Z - E", key.D)),
        "decode": [
            *named((f"{W('dec')} D + {b('dec')}", key.pre_decoder)),
            *named((r"Y = \text{ReLU}(\ldots)", key.Y)),
        ],
        "video": pictures("F", key.frames),
        "after": [
            *named(("E", key.E_after)),
            (r"\text{MSE}", latex_number(key.loss_after)),
            *named(("D = Z - E", key.D_after), (f"{W('dec')} D + {b('dec')}", key.pre_decoder_after)),
            *named((r"Y = \text{ReLU}(\ldots)", key.Y_after)),
            *pictures("F", key.frames_after),
        ],
    }
    assert set(steps) == {*STEP, "after"}
    return {f"step_{name}.md": aligned(*equations) for name, equations in steps.items()}


def printed_snippet(key):
    """What changes with the published shift, from there to the end."""
    return aligned(
        *named((r"\text{shift}", key.shift), ("C", key.C), ("P = C A", key.P)),
        *named(("E", key.E), ("G = E - N", key.G)),
        mean_square(key),
        *named(("D = Z - E", key.D), ("Y", key.Y)),
        *pictures("F", key.frames),
        (r"\text{new } b_\text{ff}", pmatrix(key.b_ff_after)),
        (r"\text{MSE after}", latex_number(key.loss_after)),
    )


def steps_table():
    """Sheet step -> NumPy function -> package symbol."""
    lines = [
        f"% {MADE}",
        "",
        "```{raw} html",
        scroll("From sheet step to code: scrolls sideways"),
        '<table class="steps">',
        "<caption>From the sheet to the code. The first number counts 13 steps (Dey), "
        "the second 14, with the given as step 1 (Yeh, Analytics Vidhya).</caption>",
        '<thead><tr><th scope="col">of 13</th><th scope="col">of 14</th><th scope="col">Step</th>'
        '<th scope="col">NumPy function in <code>ditcourse.byhand</code></th>'
        '<th scope="col">In the real model</th></tr></thead>',
        "<tbody>",
    ]
    for step in byhand.STEPS:
        note = f" ({escape(step.note)})" if step.note else ""
        lines.append(
            f'<tr><td>{step.label_13}</td><td>{step.label_14}</td><th scope="row">{escape(step.name)}</th>'
            f"<td><code>{step.function}</code></td><td><code>{step.symbol}</code>{note}</td></tr>"
        )
    return "\n".join([*lines, "</tbody>", "</table>", "</div>", "```", ""])


def files():
    """Every file: name -> text."""
    exercise = byhand.load()
    key = byhand.solve(exercise)
    return {
        "colleague.md": Sheet("colleague", exercise, colleague_key()).write(),
        **snippets(exercise, key),
        "printed.md": printed_snippet(byhand.solve(exercise, shift=exercise.printed_shift)),
        "steps_table.md": steps_table(),
    }


def stale(folder, texts):
    """Names whose file is missing or differs, and step files that nothing makes any more."""
    wrong = [
        name
        for name, text in texts.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != text.encode("utf-8")
    ]
    return wrong + sorted(
        path.name for path in folder.glob("step_*.md") if path.name not in texts)


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Write the hand sheet into book/generated/.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is stale")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="another folder")
    options = parser.parse_args(arguments)
    texts = files()
    wrong = stale(options.output, texts)
    if options.check:
        for name in wrong:
            print(f"{options.output / name}: not up to date; run: python tools/generate_sheet.py")
        return 1 if wrong else 0
    options.output.mkdir(parents=True, exist_ok=True)
    for name in wrong:
        path = options.output / name
        if name in texts:
            path.write_bytes(texts[name].encode("utf-8"))  # bytes: LF on every system
        else:
            path.unlink()
        print(f"{'wrote' if name in texts else 'removed'} {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
