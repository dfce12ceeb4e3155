"""Noise, and the way back: what is added, what is predicted, and the samplers that remove it in many small steps.

One convention of time, that of diffusers and Stable Diffusion 3: t = 0 is the clip, noise grows with t, and a sampler
runs t downwards. Others differ; compare conventions before formulas:

    where                        clip   noise   x_t                         prediction
    here, RectifiedFlow          t = 0  t = 1   (1 - t) x_0 + t noise       velocity = noise - x_0
    diffusers, SD3, flux, minRF  t = 0  t = 1   the same (diffusers gives   the same
                                                the model 1000 t)
    SiT, LightningDiT, JiT       t = 1  t = 0   t x_0 + (1 - t) noise       x_0 - noise
    fal (video speedrun)         t = 0  t = 1   (1 - t) x_0 + t noise       x_0 - noise
    here, DDPM; DiT, diffusers   -1     999     sqrt(abar_t) x_0 +          epsilon = noise, x0, or v
                                                sqrt(1 - abar_t) noise
    Ho et al. 2020, in print     t = 0  t = 1000  the same, t one larger    epsilon
    here, Levels; hand sheets    t = 0  largest x_0 + t noise               epsilon
"""

from ditcourse.diffusion.exact import ExactDenoiser, GaussianDenoiser
from ditcourse.diffusion.noise import (
    add_noise,
    clip_and_noise,
    noise_from_velocity,
    target,
    velocity,
    x0_from_velocity,
)
from ditcourse.diffusion.samplers import guided_prediction, sample
from ditcourse.diffusion.schedules import DDPM, FLOW, Levels, RectifiedFlow, Schedule, shift_time

__all__ = [
    "DDPM",
    "FLOW",
    "ExactDenoiser",
    "GaussianDenoiser",
    "Levels",
    "RectifiedFlow",
    "Schedule",
    "add_noise",
    "clip_and_noise",
    "guided_prediction",
    "noise_from_velocity",
    "sample",
    "shift_time",
    "target",
    "velocity",
    "x0_from_velocity",
]
