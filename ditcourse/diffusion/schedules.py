"""How much clip and how much noise: x_t = signal(t) x_0 + sigma(t) noise. Noise grows with t, in every schedule here.

Nothing random happens in this file. The noise itself is added in `noise.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Schedule:
    """What all schedules have in common. Each says `signal(t)`, `sigma(t)` and the `times` that a sampler visits.

    t is a number or a tensor. Results are float64 on the CPU: near the clip, and near pure noise, every digit counts.
    """

    init_noise_sigma = 1.0  # sampling starts from this much noise

    def signal(self, t) -> Tensor:
        raise NotImplementedError

    def sigma(self, t) -> Tensor:
        raise NotImplementedError

    def times(self, num_inference_steps: int) -> list:
        """The times from noise to clip, one more than there are steps. sigma is 0 at the last."""
        raise NotImplementedError

    def snr(self, t) -> Tensor:
        """Signal-to-noise ratio, signal^2 / sigma^2: it falls as t grows, and is infinite for the clip itself."""
        return (self.signal(t) / self.sigma(t)) ** 2

    def levels(self, t, x: Tensor) -> tuple[Tensor, Tensor]:
        """(signal, sigma), shaped to multiply the clips x (B, ...). t is one number, or one for each clip, (B,)."""
        t = torch.as_tensor(t, dtype=torch.float64, device="cpu")
        if t.dim() and t.shape != x.shape[:1]:
            raise ValueError(f"t must hold one time per clip, shape ({x.shape[0]},), got {tuple(t.shape)}")
        shape = (-1, *[1] * (x.dim() - 1)) if t.dim() else ()
        return self.signal(t).reshape(shape), self.sigma(t).reshape(shape)

    def step_variances(self, t, t_next) -> tuple[Tensor, Tensor]:
        """(small, large): two answers to how much is open in a step back from t to t_next, which is nearer the clip.

        Large: the variance of the noise that came in on the way from t_next to t; DDPM's beta, for neighbours.
        Small: what is open about x at t_next once x_t and the clip are both known; DDPM's posterior variance.
        Source: Ho et al. 2020 (2006.11239), section 3.2; written here so that it holds for any schedule.
        """
        signal, sigma, signal_next, sigma_next = self.signal(t), self.sigma(t), self.signal(t_next), self.sigma(t_next)
        large = sigma**2 - (signal / signal_next) ** 2 * sigma_next**2
        return large * sigma_next**2 / sigma**2, large


class RectifiedFlow(Schedule):
    """A straight line from the clip (t = 0) to the noise (t = 1): signal 1 - t, sigma t.

    shift above 1 has the sampler take smaller steps near the noise, and larger ones near the clip.
    Source: Liu et al. 2022 (2209.03003), Lipman et al. 2022 (2210.02747).
    """

    def __init__(self, shift: float = 1.0):
        self.shift = positive("shift", shift)

    def signal(self, t) -> Tensor:
        return 1 - within(t, 0, 1)

    def sigma(self, t) -> Tensor:
        return within(t, 0, 1)

    def times(self, num_inference_steps: int) -> list[float]:
        return shift_time(evenly_down(1, num_inference_steps), self.shift).tolist()


class DDPM(Schedule):
    """Variance preserving, signal^2 + sigma^2 = 1, at whole times t = 0, 1, ..., 999. t = -1 is the clip itself.

    betas: "linear" (Ho et al. 2020), "cosine" (Nichol & Dhariwal 2021), or the numbers themselves, one for each t.
    spacing: which times are visited if the steps are fewer, by diffusers' names. "trailing" starts at the noisiest
    (Lin et al. 2023, 2305.08891), "leading" is that of DDIM, "linspace" that of the official DiT code.
    A model gets t as a whole number. Our DiT wants it in [0, 1]: give it t / 1000.
    """

    def __init__(self, betas="linear", spacing: str = "trailing"):
        if isinstance(betas, str):
            betas = BETAS[one_of("betas", betas, BETAS)]()
        self.betas = torch.as_tensor(betas, dtype=torch.float64)
        if self.betas.dim() != 1 or not ((self.betas > 0) & (self.betas < 1)).all():
            raise ValueError(f"betas must be a row of numbers between 0 and 1, got {self.betas.tolist()}")
        self.alphas_cumprod = (1 - self.betas).cumprod(0)
        self.spacing = one_of("spacing", spacing, ("trailing", "leading", "linspace"))

    def signal(self, t) -> Tensor:
        return self._alpha_bar(t).sqrt()

    def sigma(self, t) -> Tensor:
        return (1 - self._alpha_bar(t)).sqrt()

    def times(self, num_inference_steps: int) -> list[int]:
        n, total = whole("num_inference_steps", num_inference_steps), len(self.betas)
        if n > total:
            raise ValueError(f"num_inference_steps must be at most {total}, as many as there are times, got {n}")
        if self.spacing == "trailing":
            times = [round(total - i * total / n) - 1 for i in range(n)]
        elif self.spacing == "leading":
            times = [i * (total // n) for i in reversed(range(n))]
        else:
            times = torch.linspace(0, total - 1, n, dtype=torch.float64).round().long().flip(0).tolist()
        return [*times, -1]

    def _alpha_bar(self, t) -> Tensor:
        t = within(t, -1, len(self.betas) - 1)
        if (t != t.round()).any():
            raise ValueError(f"t must hold whole numbers, -1 to {len(self.betas) - 1}, got {t.tolist()}")
        return torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_cumprod])[t.long() + 1]


class Levels(Schedule):
    """The clip whole, with t times the noise on top, as on the hand sheets: signal 1, sigma t, up to sigma_max.

    The field calls it variance exploding. Three steps from sigma_max = 3 visit the levels 3, 2, 1.
    """

    def __init__(self, sigma_max: float):
        self.init_noise_sigma = float(positive("sigma_max", sigma_max))

    def signal(self, t) -> Tensor:
        return torch.ones_like(self.sigma(t))

    def sigma(self, t) -> Tensor:
        return within(t, 0, self.init_noise_sigma)

    def times(self, num_inference_steps: int) -> list[float]:
        return evenly_down(self.init_noise_sigma, num_inference_steps).tolist()


def linear_betas() -> Tensor:
    """The variance that comes in at each of 1,000 steps grows evenly. Ho et al. 2020 (2006.11239)."""
    return torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)


def cosine_betas() -> Tensor:
    """signal^2 falls like a squared cosine, slowly at both ends. Nichol & Dhariwal 2021 (2102.09672)."""
    edges = torch.linspace(0, 1, 1001, dtype=torch.float64)
    alpha_bar = ((edges + 0.008) / 1.008 * math.pi / 2).cos() ** 2
    return (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)


BETAS = {"linear": linear_betas, "cosine": cosine_betas}


def shift_time(t, shift: float):
    """Times in [0, 1] moved towards the noise, s t / (1 + (s - 1) t); 0 and 1 stay. Esser et al. 2024 (2403.03206)."""
    return shift * t / (1 + (shift - 1) * t)


def evenly_down(top: float, num_inference_steps: int) -> Tensor:
    """From top to 0 in even steps, float64."""
    return torch.linspace(top, 0, whole("num_inference_steps", num_inference_steps) + 1, dtype=torch.float64)


# Arguments, checked


def within(t, low: float, high: float) -> Tensor:
    t = torch.as_tensor(t, dtype=torch.float64, device="cpu").detach()
    if not ((low <= t) & (t <= high)).all():
        raise ValueError(f"t must lie between {low} (the clip) and {high} (noise), got {t.tolist()}")
    return t


def whole(name: str, number: int) -> int:
    if number != int(number) or number < 1:
        raise ValueError(f"{name} must be a whole number, at least 1, got {number}")
    return int(number)


def positive(name: str, number: float) -> float:
    if not number > 0:
        raise ValueError(f"{name} must be positive, got {number}")
    return number


def one_of(name: str, value: str, allowed) -> str:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


FLOW = RectifiedFlow()  # what is meant where no schedule is named
