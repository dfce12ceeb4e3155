"""Turn whatever a learner hands over into an array of floats, or into a sentence that says why not.

All contact with a learner's objects is in this file and in `judges._call`, so that nothing they do (raise in
`__array__`, in `__repr__`, contain themselves ...) can get further than here.
"""

import itertools
import math
from dataclasses import dataclass
from numbers import Number

import numpy as np

MAX_CELLS = 200_000  # more than any exercise asks for; beyond it, only the shape is looked at
MAX_DEPTH = 16


class Unreadable(Exception):
    """The answer cannot be read as numbers; the text is the message for the learner."""


@dataclass(frozen=True)
class Reading:
    """What was read: numbers (NaN where a cell is still blank) and which cells are blank."""

    numbers: np.ndarray
    blank: np.ndarray


def is_blank(answer):
    """True for `...`, None and texts that say so; told by identity, since `==` belongs to the learner."""
    if type(answer) is str:
        return answer.strip() in ("", "...", "…")
    return answer is Ellipsis or answer is None


def read(answer):
    """Read numbers out of an answer. Raises nothing but Unreadable (and KeyboardInterrupt)."""
    try:
        with np.errstate(all="ignore"):
            return _numbers(_collect(answer, depth=0, above=(), budget=[MAX_CELLS]))
    except (Unreadable, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 (even SystemExit: a check never stops the notebook)
        raise Unreadable(f"{name_of(answer)} cannot be read as numbers ({describe(error)}).") from None


def name_of(thing):
    """A person's name for the kind of thing this is: 'a function', 'a dict'."""
    try:
        kind = type(thing)
        if issubclass(kind, type):
            return "a class"
        if issubclass(kind, (str, bytes)):
            return "a text"
        name = str(kind.__name__)
    except BaseException:  # noqa: BLE001 (a metaclass may do anything)
        name = "object of an unknown kind"
    if name in ("function", "builtin_function_or_method", "method"):
        return "a function"
    if name == "ndarray":
        return "an array"
    return ("an " if name[:1].lower() in "aeiou" else "a ") + name[:60]


def describe(error):
    """`TypeError: what happened`, on one line and not too long, even if the error cannot print itself."""
    name = name_of(error).split(" ", 1)[1]
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 (it is their error)
        text = ""
    if len(text) > 160:
        text = text[:157] + "..."
    return f"{name}: {text}" if text else name


def size_text(shape, axes=()):
    """(4,) -> '4 numbers', (2, 4) -> '2 rows of 4', (4, 2, 2) -> '4 frames of 2 x 2'."""

    def count(n, what):
        return f"{n} {what}" + "s" * (n != 1)

    if len(shape) == 0:
        return "one number"
    if len(shape) == 1:
        return count(shape[0], "number") + " in a list" * (shape[0] == 1)
    if len(shape) == 2:
        return f"{count(shape[0], 'row')} of {shape[1]}"
    if len(shape) == 3:
        first = axes[0] if len(axes) == 3 else "frame"
        return f"{count(shape[0], first)} of {shape[1]} x {shape[2]}"
    return "an array of " + " x ".join(str(n) for n in shape)


def number_text(x):
    """-1.0 -> '-1', 0.49101 -> '0.491'."""
    x = float(x)
    if np.isfinite(x) and x == round(x) and abs(x) < 1e9:
        return str(int(x))
    return f"{x:.4g}"


def _collect(x, depth, above, budget):
    """An array of the answer's cells: of numbers, or of objects where something else is among them."""
    kind = type(x)
    if is_blank(x) or issubclass(kind, (Number, str, bytes)):
        return _cell(x, budget)
    if issubclass(kind, (list, tuple, range)):
        return _collect_list(x, depth, above, budget)
    if issubclass(kind, np.ndarray) or issubclass(kind, np.generic):
        return _spend(x, budget, np.asarray)
    if hasattr(x, "detach"):
        return _spend(x, budget, _tensor)
    if hasattr(x, "__array__") and not isinstance(x, type):
        return _spend(x, budget, np.asarray)
    if depth:
        return _cell(x, budget)
    if hasattr(x, "__next__"):
        raise Unreadable(
            f"that is {name_of(x)}, which gives its values one by one; hand over a list or an array."
        )
    if callable(x):
        raise Unreadable(f"that is {name_of(x)}; hand over its result, not {name_of(x)}.")
    raise Unreadable(f"that is {name_of(x)}; an array, a list or a number is wanted.")


def _collect_list(x, depth, above, budget):
    if any(x is seen for seen in above):
        raise Unreadable("the list contains itself.")
    if depth >= MAX_DEPTH:
        raise Unreadable(f"the list is nested more than {MAX_DEPTH} levels deep.")
    budget[0] -= 1
    if len(x) > budget[0]:
        raise Unreadable(f"the list has {len(x)} entries, far more than this exercise asks for.")
    if not len(x):
        return np.empty(0)
    parts = [_collect(part, depth + 1, (*above, x), budget) for part in itertools.islice(x, len(x))]
    for i, part in enumerate(parts):
        if part.shape != parts[0].shape:
            if part.ndim == parts[0].ndim == 1:
                raise Unreadable(
                    f"the rows differ in length: row 1 has {parts[0].size}, row {i + 1} has {part.size}."
                )
            raise Unreadable(f"the list is uneven: part 1 and part {i + 1} differ in shape.")
    return np.stack(parts)


def _cell(x, budget):
    budget[0] -= 1
    if budget[0] < 0:
        raise Unreadable(f"that is more than {MAX_CELLS} numbers, far more than this exercise asks for.")
    if type(x) in (int, float, bool) and abs(x) < 2**53:
        return np.asarray(float(x))
    cell = np.empty(1, dtype=object)
    cell[0] = x
    return cell.reshape(())


def _spend(x, budget, convert):
    """Look at the size before converting: a huge array is refused unread."""
    shape = tuple(int(n) for n in x.shape) if hasattr(x, "shape") else ()
    cells = math.prod(shape)
    if cells > budget[0]:
        raise Unreadable(f"it has {size_text(shape)}, far more than this exercise asks for.")
    array = convert(x)
    budget[0] -= max(array.size, 1)
    if budget[0] < 0:
        raise Unreadable(f"that is more than {MAX_CELLS} numbers, far more than this exercise asks for.")
    return np.array(array, subok=False)


def _tensor(x):
    x = x.detach().cpu()
    try:
        return np.asarray(x.numpy())
    except TypeError:  # bfloat16 has no NumPy counterpart
        return np.asarray(x.float().numpy())


def _numbers(cells):
    kind = cells.dtype.kind
    if kind in "biuf":
        return Reading(cells.astype(float), np.zeros(cells.shape, dtype=bool))
    if kind == "c" and not np.any(cells.imag):
        return Reading(cells.real.astype(float), np.zeros(cells.shape, dtype=bool))
    if kind == "c":
        raise Unreadable("there are complex numbers in it.")
    if kind in "mM":
        raise Unreadable("there are dates or times in it.")
    if kind == "V":
        raise Unreadable("its cells are records with several fields, not numbers.")
    numbers = np.full(cells.shape, np.nan)
    blank = np.zeros(cells.shape, dtype=bool)
    for index in np.ndindex(cells.shape):
        cell = cells[index]
        if is_blank(cell) or (kind == "U" and is_blank(str(cell))):
            blank[index] = True
        else:
            numbers[index] = _number(cell, index)
    return Reading(numbers, blank)


def _number(cell, index):
    kind = type(cell)
    at = f"{where(index)}: " if index else "that is "
    if issubclass(kind, (str, bytes)):
        shown = repr(str(cell)[:20]) if issubclass(kind, str) else "bytes"
        raise Unreadable(f"{at}a text ({shown}) where a number is wanted.")
    if issubclass(kind, np.ndarray) and cell.ndim == 0:
        cell = cell.item()
        kind = type(cell)
    if issubclass(kind, Number):
        if issubclass(kind, (complex, np.complexfloating)):
            raise Unreadable(f"{at}a complex number.")
        try:
            return float(cell)
        except OverflowError:
            return np.inf
    raise Unreadable(f"{at}{name_of(cell)} where a number is wanted.")


def where(index, axes=()):
    """(1, 2) -> 'row 2, column 3'; counting starts at 1, as on paper."""
    if len(axes) != len(index):
        axes = {1: ("entry",), 2: ("row", "column"), 3: ("frame", "row", "column")}.get(len(index), ())
    if axes:
        return ", ".join(f"{axis} {int(i) + 1}" for axis, i in zip(axes, index, strict=True))
    return "position (" + ", ".join(str(int(i) + 1) for i in index) + ")"
