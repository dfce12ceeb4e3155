"""Precision by hardware, the ceiling, a data set on the device, TensorBoard."""

import sys
import types
from dataclasses import replace

import pytest
import torch

from ditcourse.training import fit
from ditcourse.training.data import resident
from ditcourse.training.hardware import choose_device, choose_precision, matmul_ceiling
from tests.training.helpers import RUN, TRAIN

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    "capability, expected",
    [((7, 5), torch.float16), ((7, 0), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_a_gpu_older_than_ampere_gets_float16_whatever_torch_says(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)  # it counts emulation
    assert choose_precision("auto", GPU, 128) == expected
    assert choose_precision("float32", GPU, 128) == torch.float32


@pytest.mark.parametrize("amx", [False, True])
def test_a_cpu_gets_bfloat16_only_with_amx_and_a_wide_model(monkeypatch, amx):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    assert choose_precision("auto", CPU, 128) == torch.float32
    assert choose_precision("auto", CPU, 384) == (torch.bfloat16 if amx else torch.float32)
    assert choose_precision("bfloat16", CPU, 128) == torch.bfloat16


def test_devices():
    assert choose_device("cpu") == CPU
    if not torch.cuda.is_available():
        assert choose_device() == CPU
        with pytest.raises(ValueError, match="no GPU here; allowed: 'cpu'"):
            choose_device("cuda")


def test_the_ceiling_is_a_speed_that_a_matrix_product_reaches():
    assert 1e9 < matmul_ceiling(CPU, torch.float32, seconds=0.1) < 1e14


def test_resident_rows_stay_together_and_come_by_the_dice():
    x0 = torch.arange(50.0).reshape(10, 5)
    draw = resident(x0, torch.arange(10))
    x, y = draw(400, torch.Generator().manual_seed(3))
    assert torch.equal(x, x0[y]) and len(set(y.tolist())) == 10
    assert torch.equal(y, draw(400, torch.Generator().manual_seed(3))[1])
    for rows in (9, 0):
        with pytest.raises(ValueError, match=f"10 and {rows}" if rows else "0 and 0"):
            resident(x0[: 10 if rows else 0], torch.arange(rows))


def test_tensorboard_is_used_where_it_is_installed(tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    config = replace(RUN, train=replace(TRAIN, steps=2), checkpoint_every=0)
    trainer = fit(config, tmp_path, "cpu", progress=False)
    assert written[-1] == "closed" and ("loss", pytest.approx(sum(trainer.losses) / 2), 2) in written
