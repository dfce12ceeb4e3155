"""Every gradient by hand: against the numbers of the reference and against finite differences."""

import dataclasses

import numpy as np
import pytest

from ditcourse import byhand

LEARNABLE = ("W_ff", "b_ff", "W_ada", "b_ada")
LITERALS = {
    "dE": [[-2, -1, 1, -2], [0, -1, -2, -1]],
    "dW_ff": [[-16, -5], [-10, -4]],
    "db_ff": [-4, -4],
    "dP": [[4, 2, -2, 4], [-2, 1, 5, 0]],
    "dC": [[4, 3, 0, 1], [-1, -0.5, 3, 2.5]],  # twice it: [[8, 6, 0, 2], [-2, -1, 6, 5]]
    "dscale": [12, 17],
    "dshift": [8, 4],
    "dW_ada": [[0, 12, -12, 12, 12], [0, 17, -17, 17, 17], [0, 8, -8, 8, 8], [0, 4, -4, 4, 4]],
    "db_ada": [12, 17, 8, 4],
}


@pytest.mark.parametrize("name", LITERALS)
def test_literals(exercise, key, name):
    np.testing.assert_array_equal(getattr(byhand.backward(exercise, key), name), LITERALS[name])


def test_every_gradient_is_tested(exercise, key):
    assert set(vars(byhand.backward(exercise, key))) == set(LITERALS)


def half_sum(exercise):
    return 4 * byhand.solve(exercise).loss  # sum(G^2) / 2 with eight cells


def test_finite_differences_of_all_thirty_entries(exercise, key):
    gradients = byhand.backward(exercise, key)
    step, entries = 1e-4, 0
    for name in LEARNABLE:
        value = getattr(exercise, name)
        for place in np.ndindex(value.shape):
            sides = []
            for sign in (1, -1):
                moved = value.astype(float)
                moved[place] += sign * step
                sides.append(half_sum(dataclasses.replace(exercise, **{name: moved})))
            slope = (sides[0] - sides[1]) / (2 * step)
            assert slope == pytest.approx(getattr(gradients, "d" + name)[place], abs=1e-5), (name, place)
            entries += 1
    assert entries == 30


def test_finite_differences_of_the_printed_variant(exercise, printed):
    """Only b_ff and W_ff, since the shift is held there."""
    gradients = byhand.backward(exercise, printed)
    for name in ("W_ff", "b_ff"):
        for place in np.ndindex(getattr(exercise, name).shape):
            moved = getattr(exercise, name).astype(float)
            moved[place] += 1e-4
            up = 4 * byhand.solve(dataclasses.replace(exercise, **{name: moved}), exercise.printed_shift).loss
            moved[place] -= 2e-4
            down = (
                4 * byhand.solve(dataclasses.replace(exercise, **{name: moved}), exercise.printed_shift).loss
            )
            assert (up - down) / 2e-4 == pytest.approx(getattr(gradients, "d" + name)[place], abs=1e-5)


def test_gradient_of_the_mse_is_a_quarter_of_G(key):
    step = 1e-5
    for place in np.ndindex(key.E.shape):
        up, down = key.E.copy(), key.E.copy()
        up[place] += step
        down[place] -= step
        slope = (byhand.mse(up, key.N) - byhand.mse(down, key.N)) / (2 * step)
        assert slope == pytest.approx(key.G[place] / 4, abs=1e-8)


def test_the_bias_step_is_gradient_descent_with_rate_one(exercise, key):
    mse_gradient = byhand.backward(exercise, key).db_ff / 4
    np.testing.assert_array_equal(exercise.b_ff - 1.0 * mse_gradient, key.b_ff_after)


def test_a_small_step_on_everything_helps_and_twice_as_much_overshoots(exercise):
    assert byhand.solve(exercise).loss == 2
    assert byhand.solve(byhand.sgd_step(exercise, 0.005)).loss == pytest.approx(1.5506, abs=5e-5)
    assert byhand.solve(byhand.sgd_step(exercise, 0.01)).loss == pytest.approx(2.06, abs=5e-3)
