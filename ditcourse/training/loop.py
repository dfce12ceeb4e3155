"""The training loop, on one screen: draw clips, ask, measure, step, average."""

from __future__ import annotations

import copy
import math
import time

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ditcourse.model.config import DiTConfig
from ditcourse.model.counts import count_macs
from ditcourse.training import distributed
from ditcourse.training.config import TrainConfig
from ditcourse.training.hardware import choose_precision
from ditcourse.training.loss import diffusion_loss, random_times
from ditcourse.training.muon import MuonAdamW, block_matrices

LOG_EVERY = 50  # steps


class Trainer:
    """Holds what a run changes: the weights, their running average (ema), the optimizer, the dice, the losses.

    draw(count, generator) -> (clips (count, ...), conditions (count, ...)) makes a batch on any device, its dice a CPU
    generator. model.y_embedder.null, if there is one, is the condition that hides the prompt (0 otherwise).
    `Trainer.run(until)` may be called again to go on. Under `torchrun` every process draws the same batch and works
    on its share of the rows; shard=True also splits the weights among them (FSDP2).
    """

    def __init__(
        self, model: nn.Module, draw, config: TrainConfig, device: str | torch.device = "cpu", shard: bool = False
    ):
        if shard and config.optimizer == "muon":
            raise ValueError("optimizer = 'muon' needs whole matrices, and shard splits them; take 'adamw'")
        self.draw, self.config, self.device = draw, config, torch.device(device)
        self.model = model.to(self.device)
        self.ema = copy.deepcopy(self.model).requires_grad_(False).eval()
        self.net = distributed.wrap(self.model, shard)  # what is called; its weights are the model's
        if shard:
            distributed.shard_model(self.ema)
        width = getattr(getattr(model, "config", None), "hidden_size", 0)
        self.dtype = choose_precision(config.precision, self.device, width)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        settings = {"lr": config.learning_rate, "betas": (0.9, 0.95), "weight_decay": config.weight_decay}
        settings["fused"] = self.device.type == "cuda"
        if config.optimizer == "muon":
            self.optimizer = MuonAdamW(*block_matrices(self.model), **settings)
        else:
            self.optimizer = torch.optim.AdamW(self.model.parameters(), **settings)
        self.generator = torch.Generator().manual_seed(config.seed)  # times, clips, hidden prompts
        self.noise_generator = self.generator
        if self.device.type != "cpu":  # noise is large: drawn where it is used
            self.noise_generator = torch.Generator(self.device).manual_seed(config.seed)
        if config.compile:
            for block in self.model.blocks:
                block.compile()
        self.step, self.seconds, self.micro_batches = 0, 0.0, 1
        self.ceiling: float | None = None  # FLOP/s of one device, `hardware.matmul_ceiling`, where MFU is wanted
        self._losses = torch.zeros(config.steps, device=self.device)  # one tensor, not thousands: they split the heap

    @property
    def losses(self) -> list[float]:
        """The loss of every step so far. Reading it waits for the device, so the loop itself does not."""
        return self._losses[: self.step].tolist()

    def set_losses(self, losses: Tensor) -> None:
        """The losses of a run that goes on, (steps,)."""
        self._losses[: len(losses)] = losses.to(self.device)

    def run(self, until: int | None = None, progress: bool = True, on_log=None) -> Trainer:
        """Train up to step `until` (the whole run by default). Stops with a clear error if the loss is not finite.

        Every 50 steps, and at the end, on_log(trainer, figures) is called: loss (mean since the last time), learning
        rate, clips per second, and MFU, the share of `ceiling` FLOP/s that went into the model.
        """
        until = self.config.steps if until is None else min(until, self.config.steps)
        self.model.train()
        start, first = time.perf_counter(), self.step
        bar = tqdm(total=self.config.steps, initial=self.step, desc="training", disable=not progress)
        while self.step < until:
            self._one_step()
            bar.update()
            if self.step % LOG_EVERY == 0 or self.step == until:  # the only places where the loop waits for a GPU
                recent = self._losses[(self.step - 1) // LOG_EVERY * LOG_EVERY : self.step].mean()
                self._stop_if_not_finite([recent])
                now = time.perf_counter()
                figures = self._figures(recent.item(), (self.step - first) * self.config.batch_size / (now - start))
                self.seconds, start, first = self.seconds + now - start, now, self.step
                bar.set_postfix({name: f"{value:.3g}" for name, value in figures.items() if value is not None})
                if on_log is not None:
                    on_log(self, figures)
                    start = time.perf_counter()  # what is written down does not count as training
        bar.close()
        return self

    def _figures(self, loss: float, clips_per_second: float) -> dict[str, float | None]:
        """What is shown on the way. A training step costs three forward passes, two FLOPs a multiplication."""
        mfu = None
        if self.ceiling and isinstance(getattr(self.model, "config", None), DiTConfig):
            flops = 6 * count_macs(self.model.config, layer_norms=False) * clips_per_second
            mfu = flops / (self.ceiling * distributed.world_size())
        rate = self.config.learning_rate_at(self.step - 1)
        return {"loss": loss, "clips_per_s": clips_per_second, "mfu": mfu, "learning_rate": rate}

    def _one_step(self) -> None:
        x0, condition, noise, t = self._batch()
        loss = self._backward(x0, condition, noise, t)
        self.scaler.unscale_(self.optimizer)  # does something in float16 only
        weights = self.model.parameters()
        norm = nn.utils.clip_grad_norm_(weights, self.config.clip_norm)
        if self.device.type == "cpu":  # here looking at once costs nothing
            skips = self.scaler.is_enabled()  # what is not finite is left out
            self._stop_if_not_finite([loss] if skips else [loss, norm])
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(self.step)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self._average()
        self._losses[self.step] = loss
        self.step += 1

    def _batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clips, conditions, noise and times of this process: the same dice in all of them, each takes its rows."""
        config = self.config
        x0, condition = self.draw(config.batch_size, self.generator)
        hidden = torch.rand(len(x0), generator=self.generator) < config.prompt_dropout
        noise = torch.randn(x0.shape, generator=self.noise_generator, device=self.device)
        t = random_times(len(x0), config.time_shift, self.generator, config.times)
        null = getattr(getattr(self.model, "y_embedder", None), "null", 0)
        condition = condition.to(self.device, non_blocking=True)
        hidden = hidden.to(self.device, non_blocking=True).reshape(-1, *[1] * (condition.dim() - 1))
        condition = condition.masked_fill(hidden, null)
        rows = distributed.local_rows(len(x0))
        return x0.to(self.device, non_blocking=True)[rows], condition[rows], noise[rows], t[rows]

    def _backward(self, x0: Tensor, condition: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The loss of the batch, and its gradients; in smaller parts, should the memory not hold it."""
        while True:
            try:
                return distributed.mean_over_processes(self._in_parts(x0, condition, noise, t))
            except torch.OutOfMemoryError:
                self._halve(len(x0))

    def _in_parts(self, x0: Tensor, condition: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The same in `micro_batches` parts, whose gradients add up."""
        total = torch.zeros((), device=self.device)
        parts = torch.arange(len(x0)).chunk(self.micro_batches)
        for part in parts:
            rows = slice(part[0], part[-1] + 1)
            with distributed.no_average(self.net, last=part is parts[-1]):
                with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                    loss = diffusion_loss(
                        self.net, x0[rows], condition[rows], noise[rows], t[rows], self.config.prediction_type
                    )
                loss = loss * (len(part) / len(x0))
                self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def _halve(self, rows: int) -> None:
        """Out of memory: the same batch in twice as many parts, which gives the same gradients."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.micro_batches >= rows:
            raise RuntimeError("the device has not enough memory for one clip; take a smaller model or clip")
        self.micro_batches *= 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        tqdm.write(
            f"Out of memory at step {self.step}: going on with parts of {math.ceil(rows / self.micro_batches)} clips; "
            f"the batch is still {self.config.batch_size}, so the result is the same."
        )

    def _stop_if_not_finite(self, values: list[Tensor]) -> None:
        """values: the losses of the last steps, or the loss and the gradient's norm of this one."""
        wrong = [value.item() for value in values if not value.isfinite()]
        if wrong:
            raise FloatingPointError(
                f"the loss or its gradient at step {self.step} is {wrong[0]}; try a smaller learning_rate (now "
                f"{self.config.learning_rate}) or clip_norm (now {self.config.clip_norm}), precision='float32', or "
                f"look for a NaN in the data"
            )

    @torch.no_grad()
    def _average(self) -> None:
        """Running average of the weights. A young one must forget fast."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        averages = list(self.ema.parameters())
        weights = list(self.model.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)
