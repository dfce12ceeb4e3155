"""The block on paper: one DiT block with tokens of two numbers, in whole and half numbers. NumPy only.

Column = token, as on the first sheet. Two numbers that differ become 1 and -1 when they are normalised, in which order
they stand; that is what keeps the numbers small. The MLP has ReLU in place of GELU. Values and the output map of
attention are left out, and its matrix A is given, as on the first sheet.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from ditcourse.byhand.instances import check_seed

CHUNKS = ("shift_msa", "scale_msa", "gate_msa", "shift_mlp", "scale_mlp", "gate_mlp")
LARGEST = 9  # no number of a sheet is further from 0


@dataclass(frozen=True)
class Block:
    """The givens: tokens x (2, 3), ada (12,) in the order of `CHUNKS`, two numbers each, A (key, query), the MLP."""

    x: np.ndarray
    ada: np.ndarray
    A: np.ndarray
    W_1: np.ndarray
    b_1: np.ndarray
    W_2: np.ndarray
    b_2: np.ndarray


def layer_norm(A):
    """Each column shifted to mean 0 and scaled to mean square 1; a column of equal numbers to 0 (there is no eps)."""
    centred = A - A.mean(axis=0, keepdims=True)
    size = np.sqrt(np.mean(centred**2, axis=0, keepdims=True))
    return np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)


def forward(block):
    """{name: matrix} of every part of the sheet, in order."""
    shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = block.ada.reshape(6, 2, 1)
    norm1 = layer_norm(block.x)
    mod1 = norm1 * (1 + scale_msa) + shift_msa
    attn = mod1 @ block.A
    x1 = block.x + gate_msa * attn
    norm2 = layer_norm(x1)
    mod2 = norm2 * (1 + scale_mlp) + shift_mlp
    hidden = np.maximum(block.W_1 @ mod2 + block.b_1[:, None], 0)
    mlp = block.W_2 @ hidden + block.b_2[:, None]
    return {"norm1": norm1, "mod1": mod1, "attn": attn, "x1": x1, "norm2": norm2, "mod2": mod2,
            "hidden": hidden, "mlp": mlp, "x2": x1 + gate_mlp * mlp}  # fmt: skip


def new_block(seed):
    """A fresh sheet for a seed, 0 is the one of the course; the same for a seed on every machine.

    Every number is whole or a half and has one digit; the two numbers of a token never are alike, where they are
    normalised; in each half one gate is 1/2 and one is 1; attention turns at least one token round; ReLU clips two to
    four numbers. Errors as for `new_exercise`.
    """
    check_seed(seed)
    dice = random.Random(int(seed) + 1)

    def pick(options, *shape):  # random() is the one draw that Python keeps the same for a seed
        count = int(np.prod(shape))
        return np.array([options[int(dice.random() * len(options))] for _ in range(count)], dtype=float).reshape(shape)

    for _ in range(100):
        first = _first(_attention_half(pick) for _ in range(500))
        second = first and _first(_modulation_half(pick, first) for _ in range(100))
        block = second and _first(_mlp(pick, second) for _ in range(200))
        if block:
            return block
    raise RuntimeError(f"seed {seed}: no sheet was found; this is a fault of the course, please report it")


FEW = (-2, -1, 0, 1, 2)
A_MARKS = np.array(
    [[[1, 0, 1], [1, 1, 0], [0, 1, 1]], [[1, 1, 0], [0, 1, 1], [1, 0, 1]], [[0, 1, 1], [1, 0, 1], [1, 1, 0]]]
)


def _first(found):
    return next(filter(None, found), None)


def _three(pick):
    """shift, scale and gate, two numbers each, all six pairs telling something of their own."""
    gate = pick((0, 1), 1)[0]
    shift, scale = pick((-3, -2, -1, 1, 2, 3), 2), pick((-3, -2, 1, 2), 2)
    fits = shift[0] != shift[1] and scale[0] != scale[1] and (shift != scale).all() and (shift != 1 + scale).all()
    return np.concatenate([shift, scale, (1, 0.5) if gate else (0.5, 1)]) if fits else None


def _attention_half(pick):
    """x, A and the first half of ada: what comes before the second norm."""
    x, ada = pick((-2, -1, 0, 1, 2, 3, 4), 2, 3), _three(pick)
    apart = np.abs(x[0] - x[1])
    if ada is None or (apart == 0).any() or (apart == 2).all() or len({*map(tuple, x.T.tolist())}) < 3:
        return None
    block = Block(x, np.concatenate([ada, np.zeros(6)]), A_MARKS[int(pick((0, 1, 2), 1)[0])] / 2,
                  np.zeros((3, 2)), np.zeros(3), np.zeros((2, 3)), np.zeros(2))  # fmt: skip
    found = forward(block)
    norm1, norm2, apart = found["norm1"], found["norm2"], np.abs(found["x1"][0] - found["x1"][1])
    mixed = all(np.unique(norm[0]).size == 2 for norm in (norm1, norm2))
    turned = (norm1 != norm2).any() and (norm1 == norm2).any()
    return block if mixed and turned and apart.all() and (apart != 2).any() and _small(found) else None


def _modulation_half(pick, block):
    """The second half of ada, and the first layer of the MLP."""
    ada = _three(pick)
    if ada is None or (ada[:4].reshape(2, 2) == block.ada[:4].reshape(2, 2)).all(axis=1).any():
        return None
    block = replace(block, ada=np.concatenate([block.ada[:6], ada]), W_1=pick(FEW, 3, 2), b_1=pick(FEW, 3))
    found = forward(block)
    clipped = int((block.W_1 @ found["mod2"] + block.b_1[:, None] < 0).sum())
    fits = 2 <= clipped <= 4 and found["hidden"].any(axis=1).all() and block.W_1.any(axis=1).all() and block.b_1.any()
    return block if fits and _small(found) else None


def _mlp(pick, block):
    """The second layer of the MLP."""
    block = replace(block, W_2=pick(FEW, 2, 3), b_2=pick((-2, -1, 1, 2), 2))
    found = forward(block)
    fits = (
        block.W_2.any(axis=1).all()
        and found["mlp"].any(axis=1).all()
        and len({*map(tuple, found["mlp"].T.tolist())}) > 1
    )
    return block if fits and _small(found) else None


def _small(found):
    return max(np.abs(matrix).max() for matrix in found.values()) <= LARGEST
