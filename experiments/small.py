"""Which small Sora? One change at a time, each trained alike, judged by loss and by the oracle.

    python experiments/small.py                      all that are not in the ledger yet
    python experiments/small.py --only rope --steps 2000

Every run is a line of experiments/results/small.jsonl: command, config, hardware, seconds, figures. A run that stands
there with the same config is not repeated. The latents are encoded once and kept in runs/sky.safetensors.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ditcourse import environment
from ditcourse.evaluate import hits, interval
from ditcourse.model import DiTConfig
from ditcourse.pipeline import Pipeline
from ditcourse.training import RunConfig, load_autoencoder, sky_latents, tokenizer
from ditcourse.training.data import encoded
from ditcourse.training.hardware import choose_device
from ditcourse.training.loss import diffusion_loss
from ditcourse.training.run import start
from ditcourse.world import SKY, sky_words

LEDGER = Path(__file__).parent / "results" / "small.jsonl"
UNSEEN = 77  # seed of the clips that the loss is measured on
CHANGES = {  # name -> changes of the model, changes of the training
    "base": ({}, {}),
    "muon": ({}, {"optimizer": "muon"}),
    "muon, twice the rate": ({}, {"optimizer": "muon", "learning_rate": 2e-3}),
    "twice the rate": ({}, {"learning_rate": 2e-3}),
    "clip predicted": ({}, {"prediction_type": "x0"}),
    "rope": ({"positions": "rope"}, {}),
    "pooled words only": ({"word_tokens": 0}, {}),
    "adaLN-Zero": ({"modulation": "adaLN-Zero"}, {}),
    "no QK-norm": ({"qk_norm": False}, {}),
    "deeper": ({"depth": 8}, {}),
    "wider": ({"hidden_size": 192}, {}),
    "uniform times": ({}, {"times": "uniform"}),
    "no shift of time": ({}, {"time_shift": 1.0}),
    "shift of time 4": ({}, {"time_shift": 4.0}),
}


def recipe(name: str, steps: int, seed: int) -> RunConfig:
    """The rung "cpu" with one change."""
    model, train = CHANGES[name]
    base = RunConfig.preset("cpu", steps=steps, seed=seed, **train)
    return replace(base, model=DiTConfig.from_dict(asdict(base.model) | model), clips=8192)


@torch.no_grad()
def unseen_loss(model, autoencoder, prediction_type: str, count: int = 128) -> float:
    """Error of the velocity on clips of another seed, each at eight times and with its full sentence."""
    found = encoded(autoencoder, count, UNSEEN, "train", progress=False)
    generator = torch.Generator().manual_seed(UNSEEN)
    values = [[names[k] for names, k in zip(SKY.attributes.values(), row, strict=True)] for row in found["picks"]]
    tokens = tokenizer(SKY)([sky_words.caption(dict(zip(SKY.attributes, row, strict=True))) for row in values])
    device, losses = next(model.parameters()).device, []
    for t in torch.linspace(0.1, 0.9, 8).tolist():
        for part in torch.arange(count).split(32):
            x0 = found["latents"][part].float().to(device)
            noise = torch.randn(x0.shape, generator=generator).to(device)
            times, words = torch.full((len(part),), t), tokens[part].to(device)
            losses.append(diffusion_loss(model, x0, words, noise, times, prediction_type).item())
    return sum(losses) / len(losses)


def run(name: str, steps: int, seed: int, count: int, device) -> dict:
    """Train one and measure it."""
    config = recipe(name, steps, seed)
    autoencoder = load_autoencoder().to(device)
    draw = sky_latents(autoencoder, config.clips, 0, device, keep=Path("runs/sky.safetensors"), progress=True)
    began = time.perf_counter()
    trainer = start(config, device, draw).run()
    seconds = time.perf_counter() - began
    pipe = Pipeline(trainer.ema, SKY, autoencoder, config.train)
    captions = SKY.captions("train")
    order = torch.randperm(len(captions), generator=torch.Generator().manual_seed(1))[:count].tolist()
    prompts = [captions[k] for k in order]
    readings = [r for k in range(0, count, 32) for r in SKY.read(pipe(prompts[k : k + 32], seed=k))]
    right = hits(readings, prompts, SKY)
    return {
        "name": name,
        "config": asdict(config),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "seconds": round(seconds),
        "unseen loss": round(unseen_loss(trainer.ema, autoencoder, config.train.prediction_type), 4),
        "training loss": round(sum(trainer.losses[-100:]) / 100, 4),
        "right": {key: [round(x, 3) for x in (sum(v) / count, *interval(v))] for key, v in right.items()},
        "clips": count,
        "environment": environment.info().split("\n"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(CHANGES), default=list(CHANGES))
    parser.add_argument("--steps", type=int, default=1250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=96, help="clips for the oracle")
    parser.add_argument("--ledger", type=Path, default=LEDGER)
    options = parser.parse_args()
    lines = options.ledger.read_text().splitlines() if options.ledger.is_file() else []
    done = [json.loads(line)["config"] for line in lines]
    for name in options.only:
        wanted = json.loads(json.dumps(asdict(recipe(name, options.steps, options.seed))))
        if wanted in done:
            print(f"{name}: is in the ledger")
            continue
        result = run(name, options.steps, options.seed, options.clips, choose_device(None))
        with open(options.ledger, "a") as file:
            file.write(json.dumps(result) + "\n")
        print(name, result["seconds"], result["unseen loss"], result["right"])


if __name__ == "__main__":
    main()
