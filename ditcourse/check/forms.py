"""What a hand sheet consists of: its parts with their formulas, hints and slips, read from `sheets/<name>.json`.

The page reads the same tables (tools/sheet_data.py brings them there).
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ditcourse import byhand
from ditcourse.byhand.block import new_block
from ditcourse.byhand.squeeze import new_squeeze
from ditcourse.check.formulas import cell_text, evaluate


@dataclass(frozen=True)
class Slip:
    """A typical mistake: its name, what to say about it, and the formula that someone who makes it follows."""

    name: str
    says: str
    formula: object
    together: bool = False  # it cannot happen to one part of its step alone
    cell: bool = False  # it may happen in a single cell, though it would change others as well


@dataclass(frozen=True)
class Part:
    """One matrix to fill in. Its shape is (rows, columns); `frames`: each row is a frame of 2 x 2."""

    name: str
    step: str  # key of the step in byhand.STEPS
    about: str
    rows: tuple
    columns: tuple
    formula: object
    hints: tuple
    slips: tuple
    question: str = ""  # a text above it
    shows: tuple = ()  # givens that are printed beside it
    half: str = ""  # "given": printed on the half sheet
    printed: int = 0  # so many rows are printed on every sheet
    heads: str = ""  # a given row whose numbers stand over the columns
    marks: str = ""  # filled in by marking cells of this given matrix
    frames: bool = False
    after: bool = False  # belongs to the pass after the update

    @property
    def shape(self):
        return len(self.rows), len(self.columns)

    def where(self, cell, values):
        """A cell by the words that stand beside and over it: 'bottom left, F2'; '' for a single number."""
        row, column = cell
        over = f"{self.heads} = {cell_text(values[self.heads][0, column])}" if self.heads else self.columns[column]
        return ", ".join([self.rows[row]] * (self.shape[0] > 1) + [over] * (self.shape[1] > 1)).replace("-", "−")


def read_form(form):
    """The file of a sheet as it stands: title, labels of what is given, parts."""
    return json.loads((Path(__file__).parent / "sheets" / f"{form}.json").read_text(encoding="utf-8"))


def first_seed(form):
    """The number that a sheet begins with: 0, but not where that one's answers are known from another sheet."""
    return read_form(form).get("first", 0)


@cache
def parts_of(form):
    """{name: Part} of a sheet, in the order in which it is filled in."""
    given = {part["name"]: part for part in read_form(form)["parts"]}
    made = {}
    for name, part in given.items():
        slips = list(part.pop("slips"))
        like = part.pop("like", None)  # the same slips as in an earlier part, with other names
        if like:
            slips += [slip | {"formula": _renamed(slip["formula"], like["with"])} for slip in made[like["part"]][1]]
        made[name] = (part, slips)
    lists = ("rows", "columns", "hints", "shows")
    return {
        name: Part(**{word: tuple(value) if word in lists else value for word, value in part.items()},
                   slips=tuple(Slip(**slip) for slip in slips))
        for name, (part, slips) in made.items()
    }  # fmt: skip


def _renamed(formula, names):
    if isinstance(formula, str):
        return names.get(formula, formula)
    return [formula[0], *(_renamed(part, names) for part in formula[1:])] if isinstance(formula, list) else formula


def values_of(form, seed=None):
    """{name: matrix} of what is printed on a numbered sheet; on a sheet about another one all the numbers of that."""
    of, seed = read_form(form).get("of"), first_seed(form) if seed is None else seed
    if of:
        return key(of, values_of(of, seed))
    if form == "block":
        return block_givens(new_block(seed))
    if form == "squeeze":
        return squeeze_givens(new_squeeze(seed))
    return counting_givens(byhand.new_counting(seed)) if form == "counting" else givens(byhand.new_exercise(seed))


def givens(exercise):
    """{name: matrix}: what is printed on the sheet of chapter 1."""
    column = {name: getattr(exercise, name)[:, None] for name in ("text", "b_enc", "b_ada", "b_Q", "b_ff", "b_dec")}
    matrix = {name: getattr(exercise, name) for name in ("W_enc", "W_ada", "W_Q", "W_ff", "W_dec")}
    values = {"video": exercise.frames.reshape(len(exercise.frames), -1), "t": [[exercise.t]], "N": exercise.noise,
              "S": byhand.solve(exercise).S, **matrix, **column}  # fmt: skip
    return {name: np.array(value, dtype=float) for name, value in values.items()}


def counting_givens(counting):
    """{name: matrix}: what is printed on the second sheet."""
    single = {"level": counting.levels[0], "level_2": counting.levels[1], "level_1": counting.levels[2],
              "n_3": counting.noises[0], "n_2": counting.noises[1], "n_1": counting.noises[2]}  # fmt: skip
    values = {"clips": [[clip] for clip in counting.clips], "z": [counting.z], "tries": [counting.tries],
              "prompt": [[int(row == counting.prompt)] for row in (0, 1)],
              **{name: [[x]] for name, x in single.items()}}  # fmt: skip
    return {name: np.array(value, dtype=float) for name, value in values.items()}


def block_givens(block):
    """{name: matrix}: what is printed on the sheet of the block."""
    column = {name: getattr(block, name)[:, None] for name in ("b_1", "b_2")}
    ada = block.ada.reshape(6, 2).T  # a column for each of the six
    values = {"x": block.x, "ada": ada, "A": block.A, "W_1": block.W_1, "W_2": block.W_2, **column}
    return {name: np.array(value, dtype=float) for name, value in values.items()}


def squeeze_givens(squeeze):
    """{name: matrix}: what is printed on the sheet of squeezing."""
    values = {"X": squeeze.X, "W_enc": squeeze.W_enc, "W_dec": squeeze.W_dec, "P": squeeze.P}
    for name, sign in zip("ab", squeeze.signs, strict=True):
        values |= {f"W_{name}": [[0.5, 0.5 * sign]], f"V_{name}": [[1], [sign]]}
    values["size"] = [[side] for side in squeeze.size]
    return {name: np.array(value, dtype=float) for name, value in values.items()}


def key(form, values):
    """{name: matrix}: the givens `values`, and every part filled in rightly."""
    found = dict(values)
    for name, part in parts_of(form).items():
        found[name] = evaluate(part.formula, found)
    return found
