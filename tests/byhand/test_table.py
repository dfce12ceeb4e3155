"""The step table against the numbers of the reference (typed), both ways."""

import pytest

from ditcourse import byhand
from ditcourse.byhand import data

NUMBERS = {  # key: (13-step number, 14-step number)
    "given": (None, 1),
    "patches": (1, 2),
    "encoder": (2, 3),
    "noise": (3, 4),
    "condition": (4, 5),
    "scale_shift": (5, 6),
    "modulate": (6, 7),
    "attention": (7, 8),
    "pooling": (8, 9),
    "feedforward": (9, 10),
    "gradient": (10, 11),
    "update": (10, 11),
    "denoise": (11, 12),
    "decode": (12, 13),
    "video": (13, 14),
}


def test_numbers():
    assert {step.key: (step.number_13, step.number_14) for step in byhand.STEPS} == NUMBERS


def test_both_numberings_are_complete_and_in_order():
    assert [step.number_13 for step in byhand.STEPS if step.number_13 and not step.part] == list(range(1, 14))
    assert [step.number_14 for step in byhand.STEPS if not step.part] == list(range(1, 15))
    assert all(step.number_14 == step.number_13 + 1 for step in byhand.STEPS if step.number_13)


def test_the_file_and_the_table_agree():
    numberings = data.notes()["numberings"]
    given, first = byhand.STEPS[:2]
    assert (given.number_13, first.number_13) == (numberings["13"]["given"], numberings["13"]["first"])
    assert (given.number_14, first.number_14) == (numberings["14"]["given"], numberings["14"]["first"])


def test_labels():
    labels = {step.key: step.label for step in byhand.STEPS}
    assert labels["given"] == "[– / 1]"
    assert labels["feedforward"] == "[9 / 10]"
    assert labels["update"] == "[10b / 11b]"


@pytest.mark.parametrize("step", byhand.STEPS, ids=lambda step: step.key)
def test_each_step_is_whole(step):
    function = getattr(byhand, step.function)
    assert callable(function) and function.__doc__
    assert step.symbol.startswith("ditcourse.")
    for sentence in (step.meaning, step.leaves_out):
        assert sentence.endswith(".") and "\n" not in sentence
    assert step.name and step.title


@pytest.mark.parametrize("step", byhand.STEPS[1:], ids=lambda step: step.key)
def test_functions_say_both_numbers(step):
    assert getattr(byhand, step.function).__doc__.startswith(step.label)
    assert len({step.function for step in byhand.STEPS}) == len(byhand.STEPS)
