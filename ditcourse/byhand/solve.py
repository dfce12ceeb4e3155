"""The whole sheet at once: the answer key, and every gradient by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ditcourse.byhand import steps
from ditcourse.byhand.extensions import query_key


@dataclass(frozen=True, eq=False)
class Key:
    """Every number of a solved sheet, one column per token. `_after` means after the bias step 10b."""

    X: np.ndarray
    pre_encoder: np.ndarray  # before the ReLU
    L: np.ndarray
    N: np.ndarray
    Z: np.ndarray
    time: np.ndarray
    c: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    C: np.ndarray
    S: np.ndarray  # the scores printed on the sheet
    A: np.ndarray  # half of the given M
    P: np.ndarray
    E: np.ndarray
    G: np.ndarray
    loss: float
    D: np.ndarray
    pre_decoder: np.ndarray
    Y: np.ndarray
    frames: np.ndarray
    b_ff_after: np.ndarray
    E_after: np.ndarray
    G_after: np.ndarray
    loss_after: float
    D_after: np.ndarray
    pre_decoder_after: np.ndarray
    Y_after: np.ndarray
    frames_after: np.ndarray


@dataclass(frozen=True, eq=False)
class Gradients:
    """Gradients of sum(G^2) / 2; divide by 4 for those of the MSE, which is sum(G^2) / 8 on this sheet."""

    dE: np.ndarray
    dW_ff: np.ndarray
    db_ff: np.ndarray
    dP: np.ndarray
    dC: np.ndarray
    dscale: np.ndarray
    dshift: np.ndarray
    dW_ada: np.ndarray
    db_ada: np.ndarray


def solve(exercise, shift=None):
    """The answer key. `shift=exercise.printed_shift` gives the published variant.

    Attention is held as given (A is half of M) in both. S is what the sheet prints: the scores that query and
    key give for the correct shift; extension A computes them anew from any shift.
    """
    given = exercise
    X = steps.patchify(given.frames)
    pre_encoder = steps.linear("encode", "X", X, "W_enc", given.W_enc, "b_enc", given.b_enc)
    L = steps.encode(X, given.W_enc, given.b_enc)
    N = given.noise
    Z = steps.add_noise(L, N)

    c = steps.make_condition(given.text, given.time)
    scale, own_shift = steps.scale_shift(c, given.W_ada, given.b_ada)
    shift = own_shift if shift is None else steps.vector("shift", shift, len(own_shift))
    C = steps.modulate(Z, scale, shift)

    _, S = query_key(steps.modulate(Z, scale, own_shift), given.W_Q, given.b_Q)
    A = given.M / given.M.sum(axis=0)
    P = steps.attention_pool(C, A)
    E = steps.predict_noise(P, given.W_ff, given.b_ff)
    G = steps.noise_gradient(E, N)
    D, pre_decoder, Y, frames = _picture(given, Z, E)

    b_ff_after = steps.bias_step(given.b_ff, G)
    E_after = steps.predict_noise(P, given.W_ff, b_ff_after)
    D_after, pre_decoder_after, Y_after, frames_after = _picture(given, Z, E_after)
    return Key(
        X=X, pre_encoder=pre_encoder, L=L, N=N, Z=Z, time=given.time, c=c, scale=scale, shift=shift, C=C, S=S,
        A=A, P=P, E=E, G=G, loss=steps.mse(E, N), D=D, pre_decoder=pre_decoder, Y=Y, frames=frames,
        b_ff_after=b_ff_after, E_after=E_after, G_after=steps.noise_gradient(E_after, N),
        loss_after=steps.mse(E_after, N), D_after=D_after, pre_decoder_after=pre_decoder_after,
        Y_after=Y_after, frames_after=frames_after,
    )  # fmt: skip


def backward(exercise, key):
    """Every gradient by hand, from G back to the condition. Encoder, decoder and A are frozen."""
    G = key.G
    dP = exercise.W_ff.T @ G
    dC = dP @ key.A.T  # attention is the only step that sends gradients to other tokens
    dscale = (dC * key.Z).sum(axis=1)
    dshift = dC.sum(axis=1)
    both = np.concatenate([dscale, dshift])
    return Gradients(
        dE=G, dW_ff=G @ key.P.T, db_ff=G.sum(axis=1), dP=dP, dC=dC, dscale=dscale, dshift=dshift,
        dW_ada=np.outer(both, key.c), db_ada=both,
    )  # fmt: skip


def sgd_step(exercise, learning_rate):
    """The exercise after one step of gradient descent on the MSE of W_ff, b_ff, W_ada and b_ada together."""
    key = solve(exercise)
    gradients = backward(exercise, key)
    rate = learning_rate * 2 / key.G.size  # d MSE / d E = 2 G / size
    return replace(
        exercise,
        **{name: getattr(exercise, name) - rate * getattr(gradients, "d" + name)
           for name in ("W_ff", "b_ff", "W_ada", "b_ada")},
    )  # fmt: skip


def _picture(given, Z, E):
    D = steps.denoise(Z, E)
    pre_decoder = steps.linear("decode", "D", D, "W_dec", given.W_dec, "b_dec", given.b_dec)
    Y = steps.decode(D, given.W_dec, given.b_dec)
    return D, pre_decoder, Y, steps.unpatchify(Y, given.frames.shape[1:])
