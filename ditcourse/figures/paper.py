"""The hand sheet on paper: two pages, from the frames to the frames, and one step of learning.

All places are in millimetres, from the left edge of the drawing to the right and from its top downwards. The
drawing is 188 mm wide on every paper; on a longer one the gaps between the steps grow, nothing else does.
A column is a token: F1 to F4 stand in four columns 10 mm wide, at one place on both pages.
"""

from __future__ import annotations

import contextlib
import io
import os
import textwrap
from fractions import Fraction
from pathlib import Path

import numpy as np

from ditcourse import byhand

KINDS = ("blank", "half", "key")
PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
HALF = {"X", "Y", "frames", "Y_after", "frames_after"}  # filled in on the half sheet: steps 1, 12 and 13
TITLE = "Sora's DiT by hand"
CREDIT = "ditcourse · Idea and part of the givens: Prof. Tom Yeh, AI by Hand no. 18 (2024)"
PARTS = ("1 · From frames to frames", "2 · Learning")
FILLED = {"blank": "", "half": "filled in", "key": "the answer"}

WIDTH, MARGIN = 188.0, 11.0
BOX_W, BOX_H, GIVEN = 10.0, 7.6, 7.0  # a box to write in; a given number is GIVEN wide
TRUNK, LANE = 42.0, 91.0  # where the columns of the tokens start, and where the right half of a page starts
INK, QUIET, PANEL, ANSWER = "#14181d", "#4a545e", "#e4e7ea", "#1a3fb0"
TINTS = ("#fdf3ea", "#eef7ec", "#ecf4fc", "#faf0f8")  # F1 to F4; near white in grey print
BRIGHTEST = 9  # 0 is black, 9 is white, as in chapter 1
MIDDLE = {"ha": "center", "va": "center_baseline"}
HAND = {"weight": "bold", "style": "italic"}  # how a filled-in number is written
STEP = {step.key: step for step in byhand.STEPS}


def draw_sheet(exercise, kind="blank", paper="a4", label=""):
    """The sheet as a list of Matplotlib figures, one per page.

    exercise: a `ditcourse.byhand.Exercise` of four frames of 2 x 2 pixels, as the one of the course.
    kind: "blank" has empty boxes, "half" has steps 1, 12 and 13 filled in, "key" has all of them.
    paper: "a4" or "letter". label: a few words for the corner, such as "sheet 17".
    Every box has a gid such as "X-1-2" (matrix, row, column); so has the number in it, where there is one.
    """
    check_words(KINDS, kind, paper, label)
    _check(exercise)
    with plain_style():
        key = byhand.solve(exercise)
        pages = [Page(paper, kind, label, TITLE, part, CREDIT, f"{kind}, page {number} of 2")
                 for number, part in enumerate(PARTS, start=1)]  # fmt: skip
        _forward(pages[0], exercise, key)
        _learning(pages[1], exercise, key)
        return [page.figure for page in pages]


def save_sheet(path, exercise, kind="blank", paper="a4", label=""):
    """Write the sheet as a PDF, the same bytes each time, and return the path. Arguments as for `draw_sheet`."""
    return save_sheets(path, [(exercise, label)], kind, paper)


def save_sheets(path, sheets, kind="blank", paper="a4"):
    """Write several sheets, [(exercise, label), ...], one after the other as one PDF, and return the path.

    Raises ValueError for another suffix, kind or paper, FileNotFoundError where the folder does not exist.
    """
    return save_pages(path, (draw_sheet(exercise, kind, paper, label) for exercise, label in sheets), TITLE)


def sheet_bytes(exercise, kind="blank", paper="a4", label=""):
    """The bytes of the PDF. They hold no date and no version of Matplotlib."""
    return pdf_bytes(draw_sheet(exercise, kind, paper, label), TITLE)


def save_pages(path, sheets, title):
    """Write sheets, an iterable of lists of figures, as one PDF of this title, and return the path.

    The path is looked at first, then the sheets are drawn. Errors as for `save_sheets`.
    """
    path = Path(path)
    if path.suffix.lower() != ".pdf":
        raise ValueError(f"path must end in .pdf, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    _write(path, pdf_bytes([page for sheet in sheets for page in sheet], title))
    return path


def pdf_bytes(figures, title):
    """The figures as a PDF of this title, without a date or a version of Matplotlib."""
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = io.BytesIO()
    about = {"Title": title, "Creator": "ditcourse", "Producer": "Matplotlib", "CreationDate": None}
    with plain_style(), PdfPages(buffer, metadata=about) as pdf:
        for figure in figures:
            pdf.savefig(figure)
    return buffer.getvalue()


# The two pages


def _forward(page, given, key):
    """Page 1: left, from the frames to the predicted noise; right, the condition and the way back to frames."""
    gap, right = (page.height - 43 - 18 * BOX_H) / 6, TRUNK + 4 * BOX_W

    page.step("given", 0, 14)
    words = textwrap.wrap(f"“{given.prompt}”", 22, max_lines=2, placeholder=" …")
    for line, text in enumerate(["prompt:", *words, f"step number $t = {given.t}$"]):
        page.text(0, 18.3 + 4 * line, text, parse_math=line > len(words))
    page.pictures(given.frames, TRUNK + 0.4, 17, 4.6, BOX_W)
    page.heads(TRUNK, 16.5)

    y = 31.5
    for column in range(4):
        x = TRUNK + (column + 0.5) * BOX_W
        page.arrow((x, 26.8), (x, y - 0.6))
    page.step("patches", 0, y + 5, "each frame, read row", "by row, is one", "column of $X$")
    page.icons(36, y)
    page.boxes("X", key.X, TRUNK, y, "$X$")

    y = page.down(y + 4 * BOX_H, gap)
    page.step("encoder", 0, y - 9.5, r"$L = \mathrm{ReLU}(W_\mathrm{enc}\,X + b_\mathrm{enc})$")
    page.weights("enc", given.W_enc, given.b_enc, y)
    page.boxes("L", key.L, TRUNK, y, "$L$", before=("pre_encoder", key.pre_encoder))

    y = page.down(y + 2 * BOX_H, gap)
    page.step("noise", 0, y - 9.5, "$Z = L + N$")
    page.given(given.noise, TRUNK - 35, y, "$N$", 8)
    page.boxes("Z", key.Z, TRUNK, y, "$Z$")

    y = page.down(y + 2 * BOX_H, gap)
    page.step("modulate", 0, y - 2, r"$C = \mathrm{scale} \times Z + \mathrm{shift}$", "row by row")
    page.boxes("C", key.C, TRUNK, y, "$C$")
    _condition(page, given, key, y)

    y = page.down(y + 2 * BOX_H, gap + 4, 4)
    words = "mark the two largest in", "each column of $S$: they are", "1/2 in $A$, all else is 0"
    page.step("attention", 0, y - 17.2, *words)
    page.text(0, y - 1.2, "$S$", 10)
    page.given(key.S, 4.8, y, "", 8.8, key.A > 0 if page.kind == "key" else None)
    page.heads(4.8, y - 0.6, 8.8)
    page.heads(TRUNK, y - 0.6)
    page.names(("F1", "F2", "F3", "F4"), 4.2, y)
    page.boxes("A", key.A, TRUNK, y, "$A$")

    y = page.down(y + 4 * BOX_H, gap)
    page.step("pooling", 0, y - 4, "$P = C\\,A$", "each new token is", "the mean of two")
    page.boxes("P", key.P, TRUNK, y, "$P$")

    y = page.down(y + 2 * BOX_H, gap)
    page.step("feedforward", 0, y - 9.5, r"$E = W_\mathrm{ff}\,P + b_\mathrm{ff}$")
    page.weights("ff", given.W_ff, given.b_ff, y)
    page.boxes("E", key.E, TRUNK, y, "$E$")

    bottom, x, turn = y + 2 * BOX_H, LANE + 28, LANE - 3.4
    y = bottom - 8 * BOX_H - 2 * gap - 4
    page.arrow((right + 0.8, bottom - 4), (turn, bottom - 4), (turn, y + BOX_H), (x - 0.8, y + BOX_H))
    page.text(turn + 2, y + BOX_H - 1.4, "$E$", 10)
    page.step("denoise", LANE, y - 9.5, "$D = Z - E$")
    page.heads(x, y - 0.6)
    page.boxes("D", key.D, x, y, "$D$")
    y = page.down(y + 2 * BOX_H, gap, x=x + 2 * BOX_W)
    _decode(page, given, key.pre_decoder, key.Y, x, y, "")
    y = page.down(y + 4 * BOX_H, gap + 4, 4.6, x + 2 * BOX_W)
    page.step("video", LANE, y - 13, "each column, written row", "by row, is one frame")
    page.heads(LANE + 12 + BOX_H - 9.5, y - 0.6, 19)
    page.pictures(key.frames, LANE + 12, y, name="frames")


def _condition(page, given, key, y_c):
    """Steps 4 and 5 on the right, and the arrow into C, whose first row is at y_c."""
    left, x = LANE + 27, WIDTH - 3 - BOX_W
    page.how(LANE + 4, 13.5)
    y_w = y_c - 2.5 * BOX_H - 4
    y = y_w - 5 * BOX_H - 6
    page.step("condition", left, y + 3, "$c$ = the text numbers,", "then $t$ as two binary digits")
    page.names(("text 1", "text 2", "text 3", "time 1", "time 2"), x - 2, y)
    page.given(key.c[:3, None], x, y, "$c$", BOX_W)
    page.boxes("c", key.c[3:, None], x, y + 3 * BOX_H, first=4)
    page.step("scale_shift", left, y_w - 13, r"scale, shift $= W_\mathrm{ada}\,c + b_\mathrm{ada}$")
    page.arrow((x + 5, y + 5 * BOX_H + 0.8), (x + 5, y_w - 0.8))
    page.names(("scale 1", "scale 2", "shift 1", "shift 2"), left + 9.5, y_w)
    page.weights("ada", given.W_ada, given.b_ada, y_w, x - 2)
    page.boxes("scale", key.scale[:, None], x, y_w)
    page.boxes("shift", key.shift[:, None], x, y_w + 2 * BOX_H)
    y = y_c + 1.5 * BOX_H
    page.arrow((x + 5, y_w + 4 * BOX_H + 0.8), (x + 5, y), (TRUNK + 4 * BOX_W + 0.8, y))


def _learning(page, given, key):
    """Page 2: the error, one step of learning, and the frames after it, beside the original."""
    y, right, new = 27, TRUNK + 4 * BOX_W, LANE + 38
    gap = (page.height - 185) / 6

    page.step("gradient", 0, y - 9.5, "$G = E - N$, with $E$ from page 1")
    page.given(given.noise, TRUNK - 35, y, "$N$", 8)
    page.heads(TRUNK, y - 0.6)
    page.boxes("G", key.G, TRUNK, y, "$G$")
    page.arrow((right + 0.8, y + BOX_H), (LANE + 2.2, y + BOX_H))
    page.step("update", LANE, y - 9.5, r"new $b_\mathrm{ff}$ = $b_\mathrm{ff}$ − the mean of each row of $G$")
    page.given(given.b_ff[:, None], LANE + 4, y, r"$b_\mathrm{ff}$")
    page.text(LANE + 24, y - 1, "row means", 8, QUIET, ha="center")
    page.text(new, y - 1, r"new $b_\mathrm{ff}$", 10)
    for row, mean in enumerate(key.G.mean(axis=1)):
        page.text(LANE + 14, y + (row + 0.5) * BOX_H, "−", 10, **MIDDLE)
        page.dotted(f"mean-{row + 1}", mean, LANE + 17, y + row * BOX_H, 14)
        page.text(LANE + 34.5, y + (row + 0.5) * BOX_H, "=", 10, **MIDDLE)
    page.boxes("b_ff_after", key.b_ff_after[:, None], new, y)
    page.box(LANE + 56, y, WIDTH - LANE - 56, 2 * BOX_H, "white", QUIET, 0.5)
    page.text(LANE + 59, y + 5, "Check", weight="bold")
    page.text(LANE + 59, y + 9, "$D$ should equal $L - G$")
    page.text(LANE + 59, y + 13, "in every cell.")

    bend = y + 2 * BOX_H + 0.8
    y = page.down(y + 2 * BOX_H, gap - 2)
    page.text(0, y + 3.2, "MSE = the mean of the")
    page.text(0, y + 7.2, "8 squares of $G$")
    page.mean_square("loss", key.G, key.loss, TRUNK, y)

    y += BOX_H + 14 + gap
    page.text(0, y - 16, "Once more, with the new bias", 11, weight="bold")
    page.step("feedforward", 0, y - 9.5, r"$E = W_\mathrm{ff}\,P$ + new $b_\mathrm{ff}$, with $P$ from page 1")
    page.given(given.W_ff, TRUNK - 12 - 2 * GIVEN, y, r"$W_\mathrm{ff}$")
    page.arrow((new + 5, bend), (new + 5, y + 1.5 * BOX_H), (right + 0.8, y + 1.5 * BOX_H))
    page.boxes("E_after", key.E_after, TRUNK, y, "$E$", again=True)
    page.step("gradient", LANE + 52, y - 1, "mean of the 8 squares", "of new $E - N$", name="Loss")
    page.mean_square("loss_after", key.G_after, key.loss_after, LANE + 52, y + BOX_H)

    y = page.down(y + 2 * BOX_H, gap)
    page.step("denoise", 0, y - 2, "$D = Z - E$,", "with $Z$ from page 1")
    page.boxes("D_after", key.D_after, TRUNK, y, "$D$", again=True)
    y = page.down(y + 2 * BOX_H, gap)
    _decode(page, given, key.pre_decoder_after, key.Y_after, TRUNK, y, "_after")

    y += 4 * BOX_H + 5
    strip, middle = WIDTH - 57 - 2 * BOX_H, TRUNK + 2 * BOX_W
    page.arrow((middle, y - 4.2), (middle, y), (strip - 1, y))
    page.step("video", 0, y + 1, "the frames after one step")
    page.heads(strip + BOX_H - 9.5, y - BOX_H - 0.6, 19)
    page.pictures(key.frames_after, strip, y - BOX_H, name="frames_after")
    page.pictures(given.frames, strip, y - 3 * BOX_H - 6)
    page.text(strip, y - 3 * BOX_H - 7.5, "the training video", 9)
    same = [int((frames == given.frames).sum()) for frames in (key.frames, key.frames_after)]
    y += BOX_H + 1
    page.text(strip - 2, y + 6, "Pixels as in the training video:", ha="right")
    page.dotted("same-1", same[0], strip, y, 10)
    page.text(strip + 11, y + 6, "of 16 before,")
    page.dotted("same-2", same[1], strip + 36, y, 10)
    page.text(strip + 47, y + 6, "of 16 now")
    page.paper(y + 16)


def _decode(page, given, before, Y, x, y, after):
    """Step 12, with Y at x, y."""
    page.step("decode", x - 28 if x > LANE else 0, y - 9.5, r"$Y = \mathrm{ReLU}(W_\mathrm{dec}\,D + b_\mathrm{dec})$")
    page.icons(x - 30, y)
    page.weights("dec", given.W_dec, given.b_dec, y, x - 3)
    page.boxes("Y" + after, Y, x, y, "$Y$", again=bool(after), before=("pre_decoder" + after, before))


# One page, and what can stand on it


class Page:
    """One page: a figure in millimetres. `kind` decides which boxes are filled.

    title, part, credit, foot: the words in its four corners. of: what an error about a number calls the givens.
    """

    def __init__(self, paper, kind, label, title, part, credit, foot, of="exercise"):
        from matplotlib.figure import Figure

        wide, high = PAPERS[paper]
        self.kind, self.height, self.of = kind, high - 2 * MARGIN, of
        left = (wide - WIDTH) / 2
        self.figure = Figure(figsize=(wide / 25.4, high / 25.4), facecolor="white")
        self.ax = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(-left, wide - left), ylim=(high - MARGIN, -MARGIN))
        self.ax.axis("off")
        title = f"{title}: key" if kind == "key" else title
        after = text_width(title, 16, weight="bold") + 4
        self.text(0, 6, title, 16, weight="bold")
        self.text(after, 6, part, 9, QUIET)
        if kind != "key":
            name = max(110, after + text_width(part, 9) + 4)
            self.text(name, 6, "Name", 9, QUIET)
            self.line((name + 10, 6.6), (WIDTH, 6.6), INK, 0.6)
        self.text(WIDTH, 11, label, 9, ha="right", weight="bold", parse_math=False)
        self.text(0, self.height - 0.8, credit, 8, QUIET)
        self.text(WIDTH, self.height - 0.8, foot, 8, QUIET, ha="right")

    def text(self, x, y, words, size=9, colour=INK, **more):
        """Words at a place; y is the base line. In a mathematical part ($...$) letters are slanted."""
        more = {"va": "baseline", "parse_math": "$" in words, **more}
        return self.ax.text(x, y, words, fontsize=size, color=colour, **more)

    def line(self, start, end, colour=QUIET, width=0.5, **more):
        self.ax.plot(*zip(start, end, strict=True), color=colour, linewidth=width, **more)

    def box(self, x, y, w, h, face="white", edge=INK, width=0.6, **more):
        from matplotlib.patches import Rectangle

        self.ax.add_patch(Rectangle((x, y), w, h, facecolor=face, edgecolor=edge, linewidth=width, **more))

    def arrow(self, *points):
        """A line through the points with a head at the last one."""
        (x0, y0), (x1, y1) = points[-2:]
        dx, dy = np.sign(x1 - x0), np.sign(y1 - y0)  # every arrow runs along the grid
        back = x1 - 2 * dx, y1 - 2 * dy
        self.ax.plot(*zip(*points[:-1], back, strict=True), color=QUIET, linewidth=0.9, solid_joinstyle="miter")
        sides = [(back[0] + 0.9 * dy * side, back[1] + 0.9 * dx * side) for side in (1, -1)]
        self.ax.fill(*zip((x1, y1), *sides, strict=True), color=QUIET, linewidth=0)

    def down(self, y, gap, room=0.0, x=TRUNK + 2 * BOX_W):
        """An arrow from the boxes that end at y to the next ones; returns where these start."""
        self.arrow((x, y + 0.8), (x, y + gap - 0.8 - room))
        return y + gap

    def step(self, key, x, y, *lines, name=""):
        """The head of a step: both its numbers, its name, and below a formula or a few words."""
        self.head(x, y, STEP[key].label, name or STEP[key].name, *lines)

    def head(self, x, y, label, name, *lines):
        """A number, a name, and below a formula or a few words."""
        self.text(x, y, label, 8, QUIET)
        self.text(x + text_width(label, 8) + 1.5, y, name, 9.5, weight="bold")
        for index, line in enumerate(lines, start=1):
            self.text(x, y + 4 * index, line, 9 if "$" in line else 8.5)

    def given(self, values, x, y, label="", w=GIVEN, marked=None):
        """A given matrix: a grey panel with its numbers, its name above."""
        rows, columns = values.shape
        self.box(x, y + 0.6, w * columns, BOX_H * rows - 1.2, PANEL, "none")
        self.text(x, y - 1, label, 10)
        for (row, column), value in np.ndenumerate(values):
            place = x + (column + 0.5) * w, y + (row + 0.5) * BOX_H
            self.put(value, *place, w)
            if marked is not None and marked[row, column]:
                self.ax.plot(*place, "o", markersize=18, markerfacecolor="none", markeredgecolor=ANSWER)

    def weights(self, name, W, b, y, edge=TRUNK - 3):
        """W and b left of the boxes they make, row beside row."""
        self.given(W, edge - (W.shape[1] + 1) * GIVEN - 2, y, rf"$W_\mathrm{{{name}}}$")
        self.given(b[:, None], edge - GIVEN, y, rf"$b_\mathrm{{{name}}}$")

    def boxes(self, name, values, x, y, title="", first=1, again=False, before=None):
        """Boxes to write in, one per value. Four columns are the four tokens, each with its tint.

        before: name and values before ReLU; on the key those that it clips stand in the corner, crossed out.
        """
        for (row, column), value in np.ndenumerate(values):
            tint = TINTS[column] if values.shape[1] == 4 else "white"
            left, top, place = x + column * BOX_W, y + row * BOX_H, f"{row + first}-{column + 1}"
            clipped = self.kind == "key" and before and before[1][row, column] != value
            self.fill(f"{name}-{place}", value, left, top, BOX_W, BOX_H, tint, 1.4 if clipped else 0)
            if clipped:
                wide = text_width(number_words(before[1][row, column]), 8) + 0.8
                gid = f"{before[0]}-{place}"
                self.put(before[1][row, column], left + 0.3 + wide / 2, top + 2, BOX_W, 8, ANSWER, gid=gid)
                self.line((left + 0.6, top + 3.2), (left + wide, top + 0.8), QUIET, 0.4)
        right = x + values.shape[1] * BOX_W + 1.1
        self.text(right, y + 4.4, title, 12)
        self.text(right, y + 8.2, "new" if again else "", 8, QUIET)
        if before and self.kind == "key":
            for line, words in enumerate(("crossed out:", "before ReLU")):
                self.text(right, y + 11.6 + 3.4 * line, words, 8, ANSWER)

    def fill(self, gid, value, x, y, w, h, tint, aside=0):
        """One box; the number only where this kind of sheet shows it."""
        self.box(x, y, w, h, tint, gid=gid)
        shown = self.kind == "key" or (self.kind == "half" and gid.split("-")[0] in HALF)
        self.put(value, x + w / 2 + aside, y + h / 2 + aside, w, 11, ANSWER, shown, gid=gid, **HAND)

    def put(self, value, x, y, w, size=10.5, colour=INK, shown=True, **more):
        """A number in the middle of a place w wide, smaller where it is long."""
        words = number_words(value)
        wide = text_width(words, size, **more)
        if wide * 8 / size > w:
            raise ValueError(
                f"{self.of}: its number {words} does not fit into {w:g} mm; allowed: two digits, halves, quarters"
            )
        if shown:
            size = max(8, min(size, size * (w - 0.8) / wide))
            self.text(x, y, words, size, colour, **MIDDLE, **more)

    def pictures(self, frames, x, y, size=BOX_H, pitch=19.0, name=""):
        """Four frames of 2 x 2 pixels: boxes of that name, or grey pictures with their numbers."""
        for (frame, row, column), value in np.ndenumerate(frames):
            left, top = x + frame * pitch + column * size, y + row * size
            if name:
                self.fill(f"{name}-{frame + 1}-{row + 1}-{column + 1}", value, left, top, size, size, TINTS[frame])
            else:
                grey = min(max(float(value) / BRIGHTEST, 0), 1)
                self.box(left, top, size, size, str(grey), QUIET, 0.4)
                colour = "white" if grey < 0.5 else "black"
                self.put(value, left + size / 2, top + size / 2, size + 0.4, 10, colour)

    def mean_square(self, name, G, loss, x, y):
        """Room for the sum of the squares, and the box of the MSE."""
        self.dotted(f"{name}_sum", (G**2).sum(), x, y, 14)
        self.text(x, y + BOX_H + 2.6, "sum of squares", 8, QUIET)
        self.text(x + 19.7, y + BOX_H / 2, f"÷ {G.size} =", 10, **MIDDLE)
        self.fill(f"{name}-1-1", loss, x + 26, y, 14, BOX_H, "white")

    def dotted(self, gid, value, x, y, w):
        """A dotted line for a number in between, filled on the key."""
        self.line((x, y + BOX_H - 1.2), (x + w, y + BOX_H - 1.2), QUIET, 0.8, linestyle=":")
        self.put(value, x + w / 2, y + BOX_H / 2 - 0.4, w, 11, ANSWER, self.kind == "key", gid=gid, **HAND)

    def names(self, words, edge, y):
        """Names of rows, right-aligned at the edge."""
        for row, name in enumerate(words):
            self.text(edge, y + (row + 0.5) * BOX_H, name, 8, QUIET, ha="right", va="center_baseline")

    def paper(self, y):
        """Dotted paper from y down to the foot of the page."""
        self.text(0, y, "Notes" if self.kind == "key" else "Room for sums", 9, QUIET)
        x, y = np.meshgrid(np.arange(0, WIDTH + 1, 4), np.arange(y + 4, self.height - 8, 4))
        self.ax.plot(x.ravel(), y.ravel(), ".", color="#98a2ac", markersize=1.5, markeredgewidth=0)

    def heads(self, x, y, w=BOX_W):
        """F1 to F4 above the columns."""
        for column in range(4):
            self.text(x + (column + 0.5) * w, y - 0.6, f"F{column + 1}", 8, QUIET, ha="center")

    def icons(self, x, y):
        """Beside four rows of pixels: which of the four pixels each row is."""
        for row in range(4):
            top = y + (row + 0.5) * BOX_H - 1.7
            for pixel in range(4):
                face = QUIET if pixel == row else "white"
                self.box(x + pixel % 2 * 1.7, top + pixel // 2 * 1.7, 1.7, 1.7, face, QUIET, 0.5)

    def how(self, x, y):
        """The box that says how to read the sheet."""
        self.box(x, y, WIDTH - x, 37, "white", QUIET, 0.5)
        x, y = x + 4, y + 3
        self.samples(x, y)
        lines = (
            "A column is a token: F1 to F4 are frames.",
            r"A box of $W\,X$: go along its row of $W$ and",
            "down its column of $X$, multiply pair by",
            "pair, add up. Then add its row's $b$.",
            "ReLU: what is below 0 becomes 0.",
            "[2 / 3]: step 2 in one published count, 3 in the other.",
        )
        for index, line in enumerate(lines):
            self.text(x, y + 12 + 4 * index, line, 8.5)
        x, y, cell = WIDTH - 23, y + 10.5, 2.3
        for left, top, rows, row, column in ((0, 4.6, 2, 0, None), (4.6, 0, 4, None, 1), (4.6, 4.6, 2, 0, 1)):
            for i, j in np.ndindex(rows, 4):
                face = QUIET if row in (None, i) and column in (None, j) else "white"
                self.box(x + (left + j) * cell, y + (top + i) * cell, cell, cell, face, QUIET, 0.4)


    def samples(self, x, y):
        """How a given number looks, a box to write in, and a filled one."""
        self.given(np.array([[3]]), x, y - 0.6, "")
        self.text(x + 9, y + 4.4, "given")
        self.box(x + 24, y - 0.6, BOX_W, BOX_H)
        self.text(x + 36, y + 4.4, "yours")
        if FILLED[self.kind]:
            self.box(x + 52, y - 0.6, BOX_W, BOX_H)
            self.put(3, x + 52 + BOX_W / 2, y - 0.6 + BOX_H / 2, BOX_W, 11, ANSWER, **HAND)
            self.text(x + 64, y + 4.4, FILLED[self.kind])


# Small helpers


def number_words(value):
    """A whole number or fraction as people write it: 3, −2, 3/2."""
    return str(Fraction(float(value)).limit_denominator(1000)).replace("-", "−")


def text_width(words, size, **style):
    """Width of words, with mathematical parts or without, in millimetres."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    style = {name: style[name] for name in ("weight", "style") if name in style}
    font = FontProperties(family="DejaVu Sans", size=size, **style)
    return text_to_path.get_text_width_height_descent(words, font, "$" in words)[0] * 25.4 / 72


def check_words(kinds, kind, paper, label):
    """ValueError for a kind, paper or label that there is not."""
    if kind not in kinds:
        raise ValueError(f"kind: came as {kind!r}; allowed: {', '.join(kinds)}")
    if paper not in PAPERS:
        raise ValueError(f"paper: came as {paper!r}; allowed: {', '.join(PAPERS)}")
    if not isinstance(label, str) or len(label) > 40 or "\n" in label:
        raise ValueError(f"label: came as {label!r}; allowed: one line of at most 40 characters")


def _check(exercise):
    shape, text = exercise.frames.shape, exercise.text.shape
    if shape != (4, 2, 2) or exercise.noise.shape != (2, 4) or text != (3,):
        raise ValueError(
            f"exercise: came with frames {shape}, noise {exercise.noise.shape} and text {text}; "
            "allowed: (4, 2, 2), (2, 4) and (3,)"
        )


@contextlib.contextmanager
def plain_style():
    """Matplotlib's own settings whatever the reader's are, and letters that stay letters in the PDF."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.family": "DejaVu Sans", "pdf.fonttype": 42})
        yield


def _write(path, data):
    """All or nothing: the old file is there until the new one is whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
