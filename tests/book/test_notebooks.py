"""Every notebook is as a reader, Colab and nbval need it."""

import json

import pytest

from tests.book import gates


def load(path):
    return json.loads((gates.ROOT / path).read_text(encoding="utf8"))


def test_there_are_notebooks():
    """The tests below have no cases where a folder is empty, and would pass."""
    for folder in ("book", "solutions", "exercises"):
        assert list((gates.ROOT / folder).glob("*.ipynb")), f"no notebook in {folder}/"


def test_starts_alike(notebook_path, project):
    assert not gates.wrong_start(load(notebook_path), notebook_path, *project)


def each(*functions):
    return pytest.mark.parametrize("gate", functions, ids=[function.__name__ for function in functions])


@each(gates.myst_in_notebook, gates.long_cells, gates.bad_outputs, gates.volatile_metadata)
def test_notebook(notebook_path, gate):
    assert not gate(load(notebook_path))


@each(gates.not_executed, gates.too_little_compared)
def test_outputs_are_there_to_be_compared(run_path, gate):
    assert not gate(load(run_path))


def test_outputs_are_small(run_path):
    outputs = [cell["outputs"] for cell in load(run_path)["cells"] if "outputs" in cell]
    assert len(json.dumps(outputs)) < 1_000_000


def test_blank(blank_path):
    assert not gates.executed(load(blank_path))


def test_every_exercise_has_its_solution():
    names = {folder: {file.name for file in (gates.ROOT / folder).glob("*.ipynb")}
             for folder in ("exercises", "solutions")}
    assert names["exercises"] == names["solutions"]
