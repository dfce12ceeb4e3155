"""Sheets: every slip and every single cell by mutation, follow-through, hints, and the sheet in a notebook."""

import re

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.check import Sheet, check
from ditcourse.check.board import Board, close, hints, judge
from ditcourse.check.forms import key, parts_of, read_form, values_of
from ditcourse.check.formulas import alternatives, evaluate, names_in, worked
from ditcourse.check.reading import Reading
from ditcourse.check.sheet import SheetPart, cell_number
from tools import sheet_data

FORMS = sheet_data.FORMS
PARTS = [(form, name) for form in FORMS for name in parts_of(form)]
SLIPS = [(form, name, slip) for form, name in PARTS for slip in parts_of(form)[name].slips]
SEEDS = {form: range(5) for form in FORMS} | {"steer": range(10), "counting": range(40)}
VALUES = {(form, seed): values_of(form, seed) for form in FORMS for seed in SEEDS[form]}


def filled(form, values, change=None):
    """Every part of the form filled in rightly, but for the parts in `change`."""
    found = key(form, values) | (change or {})
    return {name: Reading(found[name], np.zeros(found[name].shape, dtype=bool)) for name in parts_of(form)}


# ---- by mutation ----


@pytest.mark.parametrize("form", FORMS)
def test_a_blank_sheet_is_not_done_and_a_solved_one_is_right(form):
    parts, values = parts_of(form), VALUES[form, 0]
    assert {report.state for report in judge(parts, values, {}).values()} == {"not done"}
    assert {report.state for report in judge(parts, values, filled(form, values)).values()} == {"right"}


def test_the_sheet_is_the_one_of_the_reference():
    """Formulas and answer key are two ways to the same numbers, for every instance."""
    for seed in (0, 5, 6, 7):
        exercise = byhand.new_exercise(seed)
        solved = byhand.solve(exercise)
        found = key("sora", values_of("sora", seed))
        for name, part in parts_of("sora").items():
            wanted = np.asarray(getattr(solved, name), dtype=float).reshape(part.shape)
            assert np.array_equal(found[name], wanted), (seed, name)


@pytest.mark.parametrize(("form", "seed"), [(form, seed) for form in FORMS for seed in (0, 3)])
def test_every_single_cell_change_is_reported_once(form, seed):
    parts, values = parts_of(form), VALUES[form, seed]
    right = key(form, values)
    for name, part in parts.items():
        for cell in np.ndindex(part.shape):
            for change in (1, -1, 0.5, 1000):
                wrong = right[name].copy()
                wrong[cell] += change
                reports = judge(parts, values, filled(form, values, {name: wrong})).values()
                assert [(r.part, r.wrong, r.state) for r in reports if r.state != "right"] == [(name, (cell,), "wrong")]


@pytest.mark.parametrize(("form", "name", "slip"), SLIPS, ids=lambda x: getattr(x, "name", x))
def test_every_slip_gets_its_own_diagnosis_and_only_there(form, name, slip):
    """On several sheets: the slip is named in its part, everything after it follows, and nothing else is reported."""
    shown = 0
    for seed in SEEDS[form]:
        values = VALUES[form, seed]
        made = SheetPart((name,), form).with_slip(slip.name, values)
        if made is None:
            continue  # it does not show on this sheet
        shown += 1
        reports = judge(parts_of(form), values, filled(form, values, made)).values()
        found = {report.part: report for report in reports if report.state != "right"}
        assert slip.says in found[name].text, found
        assert slip.together or list(found) == [name]
    assert shown


def test_there_are_many_diagnoses():
    """At least forty on the sheet of chapter 1 alone, each with a sentence of its own in its part."""
    found = {}
    for name in parts_of("sora"):
        for slip, answer in SheetPart((name,)).wrong_answers().items():
            finding = SheetPart((name,)).judge(answer)
            assert (finding.state, finding.slip) == ("wrong", slip)
            found[name, slip] = finding.text
    assert len(set(found.values())) == len(found) >= 100


# ---- the table ----


@pytest.mark.parametrize("form", FORMS)
def test_the_table_names_only_what_stands_before(form):
    known = set(VALUES[form, 0])
    for name, part in parts_of(form).items():
        assert names_in(part.formula) <= known and set(part.shows) <= set(read_form(form)["given"]) | known
        assert key(form, VALUES[form, 0])[name].shape == part.shape
        for slip in part.slips:
            assert names_in(slip.formula) <= known | {name}, (name, slip.name)
            name_first = re.match(r"[A-Z](_[a-z]+)?\b|0 and 1", slip.says)  # a sentence goes on with it
            assert (slip.says[0].islower() or name_first) and not slip.says.endswith(".")
        assert len({slip.name for slip in part.slips}) == len(part.slips) >= 2 and len(part.hints) == 2
        assert part.step in {step.key for step in byhand.STEPS} | set(read_form(form).get("steps", {}))
        known.add(name)


@pytest.mark.parametrize(("form", "name"), PARTS)
def test_the_sum_shown_as_a_hint_is_the_sum(form, name):
    """Read back as arithmetic, the worked sum of every cell gives the cell."""
    part, found = parts_of(form)[name], key(form, VALUES[form, 1])
    shown = 0
    for row, column in np.ndindex(part.shape):
        text = worked(part.formula, found, row, column)
        if text:
            shown += 1
            total = eval(text.split(",")[0].replace("−", "-").replace("·", "*"))
            total = max(total, 0) if "and 0 if" in text else total
            assert np.isclose(total, found[name][row, column]), text
    has_sum = part.formula[0] in ("linear", "relu", "rows", "matmul", "add", "subtract", "modulate")
    assert shown == (np.prod(part.shape) if has_sum else 0)


# ---- follow-through, and slips in single cells ----


def board_of(**cells):
    """A board of the sheet of chapter 1 with these parts filled in; None is a blank."""
    made = {}
    for name, rows in cells.items():
        numbers = np.array([[np.nan if x is None else x for x in row] for row in rows], dtype=float)
        made[name] = Reading(numbers, np.array([[x is None for x in row] for row in rows]))
    return made


def reports(**cells):
    return judge(parts_of("sora"), VALUES["sora", 0], board_of(**cells))


def test_what_follows_from_ones_own_slip_is_right_and_so_is_the_key():
    L = [[3, -2, 0, 1], [4, 3, 4, 5]]
    found = reports(L=L, Z=[[2, -1, 0, 1], [3, 5, 5, 3]])
    assert (found["L"].state, found["L"].slip, found["Z"].state) == ("wrong", "encoder ReLU forgotten", "right")
    assert found["Z"].follows == ((0, 1),)
    mixed = reports(L=L, Z=[[2, 1, 0, 1], [3, 5, 5, 3]])
    assert (mixed["Z"].state, mixed["Z"].follows) == ("right", ())
    neither = reports(L=L, Z=[[2, 0, 0, 1], [3, 5, 5, 3]])
    assert (neither["Z"].state, neither["Z"].wrong) == ("wrong", ((0, 1),))


def test_a_slip_that_was_not_written_down_is_found_where_it_shows():
    C = [[3, 1, -1, 1], [2, 0, 0, 2]]
    found = reports(C=C)["C"]
    assert found.slip == "lost double minus" and "it began earlier, in shift" in found.text
    assert reports(shift=[[-1], [5]], C=C)["C"].state == "right"


@pytest.mark.parametrize(
    ("part", "rows", "slip"),
    [
        ("shift", [[1], [4]], "bias forgotten"),
        ("L", [[3, 0, 0, 1], [4, 3, 3, 5]], "bias left out in a cell"),
        ("E", [[-3, 0, 1, -4], [-1, 1, -1, -3]], "product left out"),
        ("D", [[5, 1, -1, 3], [2, 4, 6, 6]], "sign in a cell"),
        ("G", [[-2, -1, 1, -2], [0, 1, -2, -1]], "turned round in a cell"),
        ("Z", [[4, 1, 0, 1], [3, 5, 5, 3]], "sign in a cell"),
        ("Y", [[9, 5, 5, 9], [0, 2, 6, 2], [4, 4, 6, 6], [5, 1, -1, 3]], "ReLU forgotten in a cell"),
        ("C", [[5, 3, 1, 3], [2, 0, 0, -3]], "shift left out in a cell"),
        ("X", [[7, 1, 4, 6], [0, 2, 3, 3], [4, 3, 4, 5], [3, 0, 0, 7]], None),
    ],
)
def test_slips_of_the_pencil(part, rows, slip):
    found = reports(**{part: rows})[part]
    assert found.state == "wrong" and found.slip == slip, found


def test_a_slip_in_some_columns_only_is_still_named():
    """S marked as if it had no signs, in column 3 alone."""
    half = 0.5
    A = [[half, 0, half, half], [half, half, half, 0], [0, half, 0, 0], [0, 0, 0, half]]
    found = reports(A=A)["A"]
    assert (found.slip, found.wrong) == ("marked by size", ((0, 2), (1, 2), (2, 2), (3, 2)))


def test_a_single_cell_off_by_chance_is_not_called_a_slip():
    assert reports(X=[[8, 1, 4, 6], [0, 2, 3, 3], [4, 3, 4, 5], [3, 0, 0, 1]])["X"].slip is None
    assert reports(E=[[-3, 0, 1, 40], [-1, 1, -1, -3]])["E"].slip is None


@pytest.mark.parametrize(
    ("cells", "part", "not_said"),
    [
        ({"Y": [[9, 5, 5, 9], [0, 2, 6, 2], [5, 1, 0, 3], [4, 4, 6, 6]]}, "Y", "changed places"),
        ({"L": [[4, 0, 1, 2], [4, 3, 4, 5]]}, "L", "the two numbers of the bias"),
        ({"scale": [[2], [1]], "shift": [[1], [5]]}, "scale", "by turns"),
        ({"C": [[5, 3, 1, 3], [8, 10, 10, 8]]}, "C", "only the shift"),
    ],
)
def test_no_slip_is_named_that_right_cells_speak_against(cells, part, not_said):
    found = reports(**cells)[part]
    assert found.state == "wrong" and not_said not in found.text


@pytest.mark.parametrize(
    ("cells", "part", "says"),
    [
        ({"scale": [[2], [-1]], "shift": [[1], [5]], "C": [[5, 3, 1, 3], [8, 10, 10, 8]]}, "C",
         "the product with the scale has the wrong sign"),
        ({"P": [[8, 2, 2, 4], [1, 0, 1, 2]]}, "P", "twice as much"),
        ({"E": [[3, 0, 1, -2], [-1, 1, -1, -3]]}, "E", "the sum has the wrong sign"),
        ({"D": [[5, 1, 0, 3], [4, 4, 6, 6]]}, "D", "there is no ReLU in this step"),
        ({"E_after": [[-4, -1, 0, -3], [-2, 0, -2, -4]]}, "E_after", "the guess moved against the bias"),
    ],
)
def test_what_a_new_reader_tried(cells, part, says):
    assert says in reports(**cells)[part].text


def test_numbers_that_are_none():
    for x in (np.nan, np.inf, -np.inf, 1e308):
        found = reports(L=[[x, 0, 0, 1], [4, 3, 4, 5]], Z=[[2, 1, 0, 1], [3, 5, 5, 3]])
        assert (found["L"].wrong, found["Z"].state) == (((0, 0),), "right")
    assert "that is not a number" in reports(L=[[np.nan, 0, 0, 1], [4, 3, 4, 5]])["L"].text


def test_printed_parts_are_the_keys_and_are_not_judged():
    parts, values = parts_of("sora"), VALUES["sora", 0]
    printed = [name for name, part in parts.items() if part.half]
    assert printed == ["X", "Y", "frames", "Y_after", "frames_after"]
    found = judge(parts, values, board_of(X=[[0] * 4] * 4, L=[[3, 0, 0, 1], [4, 3, 4, 5]]), printed)
    assert (found["X"].state, found["L"].state) == ("right", "right")


def test_hints_end_with_the_sum_of_the_first_cell_to_look_at():
    own = board_of(C=[[9, 3, 1, 3], [2, 0, 0, 2]], P=[[6, 2, None, None], [0, None, None, None]])
    board = Board(parts_of("sora"), VALUES["sora", 0], own)
    said = hints(board, parts_of("sora")["P"])
    assert said[-1] == "Row 1, F3: 9 · 0 + 3 · 0 + 1 · 1/2 + 3 · 1/2." and len(said) == 3
    assert hints(board, parts_of("sora")["A"])[-1].startswith("Mind the signs")
    done = Board(parts_of("sora"), VALUES["sora", 0], filled("sora", VALUES["sora", 0]))
    assert hints(done, parts_of("sora")["P"]) == parts_of("sora")["P"].hints


# ---- formulas ----


def test_unknown_names_and_operations_are_named():
    with pytest.raises(ValueError, match="came with the name 'Q'; allowed: A"):
        evaluate("Q", {"A": np.eye(2)})
    with pytest.raises(ValueError, match="came with the operation 'twice'; allowed: linear"):
        evaluate(["twice", "A"], {"A": np.eye(2)})


def test_alternatives_on_random_numbers():
    """Each is another matrix than the right one, and the ones for a product differ from it by that product."""
    dice = np.random.default_rng(5)
    values = {"W": dice.normal(size=(3, 2)), "X": dice.normal(size=(2, 4)), "b": dice.normal(size=(3, 1))}
    right = values["W"] @ values["X"] + values["b"]
    found = alternatives(["relu", ["linear", "W", "X", "b"]], values)
    assert len(found) == 8 and np.allclose(found[0][2], np.maximum(values["W"] @ values["X"], 0))
    assert np.allclose(found[-1][2], right) and np.allclose(found[-2][2], np.maximum(-right, 0))
    assert np.allclose(found[2][2], np.maximum(right - np.outer(values["W"][:, 0], values["X"][0]), 0))
    assert alternatives("X", values) == []


# ---- the sheet in a notebook ----


SOLVED = {name: value for name, value in key("sora", VALUES["sora", 0]).items() if name in parts_of("sora")}


def listed(name, values):
    part = parts_of("sora")[name]
    if part.frames:
        return values.reshape(-1, 2, 2).tolist()
    return values[0, 0] if part.shape == (1, 1) else values[:, 0].tolist() if part.shape[1] == 1 else values.tolist()


def solved_sheet(**options):
    sheet = Sheet(**options)
    for name, value in key("sora", sheet.givens).items():
        if name in parts_of("sora") and not (sheet.half and parts_of("sora")[name].half):
            setattr(sheet, name, listed(name, value))
    return sheet


@pytest.mark.parametrize("seed", [0, 9])
def test_a_sheet_filled_in_a_notebook_is_right_in_every_exercise(seed):
    sheet = solved_sheet(seed=seed)
    for number in (*range(1, 10), 13):
        assert check(f"1.{number}", sheet).state == "right"
    assert sheet.L == listed("L", key("sora", sheet.givens)["L"]) and sheet.seed == seed


def test_follow_through_from_exercise_to_exercise():
    sheet = Sheet()
    sheet.L = [[3, -2, 0, 1], [4, 3, 4, 5]]
    sheet.Z, sheet.c = [[2, -1, 0, 1], [3, 5, 5, 3]], [0, 1, -1, 1, 1]
    assert check("1.2", sheet).state == "wrong"
    verdict = check("1.3", sheet)
    assert verdict.state == "right" and "follow from your own earlier numbers" in verdict.message
    assert check("1.3", (sheet.Z, sheet.c)).state == "wrong"  # without the sheet there is nothing to follow from


def test_a_link_goes_round():
    sheet = solved_sheet(seed=4, half=True)
    sheet.E = [[..., 1.25, -7, 1 / 3], [1e-7, ..., ..., ...]]
    again = Sheet("https://example.org/book/01_sheet.html" + sheet.link)
    assert (again.seed, again.half, again.link) == (4, True, sheet.link)
    for name in parts_of("sora"):
        assert getattr(again, name) == getattr(sheet, name)
    assert check("1.13", again).state == "not done"


def test_what_is_written_stands_over_what_was_pasted():
    sheet = Sheet("#L=3,-2,,1;4,3,4,5")
    assert sheet.L == [[3, -2, ..., 1], [4, 3, 4, 5]]
    sheet.L = [[..., 0, 0, ...], [..., ..., ..., ...]]
    assert sheet.L == [[3, 0, 0, 1], [4, 3, 4, 5]] and check("1.2", sheet).state == "right"
    sheet.L = ...
    assert sheet.L == [[3, -2, ..., 1], [4, 3, 4, 5]]
    assert "8 cells" in str(Sheet("#L=3,-2,0,1;4,3,4,5")) and "half" in str(Sheet("#half=1"))


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("#L=1,2;3,4", "L has not 2 rows of 4; was the link cut off?"),
        ("#Q=1", "came with 'Q=1'"),
        ("#seed=-1", "came with 'seed=-1'"),
        ("#seed=1e9", "came with 'seed=1e9'"),
        ("#half=2", "came with 'half=2'"),
        (7, "link: came as an int"),
        (None, "link: came as a NoneType"),
    ],
)
def test_broken_links_are_refused_and_named(link, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Sheet(link)


def test_the_page_of_a_link_tells_which_sheet_it_is():
    back = Sheet("https://example.org/book/01_backwards.html#seed=3&time=2")
    assert (back.form, back.seed, back.time) == ("backwards", 3, 2)
    assert Sheet(form="backwards").seed == 1 and Sheet("https://example.org/book/01_sheet.html").seed == 0
    assert check("1.13", "https://example.org/book/01_sheet.html" + solved_sheet(seed=3).link).state == "right"
    assert "That text is not the link of a sheet" in check("1.13", "no link").message
    half = Sheet(half=True)
    with pytest.raises(AttributeError, match="X is printed on the half sheet"):
        half.X = [[1] * 4] * 4


def test_text_in_a_pasted_cell_is_a_wrong_cell():
    sheet = Sheet("#L=3,7a,0,1;4,3,4,5")
    verdict = check("1.2", sheet)
    assert (verdict.state, verdict.cell) == ("wrong", (0, 1)) and "that is not a number" in verdict.message


def test_parts_by_name():
    sheet = Sheet()
    with pytest.raises(AttributeError, match="no part 'l'; the nearest is 'L'"):
        sheet.l = 3
    with pytest.raises(AttributeError, match="no part 'framez'; the nearest is 'frames'"):
        _ = sheet.framez
    assert {"X", "L", "frames_after", "link"} <= set(dir(sheet)) and not hasattr(sheet, "_repr_html_")
    assert sheet.loss is ... and sheet.scale == [..., ...] and sheet.frames[0] == [[..., ...], [..., ...]]


def test_another_kind_of_sheet_is_not_taken():
    assert "another kind of sheet" in check("1.12", Sheet()).message
    assert "another kind of sheet" in check("1.2", Sheet(form="backwards")).message


UNREADABLE = ["3", [[1, 2], [3]], [["a"] * 4] * 2, {1: 2}, print, [[1] * 4] * 3, np.zeros((2, 4, 1))]


@pytest.mark.parametrize("wrong", UNREADABLE)
def test_what_cannot_be_read_is_said_and_nothing_else_is_lost(wrong):
    sheet = solved_sheet()
    sheet.L = wrong
    verdict = check("1.2", sheet)
    assert verdict.state == "wrong" and verdict.cell is None and "L" in verdict.message
    assert check("1.3", sheet).state == "right"


def test_typed_cells():
    typed = {"3": 3, " −2 ": -2, "1,5": 1.5, "3/2": 1.5, "−½": -0.5, "2½": 2.5, "+3": 3, "32 1/2": 32.5,
             "−32 1/2": -32.5, "+1 1 / 2": 1.5, "65 / 2": 32.5, "2 ½": 2.5, "- 4": -4,
             "1\u00a01/4": 1.25, "3⁄2": 1.5}  # fmt: skip
    assert [cell_number(text) for text in typed] == list(typed.values())
    glued = ("3 2", "1 3/2", "1 000", "½5", "1½2", "1.½", "1 .5", "1.5 1/2", "1 1/0", "+-3", "3 +", "3/2/1", "1 2 3/4")
    assert all(np.isnan(cell_number(text)) for text in glued)  # digits are never put together


@pytest.mark.filterwarnings("ignore:invalid value")
def test_close_is_for_numbers_only():
    assert close(np.array([1.0, np.nan, np.inf]), np.array([1.00005, 1, np.inf])).tolist() == [True, False, False]
