"""From pure noise to a clip, in many small steps. No video and no encoder come in (hand sheet: step 11, and more)."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ditcourse.diffusion.noise import x0_from_velocity

Denoiser = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x_t, t, condition) -> velocity


def guided_velocity(
    model: Denoiser, x: Tensor, t: Tensor, condition: Tensor, null: Tensor | None, guidance_scale: float
) -> Tensor:
    """Classifier-free guidance: u + s (c - u), on all channels. s = 1 is the plain conditional prediction.

    Condition and null prompt run as one batch. Source: Ho & Salimans 2022 (2207.12598).
    """
    if guidance_scale == 1:
        return model(x, t, condition)
    if null is None:
        raise ValueError(
            f"guidance_scale = {guidance_scale} needs the null prompt; pass null, or guidance_scale=1"
        )
    with_prompt, without = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([condition, null])).chunk(2)
    return without + guidance_scale * (with_prompt - without)


@torch.no_grad()
def sample(
    model: Denoiser,
    noise: Tensor,
    condition: Tensor,
    null: Tensor | None = None,
    *,
    num_inference_steps: int = 25,
    guidance_scale: float = 2.0,
    on_step: Callable | None = None,
) -> Tensor:
    """Euler steps along the velocity from t = 1 (noise) to t = 0 (clip): (B, ...) -> (B, ...).

    model: predicts the velocity at (x_t, t, condition). condition, null: one row per clip.
    on_step(t, x_t, x0_estimate) is called before every step, to watch or draw the way.
    Deterministic: the same noise and prompt give the same clip.
    """
    if num_inference_steps < 1:
        raise ValueError(f"num_inference_steps must be at least 1, got {num_inference_steps}")
    x = noise
    times = torch.linspace(1, 0, num_inference_steps + 1, dtype=torch.float64).tolist()
    for t_now, t_next in pairwise(times):
        t = torch.full((x.shape[0],), t_now, dtype=x.dtype, device=x.device)
        v = guided_velocity(model, x, t, condition, null, guidance_scale)
        if on_step is not None:
            on_step(t_now, x, x0_from_velocity(x, v, t))
        x = x + (t_next - t_now) * v
    return x
