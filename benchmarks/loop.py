"""What the training loop itself costs: our loop, the bare model, and a loop around diffusers' model, interleaved.

    python benchmarks/loop.py [--batch 8] [--precision float32] [--repeats 7] [--compile] [--device cpu|cuda]
                              [--preset DiT-S/2] [--out file.json]

bare     forward, loss, backward and optimizer step of our model on one fixed batch: no data, noise, clipping, average.
ours     one step of `Trainer`, latents resident on the device.
peer     the usual loop around diffusers' DiT: noise, loss, backward, clipping, AdamW, `EMAModel`, `loss.item()`.
"""

import argparse
import datetime
import json
import sys
from pathlib import Path

import torch
from race import OURS, ceiling, compare, hardware, interleave, software, timed

from ditcourse.model import DiT, DiTConfig, count_macs
from ditcourse.training import TrainConfig, Trainer
from ditcourse.training.data import resident

HELD = 64  # latents on the device


def contenders(config: DiTConfig, batch: int, precision: str, compiled: bool, device: str) -> dict:
    """{name: function that takes one training step}; every model from the same random weights."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(HELD, config.in_channels, *config.input_size, generator=generator)
    labels = torch.randint(config.num_classes, (HELD,), generator=generator)

    draw = resident(latents, labels, device)
    torch.manual_seed(0)
    train = TrainConfig(batch_size=batch, precision=precision, compile=compiled, warmup=0, learning_rate=1e-4)
    trainer = Trainer(DiT(config), draw, train, device)
    found = {OURS: trainer._one_step, "bare model": bare(DiT(config), train, trainer.dtype, draw, device)}
    try:
        found["diffusers loop"] = diffusers_loop(config, train, trainer.dtype, draw, device)
    except ImportError as error:
        print(f"diffusers loop: not raced, {error}")
    return found


def bare(model, train: TrainConfig, dtype: torch.dtype, draw, device: str):
    """The least that a training step can be."""
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0, fused=device != "cpu")
    if train.compile:
        for block in model.blocks:
            block.compile()
    x, y = draw(train.batch_size, torch.Generator().manual_seed(1))
    t = torch.rand(len(x), device=device)

    def step():
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            loss = (model(x, t, y).float() - x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def diffusers_loop(config: DiTConfig, train: TrainConfig, dtype: torch.dtype, draw, device: str):
    """The loop of diffusers' training examples, for its own DiT, at our precision; eager, as they are."""
    import diffusers_dit as bridge
    from diffusers.training_utils import EMAModel

    model = bridge.build(config).to(device).train()
    average = EMAModel(model.parameters(), decay=train.ema_decay)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0)
    dice, losses = torch.Generator().manual_seed(0), []

    def step():
        x, y = draw(train.batch_size, dice)
        x = x[:, :, 0]
        t = torch.rand(len(x), device=device)
        noise = torch.randn_like(x)
        mixed = (1 - t.view(-1, 1, 1, 1)) * x + t.view(-1, 1, 1, 1) * noise
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            out = model(mixed, timestep=1000 * t, class_labels=y).sample
            loss = (out.float() - (noise - x)).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.step(model.parameters())
        losses.append(loss.item())

    return step


def run(config: DiTConfig, batch: int, precision: str, repeats: int, compiled: bool, device: str) -> dict:
    """The whole race; what it returns is what the JSON file holds beside the command."""
    record = {"hardware": hardware(), "software": software()}
    steps = {}
    for name, step in contenders(config, batch, precision, compiled, device).items():
        for _ in range(2):
            step()
        steps[name] = lambda step=step: timed(step, device, 10 if device == "cuda" else 1)
    peak = ceiling(device, precision)
    results = compare(interleave(steps, repeats))
    flops = 6 * count_macs(config, layer_norms=False) * batch
    for result in results.values():
        result |= {"clips_per_s": batch / result["median"], "mfu": flops / result["median"] / peak}
    return {
        "batch": batch, "precision": precision, "compiled": compiled, "device": device, "repeats": repeats,
        "date": datetime.date.today().isoformat(), **record, "ceiling_tflops": peak / 1e12,
        "own_share": 1 - results["bare model"]["median"] / results[OURS]["median"], "contenders": results,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--compile", action="store_true", help="compile the blocks of ours and of the bare model")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--preset", default="DiT-S/2")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    chosen = parser.parse_args(arguments)
    config = DiTConfig.preset(chosen.preset, learn_sigma=False)
    result = run(config, chosen.batch, chosen.precision, chosen.repeats, chosen.compile, chosen.device)
    command = " ".join(["python benchmarks/loop.py", *(sys.argv[1:] if arguments is None else arguments)])
    result = {"command": command, "preset": chosen.preset, **result}
    for name, r in result["contenders"].items():
        print(
            f"{name:16} min {1e3 * r['min']:8.1f} ms  median {1e3 * r['median']:8.1f} ms  "
            f"{r['clips_per_s']:7.2f} clips/s  MFU {r['mfu']:.0%}  ratio {r['ratio_median']:.3f} {r['verdict']}"
        )
    print(f"the loop's own share: {result['own_share']:.1%}")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
