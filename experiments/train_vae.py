"""Train the autoencoder that ships with the course, and measure it on clips that it has not seen.

    python experiments/train_vae.py --steps 8000 --out ditcourse/weights/vae
    python experiments/train_vae.py --again --clips 2048 --out ditcourse/weights/vae    only the oracle, on more clips

A stopped run goes on where its last checkpoint was (in --checkpoint). Trained on compositions of the training split
only: six batches in ten are pieces of 8 frames of 32 x 32 round the subject, three are whole clips, one holds clips of
4 frames or single pictures four times.
"""

import argparse
import hashlib
import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ditcourse import environment
from ditcourse.model.autoencoder import Autoencoder
from ditcourse.training.autoencoder import AutoencoderTrainer, AutoencoderTraining, normalise_latents, psnr
from ditcourse.training.checkpoint import load_weights, save_weights
from ditcourse.training.hardware import choose_device
from ditcourse.world import sky, sky_oracle, sky_words

SEEN, UNSEEN, AGAIN = 1, 2, 11  # seeds: clips for the latents' mean and deviation, for the measurement, for more of it


def draw(count: int, generator: torch.Generator, device="cpu") -> torch.Tensor:
    """A batch as large as `count` whole clips: those, or pieces round the subject, or short clips, or pictures."""
    kind = float(torch.rand(1, generator=generator))
    if kind < 0.6:
        return pieces(8 * count, generator, device)
    if kind < 0.9:
        return sky.paint(sky_words.random_picks(count, generator), generator, device=device)
    clips = sky.paint(sky_words.random_picks(4 * count, generator), generator, (4, 64, 64), device)
    return clips if kind < 0.95 else clips[:, :, :1].expand(-1, -1, 4, -1, -1)


def pieces(count: int, generator: torch.Generator, device="cpu") -> torch.Tensor:
    """8 frames of 32 x 32 pixels, most of them near the subject: sky alone is learned soon."""
    picks = sky_words.random_picks(count, generator)
    size = (8, 64, 64)
    same = torch.Generator()
    same.set_state(generator.get_state())
    centre = sky.tracks(picks, same, size)[:, 4]  # (count, 2)
    clips = sky.paint(picks, generator, size, device)
    off = 24 * (torch.rand(count, 2, generator=generator) - 0.5)
    corners = (32 * (centre + 1) - 16 + off).round().long().clamp(0, 32).tolist()
    return torch.stack([clip[:, :, y : y + 32, x : x + 32] for clip, (x, y) in zip(clips, corners, strict=True)])


def save(trainer: AutoencoderTrainer, path: Path) -> None:
    """Everything that a stopped run needs, in one file that is whole or not there."""
    tensors = {f"model.{k}": v for k, v in trainer.model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in trainer.ema.state_dict().items()}
    for number, state in trainer.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{k}": v for k, v in state.items()}
    tensors |= {"dice": trainer.generator.get_state(), "errors": trainer.errors[: trainer.step].cpu()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load(trainer: AutoencoderTrainer, path: Path) -> None:
    """The opposite of `save`."""
    tensors = load_file(path)
    part = lambda name: {k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)}  # noqa: E731
    trainer.model.load_state_dict(part("model."))
    trainer.ema.load_state_dict(part("ema."))
    state: dict = {}
    for key, value in part("optimizer.").items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    groups = trainer.optimizer.state_dict()["param_groups"]
    trainer.optimizer.load_state_dict({"state": state, "param_groups": groups})
    trainer.generator.set_state(tensors["dice"])
    trainer.step = len(tensors["errors"])
    trainer.errors[: trainer.step] = tensors["errors"]


@torch.no_grad()
def measure(model: Autoencoder, count: int, split: str, seed: int = UNSEEN) -> dict:
    """Mean, lowest and highest reconstruction PSNR, in decibels, and the mean by sky and by subject."""
    generator = torch.Generator().manual_seed(seed)
    picks = sky_words.random_picks(count, generator, split)
    values = []
    for part in picks.split(8):
        clips = sky.paint(part, generator, device=model.latent_mean.device)
        values.append(psnr(model.decode(model.encode(clips)), clips).cpu())
    values = torch.cat(values)
    result = {"clips": count, "mean": values.mean(), "lowest": values.min(), "highest": values.max()}
    for column, name in ((3, "sky"), (0, "subject")):
        for number, word in enumerate(sky_words.ATTRIBUTES[name]):
            if (picks[:, column] == number).any():
                result[word] = values[picks[:, column] == number].mean()
    return {key: value if isinstance(value, int) else round(float(value), 2) for key, value in result.items()}


@torch.no_grad()
def unfooled(model: Autoencoder, count: int, split: str, seed: int = UNSEEN) -> dict:
    """Share of rebuilt clips that the oracle reads as what was painted; beside it the same for the painted clips."""
    generator = torch.Generator().manual_seed(seed)
    picks = sky_words.random_picks(count, generator, split)
    right: dict = {}
    for part in picks.split(8):
        clips = sky.paint(part, generator, device=model.latent_mean.device)
        for kind, shown in (("rebuilt", model.decode(model.encode(clips))), ("painted", clips)):
            for reading, row in zip(sky_oracle.read(shown.cpu()), part.tolist(), strict=True):
                for (name, values), k in zip(sky_words.ATTRIBUTES.items(), row, strict=True):
                    right.setdefault(kind, {}).setdefault(name, []).append(reading.values[name] == values[k])
    return {kind: {name: round(sum(hits) / count, 4) for name, hits in table.items()} for kind, table in right.items()}


def again(folder: Path, count: int) -> None:
    """What the oracle reads off more rebuilt clips, of another seed, into run.json."""
    model = load_weights(folder, Autoencoder)
    record = json.loads((folder / "run.json").read_text())
    read = {split: unfooled(model, count, split, AGAIN) for split in ("train", "held-out")}
    record["oracle on more rebuilt clips"] = {"clips": count, "seed": AGAIN, **read}
    (folder / "run.json").write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/vae"))
    parser.add_argument("--checkpoint", type=Path, default=Path("runs/vae/checkpoint.safetensors"))
    parser.add_argument("--steps", type=int, default=AutoencoderTraining.steps)
    parser.add_argument("--batch-size", type=int, default=AutoencoderTraining.batch_size)
    parser.add_argument("--learning-rate", type=float, default=AutoencoderTraining.learning_rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=512, help="clips of the last measurement")
    parser.add_argument("--again", action="store_true", help="train nothing: show the oracle more clips, as rebuilt")
    options = parser.parse_args()
    if options.again:
        return again(options.out, options.clips)

    config = AutoencoderTraining(options.steps, options.batch_size, options.learning_rate, seed=options.seed)
    torch.manual_seed(config.seed)
    device = choose_device(None)
    trainer = AutoencoderTrainer(Autoencoder(), partial(draw, device=device), config, device)
    log = options.checkpoint.with_suffix(".jsonl")
    if options.checkpoint.is_file():
        load(trainer, options.checkpoint)
    start, first = time.perf_counter(), trainer.step

    def on_step(trainer: AutoencoderTrainer) -> None:
        save(trainer, options.checkpoint)
        recent = trainer.errors[max(0, trainer.step - 100) : trainer.step]
        figures = {"step": trainer.step, "mse": round(float(recent.mean()), 6)}
        figures["psnr"] = measure(trainer.ema, 32, "train", seed=3)["mean"]
        figures["seconds_a_step"] = round((time.perf_counter() - start) / (trainer.step - first), 3)
        with open(log, "a") as file:
            file.write(json.dumps(figures) + "\n")

    trainer.run(every=200, on_step=on_step)
    if trainer.step % 200 and trainer.step > first:
        on_step(trainer)
    generator = torch.Generator().manual_seed(SEEN)
    normalise_latents(trainer.ema, sky.paint(sky_words.random_picks(256, generator), generator, device=device))
    save_weights(trainer.ema, options.out)
    model = load_weights(options.out, Autoencoder).to(device)  # what is measured is what was saved, in float16
    curve = [json.loads(line) for line in log.read_text().splitlines()]
    record = {
        "command": f"python experiments/train_vae.py --steps {config.steps} --batch-size {config.batch_size} "
        f"--learning-rate {config.learning_rate} --seed {config.seed}",
        "training": asdict(config),
        "sha256": hashlib.sha256((options.out / "model.safetensors").read_bytes()).hexdigest(),
        "parameters": {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()},
        "seconds": round(curve[-1]["seconds_a_step"] * trainer.step),
        "psnr": {split: measure(model, options.clips, split) for split in ("train", "held-out")},
        "oracle on rebuilt clips": {split: unfooled(model, options.clips, split) for split in ("train", "held-out")},
        "curve": curve,
        "environment": environment.info().split("\n"),
    }
    (options.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
