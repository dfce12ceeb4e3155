"""The steps of the hand sheet as small NumPy functions, laid out as on paper: one column per token.

Numbers in brackets are the two numberings of the steps, [13] and [14] (see `ditcourse.byhand.STEPS`).
A matrix with one column per token is `rows x tokens`; a vector (bias, scale, condition) has one dimension and
acts on every column alike. `ditcourse.byhand.rows` holds the same steps with one row per token.
Idea and part of the givens: Prof. Tom Yeh, "AI by Hand" no. 18 (2024); the rest was designed for this course.
"""

import numpy as np


def array(name, value, shape, allowed):
    """`value` as a numeric array of this shape (None: any size), or a ValueError saying what is wrong."""
    try:
        result = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: rows of unequal length; allowed: {allowed}") from None
    if result.dtype.kind not in "iuf" and not _holds_fractions(result):
        raise ValueError(
            f"{name}: came as {type(value).__name__} of {result.dtype}; allowed: numbers, {allowed}"
        )
    if result.ndim != len(shape) or any(
        want not in (None, got) for want, got in zip(shape, result.shape, strict=True)
    ):
        raise ValueError(f"{name}: came with shape {result.shape}; allowed: {allowed}")
    if result.size == 0:
        raise ValueError(f"{name}: came empty, with shape {result.shape}; allowed: {allowed}")
    return result


def vector(name, value, length):
    """A vector of `length` numbers (None: any). A column (n, 1) or a row (1, n) is taken as the vector."""
    result = np.asarray(value)
    if result.ndim == 2 and 1 in result.shape:
        value = result.reshape(-1)
    return array(name, value, (length,), "(n,)" if length is None else f"({length},)")


def patchify(frames):
    """[1 / 2] Frames (F, h, w) -> X (h*w pixels, F tokens): one frame, read row by row, is one column."""
    frames = array("frames", frames, (None, None, None), "(frames, rows, columns)")
    return frames.reshape(len(frames), -1).T


def encode(X, W_enc, b_enc):
    """[2 / 3] L = ReLU(W_enc X + b_enc): X (pixels, tokens), W_enc (rows, pixels) -> L (rows, tokens)."""
    return np.maximum(linear("encode", "X", X, "W_enc", W_enc, "b_enc", b_enc), 0)


def add_noise(L, noise):
    """[3 / 4] Z = L + N, both (rows, tokens)."""
    L, noise = _pair("L", L, "noise", noise)
    return L + noise


def binary_time(t, bits=2):
    """[4 / 5] The step number t as binary digits, highest first: 3 -> [1, 1]."""
    if isinstance(t, bool) or not isinstance(t, (int, np.integer)) or not 0 <= t < 2**bits:
        raise ValueError(f"t: came as {t!r}; allowed: a whole number from 0 to {2**bits - 1} ({bits} bits)")
    return np.array([t >> bit & 1 for bit in reversed(range(bits))])


def make_condition(text, time):
    """[4 / 5] c: the text's numbers, then the time's."""
    return np.concatenate([vector("text", text, None), vector("time", time, None)])


def scale_shift(c, W_ada, b_ada):
    """[5 / 6] W_ada c + b_ada, split into halves: (scale, shift), each one number per latent row.

    W_ada (2*rows, len(c)) has the rows scale 1, scale 2, ..., shift 1, shift 2, ...
    """
    W_ada = array("W_ada", W_ada, (None, None), "(2 x latent rows, length of c)")
    if len(W_ada) % 2:
        raise ValueError(
            f"W_ada: came with {len(W_ada)} rows; allowed: an even number, first scales, then shifts"
        )
    c, b_ada = vector("c", c, W_ada.shape[1]), vector("b_ada", b_ada, len(W_ada))
    both = W_ada @ c + b_ada
    return both[: len(both) // 2], both[len(both) // 2 :]


def modulate(Z, scale, shift):
    """[6 / 7] C = scale * Z + shift, row by row: Z (rows, tokens), scale and shift (rows,)."""
    Z = array("Z", Z, (None, None), "(rows, tokens)")
    scale, shift = vector("scale", scale, len(Z)), vector("shift", shift, len(Z))
    return Z * scale[:, None] + shift[:, None]


def attention_weights(S):
    """[7 / 8] A from the scores S (row = key, column = query): 1/2 for the two largest of each column."""
    S = array("S", S, (None, None), "(keys, queries)")
    if len(S) < 2:
        raise ValueError(
            f"S: came with {len(S)} row; allowed: at least 2, to mark the two largest of each column"
        )
    order = np.sort(S, axis=0)[::-1]
    if len(S) > 2 and (order[1] == order[2]).any():
        column = int(np.argmax(order[1] == order[2])) + 1
        raise ValueError(
            f"S: column {column} has a tie for the second place; the two largest are not clear there"
        )
    return np.where(S >= order[1], 0.5, 0.0)


def attention_pool(C, A):
    """[8 / 9] P = C A: column j of A (tokens, tokens) says how much of each token goes into new token j."""
    C = array("C", C, (None, None), "(rows, tokens)")
    A = array("A", A, (C.shape[1], None), f"({C.shape[1]}, queries), one row per token of C")
    return C @ A


def predict_noise(P, W_ff, b_ff):
    """[9 / 10] E = W_ff P + b_ff, token by token, without ReLU: noise may be negative."""
    return linear("predict_noise", "P", P, "W_ff", W_ff, "b_ff", b_ff)


def noise_gradient(E, N):
    """[10 / 11] G = E - N: the gradient of half the sum of squares (G / 4 is that of `mse` on this sheet)."""
    E, N = _pair("E", E, "N", N)
    return E - N


def mse(E, N):
    """[10 / 11] The loss: the mean of all squared differences."""
    return float(np.mean(noise_gradient(E, N).astype(float) ** 2))


def bias_step(b_ff, G):
    """[10b / 11b] b_ff minus the mean of each row of G: one step of gradient descent on the output bias."""
    G = array("G", G, (None, None), "(rows, tokens)")
    return vector("b_ff", b_ff, len(G)) - G.mean(axis=1)


def denoise(Z, E):
    """[11 / 12] D = Z - E, which is L - G."""
    Z, E = _pair("Z", Z, "E", E)
    return Z - E


def decode(D, W_dec, b_dec):
    """[12 / 13] Y = ReLU(W_dec D + b_dec): D (rows, tokens) -> pixels (pixels, tokens)."""
    return np.maximum(linear("decode", "D", D, "W_dec", W_dec, "b_dec", b_dec), 0)


def unpatchify(Y, size=None):
    """[13 / 14] Y (h*w pixels, F tokens) -> frames (F, h, w). `size` is (h, w); square frames need none."""
    Y = array("Y", Y, (None, None), "(pixels, tokens)")
    side = int(np.sqrt(len(Y)) + 0.5)
    height, width = (side, side) if size is None else size
    if height * width != len(Y):
        raise ValueError(
            f"Y: came with {len(Y)} pixels per token; allowed: {height} x {width} = {height * width}"
        )
    return Y.T.reshape(-1, height, width)


def linear(step, x_name, x, w_name, W, b_name, b):
    """W x + b, b added to every column; errors name the arguments of `step`."""
    x = array(x_name, x, (None, None), "(rows, tokens), one column per token")
    W = array(w_name, W, (None, None), "(rows out, rows in)")
    if W.shape[1] != len(x):
        raise ValueError(
            f"{x_name}: came with shape {x.shape}; allowed in {step}: {W.shape[1]} rows, "
            f"as many as {w_name} {W.shape} has columns"
        )
    return W @ x + vector(b_name, b, len(W))[:, None]


def _pair(first_name, first, second_name, second):
    first = array(first_name, first, (None, None), "(rows, tokens)")
    second = array(second_name, second, first.shape, f"{first.shape}, as {first_name}")
    return first, second


def _holds_fractions(values):
    return (
        values.dtype == object
        and values.size > 0
        and all(hasattr(value, "numerator") for value in values.flat)
    )
