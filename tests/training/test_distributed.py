"""Several processes on the CPU (gloo): the same losses as one, and a killed worker ends the run, which goes on."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ditcourse.training import load_checkpoint
from ditcourse.training.checkpoint import last_checkpoint
from ditcourse.training.distributed import local_rows, shard_model
from ditcourse.training.run import start
from tests.training.helpers import RUN, TRAIN

ROOT = Path(__file__).resolve().parents[2]
WHOLE = replace(RUN, train=replace(TRAIN, steps=12), checkpoint_every=4)


def torchrun(count, folder, mode, *more):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    return subprocess.run(
        [*command, "-m", "tests.training.several", str(folder), mode, "12", *more],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


def loaded(folder, config=WHOLE):
    trainer = start(config)
    load_checkpoint(trainer, folder)
    return trainer


@pytest.mark.parametrize("mode", ["ddp", "fsdp"])
def test_two_processes_train_as_one_does(tmp_path, mode):
    run = torchrun(2, tmp_path, mode)
    assert run.returncode == 0, run.stderr[-3000:]
    two, one = loaded(tmp_path), start(WHOLE).run(progress=False)
    assert two.step == one.step == 12
    torch.testing.assert_close(torch.tensor(two.losses), torch.tensor(one.losses), rtol=1e-5, atol=1e-6)
    for a, b in zip(two.ema.parameters(), one.ema.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_a_killed_worker_ends_the_run_and_one_process_goes_on(tmp_path):
    run = torchrun(2, tmp_path, "ddp", "die")
    assert run.returncode != 0
    assert last_checkpoint(tmp_path).name == "step-000004.json"
    alone = loaded(tmp_path).run(progress=False)
    one = start(WHOLE).run(progress=False)
    torch.testing.assert_close(torch.tensor(alone.losses), torch.tensor(one.losses), rtol=1e-5, atol=1e-6)


def test_what_one_process_saved_two_go_on_with(tmp_path):
    from ditcourse.training import save_checkpoint

    save_checkpoint(start(WHOLE).run(4, progress=False), tmp_path)
    run = torchrun(2, tmp_path, "fsdp")
    assert run.returncode == 0, run.stderr[-3000:]
    one = start(WHOLE).run(progress=False)
    torch.testing.assert_close(torch.tensor(loaded(tmp_path).losses), torch.tensor(one.losses), rtol=1e-5, atol=1e-6)


def test_alone_nothing_is_split():
    assert local_rows(6) == slice(0, 6)
    with pytest.raises(RuntimeError, match="torchrun"):
        shard_model(torch.nn.Linear(2, 2))
