"""Chapter 2: each slip has its own name, other ways to be right are right, the chapter fits the package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand, exercises
from ditcourse.check import check, find

ROOT = Path(__file__).resolve().parents[2]
IDS = ("2.1", "2.2", "2.3", "2.4", "2.5")
SLIPS = [(id, name) for id in IDS for name in [slip.name for slip in find(id).judge.slips]]


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


# ---- what a learner may hand over ----


def encode_with_loops(X, W, b):
    rows = [[max(0.0, sum(w * x for w, x in zip(weights, token, strict=True)) + bias)
             for weights, bias in zip(W, b, strict=True)] for token in X]  # fmt: skip
    return rows


def patchify_with_loops(frames, p):
    F, H, W = frames.shape
    corners = [(y, x) for y in range(0, H, p) for x in range(0, W, p)]
    return [frame[y : y + p, x : x + p].ravel() for frame in frames for y, x in corners]


def attend_with_torch(C, S):
    import torch

    A = torch.softmax(torch.tensor(S, dtype=torch.float64), dim=-1)
    return {"pooled P": A @ torch.tensor(C, dtype=torch.float64), "weights A": A}


def train_step_without_optimizer(model, z, c, noise, rate):
    import torch

    parameters = list(model.parameters())
    loss = ((model(z, c) - noise) ** 2).mean()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter -= rate * gradient
    return loss.item()


RIGHT = {
    "2.1": encode_with_loops,
    "2.2": patchify_with_loops,
    "2.3": attend_with_torch,
    "2.4": train_step_without_optimizer,
    "2.5": ([[1, 0], [0, 1]], [0, 0], 0.25),
}


@pytest.mark.parametrize("id", IDS)
def test_other_ways_to_be_right(id, capsys):
    if id == "2.3":
        pytest.importorskip("torch")  # inside the answer its absence would count as the learner's mistake
    assert check(id, RIGHT[id]).state == "right"


# Wrong functions as a learner would write them, not those of the spec.
def encode_like_on_paper(X, W, b):
    return byhand.encode(X, W, b)


def encode_turned_twice(X, W, b):
    return byhand.encode(X, W, b).T


def cut_without_transpose(frames, p):
    F, H, W = frames.shape
    return frames.reshape(F, H // p, p, W // p, p).reshape(-1, p * p)


def attend_with_columns(C, S):
    A = byhand.extensions.softmax(S)
    return A, A @ C


def exps_of(S):
    return np.exp(S - S.max(axis=1, keepdims=True))  # the line that the exercise gives


def attend_without_keepdims(C, S):
    A = exps_of(S) / exps_of(S).sum(axis=1)
    return A, A @ C


def attend_down_the_columns(C, S):
    A = exps_of(S) / exps_of(S).sum(axis=0)
    return A, A @ C


def attend_as_on_the_sheet(C, S):
    A = byhand.attention_weights(S.T).T
    return A, A @ C


def forgets_zero_grad(model, z, c, noise, rate):
    import torch

    loss = torch.nn.functional.mse_loss(model(z, c), noise)
    loss.backward()
    for parameter in model.parameters():
        parameter.data -= rate * parameter.grad
    return loss.item()


def moves_nothing(model, z, c, noise, rate):
    import torch

    return torch.nn.functional.mse_loss(model(z, c), noise).item()


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("2.1", encode_like_on_paper, "column form"),
        ("2.1", encode_turned_twice, "X transposed"),
        ("2.1", lambda X, W, b: np.clip(X @ W.T, 0, None), "bias forgotten"),
        ("2.2", cut_without_transpose, "only reshaped"),
        ("2.2", lambda frames, p: byhand.rows.patchify(frames), "one frame, one token"),
        ("2.3", attend_with_columns, "softmax over the queries"),
        ("2.3", attend_without_keepdims, "keepdims forgotten"),
        ("2.3", attend_down_the_columns, "sums along the wrong axis"),
        ("2.3", attend_as_on_the_sheet, "two-largest rule"),
        ("2.4", forgets_zero_grad, "gradients not cleared"),
        ("2.4", moves_nothing, "nothing moved"),
        ("2.5", (np.eye(2), [0, 0], 0), "nothing lost"),
        ("2.5", (np.eye(2), [0, 0], 3.4375), "untrained guess"),
        ("2.5", (np.eye(2), [0, 1], 0.25), "decoder bias forgotten"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def step_outside_no_grad(model, z, c, noise, rate):
    import torch

    loss = torch.nn.functional.mse_loss(model(z, c), noise)
    loss.backward()
    for parameter in model.parameters():
        parameter -= rate * parameter.grad
    return loss.item()


def test_parameters_changed_outside_no_grad(capsys):
    verdict = check("2.4", step_outside_no_grad)
    line = step_outside_no_grad.__code__.co_firstlineno + 6
    assert verdict.state == "wrong" and f"in line {line} " in verdict.message
    assert "change parameters inside `with torch.no_grad():`" in verdict.message


def test_a_loss_that_is_still_a_tensor(capsys):
    import torch

    def step(model, z, c, noise, rate):
        model.zero_grad()
        loss = torch.nn.functional.mse_loss(model(z, c), noise)
        loss.backward()
        torch.optim.SGD(model.parameters(), lr=rate).step()
        return loss

    verdict = check("2.4", step)
    assert (verdict.state, verdict.slip) == ("wrong", "loss still a tensor") and "loss.item()" in verdict.message


def blank_function(*inputs): ...


@pytest.mark.parametrize("id, answer", [(id, blank_function) for id in IDS[:4]] + [("2.5", (..., ..., ...))])
def test_blanks_are_not_done(id, answer, capsys):
    assert check(id, answer).state == "not done"


def test_the_floor_is_as_in_the_reference():
    product, offset, floor = find("2.5").judge.right_answer()
    assert product.tolist() == [[1, 0], [0, 1]] and offset.tolist() == [0, 0] and floor == 0.25


def test_training_on_the_sheet_gives_its_losses():
    """2 before the first step and 1.5506 after it (byhand.md), and the parameters of byhand.sgd_step."""
    from ditcourse.check.chapters import ch02

    losses, parameters = ch02.TRAINING.reference(*ch02._sheet_step())
    assert losses[0] == 2 and round(losses[1], 4) == 1.5506
    twice = byhand.sgd_step(byhand.sgd_step(byhand.load(), 0.005), 0.005)
    wanted = np.concatenate([getattr(twice, name).ravel() for name in ("W_ada", "b_ada", "W_ff", "b_ff")])
    np.testing.assert_allclose(parameters.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_torch_is_loaded_for_the_training_step_only():
    code = (
        "import sys; from ditcourse.check import find\n"
        "for id in ('2.1', '2.2', '2.3', '2.5'):\n"
        "    judge = find(id).judge\n"
        "    assert judge.judge(judge.right_answer()).state == 'right'\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# ---- the chapter ----


@pytest.mark.parametrize("number, answer", [(1, "encode"), (2, "patchify"), (3, "attend"), (4, "train_step")])
def test_every_blank_of_the_template_is_not_done(number, answer, capsys):
    solution = exercises.read(ROOT / "solutions/02_in_code.ipynb")
    template = {cell["id"]: exercises.text_of(cell) for cell in exercises.blank(solution)["cells"]}
    names = {"np": np}
    exec(template[f"ex{number}-answer"], names)
    assert check(f"2.{number}", names[answer]).state == "not done"


def test_the_table_of_the_chapter_is_the_table_of_the_package():
    table = cells("book/02_in_code.ipynb")["real-text"]
    rows = [line.strip("| ").split(" | ") for line in table.split("\n") if line.startswith("| [")]
    assert [(place, text.partition(" [")[0]) for place, text in rows] == [
        (f"{step.label} {step.name} `{step.symbol.rpartition('.')[2]}`", step.leaves_out)
        for step in byhand.STEPS
    ]
    anchors = (ROOT / "book/claims.md").read_text(encoding="utf-8")
    linked = [text for _, text in rows if "](" in text]
    assert len(linked) == len(rows) - 1  # on putting patches back there is no claim
    for text in linked:
        claim = text.rpartition("#")[2].rstrip(")")
        assert text.endswith(f" [{claim.upper()}](#{claim})")
        assert f"({claim})=" in anchors


def test_the_exercise_has_the_model_of_the_chapter():
    book, solved = cells("book/02_in_code.ipynb"), cells("solutions/02_in_code.ipynb")
    assert solved["ex4-model"] == book["toy"] and solved["ex4-given"] == book["linear"]


def test_the_chapter_derives_every_function_of_the_package():
    """The functions written in the chapter are compared with the package's there, all of them."""
    book = cells("book/02_in_code.ipynb")
    lines = [line for source in book.values() for line in source.split("\n")]
    defined = {line[4:].split("(")[0] for line in lines if line.startswith("def ")}
    functions = {step.function for step in byhand.STEPS} - {"load"}
    assert functions <= defined
    assert all(f'"{name}": [' in book["same"] for name in functions)
