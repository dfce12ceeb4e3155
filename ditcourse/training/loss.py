"""What the model is asked, and how wrong its answer was (hand sheet: step 10)."""

import torch
from torch import Tensor, nn

from ditcourse.diffusion.noise import add_noise, velocity


def random_times(count: int, time_shift: float, generator: torch.Generator) -> Tensor:
    """Times t (count,) in (0, 1), most of them where there is most to learn.

    Logit-normal (the sigmoid of a standard normal), then shifted towards the noise, t <- s t / (1 + (s - 1) t): a clip
    has many pixels that say the same, so more noise is needed before what it shows is lost.
    Source: Esser et al. 2024 (2403.03206), sections 3.1 and 5.3.2.
    """
    t = torch.randn(count, generator=generator).sigmoid()
    return time_shift * t / (1 + (time_shift - 1) * t)


def flow_loss(
    model: nn.Module, x0: Tensor, condition: Tensor, generator: torch.Generator, time_shift: float = 1.0
) -> Tensor:
    """Mean squared error of the predicted velocity, at one random time for each clip.

    x0 (B, ...) clips, condition (B, ...) one row per clip; noise and times come from the (CPU) generator, so that
    every machine draws the same. For a model that answers 0 it is 1 + mean(x0^2) on average.
    """
    noise = torch.randn(x0.shape, generator=generator).to(x0)
    t = random_times(len(x0), time_shift, generator).to(x0)
    predicted = model(add_noise(x0, noise, t), t, condition)
    return (predicted - velocity(x0, noise)).square().mean()
