"""Extensions of the hand sheet, in small functions; the givens are in exercise.json.

A query and key, B a noise schedule, C patches that span time, D another prompt, E frame order.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ditcourse.byhand import steps

# A: the query-key box opened


def query_key(C, W_Q, b_Q):
    """(Q, S): Q = W_Q C + b_Q, keys K = C, scores S = K^T Q with row = key and column = query."""
    C = steps.array("C", C, (None, None), "(rows, tokens)")
    Q = steps.linear("query_key", "C", C, "W_Q", W_Q, "b_Q", b_Q)
    return Q, C.T @ Q


def softmax(S, beta=1.0):
    """Softmax of every column of beta * S: large beta sharpens, 1/sqrt(rows of C) is usual."""
    S = beta * steps.array("S", S, (None, None), "(keys, queries)")
    weights = np.exp(S - S.max(axis=0))  # the largest is subtracted so that nothing overflows
    return weights / weights.sum(axis=0)


def mark_largest(S):
    """1 where a column has its maximum (all places of a tie), else 0: the sharp limit of softmax."""
    S = steps.array("S", S, (None, None), "(keys, queries)")
    return (S == S.max(axis=0)).astype(int)


# B: a schedule by hand (3-4-5); exact, in fractions


def schedule(exercise):
    """(signal, noise) for t = 0, 1, ...: sqrt(abar) and sqrt(1 - abar) as fractions; noise grows with t."""
    return tuple((Fraction(int(a), int(c)), Fraction(int(b), int(c))) for a, b, c in exercise.schedule)


def add_scheduled_noise(L, N, signal, noise):
    """z_t = signal L + noise N, exact (an array of fractions)."""
    return signal * _fractions("L", L) + noise * _fractions("N", N)


def predict_clean(z, E, signal, noise):
    """The clean latent that z and the predicted noise E imply: (z - noise E) / signal."""
    return (_fractions("z", z) - noise * _fractions("E", E)) / signal


def ddim_step(z, E, now, after):
    """One DDIM step from level `now` to level `after`, each a pair (signal, noise)."""
    return add_scheduled_noise(predict_clean(z, E, *now), E, *after)


# C: a patch that really spans time


def spacetime_patchify(frames, patch_size):
    """Frames (F, h, w) cut into blocks of (frames, rows, columns) -> X, one block per column.

    Pixels of a block and blocks of the video are read in the same order: frame, then row, then column.
    """
    frames = steps.array("frames", frames, (None, None, None), "(frames, rows, columns)")
    size = [int(number) for number in steps.vector("patch_size", patch_size, 3)]
    if any(number < 1 or have % number for number, have in zip(size, frames.shape, strict=True)):
        raise ValueError(f"patch_size: came as {size}; allowed: sizes that divide the video {frames.shape}")
    blocks = [have // number for number, have in zip(size, frames.shape, strict=True)]
    cut = frames.reshape(blocks[0], size[0], blocks[1], size[1], blocks[2], size[2])
    return cut.transpose(1, 3, 5, 0, 2, 4).reshape(np.prod(size), -1)


# D: another prompt


def other_prompt(exercise, text=None):
    """The exercise with another text vector (its own second one unless told); solve it as usual."""
    return replace(exercise, text=exercise.other_text if text is None else text)


# E: no positional embedding


def predict_with_query_key(exercise, Z):
    """E for the noised latent Z, with attention from query and key (sharp limit), not held as given."""
    scale, shift = steps.scale_shift(
        steps.make_condition(exercise.text, exercise.time), exercise.W_ada, exercise.b_ada
    )
    C = steps.modulate(Z, scale, shift)
    _, S = query_key(C, exercise.W_Q, exercise.b_Q)
    marks = mark_largest(S)
    return steps.predict_noise(
        steps.attention_pool(C, marks / marks.sum(axis=0)), exercise.W_ff, exercise.b_ff
    )


def reorder(matrix, order):
    """The columns (tokens) of `matrix` in another order, counted from 0."""
    matrix = steps.array("matrix", matrix, (None, None), "(rows, tokens)")
    order = [int(token) for token in steps.vector("order", order, matrix.shape[1])]
    if sorted(order) != list(range(matrix.shape[1])):
        raise ValueError(f"order: came as {order}; allowed: 0 to {matrix.shape[1] - 1}, each once")
    return matrix[:, order]


def _fractions(name, values):
    values = steps.array(name, values, (None, None), "(rows, tokens)")
    return np.array([[Fraction(value) for value in row] for row in values.tolist()], dtype=object)
