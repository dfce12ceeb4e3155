"""Denoisers that need no network: the best possible guess, in closed form, for data that are known completely.

Of all guesses, the mean of what is possible, weighted by how likely it is, has the least squared error. So this is what
a network is trained towards, and what trained models and samplers can be held against. On the second hand sheet one
finds it by counting.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ditcourse.diffusion.noise import target
from ditcourse.diffusion.schedules import FLOW, Schedule, one_of


class _BestGuess:
    """Called as a model, (x_t (B, ...), t, condition) -> prediction like x_t. It computes in float64 throughout."""

    def __init__(self, schedule: Schedule, prediction_type: str):
        self.schedule, self.prediction_type = schedule, prediction_type

    def __call__(self, x_t: Tensor, t, condition: Tensor | None = None) -> Tensor:
        x = x_t.double()
        x0, noise = self._guess(x, *self._levels(t, x), condition)
        return target(x0, noise, t, self.schedule, self.prediction_type).to(x_t.dtype)

    def _levels(self, t, x: Tensor) -> tuple[Tensor, Tensor]:
        signal, sigma = self.schedule.levels(t, x)
        if (sigma == 0).any():
            raise ValueError(f"t must hold times with some noise (sigma above 0), there is nothing to guess at {t}")
        return signal.to(x), sigma.to(x)


class ExactDenoiser(_BestGuess):
    """The best guess when the data are these clips (N, ...) and nothing else.

    labels: what each clip shows, (N,) or (N, L) whole numbers from 1, such as the token numbers of its caption.
    A condition, (B,) or (B, L), leaves the clips whose label has all its numbers. 0 stands for nothing, so a row of
    zeros is the null prompt and leaves all clips; so does no condition at all.
    weights: how often each clip occurs, (N,), alike unless given.
    noise: "gaussian", or "uniform" for noise that is equally likely anywhere in [-1, 1] in each coordinate, so that
    all clips within reach are equally likely: counting.
    """

    def __init__(
        self,
        clips: Tensor,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
        *,
        schedule: Schedule = FLOW,
        prediction_type: str = "velocity",
        noise: str = "gaussian",
    ):
        super().__init__(schedule, prediction_type)
        self.clips, self.noise = clips.double(), one_of("noise", noise, ("gaussian", "uniform"))
        weights = torch.ones(len(clips)) if weights is None else torch.as_tensor(weights)
        if weights.shape != (len(clips),) or not (weights > 0).all():
            raise ValueError(f"weights must be {len(clips)} positive numbers, one per clip, got {weights.tolist()}")
        self.log_weights = weights.to(self.clips).log()
        self.labels = None if labels is None else torch.as_tensor(labels).reshape(len(clips), -1).to(clips.device)
        if labels is not None and not (self.labels.any(dim=1) & (self.labels >= 0).all(dim=1)).all():
            raise ValueError(f"labels must be whole numbers from 1 (0 pads, and is the null prompt), got {labels}")

    def posterior(self, x_t: Tensor, t, condition: Tensor | None = None) -> Tensor:
        """How likely each clip is to be the one inside x_t: (B, ...) -> (B, N), float64, each row sums to 1."""
        x = x_t.double()
        return self._posterior(x, *self._levels(t, x), condition)

    def _guess(self, x: Tensor, signal: Tensor, sigma: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        x0 = (self._posterior(x, signal, sigma, condition) @ self.clips.flatten(1)).reshape(x.shape)
        return x0, (x - signal * x0) / sigma

    def _posterior(self, x: Tensor, signal: Tensor, sigma: Tensor, condition: Tensor | None) -> Tensor:
        if x.shape[1:] != self.clips.shape[1:]:
            raise ValueError(f"x_t must hold clips of shape {tuple(self.clips.shape[1:])}, got {tuple(x.shape[1:])}")
        x, clips, signal, sigma = x.flatten(1), self.clips.flatten(1), signal.reshape(-1, 1), sigma.reshape(-1, 1)
        allowed = self._allowed(condition, len(x))
        if self.noise == "gaussian":
            # log of exp(-|x - signal clip|^2 / 2 sigma^2), but for |x|^2, which is the same for all clips
            fit = (signal * (x @ clips.T) - signal**2 * clips.square().sum(1) / 2) / sigma**2
        else:
            away = (x[:, None] - signal[:, None] * clips).abs().amax(2).masked_fill(~allowed, torch.inf)
            reach = sigma * (1 + 1e-5)  # room for rounding
            if (away.amin(1, keepdim=True) > reach).any():
                raise ValueError(
                    f"x_t must have a clip in reach (one that fits the condition), but the nearest clips are "
                    f"{away.amin(1).tolist()} away, and sigma is {sigma.flatten().tolist()}"
                )
            fit = torch.zeros_like(away).masked_fill(away > reach, -torch.inf)
        fit = (fit + self.log_weights).masked_fill(~allowed, -torch.inf)
        return fit.softmax(1)  # which subtracts the largest first, so that nothing overflows as sigma goes to 0

    def _allowed(self, condition: Tensor | None, count: int) -> Tensor:
        """(B, N): whether a clip's label has all the numbers of the condition."""
        if condition is None:
            return torch.ones(count, len(self.clips), dtype=torch.bool, device=self.clips.device)
        if self.labels is None:
            raise ValueError("condition: came for clips without labels; pass labels, or no condition")
        asked = torch.as_tensor(condition).reshape(count, -1).to(self.labels)
        found = (asked[:, None, :, None] == self.labels[None, :, None, :]).any(3)
        allowed = (found | (asked == 0)[:, None]).all(2)
        if not allowed.any(1).all():
            missing = asked[~allowed.any(1)][0].tolist()
            raise ValueError(f"condition: came as {missing}, which no clip has; allowed: {self.labels.tolist()}")
        return allowed


class GaussianDenoiser(_BestGuess):
    """The best guess when the data are Gaussian, with this mean and variance. It takes a condition and ignores it.

    mean, variance: numbers, or tensors that broadcast to one clip. Instead of a variance for each coordinate by itself,
    covariance (D, D) of the D values of a clip.
    """

    def __init__(
        self,
        mean,
        variance=None,
        covariance: Tensor | None = None,
        *,
        schedule: Schedule = FLOW,
        prediction_type: str = "velocity",
    ):
        super().__init__(schedule, prediction_type)
        if (variance is None) == (covariance is None):
            raise ValueError("variance, covariance: one of the two must be given, and not both")
        self.mean, self.axes = torch.as_tensor(mean, dtype=torch.float64), None
        if covariance is None:
            self.variance = torch.as_tensor(variance, dtype=torch.float64)
        else:  # along these axes the coordinates do not depend on each other
            self.variance, self.axes = torch.linalg.eigh(torch.as_tensor(covariance, dtype=torch.float64))
        if (self.variance < -1e-12).any():
            raise ValueError(f"variance must not be negative in any direction, got {self.variance.min().item()}")

    def _guess(self, x: Tensor, signal: Tensor, sigma: Tensor, _condition) -> tuple[Tensor, Tensor]:
        mean, variance = self.mean.to(x), self.variance.to(x)
        off = x - signal * mean
        if self.axes is not None:
            off, signal, sigma = off.flatten(1) @ self.axes.to(x), signal.reshape(-1, 1), sigma.reshape(-1, 1)
        off = off / (signal**2 * variance + sigma**2)
        x0, noise = signal * variance * off, sigma * off
        if self.axes is not None:
            x0, noise = ((part @ self.axes.to(x).T).reshape(x.shape) for part in (x0, noise))
        return mean + x0, noise
