"""Adding noise along a straight line, and the three dresses of one prediction (hand sheet: step 3).

Rectified flow: x_t = (1 - t) x_0 + t noise, so the velocity along the line is dx_t/dt = noise - x_0.
Source: Liu et al. 2022 (2209.03003), Lipman et al. 2022 (2210.02747). The hand sheet adds the noise whole.
"""

from torch import Tensor


def _per_clip(t: Tensor, x: Tensor) -> Tensor:
    """t (B,) shaped to multiply clips (B, ...)."""
    if t.shape != x.shape[:1]:
        raise ValueError(f"t must hold one time per clip, shape ({x.shape[0]},), got {tuple(t.shape)}")
    return t.reshape(-1, *[1] * (x.dim() - 1))


def add_noise(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """x_t = (1 - t) x_0 + t noise, for clips (B, ...) and times t (B,) in [0, 1]."""
    if noise.shape != x0.shape:
        raise ValueError(f"noise must have the shape of x0, {tuple(x0.shape)}, got {tuple(noise.shape)}")
    t = _per_clip(t, x0)
    return (1 - t) * x0 + t * noise


def velocity(x0: Tensor, noise: Tensor) -> Tensor:
    """v = noise - x_0: the direction from the clip to the noise, the same at every t."""
    return noise - x0


def x0_from_velocity(x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """The clip that a velocity points back to: x_0 = x_t - t v."""
    return x_t - _per_clip(t, x_t) * v


def noise_from_velocity(x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
    """The noise that a velocity points to: noise = x_t + (1 - t) v. (The hand sheet predicts this.)"""
    return x_t + (1 - _per_clip(t, x_t)) * v
