"""The shipped miniature does as it is told, and the command says so."""

import json
import math
from importlib import resources

import pytest
import torch
from click.testing import CliRunner

import ditcourse
from ditcourse import pipeline, world
from ditcourse.cli import main
from ditcourse.evaluate import prompt_following
from ditcourse.figures.explorer import SPRITE, prompt_explorer, sprite_clips

MINI = resources.files("ditcourse") / "weights" / "mini"


@pytest.fixture(scope="module")
def pipe():
    return pipeline.load("mini")


@pytest.fixture(scope="module")
def made(pipe):
    """96 clips on a seed that nothing was chosen by, and their prompts."""
    prompts = 2 * world.captions()
    return pipe(prompts, seed=20261121), prompts


def test_prompts_are_followed_on_a_fresh_seed(made):
    result = prompt_following(*made)
    assert result["all"] >= 0.95, result


def test_shuffled_prompts_are_at_chance(made):
    """The clips follow their own prompts and no others (A20): right only where two prompts agree by chance."""
    clips, prompts = made
    other = [prompts[(7 * i + 5) % len(prompts)] for i in range(len(prompts))]
    result = prompt_following(clips, other)
    truth = {
        name: sum(world.parse(a)[name] == world.parse(b)[name] for a, b in zip(prompts, other, strict=True))
        / len(prompts)
        for name in world.ATTRIBUTES
    }
    for name, share in truth.items():
        assert abs(result[name] - share) <= 0.05, (name, result[name], share)
    assert result["all"] < 0.1


def test_same_seed_same_clip_other_prompt_other_clip(pipe):
    first, again = pipe(["a red circle moves left"], seed=1), pipe(["a red circle moves left"], seed=1)
    assert torch.equal(first, again) and first.shape == (1, *world.CLIP_SIZE)
    assert not torch.allclose(first, pipe(["a blue circle moves left"], seed=1))
    assert not torch.allclose(first, pipe(["a red circle moves left"], seed=2))
    assert first.min() >= -1 and first.max() <= 1


def test_a_partial_or_empty_prompt_gives_a_clip(pipe):
    clips = pipe(["red", ""], seed=3)
    assert clips.shape == (2, *world.CLIP_SIZE) and clips.isfinite().all()
    assert world.read(clips)[0].colour == "red"


def test_unknown_words_and_models_are_named(pipe):
    with pytest.raises(ValueError, match="unknown word 'dragon'"):
        pipe(["a red dragon moves left"])
    with pytest.raises(ValueError, match="no weights called 'huge'; there are: mini"):
        pipeline.load("huge")


def test_the_record_of_the_run_is_of_these_weights(pipe):
    run = json.loads((MINI / "run.json").read_text())
    assert run["parameters"] == sum(p.numel() for p in pipe.model.parameters())
    assert run["config"]["steps"] == len(run["losses"]) == run["progress"][-1]["step"]
    assert run["shipped"]["clips"] == 8 * len(world.captions()) and run["shipped"]["right"]["all"] >= 0.95


def test_explorer_shows_what_the_shipped_weights_make(pipe):
    """The precomputed clips are those of the weights: redrawn here they agree to the eye, and follow their prompts."""
    prompts = world.captions()
    clips = sprite_clips(SPRITE.read_bytes(), world.CLIP_SIZE[1])
    assert clips.shape == (48, *world.CLIP_SIZE)
    assert (clips - pipe(prompts, seed=0)).abs().mean() < 0.01
    page = prompt_explorer().data
    assert all(f'"{prompt}"' in page for prompt in prompts) and "http" not in page
    assert prompt_following(clips, prompts)["all"] >= 0.95


def test_shipped_files_are_within_budget():
    size = {file.name: len(file.read_bytes()) for file in MINI.iterdir()}
    assert {"model.safetensors", "config.json", "run.json", "clips.webp"} <= set(size)
    assert sum(size.values()) < 3_000_000, size
    assert math.isclose(size["model.safetensors"], 2 * 1_296_352, rel_tol=0.01)


def test_command_writes_a_clip_that_follows_its_prompt(tmp_path):
    out = tmp_path / "clip.webp"
    result = CliRunner().invoke(main, ["sample", "a red circle moves left", "--out", str(out)])
    said = "the oracle reads shape circle, colour red, direction left; the prompt is followed"
    assert result.exit_code == 0 and said in result.output, result.output
    assert out.read_bytes()[8:12] == b"WEBP"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a red dragon moves left"], "unknown word 'dragon'"),
        (["a red blue circle"], "more than one colour"),
        (["red", "--out", "nowhere/clip.webp"], "no folder"),
        (["red", "--out", "clip.avi"], "must end in"),
        (["red", "--model", "huge"], "no weights called"),
        (["red", "--steps", "0"], "0 is not in the range"),
    ],
)
def test_command_refuses_in_one_line_and_writes_nothing(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["sample", *arguments])
    assert result.exit_code != 0 and message in result.output and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_info_and_version():
    assert CliRunner().invoke(main, ["info"]).output.startswith(f"ditcourse {ditcourse.__version__}")
    assert ditcourse.__version__ in CliRunner().invoke(main, ["--version"]).output


def test_live_prompt_answers_where_the_learner_looks():
    """The box runs the model on a click, and says what is wrong with a prompt instead of raising."""
    from ditcourse.figures.explorer import live_prompt

    prompt, _seed, guidance, button, screen = live_prompt().children
    first = screen.value
    assert first.count("data:image/webp") == 2
    guidance.value = 4.0
    button.click()
    assert screen.value != first
    prompt.value = "a red dragon"
    button.click()
    assert "unknown word" in screen.value and "dragon" in screen.value and "data:" not in screen.value
