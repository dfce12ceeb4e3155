"""A run that stops, by itself or by force, goes on bit for bit; what is damaged is refused by name."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ditcourse.model import DiT
from ditcourse.training import (
    RunConfig,
    Trainer,
    fit,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    world_batches,
)
from ditcourse.training.checkpoint import last_checkpoint
from ditcourse.training.run import read_metrics, start
from tests.training.helpers import LONG, RUN, SMALL, TRAIN


def everything(trainer):
    """All that a run holds, as tensors in a fixed order."""
    optimizer = trainer.optimizer.state_dict()["state"]
    return [
        *trainer.model.state_dict().values(),
        *trainer.ema.state_dict().values(),
        *(optimizer[i][key] for i in sorted(optimizer) for key in sorted(optimizer[i])),
        trainer.generator.get_state(),
        torch.tensor(trainer.losses),
    ]


def same(one, other):
    pairs = list(zip(everything(one), everything(other), strict=True))
    return len(pairs) > 50 and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("stop", [1, 5, 11])
@pytest.mark.parametrize(
    ("precision", "optimizer"),
    [("float32", "adamw"), ("bfloat16", "adamw"), ("float16", "adamw"), ("float32", "muon"), ("float16", "muon")],
)
def test_a_run_that_stopped_goes_on_bit_for_bit(tmp_path, stop, precision, optimizer):
    config = replace(RUN, train=replace(TRAIN, precision=precision, optimizer=optimizer))
    whole = start(config).run(progress=False)
    first = start(config).run(stop, progress=False)
    path = save_checkpoint(first, tmp_path)
    again = start(replace(config, train=replace(config.train)))
    again.generator.manual_seed(99)
    for parameter in again.model.parameters():
        parameter.data.normal_()
    load_checkpoint(again, path)
    assert again.step == stop and same(again, first)
    again.run(progress=False)
    assert same(again, whole) and len(again.losses) == 12
    assert again.scaler.state_dict() == whole.scaler.state_dict()


def test_only_the_last_two_checkpoints_are_kept(tmp_path):
    trainer = start(RUN)
    for until in (2, 4, 6):
        save_checkpoint(trainer.run(until, progress=False), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"step-00000{n}.{kind}" for n in (4, 6) for kind in ("json", "safetensors")
    ]


@pytest.mark.parametrize("damage", ["cut", "bit", "pickle", "empty", "gone", "json cut", "json list", "other tensors"])
def test_damaged_checkpoints_are_refused_and_the_one_before_is_named(tmp_path, damage):
    trainer = start(RUN)
    first = save_checkpoint(trainer.run(2, progress=False), tmp_path)
    last = save_checkpoint(trainer.run(4, progress=False), tmp_path)
    data = last.with_suffix(".safetensors")
    whole = data.read_bytes()
    if damage == "cut":
        data.write_bytes(whole[: len(whole) // 2])
    elif damage == "bit":
        data.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    elif damage == "pickle":
        torch.save({"model": {}}, data)
    elif damage == "empty":
        data.write_bytes(b"")
    elif damage == "gone":
        data.unlink()
    elif damage == "json cut":
        last.write_text(last.read_text()[:100])
    elif damage == "json list":
        last.write_text("[1, 2]")
    else:
        data.write_bytes(first.with_suffix(".safetensors").read_bytes())
    fresh = start(RUN)
    before = [value.clone() for value in everything(fresh)[:5]]
    with pytest.raises(ValueError, match=f"{last.name} is not a whole checkpoint.*the one before it is .*{first.name}"):
        load_checkpoint(fresh, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(before, everything(fresh)[:5], strict=True))
    load_checkpoint(fresh, first)
    assert fresh.step == 2


def test_checkpoints_of_something_else_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_checkpoint(start(RUN), tmp_path)
    path = save_checkpoint(start(RUN).run(1, progress=False), tmp_path)
    with pytest.raises(ValueError, match="another model"):
        load_checkpoint(start(replace(RUN, model=replace(SMALL, depth=2))), path)
    with pytest.raises(ValueError, match="another learning_rate, seed: learning_rate = 0.002 there, seed = 0 there"):
        load_checkpoint(start(replace(RUN, train=replace(TRAIN, seed=1, learning_rate=1e-3))), path)


def test_a_full_disk_keeps_the_last_checkpoint_and_names_it(tmp_path, monkeypatch):
    trainer = start(RUN)
    good = save_checkpoint(trainer.run(2, progress=False), tmp_path)
    files = sorted(tmp_path.iterdir())
    trainer.run(4, progress=False)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=f"step 4 .*No space left.*last good one is .*{good.name}"):
        save_checkpoint(trainer, tmp_path)
    assert sorted(tmp_path.iterdir()) == files
    load_checkpoint(start(RUN), tmp_path)


def test_a_folder_with_a_run_is_not_written_over(tmp_path):
    fit(RUN, tmp_path, "cpu", progress=False)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="holds a run already.*resume"):
        fit(RUN, tmp_path, "cpu", progress=False)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


# --- killed


def test_killed_at_twenty_random_moments_it_never_loses_its_last_checkpoint(tmp_path):
    """SIGKILL, every time at another moment, the writing of a checkpoint included; the end is as if nothing was."""
    root = Path(__file__).resolve().parents[2]
    child = subprocess.run(
        [sys.executable, "-m", "tests.training.killed", tmp_path], cwd=root, capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    steps = json.loads(child.stdout)
    assert len(steps) == 20 and steps == sorted(steps) and steps[-1] > 20
    trainer = start(LONG)
    load_checkpoint(trainer, tmp_path)
    whole = start(LONG).run(steps[-1], progress=False)
    assert same(trainer, whole)
    assert read_metrics(tmp_path)[-1]["step"] >= steps[-1]


# --- what may go wrong on the way


def test_out_of_memory_halves_the_parts_and_says_so(capsys):
    class Greedy(torch.nn.Module):
        """Holds two clips at a time."""

        def __init__(self):
            super().__init__()
            self.inner = DiT(SMALL)

        def forward(self, x, t, y):
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.inner(x, t, y)

    def trainer(model):
        torch.manual_seed(0)
        return Trainer(model(), world_batches, replace(TRAIN, batch_size=8))

    greedy, plain = trainer(Greedy).run(3, progress=False), trainer(lambda: DiT(SMALL)).run(3, progress=False)
    said = capsys.readouterr().out
    assert said.count("Out of memory at step 0") == 2 and "parts of 2 clips; the batch is still 8" in said
    assert greedy.micro_batches == 4
    for a, b in zip(greedy.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)

    class Never(Greedy):
        def forward(self, x, t, y):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="not enough memory for one clip"):
        trainer(Never).run(1, progress=False)


def test_metrics_and_clips_on_the_way(tmp_path):
    seen = []
    config = replace(RUN, train=replace(TRAIN, steps=7), checkpoint_every=0, sample_every=7)
    fit(config, tmp_path, "cpu", progress=False, on_clips=lambda path, clips, prompts: seen.append((path, clips)))
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [7] and lines[0]["clips_per_s"] > 0 and 0 < lines[0]["mfu"] < 1
    (path, clips), = seen
    assert path.name == "step-000007" and clips.shape == (3, 3, 8, 16, 16)
    record = json.loads((tmp_path / "run.json").read_text())
    assert RunConfig.from_dict(record["config"]) == config
    assert record["device"] == "cpu" and any(line.startswith("torch") for line in record["environment"])
    assert (tmp_path / "model.safetensors").exists() and last_checkpoint(tmp_path) is None


def test_stopped_by_hand_it_leaves_the_averaged_weights(tmp_path):
    """Ctrl+C after step 5: the averaged weights of that moment are on disk."""
    class Stop:
        step = 0

        def __call__(self, count, generator):
            self.step += 1
            if self.step == 6:
                raise KeyboardInterrupt
            return world_batches(count, generator)

    with pytest.raises(KeyboardInterrupt):
        fit(RUN, tmp_path, "cpu", draw=Stop(), progress=False)
    wanted = start(RUN).run(5, progress=False).ema.state_dict()
    found = load_weights(tmp_path).state_dict()
    assert all((found[name] - wanted[name]).abs().max() < 1e-2 for name in wanted)
    assert any(not torch.equal(found[name], start(RUN).ema.state_dict()[name]) for name in wanted)


def test_run_config_refuses():
    with pytest.raises(ValueError, match="no rung 'h100'; allowed: mini, cpu, t4, big"):
        RunConfig.preset("h100")
    with pytest.raises(ValueError, match="unknown field 'epochs'"):
        RunConfig.preset("cpu", epochs=3)
    with pytest.raises(ValueError, match="checkpoint_every"):
        replace(RUN, checkpoint_every=-1)
    assert RunConfig.preset("cpu", steps=5).train.steps == 5
