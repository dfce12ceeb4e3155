"""Chapter 10: other ways to be right, learners' own slips, specs against the package, and the page's numbers."""

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch10
from ditcourse.check.forms import key, parts_of, values_of

ROOT = Path(__file__).resolve().parents[2]
RECORD = json.loads((ROOT / "experiments" / "results" / "training.json").read_text(encoding="utf-8"))["parts"]


def page(path):
    """The text of a notebook, or of a page."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


# The sheet


def test_the_sheet_has_the_gradients_of_the_reference():
    for seed in (0, 3, 9, 41):
        exercise = byhand.new_exercise(seed)
        solved = byhand.solve(exercise)
        gradients, found = byhand.backward(exercise, solved), key("learn", values_of("learn", seed))
        assert found["db"][:, 0].tolist() == gradients.db_ff.tolist()
        assert found["dW"].tolist() == gradients.dW_ff.tolist() and found["dP"].tolist() == gradients.dP.tolist()
        assert found["b_new"][:, 0].tolist() == solved.b_ff_after.tolist()
        # sgd_step counts in the mean of the squares: a quarter of the sum's gradient, on a sheet of eight guesses
        stepped = byhand.sgd_step(exercise, learning_rate=2)
        assert np.allclose(found["W_new"], stepped.W_ff)
        guess = stepped.W_ff @ solved.P[:, :1] + exercise.b_ff[:, None]
        assert np.allclose(found["off"], guess - exercise.noise[:, :1])


def test_every_cell_is_whole_or_a_half():
    for seed in range(60):
        found = key("learn", values_of("learn", seed))
        for name in parts_of("learn"):
            assert np.array_equal(2 * found[name], np.rint(2 * found[name])), (seed, name)


def test_a_gradient_is_what_the_loss_does():
    """dW by moving one weight a little: no formula of the sheet is used."""
    exercise = byhand.new_exercise(7)
    solved, found = byhand.solve(exercise), key("learn", values_of("learn", 7))

    def loss(W):
        return ((W @ solved.P + exercise.b_ff[:, None] - exercise.noise) ** 2).sum() / 2

    for cell in np.ndindex(2, 2):
        moved = np.zeros((2, 2))
        moved[cell] = 1e-4
        slope = (loss(exercise.W_ff + moved) - loss(exercise.W_ff - moved)) / 2e-4
        assert slope == pytest.approx(found["dW"][cell], abs=1e-5)


def test_a_sheet_filled_in_a_notebook_is_right(capsys):
    sheet = Sheet(form="learn", seed=4)
    for name, value in key("learn", sheet.givens).items():
        if name in parts_of("learn"):
            setattr(sheet, name, value)
    assert check("10.1", sheet).state == "right"
    sheet.clipped = [5, -5]
    verdict = check("10.1", sheet)
    assert (verdict.state, verdict.slip) == ("wrong", "each number clipped")


def test_what_the_page_says_of_sheet_0():
    found = key("learn", values_of("learn"))
    assert found["off"][:, 0].tolist() == [32.5, 22] and found["G"][:, 0].tolist() == [-2, 0]
    assert "off by −2 and 0, and is then off by 32 1/2 and 22" in " ".join(page("book/10_learn.md").split())
    boxes = sum(part.shape[0] * part.shape[1] for part in parts_of("learn").values())
    assert f"{boxes} boxes" in page("book/10_learn.md")
    solved = byhand.solve(byhand.load())
    assert (solved.loss, solved.loss_after) == (2, 1) and (solved.G**2).sum() / 2 == 8
    assert "fell from 8 to 4" in page("book/10_training.ipynb")  # half the sum; the sheet's mean is a quarter of it


def test_slips_of_the_sheet_that_a_learner_made(capsys):
    """Numbers as they stood on paper, on sheet 0."""
    for part, cells, slip in (
        ("W_new", [[2, 2.25], [2.5, -1]], "quarter of the gradient"),
        ("off", [33.5, 23], "new bias"),
        ("young", [0, 4, 6], "start counted"),
        ("young", [8, 4, 2], "from the weight to 0"),
        ("ema_b", [4, 1], "left where it stood"),
        ("clipped", [6, -8], "not clipped"),
        ("clipped", [0.6, -0.8], "to length 1"),
    ):
        sheet = Sheet(form="learn")
        for name, value in key("learn", sheet.givens).items():
            if name in parts_of("learn"):
                setattr(sheet, name, value)
        setattr(sheet, part, cells)
        assert check("10.1", sheet).slip == slip, part


# The package


def test_loss_and_average_are_those_of_the_package():
    torch = pytest.importorskip("torch")
    from ditcourse.training import TrainConfig, Trainer, diffusion_loss

    rng = np.random.default_rng()
    model, x0, noise, t = ch10._loss_inputs(rng)
    asked = diffusion_loss(lambda x, t, c: torch.from_numpy(model(x.numpy(), t.numpy())), *map(
        torch.from_numpy, (x0, np.zeros(3), noise, t)))  # fmt: skip
    assert ch10._loss()(model, x0, noise, t) == pytest.approx(asked.item(), rel=1e-5)

    trainer = Trainer(torch.nn.Linear(3, 2), None, TrainConfig(ema_decay=0.95))
    for step in (0, 5, 169, 170, 171, 400):
        ema, weights = rng.normal(size=(2, 2, 3))
        with torch.no_grad():
            trainer.ema.weight.copy_(torch.from_numpy(ema))
            trainer.model.weight.copy_(torch.from_numpy(weights))
        trainer.step = step
        trainer._average()
        np.testing.assert_allclose(ch10._average()(ema, weights, step, 0.95), trainer.ema.weight.numpy(), rtol=1e-5)


# Wrong and right answers as a learner would write them, not those of the spec


def loss_from_signal(model, x0, noise, t):
    t4 = t.reshape(-1, 1, 1)
    x_t = x0 + t4 * (noise - x0)
    return sum(((model(x_t, t) - noise + x0)[i] ** 2).mean() for i in range(len(t))) / len(t)


def loss_noise_prediction(model, x0, noise, t):
    t4 = t.reshape(-1, 1, 1)
    return ((noise - model((1 - t4) * x0 + t4 * noise, t)) ** 2).mean()


def average_with(ema, weights, decay):
    return decay * ema + (1 - decay) * weights


def average_as_a_step(ema, weights, step, decay):
    return ema + (1 - min((1 + step) / (10 + step), decay)) * (weights - ema)


@pytest.mark.parametrize(
    "id, answer",
    [("10.2", loss_from_signal), ("10.3", average_as_a_step), ("10.4", [3, 6, 1, 8, 4]), ("10.5", (0.05, 1e-4, 2e-3))],
)
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("10.2", loss_noise_prediction, "noise as the target"),
        ("10.2", lambda model, x0, noise, t: loss_from_signal(model, x0, noise, t) / 2, "halved"),
        ("10.3", lambda ema, weights, step, decay: weights + decay * (ema - weights), "large from the start"),
        ("10.3", lambda ema, weights, step, decay: average_with(ema, weights, min(decay, 1 + step / 10 + step)),
         "large from the start"),
        ("10.3", lambda ema, weights, step, decay: ema * min(decay, (1 + step) / (10 + step)) + weights,
         "weights added whole"),
        ("10.4", (3, 6, 5, 8, 4), "c: 5"),
        ("10.4", (3, 4, 1, 8, 6), "b and e changed places"),
        ("10.5", (2e-3, 1e-4, 0.05), "a and c changed places"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_two_faults_alike_are_told(capsys):
    verdict = check("10.4", (6, 6, 6, 6, 6))
    assert verdict.state == "wrong" and "6 stands there more than once" in verdict.message
    assert len(verdict.message.split("\n")) >= 5  # and each of the four wrong letters gets a line
    assert "more than once" not in check("10.4", (3, 6, 5, 8, 4)).message
    assert "more than once" in check("10.4", (3, ..., 3, ..., ...)).message
    judge = next(exercise.judge for exercise in ch10.EXERCISES if exercise.id == "10.4")
    for (letter, told), right in zip(judge.letters.says.items(), judge.right_answer(), strict=True):
        assert sorted([right, *told]) == [*range(1, 9)], letter  # a reason for every number but the right one
        assert all(str(right) not in re.findall(r"\d+", sentence) for sentence in told.values()), letter
    for wrong in (7, "abc", [[1, 2]], {"a": 3, "b": None}):
        check("10.4", wrong)


# Resuming


def pickled(run):
    """Another way: everything through a file in memory."""
    import io

    import torch

    file = io.BytesIO()
    torch.save([run.model.state_dict(), run.ema.state_dict(), run.optimizer.state_dict(), run.dice.get_state(),
                run.step], file)  # fmt: skip
    return file.getvalue()


def unpickled(run, kept):
    import io

    import torch

    model, ema, optimizer, dice, run.step = torch.load(io.BytesIO(kept))
    run.model.load_state_dict(model)
    run.ema.load_state_dict(ema)
    run.optimizer.load_state_dict(optimizer)
    run.dice.set_state(dice)


def test_a_run_saved_in_another_way_is_right(capsys):
    pytest.importorskip("torch")
    assert check("10.6", (pickled, unpickled)).state == "right"


def test_what_is_missing_in_a_saved_run_is_named(capsys):
    pytest.importorskip("torch")

    def weights_only(run):
        return copy.deepcopy(run.model.state_dict())

    verdict = check("10.6", (weights_only, lambda run, kept: run.model.load_state_dict(kept)))
    assert verdict.state == "wrong"
    said = capsys.readouterr().out
    assert "the weights are not those" not in said
    for part in ("the average", "the optimizer", "the dice", "the step"):
        assert part in said
    assert check("10.6", (lambda run: None, ch10.load)).state == "not done"
    assert check("10.6", ch10.save).state == "wrong"
    assert check("10.6", (lambda run: run.wheels, ch10.load)).state == "wrong"
    assert "wheels" in capsys.readouterr().out


def test_what_goes_wrong_with_a_saved_run_is_told_apart(capsys):
    pytest.importorskip("torch")

    def save_but(**changed):
        return lambda run: ch10.save(run) | {name: take(run) for name, take in changed.items()}

    def load_model(run, kept):
        ch10.load(run, kept | {"model": kept["model"].state_dict()})
        run.model = copy.deepcopy(kept["model"])

    def load_new(run, kept):
        fresh = ch10.new_run()
        ch10.load(fresh, kept)
        return fresh

    def load_nothing(run, kept):
        run = kept  # noqa: F841

    def load_blank(run, kept):
        """Put it into a fresh run."""
        ...

    def load_typo(run, kept):
        run.step = kept["stepp"]

    whole = save_but(model=lambda run: copy.deepcopy(run.model))
    verdict = check("10.6", (whole, load_model))
    assert verdict.slip == "optimizer of another model" and "no longer the model's" in verdict.message
    verdict = check("10.6", (save_but(optimizer=lambda run: run.optimizer.state_dict()), ch10.load))
    assert verdict.slip == "not copied" and "The optimizer: what was kept has moved on" in verdict.message
    assert "The weights" not in verdict.message
    verdict = check("10.6", (ch10.save, load_new))
    assert verdict.slip == "load leaves the run alone" and "returned something" in verdict.message
    assert check("10.6", (ch10.save, load_nothing)).slip == "load leaves the run alone"
    assert check("10.6", (ch10.save, load_blank)).state == "not done"
    verdict = check("10.6", (ch10.save, load_typo))
    assert "`load` stopped in line" in verdict.message and "stepp" in verdict.message
    save_two = save_but(dice=lambda run: ch10.new_run(7).dice.get_state(), step=lambda run: 3)
    lines = check("10.6", (save_two, ch10.load)).message.split("\n")  # a fault a line
    assert "the dice fall" in lines[0] and "the step" in lines[1] and "the step" not in lines[0]


# What the pages say of the recorded runs


def test_the_chapters_claims_hold_in_the_record():
    text = " ".join(page("book/10_training.ipynb").split())
    levels = RECORD["levels"]
    at = levels["levels"].index(0.9)
    low, high, mini = (levels[name][at] for name in ("inside", "outside", "mini"))
    assert high - low < 0.002 and f"{mini - (low + high) / 2:.3f}" == "0.014" and "is 0.014 above" in text
    assert levels["outside"][0] > levels["mini"][0] > levels["inside"][0]
    assert all(a <= b for a, b in zip(levels["inside"], levels["outside"], strict=True))
    assert levels["training"]["inside"] < levels["training"]["outside"] < levels["training"]["mini"]
    assert RECORD["small"]["floor"][at] == pytest.approx(0.05, abs=0.005)

    runs = RECORD["failures"]
    healthy = runs["healthy"]
    assert f"{runs['prompts never shown']['last'] / healthy['last']:.2f}" == "1.12" and "12 % higher" in text
    assert runs["prompts never shown"]["own prompt"] == runs["prompts never shown"]["other prompt"]
    ratios = {name: row["other prompt"] / row["own prompt"] for name, row in runs.items() if name != "real"}
    assert {name for name, ratio in ratios.items() if runs[name]["colour"] > 0.25} == {
        name for name, ratio in ratios.items() if ratio > 1.045}  # "All rows that know colours have 1.05 or more"
    deaf = [name for name, ratio in ratios.items() if f"{ratio:.2f}" == "1.00"]
    assert deaf == ["average too young", "prompts never shown", "sign turned round", "too narrow"]
    assert [f"{runs[name]['own prompt']:.2f}" for name in deaf] == ["1.55", "0.19", "5.92", "0.48"]
    assert len(ratios) == 9 and "seven failures" in text and "own* 1.55, 5.92, 0.48" in text
    assert runs["sign turned round"]["last"] == healthy["last"] and runs["sign turned round"]["rms"] > 2
    assert runs["average too young"]["own prompt"] == pytest.approx(1.55, abs=0.006)
    assert (healthy["colour"], runs["time turned round"]["colour"], runs["average too young"]["colour"]) == (1, 1, 0.25)
    assert runs["clips times 0.18"]["grain"] > 1.5 * healthy["grain"]
    narrow = runs["too narrow"]["per level"]
    gaps = [wide - good for wide, good in zip(narrow, healthy["per level"], strict=True)]
    assert f"{min(gaps):.2f} to {max(gaps):.2f}" == "0.30 to 0.38" and "0.30 to 0.38 are left" in text
    mini = json.loads((ROOT / "ditcourse" / "weights" / "mini" / "run.json").read_text(encoding="utf-8"))
    colour = next(row for row in mini["progress"] if row["right"]["colour"] >= 0.9)
    assert f"{colour['loss'] / mini['losses'][0]:.0%}" == "8%" and "the last 8 % of the loss" in text
    shifted = [a < b for a, b in zip(runs["no time shift"]["per level"], healthy["per level"], strict=True)]
    assert shifted[:5] == 5 * [True] and shifted[6:] == 3 * [False]
    assert [runs["real"][name] for name in ("rms", "grain")] == pytest.approx([0.76, 0.10], abs=0.005)


def test_attention_solves_the_long_range_task_and_a_window_does_not():
    far = RECORD["far"]
    assert far["whole clip"]["right"] > 0.95
    for name in ("next frames", "one frame"):  # within four standard errors of chance
        assert abs(far[name]["right"] - 0.25) < 4 * (0.25 * 0.75 / far[name]["of"]) ** 0.5


def test_the_rates_of_the_exercise_are_in_the_record_and_differ():
    rates = RECORD["rates"]
    curves = ch10.mystery_curves()
    assert "stopped" in rates[ch10.SHOWN[0]] and len(curves["a"]) < len(curves["b"]) == len(curves["c"])
    assert rates[ch10.SHOWN[1]]["last"] > 4 * rates[ch10.SHOWN[2]]["last"]
    assert abs(rates["0.01"]["last"] - rates["0.002"]["last"]) < 0.02  # "0.01 does as well"


def test_the_loops_differ_where_the_solution_says():
    """Each broken loop of the notebook differs from the right one in one line (or lacks one, or has one more)."""
    cells = json.loads((ROOT / "solutions/10_training.ipynb").read_text(encoding="utf-8"))["cells"]
    loops = {}
    for cell in cells:
        match = re.search(r"def loop_(\w+)\(.*", "".join(cell["source"]), re.S)
        if match and cell["cell_type"] == "code":
            loops[match[1]] = [line.strip() for line in match[0].strip().split("\n")[1:]]
    right = loops.pop("right")
    wanted = {"a": "zero_grad", "b": "x0 - noise", "c": "> 0.1", "d": "max(", "e": "torch.randn"}
    assert set(loops) == set(wanted)
    for name, lines in loops.items():
        odd = set(lines) ^ set(right)
        assert len(odd) <= 2 and any(wanted[name] in line for line in odd), name


def test_minutes_add_up():
    total = sum(exercise.minutes for exercise in ch10.EXERCISES)
    assert f"{total} minutes" in page("solutions/10_training.ipynb")
    assert f"Six exercises, {total} minutes" in page("book/10_training.ipynb") and len(ch10.EXERCISES) == 6


def experiment():
    import importlib.util

    spec = importlib.util.spec_from_file_location("training_experiment", ROOT / "experiments" / "training.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_window_of_the_experiment_is_a_window():
    torch = pytest.importorskip("torch")
    from ditcourse.model.attention import Attention

    module = experiment()
    tokens = module.FRAMES * 4
    attention = Attention(8, 2)
    x = torch.randn(1, tokens, 8)
    torch.testing.assert_close(module.Window(attention, module.FRAMES - 1)(x), attention(x))
    other = x.clone()
    other[0, 5] += 1  # a token of frame 1, the second
    for reach, frames in ((0, [1]), (1, [0, 1, 2]), (3, [0, 1, 2, 3, 4])):
        window = module.Window(attention, reach)
        changed = ((window(x) - window(other)).abs() > 1e-6).any(2)[0].reshape(module.FRAMES, 4)
        assert changed.any(1).nonzero().flatten().tolist() == frames


def test_the_long_range_clips_show_the_corner_in_first_and_last_frame_only():
    torch = pytest.importorskip("torch")
    module = experiment()
    clips, which = module.corners(50, torch.Generator().manual_seed(3))
    assert set(which.tolist()) == {0, 1, 2, 3} and clips[:, :, 1:-1].max() == -1
    assert torch.equal(clips[:, :, 0], clips[:, :, -1]) and (clips[:, :, 0] == 1).sum((1, 2, 3)).tolist() == 50 * [16]
    for clip, corner in zip(clips, which.tolist(), strict=True):
        rows, columns = (clip[0, 0] == 1).nonzero().unbind(1)
        assert (rows.min().item() // 4, columns.min().item() // 4) == divmod(corner, 2)


def test_learning_through_the_negated_model_turns_the_target_round():
    torch = pytest.importorskip("torch")
    from ditcourse.training import diffusion_loss

    class Inner(torch.nn.Module):
        y_embedder = None

        def forward(self, x, t, y):
            return x * t.reshape(-1, 1)

    x0, noise, t = torch.randn(4, 6), torch.randn(4, 6), torch.rand(4)
    through = diffusion_loss(experiment().Negated(Inner()), x0, None, noise, t)
    x_t = (1 - t[:, None]) * x0 + t[:, None] * noise
    torch.testing.assert_close(through, (x_t * t[:, None] - (x0 - noise)).square().mean())
