"""Chapter 10's measurements: how far from the floor, which learning rate, what goes wrong, and a long-range task.

    python experiments/training.py [--out experiments/results/training.json] [--only levels --only far ...]

One thread of one CPU, seeds fixed. The file is written after each part, and a part that stands in it is not measured
again, so a run that was stopped goes on where it was.

levels      The shipped miniature's loss at nine noise levels, between two brackets for the floor of its world.
small       A world of 48 clips and no prompts, where the floor is exact; a small model trained on just these.
rates       A tiny model on the captioned world with six learning rates.
failures    The same tiny run with one thing wrong at a time, and what gives it away.
half        What float16 and bfloat16 can hold, and a run that float16 stops.
far         The last frame shows what the first one shows, and nothing between does: attention over the whole clip,
            over neighbouring frames, over one frame.
"""

import copy
import json
import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ditcourse import environment, pipeline, world
from ditcourse.diffusion import ExactDenoiser, sample
from ditcourse.diffusion.noise import add_noise
from ditcourse.evaluate import prompt_following
from ditcourse.model import DiT, DiTConfig
from ditcourse.training import TrainConfig, Trainer, diffusion_loss, tokenizer, world_batches
from ditcourse.training.checkpoint import write_whole
from ditcourse.training.loss import random_times

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TINY = DiTConfig(depth=1, mlp_ratio=2.0, vocabulary_size=len(world.VOCABULARY))  # the miniature with one block
TRAIN = TrainConfig(steps=300, batch_size=8, warmup=20, ema_decay=0.99)
RATES = (1e-4, 5e-4, 2e-3, 1e-2, 3e-2, 5e-2)


def begin(config: TrainConfig, draw=world_batches, model: nn.Module | None = None) -> Trainer:
    """A tiny trainer at its first step; the weights come from seed 0."""
    torch.manual_seed(0)
    return Trainer(DiT(TINY) if model is None else model, draw, config)


def every(losses: list[float], count: int = 10) -> list[float]:
    """Means of `count` losses at a time, for a curve."""
    return [round(sum(losses[i : i + count]) / len(losses[i : i + count]), 4) for i in range(0, len(losses), count)]


def changed(**changes) -> TrainConfig:
    return TrainConfig.from_dict(asdict(TRAIN) | changes)


@torch.no_grad()
def loss_at(model, clips: Tensor, condition: Tensor | None, t: float | Tensor, seed: int = 5) -> float:
    """The mean loss of these clips at one noise level, or one for each, on noise of its own seed."""
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(seed))
    times, total = torch.as_tensor(t).expand(len(clips)), 0.0
    for i in range(0, len(clips), 32):
        p = slice(i, i + 32)
        words = None if condition is None else condition[p]
        total += diffusion_loss(model, clips[p], words, noise[p], times[p]).item() * len(clips[p])
    return total / len(clips)


@torch.no_grad()
def made(model, prompts: list[str], seed: int = 1, guidance_scale: float = 2.0) -> Tensor:
    """Clips of the model for these prompts, not clamped."""
    condition = tokenizer()(prompts)
    noise = torch.randn(len(prompts), *world.CLIP_SIZE, generator=torch.Generator().manual_seed(seed))
    return torch.cat([
        sample(model, n, c, torch.zeros_like(c), guidance_scale=guidance_scale)
        for n, c in zip(noise.split(32), condition.split(32), strict=True)
    ])  # fmt: skip


# --- the floor


def levels() -> dict:
    """Loss per level of the miniature and the answer 0, and brackets for the floor.

    For each caption 1,000 clips are rendered, and the exact denoiser of these is asked about ten of them, and about ten
    fresh ones. Of all denoisers it is the best for its 1,000 clips and not for the others. So on average over such sets
    its loss on clips of the set lies below the floor (the smallest loss that any model can have on endlessly many
    clips), and on fresh clips above it. "training": the same at times as they are drawn in training.
    """
    dice, set_size, asked = torch.Generator().manual_seed(11), 1000, 10
    model, tokens = pipeline.load("mini").model, tokenizer()
    rows = {name: [0.0] * (len(LEVELS) + 1) for name in ("mini", "zero", "inside", "outside")}
    captions, config = world.captions(), TrainConfig()
    for number, caption in enumerate(captions):
        known = world.render(set_size * [caption], dice)
        fresh = world.render(asked * [caption], dice)
        words, best = tokens(asked * [caption]), ExactDenoiser(known)
        drawn = random_times(asked, config.time_shift, dice, config.times)
        asks = (("mini", model, fresh), ("zero", answer_zero, fresh), ("inside", best, known[:asked]),
                ("outside", best, fresh))  # fmt: skip
        for i, t in enumerate((*LEVELS, drawn)):
            for name, who, clips in asks:
                condition = None if who is best else words
                rows[name][i] += loss_at(who, clips, condition, t, seed=number) / len(captions)
    found = rounded({name: row[:-1] for name, row in rows.items()})
    found["training"] = {name: float(f"{row[-1]:.4g}") for name, row in rows.items()}
    return {"levels": LEVELS, "set_size": set_size, "clips": asked * len(captions)} | found


def answer_zero(x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
    return torch.zeros_like(x)


def rounded(rows: dict) -> dict:
    return {name: [float(f"{x:.4g}") for x in row] for name, row in rows.items()}


def small() -> dict:
    """48 clips, no prompts: the exact denoiser's loss is the floor; a small model after 300 and 1,200 steps."""
    clips = world.render(world.captions(), torch.Generator().manual_seed(0))
    nothing = torch.zeros(len(clips), 5, dtype=torch.long)

    def draw(count: int, generator: torch.Generator):
        which = torch.randint(len(clips), (count,), generator=generator)
        return clips[which], nothing[which]

    best = ExactDenoiser(clips)
    twice, none = clips.repeat(2, 1, 1, 1, 1), nothing.repeat(2, 1)
    rows = {"floor": [loss_at(best, twice, None, t) for t in LEVELS]}
    trainer = begin(changed(steps=1200), draw)
    for until in (300, 1200):
        trainer.run(until, progress=False)
        rows[f"after {until}"] = [loss_at(trainer.ema, twice, none, t) for t in LEVELS]
    return {"levels": LEVELS, "clips": len(clips), "losses": every(trainer.losses, 20)} | rounded(rows)


# --- one learning rate, and another


def rates() -> dict:
    found = {}
    for rate in RATES:
        trainer = begin(changed(learning_rate=rate))
        row = {}
        try:
            trainer.run(progress=False)
            row["last"] = round(sum(trainer.losses[-50:]) / 50, 4)
        except FloatingPointError as error:
            row["stopped"] = str(error).split(";")[0]
        found[f"{rate:g}"] = row | {"losses": every(trainer.losses)}
        print(f"  rate {rate:g}: {row}", flush=True)
    return found


# --- failures, each provoked


class Negated(nn.Module):
    """Learning with this is learning with the sign of the target turned round: (-m - v)^2 = (m + v)^2."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.y_embedder = inner, inner.y_embedder

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return -self.inner(x, t, y)


class WrongTime(Negated):
    """The model is told 1 - t."""

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.inner(x, 1 - t, y)


def scaled(factor: float):
    def draw(count: int, generator: torch.Generator):
        clips, words = world_batches(count, generator)
        return factor * clips, words

    return draw


def failures() -> dict:
    prompts = world.captions()
    clips = world.render(prompts, torch.Generator().manual_seed(21))
    words = tokenizer()(prompts)
    other = words[torch.randperm(len(words), generator=torch.Generator().manual_seed(22))]

    def look(trainer: Trainer, model: nn.Module, factor: float = 1.0) -> dict:
        x = made(model, prompts) / factor
        figures = {
            "first": trainer.losses[0],
            "last": sum(trainer.losses[-50:]) / 50,
            "own prompt": loss_at(model, factor * clips, words, 0.9),
            "other prompt": loss_at(model, factor * clips, other, 0.9),
            "rms": x.square().mean().sqrt().item(),
            "grain": (x - blurred(x)).square().mean().sqrt().item(),
        } | {name: share for name, share in prompt_following(x.clamp(-1, 1), prompts).items()}
        return {name: float(f"{value:.4g}") for name, value in figures.items()} | {"losses": every(trainer.losses)}

    real = {"rms": clips.square().mean().sqrt().item(), "grain": (clips - blurred(clips)).square().mean().sqrt().item()}
    found = {"real": {name: float(f"{value:.4g}") for name, value in real.items()}}
    healthy = begin(TRAIN)
    late = copy.deepcopy(healthy.ema)  # the average with a large decay and no warm-up
    while healthy.step < TRAIN.steps:
        healthy.run(healthy.step + 1, progress=False)
        with torch.no_grad():
            torch._foreach_lerp_(list(late.parameters()), list(healthy.model.parameters()), 1 - 0.9999)
    found["healthy"] = look(healthy, healthy.ema) | {
        "per level": [round(loss_at(healthy.ema, clips, words, t), 4) for t in LEVELS]
    }
    found["average too young"] = look(healthy, late) | {"share of the first weights": round(0.9999**TRAIN.steps, 4)}
    del found["average too young"]["losses"]
    for name, config, draw, wrap, factor in (
        ("clips times 0.18", TRAIN, scaled(0.18), None, 0.18),
        ("clips times 10", TRAIN, scaled(10.0), None, 10.0),
        ("prompts never shown", changed(prompt_dropout=1.0), world_batches, None, 1.0),
        ("sign turned round", TRAIN, world_batches, Negated, 1.0),
        ("time turned round", TRAIN, world_batches, WrongTime, 1.0),
        ("too narrow", TRAIN, world_batches, None, 1.0),
        ("no time shift", changed(time_shift=1.0), world_batches, None, 1.0),
    ):
        torch.manual_seed(0)
        model = wrap(DiT(TINY)) if wrap else DiT(replace(TINY, hidden_size=64)) if name == "too narrow" else None
        trainer = begin(config, draw, model).run(progress=False)
        found[name] = look(trainer, trainer.ema.inner if wrap else trainer.ema, factor)
        if name in ("no time shift", "too narrow"):
            found[name]["per level"] = [round(loss_at(trainer.ema, clips, words, t), 4) for t in LEVELS]
        print(" ", name, {key: value for key, value in found[name].items() if key != "losses"}, flush=True)
    return found


def blurred(x: Tensor) -> Tensor:
    """Each pixel the mean of 3 x 3: what is left besides is grain."""
    flat = x.transpose(1, 2).flatten(0, 1)
    soft = F.avg_pool2d(F.pad(flat, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return soft.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)


# --- float16


def half() -> dict:
    """Loss and gradient norm of one model in three precisions, as its clips are multiplied; and who stops the run."""
    found = {}
    clips, words = world_batches(8, torch.Generator().manual_seed(3))
    warm = begin(changed(steps=20)).run(progress=False).model
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(4))
    t = torch.linspace(0.1, 0.9, 8)
    for name in ("float32", "bfloat16", "float16"):
        dtype = getattr(torch, name)
        row = {"largest": torch.finfo(dtype).max, "smallest step above 1": torch.finfo(dtype).eps}
        for factor in (1, 1e3, 1e5):
            warm.zero_grad()
            with torch.autocast("cpu", dtype, enabled=name != "float32"):
                loss = diffusion_loss(warm, factor * clips, words, noise, t)
            loss.backward()
            norm = math.sqrt(sum(p.grad.square().sum().item() for p in warm.parameters()))
            row[f"times {factor:g}"] = {"finite": bool(loss.isfinite()) and math.isfinite(norm)}
        found[name] = row
    for name in ("bfloat16", "float16"):
        try:
            begin(changed(steps=5, precision=name), scaled(1e5)).run(progress=False)
            found[name]["run"] = "finished"
        except FloatingPointError as error:
            found[name]["run"] = str(error).split(";")[0]
    return found


# --- a long-range task


FRAMES, SIDE = 8, 8


class Window(nn.Module):
    """A block's attention, where a token sees only frames at most `reach` away from its own."""

    def __init__(self, attention: nn.Module, reach: int):
        super().__init__()
        self.attention = attention
        frame = torch.arange(FRAMES).repeat_interleave((SIDE // 4) ** 2)
        self.register_buffer("seen", (frame[:, None] - frame[None, :]).abs() <= reach)

    def forward(self, x: Tensor, rope: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.attention.heads(x, rope)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=self.seen)
        return self.attention.proj(x.transpose(1, 2).flatten(2))


def corners(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clips (count, 1, 8, 8, 8): a bright square in one of four corners in the first frame and the last. And which."""
    which = torch.randint(4, (count,), generator=generator)
    clips = torch.full((count, 1, FRAMES, SIDE, SIDE), -1.0)
    for i, corner in enumerate(which.tolist()):
        row, column = 4 * (corner // 2), 4 * (corner % 2)
        clips[i, 0, [0, -1], row : row + 4, column : column + 4] = 1.0
    return clips, which


def far_run(reach: int, steps: int = 1200) -> dict:
    """Train with this reach to go on from a first frame without noise; how often is the last frame right?"""
    torch.manual_seed(0)
    config = DiTConfig(
        input_size=(FRAMES, SIDE, SIDE), patch_size=(1, 4, 4), in_channels=1, hidden_size=32, depth=2, num_heads=2,
        num_classes=1,
    )  # fmt: skip
    model = DiT(config)
    for block in model.blocks:
        block.attn = Window(block.attn, reach)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    dice = torch.Generator().manual_seed(1)

    def ask(t: Tensor):
        """The model's guess of the clip, how wrong it is, and which corner was right."""
        clips, which = corners(len(t), dice)
        x = add_noise(clips, torch.randn(clips.shape, generator=dice), t)
        x[:, :, 0] = clips[:, :, 0]  # the first frame is given
        guess = model(x, t, torch.zeros(len(t), dtype=torch.long))
        return guess, (guess - clips)[:, :, 1:].square().mean(), which

    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1, 2 * (1 - step / steps))
        _, loss, _ = ask(torch.rand(24, generator=dice).sqrt())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess, _, which = ask(torch.ones(1000))  # of the other frames there is nothing but noise
    bright = F.avg_pool2d(guess[:, 0, -1], 4).flatten(1).argmax(1)
    right = (bright == which).float().mean().item()
    print(f"  reach {reach}: {right:.3f}", flush=True)
    return {"reach": reach, "steps": steps, "right": round(right, 4), "of": 1000}


def far() -> dict:
    return {name: far_run(reach) for name, reach in (("whole clip", 7), ("next frames", 1), ("one frame", 0))}


PARTS = {"levels": levels, "small": small, "rates": rates, "failures": failures, "half": half, "far": far}


@click.command()
@click.option("--out", default="experiments/results/training.json", show_default=True, type=click.Path(path_type=Path))
@click.option("--only", multiple=True, type=click.Choice(list(PARTS)), help="These parts, and no others.")
def main(out: Path, only: tuple[str, ...]) -> None:
    """Measure what is not yet in the file."""
    torch.set_num_threads(1)
    record = json.loads(out.read_text()) if out.exists() else {}
    record["command"] = "python experiments/training.py"
    record["model"], record["train"] = asdict(TINY), asdict(TRAIN)
    for name in only or PARTS:
        if name in record.get("parts", {}):
            continue
        start, busy = time.perf_counter(), time.process_time()
        found = PARTS[name]()
        seconds = {"clock": round(time.perf_counter() - start), "processor": round(time.process_time() - busy)}
        record.setdefault("parts", {})[name] = found
        record.setdefault("seconds", {})[name] = seconds
        record["environment"] = environment.info().split("\n")
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, (json.dumps(record, indent=1) + "\n").encode())
        print(name, seconds, flush=True)


if __name__ == "__main__":
    main()
