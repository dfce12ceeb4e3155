"""Chapter 4: the specs agree with the package, other ways to be right are right, each slip has its own name."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from ditcourse import exercises
from ditcourse.check import check, find
from ditcourse.check.chapters import ch04
from ditcourse.check.forms import parts_of

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(4)


def cells(path):
    notebook = json.loads((ROOT / path).read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


# ---- the right answers, held against closed forms and the package ----


def test_noised_is_add_noise_of_the_package():
    torch = pytest.importorskip("torch")
    from ditcourse.diffusion import DDPM, RectifiedFlow, add_noise

    x0, noise = RNG.normal(size=(2, 5, 3))
    for schedule, t in ((RectifiedFlow(), np.linspace(0, 1, 5)), (DDPM("cosine"), np.array([-1, 0, 300, 700, 999]))):
        ours = find("4.4").judge.reference(
            x0, noise, t, lambda t, s=schedule: s.signal(t).numpy(), lambda t, s=schedule: s.sigma(t).numpy()
        )
        np.testing.assert_allclose(ours, add_noise(*map(torch.tensor, (x0, noise)), t, schedule), atol=1e-12)


def test_translated_is_clip_and_noise_of_the_package():
    torch = pytest.importorskip("torch")
    from ditcourse.diffusion import DDPM, clip_and_noise, target

    schedule, t = DDPM("linear"), 400
    x_t, noise = RNG.normal(size=(2, 3, 4))
    signal, sigma = schedule.signal(t).item(), schedule.sigma(t).item()
    x0, velocity = find("4.5").judge.reference(x_t, noise, signal, sigma)
    clip, _ = clip_and_noise(torch.tensor(noise), torch.tensor(x_t), t, schedule, "epsilon")
    np.testing.assert_allclose(x0, clip, atol=1e-12)
    np.testing.assert_allclose(velocity, target(clip, torch.tensor(noise), t, schedule, "velocity"), atol=1e-12)
    np.testing.assert_allclose(signal * x0 + sigma * noise, x_t)


def test_weighed_is_the_exact_denoiser_of_the_package():
    torch = pytest.importorskip("torch")
    from ditcourse.diffusion import ExactDenoiser

    clips, z, t = RNG.normal(size=(6, 4)), RNG.normal(size=4), 0.55
    best = ExactDenoiser(torch.tensor(clips), prediction_type="x0")
    ours = find("4.6").judge.reference(z, clips, 1 - t, t)
    np.testing.assert_allclose(ours, best(torch.tensor(z[None]), t)[0], atol=1e-12)


def test_weighed_for_two_clips_is_a_logistic_curve():
    ours = find("4.6").judge.reference(np.array([1.0]), np.array([[0.0], [4.0]]), 1, 2)
    np.testing.assert_allclose(ours, 4 / (1 + np.e))


def test_the_inputs_leave_something_to_decide():
    """4.6 would be no test of weights if one clip had them all, or if all were alike."""
    for seed in range(50):
        z, clips, signal, sigma = ch04.to_weigh(np.random.default_rng(seed))
        exponents = ch04.bell(z, clips, signal, sigma)
        weights = np.exp(exponents - exponents.max())
        weights /= weights.sum()
        assert 1 / len(clips) + 0.005 < weights.max() < 0.9995
        if len(z) > 3:
            assert (np.exp(exponents) == 0).all()


def test_the_checks_own_inputs_hold_a_small_clip_and_a_real_one():
    sizes = [len(inputs[0]) for inputs in list(find("4.6").judge._all_inputs())[:-1]]
    assert sizes[0] == 3 and ch04.MANY in sizes


# ---- what a learner may hand over ----


def plainly(z, clips, signal, sigma):
    with np.errstate(all="ignore"):
        weights = np.exp(-((z - signal * clips) ** 2).sum(axis=1) / (2 * sigma**2))
        return (weights / weights.sum()) @ clips


def without_the_half(z, clips, signal, sigma):
    with np.errstate(all="ignore"):
        weights = np.exp(-((z - signal * clips) ** 2).sum(axis=1) / sigma**2)
        return weights @ clips / weights.sum()


def softmaxed(z, clips, signal, sigma):
    logits = (signal * clips @ z - signal**2 * (clips**2).sum(1) / 2) / sigma**2
    weights = np.exp(logits - logits.max())
    return (weights / weights.sum()) @ clips


@pytest.mark.parametrize(
    "id, answer",
    [
        ("4.4", lambda x0, noise, t, signal, sigma: (signal(t) * x0.T + sigma(t) * noise.T).T),
        ("4.4", lambda x0, noise, t, signal, sigma: np.array(
            [signal(a) * x + sigma(a) * n for x, n, a in zip(x0, noise, t, strict=True)])),
        ("4.5", lambda x_t, noise, signal, sigma: (
            x_t / signal - sigma / signal * noise, ((signal + sigma) * noise - x_t) / signal)),
        ("4.6", softmaxed),
    ],
)  # fmt: skip
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("4.4", lambda x0, noise, t, signal, sigma: signal(t) * x0 + sigma(t) * noise, "levels along the columns"),
        ("4.4", lambda x0, noise, t, signal, sigma: x0 + t[:, None] * (noise - x0), "t as the amount"),
        ("4.4", lambda x0, noise, t, signal, sigma: np.add(noise, x0), "neither scaled"),
        ("4.5", lambda x_t, noise, signal, sigma: (
            x_t - sigma * noise, noise - (x_t - sigma * noise)), "not divided by signal"),
        ("4.5", lambda x_t, noise, signal, sigma: (
            (x_t - sigma * noise) / signal, (x_t - sigma * noise) / signal - noise), "sign of the velocity"),
        ("4.6", lambda z, clips, signal, sigma: clips[((z - signal * clips) ** 2).sum(1).argmin()],
         "most likely clip"),
        ("4.6", lambda z, clips, signal, sigma: softmaxed(z, clips, signal, sigma / 2**0.5), "1/2 forgotten"),
        ("4.6", lambda z, clips, signal, sigma: softmaxed(z, clips, signal, sigma**0.5), "sigma not squared"),
        ("4.6", plainly, "all weights 0"),
        ("4.6", without_the_half, "1/2 forgotten, and no largest exponent"),
    ],
)  # fmt: skip
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_no_message_gives_the_answer_away():
    for id in ("4.4", "4.5", "4.6"):
        for slip in find(id).judge.slips:
            assert "=" not in slip.message and "**" not in slip.message


@pytest.mark.parametrize("one", [lambda x_t: x_t, lambda x_t: x_t[0], np.asarray])
def test_one_array_where_two_are_wanted_is_told_so(one, capsys):
    verdict = check("4.5", lambda x_t, noise, signal, sigma: one((x_t - sigma * noise) / signal))
    assert verdict.state == "wrong" and "Two results are wanted, (x0, velocity); your function gave" in verdict.message


def test_two_results_stacked_in_one_array_are_right(capsys):
    def answer(x_t, noise, signal, sigma):
        x0 = (x_t - sigma * noise) / signal
        return np.stack([x0, noise - x0])

    assert check("4.5", answer).state == "right"


def test_a_wrong_cell_on_a_half_filled_sheet_is_called_wrong(capsys):
    from ditcourse.check import Sheet

    sheet = Sheet(form="counting")
    sheet.z_3, sheet.could_3, sheet.x_3 = 1, [1, 1], 0
    verdict = check("4.2", sheet)
    assert verdict.state == "not done" and "In x_3: you have 0, which is wrong." in verdict.message
    assert "For a hint add hint=1." in verdict.message
    sheet.x_3 = 2
    assert "hint" not in check("4.2", sheet).message


# ---- the second sheet's page ----


def test_how_often_each_clip_comes_out_of_the_sheet():
    """What the page says of all throws, counted: 105 ways to throw, of which some end where no clip can be."""
    ends = {0: 0, 4: 0, None: 0}
    for noises in itertools.product(range(-3, 4), range(-2, 3), range(-1, 2)):
        x = 2
        for level, noise in zip((3, 2, 1), noises, strict=True):
            possible = [clip for clip in (0, 4) if x is not None and abs(x + noise - clip) <= level]
            x = sum(possible) / len(possible) if possible else None
        ends[x] += 1
    assert ends == {0: 49, 4: 49, None: 7} and 7 * 15 == sum(ends.values())
    page = (ROOT / "book/04_counting.md").read_text(encoding="utf-8")
    assert "one throw in fifteen" in page


def test_the_page_and_the_notebook_agree_on_the_minutes():
    page = (ROOT / "book/04_counting.md").read_text(encoding="utf-8")
    boxes = sum(part.shape[0] * part.shape[1] for part in parts_of("counting").values())
    assert f"{boxes} boxes, {ch04.EXERCISES[0].minutes + ch04.EXERCISES[1].minutes} minutes" in page


# ---- the notebooks ----


@pytest.mark.parametrize("number, answer", [(4, "noised"), (5, "clip_and_velocity"), (6, "best_clip")])
def test_every_blank_of_the_template_is_not_done(number, answer, capsys):
    solution = exercises.read(ROOT / "solutions/04_noise.ipynb")
    template = {cell["id"]: exercises.text_of(cell) for cell in exercises.blank(solution)["cells"]}
    names = {"np": np}
    exec(template[f"ex-4-{number}-answer"], names)
    assert check(f"4.{number}", names[answer]).state == "not done"


def test_the_count_of_exercises_and_minutes():
    minutes = [exercise.minutes for exercise in ch04.EXERCISES]
    assert len(minutes) == 6
    assert f"Six exercises, {sum(minutes)} minutes" in cells("book/04_noise.ipynb")["exercises"]
    title = cells("solutions/04_noise.ipynb")["title"]
    assert f"**Time and hardware**: {sum(minutes)} minutes" in title
    assert f"{sum(minutes[:2])} minutes; the other four are functions, {sum(minutes[2:])} minutes" in title


def printed(id):
    notebook = json.loads((ROOT / "book/04_noise.ipynb").read_text(encoding="utf-8"))
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == id]
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def test_what_the_chapter_says_of_its_own_run():
    """Sentences of the chapter, and pictures in words, that only hold for this run."""
    text = printed("blur-count")
    counts = [[float(n) for n in line.replace(" clips, with the prompt ", ",").split(" of ")[1].split(",")]
              for line in text.strip().split("\n")]  # fmt: skip
    assert counts[0] == [960, 20] and counts[4:] == [[1, 1], [1, 1]]
    assert all(after <= before for column in zip(*counts, strict=True)
               for before, after in zip(column, column[1:], strict=False))  # fmt: skip
    blur, sharp = (float(line.split()[-1]) for line in printed("sharp").strip().split("\n"))
    assert blur < sharp
    assert printed("moments-run").count("close: True") == 5
    assert printed("snr").count("falls at every step True") == 3
    assert printed("dresses-run").count("True") == 8
    at_09, at_08 = printed("who").strip().split("\n")
    assert "yellow square" not in at_09
    assert at_08.index("yellow square") < at_08.index("yellow triangle")
