"""From pure noise to a clip, in many small steps. No video and no encoder come in (hand sheet: step 11, and more)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor

from ditcourse.diffusion.noise import clip_and_noise
from ditcourse.diffusion.schedules import FLOW, Schedule, one_of

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x_t, t, condition) -> prediction

METHODS = ("euler", "heun", "ddpm", "renoise")
VARIANCE_TYPES = ("fixed_small", "fixed_large", "learned_range")


@torch.no_grad()
def sample(
    model: Denoiser,
    noise: Tensor,
    condition: Tensor | None = None,
    null: Tensor | None = None,
    *,
    schedule: Schedule = FLOW,
    prediction_type: str = "velocity",
    method: str = "euler",
    num_inference_steps: int = 25,
    guidance_scale: float = 2.0,
    guidance_interval: tuple[float, float] | None = None,
    eta: float = 0.0,
    variance_type: str = "fixed_small",
    generator: torch.Generator | None = None,
    fresh_noise: Iterable[Tensor] | None = None,
    on_step: Callable | None = None,
) -> Tensor:
    """Noise (B, ...) in, clips (B, ...) out. The same noise, prompt and generator seed give the same clips.

    model(x_t (B, ...), t (B,) as the schedule counts it, condition) is asked in every step. Its answer, of the stated
    prediction_type, stands for a clip and a noise that make up x_t. From these each method makes x at the next time:

    "euler"    signal clip + sigma noise: both as guessed, in the amounts of the next time. In a flow that is a step
               of Euler's method along the velocity; with a DDPM schedule it is DDIM (Song et al. 2020, 2010.02502).
               One formula, for both are Euler's method for dx = clip d(signal) + noise d(sigma).
               eta, 0 to 1, exchanges some of the guessed noise for fresh noise, as in DDIM; at 1 it is "ddpm".
    "heun"     The same, then a second look from where that leads, and the mean of both guesses. Two questions a step.
    "ddpm"     A draw from q(x at the next time | x_t, guessed clip) (Ho et al. 2020, 2006.11239), with a variance of
               variance_type "fixed_small", "fixed_large" (see `Schedule.step_variances`) or "learned_range": there
               the model answers with twice the channels, and the second half says where between the two.
    "renoise"  signal clip + sigma fresh noise: guess the clip, add new noise, less of it (the second hand sheet; Song
               et al. 2023, 2303.01469, algorithm 1). Only this one does not become exact with many steps: a guess is
               an average, and fresh noise does not bring back what averaging lost.

    The last step of each is the guess itself, for no noise is left at its end.

    noise is of size 1 whatever the schedule, and fresh noise too: at level 2 of `Levels` a noise of 1 comes in as 1/2.
    condition, null: one row per clip; with guidance_interval = (low, high) guidance is on only while low <= t <= high.
    Fresh noise comes from the generator, a seeded one on the CPU so that every machine draws the same, or from a list:
    one tensor like x for each step but the last.
    on_step(t, x_t, x0_estimate) is called before every step: `on_step=lambda *step: steps.append(step)` keeps them all.
    """
    _check(method, variance_type, eta, guidance_interval)
    fresh_noise = None if fresh_noise is None else iter(fresh_noise)

    def ask(x: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor | None]:
        """The model's clip and noise in x, and the second half of its answer if it has one."""
        times = torch.full((len(x),), t, dtype=torch.long if isinstance(t, int) else x.dtype, device=x.device)
        low, high = guidance_interval or (t, t)
        answer = guided_prediction(model, x, times, condition, null, guidance_scale if low <= t <= high else 1)
        answer, between = answer.chunk(2, dim=1) if variance_type == "learned_range" else (answer, None)
        if answer.shape != x.shape:
            raise ValueError(
                f"model must answer in the shape of x_t, {tuple(x.shape)}, got {tuple(answer.shape)}; "
                f"twice the channels are allowed with variance_type='learned_range'"
            )
        return *clip_and_noise(answer, x, t, schedule, prediction_type), between

    x = schedule.init_noise_sigma * noise
    for now, after in pairwise(schedule.times(num_inference_steps)):
        x0, eps, between = ask(x, now)
        if on_step is not None:
            on_step(now, x, x0)
        signal, sigma = schedule.signal(after).item(), schedule.sigma(after).item()
        if sigma == 0:
            x = signal * x0  # the clip, and nothing on top
        elif method == "heun":
            x0_after, eps_after, _ = ask(signal * x0 + sigma * eps, after)
            d_signal, d_sigma = signal - schedule.signal(now).item(), sigma - schedule.sigma(now).item()
            x = x + d_signal * (x0 + x0_after) / 2 + d_sigma * (eps + eps_after) / 2
        else:
            small, large = (variance.item() for variance in schedule.step_variances(now, after))
            fresh = {"euler": eta**2 * small, "ddpm": small, "renoise": sigma**2}[method]  # variance of the fresh noise
            x = signal * x0 + math.sqrt(max(0.0, sigma**2 - fresh)) * eps
            if method == "ddpm":  # the mean is the same for every choice of the variance
                fresh = _variance(variance_type, small, large, between)
            if method != "euler" or eta > 0:
                x = x + fresh**0.5 * _draw(x, generator, fresh_noise)
    return x


def guided_prediction(
    model: Denoiser, x: Tensor, t: Tensor, condition: Tensor | None, null: Tensor | None, guidance_scale: float
) -> Tensor:
    """Classifier-free guidance: u + s (c - u), on all channels. s = 1 is the plain conditional prediction.

    Condition and null prompt run as one batch. A learned variance (channels beyond those of x) is not guided.
    Source: Ho & Salimans 2022 (2207.12598). The official DiT code guides 3 of the 4 channels, which its authors have
    called a mistake: its scale 1.5 is about 1.375 on all four.
    """
    if guidance_scale == 1:
        return model(x, t, condition)
    if condition is None or null is None:
        raise ValueError(
            f"guidance_scale = {guidance_scale} needs the null prompt and a condition; pass both, or guidance_scale=1"
        )
    with_prompt, without = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([condition, null])).chunk(2)
    guided = without + guidance_scale * (with_prompt - without)
    return torch.cat([guided[:, : x.shape[1]], with_prompt[:, x.shape[1] :]], dim=1)


def _variance(variance_type: str, small: float, large: float, between: Tensor | None) -> float | Tensor:
    """Variance of DDPM's fresh noise. A learned one lies between small (-1) and large (1), on a logarithmic scale."""
    if variance_type == "learned_range":
        share = (between + 1) / 2
        return torch.exp(share * math.log(large) + (1 - share) * math.log(small))
    return small if variance_type == "fixed_small" else large


def _draw(x: Tensor, generator: torch.Generator | None, fresh_noise) -> Tensor:
    """Standard noise like x: the next of the list, or drawn on the CPU, as float32 whatever x is."""
    if fresh_noise is not None:
        drawn = next(fresh_noise, None)
        if drawn is None or drawn.shape != x.shape:
            got = "fewer" if drawn is None else f"one of shape {tuple(drawn.shape)}"
            raise ValueError(
                f"fresh_noise must hold a tensor of shape {tuple(x.shape)} for each step but the last, got {got}"
            )
        return drawn.to(x)
    if generator is None or generator.device.type != "cpu":
        raise ValueError(
            f"generator: came as {generator}, and fresh noise is needed; allowed: a seeded torch.Generator on the CPU "
            f"(or fresh_noise, a list of tensors)"
        )
    return torch.randn(x.shape, generator=generator).to(x)


def _check(method: str, variance_type: str, eta: float, guidance_interval) -> None:
    one_of("method", method, METHODS)
    one_of("variance_type", variance_type, VARIANCE_TYPES)
    if not 0 <= eta <= 1 or (eta > 0 and method != "euler"):
        raise ValueError(f"eta must lie in [0, 1], and is for method='euler', got {eta} with method={method!r}")
    if variance_type == "fixed_large" and method != "ddpm":
        raise ValueError(f"variance_type='fixed_large' is for method='ddpm', got method={method!r}")
    if guidance_interval is not None and not guidance_interval[0] <= guidance_interval[1]:
        raise ValueError(f"guidance_interval must be (low, high) in t, got {guidance_interval}")
