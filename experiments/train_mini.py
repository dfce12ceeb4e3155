"""Train the miniature of chapter 3 to its end, and keep the weights and the record of the run.

    python experiments/train_mini.py [--steps 3000] [--batch-size 32] [--out ditcourse/weights/mini]

Writes model.safetensors (fp16, the average of the weights), config.json, run.json (config, hardware, seed, seconds,
losses, prompt following along the way) and clips.webp (a clip for each caption, for the prompt explorer).
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import click
import torch

from ditcourse import environment, world
from ditcourse.evaluate import prompt_following
from ditcourse.figures.explorer import sprite
from ditcourse.model import DiT, DiTConfig
from ditcourse.pipeline import Pipeline
from ditcourse.training import TrainConfig, Trainer
from ditcourse.training.checkpoint import load_weights, save_weights, write_whole
from ditcourse.training.data import world_batches

MEASURE_AT = (100, 200, 300, 400, 500, 600, 700, 800, 1000, 1250, 1500, 1750, 2000, 2500, 3000, 3500, 4000)


@click.command()
@click.option("--steps", default=TrainConfig.steps, show_default=True)
@click.option("--batch-size", default=TrainConfig.batch_size, show_default=True)
@click.option("--seed", default=TrainConfig.seed, show_default=True)
@click.option("--out", default="ditcourse/weights/mini", show_default=True, type=click.Path(path_type=Path))
def main(steps: int, batch_size: int, seed: int, out: Path) -> None:
    """Train the miniature and record the run."""
    config = TrainConfig(steps=steps, batch_size=batch_size, seed=seed)
    torch.manual_seed(config.seed)
    trainer = Trainer(DiT(DiTConfig.preset("mini")), world_batches, config)
    prompts, progress, seconds = 2 * world.captions(), [], 0.0
    for until in sorted({step for step in MEASURE_AT if step < steps} | {steps}):
        start = time.perf_counter()
        trainer.run(until, progress=False)
        seconds += time.perf_counter() - start
        result = prompt_following(Pipeline(trainer.ema)(prompts, seed=1), prompts)
        recent = sum(trainer.losses[-50:]) / 50
        progress.append(
            {"step": until, "seconds": round(seconds, 1), "loss": round(recent, 4), "right": result}
        )
        print(json.dumps(progress[-1]), flush=True)
    save_weights(trainer.ema, out)
    shipped = Pipeline(load_weights(out))
    write_whole(out / "clips.webp", sprite(shipped(world.captions(), seed=0)))
    right = prompt_following(shipped(prompts * 4, seed=2), prompts * 4)
    run = {
        "command": f"python experiments/train_mini.py --steps {steps} --batch-size {batch_size} --seed {seed}",
        "config": asdict(config),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "environment": environment.info().split("\n"),
        "training_seconds": round(seconds, 1),
        "progress": progress,
        "shipped": {
            "clips": len(prompts) * 4,
            "seed": 2,
            "num_inference_steps": 25,
            "guidance_scale": 2.0,
            "right": right,
        },
        "losses": [round(loss, 4) for loss in trainer.losses],
    }
    write_whole(out / "run.json", (json.dumps(run, indent=1) + "\n").encode())
    print(json.dumps(run["shipped"]))


if __name__ == "__main__":
    main()
