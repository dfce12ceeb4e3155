"""The training loop, on one screen: draw clips, ask, measure, step, average."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from tqdm.auto import tqdm

from ditcourse.training.loss import flow_loss


@dataclass(frozen=True)
class TrainConfig:
    """One run, reproducible from these numbers and the seed."""

    steps: int = 3000
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup: int = 50  # steps over which the learning rate rises
    decay_from: float = 0.7  # the last 30 % of the steps let it fall to zero
    time_shift: float = 2.0  # training times lean towards the noise; 1 is no shift
    prompt_dropout: float = 0.1  # how often the prompt is hidden, so that guidance has a null to compare with
    clip_norm: float = 1.0
    ema_decay: float = 0.995
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch_size", "learning_rate", "time_shift", "clip_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("decay_from", "prompt_dropout", "ema_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


class Trainer:
    """Holds what a run changes: the weights, their running average (ema), the optimizer, the dice, the losses.

    draw(count, generator) -> (clips (count, ...), conditions (count, L)) makes a batch; all-zero rows of the
    conditions are the null prompt. `Trainer.run(until)` may be called again to go on.
    """

    def __init__(self, model: nn.Module, draw, config: TrainConfig):
        self.model, self.draw, self.config = model, draw, config
        self.ema = copy.deepcopy(model).requires_grad_(False).eval()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        """Steps taken so far."""
        return len(self.losses)

    def run(self, until: int | None = None, progress: bool = True) -> Trainer:
        """Train up to step `until` (the whole run by default). Stops with a clear error if the loss is not finite."""
        until = self.config.steps if until is None else min(until, self.config.steps)
        self.model.train()
        for _ in tqdm(range(self.step, until), desc="training", disable=not progress):
            self._one_step()
        return self

    def _one_step(self) -> None:
        config = self.config
        x0, condition = self.draw(config.batch_size, self.generator)
        device = next(self.model.parameters()).device
        hidden = torch.rand(len(x0), generator=self.generator) < config.prompt_dropout
        condition = condition.masked_fill(hidden.unsqueeze(1), 0)

        loss = flow_loss(self.model, x0.to(device), condition.to(device), self.generator, config.time_shift)
        if not loss.isfinite():
            raise FloatingPointError(
                f"the loss at step {self.step} is {loss.item()}; try a smaller learning_rate "
                f"(now {config.learning_rate}) or clip_norm (now {config.clip_norm})"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * self._schedule(self.step)
        self.optimizer.step()
        self._average()
        self.losses.append(loss.item())

    def _schedule(self, step: int) -> float:
        """Rise, stay, fall to zero: the factor on the learning rate."""
        config = self.config
        rise = (step + 1) / config.warmup if step < config.warmup else 1.0
        fall = (config.steps - step) / max(1.0, config.steps * (1 - config.decay_from))
        return min(1.0, rise, fall)

    @torch.no_grad()
    def _average(self) -> None:
        """Running average of the parameters. Young averages must forget fast, or early samples are noise."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.model.parameters()), 1 - decay)
