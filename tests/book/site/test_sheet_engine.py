"""The sheet in the page judges as Python does: the same verdicts, slips, hints and links on the same random sheets."""

import random

import numpy as np
import pytest

from ditcourse.check import board, forms, sheet
from ditcourse.check.formulas import cell_text, evaluate
from ditcourse.check.reading import Reading
from tools import sheet_data

SHEETS = 240
FORMS = ("sora", *sheet_data.FORMS)

JUDGE = """
    const { judge, hints, valuesOf } = window.ditcourseSheet;
    return arguments[0].map(({ form, number, filled, printed, asked }) => {
        const values = valuesOf(form, number), parts = window.ditcourseSheets.forms[form].parts;
        return { reports: judge(parts, values, filled, printed), hints: hints(parts, values, filled, printed, asked) };
    });"""


def cases():
    """Random sheets, each a learner's: parts left out, cells left out, slips, single cells off, texts for numbers."""
    dice = random.Random(3)
    for index in range(SHEETS):
        number = dice.choice([0, dice.randint(1, sheet_data.NUMBERS)])
        form = dice.choice(FORMS)
        parts, values = forms.parts_of(form), forms.values_of(form, number)
        printed = [name for name, part in parts.items() if part.half] if dice.random() < 0.3 else []
        have, filled = dict(values), {}
        skipped, slips, lost = (dice.choice(odds) for odds in ((0, 0.3), (0, 0.15, 0.4), (0, 0, 0.1, 0.5)))
        for name, part in parts.items():
            have[name] = evaluate(part.formula, have)
            usable = [slip for slip in part.slips if evaluate(slip.formula, have).shape == part.shape]
            if usable and dice.random() < slips:
                have[name] = evaluate(dice.choice(usable).formula, have)
            if dice.random() < skipped or name in printed:
                continue
            cells = [[None if dice.random() < lost else float(x) for x in row] for row in have[name]]
            for _ in range(dice.choice([0, 0, 0, 1, 1, 2])):
                row, column = dice.randrange(part.shape[0]), dice.randrange(part.shape[1])
                near = (have[name][row, column] + dice.choice([1, -1, 0.5, 2]), -have[name][row, column])
                cells[row][column] = dice.choice([*near, *near, 77, "7a"])
            filled[name] = cells
            if index % 2:  # go on with the wrong number, as a learner does
                have[name] = np.array([[x if isinstance(x, float) else have[name][i, j] for j, x in enumerate(row)]
                                       for i, row in enumerate(cells)])  # fmt: skip
        yield {"form": form, "number": number, "filled": filled, "printed": printed, "asked": dice.choice(list(parts))}


def reading(cells):
    blank = np.array([[cell is None for cell in row] for row in cells])
    numbers = [[np.nan if cell is None or isinstance(cell, str) else cell for cell in row] for row in cells]
    return Reading(np.array(numbers), blank)


def in_python(case):
    parts, values = forms.parts_of(case["form"]), forms.values_of(case["form"], case["number"])
    filled = {name: reading(cells) for name, cells in case["filled"].items()}
    laid = board.Board(parts, values, filled, set(case["printed"]))
    reports = board.judge(parts, values, filled, case["printed"])
    return {
        "reports": {
            name: {"left": r.left, "wrong": [list(cell) for cell in r.wrong], "slip": r.slip, "text": r.text,
                   "follows": [list(cell) for cell in r.follows], "state": r.state}
            for name, r in reports.items()
        },
        "hints": list(board.hints(laid, parts[case["asked"]])),
    }  # fmt: skip


@pytest.fixture
def engine(browser, site):
    browser.open(f"{site}/book/01_sheet.html")
    return browser


def test_the_page_says_what_python_says(engine):
    all_cases = list(cases())
    slips, states = set(), {"right": 0, "wrong": 0, "not done": 0}
    for case, found in zip(all_cases, engine.run(JUDGE, all_cases), strict=True):
        wanted = in_python(case)
        assert found == wanted
        slips |= {report["slip"] for report in wanted["reports"].values()}
        for report in wanted["reports"].values():
            states[report["state"]] += 1
    assert len(all_cases) >= 200 and len(slips) > 60 and min(states.values()) > 150, (len(slips), states)


def test_cells_are_read_alike(engine):
    texts = ["3", " -2 ", "−2", "1.5", "1,5", "3/2", "-1/2", "½", "−½", "1½", "-1½", "", "...", "…", "7a", "1/0", "--1",
             "1e3", "٣", ".5", "5.", "/2", "1 0", "0.3333333333333333", "9" * 30, "32 1/2", "-32 1/2", "+3",
             "+32.5", "2 ½", "65 / 2", "1 3/2", "1 1/0", "½5", "1½2", "1.½", "1.5 1/2", "- 4", "+-3", "1\u00a01/2",
             "3⁄2", "+", "-½"]  # fmt: skip
    found = engine.run("return arguments[0].map(window.ditcourseSheet.cellNumber)", texts)
    for text, got in zip(texts, found, strict=True):
        wanted = sheet.cell_number(text)
        assert (got is None) if wanted is ... else isinstance(got, str) if np.isnan(wanted) else got == wanted, text


def test_numbers_are_written_alike(engine):
    dice = np.random.default_rng(4)
    numbers = [0, -0.0, 0.5, -1.5, 12, -340, 1e8, 123456789012, 0.25, 1.125, 1 / 3, 1e-5, 12345.678]
    numbers = [float(x) for x in (*numbers, *dice.normal(0, 50, 50))]
    typed = engine.run("return arguments[0].map(window.ditcourseSheet.cellText)", numbers)
    assert typed == [cell_text(x) for x in numbers]


def test_links_go_both_ways(engine):
    """A sheet written in the page is read in the notebook, and the other way round, cell for cell."""
    for case in list(cases())[:25]:
        typed = {name: [["" if cell is None else str(cell) for cell in row] for row in cells]
                 for name, cells in case["filled"].items()}  # fmt: skip
        half = bool(case["printed"])
        link = engine.run("return window.ditcourseSheet.writeLink(arguments[0])",
                        {"cells": typed, "seed": case["number"], "half": half})  # fmt: skip
        mine = sheet.Sheet(f"https://example.org/book/01_sheet.html#{link}" if link else "", form=case["form"])
        assert (mine.seed, mine.half) == (case["number"], half)
        filled = {name: reading(cells) for name, cells in case["filled"].items()}
        filled = {name: cells for name, cells in filled.items() if not cells.blank.all()}
        assert set(mine.readings()) == set(filled)
        for name, cells in mine.readings().items():
            assert np.array_equal(cells.numbers, filled[name].numbers, equal_nan=True)
        back = engine.run("""return window.ditcourseSheet.readLink(
            arguments[0], window.ditcourseSheets.forms[arguments[1]].parts);""", mine.link, case["form"])  # fmt: skip
        assert (back["seed"], back["half"]) == (case["number"], half)
        for name, rows in back["cells"].items():
            again = [[page_number(cell) for cell in row] for row in rows]
            assert np.array_equal(reading(again).numbers, filled[name].numbers, equal_nan=True)


def page_number(text):
    number = sheet.cell_number(text)
    return None if number is ... else number
