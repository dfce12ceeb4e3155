"""What is right on a sheet, and what went wrong where it is not.

A cell is right if it equals the key, or follows from the learner's own earlier cells: one slip is reported once.
`site_extra/_static/sheet/engine.js` judges in the same way in the page; tests compare the two.
"""

from dataclasses import dataclass, field

import numpy as np

from ditcourse.check.formulas import alternatives, cell_text, evaluate, names_in, worked
from ditcourse.check.reading import size_text

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Report:
    """What was found in one part: blank cells, wrong cells, the slip's name, the sentence."""

    part: str
    left: int
    wrong: tuple = ()  # cells, from 0
    follows: tuple = ()  # cells that differ from the key and follow from the learner's own earlier ones
    slip: str | None = None
    text: str = ""
    misshapen: bool = False  # another number of rows or columns than the part has

    @property
    def state(self):
        return "not done" if self.left else "wrong" if self.wrong else "right"


@dataclass
class Board:
    """A sheet laid out for judging: of every part the key, what follows from the learner's cells, and what is there."""

    parts: dict
    values: dict  # the givens
    filled: dict  # {name: Reading}, what the learner has
    printed: set = field(default_factory=set)
    key: dict = field(init=False)
    follow: dict = field(init=False)
    have: dict = field(init=False)

    def __post_init__(self):
        self.key, self.have, self.follow = dict(self.values), dict(self.values), {}
        for name, part in self.parts.items():
            self.key[name] = evaluate(part.formula, self.key)
            self.follow[name] = evaluate(part.formula, self.have)
            if name in self.printed:
                self.follow[name] = self.key[name]
            self.have[name] = self._own(name)

    def _own(self, name):
        """The learner's cells, and what follows where there is none or no number."""
        own, follow = self.filled.get(name), self.follow[name]
        if own is None or name in self.printed or own.numbers.shape != follow.shape:
            return follow
        return np.where(own.blank | ~np.isfinite(own.numbers), follow, own.numbers)

    def blank(self, name):
        return name not in self.printed and (name not in self.filled or bool(self.filled[name].blank.all()))


def judge(parts, values, filled, printed=()):
    """{name: Report} for every part of a sheet. filled: {name: Reading}; a part that is not there is blank."""
    with np.errstate(all="ignore"):  # a learner's numbers may be huge, or none
        board = Board(parts, values, filled, set(printed))
        return {name: judge_part(board, part) for name, part in parts.items()}


def judge_part(board, part):
    key, follow, own = board.key[part.name], board.follow[part.name], board.filled.get(part.name)
    if part.name in board.printed:
        return Report(part.name, 0)
    if own is None:
        return Report(part.name, (part.shape[0] - part.printed) * part.shape[1])
    if own.numbers.shape != part.shape:
        text = f"{part.name} {_size_says(part, own.numbers.shape)}."
        return Report(part.name, 0, ((0, 0),), (), *_with_slip(text, _explain(board, part, own, None)), True)
    to_fill = own.blank.copy()
    to_fill[: part.printed] = False
    as_key, as_follow = close(own.numbers, key), close(own.numbers, follow)
    wrong = ~own.blank & ~as_key & ~as_follow
    follows = tuple(map(tuple, np.argwhere(~own.blank & as_follow & ~as_key).tolist()))
    if not wrong.any():
        return Report(part.name, int(to_fill.sum()), (), follows)
    cells = [tuple(cell) for cell in np.argwhere(wrong).tolist()]
    place, number = part.where(cells[0], board.values), own.numbers[cells[0]]
    says = "that is not a number" if np.isnan(number) else f"you have {cell_text(number).replace('-', '−')}"
    text = f"In {part.name}{', ' * bool(place)}{place}: {says}"
    boxes = (part.shape[0] - part.printed) * part.shape[1]
    if boxes > 1:
        text += f". {len(cells)} of {max(boxes, len(cells))} cells {'is' if len(cells) == 1 else 'are'} wrong"
    found = _explain(board, part, own, wrong)
    if boxes == 1 and not found and not np.isnan(number):
        text += ", which is wrong"
    return Report(part.name, int(to_fill.sum()), tuple(cells), follows, *_with_slip(text + ".", found))


def _size_says(part, shape):
    """'has 4 numbers, 5 are wanted', or 'has 2 rows of 3, 2 rows of 4 are wanted'."""
    if 1 in part.shape and part.shape != (1, 1):  # a vector
        has = size_text((max(shape),) if len(shape) == 2 and 1 in shape else shape)
        return f"has {has}, {max(part.shape)} {'are' if has[0].isdigit() else 'numbers are'} wanted"
    wanted = (part.shape[0], 2, 2) if part.frames else () if part.shape == (1, 1) else part.shape
    return f"has {size_text(shape)}, {size_text(wanted)} {'is' if wanted == () else 'are'} wanted"


def _with_slip(text, found):
    if not found:
        return None, text
    name, says = found
    return name, f"{text} Probably: {says}."


def close(given, wanted):
    """Cell by cell; what is not a number is close to nothing. Rows and columns of one count for all."""
    return np.abs(given - wanted) <= TOLERANCE * np.maximum(1, np.abs(wanted))


def _explain(board, part, own, wrong):
    """(name, what to say) of the slip that fits the wrong cells best, or None."""
    shares = [(_share(board, part, own, wrong, evaluate(slip.formula, board.have)), slip) for slip in part.slips
              if not _sister_disagrees(board, part, slip)]  # fmt: skip
    best = max((share for share, _ in shares), default=0)
    if best:
        return _either({slip.says: slip.name for share, slip in shares if share == best})
    for right in (board.follow[part.name], board.key[part.name]):
        if own.numbers.shape == right.T.shape and not own.blank.any() and close(own.numbers, right.T).all():
            return "transposed", "rows and columns have changed places"
    for name, says, values in _carried(board, part):
        if _share(board, part, own, wrong, values) == 1:
            return name, says
    if wrong is None:
        return None
    found, single = {}, [slip for slip in part.slips if slip.cell]
    single = [(slip.name, slip.says, evaluate(slip.formula, board.have)) for slip in single]
    for name, says, values in (*alternatives(part.formula, board.have), *single):
        if close(own.numbers, values)[wrong].all():
            found.setdefault(says, name)
    return _either(found) if len(found) in (1, 2) else None


def _either(found):
    """{what to say: name}: the first name, and up to three sayings where the numbers cannot tell them apart."""
    return next(iter(found.values())), "; or ".join(list(found)[:3])


def _share(board, part, own, wrong, slipped):
    """How well a slip fits: 1 if it explains the part, 0.5 if it explains some columns of it, 0 if it does not fit.

    All wrong cells have to be the slip's, and all cells that it changes have to be wrong: everywhere, or in the
    columns (tokens) in which it was made. A single wrong cell is enough only if the slip changes no other.
    """
    if slipped.shape != part.shape or wrong is None:
        same = own.numbers.shape == slipped.shape and close(own.numbers, slipped).all()
        return float(same and wrong is None)
    if not close(own.numbers, slipped)[wrong].all():
        return 0.0
    changed = ~close(slipped, board.follow[part.name]) & ~close(slipped, board.key[part.name])
    count = int(wrong.sum())
    if count == 1 and (changed & own.blank).any():
        return 0.0
    there = changed & ~own.blank
    if count == there.sum():
        return 1.0
    in_columns = there & wrong.any(axis=0, keepdims=True)
    return 0.5 if count > 1 and count == in_columns.sum() else 0.0


def _sister_disagrees(board, part, slip):
    """A slip that can only happen to two parts of a step together: does it not show in the other one?"""
    for name, sister in board.parts.items() if slip.together else ():
        own = board.filled.get(name)
        same = next((other for other in sister.slips if other.name == slip.name), None)
        if name == part.name or sister.step != part.step or sister.after != part.after or same is None or own is None:
            continue
        slipped, follow = evaluate(same.formula, board.have), board.follow[name]
        if own.numbers.shape == slipped.shape == follow.shape:
            changed = ~close(slipped, follow) & ~own.blank
            if changed.any() and not close(own.numbers, slipped)[changed].any():
                return True
    return False


def _carried(board, part):
    """Slips of earlier parts that the learner has not written down, as they show in this part."""
    before = list(board.parts.values())
    before = before[: before.index(part)]
    for earlier in before:
        if not board.blank(earlier.name):
            continue
        for slip in earlier.slips:
            values = dict(board.have)
            values[earlier.name] = evaluate(slip.formula, board.have)
            if values[earlier.name].shape != earlier.shape:
                continue
            touched = {earlier.name}
            for between in [*before[before.index(earlier) + 1 :], part]:
                if touched & names_in(between.formula) and (between is part or board.blank(between.name)):
                    values[between.name] = evaluate(between.formula, values)
                    touched.add(between.name)
            if part.name in touched:
                yield slip.name, f"it began earlier, in {earlier.name}: {slip.says}", values[part.name]


def hints(board, part):
    """The hints of a part, from gentle to plain: the last one shows the sum for the first cell to look at."""
    own = board.filled.get(part.name)
    key, follow = board.key[part.name], board.follow[part.name]
    todo = np.ones(part.shape, dtype=bool)
    if own is not None and own.numbers.shape == part.shape:
        todo = own.blank | ~(close(own.numbers, key) | close(own.numbers, follow))
    todo[: part.printed] = False
    if not todo.any():
        return part.hints
    row, column = np.argwhere(todo)[0]
    place, numbers = part.where((row, column), board.values), worked(part.formula, board.have, row, column)
    place = place[:1].upper() + place[1:] or "The sum"
    return (*part.hints, f"{place}: {numbers}.") if numbers else part.hints
