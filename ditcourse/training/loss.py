"""What the model is asked, and how wrong its answer was (hand sheet: step 10)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ditcourse.diffusion.noise import add_noise, target
from ditcourse.diffusion.schedules import FLOW, one_of, shift_time


def random_times(count: int, time_shift: float, generator: torch.Generator, times: str = "logit-normal") -> Tensor:
    """Times t (count,) in (0, 1), most of them where there is most to learn.

    Logit-normal (the sigmoid of a standard normal) or uniform, then shifted towards the noise,
    t <- s t / (1 + (s - 1) t): a clip has many pixels that say the same, so more noise is needed before what it shows
    is lost.
    Source: Esser et al. 2024 (2403.03206), sections 3.1 and 5.3.2.
    """
    if one_of("times", times, ("logit-normal", "uniform")) == "uniform":
        t = torch.rand(count, generator=generator)
    else:
        t = torch.randn(count, generator=generator).sigmoid()
    return shift_time(t, time_shift)


def flow_loss(
    model: nn.Module, x0: Tensor, condition: Tensor, generator: torch.Generator, time_shift: float = 1.0
) -> Tensor:
    """Mean squared error of the predicted velocity, at one random time for each clip.

    x0 (B, ...) clips, condition (B, ...) one row per clip; noise and times come from the (CPU) generator, so that
    every machine draws the same. For a model that answers 0 it is 1 + mean(x0^2) on average.
    """
    noise = torch.randn(x0.shape, generator=generator).to(x0)
    t = random_times(len(x0), time_shift, generator)
    return diffusion_loss(model, x0, condition, noise, t)


def diffusion_loss(
    model: nn.Module, x0: Tensor, condition: Tensor, noise: Tensor, t: Tensor, prediction_type: str = "velocity"
) -> Tensor:
    """Mean squared error of what the model says about x_t = (1 - t) x0 + t noise; noise like x0, t (B,) on the CPU.

    prediction_type: "velocity" (noise - x0), "epsilon" (the noise), or "x0" (the clip, with its error divided by t,
    which makes it the error of the velocity that it stands for; t counts as at least 0.05. Li & He 2025, 2511.13720).
    """
    x_t = add_noise(x0, noise, t)
    answer = model(x_t, t.to(x0), condition).float()
    error = answer - target(x0, noise, t, FLOW, prediction_type)
    if prediction_type == "x0":
        t = t.clamp(min=0.05).to(x0)
        error = error / t.reshape(-1, *[1] * (x0.dim() - 1))
    return error.square().mean()
