"""The second sheet on paper, the best guess by counting: one page.

Drawn as the first sheet is (`paper.py`): all places are in millimetres, and the drawing is 188 mm wide on every paper;
on a longer one the gaps grow. The columns of the table stand right below their numbers on the line, so that who can be
behind a z is read off the bars above it. What belongs to the left clip stands above what belongs to the right one.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from ditcourse.check.forms import counting_givens, key, parts_of, read_form
from ditcourse.figures.paper import (
    ANSWER,
    BOX_H,
    BOX_W,
    GIVEN,
    HAND,
    INK,
    MIDDLE,
    QUIET,
    TINTS,
    WIDTH,
    Page,
    check_words,
    number_words,
    pdf_bytes,
    plain_style,
    save_pages,
    text_width,
)

KINDS = ("blank", "key")
PART = "second sheet"
CREDIT = "ditcourse · This sheet is the course's own"
CLIPS = (TINTS[0], TINTS[2])  # the tints of left and right
LONGEST, NARROWEST = 157.5, 7.5  # of the number line, and of a column of the table
LANE = 148.0  # where step 5 starts
Z, X, LINES = 61.6, 100.5, 124.5  # from noise to a clip: the boxes of z, of x, and the lines
BAR = 3.1  # height of a bar
SPACE = 1.05  # between words of 9 points


def draw_counting(counting, kind="blank", paper="a4", label=""):
    """The sheet as a list of one Matplotlib figure.

    counting: a `ditcourse.byhand.Counting`. kind: "blank" or "key". paper: "a4" or "letter". label: a few words for
    the corner, such as "sheet 17".
    Every box has a gid such as "could-1-3" (part, row, column); so has the number in it, where there is one.
    Raises ValueError for another kind, paper or label, and for numbers that do not fit.
    """
    check_words(KINDS, kind, paper, label)
    with plain_style():
        page = Sheet(counting, kind, paper, label)
        page.way(page.table(*page.picture()) + 6 + page.extra / 8)
        return [page.figure]


def save_countings(path, sheets, kind="blank", paper="a4"):
    """Write several sheets, [(counting, label), ...], one after the other as one PDF, and return the path.

    Raises ValueError for another suffix, kind or paper, FileNotFoundError where the folder does not exist.
    """
    pages = (draw_counting(counting, kind, paper, label) for counting, label in sheets)
    return save_pages(path, pages, read_form("counting")["title"])


def counting_bytes(counting, kind="blank", paper="a4", label=""):
    """The bytes of the PDF. They hold no date and no version of Matplotlib."""
    return pdf_bytes(draw_counting(counting, kind, paper, label), read_form("counting")["title"])


class Sheet(Page):
    """The page with the numbers of one second sheet."""

    def __init__(self, counting, kind, paper, label):
        form = read_form("counting")
        super().__init__(paper, kind, label, form["title"], PART, CREDIT, kind, of="counting")
        self.steps, self.parts = form["steps"], parts_of("counting")
        self.values = key("counting", counting_givens(counting))
        self.clips, self.z = self.values["clips"][:, 0], self.values["z"][0]
        self.sides = self.parts["could"].rows  # left, right
        self.extra = self.height - 257.4  # what this paper has more than Letter

    def number(self, name):
        return self.values[name][0, 0]

    # Steps 1 to 5: the picture and the table below it

    def picture(self):
        """What is given, in words and as a line with the reach of the noise. Returns the line and where it ends."""
        level = self.number("level")
        left, right, lowest, highest = map(number_words, (*self.clips, -level, level))
        lines = (
            f"Two clips, each one number: {self.sides[0]} is {left}, {self.sides[1]} is {right}.",
            f"Noise of level {highest}: any whole number from {lowest} to {highest}.",
            "All are equally likely. You see $z$ = clip + noise.",
        )
        self.text(0, 15.4, "Given", 9.5, weight="bold")
        for row, words in enumerate(lines, start=1):
            self.text(0, 15.4 + 4 * row, words, 9)
        self.how(WIDTH - 88, 12.6)

        first, last = min(self.clips[0] - level, self.z[0]), max(self.clips[1] + level, self.z[-1])
        line = NumberLine(first, last, WIDTH - LONGEST, LONGEST, BOX_W)
        if line.unit < NARROWEST:
            raise ValueError(
                f"counting: its numbers go from {number_words(first)} to {number_words(last)}; "
                f"allowed: at most {LONGEST / NARROWEST:.0f} of them"
            )
        edge, y = line.left(first) - 3, 38.5 + self.extra / 8
        for side, clip in zip(self.sides, self.clips, strict=True):
            self.text(line.at(clip), y - 1.4, f"{side} {number_words(clip)}", 9, ha="center")
        for name in ("level_1", "level_2", "level"):
            self.bars(line, y, self.number(name), edge)
            y += 2 * BAR + 1.4
        self.axis(line, y - 0.2, first, last, 9, 5.2, leave=self.z)
        self.given(self.values["z"], line.left(self.z[0]), y + 1.2, "", line.unit)
        self.text(edge, y + 1.2 + BOX_H / 2, "$z$", 12, ha="right", va="center_baseline")
        return line, y + 1.2 + BOX_H

    def table(self, line, y):
        """Steps 1 to 4 below the numbers of the line, which ends at y; step 5 on the right. Returns the lower end."""
        gap, x, w = 6 + self.extra / 10, line.left(self.z[0]), line.unit
        y += 4.6 + self.extra / 10
        for part in ("could", "noise_if"):
            self.step(self.parts[part].step, 0, y - 1.5, x - 22)
            self.names(self.sides, x - 5 - GIVEN, y)
            self.given(self.values["clips"], x - 3 - GIVEN, y, "")
            self.boxes(part, x, y, w)
            y = self.down(y + 2 * BOX_H, gap, x=x + 3.5 * w)
        self.cost(LANE, y - 2 * BOX_H - gap)
        self.step("guess", 0, y - 1.5, x - 8)
        self.boxes("guess", x, y, w)
        y = self.down(y + BOX_H, gap, x=x + 3.5 * w)
        self.step("subtract", 0, y - 1.5, x - 8)
        self.boxes("left_over", x, y, w)
        return y + BOX_H

    def cost(self, x, y):
        """Step 5: three guesses for the third z."""
        part = self.parts["error"]
        self.step(part.step, x, y - 1.5, WIDTH - x, f"for $z$ = {number_words(self.z[2])}: ")
        y += 2 * BOX_H + 8
        left = WIDTH - 3 * BOX_W
        for column, name in enumerate(part.columns):
            for row, words in enumerate(name.rsplit(" ", 1)):
                self.text(left + (column + 0.5) * BOX_W, y - 4.4 + 3.2 * row, words, 8, QUIET, ha="center")
        self.names(("guess", *part.rows), left - 2, y)
        self.given(self.values["tries"], left, y, "", BOX_W)
        self.boxes("error", left, y + BOX_H)

    # Steps 6 to 10: from noise to a clip

    def way(self, y):
        """Steps 6 to 9 row by row, with less noise in each; then the question, and step 10."""
        level, middle = self.number("level"), Z + BOX_W / 2
        self.scale = NumberLine(self.clips[0] - level, self.clips[1] + level, LINES, WIDTH - LINES)
        self.text(0, y + 0.8, "From noise to a clip", 11, weight="bold")
        self.text(LINES, y + 6, "Mark each $z$: which bars lie above it?", 8.5)
        self.dotted("mean-1", self.clips.mean(), Z, y, BOX_W)
        self.text(Z - 1.5, y + 6.2, "mean of the clips", 8, QUIET, ha="right")
        self.arrow((middle, y + BOX_H), (middle, y + BOX_H + 3.6))
        y += BOX_H + 0.6
        self.step("start", 0, y + 2, 51)
        self.step("look_3", 0, y + 12.6, 50)
        self.look(y, 3, "level")
        for number, gap in ((2, 12 + self.extra / 10), (1, 8.5 + self.extra / 10)):
            x, turn = X + BOX_W / 2, y + 2 * BOX_H + 2.5
            y += 2 * BOX_H + gap
            self.arrow((x, turn - BOX_H / 2 - 1.7), (x, turn), (middle, turn), (middle, y + BOX_H / 2 - 0.8))
            self.step(f"look_{number}", 0, y - 1.2, 50)
            self.look(y, number, f"level_{number}")
        self.question(y + 2 * BOX_H)
        self.prompted(y + 2 * BOX_H + 15 + self.extra / 8)

    def look(self, y, number, level):
        """One row: z, who can be behind it, the mean of these, and the line to see it on."""
        self.text(Z - 6, y + 2.8, "noise", 8, QUIET, ha="center")
        self.given(self.values[f"n_{number}"], Z - 10, y + BOX_H / 2, "", 8)
        self.text(Z + BOX_W / 2 + 1.5, y + 2.6, f"$z_{number}$", 12)
        self.boxes(f"z_{number}", Z, y + BOX_H / 2)
        self.estimate(y, f"could_{number}", f"x_{number}", f"$x_{number}$")
        self.seen(y, self.number(level), self.number(f"z_{number}"), f"mark-{number}")

    def estimate(self, y, could, x, title):
        """The boxes of who can be behind z, and of the mean of these."""
        left, middle = X - 15, y + BOX_H
        self.text(left + BOX_W / 2, y - 1, self.parts[could].columns[0], 8, QUIET, ha="center")
        self.arrow((Z + BOX_W + 0.8, middle), (left - 9.4, middle))
        self.names(self.sides, left - 1.6, y)
        self.boxes(could, left, y)
        self.arrow((left + BOX_W + 0.8, middle), (X - 0.8, middle))
        self.text(X + 0.4, y + 2.6, title, 12)
        self.boxes(x, X, y + BOX_H / 2)

    def seen(self, y, level, z, gid, allowed=(1, 1)):
        """The line of one row, as long as its noise reaches; on the key z is marked on it."""
        line, bottom = self.scale, y + 2 * BAR + 1.2
        self.bars(line, y, level, LINES - 2, allowed)
        self.axis(line, bottom, self.clips[0] - level, self.clips[1] + level, 8, 4.2)
        if self.kind == "key":
            self.line((line.at(z), y - 0.4), (line.at(z), bottom), ANSWER, 0.9, linestyle=":")
            self.ax.plot(line.at(z), bottom, "o", color=ANSWER, markersize=5, gid=gid)

    def question(self, y):
        """The line to write, below the last x, whose row ends at y."""
        self.arrow((X + BOX_W / 2, y - BOX_H / 2 + 0.8), (X + BOX_W / 2, y + 3.4))
        out = [side for side, clip in zip(self.sides, self.clips, strict=True) if clip == self.number("x_1")]
        self.asked("out-1", out[0] if out else "neither", "Which clip came out?", X - 2, y + 9, 29)
        self.asked("decided-1", "the noise", "Who decided?", WIDTH - 32, y + 9, 32)

    def asked(self, gid, answer, words, x, y, w):
        """A question that ends at x, and a line to write on, w long."""
        self.text(x - 2, y, words, ha="right")
        self.line((x, y + 0.6), (x + w, y + 0.6), INK, 0.6)
        if self.kind == "key":
            self.text(x + w / 2, y - 0.6, answer, 11, ANSWER, ha="center", gid=gid, **HAND)

    def prompted(self, y):
        """Step 10: the first row once more, with the prompt in the place of z, which is known by now."""
        self.step("prompted", 0, y - 1.2, 45, "the same $z_3$; ")
        self.text(Z + BOX_W / 2, y - 1, "prompt", 8, QUIET, ha="center")
        self.names(self.sides, Z - 2, y)
        self.given(self.values["prompt"], Z, y, "", BOX_W)
        self.estimate(y, "could_p", "x_p", "$x$")
        self.seen(y, self.number("level"), self.number("z_3"), "mark-p", self.values["prompt"][:, 0])

    # What stands on it

    def step(self, name, x, y, w, before=""):
        """The head of a step; below it a few words and its formula, in lines of at most w millimetres."""
        step = self.steps[name]
        self.head(x, y, step["label"], step["name"])
        for row, line in enumerate(_wrapped(before + _formula(step["formula"]), w), start=1):
            self.text(x, y + 4 * row, line)

    def boxes(self, part, x, y, w=BOX_W):
        """The boxes of a part; two rows are left and right."""
        values = self.values[part]
        for (row, column), value in np.ndenumerate(values):
            tint = CLIPS[row] if len(values) == 2 else "white"
            self.fill(f"{part}-{row + 1}-{column + 1}", value, x + column * w, y + row * BOX_H, w, BOX_H, tint)

    def how(self, x, y):
        """The box that says how to read the sheet."""
        self.box(x, y, WIDTH - x, 19.6, "white", QUIET, 0.5)
        self.samples(x + 4, y + 2.2)
        self.text(x + 4, y + 13.6, "A bar: how far the noise reaches from its clip.", 8.5)
        self.text(x + 4, y + 17.6, "Two bars above a $z$: both clips can be behind it.", 8.5)

    def bars(self, line, y, level, edge, allowed=(1, 1)):
        """How far noise of this level reaches from each clip: one cell for each number, left above right."""
        self.text(edge, y + BAR, f"level {number_words(level)}", 8.5, ha="right", va="center_baseline")
        for row, clip in enumerate(self.clips):
            top, left, wide = y + row * BAR, line.left(clip - level), (2 * level + 1) * line.unit
            if not allowed[row]:
                self.box(left, top, wide, BAR, "none", QUIET, 0.5, linestyle=(0, (3, 3)))
                continue
            self.box(left, top, wide, BAR, CLIPS[row], INK, 0.5)
            self.strokes(line.left(np.arange(clip - level + 1, clip + level + 1)), top, top + BAR, QUIET, 0.2)
            self.ax.plot(line.at(clip), top + BAR / 2, "o", color=INK, markersize=3.2, markeredgewidth=0)

    def axis(self, line, y, first, last, size, below, leave=()):
        """Ticks from first to last, and numbers below them: all, or where they are too close every second or fourth."""
        self.line((line.left(first), y), (line.left(last + 1), y), INK, 0.8)
        numbers = np.arange(first, last + 1)
        widest, every = max(text_width(number_words(n), size) for n in numbers), 1
        while every * line.unit < widest + 0.8:
            every *= 2
        self.strokes(line.at(numbers), y - 0.7, y + 0.7, INK, 0.6)
        for n in numbers:
            if n not in leave and (n - self.clips[0]) % every == 0:
                self.text(line.at(n), y + below, number_words(n), size, QUIET, **MIDDLE)

    def strokes(self, x, top, bottom, colour, width):
        """Upright lines at every x, in one go."""
        x, y = np.repeat(x, 3), np.tile([top, bottom, np.nan], len(x))
        self.ax.plot(x, y, color=colour, linewidth=width, solid_capstyle="butt")


class NumberLine:
    """Whole numbers in cells of one width, `unit`, in the middle of a place that starts at x and is w wide."""

    def __init__(self, first, last, x, w, widest=np.inf):
        self.unit = min(widest, w / (last - first + 1))
        self.first, self.x = first, x + (w - self.unit * (last - first + 1)) / 2

    def left(self, n):
        """Left edge of the cell of n."""
        return self.x + (n - self.first) * self.unit

    def at(self, n):
        """Middle of the cell of n."""
        return self.left(n) + self.unit / 2


def _formula(html):
    """<var>z</var><sub>3</sub>, as the page writes it, is $z_3$ here."""
    return re.sub(r"<var>(\w)</var>", r"$\1$", re.sub(r"<var>(\w)</var><sub>(\w)</sub>", r"$\1_\2$", html))


def _wrapped(words, w):
    """Lines of at most w millimetres, of about the same length; a semicolon ends a line."""
    lines = []
    for part in words.split("; "):
        best = _filled(part, w)
        for narrower in np.arange(w - 1, w / 2, -1):
            found = _filled(part, narrower)
            if len(found) > len(best):
                break
            best = found
        lines += best
    return lines


def _filled(words, w):
    """Lines that are filled word by word, a minus sign with what it stands between."""
    lines, end = [], w
    for word in re.split(r"(?<!−) (?!−)", words):
        wide = _word_width(word)
        if end + SPACE + wide > w:
            lines, end = [*lines, word], wide
        else:
            lines[-1], end = f"{lines[-1]} {word}", end + SPACE + wide
    return lines


@cache
def _word_width(word):
    return text_width(word, 9)
