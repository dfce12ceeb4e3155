"""`ditcourse exercises update`: a half-done notebook keeps its work under a newer template."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ditcourse.cli import main

TEMPLATE = sorted(Path("exercises").glob("*.ipynb"))[0]


def edited(path, change):
    notebook = json.loads(TEMPLATE.read_text())
    change(notebook["cells"])
    path.write_text(json.dumps(notebook))
    return path


def test_the_learners_cells_stay_and_the_templates_cells_are_renewed(tmp_path):
    notebook = json.loads(TEMPLATE.read_text())
    blank = next(
        i
        for i, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and "..." in "".join(cell["source"])
    )

    def work(cells):
        cells[blank]["source"] = ["answer = 42  # mine\n"]

    mine = edited(tmp_path / "mine.ipynb", work)
    result = CliRunner().invoke(main, ["exercises", "update", str(mine), str(TEMPLATE)])
    assert result.exit_code == 0, result.output
    after = json.loads(mine.read_text())["cells"]
    assert "".join(after[blank]["source"]).strip() == "answer = 42  # mine"
    assert len(after) == len(notebook["cells"])


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"cells": 3}'])
def test_a_broken_newer_template_is_refused_and_nothing_is_lost(tmp_path, broken):
    mine = edited(tmp_path / "mine.ipynb", lambda cells: None)
    before = mine.read_bytes()
    (tmp_path / "newer.ipynb").write_text(broken)
    result = CliRunner().invoke(main, ["exercises", "update", str(mine), str(tmp_path / "newer.ipynb")])
    assert result.exit_code != 0 and "Traceback" not in result.output and result.output.startswith("Error")
    assert mine.read_bytes() == before
