"""What the toy is worth: the autoencoder, the ladder with its baseline, and fresh noise."""

import numpy as np
import pytest

from ditcourse import byhand


def pixel_mse(exercise, D, X):
    return ((byhand.decode(D, exercise.W_dec, exercise.b_dec) - X) ** 2).mean()


def test_encoder_undoes_the_decoder_as_long_as_nothing_clips(exercise):
    np.testing.assert_array_equal(exercise.W_enc @ exercise.W_dec, np.eye(2))
    np.testing.assert_array_equal(exercise.W_enc @ exercise.b_dec + exercise.b_enc, [0, 0])
    z = np.array([[1, 2, 0], [4, 3, 1]])
    pixels = byhand.decode(z, exercise.W_dec, exercise.b_dec)
    np.testing.assert_array_equal(byhand.encode(pixels, exercise.W_enc, exercise.b_enc), z)


def test_one_pixel_is_lost_by_the_clipped_two(exercise, key):
    decoded = byhand.decode(key.L, exercise.W_dec, exercise.b_dec)
    assert np.argwhere(decoded != key.X).tolist() == [[0, 1]]  # top left of frame 2
    assert (decoded[0, 1], key.X[0, 1]) == (3, 1)
    assert np.argwhere(key.pre_encoder < 0).tolist() == [[0, 1]] and key.pre_encoder[0, 1] == -2
    assert ((decoded - key.X) ** 2).mean() == 1 / 4


def test_the_floor_is_a_reference_not_a_bound(exercise, key):
    def error(latent):
        return ((byhand.decode(latent, exercise.W_dec, exercise.b_dec)[:, 0] - key.X[:, 1]) ** 2).sum()

    assert error([[0], [3]]) == 4  # the latent of frame 2
    assert error([[-1], [3]]) == 2  # another one does better


@pytest.mark.parametrize(
    "rung, latent, pixel",
    [("none", 1.5, 3.25), ("untrained", 2, 3.4375), ("one step", 1, 1.25), ("perfect", 0, 0.25)],
)
def test_ladder(exercise, key, rung, latent, pixel):
    D = {"none": key.Z, "untrained": key.D, "one step": key.D_after, "perfect": key.Z - key.N}[rung]
    assert ((D - key.L) ** 2).mean() == latent
    assert pixel_mse(exercise, D, key.X) == pixel


def expected_mse(exercise, key, b_ff):
    """The mean MSE over N ~ N(0, 1), in closed form: E - N is linear in N, so squares of parts add up.

    Its value at N = 0 is the constant part; moving one of the eight entries of N by one gives one more part.
    """

    def error(noise):
        C = byhand.modulate(byhand.add_noise(key.L, noise), key.scale, key.shift)
        return byhand.predict_noise(byhand.attention_pool(C, key.A), exercise.W_ff, b_ff) - noise

    constant = error(np.zeros((2, 4)))
    total = (constant**2).sum()
    for place in np.ndindex(2, 4):
        unit = np.zeros((2, 4))
        unit[place] = 1
        total += ((error(unit) - constant) ** 2).sum()
    return total / 8


def test_it_fitted_one_example(exercise, key):
    assert expected_mse(exercise, key, exercise.b_ff) == 14.375
    assert expected_mse(exercise, key, key.b_ff_after) == 13.375


def test_closed_form_agrees_with_drawn_noise(exercise, key):
    noise = np.random.default_rng(0).standard_normal((20000, 2, 4))
    C = (key.L + noise) * key.scale[:, None] + key.shift[:, None]
    E = exercise.W_ff @ (C @ key.A) + exercise.b_ff[:, None]
    assert ((E - noise) ** 2).mean() == pytest.approx(14.375, rel=0.02)
    assert (noise**2).mean() == pytest.approx(1.0, rel=0.02)  # answering "no noise"
