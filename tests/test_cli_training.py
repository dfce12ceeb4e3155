"""`ditcourse train`, `evaluate`, `export`: from a folder that is not there to a clip, and what is said on the way."""

import json

import pytest
import torch
from click.testing import CliRunner

from ditcourse.cli import main
from ditcourse.training.run import RUNGS

STEPS = ["--rung", "mini", "--steps", "2", "--batch-size", "2", "--device", "cpu"]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_train_resume_sample_evaluate_export(tmp_path):
    folder = tmp_path / "run"
    result = run("train", folder, *STEPS, "--precision", "float32")
    assert result.exit_code == 0, result.output
    assert "Rung mini: 2 steps of 2 clips" in result.output and "step 2, loss" in result.output
    assert (folder / "clips" / "step-000002.webp").stat().st_size > 100
    assert json.loads((folder / "metrics.jsonl").read_text())["step"] == 2
    again = run("train", folder, *STEPS, "--precision", "float32")
    assert again.exit_code != 0 and "resume" in again.output
    assert "done already" not in result.output
    again = run("train", folder, *STEPS, "--precision", "float32", "--resume")
    assert again.exit_code == 0 and "done already, all 2 steps" in again.output
    longer = run("train", folder, *STEPS, "--steps", "3", "--precision", "float32", "--resume")
    assert longer.exit_code != 0 and "steps = 2 there. A run keeps its length" in longer.output

    assert run("sample", "a red circle moves left", "--model", folder, "--out", tmp_path / "c.webp").exit_code == 0
    result = run("evaluate", "--model", folder, "--clips", 2, "--steps", 2)
    assert result.exit_code == 0 and "all" in result.output and "2 clips of each split, 2 steps" in result.output

    pytest.importorskip("onnxruntime")
    result = run("export", tmp_path / "dit.onnx", "--model", folder)
    assert result.exit_code == 0 and "differs from PyTorch by" in result.output, result.output


def test_the_small_sora_from_latents_to_figures(tmp_path):
    """Skyworld is encoded once; what was trained makes clips of its size, and every figure of it is written down."""
    folder = tmp_path / "sky"
    arguments = ["train", folder, "--rung", "cpu", "--clips", 6, "--steps", 2, "--batch-size", 2, "--device", "cpu"]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    assert (folder / "clips" / "step-000002.webp").stat().st_size > 1000
    kept = (folder / "latents.safetensors").stat().st_mtime_ns
    assert run(*arguments, "--resume").exit_code == 0
    assert (folder / "latents.safetensors").stat().st_mtime_ns == kept
    prompt = "a golden dragon circles in a starry night"
    result = run("sample", prompt, "--model", folder, "--steps", 2, "--out", tmp_path / "c.webp")
    assert result.exit_code == 0 and "the oracle reads subject" in result.output
    unknown = run("sample", "a golden triangle", "--model", folder, "--out", tmp_path / "d.webp")
    assert unknown.exit_code != 0 and "unknown word 'triangle'" in unknown.output
    other = run("sample", "a red triangle", "--model", folder, "--out", tmp_path / "d.webp")
    assert "The model 'mini' knows every word of it" in other.output and not (tmp_path / "d.webp").exists()

    recipe = folder / "run.json"
    changed = ["--config", recipe, "--steps", 1, "--device", "cpu", "--optimizer", "muon"]
    result = run("train", tmp_path / "again", *changed)
    assert result.exit_code == 0 and "1 steps of 2 clips" in result.output, result.output
    record = json.loads((tmp_path / "again" / "run.json").read_text())["config"]
    assert record["world"] == "sky" and record["clips"] == 6 and record["train"]["optimizer"] == "muon"
    for bad, message in (("[]", "holds no recipe"), ('{"config": {"model": 3}}', "holds no recipe")):
        (tmp_path / "bad.json").write_text(bad)
        refused = run("train", tmp_path / "none", "--config", tmp_path / "bad.json")
        assert refused.exit_code != 0 and message in refused.output and not (tmp_path / "none").exists()
    assert "both name a recipe" in run("train", tmp_path / "x", "--rung", "cpu", "--config", recipe).output

    figures = tmp_path / "figures.json"
    result = run("evaluate", "--model", folder, "--clips", 3, "--steps", 2, "--training-clips", 4, "--out", figures)
    assert result.exit_code == 0 and "rebuilt" in result.output, result.output
    report = json.loads(figures.read_text())
    for split in ("train", "held-out"):
        assert report[split]["prompt following"]["painted"]["sky"][0] == 1
        assert set(report[split]["frechet distance"]) == {"made", "painted", "rebuilt"}
        assert set(report[split]["nearest training clip"]) == {"made", "painted"}


def test_evaluate_measures_the_miniature():
    result = run("evaluate", "--clips", 24)
    assert result.exit_code == 0
    made = result.output.split("made: ")[1].splitlines()[0]
    assert float(made.split("all ")[1].split()[0]) >= 0.9
    painted = result.output.split("painted: ")[1].splitlines()[0]
    assert float(painted.split("all ")[1].split()[0]) == 1.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "x", "--rung", "h100"], "h100"),
        (["train", "x", "--steps", "0"], "--steps"),
        (["train", "x", "--rung", "mini", "--learning-rate", "-1"], "learning_rate must be positive"),
        (["train", "x", "--rung", "mini", "--device", "cuda", "--steps", "1"], "no GPU here"),
        (["train", "x", "--rung", "mini", "--shard", "--steps", "1", "--device", "cpu"], "torchrun"),
        (["evaluate", "--model", "huge"], "no weights called 'huge'"),
        (["export", "x.onnx", "--model", "huge"], "no weights called 'huge'"),
    ],
)
def test_refusals_name_what_is_wrong_and_leave_nothing(tmp_path, monkeypatch, arguments, message):
    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code != 0 and message in result.output and "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_help_shows_every_command_with_an_example():
    text = run("--help").output
    assert all(command in text for command in ("train", "sample", "evaluate", "export", "grade", "info"))
    assert "torchrun" in run("train", "--help").output and set(RUNGS) == {"mini", "cpu", "t4", "big"}


def test_export_refuses_a_program_that_differs(tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    from ditcourse import pipeline
    from ditcourse.export import export_denoiser

    class Wrong(onnxruntime.InferenceSession):
        def run(self, *arguments):
            return [1.1 * out for out in super().run(*arguments)]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Wrong)
    with pytest.raises(ValueError, match="differs from the model by 1.0e-01"):
        export_denoiser(pipeline.load("mini").model, tmp_path / "dit.onnx")
    assert not (tmp_path / "dit.onnx").exists()
