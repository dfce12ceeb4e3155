"""Chapter 5: other ways to be right, learners' own slips, and the specs against the package's sampler."""

import json
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand.extensions import add_scheduled_noise, ddim_step, schedule
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch05
from ditcourse.check.forms import key, parts_of, values_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_sheet_is_the_schedule_of_the_reference():
    """The numbers of the sheet are those of byhand.extensions, five times as large."""
    for seed in (0, 3, 9):
        exercise = byhand.new_exercise(seed)
        found, levels = key("step", values_of("step", seed)), schedule(exercise)
        z3 = add_scheduled_noise(found["L"], found["N"], *levels[3])
        assert np.allclose(found["five_z3"], np.array(5 * z3, dtype=float))
        z2 = ddim_step(z3, found["N"], levels[3], levels[2])
        assert np.allclose(found["five_z2"], np.array(5 * z2, dtype=float))
        assert np.allclose(found["x0"], found["L"]) and np.allclose(2 * found["halfway"], found["L"] + found["N"])
    zero = key("step", values_of("step"))
    assert zero["five_z3"].tolist() == [[5, 4, 0, 3], [8, 17, 16, 7]]
    assert np.allclose(zero["five_z2"], [[9, 3, 0, 4], [13, 18, 19, 14]])
    u = zero["W_ff"] @ zero["Z"] + zero["b_ff"]
    assert zero["u"].tolist() == u.tolist() and zero["guided"].tolist() == (2 * zero["E"] - u).tolist()


def test_every_cell_is_whole_or_a_half():
    for seed in range(50):
        found = key("step", values_of("step", seed))
        for name in parts_of("step"):
            assert np.allclose(2 * found[name], np.rint(2 * found[name]), atol=1e-4), (seed, name)


def test_a_sheet_filled_in_a_notebook_is_right(capsys):
    sheet = Sheet(form="step", seed=4)
    for name, value in key("step", sheet.givens).items():
        if name in parts_of("step"):
            setattr(sheet, name, value)
    assert check("5.1", sheet).state == "right"
    sheet.x0 = sheet.givens["L"] * 3
    verdict = check("5.1", sheet)
    assert (verdict.state, verdict.slip) == ("wrong", "not divided")


def test_the_reference_steps_are_those_of_the_sampler():
    """5.2 against `sample` with a DDPM schedule, 5.4 with a flow: two steps, model answers that do not matter."""
    torch = pytest.importorskip("torch")
    from ditcourse.diffusion import DDPM, FLOW, sample

    noise = torch.randn(1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bend = {"epsilon": lambda x, t, _: x.sin(), "velocity": lambda x, t, _: x.sin()}
    for schedule_, kind in ((DDPM(), "epsilon"), (FLOW, "velocity")):
        steps = []
        sample(bend[kind], noise, schedule=schedule_, prediction_type=kind, guidance_scale=1, num_inference_steps=3,
               on_step=lambda *step, kept=steps: kept.append(step))  # fmt: skip
        (now, x, x0), (after, x_after, _) = steps[:2]
        if kind == "epsilon":
            levels = [(schedule_.signal(t).item(), schedule_.sigma(t).item()) for t in (now, after)]
            found = ch05.ddim_step(x.numpy(), x.sin().numpy(), *levels)
        else:
            found, clip = ch05._euler()(lambda x, t: np.sin(x), x.numpy(), now, after)
            np.testing.assert_allclose(clip, x0.numpy())
        np.testing.assert_allclose(found, x_after.numpy())


# Wrong and right functions as a learner would write them, not those of the spec.


def one_batch(model, x, t, condition, null, scale):
    both = model(np.concatenate([x, x]), np.concatenate([t, t]), np.concatenate([condition, null]))
    with_prompt, without = np.split(both, 2)
    return (1 - scale) * without + scale * with_prompt


def null_first(model, x, t, condition, null, scale):
    both = model(np.concatenate([x, x]), np.concatenate([t, t]), np.concatenate([null, condition]))
    with_prompt, without = np.split(both, 2)
    return without + scale * (with_prompt - without)


def euler(model, x, now, after):
    v = model(x, now)
    return {"x_after": x - (now - after) * v, "x0": x - now * v}


def ddim(x, eps, now, after):
    return (after[0] / now[0]) * x + (after[1] - after[0] * now[1] / now[0]) * eps


def moved_first(model, x, now, after):
    v = model(x, now)
    x = x + (after - now) * v
    return x, x - now * v


@pytest.mark.parametrize("id, answer", [("5.2", ddim), ("5.3", one_batch), ("5.4", euler), ("5.5", [2, 4, 5])])
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("5.2", lambda x, eps, now, after: (x - now[1] * eps) / now[0], "the clip itself"),
        ("5.3", null_first, "changed places"),
        ("5.4", lambda model, x, now, after: (x + (after - now) * model(x, now), x - (1 - now) * model(x, now)), None),
        ("5.4", lambda model, x, now, after: (x - model(x, now), x - now * model(x, now)), "whole velocity"),
        ("5.4", lambda model, x, now, after: (x + (after - now) * model(x, now), x - model(x, now)), "now forgotten"),
        ("5.4", moved_first, "from the moved x"),
        ("5.2", lambda x, eps, now, after: x + (after[1] - now[1]) * eps, "only the noise made smaller"),
        ("5.2", lambda x, eps, now, after: after[0] / now[0] * (x - now[1] * eps) + now[1] * eps,
         "old amount of noise"),
        ("5.2", lambda x, eps, now, after: (1 - after[1]) * (x - now[1] * eps) / (1 - now[1]) + after[1] * eps,
         "1 - sigma"),
        ("5.5", (2, 4, 3), "c: 3"),
        ("5.5", (4, 2, 5), "a and b changed places"),
        ("5.5", (6, 2, 5), None),
    ],
)  # fmt: skip
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_a_wrong_letter_is_named_while_another_is_left(capsys):
    verdict = check("5.5", (6, ..., 5))
    assert verdict.state == "not done" and "1 of 3 answers left.\n  In a: you have 6. " in verdict.message
    assert "numbered from 1 to 6" in check("5.5", (2, 9, 5)).message


def test_how_many_of_48_clips_200_fair_draws_reach():
    """What the chapter holds its count against, by throwing."""
    dice = np.random.default_rng(0)
    reached = np.mean([len(np.unique(dice.integers(0, 48, 200))) for _ in range(4000)])
    assert abs(reached - 48 * (1 - (47 / 48) ** 200)) < 0.1 and round(float(reached), 1) == 47.3
    text = cell("which-after")
    assert "47.3" in text


def test_what_the_chapter_says_of_guidance():
    printed = cell("guidance-mini", "outputs")
    assert "s = 2: 1.00 right" in printed and "s = 1: 0.62 right" in printed


def cell(id, part="source"):
    notebook = json.loads((ROOT / "book/05_sampling.ipynb").read_text(encoding="utf-8"))
    (found,) = [cell for cell in notebook["cells"] if cell["id"] == id]
    return (
        "".join(found["source"])
        if part == "source"
        else "".join("".join(output.get("text", "")) for output in found["outputs"])
    )
