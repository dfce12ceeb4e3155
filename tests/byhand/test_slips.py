"""Shapes cannot tell the slips apart, values can: the loss by slip, and the two transposes."""

import numpy as np
import pytest

from ditcourse import byhand


def losses(exercise, **slip):
    """First MSE, and MSE after the bias step, with one thing done wrong. Plain NumPy, not the package."""
    g = exercise
    X = np.array([frame.ravel() for frame in g.frames]).T
    pre = g.W_enc @ X + (0 if slip.get("no_encoder_bias") else g.b_enc[:, None])
    L = pre if slip.get("no_encoder_relu") else np.maximum(pre, 0)
    Z = L + g.noise
    both = g.W_ada @ np.concatenate([g.text, [1, 1]]) + g.b_ada
    shift = g.printed_shift if slip.get("printed") else both[2:]
    C = both[:2, None] * Z + shift[:, None]
    A = {None: g.M / 2, "skipped": np.eye(4), "transposed": g.M.T / 2, "not halved": g.M}[
        slip.get("attention")
    ]
    W = g.W_ff.T if slip.get("W_ff_transposed") else g.W_ff
    b = np.zeros(2) if slip.get("no_output_bias") else g.b_ff
    found = []
    for _ in range(2):
        E = W @ (C @ A) + b[:, None]
        E = np.maximum(E, 0) if slip.get("relu_on_E") else E
        found.append(((E - g.noise) ** 2).mean())
        b = b - (E - g.noise).mean(axis=1)
    return found


@pytest.mark.parametrize(
    "slip, first",
    [
        ({}, 2),
        ({"printed": True}, 6),
        ({"attention": "skipped"}, 3.5),
        ({"attention": "transposed"}, 4),
        ({"no_encoder_relu": True}, 3),
        ({"no_encoder_bias": True}, 5.5),
        ({"attention": "not halved"}, 27.5),
        ({"W_ff_transposed": True}, 6.5),
        ({"no_output_bias": True}, 15.5),
        ({"relu_on_E": True}, 1.25),
    ],
)
def test_first_loss_by_slip(exercise, slip, first):
    assert losses(exercise, **slip)[0] == first


@pytest.mark.parametrize(
    "slip, after",
    [
        ({}, 1),
        ({"attention": "skipped"}, 2.5),
        ({"attention": "transposed"}, 3),
        ({"no_encoder_relu": True}, 2),
    ],
)
def test_loss_after_the_bias_step_by_slip(exercise, slip, after):
    assert losses(exercise, **slip)[1] == after


def test_package_agrees_with_the_plain_pass(exercise, key, printed):
    assert losses(exercise) == [key.loss, key.loss_after]
    assert losses(exercise, printed=True) == [printed.loss, printed.loss_after]


def test_a_transposed_A_raises_nothing_but_gives_the_wrong_P(key):
    wrong = byhand.attention_pool(key.C, key.A.T)
    assert wrong.tolist() == [[4, 4, 2, 2], [2, 1, 0, 1]]
    assert wrong.tolist() != key.P.tolist()


def test_a_transposed_X_raises_nothing_but_gives_the_wrong_L(exercise, key):
    wrong = byhand.encode(key.X.T, exercise.W_enc, exercise.b_enc)
    assert wrong.tolist() == [[3, 0, 0, 3], [8, 6, 9, 2]]
    assert wrong.tolist() != key.L.tolist()


def test_a_transposed_W_enc_is_not_defined(exercise, key):
    with pytest.raises(ValueError, match=r"X: came with shape \(4, 4\); allowed in encode: 2 rows"):
        byhand.encode(key.X, exercise.W_enc.T, exercise.b_enc)


def test_M_is_not_symmetric(exercise):
    assert not np.array_equal(exercise.M, exercise.M.T)
