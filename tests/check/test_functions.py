"""Answers that are functions: how they are tried, and what is said of them."""

import numpy as np
import pytest

from ditcourse.check import Slip, check, function


def modulate(z, scale, shift):
    return z * scale[:, None] + shift[:, None]


def said(id, answer):
    return check(id, answer).message.split(": ", 1)[1]


def test_right(course):
    assert said("90.3", modulate) == "right."
    assert check("90.3", lambda *inputs: modulate(*inputs).tolist()).state == "right"


def test_on_the_sheet_first(course):
    text = said("90.3", lambda z, scale, shift: z)
    assert text == (
        "wrong. With the numbers of the sheet of shape (2, 4), (2,), (2,): row 1, column 1: your function "
        "gives 2. 8 of 8 cells are wrong."
    )


def test_right_on_the_sheet_is_not_enough(course):
    verdict = check("90.3", lambda z, scale, shift: z * np.array([[2], [-1]]) + np.array([[1], [5]]))
    assert verdict.state == "wrong"
    assert (
        "With random inputs of shape (2, 4), (2,), (2,): row 1, column 1: your function gives"
        in verdict.message
    )


def test_some_inputs_are_fresh():
    seen = []
    judge = function(lambda x: x, lambda rng: (rng.normal(size=2),), trials=2)
    for _ in range(2):
        judge.judge(lambda x: seen.append(x.copy()) or x)
    assert len(seen) == 6
    assert np.array_equal(seen[0], seen[3]) and np.array_equal(seen[1], seen[4])
    assert not np.array_equal(seen[2], seen[5])


def test_slips(course):
    verdict = check("90.3", lambda z, scale, shift: modulate(z, shift, scale))
    assert (verdict.state, verdict.slip) == ("wrong", "swapped")
    assert verdict.message.endswith("Probably: they are swapped.")
    assert check("90.3", lambda z, scale, shift: modulate(z, scale, shift).T).slip == "transposed"


def test_a_slip_must_explain_every_trial():
    judge = function(
        abs, lambda rng: (rng.normal(),), slips=(Slip("sign", lambda x: x, "the sign is kept"),), trials=9
    )
    assert judge.judge(lambda x: x).slip == "sign"
    assert judge.judge(lambda x: max(x, 0)).slip is None


def test_it_works_on_copies(course):
    def greedy(z, scale, shift):
        z *= scale[:, None]
        z += shift[:, None]
        scale[:] = shift[:] = 0
        return z

    assert check("90.3", greedy).state == "right"


def test_not_done(course):
    def unfinished(z, scale, shift):
        """Docstring."""
        ...

    def half(z, scale, shift):
        scaled = ...
        return scaled + shift

    def hidden(z, scale, shift):
        weights = ...
        return weights @ z  # NumPy's message does not say what is wrong

    def todo(z, scale, shift):
        raise NotImplementedError

    for answer in (..., None, unfinished, half, hidden, todo, lambda *inputs: ...):
        assert check("90.3", answer).state == "not done"
    assert said("90.3", unfinished) == "not done. The function does not return a result yet."
    assert said("90.3", lambda *i: [[1, 2, 3, 4], [5, 6, 7, ...]]) == (
        "not done. In what the function returns, 1 of 8 cells left."
    )


def test_a_blank_block_before_a_line_that_needs_it(course):
    def block(z, scale, shift):
        ...  # the block with the solution was here
        return result  # noqa: F821

    def finished(z, scale, shift):
        return result  # noqa: F821

    assert check("90.3", block).state == "not done"
    assert said("90.3", finished).endswith("with NameError: name 'result' is not defined.")


def test_a_blank_name_outside_the_function(course):
    namespace = {}
    exec("W = ...\ndef f(z, scale, shift):\n    return z.T @ W", namespace)
    assert check("90.3", namespace["f"]).state == "not done"


def test_it_stops(course):
    def recursion(*inputs):
        return recursion(*inputs)

    def two_lines(z, scale, shift):
        return z[17]

    assert "wrong. Your function stopped in line" in said("90.3", recursion)
    assert "with RecursionError: maximum recursion depth exceeded" in said("90.3", recursion)
    line = two_lines.__code__.co_firstlineno + 1
    assert said("90.3", two_lines) == (
        f"wrong. Your function stopped in line {line} of its cell or file with "
        "IndexError: index 17 is out of bounds for axis 0 with size 2."
    )
    assert "takes 1 positional argument but 3 were given" in said("90.3", lambda z: z)
    long = "a" * 1000 + "\n" + "b"
    text = said("90.3", lambda *i: (_ for _ in ()).throw(ValueError(long)))
    assert "\n" not in text and len(text) < 300
    for stop in (SystemExit, GeneratorExit):
        assert check("90.3", lambda *i, stop=stop: (_ for _ in ()).throw(stop())).state == "wrong"


def test_ctrl_c_is_not_swallowed(course):
    def interrupted(*inputs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("90.3", interrupted)


UNUSABLE = "wrong. What your function returns cannot be used: "
ON_SHEET = "wrong. With the numbers of the sheet of shape (2, 4), (2,), (2,): "


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            np.zeros((2, 4)),
            "wrong. A function is wanted here (its name, without brackets); that is an array.",
        ),
        (lambda *i: "text", UNUSABLE + "that is a text ('text') where a number is wanted."),
        (lambda *i: (yield 1), UNUSABLE + "that is a generator, which gives its values one by one; "),
        (lambda *i: [[1, 2], [3]], UNUSABLE + "the rows differ in length: row 1 has 2, row 2 has 1."),
        (lambda *i: 1, ON_SHEET + "your function gives one number, 2 rows of 4 are wanted."),
        (lambda *i: np.full((2, 4), np.nan), ON_SHEET + "row 1, column 1: your function gives nan (not a "),
    ],
)
def test_what_cannot_be_used(course, answer, text):
    assert said("90.3", answer).startswith(text)


def test_an_answer_used_in_its_own_way(course):
    assert check("90.7", lambda n: lambda x: n * x).state == "right"
    assert check("90.7", lambda n: lambda x: n + x).slip == "added"
    assert check("90.7", ...).state == "not done"
    assert "stopped" in check("90.7", lambda n: 5).message
    assert check("90.7", 5).state == "wrong"


def test_torch_modules_and_tensors():
    torch = pytest.importorskip("torch")
    reference = torch.nn.Linear(4, 2)
    judge = function(
        lambda x: reference(x),
        lambda rng: (torch.tensor(rng.normal(size=(3, 4)), dtype=torch.float32),),
        slips=(Slip("bias forgotten", lambda x: x @ reference.weight.T, "the bias is missing"),),
    )
    mine = torch.nn.Linear(4, 2)
    assert judge.judge(mine).state == "wrong"
    mine.load_state_dict(reference.state_dict())
    assert judge.judge(mine).state == "right"
    assert judge.judge(mine.to(torch.float64)).text.startswith("Your function stopped")
    with torch.no_grad():
        mine.to(torch.float32).bias.zero_()
    assert judge.judge(mine).slip == "bias forgotten"

    class Unfinished(torch.nn.Module):
        def forward(self, x):
            weight = ...
            return x @ weight

    assert judge.judge(Unfinished()).state == "not done"


def test_tensors_as_values_and_results(course):
    torch = pytest.importorskip("torch")
    assert check("90.3", lambda *i: torch.tensor(modulate(*i) * 1.0, requires_grad=True)).state == "right"
    z = torch.tensor([[2, 1, 0, 1], [3, 5, 5, 3]])
    assert check("90.1", z).state == "right"
    assert check("90.1", z.to(torch.bfloat16)).state == "right"
    assert check("90.1", list(z)).state == "right"
    assert check("90.1", z.T.float().requires_grad_()).slip == "transposed"
    assert check("90.1", torch.empty(2, 4, device="meta")).state == "wrong"
    assert check("90.1", z.to_sparse()).state == "wrong"
    assert check("90.2", torch.tensor([[2.0, -1.0], [1.0, 5.0]])).state == "right"
