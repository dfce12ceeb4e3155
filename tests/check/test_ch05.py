"""Chapter 5: other ways to be right, learners' own slips, and the specs against the package's sampler."""

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand.extensions import add_scheduled_noise, ddim_step, schedule
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch05
from ditcourse.check.forms import key, parts_of, values_of


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
        ("5.5", (2, 4, 3), "c: prompt left out"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)
