"""Measure every rung of the ladder from the hand sheet to the block on one small task.

    python experiments/ladder.py [--steps 2000] [--seeds 3] [--out experiments/results/ladder.json]

A video in one dimension: 8 frames of a row of 16 pixels, a dot that moves round it; 16 starts times 4 velocities are
64 clips, and there are no others. Frames are tokens. A model sees a noised clip, its time and its velocity, and
predicts the noise. One linear map before the rung widens each frame to 32 numbers, one after it narrows them to 16, as
the sheet has an encoder and a decoder; they are the same for all rungs. Every rung is trained in the same way, then
measured on the same fresh noise, beside the exact denoiser of these clips (nothing can be below it but by chance) and
the answer 0. Then the whole ladder is trained again with one rung left out at a time. One thread of one CPU, fixed
seeds.
"""

import json
import statistics
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from unittest.mock import patch

import click
import torch
from torch import nn

from ditcourse import environment
from ditcourse.diffusion import FLOW, ExactDenoiser
from ditcourse.diffusion.noise import add_noise
from ditcourse.model.conditions import timestep_embedding
from ditcourse.model.ladder import NAMES, Ladder, LadderBlock, rung_number

FRAMES, PIXELS, VELOCITIES = 8, 16, (-2, -1, 1, 2)
WIDTH, HEADS, DEPTH = 32, 2, 3
EARLIEST = 0.1  # times are drawn from here to 1: with less noise there is nearly nothing to see of it
CONDITION = len(VELOCITIES) + 12
LEFT_OUT = ("normalise", "1 + scale", "curve on the condition", "residual and gate", "two-layer MLP", "positions")


@cache
def world() -> tuple[torch.Tensor, torch.Tensor]:
    """All clips (64, 8, 16), dot 1 and rest -1, and which velocity each has, (64,) from 1."""
    frame = torch.arange(FRAMES)
    clips, labels = [], []
    for label, velocity in enumerate(VELOCITIES, start=1):
        for start in range(PIXELS):
            place = (start + velocity * frame) % PIXELS
            clips.append(2 * nn.functional.one_hot(place, PIXELS).float() - 1)
            labels.append(label)
    return torch.stack(clips), torch.tensor(labels)


def draw(count: int, generator: torch.Generator):
    """Noised clips, their times, velocities and noise: (B, 8, 16), (B,), (B,), (B, 8, 16)."""
    clips, labels = world()
    which = torch.randint(len(clips), (count,), generator=generator)
    t = EARLIEST + (1 - EARLIEST) * torch.rand(count, generator=generator)
    noise = torch.randn(count, FRAMES, PIXELS, generator=generator)
    return add_noise(clips[which], noise, t, FLOW), t, labels[which], noise


def condition(t: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Velocity as one of four, and twelve waves of the time: (B, 16)."""
    velocity = nn.functional.one_hot(label - 1, len(VELOCITIES))
    return torch.cat([velocity, timestep_embedding(100 * t, 12)], dim=1)


class Model(nn.Module):
    """A rung between an encoder and a decoder: frames (B, 8, 16) and condition (B, 16) -> noise (B, 8, 16)."""

    def __init__(self, rung: str):
        super().__init__()
        below = rung_number(rung) < rung_number("queries and keys")
        self.encoder = nn.Linear(PIXELS, WIDTH)
        self.ladder = Ladder(rung, WIDTH, CONDITION, HEADS, DEPTH, scores=given_scores() if below else None)
        self.decoder = nn.Linear(WIDTH, PIXELS)

    def forward(self, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.ladder(self.encoder(x), c))


def given_scores() -> torch.Tensor:
    """What stands in for queries and keys below that rung: each frame marks itself and the next, the last the first."""
    return torch.eye(FRAMES) + torch.eye(FRAMES).roll(1, dims=1)


def without(name: str):
    """Build and run ladders in which this one rung is left out."""

    def has(self, other):
        return other != name and self.rung >= rung_number(other)

    return patch.multiple(LadderBlock, has=has), patch.multiple(Ladder, has=has)


def train(rung: str, seed: int, steps: int, batch_size: int, lr: float) -> Model:
    """One rung, trained: Adam, the step falling to 0 along a straight line."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(1000 + seed)
    model = Model(rung)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        x, t, label, noise = draw(batch_size, dice)
        loss = (model(x, condition(t, label)) - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


def measure(rung: str, held_out, seeds: int, left_out: str | None = None, **how) -> dict:
    """Losses of one rung on the held-out draws, one for each seed."""
    x, t, label, noise = held_out
    losses = []
    for seed in range(seeds):
        first, second = without(left_out) if left_out else (nullcontext(), nullcontext())
        with first, second:
            model = train(rung, seed, **how)
            with torch.no_grad():
                losses.append((model(x, condition(t, label)) - noise).square().mean().item())
    result = {
        "rung": rung,
        **({"left out": left_out} if left_out else {}),
        "losses": [round(loss, 4) for loss in losses],
        "median": round(statistics.median(losses), 4),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    print(json.dumps(result), flush=True)
    return result


@click.command()
@click.option("--steps", default=2000, show_default=True)
@click.option("--batch-size", default=64, show_default=True)
@click.option("--lr", default=3e-3, show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--out", default="experiments/results/ladder.json", show_default=True, type=click.Path(path_type=Path))
def main(steps: int, batch_size: int, lr: float, seeds: int, out: Path) -> None:
    """Train and measure every rung, and write the record."""
    torch.set_num_threads(1)
    how = {"steps": steps, "batch_size": batch_size, "lr": lr}
    held_out = draw(4096, torch.Generator().manual_seed(7))
    x, t, label, noise = held_out
    clips, labels = world()
    exact = ExactDenoiser(clips, labels, schedule=FLOW, prediction_type="epsilon")
    record = {
        "command": f"python experiments/ladder.py --steps {steps} --batch-size {batch_size} --lr {lr} --seeds {seeds}",
        "config": {**how, "seeds": seeds, "clips": len(clips), "frames": FRAMES, "pixels": PIXELS, "width": WIDTH,
                   "depth": DEPTH, "heads": HEADS, "held_out": len(x), "earliest_t": EARLIEST, "schedule": "flow",
                   "given_scores": "each frame marks itself and the next, the last one the first"},
        "environment": environment.info().split("\n"),
        "threads": 1,
        "exact": round((exact(x, t, label) - noise).square().mean().item(), 4),
        "zero": round(noise.square().mean().item(), 4),
    }  # fmt: skip
    print(json.dumps(record), flush=True)
    record["rungs"] = [measure(name, held_out, seeds, **how) for name in NAMES]
    record["left_out"] = [measure(NAMES[-1], held_out, seeds, left_out=name, **how) for name in LEFT_OUT]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {out}; chapter 9 reads its copy, ditcourse/figures/ladder.json")


if __name__ == "__main__":
    main()
