"""Chapter 7: other ways to be right, learners' own slips, the specs against the package, and numbers of the pages."""

import difflib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch07
from ditcourse.check.forms import key, parts_of, values_of
from ditcourse.check.formulas import evaluate

ROOT = Path(__file__).parents[2]


# ---- the sheet ----


def test_the_sheet_is_the_first_one_steered_in_two_ways():
    """Against the steps of byhand, and normalised by another route than the formula's."""
    for seed in (0, 1, 2, 7, 30):
        exercise = byhand.new_exercise(seed)
        solved, found = byhand.solve(exercise), key("steer", values_of("steer", seed))
        wanted = np.concatenate([solved.scale, solved.shift])
        assert found["stacked"].ravel().tolist() == found["added"].ravel().tolist() == wanted.tolist()
        assert np.array_equal(1 + found["dit_scale"].ravel(), solved.scale)
        assert (found["from_text"] + found["from_time"]).ravel().tolist() == (wanted - exercise.b_ada).tolist()
        two = solved.Z[:, :2]
        signs = np.sign(two - two[::-1])  # of two numbers only which is larger is left
        assert np.array_equal(found["normed"], signs)
        assert np.array_equal(found["modulated"], signs * solved.scale[:, None] + solved.shift[:, None])
        assert np.array_equal(found["gated"], two + np.array([[0], [0.5]]) * solved.E[:, :2])


def test_every_cell_is_whole_or_a_half_and_small():
    for seed in range(201):
        found = key("steer", values_of("steer", seed))
        for name in parts_of("steer"):
            assert np.array_equal(2 * found[name], np.rint(2 * found[name])), (seed, name)
            assert np.abs(found[name]).max() < 20


def test_layer_norm_is_the_one_of_torch():
    torch = pytest.importorskip("torch")
    A = np.random.default_rng(0).normal(size=(5, 7))
    wanted = torch.nn.functional.layer_norm(torch.from_numpy(A.T), (5,), eps=0).numpy().T
    np.testing.assert_allclose(evaluate(["layer_norm", "A"], {"A": A}), wanted)
    assert not evaluate(["layer_norm", "A"], {"A": np.full((3, 2), 4.0)}).any()  # equal numbers: no division by 0


def test_the_page_counts_its_boxes_and_minutes():
    page = (ROOT / "book" / "07_steer.md").read_text(encoding="utf-8")
    boxes = sum(np.prod(part.shape) for part in parts_of("steer").values())
    assert f"{boxes} boxes, {ch07.EXERCISES[0].minutes} minutes" in page


def test_a_sheet_filled_in_a_notebook_is_right(capsys):
    sheet = Sheet("https://example.org/book/07_steer.html#seed=4")
    assert sheet.form == "steer"
    for name, value in key("steer", sheet.givens).items():
        if name in parts_of("steer"):
            setattr(sheet, name, value)
    assert check("7.1", sheet).state == "right"
    sheet.dit_scale = np.array(sheet.added[:2])
    verdict = check("7.1", sheet)
    assert (verdict.state, verdict.slip) == ("wrong", "factor copied")


# ---- the specs against the package ----


def test_the_embedding_is_the_packages():
    torch = pytest.importorskip("torch")
    from ditcourse.model.conditions import timestep_embedding

    t = np.random.default_rng(1).uniform(size=6)
    for dim in (8, 256):
        wanted = timestep_embedding(torch.from_numpy(1000 * t), dim).numpy()
        np.testing.assert_allclose(ch07._embed()(t, dim), wanted, atol=2e-4)
    e = ch07._embed()(np.array([0.001]), 256)[0]  # t = 1, the digits of the chapter
    assert [round(e[i], 4) for i in (0, 1, 127, 128, 255)] == [0.5403, 0.5974, 1.0, 0.8415, 0.0001]


def test_modulate_is_the_packages():
    torch = pytest.importorskip("torch")
    from ditcourse.model.dit import modulate

    inputs = ch07._modulate_inputs(np.random.default_rng(2))
    wanted = modulate(*map(torch.from_numpy, inputs)).numpy()
    np.testing.assert_allclose(ch07._modulate(*inputs), wanted)


def test_the_four_starts_by_training_them():
    """Exercise 7.6 again, with autograd: is the block the identity, and does descent move it from there?"""
    torch = pytest.importorskip("torch")
    found = []
    for _, bias, last in ch07.STARTS.values():
        torch.manual_seed(0)
        gate, f = (
            torch.nn.Linear(3, 4),
            torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4)),
        )
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, bias)
        if not last:
            torch.nn.init.zeros_(f[2].weight)
            torch.nn.init.zeros_(f[2].bias)
        x, c, wanted = torch.randn(9, 4), torch.randn(9, 3), torch.randn(9, 4)
        first = (x + gate(c) * f(x)).detach()
        descent = torch.optim.SGD([*gate.parameters(), *f.parameters()], lr=0.1)
        for _ in range(3):
            descent.zero_grad()
            (x + gate(c) * f(x) - wanted).square().mean().backward()
            descent.step()
        moved = not torch.equal(x + gate(c) * f(x), first)
        found.append(3 if not torch.equal(first, x) else 1 if moved else 2)
    assert tuple(found) == ch07.start_kinds() == (1, 2, 1, 3)


# ---- right and wrong answers as a learner would write them ----


def waves(t, dim):
    """With a loop, as one writes it at first."""
    result = np.zeros((len(t), dim))
    for i in range(dim // 2):
        omega = np.exp(-np.log(10000) * 2 * i / dim)
        result[:, i], result[:, i + dim // 2] = np.cos(1000 * t * omega), np.sin(1000 * t * omega)
    return result


def einsum_modulate(x, shift, scale):
    return x + np.einsum("btd,bd->btd", x, scale) + shift.reshape(len(x), 1, -1)


def by_dictionary(prompt, vocabulary, length):
    number = {word: i for i, word in enumerate(vocabulary, 1)}
    row = np.zeros(length, dtype=int)
    for place, word in enumerate(prompt.lower().split()):
        try:
            row[place] = number[word]
        except KeyError:
            best = max(vocabulary, key=lambda known: difflib.SequenceMatcher(None, word, known).ratio())
            raise ValueError(f"In the prompt {prompt!r}: {word} is not a word that I know. {best}?") from None
        except IndexError:
            raise ValueError("too long") from None
    return row


def by_columns(W_text, b_text, W_time, b_time):
    return {"W": [[*row, *more] for row, more in zip(W_text, W_time, strict=True)], "b": b_time + b_text}


@pytest.mark.parametrize(
    ("id", "answer"),
    [("7.2", waves), ("7.3", einsum_modulate), ("7.4", by_dictionary), ("7.5", by_columns),
     ("7.6", {"a": 1, "b": 2, "c": 1, "d": 3}), ("7.7", [3, 6, 2])],
)  # fmt: skip
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


def sines_and_raw(t, dim):
    angles = np.outer(t, 10000.0 ** (-np.arange(dim // 2) / (dim // 2)))
    return np.hstack([np.cos(angles), np.sin(angles)])


def get_or_zero(prompt, vocabulary, length):
    numbers = [vocabulary.index(w) + 1 if w in vocabulary else 0 for w in prompt.lower().split()]
    return numbers[:length] + [0] * (length - len(numbers))


def plain_index(prompt, vocabulary, length):
    """tuple.index raises a ValueError of its own, which helps nobody."""
    numbers = [vocabulary.index(w) + 1 for w in prompt.lower().split()]
    return numbers + [0] * (length - len(numbers))


def no_capitals(prompt, vocabulary, length):
    return by_dictionary(prompt, vocabulary, length) if prompt.islower() or not prompt else {}[prompt]


def cut_off(prompt, vocabulary, length):
    return by_dictionary(" ".join(prompt.split()[:length]), vocabulary, length)


def nearest_or_stop(prompt, vocabulary, length, pick=lambda near: near[0]):
    """With the cutoff that get_close_matches has by itself."""
    for word in prompt.lower().split():
        if word not in vocabulary:
            raise ValueError(f"unknown word {word}; nearest: {pick(difflib.get_close_matches(word, vocabulary, 1))}")
    return by_dictionary(prompt, vocabulary, length)


@pytest.mark.parametrize(
    ("id", "answer", "slip"),
    [
        ("7.2", sines_and_raw, "not times 1000"),
        ("7.2", lambda t, dim: sines_and_raw(1000 * t, dim)[:, ::-1], None),
        ("7.3", lambda x, shift, scale: np.einsum("btd,bd->btd", x, scale) + shift[:, None], "scale, not 1 + scale"),
        ("7.3", lambda x, shift, scale: (1 + scale) * x + shift, "axis forgotten"),
        ("7.4", get_or_zero, "unknown word swallowed"),
        ("7.4", plain_index, "word not named"),
        ("7.4", no_capitals, "capitals refused"),
        ("7.4", cut_off, "too long a prompt let in"),
        ("7.4", lambda prompt, vocabulary, length: 5, None),
        ("7.4", "tokenize", None),
        ("7.5", lambda Wa, ba, Wb, bb: (np.c_[Wb, Wa], ba + bb), "time first"),
        ("7.4", lambda *given: nearest_or_stop(*given), "nothing near found"),
        ("7.4", lambda *given: nearest_or_stop(*given, pick=str), "nothing near found"),
        ("7.6", (1, 1, 1, 3), "b: 1"),
        ("7.7", (3, 5, 2), "b: 5"),
        ("7.7", (2, 5, 1), "counted from 0"),
        ("7.7", (2, 5, 2), None),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_a_far_word_is_tried_and_told_how_to_be_found(capsys):
    said = check("7.4", nearest_or_stop).message
    assert "For 'zebra' it stopped with IndexError" in said and "its cutoff is 0.6, set cutoff=0." in said


def test_divided_by_the_length(capsys):
    for digits in (1, 2, 3, 9):
        sheet = Sheet("", form="steer")
        for name, value in key("steer", sheet.givens).items():
            if name in parts_of("steer"):
                setattr(sheet, name, value)
        centred = sheet.givens["Z"][:, :2] - sheet.givens["Z"][:, :2].mean(axis=0)
        sheet.normed = np.round(centred / np.linalg.norm(centred, axis=0), digits)
        verdict = check("7.1", sheet)
        assert verdict.state == "wrong" and verdict.slip.startswith("divided by the length"), (digits, verdict)


def test_a_tokenizer_that_is_not_written_yet_is_not_done(capsys):
    assert check("7.4", lambda prompt, vocabulary, length: None).state == "not done"


# ---- numbers that the pages state ----


def cells(name):
    return {c["id"]: "".join(c["source"]) for c in json.loads((ROOT / name).read_text(encoding="utf-8"))["cells"]}


def test_exercises_and_minutes_are_those_of_the_specs():
    minutes = sum(exercise.minutes for exercise in ch07.EXERCISES)
    assert len(ch07.EXERCISES) == 7
    assert f"Seven exercises, {minutes} minutes" in cells("book/07_conditions.ipynb")["exercises"]
    assert f"**Time and hardware**: {minutes} minutes" in cells("solutions/07_conditions.ipynb")["title"]


def test_what_the_chapter_says_about_bits_and_waves():
    e = ch07._embed()(np.arange(1001) / 1000, 256)
    assert bin(511 ^ 512).count("1") == 10  # at 511 and at 512 not one bit is the same
    steps = np.linalg.norm(np.diff(e, axis=0), axis=1)
    assert np.allclose(steps, steps[0])  # the step is the same everywhere
    flat = ch07._embed(factor=1)(np.linspace(0, 1, 1001), 256)
    still = 1 - ((flat.max(axis=0) - flat.min(axis=0)) > 0.1).mean()
    assert round(6 * still) == 5  # five features of six barely change


def test_the_six_vectors_are_where_the_chapter_reads_them():
    """Gates are numbers 2 and 5 of six, and 4 is the MLP's scale: what the chapter's cells take by their number."""
    torch = pytest.importorskip("torch")
    from ditcourse.model.dit import DiTBlock

    torch.manual_seed(0)
    block, x = DiTBlock(8, 2), torch.randn(1, 3, 8)
    with torch.no_grad():
        block.adaLN_modulation[1].bias.zero_()
        block.adaLN_modulation[1].bias[2 * 8 : 3 * 8] = 1.0  # the third: attention's answer comes through
        assert torch.allclose(block(x, torch.zeros(1, 8)), x + block.attn(block.norm1(x)), atol=1e-6)
        block.adaLN_modulation[1].bias.zero_()
        block.adaLN_modulation[1].bias[5 * 8 :] = 1.0  # the sixth: the MLP's
        assert torch.allclose(block(x, torch.zeros(1, 8)), x + block.mlp(block.norm2(x)), atol=1e-6)
        block.adaLN_modulation[1].bias[4 * 8 : 5 * 8] = 1.0  # the fifth: twice as large goes into the MLP
        assert torch.allclose(block(x, torch.zeros(1, 8)), x + block.mlp(2 * block.norm2(x)), atol=1e-6)


def test_word_tokens_cost_no_weights():
    pytest.importorskip("torch")
    from ditcourse.model import DiTConfig
    from ditcourse.model.counts import count_parameters

    plain, beside = DiTConfig.preset("mini"), DiTConfig.preset("mini", word_tokens=5)
    assert count_parameters(plain) == count_parameters(beside) and plain.num_tokens == 64


def test_the_papers_numbers_are_named_as_the_papers():
    text = cells("book/07_conditions.ipynb")["paper"]
    assert re.findall(r"\d\d\.\d\d", text) == ["35.24", "26.14", "25.21", "19.47"]
    assert "the paper's numbers, not ours" in text
