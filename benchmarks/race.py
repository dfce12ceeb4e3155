"""Race our DiT against public peers: forward and backward, interleaved in one process. See README.md beside this file.

python benchmarks/race.py image|video [--batch 4] [--precision float32|bfloat16] [--repeats 7] [--compile]
                                      [--device cpu|cuda] [--preset DiT-S/2] [--out file.json]
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/model")]  # the course, and its copy of weights into diffusers
sys.path.append(str(ROOT / ".venv-bench"))  # peers that only the race needs: `make bench` puts them there

from ditcourse.model import DiT, DiTConfig  # noqa: E402
from ditcourse.training.hardware import matmul_ceiling  # noqa: E402

OURS = "ours"
BATCH = {"image": 4, "video": 2}


@dataclass
class Contender:
    """A model, and how to call it for one batch: call(model) -> output."""

    model: nn.Module
    call: Callable[[nn.Module], Tensor]
    tokens: int | None  # None: no transformer over patches


def field(race: str, config: DiTConfig, batch: int, device: str = "cpu"):
    """({name: Contender}, {name: why it is not raced}, largest difference of the outputs where weights are equal)."""
    torch.manual_seed(0)
    ours = DiT(config).to(device)
    for parameter in ours.parameters():  # zeros, as at the start of training, would make layers trivial
        nn.init.normal_(parameter, std=0.02)
    x = torch.randn(batch, config.in_channels, *config.input_size, device=device)
    step, label = (torch.randint(n, (batch,), device=device) for n in (1000, config.num_classes))
    found = {OURS: Contender(ours, lambda model: model(x, step / 1000, label), config.num_tokens)}
    skipped, difference = {}, None
    for name, build in PEERS[race].items():
        try:
            found[name] = build(found[OURS], x, step, label)
        except ImportError as error:
            skipped[name] = f"not raced, {error}"
    for contender in found.values():
        contender.model.eval()  # nothing is dropped at random
    if "diffusers DiT" in found:
        with torch.no_grad():
            outputs = [contender.call(contender.model).flatten() for contender in found.values()]
        difference = (outputs[0] - outputs[1]).abs().max().item() / outputs[0].abs().max().item()
    return found, skipped, difference


def as_video(config: DiTConfig) -> DiTConfig:
    """The same blocks for 16 frames of 16x16x4, without the learned variance that video peers do not have."""
    changes = {"input_size": (16, 16, 16), "learn_sigma": False}
    return DiTConfig.from_dict(vars(config) | changes)


def diffusers_dit(ours: Contender, x: Tensor, step: Tensor, label: Tensor) -> Contender:
    """The same model with the same weights."""
    import diffusers_dit as bridge

    model = bridge.build(ours.model.config).to(x.device)
    bridge.copy_weights(ours.model, model)
    image = x[:, :, 0]
    return Contender(model, lambda m: m(image, timestep=step, class_labels=label).sample, ours.tokens)


def latte(ours: Contender, x: Tensor, step: Tensor, label: Tensor, pairs: int | None = None) -> Contender:
    """The same tokens, width, heads and number of blocks; attention by turns within a frame and along time."""
    import diffusers

    config = ours.model.config
    model = diffusers.LatteTransformer3DModel(
        num_attention_heads=config.num_heads,
        attention_head_dim=config.hidden_size // config.num_heads,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        num_layers=pairs or config.depth // 2,  # pairs of a block in space and one in time
        attention_bias=True,
        sample_size=config.input_size[1],
        patch_size=config.patch_size[1],
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        caption_channels=8,  # no cross-attention, as in ours: the caption goes nowhere
        video_length=config.input_size[0],
    )
    caption = torch.zeros(len(x), 1, 8, device=x.device)
    return Contender(
        model.to(x.device), lambda m: m(x, timestep=step, encoder_hidden_states=caption).sample, config.num_tokens
    )


def deeper_latte(ours: Contender, *batch: Tensor) -> Contender:
    """As many pairs of blocks as fit into our FLOPs."""
    pairs = ours.model.config.depth // 2
    return latte(ours, *batch, int(pairs * forward_flops(ours) / forward_flops(latte(ours, *batch))))


def unet(ours: Contender, x: Tensor, step: Tensor, label: Tensor, dim: int | None = None) -> Contender:
    """lucidrains' 3-D U-Net with its own defaults; width 64 beside DiT-S makes it about as many parameters."""
    real = sys.modules.get("torchvision")
    sys.modules["torchvision"] = MagicMock()  # its data loader asks for it at import, its U-Net does not
    try:
        from video_diffusion_pytorch import Unet3D
    finally:
        sys.modules.pop("torchvision")
        sys.modules.update({"torchvision": real} if real else {})
    config = ours.model.config
    model = Unet3D(dim=dim or config.hidden_size // 6, channels=config.in_channels, out_dim=config.out_channels)
    return Contender(model.to(x.device), lambda m: m(x, step), None)


def wider_unet(ours: Contender, *batch: Tensor) -> Contender:
    """As wide, in steps of 8, as our FLOPs allow."""
    most, narrow = forward_flops(ours), unet(ours, *batch)
    width = ours.model.config.hidden_size // 6
    width = max(8, int(width * (most / forward_flops(narrow)) ** 0.5 / 8) * 8)  # they grow a little slower than this
    found = unet(ours, *batch, width)
    while forward_flops(wider := unet(ours, *batch, width + 8)) <= most:
        found, width = wider, width + 8
    return found


PEERS = {
    "image": {"diffusers DiT": diffusers_dit},
    "video": {
        "Latte, as many blocks": latte,
        "Latte, as many FLOPs": deeper_latte,
        "Unet3D, as many parameters": unet,
        "Unet3D, as many FLOPs": wider_unet,
    },
}


def forward_flops(contender: Contender) -> int:
    """FLOPs of the matrix products, convolutions and attention of one forward pass, as torch counts them."""
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        contender.call(contender.model)
    return counter.get_total_flops()


def kept_bytes(contender: Contender, forward: Callable[[], Tensor]) -> int:
    """Bytes that one forward pass keeps for the backward pass, weights not counted."""
    weights = {p.untyped_storage().data_ptr() for p in contender.model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def interleave(steps: dict[str, Callable[[], float]], rounds: int) -> list[tuple[str, float]]:
    """(name, seconds) in the order of running: everyone once a round, each round begun by the next one."""
    names, runs = list(steps), []
    for turn in range(rounds):
        first = turn % len(names)
        runs += [(name, steps[name]()) for name in names[first:] + names[:first]]
    return runs


def compare(runs: list[tuple[str, float]]) -> dict[str, dict]:
    """Per contender: times, min, median, and their ratio to ours (above 1: ours is quicker), overall and by round."""
    times, results = {}, {}
    for name, seconds in runs:
        times.setdefault(name, []).append(seconds)
    ours = times[OURS]
    for name, seconds in times.items():
        rounds = [theirs / our for theirs, our in zip(seconds, ours, strict=True)]
        low, high = min(rounds), max(rounds)
        results[name] = {
            "seconds": seconds,
            "min": min(seconds),
            "median": statistics.median(seconds),
            "ratio_min": min(seconds) / min(ours),
            "ratio_median": statistics.median(seconds) / statistics.median(ours),
            "ratio_rounds": [low, high],
            "verdict": "" if name == OURS else f"ours {'faster' if low > 1 else 'slower' if high < 1 else 'as fast'}",
        }
    return results


def timed(function: Callable[[], object], device: str, times: int = 1) -> float:
    """Seconds of one call, the mean of `times` calls."""
    synchronise = torch.cuda.synchronize if device == "cuda" else lambda: None
    synchronise()
    start = time.perf_counter()
    for _ in range(times):
        function()
    synchronise()
    return (time.perf_counter() - start) / times


def ceiling(device: str, precision: str, side: int | None = None) -> float:
    """FLOP/s of a large square matrix product, the best of ten: what the same machine can do."""
    side = side or (8192 if device == "cuda" else 2048)
    return matmul_ceiling(torch.device(device), getattr(torch, precision), 0, side)


def hardware() -> dict:
    """What ran the race, and how busy it was before."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf8") if Path("/proc/cpuinfo").exists() else ""
    lines = dict(line.split(":", 1) for line in cpuinfo.replace("\t", "").splitlines() if ":" in line)
    flags = lines.get("flags", "").split()
    return {
        "cpu": lines.get("model name", platform.processor()).strip(),
        "instructions": [f for f in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def software() -> dict:
    """Versions; None for a peer that is not installed."""
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    for package in ("diffusers", "video-diffusion-pytorch"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions


def run(race: str, config: DiTConfig, batch: int, precision: str = "float32", repeats: int = 7, compiled: bool = False,
        device: str = "cpu") -> dict:  # fmt: skip
    """The whole race; what it returns is what the JSON file holds beside the command."""
    record = {"hardware": hardware(), "software": software()}
    contenders, skipped, difference = field(race, config, batch, device)
    facts, steps = {}, {}
    for name, contender in contenders.items():
        model = torch.compile(contender.model) if compiled else contender.model

        def forward(model=contender.model, contender=contender):
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
                return contender.call(model)

        def step(contender=contender, model=model, forward=forward):
            contender.model.zero_grad(set_to_none=True)
            forward(model).float().square().mean().backward()

        facts[name] = {
            "tokens": contender.tokens,
            "parameters": sum(p.numel() for p in contender.model.parameters()),
            "gflops_forward": forward_flops(contender) / 1e9,
            "kept_mb": kept_bytes(contender, forward) / 2**20,
        }
        for _ in range(2):  # warm-up, and compilation
            step()
        steps[name] = lambda step=step: timed(step, device, 10 if device == "cuda" else 1)
    peak = ceiling(device, precision)
    results = compare(interleave(steps, repeats))
    for name, result in results.items():  # backward: twice the forward's matrix products
        mfu = 3e9 * facts[name]["gflops_forward"] / result["median"] / peak
        results[name] = facts[name] | result | {"mfu": mfu}
    return {
        "race": race, "batch": batch, "precision": precision, "compiled": compiled, "device": device,
        "repeats": repeats, "date": datetime.date.today().isoformat(), **record,
        "ceiling_tflops": peak / 1e12, "output_difference": difference, "contenders": results, "skipped": skipped,
    }  # fmt: skip


def report(result: dict) -> str:
    """The result as lines to print."""
    what = f"{result['race']}, batch {result['batch']}, {result['precision']}, {result['device']}"
    lines = [
        f"{what}{', compiled' if result['compiled'] else ''}; {result['repeats']} interleaved rounds, "
        f"forward + backward; matrix product {result['ceiling_tflops']:.3g} TFLOP/s"
    ]
    if result["output_difference"] is not None:
        lines.append(f"same weights: outputs differ by {result['output_difference']:.1e} of the largest")
    for name, r in result["contenders"].items():
        low, high = r["ratio_rounds"]
        lines.append(
            f"{name:26} {r['tokens'] or '-':>5} tokens  {r['parameters']:>11,} parameters  "
            f"{r['gflops_forward']:8.3f} GFLOPs forward  {r['kept_mb']:6.0f} MB kept  min {1e3 * r['min']:8.1f} ms  "
            f"median {1e3 * r['median']:8.1f} ms  MFU {r['mfu']:.0%}  ratio {r['ratio_min']:.2f} (min) "
            f"{r['ratio_median']:.2f} (median) {low:.2f} to {high:.2f} (rounds)  {r['verdict']}"
        )
    return "\n".join(lines + [f"{name:26} {reason}" for name, reason in result["skipped"].items()])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("race", choices=BATCH)
    parser.add_argument("--batch", type=int, help="default: 4 images or 2 clips")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--compile", action="store_true", help="torch.compile for every contender")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--preset", default="DiT-S/2", help="our shape, e.g. DiT-B/2")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    chosen = parser.parse_args(arguments)
    config = DiTConfig.preset(chosen.preset)
    config = config if chosen.race == "image" else as_video(config)
    batch = chosen.batch or BATCH[chosen.race]
    result = run(chosen.race, config, batch, chosen.precision, chosen.repeats, chosen.compile, chosen.device)
    command = " ".join(["python benchmarks/race.py", *(sys.argv[1:] if arguments is None else arguments)])
    result = {"command": command, "preset": chosen.preset, **result}
    print(report(result))
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
