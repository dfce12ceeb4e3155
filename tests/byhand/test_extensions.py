from fractions import Fraction

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand import extensions as ext

same = np.testing.assert_array_equal


def test_a_query_and_key(exercise, key):
    Q, S = ext.query_key(key.C, exercise.W_Q, exercise.b_Q)
    same(Q, [[2, 0, -2, 0], [-2, -2, 2, 2]])
    same(S, [[6, -4, -6, 4], [6, 0, -6, 0], [2, 0, -2, 0], [2, -4, -2, 4]])
    same(ext.mark_largest(S), exercise.M)
    order = np.sort(S, axis=0)[::-1]
    same(order[0] - order[1], [0, 0, 0, 0])
    same(order[1] - order[2], [4, 4, 4, 4])


def test_a_softmax_and_its_sharp_limit(exercise, key):
    weights = ext.softmax(key.S)
    np.testing.assert_allclose(
        np.sort(weights, axis=0), np.tile([[0.009], [0.009], [0.491], [0.491]], 4), atol=5e-4
    )
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    np.testing.assert_allclose(ext.softmax(key.S, beta=50), key.A, atol=1e-12)
    assert not np.allclose(ext.softmax(key.S, beta=1 / np.sqrt(2)), weights, atol=0.01)
    assert np.isfinite(ext.softmax(key.S, beta=1e6)).all()


def test_a_the_printed_shift_travels_through_attention(exercise, printed):
    _, S = ext.query_key(printed.C, exercise.W_Q, exercise.b_Q)
    same(ext.mark_largest(S), [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 1, 1]])


def test_b_table(exercise):
    expected = [("1", "0"), ("24/25", "7/25"), ("4/5", "3/5"), ("3/5", "4/5"), ("7/25", "24/25")]
    levels = ext.schedule(exercise)
    assert levels == tuple((Fraction(a), Fraction(b)) for a, b in expected)
    assert all(signal**2 + noise**2 == 1 for signal, noise in levels)
    assert [noise for _, noise in levels] == sorted(noise for _, noise in levels)


def test_b_noise_and_back(exercise, key):
    level = ext.schedule(exercise)[3]
    z = ext.add_scheduled_noise(key.L, key.N, *level)
    same(5 * z, [[5, 4, 0, 3], [8, 17, 16, 7]])
    same(ext.predict_clean(z, key.N, *level), key.L)
    same((5 * z - 4 * key.N) / 3, key.L)


def test_b_ddim_step_with_a_perfect_prediction(exercise, key):
    levels = ext.schedule(exercise)
    z = ext.add_scheduled_noise(key.L, key.N, *levels[3])
    same(5 * ext.ddim_step(z, key.N, levels[3], levels[2]), [[9, 3, 0, 4], [13, 18, 19, 14]])
    same(ext.ddim_step(z, key.N, levels[3], levels[0]), key.L)


def test_c_patches_that_span_time(exercise):
    X = ext.spacetime_patchify(exercise.frames, exercise.patch_size)
    same(X, [[7, 0, 4, 3], [4, 3, 4, 0], [1, 2, 6, 3], [3, 0, 5, 1]])
    same(
        X[:, 0],
        [
            exercise.frames[0, 0, 0],
            exercise.frames[0, 1, 0],
            exercise.frames[1, 0, 0],
            exercise.frames[1, 1, 0],
        ],
    )
    same((exercise.W_enc @ X + exercise.b_enc[:, None])[0], [6, -2, -2, 0])
    same(byhand.encode(X, exercise.W_enc, exercise.b_enc), [[6, 0, 0, 0], [8, 4, 10, 2]])


def test_c_a_patch_of_one_whole_frame_is_the_sheet(exercise, key):
    same(ext.spacetime_patchify(exercise.frames, [1, 2, 2]), key.X)


def test_c_a_patch_that_does_not_fit(exercise):
    with pytest.raises(ValueError, match=r"patch_size: came as \[3, 2, 1\]; allowed: sizes that divide"):
        ext.spacetime_patchify(exercise.frames, [3, 2, 1])


def test_d_another_prompt(exercise):
    key = byhand.solve(ext.other_prompt(exercise))
    same([*key.scale, *key.shift], [4, -1, 2, 7])
    same(key.C, [[10, 6, 2, 6], [4, 2, 2, 4]])
    same(key.P, [[8, 4, 4, 8], [3, 2, 3, 4]])
    same(key.E, [[-9, -2, -1, -8], [-5, -3, -5, -7]])


def test_d_the_change_is_more_than_a_constant_per_row(exercise, key):
    change = byhand.solve(ext.other_prompt(exercise)).E - key.E
    assert np.ptp(change, axis=1).tolist() == [4, 0]  # row 1 is not a constant, since its scale changed


@pytest.mark.parametrize("order", [None, [1, 0, 2, 3], [3, 2, 1, 0]])
def test_e_the_toy_cannot_know_the_order(exercise, key, order):
    order = exercise.frame_order if order is None else order
    E = ext.predict_with_query_key(exercise, key.Z)
    same(E, key.E)
    moved = ext.predict_with_query_key(exercise, ext.reorder(key.Z, order))
    same(moved, ext.reorder(E, order))
    assert not np.array_equal(moved, E)
    # held as given, attention does know the order: M says "this one and the next"
    C = byhand.modulate(ext.reorder(key.Z, [1, 0, 2, 3]), key.scale, key.shift)
    held = byhand.predict_noise(byhand.attention_pool(C, key.A), exercise.W_ff, exercise.b_ff)
    assert not np.array_equal(held, ext.reorder(key.E, [1, 0, 2, 3]))


def test_e_not_an_order(key):
    with pytest.raises(ValueError, match=r"order: came as \[0, 0, 1, 2\]; allowed: 0 to 3, each once"):
        ext.reorder(key.Z, [0, 0, 1, 2])
