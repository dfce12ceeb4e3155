"""Every number of the sheet, typed from the reference, in both variants."""

import subprocess
import sys

import numpy as np
import pytest

from ditcourse import byhand

GIVEN = {
    "prompt": "sora is sky",
    "t": 3,
    "frames": [[[7, 0], [4, 3]], [[1, 2], [3, 0]], [[4, 3], [4, 0]], [[6, 3], [5, 1]]],
    "W_enc": [[1, 0, -1, 0], [0, 1, 0, 1]],
    "b_enc": [0, 1],
    "noise": [[-1, 1, 0, 0], [-1, 2, 1, -2]],
    "text": [0, 1, -1],
    "time": [1, 1],
    "W_ada": [[1, 1, 0, 0, 1], [0, 0, 1, 1, 0], [1, 0, -1, 0, 0], [0, 2, 0, 1, 1]],
    "b_ada": [0, -1, 0, 1],
    "M": [[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]],
    "W_ff": [[-2, 1], [0, -2]],
    "b_ff": [4, 1],
    "W_dec": [[1, 1], [-1, 1], [0, 1], [1, 0]],
    "b_dec": [0, -1, 0, 0],
    "printed_shift": [-1, 5],
    "W_Q": [[1, 0], [-2, 2]],
    "b_Q": [-3, 4],
    "schedule": [[1, 0, 1], [24, 7, 25], [4, 3, 5], [3, 4, 5], [7, 24, 25]],
    "patch_size": [2, 2, 1],
    "other_text": [1, 2, -1],
}
SAME = {  # up to the shift, and after the bias step, both variants agree
    "X": [[7, 1, 4, 6], [0, 2, 3, 3], [4, 3, 4, 5], [3, 0, 0, 1]],
    "pre_encoder": [[3, -2, 0, 1], [4, 3, 4, 5]],
    "L": [[3, 0, 0, 1], [4, 3, 4, 5]],
    "N": [[-1, 1, 0, 0], [-1, 2, 1, -2]],
    "Z": [[2, 1, 0, 1], [3, 5, 5, 3]],
    "time": [1, 1],
    "c": [0, 1, -1, 1, 1],
    "scale": [2, -1],
    "S": [[6, -4, -6, 4], [6, 0, -6, 0], [2, 0, -2, 0], [2, -4, -2, 4]],
    "A": [[0.5, 0, 0, 0.5], [0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]],
    "loss_after": 1,
    "E_after": [[-2, 1, 2, -1], [0, 2, 0, -2]],
    "D_after": [[4, 0, -2, 2], [3, 3, 5, 5]],
    "Y_after": [[7, 3, 3, 7], [0, 2, 6, 2], [3, 3, 5, 5], [4, 0, 0, 2]],
    "frames_after": [[[7, 0], [3, 4]], [[3, 2], [3, 0]], [[3, 6], [5, 0]], [[7, 2], [5, 2]]],
}
CORRECT = {
    "shift": [1, 5],
    "C": [[5, 3, 1, 3], [2, 0, 0, 2]],
    "P": [[4, 2, 2, 4], [1, 0, 1, 2]],
    "E": [[-3, 0, 1, -2], [-1, 1, -1, -3]],
    "G": [[-2, -1, 1, -2], [0, -1, -2, -1]],
    "loss": 2,
    "D": [[5, 1, -1, 3], [4, 4, 6, 6]],
    "pre_decoder": [[9, 5, 5, 9], [-2, 2, 6, 2], [4, 4, 6, 6], [5, 1, -1, 3]],
    "Y": [[9, 5, 5, 9], [0, 2, 6, 2], [4, 4, 6, 6], [5, 1, 0, 3]],
    "frames": [[[9, 0], [4, 5]], [[5, 2], [4, 1]], [[5, 6], [6, 0]], [[9, 2], [6, 3]]],
    "b_ff_after": [5, 2],
}
PRINTED = {
    "shift": [-1, 5],
    "C": [[3, 1, -1, 1], [2, 0, 0, 2]],
    "P": [[2, 0, 0, 2], [1, 0, 1, 2]],
    "E": [[1, 4, 5, 2], [-1, 1, -1, -3]],
    "G": [[2, 3, 5, 2], [0, -1, -2, -1]],
    "loss": 6,
    "D": [[1, -3, -5, -1], [4, 4, 6, 6]],
    "pre_decoder": [[5, 1, 1, 5], [2, 6, 10, 6], [4, 4, 6, 6], [1, -3, -5, -1]],
    "Y": [[5, 1, 1, 5], [2, 6, 10, 6], [4, 4, 6, 6], [1, 0, 0, 0]],
    "frames": [[[5, 2], [4, 1]], [[1, 6], [4, 0]], [[1, 10], [6, 0]], [[5, 6], [6, 0]]],
    "b_ff_after": [1, 2],
}


def same(got, expected):
    np.testing.assert_array_equal(got, expected)
    assert np.shape(got) == np.shape(expected)  # else one number may stand for a whole matrix


@pytest.mark.parametrize("name", GIVEN)
def test_givens(exercise, name):
    if isinstance(GIVEN[name], str):
        assert getattr(exercise, name) == GIVEN[name]
    else:
        same(getattr(exercise, name), GIVEN[name])


@pytest.mark.parametrize("name", [*SAME, *CORRECT])
def test_correct_pass(key, name):
    same(getattr(key, name), {**SAME, **CORRECT}[name])


@pytest.mark.parametrize("name", [*SAME, *PRINTED])
def test_printed_variant(printed, name):
    same(getattr(printed, name), {**SAME, **PRINTED}[name])


def test_every_number_of_the_key_is_tested(key):
    derived = {"G_after", "pre_decoder_after"}
    assert set(vars(key)) == set(SAME) | set(CORRECT) | derived
    same(key.G_after, [[-1, 0, 2, -1], [1, 0, -1, 0]])
    same(key.pre_decoder_after, [[7, 3, 3, 7], [-2, 2, 6, 2], [3, 3, 5, 5], [4, 0, -2, 2]])


def test_sizes_stay_friendly(key):
    values = np.concatenate([np.ravel(value) for value in vars(key).values()])
    assert values.max() == 9
    np.testing.assert_array_equal(2 * values, np.round(2 * values))  # whole or half


def test_first_slip_is_the_lost_double_minus(exercise):
    """Row shift 1 is 0 + (-1)(-1); with one minus lost it is the printed -1, and nothing else changes."""
    terms = exercise.W_ada[2] * [0, 1, -1, 1, 1]
    assert terms.tolist() == [0, 0, 1, 0, 0]
    assert exercise.printed_shift.tolist() == [-terms.sum(), 5]


def test_second_slip_sits_in_both_variants(exercise, key, printed):
    assert key.G[1, 1] == printed.G[1, 1] == -1 == 1 - 2
    slipped = key.G.copy()
    slipped[1, 1] = key.N[1, 1] - key.E[1, 1]
    assert slipped[1, 1] == 1
    assert key.G[1].sum() == -4 and slipped[1].sum() == -2
    b_ff = byhand.bias_step(exercise.b_ff, slipped)
    assert b_ff[1] == 3 / 2
    assert byhand.mse(byhand.predict_noise(key.P, exercise.W_ff, b_ff), key.N) == 9 / 8
    # the checksum D = L - G finds exactly that cell; the first slip, upstream of both sides, it cannot find
    assert np.argwhere(key.D != key.L - slipped).tolist() == [[1, 1]]
    same(printed.D, printed.L - printed.G)


def test_perfect_noise_gives_the_latent_back(key):
    same(byhand.denoise(key.Z, key.N), key.L)


def test_one_column_per_query_one_half_each(key):
    same(key.A.sum(axis=0), [1, 1, 1, 1])
    same(byhand.attention_weights(key.S), key.A)
    same(key.A @ [1, -1, 1, -1], [0, 0, 0, 0])  # singular: noise of this shape is invisible to the toy
    assert np.linalg.matrix_rank(key.A) == 3
    wave = np.outer([3, -2], [1, -1, 1, -1])
    same(byhand.attention_pool(key.C + wave, key.A), key.P)


def test_averaging_drawn_as_sums_is_the_same_function(exercise, key):
    sums = byhand.attention_pool(key.C, exercise.M)
    same(sums, [[8, 4, 4, 8], [2, 0, 2, 4]])
    same(byhand.predict_noise(sums, exercise.W_ff / 2, exercise.b_ff), key.E)


def test_works_without_torch_and_loads_none():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ditcourse import byhand\n"
        "assert byhand.solve(byhand.load()).loss == 2\n"
        "assert sys.modules['torch'] is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
