"""Squeezing on paper: an encoder of four numbers to two, two directions to choose from, and a clip's count. NumPy only.

Column = frame or patch, as on the first sheet. All means and differences are of two numbers with an even sum, so that
nearly everything is whole. Of the two directions one is that of PCA, exactly.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from ditcourse.byhand.instances import check_seed

PAIRS = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))  # rows, columns, diagonals of a frame of 2 x 2


@dataclass(frozen=True)
class Squeeze:
    """The givens: frames X (4, 2), which pixels are taken together, patches P (2, 4) of mean 0, the size of a clip."""

    X: np.ndarray
    pairs: tuple
    P: np.ndarray
    signs: tuple[int, int]  # of the second number, in the first direction and in the second one
    size: tuple[int, int, int]  # frames, rows, columns

    @property
    def W_enc(self):
        """(2, 4): each code is the mean of two pixels."""
        W = np.zeros((2, 4))
        for row, pair in enumerate(self.pairs):
            W[row, list(pair)] = 0.5
        return W

    @property
    def W_dec(self):
        """(4, 2): each pixel gets the code of its pair."""
        return 2 * self.W_enc.T


COURSE = Squeeze(
    X=np.array([[7, 5, 2, 2], [6, 2, 1, 3]]).T,
    pairs=PAIRS[0],
    P=np.array([[2, 4, 0, -6], [6, 0, -2, -4]]),
    signs=(1, -1),
    size=(16, 64, 64),  # Skyworld's clips
)


def new_squeeze(seed):
    """A fresh sheet for a seed, 0 is the one of the course; the same for a seed on every machine.

    The first frame fits the encoder better than the second. Along one direction more than twice as much is lost as
    along the other. Errors as for `new_exercise`.
    """
    check_seed(seed)
    if seed == 0:
        return COURSE
    dice = random.Random(int(seed))

    def pick(options):  # random() is the one draw that Python keeps the same for a seed
        return options[int(dice.random() * len(options))]

    pairs = pick(PAIRS)
    X = np.zeros((4, 2), dtype=int)
    for frame, apart in enumerate(((1, pick((0, 1))), (pick((2, 3)), pick((1, 2))))):
        (one, other), middles = (apart if pick((0, 1)) else apart[::-1]), _apart(pick, range(3, 7))
        for pair, half, middle in zip(pairs, (one, other), middles, strict=True):
            half *= pick((-1, 1))
            X[list(pair), frame] = middle + half, middle - half
    wide, narrow = pick(_codes())
    P = np.array([wide, wide]) + np.outer((1, -1), narrow)
    if pick((0, 1)):  # the two numbers go against each other
        P = P * [[1], [-1]]
    signs = pick(((1, -1), (-1, 1)))
    size = pick((4, 8, 12, 16)), pick((16, 24, 32, 40)), pick((16, 24, 32, 40))
    return Squeeze(X, pairs, P, signs, size)


def _apart(pick, options):
    """Two different ones."""
    first = pick(options)
    return first, pick([x for x in options if x != first])


@cache
def _codes():
    """All codes along PCA's direction and across it: mean 0, nothing in common, and much more in one than the other."""
    wide = [row for row in product((*range(-5, 0), *range(1, 6)), repeat=4) if sum(row) == 0 and len(set(row)) == 4]
    narrow = [row for row in product(range(-2, 3), repeat=4)
              if sum(row) == 0 and max(map(abs, row)) == 2 and row.count(0) < 2]  # fmt: skip
    square = {row: sum(x * x for x in row) for row in (*wide, *narrow)}
    common = np.array(wide) @ np.array(narrow).T
    return [(wide[i], narrow[j]) for i, j in zip(*np.nonzero(common == 0), strict=True)
            if square[wide[i]] > 2 * square[narrow[j]]]  # fmt: skip
