"""Formulas of hand sheets as data, so that Python and the page compute the same from one table.

A formula is a name ("Z"), a number, or a list of an operation and its arguments, each a formula again:

    ["relu", ["linear", "W_enc", "X", "b_enc"]]        ReLU(W_enc X + b_enc)

Every value is a matrix, one column per token: a vector is a matrix of one column, a number one of one cell.
`site_extra/_static/sheet/engine.js` holds the same operations for the page; tests compare the two.
"""

import numpy as np

from ditcourse.byhand.block import layer_norm
from ditcourse.check.reading import number_text


def evaluate(formula, values):
    """The matrix that a formula gives; `values` holds the named matrices. ValueError for an unknown name."""
    if isinstance(formula, str):
        if formula not in values:
            raise ValueError(f"formula: came with the name {formula!r}; allowed: {', '.join(sorted(values))}")
        return values[formula]
    if not isinstance(formula, (list, tuple)):
        return np.array([[float(formula)]])
    name, *arguments = formula
    if name not in OPERATIONS:
        raise ValueError(f"formula: came with the operation {name!r}; allowed: {', '.join(OPERATIONS)}")
    if name in PICKS:  # the rest are places, not formulas
        return OPERATIONS[name](evaluate(arguments[0], values), *arguments[1:])
    return OPERATIONS[name](*(evaluate(argument, values) for argument in arguments))


def names_in(formula):
    """The names that a formula uses."""
    if isinstance(formula, str):
        return {formula}
    if isinstance(formula, (list, tuple)):
        return set().union(*(names_in(part) for part in formula[1:]))
    return set()


def linear(W, X, b):
    return W @ X + b


def without_double_minus(W, X, b):
    """W X + b by someone for whom minus times minus is minus."""
    products = W[:, :, None] * X[None, :, :]
    both = (W[:, :, None] < 0) & (X[None, :, :] < 0)
    return np.where(both, -products, products).sum(axis=1) + b


def two_largest(S):
    """1/2 for every score of a column that is not below its second largest, else 0."""
    return np.where(np.sort(S, axis=0)[-2] <= S, 0.5, 0.0)


def mean_where(A, mask):
    """For each column the mean of the rows of A where the mask is not 0; 0 where there is none."""
    chosen = mask != 0
    return (A * chosen).sum(axis=0, keepdims=True) / np.maximum(chosen.sum(axis=0, keepdims=True), 1)


def nearest(A):
    """For each column the number nearest to 0, the upper one of two."""
    return A[np.abs(A).argmin(axis=0), np.arange(A.shape[1])][None]


def places(A):
    """For each column the numbers of its first two rows that are not 0, counted from 1 (0 where there is none)."""
    found = [[*(np.flatnonzero(column)[:2] + 1), 0, 0][:2] for column in A.T]
    return np.array(found, dtype=float).T


def binary(t):
    """t from 0 to 3 as two binary digits, one below the other."""
    return np.array([[t[0, 0] // 2], [t[0, 0] % 2]])


def side_by_side(frames):
    """Four frames of 2 x 2, one in each row of `frames`, as one picture of 4 x 4."""
    return np.vstack([np.hstack([frame.reshape(2, 2) for frame in pair]) for pair in (frames[:2], frames[2:])])


def cut(frames, t, h, w):
    """Frames of 2 x 2, one in each row, cut into blocks of t frames, h rows, w columns: a block in each column."""
    blocks = frames.reshape(-1, t, 2 // h, h, 2 // w, w)
    return blocks.transpose(1, 3, 5, 0, 2, 4).reshape(t * h * w, -1)


OPERATIONS = {
    "linear": linear,
    "without_double_minus": without_double_minus,
    "matmul": lambda A, B: A @ B,
    "add": lambda A, B: A + B,
    "subtract": lambda A, B: A - B,
    "multiply": lambda A, B: A * B,
    "modulate": lambda Z, scale, shift: Z * scale + shift,
    "relu": lambda A: np.maximum(A, 0),
    "abs": np.abs,
    "root": np.sqrt,
    "transpose": np.transpose,
    "reverse": lambda A: A[::-1],
    "stack": lambda *parts: np.vstack(parts),
    "rows": lambda A, *places: A[[place - 1 for place in places]],
    "columns": lambda A, *places: A[:, [place - 1 for place in places]],
    "two_largest": two_largest,
    "places": places,
    "within": lambda A, level: (np.abs(A) <= level).astype(float),
    "mean_where": mean_where,
    "nearest": nearest,
    "column_means": lambda A: A.mean(axis=0, keepdims=True),
    "binary": binary,
    "side_by_side": side_by_side,
    "layer_norm": layer_norm,
    "cut": cut,
    "row_means": lambda A: A.mean(axis=1, keepdims=True),
    "mean": lambda A: np.array([[A.mean()]]),
    "mean_square": lambda A: np.array([[np.mean(A**2)]]),
}
PICKS = ("rows", "columns", "cut")


def alternatives(formula, values):
    """What a slip of the pencil in single cells would give: [(name, what to say, matrix)] for this formula."""
    if not isinstance(formula, (list, tuple)):
        return []
    name, *arguments = formula
    if name in ("relu", *PICKS):
        inner = alternatives(arguments[0], values)
        made = [(slip, says, OPERATIONS[name](matrix, *arguments[1:])) for slip, says, matrix in inner]
        if name == "relu":
            before = evaluate(arguments[0], values)
            made.append(("ReLU forgotten in a cell", "ReLU was forgotten there", before))
        return made
    if name == "linear":
        W, X, b = (evaluate(argument, values) for argument in arguments)
        made = [("bias left out in a cell", "the bias was left out there", W @ X),
                ("sign of the bias", "the bias has the wrong sign there", W @ X - b)]  # fmt: skip
        for k in range(W.shape[1]):
            product = W[:, [k]] * X[[k]]
            made.append(("product left out", "one product was left out there", linear(W, X, b) - product))
            made.append(("sign of a product", "one product has the wrong sign there", linear(W, X, b) - 2 * product))
        return [*made, ("sign of the sum", "the sum has the wrong sign there", -linear(W, X, b))]
    if name == "matmul":
        A, B = (evaluate(argument, values) for argument in arguments)
        made = [("not halved in a cell", "that is twice as much as it should be", 2 * (A @ B)),
                ("halved twice in a cell", "that is half as much as it should be", A @ B / 2)]  # fmt: skip
        for k in range(A.shape[1]):
            made.append(("product left out", "one product was left out there", A @ B - A[:, [k]] * B[[k]]))
        return made
    if name in ("add", "subtract"):
        A, B = (evaluate(argument, values) for argument in arguments)
        if name == "add":
            return [("sign in a cell", "the second number was subtracted there; it is to be added", A - B)]
        return [
            ("turned round in a cell", "the subtraction was turned round there", B - A),
            ("sign in a cell", "the second number was added there; it is to be subtracted "
             "(minus a negative number is plus)", A + B),
        ]  # fmt: skip
    if name == "modulate":
        Z, scale, shift = (evaluate(argument, values) for argument in arguments)
        return [
            ("shift left out in a cell", "the shift was left out there", Z * scale + 0 * shift),
            ("scale left out in a cell", "the scale was left out there", Z + 0 * scale + shift),
            ("sign of a product", "the product with the scale has the wrong sign there", shift - Z * scale),
        ]  # fmt: skip
    return []


def worked(formula, values, row, column):
    """The sum for one cell, with its numbers: '(−2) · 4 + 1 · 1 + 4', or '' where there is none to show."""
    if not isinstance(formula, (list, tuple)):
        return ""
    name, *arguments = formula
    if name == "relu":
        inner = worked(arguments[0], values, row, column)
        return f"{inner}, and 0 if that is below 0" if inner else ""
    if name == "rows":
        return worked(arguments[0], values, arguments[1 + row] - 1, column)
    if name in PICKS or name not in ("linear", "matmul", "add", "subtract", "modulate"):
        return ""
    found = [evaluate(argument, values) for argument in arguments]
    if name in ("add", "subtract"):
        sign = " + " if name == "add" else " − "
        return sign.join(shown(_at(matrix, row, column), first=not k) for k, matrix in enumerate(found))
    if name == "modulate":
        Z, scale, shift = (_at(matrix, row, column) for matrix in found)
        return f"{shown(scale, first=True)} · {shown(Z)} + {shown(shift)}"
    products = [
        f"{shown(found[0][row, k], first=not k)} · {shown(found[1][k, column])}" for k in range(found[0].shape[1])
    ]
    if name == "linear":
        products.append(shown(_at(found[2], row, column)))
    return " + ".join(products)


def cell_text(x):
    """A cell as it is typed: 3, -2, 1/2, 0.25; a long one in four digits."""
    x = float(x)
    if np.isfinite(x) and x % 1 in (0, 0.5):
        return f"{int(2 * x)}/2" if x % 1 else str(int(x))
    return repr(x) if len(repr(x)) < 10 and abs(x) >= 1e-3 else number_text(x)


def shown(number, first=False):
    """A number as a person writes it into a sum: 3, (−2), 1/2; without brackets where it comes first."""
    text = cell_text(number).replace("-", "−")
    return f"({text})" if text.startswith("−") and not first else text


def _at(matrix, row, column):
    """A cell of a matrix; a matrix of one row or column counts for every one."""
    return matrix[min(row, matrix.shape[0] - 1), min(column, matrix.shape[1] - 1)]
