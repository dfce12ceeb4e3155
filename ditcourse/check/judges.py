"""The four ways to judge an answer: by its values, as a function on random inputs, as a choice, letter by letter.

Each judge has
    judge(answer) -> Finding        the judgement, without the exercise's name or hints
    right_answer()                  an answer that must be found right
    wrong_answers() -> {slip: ...}  for each slip's name, an answer that must be found to be that slip
The last two are what the mutation tests (and, later, the sheet in the page) work from.
"""

import copy
import inspect
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ditcourse.check.reading import (
    Reading,
    Unreadable,
    describe,
    is_blank,
    name_of,
    number_text,
    read,
    size_text,
    where,
)


@dataclass(frozen=True)
class Slip:
    """A typical mistake: its name, the wrong value (or wrong function) it leads to, what to say about it."""

    name: str
    value_fn: Callable
    message: str


@dataclass(frozen=True)
class Finding:
    """What a judge found: the state, a sentence, and where they apply the cell (from 0) and the slip."""

    state: str
    text: str = ""
    cell: tuple | None = None
    slip: str | None = None


def values(expected, slips=(), tolerance=1e-4, names=(), axes=()):
    """Judge numbers. `expected` is a function without arguments, so that it is computed only when needed.

    names  for several values in one answer: `expected` returns a tuple, the learner gives a tuple (or dict)
    axes   names of the axes for messages, e.g. ("frame", "row", "column"); known for one and two axes
    """
    return Values(expected, tuple(slips), tolerance, tuple(names), tuple(axes))


def function(
    reference, make_inputs, slips=(), tolerance=1e-4, trials=3, names=(), axes=(), sheet=None, call=None,
    inputs_as=None, gives="your function gives",
):  # fmt: skip
    """Judge a function by calling it on random inputs, some the same for everybody and one fresh.

    reference    the right function; the `value_fn` of a slip is a wrong one, called in the same way
    make_inputs  takes a numpy Generator, returns the tuple of arguments (arrays, tensors, numbers ...)
    sheet        if given, a function that returns the first arguments to try: numbers that the learner knows
    call         how to use the answer, if not `answer(*inputs)`; gets the answer and then the inputs. It raises
                 Unreadable where what comes back cannot be used
    inputs_as    names the inputs in a message, if not by their shapes: gets them, returns "With x of shape ..."
    gives        what stands in a message before a wrong number, where `call` made it of what the answer returned
    """
    slips, names, axes = tuple(slips), tuple(names), tuple(axes)
    told = {"inputs_as": inputs_as, "gives": gives}
    return Function(reference, make_inputs, slips, tolerance, trials, names, axes, sheet, call, **told)


def choice(answer, slips=None, options=()):
    """Judge one chosen option (a text or a whole number). `slips`: {wrong option: what to say about it}.

    options  all of them in the order to show; only needed where some wrong option has no message of its own
    """
    slips = dict(slips or {})
    return Choice(answer, slips, tuple(options) or tuple(sorted([answer, *slips], key=str)))


def letters(expected, says, swapped=None):
    """Judge a number for each letter: every wrong one gets a sentence of its own, whatever the others are.

    says     {letter: {wrong number: sentence}}, with every letter, and every wrong number there is to choose from
    swapped  {"ab": what to say where the numbers of a and b have changed places and the others are right}
    """

    def swap(one, other):
        def answer():
            right = dict(zip(says, expected(), strict=True))
            return tuple((right | {one: right[other], other: right[one]}).values())

        return answer

    slips = [Slip(f"{a} and {b} changed places", swap(a, b), text) for (a, b), text in (swapped or {}).items()]
    slips.append(
        Slip("counted from 0", lambda: tuple(n - 1 for n in expected()), "the numbers to choose from begin with 1")
    )
    return Letters(expected, tuple(slips), 1e-4, tuple(says), ("answer",), says)


@dataclass(frozen=True)
class Values:
    expected: Callable
    slips: tuple
    tolerance: float
    names: tuple
    axes: tuple

    def judge(self, answer):
        wanted = self._wanted
        try:
            given = read_parts(answer, self.names)
        except Unreadable as problem:
            return Finding("wrong", _sentence(problem))
        given = _fit(given, wanted)
        left, total = _count_blank(given)
        if left and left == total:
            return Finding("not done", _left_text(left, total, self.axes))
        right = _same(given, wanted, self.tolerance)
        if right and not left:
            return Finding("right")
        found = None if right else _find_slip(self.slips, self._slipped, given, wanted, self.tolerance)
        if not left:
            return _report(given, wanted, self, found, owner="you have")
        text = _left_text(left, total, self.axes)
        if right:
            return Finding("not done", text + " Those filled are right so far.")
        return _report_partial(given, wanted, self, found, text)

    @cached_property
    def _wanted(self):
        return _read_own(self.expected(), self.names)

    def _slipped(self, slip):
        return _read_own(slip.value_fn(), self.names)

    def right_answer(self):
        return self.expected()

    def wrong_answers(self):
        return {slip.name: slip.value_fn() for slip in self.slips}


@dataclass(frozen=True)
class Letters(Values):
    """`slips` are of the answer as a whole; those of single letters are in `says`."""

    says: dict

    def judge(self, answer):
        found = super().judge(answer)
        if found.cell is None:  # right, blank, or not to be read
            return found
        given = _fit(read_parts(answer, self.names), self._wanted)
        if any(part.numbers.shape for part in given):  # several numbers for one letter
            return found
        numbers = [None if part.blank else float(part.numbers) for part in given]
        if tuple(numbers) in [slip.value_fn() for slip in self.slips]:
            return found
        lines, slips = [], []
        for name, number, wanted in zip(self.names, numbers, self.expected(), strict=True):
            if number is None or _close(number, wanted, self.tolerance):
                continue
            says = self.says[name].get(number, f"what there is to choose from is numbered from 1 to {self._most}")
            lines.append(f"In {name}: you have {number_text(number)}. {_sentence(says)}")
            slips.append(f"{name}: {number:g}" if number in self.says[name] else None)
        if None in numbers:
            lines.insert(0, _left_text(numbers.count(None), len(numbers), self.axes))
        return Finding(found.state, "\n  ".join(lines), found.cell, slips[0] if len(slips) == 1 else None)

    @property
    def _most(self):
        """The largest number there is to choose."""
        return max(*self.expected(), *itertools.chain(*self.says.values()))

    def wrong_answers(self):
        right = dict(zip(self.names, self.expected(), strict=True))
        wrong = {f"{letter}: {number}": tuple((right | {letter: number}).values())
                 for letter, told in self.says.items() for number in told}  # fmt: skip
        return wrong | super().wrong_answers()


@dataclass(frozen=True)
class Function:
    reference: Callable
    make_inputs: Callable
    slips: tuple
    tolerance: float
    trials: int
    names: tuple
    axes: tuple
    sheet: Callable | None
    call: Callable | None
    inputs_as: Callable | None = field(default=None, kw_only=True)
    gives: str = field(default="your function gives", kw_only=True)

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        call = self.call
        if type(answer) is _Ours:
            answer, call = answer.function, None
        if not callable(answer):
            return Finding(
                "wrong", f"A function is wanted here (its name, without brackets); that is {name_of(answer)}."
            )
        runs = []
        for inputs in self._all_inputs():
            result, problem = _call(answer, call, copy.deepcopy(inputs))
            if problem:
                return problem
            wanted = _read_own(self.reference(*copy.deepcopy(inputs)), self.names)
            given, problem = self._read(result, wanted)
            if problem:
                return problem
            runs.append((inputs, wanted, given))
        wrong = [i for i, (_, wanted, given) in enumerate(runs) if not _same(given, wanted, self.tolerance)]
        if not wrong:
            return Finding("right")
        slip = next((slip for slip in self.slips if self._explains(slip, runs)), None)
        inputs, wanted, given = runs[wrong[0]]
        finding = _report(given, wanted, self, slip, owner=self.gives)
        tried = "With the numbers of the sheet" if self.sheet and wrong[0] == 0 else "With random inputs"
        tried = self.inputs_as(*inputs) if self.inputs_as else tried + _shapes(inputs)
        keeps = self.names and not finding.text.startswith("In ")  # a name keeps its capital
        text = f"{tried}: {finding.text if keeps else finding.text[:1].lower() + finding.text[1:]}"
        return Finding("wrong", text, finding.cell, finding.slip)

    def _all_inputs(self):
        if self.sheet:
            yield tuple(self.sheet())
        for seed in [*range(self.trials), None]:  # None: fresh ones, that nobody can know
            yield tuple(self.make_inputs(np.random.default_rng(seed)))

    def _read(self, result, wanted):
        """What the learner's function returned: (readings, None), or (None, why it cannot be judged)."""
        if self.names and _one_array(result, wanted):
            count = {2: "Two", 3: "Three"}.get(len(self.names), len(self.names))
            text = f"{count} results are wanted, ({', '.join(self.names)}); your function gave one array."
            return None, Finding("wrong", text)
        try:
            given = read_parts(result, self.names)
        except Unreadable as reason:
            return None, Finding("wrong", "What your function returns cannot be used: " + str(reason))
        given = _fit(given, wanted)
        left, total = _count_blank(given)
        if left and left == total:
            return None, Finding("not done", "The function does not return a result yet.")
        if left:
            text = "In what the function returns, " + _left_text(left, total, self.axes)
            return None, Finding("not done", text)
        return given, None

    def _explains(self, slip, runs):
        return all(
            _same(given, _read_own(slip.value_fn(*copy.deepcopy(inputs)), self.names), self.tolerance)
            for inputs, _, given in runs
        )

    def right_answer(self):
        return _Ours(self.reference)

    def wrong_answers(self):
        return {slip.name: _Ours(slip.value_fn) for slip in self.slips}


@dataclass(frozen=True)
class _Ours:
    """One of our own functions as an answer: it is called with the inputs, whatever `call` says."""

    function: Callable


@dataclass(frozen=True)
class Choice:
    answer: object
    slips: dict
    options: tuple

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        options = {_plain(option): option for option in self.options}
        chosen = options.get(_plain(answer))
        if chosen is None:
            names = ", ".join(repr(option) for option in self.options)
            return Finding("wrong", f"The answer is one of these: {names}.")
        if chosen == self.answer:
            return Finding("right")
        if chosen in self.slips:
            return Finding("wrong", _sentence(self.slips[chosen]), slip=str(chosen))
        return Finding("wrong", f"It is not {chosen!r}.")

    def right_answer(self):
        return self.answer

    def wrong_answers(self):
        return {str(option): option for option in self.slips}


def _call(answer, call, inputs):
    """Run the learner's function: (result, None), or (None, the finding that says what went wrong)."""
    try:
        return (answer(*inputs) if call is None else call(answer, *inputs)), None
    except KeyboardInterrupt:
        raise
    except Unreadable as reason:  # from `call`: the answer did return
        return None, Finding("wrong", _sentence(f"What your function returns cannot be used: {reason}"))
    except BaseException as error:  # noqa: BLE001 (even SystemExit: a check never stops the notebook)
        if _unfinished(answer, error):
            return None, Finding("not done", f"A part of it is still to be written ({describe(error)}).")
        line = _line(answer, error)
        place = f" in line {line} of its cell or file" if line else ""
        return None, Finding("wrong", _sentence(f"your function stopped{place} with {describe(error)}"))


def _unfinished(answer, error):
    """Did it stop because a `...` of the template is still there, in it or in a name that it uses?"""
    try:
        if isinstance(error, NotImplementedError) or "ellipsis" in str(error).lower() or _has_dots(answer):
            return True
        return any(
            any(value is Ellipsis for value in frame.f_locals.values())
            or any(frame.f_globals.get(name) is Ellipsis for name in frame.f_code.co_names)
            for frame, _ in _own_frames(answer, error)
        )
    except BaseException:  # noqa: BLE001 (it is their object)
        return False


def _has_dots(answer):
    """Is there still a line of nothing but `...` in its source? (Python leaves no trace of one elsewhere.)"""
    try:
        source = inspect.getsource(answer if hasattr(answer, "__code__") else type(answer))
        lines = [line.split("#")[0].strip() for line in source.split("\n")]
    except (OSError, TypeError):  # typed in where sources are not kept
        return False
    return "..." in lines


def _line(answer, error):
    """The line of the learner's own code in which it stopped, if that can be found."""
    try:
        return _own_frames(answer, error)[-1][1]
    except BaseException:  # noqa: BLE001 (it is their object)
        return None


def _own_frames(answer, error):
    """(frame, line) of the learner's own code on the way to the error, by its cell or file."""
    for thing in (answer, getattr(answer, "forward", None), type(answer).__call__):
        code = getattr(thing, "__code__", None)
        if code is not None:
            break
    frames, step = [], error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == code.co_filename:
            frames.append((step.tb_frame, step.tb_lineno))
        step = step.tb_next
    return frames


def _read_own(value, names):
    """Read a value of ours. Unreadable here is a fault of the spec, so it is raised as one."""
    try:
        return read_parts(value, names)
    except Unreadable as problem:
        raise ValueError(f"fault in the spec of this exercise: {problem}") from None


def read_parts(answer, names):
    """A list of readings: one for each name, or just one. A part that is blank as a whole is None."""
    if not names:
        return [None if is_blank(answer) else read(answer)]
    if is_blank(answer):
        return [None] * len(names)
    parts = _split(answer, names)
    readings = []
    for name, part in zip(names, parts, strict=True):
        try:
            readings.append(None if is_blank(part) else read(part))
        except Unreadable as problem:
            raise Unreadable(f"in {name}: {problem}") from None
    return readings


def _split(answer, names):
    wanted = f"{len(names)} values are wanted: ({', '.join(names)})"
    try:
        if isinstance(answer, dict):
            if not any(name in answer for name in names):
                raise Unreadable(f"{wanted}; this dict has none of these names.")
            answer = [answer.get(name) for name in names]
        elif hasattr(answer, "detach"):
            answer = list(answer)
        elif not isinstance(answer, (tuple, list, np.ndarray)):
            raise Unreadable(f"{wanted}; that is {name_of(answer)}.")
        parts = list(itertools.islice(answer, 1000))
    except (Unreadable, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 (it is their object)
        raise Unreadable(f"{wanted}; that is {name_of(answer)} ({describe(error)}).") from None
    if len(parts) != len(names):
        raise Unreadable(f"{wanted}; you gave {len(parts)}.")
    return parts


def _one_array(result, wanted):
    """Is it one array or tensor where several results are wanted, and not all of them in one?"""
    if not (isinstance(result, np.ndarray) or hasattr(result, "detach")):
        return False
    if str(getattr(result, "dtype", "")) == "object":  # a box with the results in it
        return False
    try:
        size, *shape = (int(n) for n in result.shape)
    except (TypeError, ValueError):  # no axis at all, or not to be read
        return True
    return size != len(wanted) or any(
        tuple(shape) != w.numbers.shape and not (w.numbers.size == 1 and np.prod(shape) == 1) for w in wanted
    )


def _fit(given, wanted):
    """A part that is blank as a whole gets the wanted shape; one number may come in brackets."""
    fitted = []
    for g, w in zip(given, wanted, strict=True):
        if g is None:
            g = Reading(np.full(w.numbers.shape, np.nan), np.ones(w.numbers.shape, dtype=bool))
        elif w.numbers.shape == () and g.numbers.size == 1:
            g = Reading(g.numbers.reshape(()), g.blank.reshape(()))
        fitted.append(g)
    return fitted


def _count_blank(given):
    return sum(int(g.blank.sum()) for g in given), sum(g.blank.size for g in given)


def _untouched(part):
    return part.blank.size > 0 and bool(part.blank.all())  # an empty list is an answer, and a wrong one


def _cells(axes):
    """What one number of the answer is called: the name of its only axis, if it has one."""
    return f"{axes[0]}s" if len(axes) == 1 else "cells"


def _left_text(left, total, axes):
    if total == 1:
        return ""
    cells = _cells(axes)
    return f"{left} of {total} {cells} left." if left < total else f"All {total} {cells} are still to be filled."


def _close(given, wanted, tolerance):
    with np.errstate(all="ignore"):
        return np.isclose(given, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


def _same(given, wanted, tolerance):
    """Are all the cells that are filled as wanted?"""
    return all(
        _untouched(g)
        or (g.numbers.shape == w.numbers.shape and bool(np.all(g.blank | _close(g.numbers, w.numbers, tolerance))))
        for g, w in zip(given, wanted, strict=True)
    )


def _find_slip(slips, value_of, given, wanted, tolerance):
    """The slip that explains the answer: all its wrong cells, and they are most of what the slip changes."""
    best, best_share = None, 0.0
    for slip in slips:
        share = _share(given, wanted, value_of(slip), tolerance)
        if share > best_share:
            best, best_share = slip, share
    return best if best_share > 0.5 else None


def _share(given, wanted, slipped, tolerance):
    """How much of the slip is in the filled cells: 1 if they have the slip's values, 0 if it does not fit.

    While cells are left, one wrong cell is called a slip only if the slip changes no other.
    """
    complete = not any(g.blank.any() for g in given)
    if complete and _same(given, slipped, tolerance):
        return 1.0
    made = done = left = 0
    for g, w, s in zip(given, wanted, _fit(slipped, wanted), strict=True):
        if g.numbers.shape != w.numbers.shape and _same([g], [s], tolerance):
            made, done = made + 2, done + 2  # a shape of its own is no chance
            continue
        if w.numbers.shape != s.numbers.shape and _untouched(g):
            continue
        if g.numbers.shape != w.numbers.shape or s.numbers.shape != w.numbers.shape:
            return 0.0
        wrong = ~g.blank & ~_close(g.numbers, w.numbers, tolerance)
        changed = ~_close(s.numbers, w.numbers, tolerance)
        if np.any(wrong & ~_close(g.numbers, s.numbers, tolerance)):
            return 0.0
        made, done = made + int((changed & ~g.blank).sum()), done + int(wrong.sum())
        left += int((changed & g.blank).sum())
    if not done or (done == 1 and left):
        return 0.0
    return done / made


def _report(given, wanted, judge, slip, owner):
    """A wrong answer: the first wrong cell as a person would name it, how much is right, and the slip."""
    if slip is None and _transposed(given, wanted, judge.tolerance):
        slip = Slip("transposed", None, "rows and columns have changed places")
    name, text, cell, wrong = _first_wrong(given, wanted, judge, owner)
    if cell is None:
        text = _sentence(text, capital=not text.startswith(name or " "))
    else:
        place = (", " if name else "") + where(cell, judge.axes) + ":" if cell else ""
        text = _join((f"in {name}" if name else "") + place, text)
        if wrong.size > 1:
            verb = "is" if wrong.sum() == 1 else "are"
            text += f". {int(wrong.sum())} of {wrong.size} {_cells(judge.axes)} {verb} wrong"
        text = _sentence(text)
    return Finding("wrong", _join(text, _probably(slip)), cell, slip.name if slip else None)


def _report_partial(given, wanted, judge, slip, text):
    """An answer with cells left, some of the others wrong."""
    name, says, cell, _ = _first_wrong(given, wanted, judge, owner="you have")
    if cell is None:
        says = _sentence(says, capital=not says.startswith(name or " "))
    else:
        place = _join(name, where(cell, judge.axes) if cell else "")
        says = f"Of those filled, {place} is wrong: {says}."
    return Finding("not done", _join(text, says, _probably(slip)), cell, slip.name if slip else None)


def _first_wrong(given, wanted, judge, owner):
    """(name of the part, what it is, the cell, which cells are wrong); the cell is None for a wrong size."""
    for position, (g, w) in enumerate(zip(given, wanted, strict=True)):
        name = judge.names[position] if judge.names else ""
        if _untouched(g):
            continue
        if g.numbers.shape != w.numbers.shape:
            return name, _size_says(g.numbers.shape, w.numbers.shape, judge, name, owner), None, None
        wrong = ~g.blank & ~_close(g.numbers, w.numbers, judge.tolerance)
        if wrong.any():
            cell = tuple(int(i) for i in np.argwhere(wrong)[0])
            number = g.numbers[cell]
            return name, f"{owner} {number_text(number)}" + _not_finite(number), cell, wrong
    raise AssertionError("a wrong answer has a wrong cell")


def _size_says(given, wanted, judge, name, owner):
    """'c has 4 numbers, 5 are wanted', or without a name 'you have 4 numbers, 5 are wanted'."""
    if owner == "you have":
        has = f"{name} has" if name else owner
    else:
        has = _join(f"in {name}" if name else "", owner)
    if given == ():
        has = f"{name} is" if name and owner == "you have" else has
    many = len(wanted) in (1, 2, 3) and wanted[0] != 1
    needed = str(wanted[0]) if len(given) == len(wanted) == 1 else size_text(wanted, judge.axes)
    return f"{has} {size_text(given, judge.axes)}, {needed} {'are' if many else 'is'} wanted"


def _probably(slip):
    return "Probably: " + _sentence(slip.message, capital=False) if slip else ""


def _transposed(given, wanted, tolerance):
    """Is every matrix of the answer the right one with its rows as columns? (Known for every exercise.)"""
    return all(
        g.numbers.ndim == 2
        and g.numbers.T.shape == w.numbers.shape
        and bool(np.all(_close(g.numbers.T, w.numbers, tolerance)))
        for g, w in zip(given, wanted, strict=True)
    )


def _not_finite(x):
    if np.isnan(x):
        return " (not a number)"
    return " (infinite)" if np.isinf(x) else ""


def _join(*texts):
    return " ".join(text for text in texts if text)


def _sentence(text, capital=True):
    text = str(text).strip()
    if capital:
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."


def _shapes(inputs):
    shapes = [tuple(int(n) for n in x.shape) for x in inputs if hasattr(x, "shape")]
    if not shapes:
        return ""
    return " of shape " + ", ".join(str(shape) for shape in shapes)


def _plain(option):
    """Texts are compared without case and outer spaces, whole numbers as such; nothing else is an option."""
    kind = type(option)
    if kind is str:
        return option.strip().lower()
    if kind in (int, np.int64, np.int32):
        return str(int(option))
    return None
