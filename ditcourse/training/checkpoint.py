"""Weights, and whole runs, on disk: safetensors beside JSON, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from torch import nn

from ditcourse.model.dit import DiT
from ditcourse.training import distributed

WEIGHTS, CONFIG = "model.safetensors", "config.json"
KEEP = 2  # checkpoints of a run: the last, and the one before it in case the last is damaged


# --- weights: what a sampler needs


def save_weights(model: nn.Module, folder: str | Path, dtype: torch.dtype = torch.float16) -> None:
    """Write model.safetensors (in dtype) and config.json into folder, each by replacing the old file in one move.

    model: a DiT, an Autoencoder, or another module with a dataclass for its `config`.
    """
    tensors = {
        name: tensor.detach().cpu().to(dtype).contiguous()
        for name, tensor in distributed.whole_state(model).items()
    }
    if not distributed.is_main():
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / WEIGHTS, save(tensors))
    write_whole(folder / CONFIG, (json.dumps(asdict(model.config), indent=2) + "\n").encode())


def load_weights(folder: str | Path, kind: type[nn.Module] = DiT) -> nn.Module:
    """The model of this kind (DiT, Autoencoder) that `save_weights` wrote: in float32, in eval mode, frozen.

    Raises FileNotFoundError or ValueError, naming the file, where it is missing, damaged or of another shape.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"no {name} in {folder}")
    try:
        model = kind(kind.config_class.from_dict(json.loads((folder / CONFIG).read_text())))
        model.load_state_dict(load_file(folder / WEIGHTS))  # copies into float32
    except (SafetensorError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"the weights in {folder} cannot be used: {error}") from error
    return model.requires_grad_(False).eval()


# --- checkpoints: what a run needs to go on as if it had never stopped


def save_checkpoint(trainer, folder: str | Path) -> Path:
    """Write step-NNNNNN.safetensors, then step-NNNNNN.json with its fingerprint: only then does the checkpoint count.

    Holds weights, their average, the optimizer, the gradient scaler, the dice and the losses. Whatever happens in
    between, the checkpoint before it stays. Older than the last two are removed. Every process calls it, one writes.
    Raises OSError, saying which checkpoint is the last good one, where the disk is full.
    """
    folder = Path(folder)
    tensors = {f"model.{name}": value for name, value in distributed.whole_state(trainer.model).items()}
    tensors |= {f"ema.{name}": value for name, value in distributed.whole_state(trainer.ema).items()}
    optimizer = distributed.whole_optimizer_state(trainer.model, trainer.optimizer)
    for parameter, state in optimizer.get("state", {}).items():  # empty but in the main process
        tensors |= {f"optimizer.{key}.{parameter}": value for key, value in state.items()}
    tensors["dice"] = trainer.generator.get_state()
    if trainer.noise_generator is not trainer.generator:
        tensors["noise_dice"] = trainer.noise_generator.get_state()
    tensors["losses"] = torch.tensor(trainer.losses)
    stem = folder / f"step-{trainer.step:06d}"
    if distributed.is_main():
        folder.mkdir(parents=True, exist_ok=True)
        data = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
        facts = {
            "step": trainer.step,
            "seconds": round(trainer.seconds, 2),
            "micro_batches": trainer.micro_batches,
            "scaler": trainer.scaler.state_dict(),
            "train": asdict(trainer.config),
            "model": asdict(trainer.model.config) if hasattr(trainer.model, "config") else None,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        last = last_checkpoint(folder)
        try:
            write_whole(stem.with_suffix(".safetensors"), data)
            write_whole(stem.with_suffix(".json"), (json.dumps(facts, indent=1) + "\n").encode())
        except OSError as error:
            raise OSError(
                error.errno,
                f"the checkpoint of step {trainer.step} ({len(data) / 2**20:.0f} MB) could not be written "
                f"({error.strerror}); the last good one is {last or 'none'}",
            ) from error
        _remove_older(folder)
    distributed.wait()
    return stem.with_suffix(".json")


def last_checkpoint(folder: str | Path) -> Path | None:
    """The newest checkpoint of a run's folder, or None. It counts from its JSON file, which is written last."""
    return max(Path(folder).glob("step-*.json"), default=None)


def load_checkpoint(trainer, path: str | Path) -> None:
    """Put a run back where it was; on the CPU it goes on bit for bit as if it had never stopped.

    path: the JSON file, or the run's folder for its newest. The number of processes may be another one.
    Raises FileNotFoundError where there is none; ValueError, naming the file and the one before it, where it is
    damaged, of another model, or no checkpoint at all. The trainer is changed only after everything has been checked.
    """
    path = Path(path)
    if path.is_dir():
        found = last_checkpoint(path)
        if found is None:
            raise FileNotFoundError(f"there is no checkpoint (step-*.json) in {path}")
        path = found
    facts, tensors = _read(path)
    parts, state = {"model": {}, "ema": {}}, {}
    for name, tensor in sorted(tensors.items()):  # in the same order in every process
        kind, _, rest = name.partition(".")
        if kind in parts:
            parts[kind][rest] = tensor
        elif kind == "optimizer":
            slot, _, parameter = rest.partition(".")
            state.setdefault(parameter, {})[slot] = tensor
    wanted = {name: tuple(tensor.shape) for name, tensor in trainer.model.state_dict().items()}
    for kind in ("model", "ema"):
        if {name: tuple(tensor.shape) for name, tensor in parts[kind].items()} != wanted:
            raise ValueError(f"{path} holds another model than the one that is to be trained")
    if facts["train"] != asdict(trainer.config):
        changed = [name for name, value in asdict(trainer.config).items() if facts["train"].get(name) != value]
        raise ValueError(
            f"{path} is of a run with another {', '.join(changed)}: "
            + ", ".join(f"{name} = {facts['train'].get(name)!r} there" for name in changed)
        )
    distributed.put_state(trainer.model, parts["model"])
    distributed.put_state(trainer.ema, parts["ema"])
    if state:
        groups = distributed.optimizer_groups(trainer.model, trainer.optimizer)
        distributed.put_optimizer_state(trainer.model, trainer.optimizer, {"state": state, "param_groups": groups})
    trainer.scaler.load_state_dict(facts["scaler"])
    trainer.generator.set_state(tensors["dice"])
    if trainer.noise_generator is not trainer.generator and "noise_dice" in tensors:
        trainer.noise_generator.set_state(tensors["noise_dice"])
    trainer.step, trainer.seconds, trainer.micro_batches = (
        facts[name] for name in ("step", "seconds", "micro_batches")
    )
    trainer.set_losses(tensors["losses"])


def _read(path: Path) -> tuple[dict, dict[str, torch.Tensor]]:
    """(what the JSON says, the tensors beside it), if the fingerprint fits."""
    data_path = path.with_suffix(".safetensors")
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    try:
        facts = json.loads(path.read_text())
        data = data_path.read_bytes()
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise ValueError("the fingerprint of the tensors is not the one written down")
        return facts, load(data)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        older = sorted(other for other in path.parent.glob("step-*.json") if other < path)
        advice = f"; the one before it is {older[-1]}" if older else ""
        raise ValueError(f"{path} is not a whole checkpoint of this course: {error}{advice}") from error


def _remove_older(folder: Path) -> None:
    """Keep the last checkpoints, and sweep up what a killed process left half written."""
    kept = {path.stem for path in sorted(folder.glob("step-*.json"))[-KEEP:]}
    for path in sorted(folder.glob("step-*"), key=lambda path: path.suffix != ".json"):  # the JSON goes first
        if path.name.split(".")[0] not in kept:
            path.unlink()


def write_whole(path: Path, data: bytes) -> None:
    """Replace path by data in one move, so that a crash leaves the old file or the new one, never half of one."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
