"""Chapter 3: each slip has its own name, other ways to be right are right, the chapter keeps its promises."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ditcourse import byhand, exercises
from ditcourse.check import check, find
from ditcourse.check.chapters import ch03

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
IDS = tuple(exercise.id for exercise in ch03.EXERCISES)
SLIPS = [(id, name) for id in IDS for name in find(id).judge.wrong_answers()]


def cells(path):
    notebook = json.loads((ROOT / path).read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


# ---- the specs themselves ----


@pytest.mark.parametrize("id", IDS)
def test_our_own_answer_is_right(id):
    assert find(id).judge.judge(find(id).judge.right_answer()).state == "right"


@pytest.mark.parametrize("id, name", SLIPS)
def test_each_slip_gets_its_own_name(id, name):
    judge = find(id).judge
    finding = judge.judge(judge.wrong_answers()[name])
    assert (finding.state, finding.slip) == ("wrong", name)


def test_counts_agree_with_the_package():
    from ditcourse.model.patches import patchify

    clip, image = torch.zeros(1, 3, 16, 32, 32), torch.zeros(1, 3, 1, 64, 64)
    sizes = (*patchify(clip, (2, 4, 4)).shape[1:], *patchify(image, (1, 2, 2)).shape[1:])
    assert find("3.1").judge.right_answer() == sizes == (512, 96, 1024, 12)


# ---- what a learner may hand over ----


def sampler_with_while(model, noise, steps):
    x, left = noise.clone(), steps
    while left > 0:
        x -= model(x, left / steps) / steps
        left -= 1
    return x


def noised_by_the_package(x0, noise, t):
    from ditcourse.diffusion.noise import add_noise, velocity

    x0, noise = x0[None], noise[None]
    return add_noise(x0, noise, torch.tensor([t], dtype=x0.dtype))[0], velocity(x0, noise)[0]


def guided_by_the_package(with_prompt, without, scale):
    from ditcourse.diffusion.samplers import guided_prediction

    x = with_prompt[None]
    both = torch.stack([with_prompt, without])
    return guided_prediction(lambda *_: both, x, torch.ones(1), x, x, scale)[0]


def sampled_by_the_package(model, noise, steps):
    from ditcourse.diffusion.samplers import sample

    def batched(x, t, condition):
        return model(x[0], t[0].item())[None]

    return sample(batched, noise[None], noise[None], num_inference_steps=steps, guidance_scale=1)[0]


@pytest.mark.parametrize(
    "id, answer",
    [
        ("3.1", {"clip_tokens": 512, "clip_values": 96, "image_tokens": 1024, "image_values": 12}),
        ("3.2", noised_by_the_package),
        ("3.2", lambda x0, noise, t: (torch.lerp(x0, noise, t), noise - x0)),
        ("3.3", lambda x_t, v, t: torch.add(x_t, v, alpha=-t)),
        ("3.4", guided_by_the_package),
        ("3.4", lambda c, u, s: s * c + (1 - s) * u),
        ("3.5", sampled_by_the_package),
        ("3.5", sampler_with_while),
        ("3.7", "A red SQARE, moves left."),
        ("3.7", "squid"),  # the one that the hint names
        ("3.8", lambda x, norm, f, shift, scale, gate: f(norm(x) + scale * norm(x) + shift) * gate + x),
    ],
)
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


def forgets_the_step(model, noise, steps):
    for i in range(steps, 0, -1):
        noise = noise - model(noise, i / steps)
    return noise


def walks_on(model, noise, steps):
    for i in range(steps, 0, -1):
        noise = noise + model(noise, i / steps) / steps
    return noise


def counts_up(model, noise, steps):
    for i in range(steps):
        noise = noise + model(noise, i / steps) / steps
    return noise


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("3.2", lambda x0, noise, t: (noise + t * (x0 - noise), noise - x0), "time the other way"),
        ("3.3", lambda x_t, v, t: x_t - v, "the whole velocity"),
        ("3.4", lambda c, u, s: (1 - s) * c + s * u, "the wrong way round"),
        ("3.5", forgets_the_step, "step size missing"),
        ("3.5", walks_on, "wrong sign"),
        ("3.5", counts_up, "time runs the wrong way"),
        ("3.1", (1024, 96, 1024, 12), "depth of the patch forgotten"),
        ("3.6", (500, 2500, 2500), "as in the chapter"),
        ("3.7", "a red square moves left", "all known"),
        ("3.7", "an aquamarine circle moves left and up", "too long"),
        ("3.8", lambda x, norm, f, shift, scale, gate: x + f(norm(x) * (1 + scale) + shift), "gate forgotten"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


@pytest.mark.parametrize("answer", [17, ["aquamarine"], b"aquamarine", ValueError])
def test_a_prompt_is_a_text(answer, capsys):
    assert check("3.7", answer).message.startswith("3.7 Make it fail: wrong. A prompt is wanted")


def test_what_the_check_says_is_what_the_model_says(capsys):
    from ditcourse.training import tokenizer

    prompt = find("3.7").judge.right_answer()
    with pytest.raises(ValueError) as error:
        tokenizer()([prompt])
    assert str(error.value) in check("3.7", prompt).message


def test_the_record_is_read_as_a_person_would():
    """Exercise 3.6 has an answer, and no reading of it is right by accident."""
    progress = ch03.record()["progress"]
    for (name, least), step in zip(ch03.WANTED, find("3.6").judge.right_answer(), strict=True):
        before = [row["right"][name] for row in progress if row["step"] < step]
        (at,) = [row["right"][name] for row in progress if row["step"] == step]
        assert before and max(before) < least <= at


def test_the_half_block_is_the_package_s():
    """Both halves of a block, written as exercise 3.8 wants them, are the block of the model."""
    from ditcourse.model import DiTBlock

    half = find("3.8").judge.reference
    torch.manual_seed(0)
    block, x, c = DiTBlock(8, 2), torch.randn(1, 5, 8), torch.randn(1, 8)
    parts = block.adaLN_modulation(c)[0].chunk(6)
    out = half(x[0], block.norm1, lambda h: block.attn(h[None])[0], *parts[:3])
    out = half(out, block.norm2, block.mlp, *parts[3:])
    torch.testing.assert_close(out, block(x, c)[0])


def test_torch_is_loaded_only_where_it_is_needed():
    code = (
        "import sys; from ditcourse.check import find\n"
        "for id in ('3.1', '3.6'):\n"
        "    judge = find(id).judge\n"
        "    assert judge.judge(judge.right_answer()).state == 'right'\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# ---- the chapter ----


@pytest.mark.parametrize(
    "number, answer",
    [(2, "noised"), (3, "clip_from"), (4, "guided"), (5, "my_sampler"), (7, "my_prompt"), (8, "half_block")],
)
def test_every_blank_of_the_template_is_not_done(number, answer, capsys):
    solution = exercises.read(ROOT / "solutions/03_two_minute_sora.ipynb")
    template = {cell["id"]: exercises.text_of(cell) for cell in exercises.blank(solution)["cells"]}
    names = {"torch": torch}
    exec(template[f"ex{number}-answer"], names)
    assert check(f"3.{number}", names[answer]).state == "not done"


def test_every_step_of_the_sheet_is_in_the_chapter():
    """Each part carries its numbers, both of them, and no number is made up."""
    book = cells("book/03_two_minute_sora.ipynb")
    text = "\n".join(source for id, source in book.items() if id != "title")
    shown = set(re.findall(r"\[[\d–]+b? / \d+b?\]", text))
    assert shown == {step.label for step in byhand.STEPS}


def test_the_live_part_is_a_beginning_of_the_shipped_run():
    book = cells("book/03_two_minute_sora.ipynb")
    (live,) = re.findall(r"^STEPS = (\d+)", book["steps"], flags=re.MULTILINE)
    run = ch03.record()
    assert int(live) in [row["step"] for row in run["progress"][:-1]]
    assert int(live) < run["config"]["steps"] == len(run["losses"])


def test_what_the_chapter_says_of_the_record():
    """Sentences of the chapter that only hold for this record."""
    right = {row["step"]: row["right"] for row in ch03.record()["progress"]}
    names = ("colour", "direction", "shape")
    colour, direction, shape = ch03._column("step", wanted=[(name, 0.9) for name in names])
    assert colour < direction < shape
    assert right[600]["colour"] >= 0.9 and right[600]["shape"] < 0.5 and right[600]["all"] < 0.5
    assert abs(right[1000]["all"] - right[600]["all"]) < 0.1 and right[3000]["all"] == 1
    losses = {row["step"]: row["loss"] for row in ch03.record()["progress"]}
    assert losses[600] > 1.1 * losses[1000] > 1.2 * losses[3000]


def test_what_the_chapter_says_of_the_half_trained_model_and_of_the_384_clips():
    book, run = cells("book/03_two_minute_sora.ipynb"), ch03.record()
    (row,) = [row for row in run["progress"] if row["step"] == 500]
    chances = {"colour": "1/4", "direction": "1/4", "shape": "1/3", "all": "1/48"}
    for name, chance in chances.items():
        assert f"| {name} | {row['right'][name]:.2f} | {chance} |" in book["half-look"]
    shipped = run["shipped"]
    assert shipped["right"]["all"] == 1 and shipped["seed"] not in (0, 1)
    assert f"all {shipped['clips']} of {shipped['clips']}" in book["shipped-384"]


def test_the_count_of_exercises_and_minutes():
    minutes = sum(exercise.minutes for exercise in ch03.EXERCISES)
    assert len(ch03.EXERCISES) == 8
    assert f"Eight exercises, {minutes} minutes" in cells("book/03_two_minute_sora.ipynb")["exercises"]
    assert f"**Time and hardware**: {minutes} minutes" in cells("solutions/03_two_minute_sora.ipynb")["title"]
