"""A whole run in a folder: train, write down, save, look at clips on the way, and go on after a stop."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from ditcourse import environment
from ditcourse.diffusion import sample
from ditcourse.model.autoencoder import Autoencoder
from ditcourse.model.dit import DiT, DiTConfig
from ditcourse.training import checkpoint, distributed
from ditcourse.training.checkpoint import write_whole
from ditcourse.training.config import TrainConfig
from ditcourse.training.data import Draw, load_autoencoder, sky_latents, tokenizer, world_batches
from ditcourse.training.hardware import choose_device, matmul_ceiling
from ditcourse.training.loop import Trainer
from ditcourse.world import WORLDS

RUN, METRICS, LATENTS = "run.json", "metrics.jsonl", "latents.safetensors"
PROMPTS = {  # for the clips on the way
    "mini": ("a red circle moves left", "a green square moves up", "a blue triangle moves down"),
    "sky": (
        "a golden dragon circles in a starry night",
        "a red kite rises at clear noon",
        "a white bird flies left at golden sunset",
        "a violet star falls in a dark storm",
    ),
}


@dataclass(frozen=True)
class RunConfig:
    """Model, training, data, and what is kept on the way. Steps between checkpoints and clips; 0: none.

    world "mini" paints new clips for every batch. Of "sky" (Skyworld) as many clips as `clips` says are encoded before
    the first step, and trained on ever after.
    """

    model: DiTConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    world: str = "mini"
    clips: int = 4096
    checkpoint_every: int = 500
    sample_every: int = 500
    prompts: tuple[str, ...] | None = None  # None: three or four of the world's

    def __post_init__(self):
        if self.world not in WORLDS:
            raise ValueError(f"there is no world {self.world!r}; allowed: {', '.join(WORLDS)}")
        object.__setattr__(self, "prompts", tuple(self.prompts or PROMPTS[self.world]))
        for name in ("checkpoint_every", "sample_every"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 0:
                raise ValueError(f"{name} must be a whole number, 0 for never, got {getattr(self, name)!r}")
        if not isinstance(self.clips, int) or self.clips < 1:
            raise ValueError(f"clips must be a whole number of at least 1, got {self.clips!r}")

    @classmethod
    def preset(cls, rung: str, **train) -> RunConfig:
        """The recipe of a rung, with changes to its training: `preset("cpu", steps=100)`.

        "mini" is the miniature of chapter 3; "cpu", "t4" and "big" are the small Sora, for the hardware they name.
        """
        if rung not in RUNGS:
            raise ValueError(f"there is no rung {rung!r}; allowed: {', '.join(RUNGS)}")
        config = RUNGS[rung]
        return replace(config, train=TrainConfig.from_dict(asdict(config.train) | train))

    @classmethod
    def from_dict(cls, values: dict) -> RunConfig:
        """The config that `dataclasses.asdict` (or its JSON) holds."""
        names = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r}; allowed: {', '.join(names)}")
        parts = {"model": DiTConfig.from_dict(values["model"]), "train": TrainConfig.from_dict(values["train"])}
        return cls(**values | parts)

    @classmethod
    def read(cls, path: str | Path) -> RunConfig:
        """The recipe of a run from its run.json. Raises ValueError, naming the file, where it holds none."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text())["config"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no recipe of a run: {error}") from error


# For a GPU the sizes are estimates: no GPU has run them yet. 10 TFLOP/s, as a T4 should do, are 22 minutes for "t4".
RUNGS = {
    "mini": RunConfig(DiTConfig.preset("mini")),
    "cpu": RunConfig(DiTConfig.preset("cpu"), TrainConfig(steps=1000, learning_rate=1e-3), "sky", 2048),
    "t4": RunConfig(
        DiTConfig.preset("t4"),
        TrainConfig(steps=10000, batch_size=128, learning_rate=1e-3, ema_decay=0.999, compile=True),
        "sky",
        32768,
        checkpoint_every=1000,
        sample_every=1000,
    ),
    "big": RunConfig(
        DiTConfig.preset("big"),
        TrainConfig(steps=6000, batch_size=512, learning_rate=1e-3, ema_decay=0.999, compile=True),
        "sky",
        65536,
        checkpoint_every=1000,
        sample_every=1000,
    ),
}


def start(config: RunConfig, device: str | torch.device = "cpu", draw=world_batches, shard: bool = False) -> Trainer:
    """The trainer of a run at its first step; the seed also decides the first weights."""
    torch.manual_seed(config.train.seed)
    return Trainer(DiT(config.model), draw, config.train, device, shard)


def fit(
    config: RunConfig,
    folder: str | Path,
    device: str | None = None,
    resume: bool = False,
    draw: Draw | None = None,
    shard: bool = False,
    progress: bool = True,
    on_clips: Callable[[Path, Tensor, list[str]], None] | None = None,
) -> Trainer:
    """Train from the start, or go on from the last checkpoint (resume), until the steps are done.

    folder gets run.json (the config and the machine), metrics.jsonl (one line every 50 steps; TensorBoard's files too
    if it is installed), checkpoints, and at the end the averaged weights as `save_weights` writes them. draw makes the
    batches (see `Trainer`), by default those of the config's world; Skyworld's latents are kept in the folder.
    Stopped by Ctrl+C it writes the averaged weights of that moment before it ends.
    on_clips(path without suffix, clips, prompts) gets clips of the averaged model on the way, always from the same
    noise. Raises FileExistsError where the folder holds a run and resume was not asked for.
    """
    folder = Path(folder)
    with distributed.processes() as own_device:
        where = own_device or choose_device(device)
        found = checkpoint.last_checkpoint(folder)
        if found is not None and not resume:
            raise FileExistsError(f"{folder} holds a run already ({found.name}): resume it, or name another folder")
        autoencoder = load_autoencoder().to(where) if config.world == "sky" else None
        if draw is None:
            draw = world_batches
            if autoencoder is not None:
                keep, shown = folder / LATENTS, progress and distributed.is_main()
                draw = sky_latents(autoencoder, config.clips, config.train.seed, where, keep=keep, progress=shown)
        trainer = start(config, where, draw, shard)
        if found is not None:
            checkpoint.load_checkpoint(trainer, found)
        elif distributed.is_main():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / METRICS).unlink(missing_ok=True)
        if distributed.is_main():
            record = {"config": asdict(config), "processes": distributed.world_size(), "device": str(where)}
            record |= {"precision": str(trainer.dtype), "environment": environment.info().split("\n")}
            write_whole(folder / RUN, (json.dumps(record, indent=1) + "\n").encode())
        trainer.ceiling = matmul_ceiling(where, trainer.dtype)
        with _board(folder) as board:
            try:
                trainer.run(
                    progress=progress and distributed.is_main(),
                    on_log=lambda _, figures: _on_the_way(
                        trainer, figures, config, folder, board, on_clips, autoencoder
                    ),
                )
            except KeyboardInterrupt:  # a stop by hand or by a clock: what is there by now can be looked at
                if distributed.world_size() == 1:
                    checkpoint.save_weights(trainer.ema, folder)
                raise
        checkpoint.save_weights(trainer.ema, folder)
        distributed.wait()
    return trainer


def _on_the_way(
    trainer: Trainer, figures: dict, config: RunConfig, folder: Path, board, on_clips, autoencoder
) -> None:
    step, last = trainer.step, trainer.step == trainer.config.steps
    if distributed.is_main():
        line = {"step": step, "seconds": round(trainer.seconds, 2)} | {
            name: None if value is None else float(f"{value:.5g}") for name, value in figures.items()
        }
        with open(folder / METRICS, "a") as file:
            file.write(json.dumps(line) + "\n")
        if board is not None:
            for name, value in figures.items():
                if value is not None:
                    board.add_scalar(name, value, step)
    if config.checkpoint_every and (step % config.checkpoint_every == 0 or last):
        checkpoint.save_checkpoint(trainer, folder)
    if on_clips is not None and config.sample_every and (step % config.sample_every == 0 or last):
        tokens = tokenizer(WORLDS[config.world])(list(config.prompts))
        kind = config.train.prediction_type
        clips = clips_of(trainer.ema, tokens, autoencoder=autoencoder, prediction_type=kind)
        if distributed.is_main():
            on_clips(folder / "clips" / f"step-{step:06d}", clips, list(config.prompts))


def clips_of(
    model: DiT, condition: Tensor, seed: int = 0, autoencoder: Autoencoder | None = None, **options
) -> Tensor:
    """What the model makes of prompts as token numbers (B, L): clips (B, C, T, H, W) in [-1, 1] on the CPU.

    A model of latents needs the autoencoder that decodes them. options are those of `sample`. The same numbers, seed
    and options give the same clips.
    """
    config, device = model.config, next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)  # on the CPU: every machine draws the same noise
    noise = torch.randn(len(condition), config.in_channels, *config.input_size, generator=generator)
    condition = condition.to(device)
    made = sample(model, noise.to(device), condition, torch.zeros_like(condition), **options)
    if autoencoder is not None:
        with torch.no_grad():
            made = torch.cat([autoencoder.decode(part) for part in made.split(8)])
    return made.clamp(-1, 1).cpu()


@contextlib.contextmanager
def _board(folder: Path):
    """TensorBoard's writer if that is installed, else None."""
    writer = None
    if distributed.is_main():
        with contextlib.suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            writer = SummaryWriter(folder / "tensorboard")
    try:
        yield writer
    finally:
        if writer is not None:
            writer.close()


def read_metrics(folder: str | Path) -> list[dict]:
    """The lines of metrics.jsonl. After a resumed run a step may stand there twice: the later line counts."""
    found = {}
    for line in (Path(folder) / METRICS).read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # a line that a killed process left half written
            figures = json.loads(line)
            found[figures["step"]] = figures
    return [found[step] for step in sorted(found)]
