"""The generator on folders of small notebooks: what it writes, what it says, what it never touches."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ditcourse import exercises
from ditcourse.check import Exercise, values

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = Path(__file__).parent / "fixtures"
SPECS = {
    "90.1": Exercise(id="90.1", title="Add", goal="add", difficulty=1, minutes=2, judge=values(lambda: 2))
}

spec = importlib.util.spec_from_file_location("generate_exercises", ROOT / "tools" / "generate_exercises.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


@pytest.fixture
def course(tmp_path):
    """A course with one solved notebook and no template yet."""
    for folder in ("solutions", "exercises"):
        (tmp_path / folder).mkdir()
    shutil.copy(FIXTURES / "90_good.ipynb", tmp_path / "solutions")
    return tmp_path


def generate(root, **options):
    """(number of problems, everything it said with the folder's name taken out)."""
    said = []
    problems = tool.generate(root, specs=SPECS, say=said.append, **options)
    return problems, "\n".join(said).replace(str(root) + os.sep, "").replace("\\", "/")


def edit(path, change):
    notebook = exercises.read(path)
    change(notebook["cells"])
    exercises.write(path, notebook)


def set_source(position, source):
    def change(cells):
        cells[position]["source"] = source

    return change


def snapshot(root):
    return {path.name: path.read_bytes() for path in (root / "exercises").iterdir()}


def test_writes_then_finds_nothing_to_do(course):
    assert generate(course) == (0, "exercises/90_good.ipynb: written.")
    first = snapshot(course)
    assert list(first) == ["90_good.ipynb"]
    assert generate(course) == (0, "")
    assert generate(course, check=True) == (0, "")
    assert snapshot(course) == first


def test_the_template(course):
    generate(course)
    template = exercises.read(course / "exercises" / "90_good.ipynb")
    texts = [exercises.text_of(cell) for cell in template["cells"]]
    assert "/blob/v0.1.0/exercises/90_good.ipynb)" in texts[0]
    assert "Z = ..." in texts and "SOLUTION" not in "".join(texts)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in template["cells"])


def test_two_runs_in_two_places_give_the_same_bytes(course, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "deep"
    shutil.copytree(course, other)
    generate(course)
    generate(other)
    assert snapshot(course) == snapshot(other)


def test_check_names_a_missing_and_a_stale_template_and_writes_nothing(course):
    assert generate(course, check=True) == (
        1,
        "exercises/90_good.ipynb: missing, it does not match 90_good.ipynb; "
        "run `python tools/generate_exercises.py` and commit the result.",
    )
    assert snapshot(course) == {}
    generate(course)
    edit(course / "solutions" / "90_good.ipynb", set_source(-1, "# Another summary"))
    before = snapshot(course)
    problems, said = generate(course, check=True)
    assert problems == 1
    assert said.startswith(
        "exercises/90_good.ipynb: stale, it does not match 90_good.ipynb; run `python tools/gen"
    )
    assert snapshot(course) == before
    assert generate(course) == (0, "exercises/90_good.ipynb: written.")
    assert generate(course, check=True) == (0, "")


def test_check_is_exact_to_the_byte(course):
    generate(course)
    path = course / "exercises" / "90_good.ipynb"
    path.write_bytes(path.read_bytes() + b"\n")
    assert generate(course, check=True)[0] == 1
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert generate(course, check=True)[0] == 1


def test_a_half_done_notebook_survives(course):
    generate(course)
    path = course / "exercises" / "90_good.ipynb"

    def work(cells):
        cells[2]["source"] = "Z = 1 + 1  # I did it"
        cells[3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "90.1 Add: right.\n"}]
        cells.append({"cell_type": "markdown", "id": "mine", "metadata": {}, "source": "my note"})

    edit(path, work)
    before = path.read_bytes()
    assert generate(course) == (0, "")
    assert path.read_bytes() == before

    edit(course / "solutions" / "90_good.ipynb", set_source(-1, "# Another summary"))
    problems, said = generate(course)
    assert problems == 0
    assert said == (
        "exercises/90_good.ipynb: has a learner's work in it; merged with the newer template, "
        "all that work is kept.\n"
        "  updated the cell `# Another summary`."
    )
    after = path.read_text(encoding="utf-8")
    for words in ("I did it", "90.1 Add: right.", "my note", "Another summary"):
        assert words in after

    problems, said = generate(course, check=True)
    assert problems == 1
    assert "somebody has worked in it, it is not the blank. Move that copy elsewhere" in said


def test_an_interrupted_run_leaves_the_work(course, monkeypatch):
    generate(course)
    path = course / "exercises" / "90_good.ipynb"
    edit(path, set_source(2, "Z = 1 + 1  # I did it"))
    edit(course / "solutions" / "90_good.ipynb", set_source(-1, "# Another summary"))
    before = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            generate(course)
    assert snapshot(course) == {"90_good.ipynb": before}
    generate(course)
    assert b"I did it" in path.read_bytes() and b"Another summary" in path.read_bytes()


def test_a_broken_file_in_the_way_is_not_overwritten(course):
    path = course / "exercises" / "90_good.ipynb"
    path.write_text('{"cells": [')
    problems, said = generate(course)
    assert problems == 1
    assert "exercises/90_good.ipynb is not a notebook" in said
    assert path.read_text() == '{"cells": ['


def test_a_foreign_notebook_in_the_way_is_not_overwritten(course):
    path = course / "exercises" / "90_good.ipynb"
    cell = {"cell_type": "markdown", "id": "x", "metadata": {}, "source": "something else"}
    exercises.write(path, {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    before = path.read_bytes()
    problems, said = generate(course)
    assert (problems, path.read_bytes()) == (1, before)
    assert "no cell in common" in said


def test_a_template_without_a_solution_is_named_and_kept(course):
    generate(course)
    stray = course / "exercises" / "91_stray.ipynb"
    shutil.copy(course / "exercises" / "90_good.ipynb", stray)
    for check in (False, True):
        problems, said = generate(course, check=check)
        assert (problems, said) == (
            1,
            "exercises/91_stray.ipynb: it has no solution in solutions/; delete it, or write one.",
        )
    assert stray.exists()


def test_an_empty_course_is_a_problem(tmp_path):
    assert generate(tmp_path, check=True) == (1, "solutions: there is no notebook in it.")


BAD = {
    "90_unclosed.ipynb": "cell 3, line 2: `### BEGIN SOLUTION` is never closed; `### END SOLUTION` is miss",
    "90_nested.ipynb": "cell 3, line 3: `### BEGIN SOLUTION` inside another, begun in line 2; blocks cannot",
    "90_unknown_mark.ipynb": "cell 3, line 1: unknown mark `Z = 1 + 1  # Solution`; the marks are",
    "90_mark_in_markdown.ipynb": "cell 5: a solution mark in a Markdown cell does nothing; tag the cell",
    "90_not_an_assignment.ipynb": "cell 3, line 2: `# SOLUTION` is on a line that is not an assignment; put",
    "90_no_check.ipynb": 'cell 2: check("90.1", ...) is missing under exercise 90.1.',
    "90_no_facts.ipynb": "cell 2: the line `Goal: add · Difficulty: ★☆☆ · Minutes: 2` is missing under the",
    "90_other_facts.ipynb": "cell 2: the line `Goal: add · Difficulty: ★☆☆ · Minutes: 9` differs from the",
    "90_no_spec.ipynb": "cell 2: exercise 90.9 has no spec in ditcourse/check/chapters/ch90.py.",
    "90_not_python.ipynb": "cell 3, line 3: once the solutions are out, this cell is not valid Python (",
    "90_other_link.ipynb": "cell 1: the Colab link to solutions/90_other_link.ipynb is missing or names",
    "90_not_json.ipynb": "90_not_json.ipynb is not a notebook",
}


@pytest.mark.parametrize("fixture", BAD)
def test_bad_fixtures_are_refused(course, fixture):
    shutil.copy(FIXTURES / "bad" / fixture, course / "solutions")
    for check in (False, True):
        problems, said = generate(course, check=check)
        assert problems == 1  # the good notebook beside it is not held up
        assert BAD[fixture] in said
        assert list(snapshot(course)) == ["90_good.ipynb"]


def test_every_bad_fixture_is_tried():
    assert sorted(path.name for path in (FIXTURES / "bad").iterdir()) == sorted(BAD)


def test_the_command_line():
    """The course itself, as CI calls it; and an empty folder, which must fail."""

    def run(*arguments):
        command = [sys.executable, str(ROOT / "tools" / "generate_exercises.py"), "--check", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", cwd=FIXTURES, check=False
        )

    done = run()
    assert (done.returncode, done.stdout) == (0, "exercises/ matches solutions/.\n"), (
        done.stdout + done.stderr
    )
    assert run("--root", str(FIXTURES)).returncode == 1


def test_the_fixtures_are_small_and_readable():
    for path in FIXTURES.rglob("*.ipynb"):
        if path.name != "90_not_json.ipynb":
            assert len(json.loads(path.read_text(encoding="utf-8"))["cells"]) <= 8
