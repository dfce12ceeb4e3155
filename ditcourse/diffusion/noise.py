"""Adding noise, and what a model may be asked to predict (hand sheet: step 3).

The four things it may predict are one prediction in four dresses: whoever has x_t, t and one of them has them all.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ditcourse.diffusion.schedules import FLOW, Schedule, one_of


def add_noise(x0: Tensor, noise: Tensor, t, schedule: Schedule = FLOW) -> Tensor:
    """x_t = signal(t) x_0 + sigma(t) noise, for clips (B, ...). t is one time for each, (B,), or a number for all.

    In one go, whatever t is: no loop over the smaller times. FLOW, unless told otherwise: (1 - t) x_0 + t noise.
    """
    if noise.shape != x0.shape:
        raise ValueError(f"noise must have the shape of x0, {tuple(x0.shape)}, got {tuple(noise.shape)}")
    signal, sigma = schedule.levels(t, x0)
    return signal.to(x0) * x0 + sigma.to(x0) * noise


def velocity(x0: Tensor, noise: Tensor) -> Tensor:
    """noise - x_0: the direction from the clip to the noise. On the straight line of a flow the same at every t."""
    return noise - x0


def target(x0: Tensor, noise: Tensor, t, schedule: Schedule = FLOW, prediction_type: str = "velocity") -> Tensor:
    """What a model should have answered at x_t: a mixture of clip and noise, of the shape of x0.

    "velocity": noise - x_0, for flows.     "epsilon": the noise.     "x0": the clip.
    "v": signal noise - sigma x_0, for DDPM (Salimans & Ho 2022, 2202.00512).
    """
    of_clip, of_noise = _mixture(prediction_type, *schedule.levels(t, x0))
    return of_clip.to(x0) * x0 + of_noise.to(x0) * noise


def clip_and_noise(
    prediction: Tensor, x_t: Tensor, t, schedule: Schedule = FLOW, prediction_type: str = "velocity"
) -> tuple[Tensor, Tensor]:
    """The clip and the noise that a prediction at x_t stands for, each of the shape of x_t.

    Two unknowns and two equations: x_t = signal clip + sigma noise, and prediction = its own mixture of the two.
    Raises ValueError where these say the same thing twice: for "epsilon" where signal is 0, for "x0" where sigma is.
    """
    signal, sigma = schedule.levels(t, x_t)
    of_clip, of_noise = _mixture(prediction_type, signal, sigma)
    determinant = signal * of_noise - sigma * of_clip
    if (determinant == 0).any():
        level, missing = ("signal", "x0") if prediction_type == "epsilon" else ("sigma", "noise")
        raise ValueError(
            f"prediction_type must not be {prediction_type!r} where {level} is 0 (it does not tell {missing} there): "
            f"got t = {t}, allowed are 'v' and 'velocity'"
        )
    from_x, from_prediction = (of_noise / determinant).to(x_t), (sigma / determinant).to(x_t)
    x0 = from_x * x_t - from_prediction * prediction
    from_x, from_prediction = (of_clip / determinant).to(x_t), (signal / determinant).to(x_t)
    return x0, from_prediction * prediction - from_x * x_t


def x0_from_velocity(x_t: Tensor, v: Tensor, t) -> Tensor:
    """The clip that a flow's velocity points back to: x_0 = x_t - t v."""
    return clip_and_noise(v, x_t, t)[0]


def noise_from_velocity(x_t: Tensor, v: Tensor, t) -> Tensor:
    """The noise that a flow's velocity points to: noise = x_t + (1 - t) v. (The hand sheet predicts this.)"""
    return clip_and_noise(v, x_t, t)[1]


def _mixture(prediction_type: str, signal: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(how much of the clip, how much of the noise) is in a prediction."""
    zero, one = torch.zeros_like(signal), torch.ones_like(signal)
    mixtures = {"velocity": (-one, one), "v": (-sigma, signal), "epsilon": (zero, one), "x0": (one, zero)}
    return mixtures[one_of("prediction_type", prediction_type, mixtures)]
