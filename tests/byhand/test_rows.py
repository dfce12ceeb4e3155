"""Row = token must be column = token transposed, by value, on whole numbers and on other sizes too."""

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand import rows

same = np.testing.assert_array_equal
SIZES = [(2, 4, 4), (3, 5, 9), (1, 2, 4), (4, 4, 4)]  # latent rows, tokens, pixels


def draw(seed, *shape):
    return np.random.default_rng(seed).integers(-9, 10, shape)


@pytest.mark.parametrize("latent, tokens, pixels", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_each_step(latent, tokens, pixels, seed):
    side = int(pixels**0.5)
    frames = draw(seed, tokens, side, side)
    X = byhand.patchify(frames)
    same(rows.patchify(frames), X.T)
    same(byhand.unpatchify(X), frames)
    same(rows.unpatchify(X.T), frames)

    W, b = draw(seed + 10, latent, pixels), draw(seed + 20, latent)
    L = byhand.encode(X, W, b)
    same(rows.encode(X.T, W, b), L.T)

    N = draw(seed + 30, latent, tokens)
    same(rows.add_noise(L.T, N.T), byhand.add_noise(L, N).T)
    same(rows.denoise(L.T, N.T), byhand.denoise(L, N).T)
    same(rows.noise_gradient(L.T, N.T), byhand.noise_gradient(L, N).T)
    assert rows.mse(L.T, N.T) == byhand.mse(L, N)

    W, b = draw(seed + 40, 2 * latent, 5), draw(seed + 50, 2 * latent)
    c = byhand.make_condition(draw(seed, 3), byhand.binary_time(2))
    scale, shift = byhand.scale_shift(c, W, b)
    same(rows.scale_shift(c, W, b), (scale, shift))
    same(rows.scale_shift(c[None], W, b), byhand.scale_shift(c[:, None], W, b))  # 1x5 in rows, 5x1 in columns
    C = byhand.modulate(N, scale, shift)
    same(rows.modulate(N.T, scale, shift), C.T)
    same(rows.modulate(N.T, scale[None], shift[None]), C.T)

    S = np.array([np.random.default_rng(seed + j).permutation(tokens) for j in range(tokens)]).T
    A = byhand.attention_weights(S)
    same(rows.attention_weights(S.T), A.T)
    same(A.sum(axis=0), np.ones(tokens))
    same(rows.attention_pool(C.T, A.T), byhand.attention_pool(C, A).T)

    W, b = draw(seed + 60, latent, latent), draw(seed + 70, latent)
    same(rows.predict_noise(C.T, W, b), byhand.predict_noise(C, W, b).T)
    same(rows.bias_step(b, C.T), byhand.bias_step(b, C))
    W, b = draw(seed + 80, pixels, latent), draw(seed + 90, pixels)
    same(rows.decode(N.T, W, b), byhand.decode(N, W, b).T)


def test_the_sheet_in_rows(exercise, key):
    g = exercise
    L = rows.encode(rows.patchify(g.frames), g.W_enc, g.b_enc)
    Z = rows.add_noise(L, g.noise.T)
    scale, shift = rows.scale_shift(rows.make_condition(g.text, rows.binary_time(g.t)), g.W_ada, g.b_ada)
    A = rows.attention_weights(key.S.T)
    E = rows.predict_noise(rows.attention_pool(rows.modulate(Z, scale, shift), A), g.W_ff, g.b_ff)
    assert E.tolist() == [[-3, -1], [0, 1], [1, -1], [-2, -3]]
    assert rows.mse(E, g.noise.T) == 2
    same(rows.bias_step(g.b_ff, rows.noise_gradient(E, g.noise.T)), [5, 2])
    same(rows.unpatchify(rows.decode(rows.denoise(Z, E), g.W_dec, g.b_dec)), key.frames)


def test_every_step_has_its_row_form():
    steps = {step.function for step in byhand.STEPS} - {"load"}
    assert steps < set(rows.__all__)
    assert all(callable(getattr(rows, name)) and callable(getattr(byhand, name)) for name in rows.__all__)


def test_both_forms_agree_with_plain_numpy():
    """So that a mistake shared by both forms would show."""
    X, W, b = draw(1, 4, 3), draw(2, 2, 4), draw(3, 2)
    expected = [[max(0, sum(W[i, k] * X[k, j] for k in range(4)) + b[i]) for j in range(3)] for i in range(2)]
    assert byhand.encode(X, W, b).tolist() == expected
    assert rows.encode(X.T, W, b).T.tolist() == expected
    A = draw(4, 3, 3)
    pooled = [[sum(X[i, k] * A[k, j] for k in range(3)) for j in range(3)] for i in range(4)]
    assert byhand.attention_pool(X, A).tolist() == pooled
    assert rows.attention_pool(X.T, A.T).T.tolist() == pooled
