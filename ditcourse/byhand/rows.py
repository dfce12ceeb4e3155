"""The same steps with one row per token, as PyTorch lays them out: `x W^T + b`.

Every matrix with a token axis is the transpose of the one on paper; weights and vectors are the same arrays.
`ditcourse.byhand.steps` holds the paper form and says what each step does.
"""

import numpy as np

from ditcourse.byhand.steps import (
    add_noise,
    array,
    binary_time,
    denoise,
    make_condition,
    mse,
    noise_gradient,
    scale_shift,
    vector,
)

__all__ = [
    "patchify",
    "encode",
    "add_noise",
    "binary_time",
    "make_condition",
    "scale_shift",
    "modulate",
    "attention_weights",
    "attention_pool",
    "predict_noise",
    "noise_gradient",
    "mse",
    "bias_step",
    "denoise",
    "decode",
    "unpatchify",
]


def patchify(frames):
    """[1 / 2] Frames (F, h, w) -> X (F tokens, h*w pixels)."""
    frames = array("frames", frames, (None, None, None), "(frames, rows, columns)")
    return frames.reshape(len(frames), -1)


def encode(X, W_enc, b_enc):
    """[2 / 3] ReLU(X W_enc^T + b_enc)."""
    return np.maximum(linear("encode", "X", X, "W_enc", W_enc, "b_enc", b_enc), 0)


def modulate(Z, scale, shift):
    """[6 / 7] C = Z * scale + shift, column by column: Z (tokens, features), scale and shift (features,)."""
    Z = array("Z", Z, (None, None), "(tokens, features)")
    scale, shift = vector("scale", scale, Z.shape[1]), vector("shift", shift, Z.shape[1])
    return Z * scale + shift


def attention_weights(S):
    """[7 / 8] A from the scores S (row = query, column = key): 1/2 for the two largest of each row."""
    S = array("S", S, (None, None), "(queries, keys)")
    if S.shape[1] < 2:
        raise ValueError(
            f"S: came with {S.shape[1]} column; allowed: at least 2, to mark the two largest of each row"
        )
    order = np.sort(S, axis=1)[:, ::-1]
    if S.shape[1] > 2 and (order[:, 1] == order[:, 2]).any():
        row = int(np.argmax(order[:, 1] == order[:, 2])) + 1
        raise ValueError(f"S: row {row} has a tie for the second place; the two largest are not clear there")
    return np.where(S >= order[:, 1:2], 0.5, 0.0)


def attention_pool(C, A):
    """[8 / 9] P = A C: row j of A (tokens, tokens) says how much of each token goes into new token j."""
    C = array("C", C, (None, None), "(tokens, features)")
    A = array("A", A, (None, len(C)), f"(queries, {len(C)}), one column per token of C")
    return A @ C


def predict_noise(P, W_ff, b_ff):
    """[9 / 10] E = P W_ff^T + b_ff."""
    return linear("predict_noise", "P", P, "W_ff", W_ff, "b_ff", b_ff)


def bias_step(b_ff, G):
    """[10b / 11b] b_ff minus the mean of G over the tokens."""
    G = array("G", G, (None, None), "(tokens, features)")
    return vector("b_ff", b_ff, G.shape[1]) - G.mean(axis=0)


def decode(D, W_dec, b_dec):
    """[12 / 13] Y = ReLU(D W_dec^T + b_dec)."""
    return np.maximum(linear("decode", "D", D, "W_dec", W_dec, "b_dec", b_dec), 0)


def unpatchify(Y, size=None):
    """[13 / 14] Y (F tokens, h*w pixels) -> frames (F, h, w). `size` is (h, w); square frames need none."""
    Y = array("Y", Y, (None, None), "(tokens, pixels)")
    side = int(np.sqrt(Y.shape[1]) + 0.5)
    height, width = (side, side) if size is None else size
    if height * width != Y.shape[1]:
        raise ValueError(
            f"Y: came with {Y.shape[1]} pixels per token; allowed: {height} x {width} = {height * width}"
        )
    return Y.reshape(-1, height, width)


def linear(step, x_name, x, w_name, W, b_name, b):
    """x W^T + b, b added to every row; errors name the arguments of `step`."""
    x = array(x_name, x, (None, None), "(tokens, features), one row per token")
    W = array(w_name, W, (None, None), "(features out, features in)")
    if W.shape[1] != x.shape[1]:
        raise ValueError(
            f"{x_name}: came with shape {x.shape}; allowed in {step}: {W.shape[1]} columns, "
            f"as many as {w_name} {W.shape} has"
        )
    return x @ W.T + vector(b_name, b, len(W))
