"""A sheet to fill in by hand, in a notebook, and the judge for exercises on it.

    sheet = Sheet()                        # or Sheet(link) with the link of a sheet begun in the page
    sheet.L = [[3, 0, 0, 1], [4, ..., 4, 5]]
    check("1.2", sheet)
"""

import contextlib
import difflib
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

import numpy as np

from ditcourse.check.board import Board, Report, hints, judge_part
from ditcourse.check.forms import first_seed, key, parts_of, values_of
from ditcourse.check.formulas import cell_text, evaluate
from ditcourse.check.judges import Finding, read_parts
from ditcourse.check.reading import Reading, Unreadable, is_blank, name_of, read, size_text


class Sheet:
    """A sheet in the making: every part is an attribute, `...` stands for a cell that is still blank.

    link  the address of a sheet begun in the page, or what stands in it after the #; a cell that is `...` here
          keeps what the page had. Raises ValueError if it is not such a link.
    seed  which sheet: 0 for the course's own, else that of `byhand.new_exercise(seed)`; for the
          form "counting" that of `byhand.new_counting(seed)`
    half  whether X, Y and the frames are printed
    """

    def __init__(self, link="", seed=None, half=False, form=None):
        form = form or _form_of(link)
        parts = parts_of(form)
        cells, link_seed, link_half = _read_link(link, parts)
        seed = next(number for number in (link_seed, seed, first_seed(form)) if number is not None)
        vars(self).update(form=form, seed=seed, half=link_half or half, _parts=parts, _pasted=cells,
                          givens=values_of(form, seed), _written={})  # fmt: skip

    def __setattr__(self, name, value):
        if self._part(name).half and self.half and not is_blank(value):
            raise AttributeError(f"{name} is printed on the half sheet; with Sheet(half=False) it is yours to fill in")
        self._written[name] = value

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        part, reading = self._part(name), self.reading(name)
        if reading is None:
            reading = Reading(np.full(part.shape, np.nan), np.ones(part.shape, dtype=bool))
        return _as_python(reading, part)

    def __dir__(self):
        return [*super().__dir__(), *self._parts]

    def _ipython_display_(self):
        print(repr(self))

    def __repr__(self):
        filled = sum(int((~reading.blank).sum()) for reading in self.readings().values())
        number = f"number {self.seed}" if self.seed else "the course's own"
        return f"Sheet: {number}{', half' if self.half else ''}, {filled} cells filled in"

    def _part(self, name):
        if name not in self._parts:
            alike = [part for part in self._parts if part.lower() == name.lower()]
            near = (alike or difflib.get_close_matches(name, self._parts, n=1, cutoff=0.0))[0]
            raise AttributeError(
                f"a sheet has no part {name!r}; the nearest is {near!r}; it has {', '.join(self._parts)}"
            )
        return self._parts[name]

    def reading(self, name):
        """The cells of a part, what is written over what was pasted; None if nothing is there. May raise Unreadable."""
        part = self._part(name)
        written = self._written.get(name)
        try:
            written = None if is_blank(written) else _in_shape(read(written), part)
            pasted = None if name not in self._pasted else _in_shape(read(self._pasted[name]), part)
        except Unreadable as problem:
            raise Unreadable(f"in {name}: {problem}") from None
        if written is None or pasted is None or written.numbers.shape != pasted.numbers.shape:
            return pasted if written is None else written
        return Reading(np.where(written.blank, pasted.numbers, written.numbers), written.blank & pasted.blank)

    def readings(self):
        """{name: cells} of every part that can be read and has a cell filled in."""
        found = {}
        for name in self._parts:
            try:
                reading = self.reading(name)
            except Unreadable:
                continue
            if reading is not None and not reading.blank.all():
                found[name] = reading
        return found

    @property
    def link(self):
        """What stands after the # of the page's address for this sheet: add it there to go on in the page."""
        words = [f"seed={self.seed}"] if self.seed else []
        words += ["half=1"] if self.half else []
        for name, reading in self.readings().items():
            if reading.numbers.shape == self._parts[name].shape:
                rows = [
                    ",".join("" if blank else quote(_typed(x), safe="/") for x, blank in zip(*row, strict=True))
                    for row in zip(reading.numbers, reading.blank, strict=True)
                ]
                words.append(f"{name}={';'.join(rows)}")
        return "#" + "&".join(words)


def _typed(x):
    """A cell for a link, with nothing lost."""
    return cell_text(x) if float(cell_number(cell_text(x))) == x else np.format_float_positional(x, trim="-")


# a whole number and a fraction, a ½ with or without a whole number before it, or a number over a whole number
_CELL = re.compile(
    r"([-+]?) *(?:([0-9]+) +([0-9]+) */ *([0-9]+)|([0-9]*) *(½)|([0-9]+\.?[0-9]*|\.[0-9]+)(?: */ *([0-9]+))?)"
)


def cell_number(text):
    """What a typed cell means: a float, `...` for a blank, NaN if it is no number.

    3, +3, -2, −2, 1.5, 1,5, 3/2, 1 1/2, -1 1/2 and ½ (also −½ and 1½) are numbers.
    """
    plain = text.strip().replace("−", "-").replace("⁄", "/").replace(",", ".").replace("\u00a0", " ")
    if plain in ("", "...", "…"):
        return ...
    match = _CELL.fullmatch(plain)
    if not match or len(plain) > 24:
        return np.nan
    sign, whole, over, under, whole_of_half, half, number, divisor = match.groups()
    if half:
        size = float(whole_of_half or 0) + 0.5
    elif whole:
        if int(over) >= int(under):  # 1 3/2 may be 1 and 3/2, or 13/2 with a space in it
            return np.nan
        size = float(whole) + float(over) / float(under)
    elif divisor and not int(divisor):
        return np.nan
    else:
        size = float(number) / float(divisor or 1)
    return -size if sign == "-" else size


PAGES = {
    "01_backwards": "backwards", "04_counting": "counting", "05_step": "step", "06_cut": "patches",
    "07_steer": "steer", "08_look": "look", "09_block": "block", "10_learn": "learn",
    "12_squeeze": "squeeze",
}  # fmt: skip


def _form_of(link):
    """Which sheet the page of a link holds; the one of chapter 1 if the link does not say."""
    address = link.split("#")[0] if isinstance(link, str) else ""
    return next((form for page, form in PAGES.items() if page in address), "sora")


def _read_link(link, parts):
    """({part: rows of cells}, seed, half) of what stands after the # of a sheet's link."""
    if not isinstance(link, str):
        raise ValueError(f"link: came as {name_of(link)}; allowed: the address of the page with your sheet, in quotes")
    if "#" not in link and "://" in link:  # the page before anything was filled in
        link = ""
    cells, seed, half = {}, 0 if link.strip() else None, False
    for word in filter(None, link.strip().split("#")[-1].split("&")):
        name, _, text = word.partition("=")
        if name == "seed" and re.fullmatch(r"[0-9]{1,9}", text):
            seed = int(text)
        elif name == "half" and text in ("0", "1"):
            half = text == "1"
        elif name in parts:
            cells[name] = [[cell_number(unquote(cell)) for cell in row.split(",")] for row in text.split(";")]
            rows, columns = parts[name].shape
            if len(cells[name]) != rows or any(len(row) != columns for row in cells[name]):
                raise ValueError(f"link: {name} has not {size_text((rows, columns))}; was the link cut off?")
        else:
            raise ValueError(
                f"link: came with {word[:20]!r}; allowed: the link that the page gives for your sheet, with all "
                "that follows the #"
            )
    return cells, seed, half


def _in_shape(reading, part):
    """A vector as a column, frames as rows of pixels, a number as one cell; any other shape as it came."""
    shape = reading.numbers.shape
    fits = (
        (shape == part.shape[:1] and part.shape[1] == 1)
        or (part.shape == (1, 1) and reading.numbers.size == 1)
        or (part.frames and shape == (part.shape[0], 2, 2))
        or (1 in part.shape and len(shape) == 1)
    )
    if not fits:
        return reading
    new = (-1, 4) if part.frames else (1, -1) if part.shape[0] == 1 else (-1, 1)
    return Reading(reading.numbers.reshape(new), reading.blank.reshape(new))


def _as_python(reading, part):
    """Nested lists as a learner writes them, `...` where blank."""
    cells = reading.numbers.astype(object)
    cells[reading.blank] = ...
    listed = cells.tolist()
    if reading.numbers.shape != part.shape:
        return listed
    if part.shape == (1, 1):
        return listed[0][0]
    if part.frames:
        return [[row[:2], row[2:]] for row in listed]
    if part.shape[0] == 1:
        return listed[0]
    return [row[0] for row in listed] if part.shape[1] == 1 else listed


@dataclass(frozen=True)
class SheetPart:
    """Judges some parts of a sheet, all if none is named; the answer is a Sheet, or the parts' values alone."""

    names: tuple = ()
    form: str = "sora"

    def __post_init__(self):
        object.__setattr__(self, "names", self.names or tuple(parts_of(self.form)))

    @property
    def parts(self):
        return parts_of(self.form)

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if type(answer) is str:  # the link of a sheet does, too
            try:
                answer = Sheet(answer)
            except ValueError as problem:
                return Finding("wrong", f"That text is not the link of a sheet: {problem}.")
        with np.errstate(all="ignore"):  # their numbers may be huge
            return self._judge(answer)

    def _judge(self, answer):
        try:
            board, printed = self._board(answer)
        except Unreadable as problem:
            text = str(problem)
            return Finding("wrong", text[:1].upper() + text[1:])
        reports = [judge_part(board, self.parts[name]) for name in self.names]
        total = sum(board.key[name].size - self.parts[name].printed for name in self.names if name not in printed)
        left = sum(report.left for report in reports)
        wrong = [report for report in reports if report.wrong]
        if left and left == total and not wrong:
            return Finding("not done", f"{left} of {total} cells left." if total > 1 else "")
        state = "not done" if left else "wrong" if wrong else "right"
        lines = [report.text for report in wrong]
        if left:
            lines.insert(0, f"{left} of {total} cells left." + ("" if wrong else " Those filled are right so far."))
        elif not wrong and any(report.follows for report in reports):
            lines.append("Some cells differ from the key, but follow from your own earlier numbers: that counts.")
        first = wrong[0] if wrong else Report("", 0)
        cell = None if not wrong or first.misshapen else _cell(self.parts[first.part], first.wrong[0])
        return Finding(state, "\n  ".join(lines), cell, first.slip)

    def hints(self, answer):
        """The hints for the first part that is not right yet, from gentle to plain."""
        if type(answer) is str:
            with contextlib.suppress(ValueError):
                answer = Sheet(answer)
        with np.errstate(all="ignore"):
            return self._hints(answer)

    def _hints(self, answer):
        try:
            board, _ = self._board(None if is_blank(answer) else answer)
        except Unreadable:
            board, _ = self._board(None)
        open_ = [name for name in self.names if judge_part(board, self.parts[name]).state != "right"]
        name = (open_ or self.names)[0]
        return tuple(f"{name}: {hint}" for hint in hints(board, self.parts[name]))

    def _board(self, answer):
        printed = ()
        if issubclass(type(answer), Sheet):  # the type says it; `isinstance` would ask the answer
            if answer.form != self.form:
                raise Unreadable("that is another kind of sheet.")
            filled = answer.readings()
            for name in self.names:
                answer.reading(name)  # what cannot be read is an error here
            values = answer.givens
            printed = [name for name, part in self.parts.items() if part.half and answer.half]
        else:
            filled, values = self._values(answer), values_of(self.form)
        return Board(self.parts, values, filled, set(printed)), printed

    def _values(self, answer):
        names = self.names if len(self.names) > 1 else ()
        given = [None] * len(self.names) if answer is None else read_parts(answer, names)
        return {
            name: _in_shape(reading, self.parts[name])
            for name, reading in zip(self.names, given, strict=True)
            if reading is not None and not reading.blank.all()
        }

    def right_answer(self):
        return self._packed(key(self.form, values_of(self.form)))

    def wrong_answers(self):
        """For each slip of these parts an answer that holds it, and after it what follows from it."""
        made = {}
        for slip in dict.fromkeys(slip.name for name in self.names for slip in self.parts[name].slips):
            have = self.with_slip(slip, values_of(self.form))
            answer = have and self._packed(have)
            if have and answer not in made.values():  # two slips that lead to the same numbers are told together
                made[slip] = answer
        return made

    def with_slip(self, slip, values):
        """{name: matrix} of a whole sheet on which these parts have this slip; None if it does not show there."""
        have, shows, steps = dict(values), False, {self.parts[name].step for name in self.names}
        for name, part in self.parts.items():
            have[name] = evaluate(part.formula, have)
            found = next((s for s in part.slips if s.name == slip), None)
            if found and (name in self.names or (found.together and part.step in steps)):
                wrong = evaluate(found.formula, have)
                if wrong.shape != part.shape:
                    return key(self.form, values) | have | {name: wrong}
                shows = shows or not np.allclose(wrong, have[name])
                have[name] = wrong
        return have if shows else None

    def _packed(self, values):
        found = [
            _as_python(Reading(values[name], np.zeros(values[name].shape, dtype=bool)), self.parts[name])
            for name in self.names
        ]
        return tuple(found) if len(found) > 1 else found[0]


def _cell(part, cell):
    """A cell as an index into the learner's own lists."""
    row, column = cell
    if part.shape == (1, 1):
        return ()
    if part.frames:
        return row, column // 2, column % 2
    if part.shape[0] == 1:
        return (column,)
    return (row,) if part.shape[1] == 1 else (row, column)
