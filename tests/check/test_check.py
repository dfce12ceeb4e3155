"""What `check` says, in the words that a learner reads."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ditcourse.check import Exercise, check, choice
from ditcourse.check.reading import size_text

Z = np.array([[2, 1, 0, 1], [3, 5, 5, 3]])


def changed(row, column, value):
    """Z with one cell changed, as a list, as a learner would type it."""
    cells = Z.tolist()
    cells[row][column] = value
    return cells


def said(id, answer, **options):
    """The verdict, and its message without the exercise's name."""
    verdict = check(id, answer, **options)
    return verdict, verdict.message.split(": ", 1)[1]


@pytest.mark.parametrize(
    "answer",
    [
        Z,
        Z.tolist(),
        tuple(map(tuple, Z.tolist())),
        Z.astype(np.float32) + 1e-6,
        Z.astype(object),
        [[Fraction(4, 2), Decimal(1), 0, True], [3.0, np.int8(5), np.array(5), 3]],
        [Z[0], Z[1]],
        Z + 0j,
    ],
    ids=["array", "list", "tuple", "float32", "object", "mixed", "rows", "complex without imaginary part"],
)
def test_right_in_every_form(course, answer):
    verdict, text = said("90.1", answer)
    assert (verdict.state, text, verdict.cell, verdict.slip) == ("right", "right.", None, None)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (..., "not done. All 8 cells are still to be filled."),
        (None, "not done. All 8 cells are still to be filled."),
        ("...", "not done. All 8 cells are still to be filled."),
        (changed(0, 0, ...), "not done. 1 of 8 cells left. Those filled are right so far."),
        (
            [[2, ..., None, 4], [5, 6, "...", ""]],
            "not done. 4 of 8 cells left. Of those filled, row 1, column 4 is wrong: you have 4."
            "\n  For a hint add hint=1.",
        ),
        (
            np.array([[4, ..., 0, 1], [5, 1, 3, ...]], dtype=object),
            "not done. 2 of 8 cells left. Of those filled, row 1, column 1 is wrong: you have 4. "
            "Probably: the noise was subtracted.\n  For a hint add hint=1.",
        ),
        ([[2, 1], [3, ...]], "not done. 1 of 4 cells left. You have 2 rows of 2, 2 rows of 4 are wanted."),
        ([..., ...], "not done. All 2 cells are still to be filled."),
    ],
)
def test_not_done(course, answer, text):
    verdict, message = said("90.1", answer)
    assert (verdict.state, message) == ("not done", text)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (changed(1, 2, -1), "wrong. Row 2, column 3: you have -1. 1 of 8 cells is wrong."),
        (changed(0, 3, 0.25), "wrong. Row 1, column 4: you have 0.25. 1 of 8 cells is wrong."),
        (changed(0, 1, np.nan), "wrong. Row 1, column 2: you have nan (not a number). 1 of 8 cells is w..."),
        (changed(0, 1, np.inf), "wrong. Row 1, column 2: you have inf (infinite). 1 of 8 cells is wrong."),
        (changed(0, 1, 10**400), "wrong. Row 1, column 2: you have inf (infinite). 1 of 8 cells is wrong."),
        (changed(0, 1, "one"), "wrong. Row 1, column 2: a text ('one') where a number is wanted."),
        (changed(0, 1, {}), "wrong. Row 1, column 2: a dict where a number is wanted."),
        (changed(0, 1, 1j), "wrong. Row 1, column 2: a complex number."),
        (Z + 1j, "wrong. There are complex numbers in it."),
        (Z[:, :3], "wrong. You have 2 rows of 3, 2 rows of 4 are wanted."),
        (Z.ravel(), "wrong. You have 8 numbers, 2 rows of 4 are wanted."),
        (7, "wrong. You have one number, 2 rows of 4 are wanted."),
        ([], "wrong. You have 0 numbers, 2 rows of 4 are wanted."),
        ([[2, 1, 0, 1], [3, 5, 5]], "wrong. The rows differ in length: row 1 has 4, row 2 has 3."),
        ([[2, 1, 0, 1], 3], "wrong. The list is uneven: part 1 and part 2 differ in shape."),
        ("2 1 0 1", "wrong. That is a text ('2 1 0 1') where a number is wanted."),
        (np.array([["2", "a"]]), "wrong. Row 1, column 1: a text ('2') where a number is wanted."),
        (np.array(["2026-01-01"], "M8[D]"), "wrong. There are dates or times in it."),
        (np.zeros(2, "i4,i4"), "wrong. Its cells are records with several fields, not numbers."),
        ({}, "wrong. That is a dict; an array, a list or a number is wanted."),
        ((n for n in [1]), "wrong. That is a generator, which gives its values one by one; hand over a..."),
        (np.add, "wrong. That is an ufunc; hand over its result, not an ufunc."),
        (len, "wrong. That is a function; hand over its result, not a function."),
        (int, "wrong. That is a class; hand over its result, not a class."),
        (np.broadcast_to(0, (10**6, 10**6)), "wrong. It has 1000000 rows of 1000000, far more than this..."),
        (range(10**9), "wrong. The list has 1000000000 entries, far more than this exercise asks for."),
    ],
)  # fmt: skip
def test_wrong_names_the_cell_or_the_trouble(course, answer, text):
    verdict, message = said("90.1", answer)
    assert verdict.state == "wrong"
    assert verdict.slip is None
    assert message.endswith(".\n  For a hint add hint=1.")
    assert message.startswith(text.removesuffix("..."))


def test_the_cell_counts_from_zero_for_programs(course):
    assert check("90.1", changed(1, 2, -1)).cell == (1, 2)
    assert check(
        "90.6", np.arange(16).reshape(4, 2, 2) + 100 * (np.arange(16) == 6).reshape(4, 2, 2)
    ).cell == (1, 1, 0)


def test_a_message_never_contains_the_right_number(course):
    for row, column in np.ndindex(Z.shape):
        verdict = check("90.1", changed(row, column, 77))
        assert str(Z[row, column]) not in verdict.message.split("you have")[1].split(".")[0]


def test_named_axes(course):
    answer = np.arange(16).reshape(4, 2, 2)
    answer[2, 0, 1] = -3
    assert "Frame 3, row 1, column 2: you have -3." in check("90.6", answer).message


def test_the_only_axis_gives_the_cells_their_name(course, monkeypatch):
    judge = replace(course["90.6"].judge, expected=lambda: [3, 1], axes=("position",))
    assert judge.judge([3, 2]).text == "Position 2: you have 2. 1 of 2 positions is wrong."
    assert judge.judge([3, ...]).text == "1 of 2 positions left. Those filled are right so far."
    assert judge.judge([..., 3]).text == "1 of 2 positions left. Of those filled, position 2 is wrong: you have 3."


def test_sizes_in_plain_words():
    said = {(): "one number", (1,): "1 number in a list", (5,): "5 numbers", (1, 4): "1 row of 4",
            (4, 2, 2): "4 frames of 2 x 2", (2, 3, 4, 5): "an array of 2 x 3 x 4 x 5"}  # fmt: skip
    assert {shape: size_text(shape) for shape in said} == said
    assert size_text((2, 3, 4), ("clip", "token", "number")) == "2 clips of 3 x 4"


def test_slips(course):
    verdict, text = said("90.1", [[4, -1, 0, 1], [5, 1, 3, 7]])
    assert verdict.slip == "noise subtracted"
    assert text.startswith(
        "wrong. Row 1, column 1: you have 4. 6 of 8 cells are wrong. Probably: the noise was sub"
    )
    assert check("90.1", Z.T).slip == "transposed"
    assert check("90.1", Z + 1).slip is None


def test_a_slip_in_most_of_its_cells_is_still_that_slip(course):
    almost = np.array([[4, -1, 0, 1], [5, 1, 3, 3]])  # the noise subtracted in all cells but one
    assert check("90.1", almost).slip == "noise subtracted"
    assert check("90.1", changed(0, 0, 4)).slip is None  # one such cell may be chance
    almost[0, 3] = 9  # and with an error that this slip does not explain, it is not claimed
    assert check("90.1", almost).slip is None


def test_several_values(course):
    assert check("90.2", ([2, -1], [1, 5])).state == "right"
    assert check("90.2", {"scale": [2, -1], "shift": np.array([1, 5])}).state == "right"
    assert check("90.2", np.array([[2, -1], [1, 5]])).state == "right"
    verdict, text = said("90.2", ([2, -1], [-1, 5]))
    assert verdict.slip == "lost double minus"
    assert text.startswith(
        "wrong. In shift, entry 1: you have -1. 1 of 2 cells is wrong. Probably: (-1)(-1) is +1."
    )
    assert said("90.2", ([2, -1], 3))[1].startswith("wrong. shift is one number, 2 numbers are wanted.")
    assert said("90.2", ([2, -1], [1, 5, 0]))[1].startswith("wrong. shift has 3 numbers, 2 are wanted.")
    left = "not done. 2 of 4 cells left. Those filled are right so far."
    assert said("90.2", ([2, -1], ...))[1] == left
    assert said("90.2", {"scale": [2, -1]})[1] == left
    assert said("90.2", (..., ...))[1] == "not done. All 4 cells are still to be filled."
    assert said("90.2", [1, 2, 3])[1] == "wrong. 2 values are wanted: (scale, shift); you gave 3."
    assert said("90.2", {"a": 1})[1] == (
        "wrong. 2 values are wanted: (scale, shift); this dict has none of these names."
    )
    assert said("90.2", 5)[1] == "wrong. 2 values are wanted: (scale, shift); that is an int."
    assert (
        said("90.2", ([2, "b"], 1))[1] == "wrong. In scale: entry 2: a text ('b') where a number is wanted."
    )


def test_one_number(course):
    for two in (2, 2.0, [2], np.array([[2]]), np.float32(2)):
        assert check("90.5", two).state == "right"
    assert said("90.5", 16)[1] == "wrong. You have 16. Probably: the sum was not divided."
    assert said("90.5", ...)[1] == "not done. Replace each `...` and run the cell again."
    assert check("90.5", 2.001).state == "wrong"
    assert check("90.5", 2.00001).state == "right"


def test_choice(course):
    assert check("90.4", "colour").state == check("90.4", " Colour ").state == "right"
    assert said("90.4", "shape")[1] == "wrong. Shape needs several pixels."
    assert check("90.4", "shape").slip == "shape"
    assert said("90.4", "speed")[1] == "wrong. It is not 'speed'."
    for other in ("colours", 3, 1.0, ["colour"], b"colour"):
        assert said("90.4", other)[1] == "wrong. The answer is one of these: 'colour', 'shape', 'speed'."
    for blank in (..., None, "", "..."):
        assert check("90.4", blank).state == "not done"


def test_choice_of_a_whole_number():
    judge = choice(3, slips={1: "that is the first"})
    assert [judge.judge(n).state for n in (3, np.int64(3), "3", 1, 2, 3.0)] == ["right"] * 3 + ["wrong"] * 3


def test_hints_come_one_by_one_and_only_on_request(course):
    wrong = Z + 1
    assert "Hint" not in check("90.1", wrong).message
    assert check("90.1", wrong, hint=1).message.endswith(
        "Hint 1: Cell by cell.\n  For another hint add hint=2."
    )
    assert check("90.1", wrong, hint=2).message.endswith("Hint 1: Cell by cell.\n  Hint 2: 3 + (-1) = 2.")
    assert check("90.1", wrong, hint=99).message == check("90.1", wrong, hint=2).message
    assert check("90.1", wrong, hint=-1).message == check("90.1", wrong).message
    assert "Hint 1" in check("90.1", ..., hint=1).message
    assert "Hint" not in check("90.1", Z, hint=2).message
    assert "hint" not in check("90.5", 3).message  # this exercise has none


def test_prints_what_it_returns_and_shows_nothing_else(course, capsys):
    verdict = check("90.1", Z)
    assert capsys.readouterr().out == verdict.message + "\n" == "90.1 Add the noise: right.\n"
    assert verdict._ipython_display_() is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("wrong", "nearest"), [("90.11", "90.1"), ("9.5", "90.5"), ("90", "90.")])
def test_unknown_exercise_names_the_nearest(course, wrong, nearest):
    with pytest.raises(ValueError, match=f"no exercise '{wrong}'; the nearest is '{nearest}"):
        check(wrong, 1)


def test_a_number_as_id_is_refused(course):
    with pytest.raises(TypeError, match='in quotes: check\\("90.1", ...\\)'):
        check(90.1, 1)


def test_the_courses_own_chapters_are_found():
    from ditcourse.check import all_exercises

    exercises = all_exercises()
    assert exercises
    assert all(isinstance(exercise, Exercise) and exercise.id == id for id, exercise in exercises.items())


@pytest.mark.parametrize(
    "fault",
    [
        {"id": "3"},
        {"difficulty": 4},
        {"minutes": 0},
        {"minutes": "5"},
        {"hints": "one hint"},
        {"judge": lambda: 1},
    ],
)
def test_a_faulty_spec_is_refused(course, fault):
    with pytest.raises((ValueError, TypeError), match="exercise"):
        replace(course["90.1"], **fault)


def test_a_fault_in_a_spec_is_not_blamed_on_the_learner(course, monkeypatch):
    broken = replace(course["90.5"].judge, expected=lambda: 1 / 0)
    monkeypatch.setattr("ditcourse.check.engine._load", lambda n: (replace(course["90.5"], judge=broken),))
    with pytest.raises(ZeroDivisionError):
        check("90.5", 2)


def test_heading_and_facts(course):
    assert course["90.2"].heading == "## Exercise 90.2: Scale and shift"
    assert course["90.2"].facts == "Goal: two values at once · Difficulty: ★★☆ · Minutes: 3"
