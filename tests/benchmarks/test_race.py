"""The race in the small: who runs when, what is computed from the times, what is equal, what the file holds."""

import importlib.util
import json
import sys
from dataclasses import replace
from itertools import count

import pytest
import torch
from torch import nn

from ditcourse.model import DiTConfig, count_macs
from tests.book.gates import ROOT


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def race():
    before = list(sys.path)
    yield load("race")
    sys.path[:] = before


SMALL = DiTConfig.preset("DiT-S/2", input_size=(1, 8, 8), hidden_size=48, num_heads=3, depth=2, num_classes=10)


def test_rounds_are_interleaved_and_begun_in_turn(race):
    clock = count()
    runs = race.interleave({name: lambda: float(next(clock)) for name in "abc"}, 4)
    assert "".join(name for name, _ in runs) == "abc" "bca" "cab" "abc"
    assert [seconds for _, seconds in runs] == list(range(12))


def test_ratios_come_from_the_times(race):
    times = {"ours": (2.0, 4.0, 3.0), "slow": (3.0, 5.0, 6.0), "quick": (1.0, 3.0, 2.9), "level": (1.0, 8.0, 3.0)}
    found = race.compare([(name, times[name][turn]) for turn in range(3) for name in times])
    slow = found["slow"]
    assert slow["seconds"] == [3, 5, 6] and (slow["min"], slow["median"]) == (3, 5)
    assert slow["ratio_min"] == 3 / 2 and slow["ratio_median"] == 5 / 3 and slow["ratio_rounds"] == [5 / 4, 2]
    assert [found[name]["verdict"] for name in times] == ["", "ours faster", "ours slower", "ours as fast"]


def test_diffusers_does_the_same_work(race):
    """All but its copies of the time embedder, one more than ours for each block."""
    pytest.importorskip("diffusers")
    contenders, skipped, difference = race.field("image", SMALL, 3)
    assert not skipped and difference < 1e-5
    ours, theirs = (race.forward_flops(contenders[name]) for name in ("ours", "diffusers DiT"))
    assert ours == 2 * 3 * count_macs(SMALL, layer_norms=False)
    D = SMALL.hidden_size
    assert theirs - ours == 2 * 3 * SMALL.depth * (256 * D + D * D)


def test_latte_has_our_tokens_and_blocks_or_our_work(race):
    pytest.importorskip("diffusers")
    config = race.as_video(SMALL)
    assert config.num_tokens == 1024 and config.out_channels == 4
    contenders, _, _ = race.field("video", config, 1)
    theirs, deeper = contenders["Latte, as many blocks"], contenders["Latte, as many FLOPs"]
    assert theirs.tokens == 1024 and theirs.call(theirs.model).shape == (1, 4, 16, 16, 16)
    D, patch = config.hidden_size, 4 * 4
    block = 1024 * 12 * D * D + 1024 * (64 + 16) * D  # attention to the 64 tokens of a frame, or to 16 frames
    outside = 2 * 1024 * patch * D + 256 * D + D * D + 6 * D * D + 8 * D + D * D  # patches, time, modulation, caption
    assert race.forward_flops(theirs) == 2 * (config.depth * block + outside)
    ours, most = race.forward_flops(contenders["ours"]), race.forward_flops(deeper)
    assert most <= ours < most + 2 * 2 * 1.1 * block


def test_unet_is_raced_where_installed_and_leaves_no_stub(race, monkeypatch):
    names = ["Unet3D, as many parameters", "Unet3D, as many FLOPs"]
    monkeypatch.setitem(race.PEERS, "video", {name: race.PEERS["video"][name] for name in names})
    before = sys.modules.get("torchvision")
    contenders, skipped, _ = race.field("video", replace(race.as_video(SMALL), depth=12), 1)
    assert sys.modules.get("torchvision") is before
    assert list(contenders)[1:] + list(skipped) == names
    if not skipped:
        unet, wider = (contenders[name] for name in names)
        assert unet.call(unet.model).shape == (1, 4, 16, 16, 16)
        widths = [c.model.init_conv.out_channels for c in (unet, wider)]
        assert widths[0] == 8 and widths[1] > 8
        ours, most = race.forward_flops(contenders["ours"]), race.forward_flops(wider)
        assert most <= ours < most * ((widths[1] + 8) / widths[1]) ** 2


def test_what_is_kept_for_the_backward_pass_is_counted(race):
    """x for the weights' gradient, the output of tanh for its own; not the weights, and shared memory once."""
    model, x = nn.Sequential(nn.Linear(8, 16), nn.Tanh()), torch.randn(4, 8)
    contender = race.Contender(model, lambda m: m(x) + m(x), None)
    assert race.kept_bytes(contender, lambda: contender.call(model)) == 4 * (4 * 8 + 2 * 4 * 16)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_whole_race_without_peers(race, precision, monkeypatch, tmp_path, capsys):
    for package in ("diffusers", "video_diffusion_pytorch"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(race, "ceiling", lambda device, precision: 1e9)
    monkeypatch.setattr(race.DiTConfig, "preset", lambda name: SMALL)
    file = tmp_path / "new" / "race.json"
    race.main(["video", "--batch", "1", "--repeats", "2", "--precision", precision, "--out", str(file)])
    result = json.loads(file.read_text())
    assert result["command"].startswith("python benchmarks/race.py video --batch 1")
    assert {"cpu", "threads", "cores", "gpu", "load_before"} <= set(result["hardware"])
    assert result["software"]["torch"] == torch.__version__ and result["date"].startswith("20")
    assert (result["precision"], result["batch"], result["device"]) == (precision, 1, "cpu")
    ours = result["contenders"]["ours"]
    assert set(result["contenders"]) == {"ours"} and len(ours["seconds"]) == 2 and ours["tokens"] == 1024
    assert ours["mfu"] == pytest.approx(3 * ours["gflops_forward"] / ours["median"])
    printed = capsys.readouterr().out
    for peer in race.PEERS["video"]:
        assert "not raced, import of" in result["skipped"][peer] and peer in printed


def test_a_matrix_product_is_timed(race):
    assert 1e6 < race.ceiling("cpu", "float32", side=64) < 1e15


def test_readme_shows_the_stored_results():
    table = load("table")
    readme = (ROOT / "benchmarks/README.md").read_text(encoding="utf8")
    assert readme == table.with_tables(readme), "run: python benchmarks/table.py"


def test_table_prints_times_and_what_is_missing(tmp_path):
    table, row = load("table"), {"tokens": 64, "parameters": 1234567, "gflops_forward": 12.3456, "kept_mb": 90.6,
                                 "min": 0.5, "median": 0.75, "mfu": 0.421, "ratio_median": 1.5,
                                 "ratio_rounds": [1.2, 1.9], "verdict": "ours faster"}
    assert table.tables(tmp_path) == "No results are stored."
    result = {"race": "image", "batch": 2, "precision": "float32", "compiled": True, "device": "cpu", "repeats": 7,
              "date": "2026-01-02", "command": "python x", "ceiling_tflops": 0.125, "skipped": {"b": "not raced, why"},
              "hardware": {"cpu": "C", "threads": 2, "instructions": ["avx2"], "gpu": None},
              "software": {"torch": "2", "diffusers": None}, "contenders": {"a": row}}
    (tmp_path / "x.json").write_text(json.dumps(result))
    text = table.tables(tmp_path)
    assert "Image, float32, compiled" in text and "C, 2 threads (avx2), torch 2, 2026-01-02" in text
    assert "| a | 64 | 1,234,567 | 12.35 | 91 MB | 500.0 ms | 750.0 ms | 42% | 1.50 | 1.20 to 1.90 | ours f" in text
    assert text.endswith("b: not raced, why.")
