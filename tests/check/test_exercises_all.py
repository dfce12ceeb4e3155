"""Every exercise of the course, by mutation: blanks "not done", solutions "right", each slip by its name."""

import ast
import contextlib
import difflib
import io
import itertools
import linecache
import os
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import ditcourse.check
from ditcourse import exercises
from ditcourse.check import Verdict, all_exercises
from ditcourse.check.judges import Letters, Values

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = all_exercises()
SLIPS = [(id, slip) for id, exercise in EXERCISES.items() for slip in exercise.judge.wrong_answers()]
NOTEBOOKS = sorted(path.name for path in (ROOT / "solutions").glob("*.ipynb"))
CHAPTERS = sorted({id.split(".")[0].zfill(2) for id in EXERCISES})


def test_there_is_something_to_test():
    """An empty folder or an empty table would make every test below pass."""
    assert len(NOTEBOOKS) >= 4
    assert sorted(name[:2] for name in NOTEBOOKS) == CHAPTERS
    assert sorted(path.name for path in (ROOT / "exercises").glob("*.ipynb")) == NOTEBOOKS
    assert len(EXERCISES) >= 8 and len(SLIPS) >= 8
    for chapter in CHAPTERS:
        assert sum(id.split(".")[0].zfill(2) == chapter for id in EXERCISES) >= 2


# ---- the specs ----


def judge(id, answer):
    return EXERCISES[id].judge.judge(answer)


@pytest.mark.parametrize("id", EXERCISES)
def test_the_right_answer_is_right_and_no_answer_is_not_done(id):
    assert judge(id, EXERCISES[id].judge.right_answer()).state == "right"
    assert judge(id, ...).state == "not done"
    assert judge(id, None).state == "not done"


@pytest.mark.parametrize(("id", "slip"), SLIPS)
def test_every_slip_is_called_by_its_own_name(id, slip):
    finding = judge(id, EXERCISES[id].judge.wrong_answers()[slip])
    assert (finding.state, finding.slip) == ("wrong", slip)


@pytest.mark.parametrize("id", EXERCISES)
def test_slips_have_different_names_and_something_to_say(id):
    slips = getattr(EXERCISES[id].judge, "slips", ())
    assert len(EXERCISES[id].judge.wrong_answers()) >= len(slips)  # two of one name would be one there
    if not isinstance(slips, dict):
        assert all(slip.name.strip() and slip.message.strip() for slip in slips)


@pytest.mark.parametrize("id", [id for id, e in EXERCISES.items() if isinstance(e.judge, Values)])
def test_every_single_cell_change_is_reported_at_its_cell(id):
    """One report, at that cell and of that part, whatever the change; and one blank cell is one cell left."""
    names, expected = EXERCISES[id].judge.names, EXERCISES[id].judge.expected()
    parts = [np.array(part, dtype=float) for part in (expected if names else [expected])]
    total = sum(part.size for part in parts)
    for which, part in enumerate(parts):
        for cell in np.ndindex(part.shape):
            for change in (1, -1, 0.5, 1000):
                wrong = [p.copy() for p in parts]
                wrong[which][cell] += change
                finding = judge(id, tuple(wrong) if names else wrong[0])
                assert (finding.state, finding.cell) == ("wrong", cell)
                assert not names or re.match(rf"In {names[which]}\b", finding.text)
            blank = [p.astype(object) for p in parts]
            blank[which][cell] = ...
            finding = judge(id, tuple(blank) if names else blank[0])
            assert finding.state == "not done"
            cells = f"{axes[0]}s" if len(axes := EXERCISES[id].judge.axes) == 1 else "cells"
            left = f"1 of {total} {cells} left. Those filled are right so far."
            assert finding.text == (left if total > 1 else "")


LETTERS = {id: exercise.judge for id, exercise in EXERCISES.items() if isinstance(exercise.judge, Letters)}


def test_these_are_judged_letter_by_letter():
    assert set(LETTERS) >= {"5.5", "6.7", "7.6", "7.7", "8.5", "8.7", "9.5"}


@pytest.mark.parametrize("id", LETTERS)
def test_every_wrong_letter_gets_its_own_reason_whatever_the_others_are(id):
    names, says, right = LETTERS[id].names, LETTERS[id].says, LETTERS[id].expected()
    numbers = range(1, 1 + max(right + tuple(n for told in says.values() for n in told)))
    for name, wanted in zip(names, right, strict=True):
        assert sorted([wanted, *says[name]]) == [*numbers]  # a reason for every number but the right one
    wholes = {slip.value_fn(): slip.name for slip in LETTERS[id].slips}
    for answer in itertools.product(numbers, repeat=len(names)):
        finding, lines = judge(id, answer), reasons(id, answer)
        assert finding.state == ("right" if answer == right else "wrong")
        if answer in wholes:
            assert finding.slip == wholes[answer]
            continue
        assert finding.text == "\n  ".join(lines)
        assert (finding.slip is not None) == (len(lines) == 1)
    two = {**dict(zip(names, right, strict=True)), names[0]: 17, names[1]: [1, 2]}  # two numbers for one letter
    assert judge(id, two).state == "wrong"
    for at, name in enumerate(names):  # the others are still to come, or one is no choice at all
        for number in says[name]:
            answer = [...] * len(names)
            answer[at] = number
            finding = judge(id, answer)
            assert (finding.state, finding.slip) == ("not done", f"{name}: {number}")
            assert finding.text == f"{len(names) - 1} of {len(names)} answers left.\n  {reasons(id, answer)[0]}"
        finding = judge(id, {**dict(zip(names, right, strict=True)), name: 17})
        assert (finding.state, finding.slip) == ("wrong", None)
        assert finding.text == (
            f"In {name}: you have 17. What there is to choose from is numbered from 1 to {numbers[-1]}."
        )


def reasons(id, answer):
    """A line for each letter that is answered and wrong."""
    lines = []
    for name, number, right in zip(LETTERS[id].names, answer, LETTERS[id].expected(), strict=True):
        if number not in (right, ...):
            said = LETTERS[id].says[name][number]
            end = "" if said.endswith("?") else "."
            lines.append(f"In {name}: you have {number}. {said[0].upper()}{said[1:]}{end}")
    return lines


@pytest.mark.parametrize("id", LETTERS)
def test_a_reason_does_not_give_the_right_number(id):
    for told, right in zip(LETTERS[id].says.values(), LETTERS[id].expected(), strict=True):
        for sentence in told.values():
            assert str(right) not in re.findall(r"\d+", sentence.replace("1 + scale", "")), sentence


# ---- the notebooks ----


def run(path):
    """Execute a notebook's code cells and return the verdicts, {exercise id: [Verdict, ...]}, in order.

    Without a kernel, so that it takes a second; what needs a real one is nbval's part. `%` and `!` lines and
    calls of `display` do nothing.
    """
    verdicts = {}

    def check(id, answer, hint=0):
        verdicts.setdefault(id, []).append(ditcourse.check.engine.check(id, answer, hint))
        return verdicts[id][-1]

    module = types.ModuleType("__main__")
    module.display = lambda *_, **__: None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", module)
        patch.setattr(ditcourse.check, "check", check)
        patch.setenv("MPLBACKEND", "agg")
        for number, cell in enumerate(exercises.read(path)["cells"], start=1):
            if cell["cell_type"] == "code":
                source, file = python(exercises.text_of(cell)), f"<{path.name}, cell {number}>"
                # As in a notebook's kernel, a function's source can be looked up.
                linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(source, file, "exec"), vars(module))
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return verdicts


def python(source):
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def elsewhere(tmp_path_factory):
    """Notebooks may write files; not into the repository."""
    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("notebooks"))
    yield
    os.chdir(here)


def ids_of(name):
    return [id for id in EXERCISES if id.split(".")[0].zfill(2) == name[:2]]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_solution_is_right(name):
    verdicts = run(ROOT / "solutions" / name)
    assert list(verdicts) == ids_of(name)
    for id, found in verdicts.items():
        assert all(isinstance(verdict, Verdict) for verdict in found)
        assert [verdict.state for verdict in found] == ["right"], (id, found)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_blank_is_not_done_and_raises_nothing(name):
    verdicts = run(ROOT / "exercises" / name)
    assert list(verdicts) == ids_of(name)
    for id, found in verdicts.items():
        assert [verdict.state for verdict in found] == ["not done"], (id, found)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_committed_outputs_of_a_solution_say_right(name):
    """What a reader sees in the page, cell by cell, without running anything."""
    seen = []
    for cell in exercises.read(ROOT / "solutions" / name)["cells"]:
        ids = re.findall(r'^check\("([\d.]+)"', exercises.text_of(cell), flags=re.MULTILINE)
        printed = "".join("".join(o.get("text", "")) for o in cell.get("outputs", []))
        for id in ids:
            assert f"{EXERCISES[id].id} {EXERCISES[id].title}: right." in printed
        seen += ids
    assert seen == ids_of(name)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_template_and_solution_differ_in_the_solutions_only(name):
    """Compared without the generator's help: a template only drops lines, and what it adds is `...`."""
    solution = cells_by_id(ROOT / "solutions" / name)
    template = cells_by_id(ROOT / "exercises" / name)
    blanks = 0
    assert list(template) == [id for id in solution if id in template]
    for id, cell in template.items():
        before, after = (exercises.text_of(c).split("\n") for c in (solution[id], cell))
        added = [line[2:] for line in difflib.ndiff(before, after) if line.startswith("+ ")]
        if cell["cell_type"] == "markdown":
            assert len(added) == (id == next(iter(template)))  # the Colab link
            continue
        for line in added:  # dots, dots after an equals sign, or dots in brackets
            assert re.fullmatch(r"\s*\.\.\.|.*[^=]= \.\.\.(, \.\.\.)*|([\w.]+ =)?[][., ]+", line), line
            assert "..." in line
            blanks += 1
        assert signatures(after) == signatures(before)
    assert blanks >= len(ids_of(name))
    for id in set(solution) - set(template):
        assert "solution" in solution[id]["metadata"]["tags"]


def cells_by_id(path):
    return {cell["id"]: cell for cell in exercises.read(path)["cells"]}


def signatures(lines):
    """Names, arguments and docstrings of the functions and classes in a cell."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        (node.name, ast.dump(getattr(node, "args", ast.Constant(0))), ast.get_docstring(node))
        for node in ast.walk(ast.parse(python("\n".join(lines))))
        if isinstance(node, kinds)
    ]
