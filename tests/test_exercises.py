"""Blank templates and merging: every fault is named, no learner's work is lost, the bytes never wander."""

import copy
import json
import os
import random

import nbformat
import pytest

from ditcourse import exercises
from ditcourse.check import Exercise, values
from ditcourse.exercises import BadNotebook, blank, dump, has_work, merge, read, text_of, update, write

SPECS = {
    id: Exercise(id=id, title=title, goal="g", difficulty=1, minutes=2, judge=values(lambda: 1))
    for id, title in {"90.1": "Add", "90.2": "Function"}.items()
}
TITLE = (
    "# Title\n\n[Open in Colab](https://colab.research.google.com/github/ditcourse/ditcourse/blob/v0.1.0/"
    "solutions/90_test.ipynb)"
)
ADD = "## Exercise 90.1: Add\n\nGoal: g · Difficulty: ★☆☆ · Minutes: 2"
FUNCTION = "## Exercise 90.2: Function\n\nGoal: g · Difficulty: ★☆☆ · Minutes: 2\n\nMore text."
BODY = '''def f(x):
    """The docstring stays."""
    y = x + 1  # so does this line
    ### BEGIN SOLUTION
    z = 2 * y

    return z
    ### END SOLUTION'''


def text(source, id=None, **metadata):
    return {"cell_type": "markdown", "id": id or name(source), "metadata": metadata, "source": source}


def code(source, id=None, outputs=(), **metadata):
    cell = {"cell_type": "code", "id": id or name(source), "metadata": metadata, "source": source}
    return {**cell, "outputs": list(outputs), "execution_count": 7}


def name(source):
    return "c" + exercises.sha(source)[:8]


def notebook(*cells):
    metadata = {
        "kernelspec": {"name": "x", "display_name": "X"},
        "widgets": {"state": 1},
        "accelerator": "GPU",
    }
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def stream(what):
    return {"output_type": "stream", "name": "stdout", "text": [what]}


def solution():
    return notebook(
        text(TITLE),
        code("%pip install -q x\nimport numpy", outputs=[stream("installed")], execution={"shell": "2026"}),
        text(ADD),
        code("Z = 1 + 1  # SOLUTION", outputs=[stream("2")], tags=["keep"]),
        text("The worked answer.", tags=["solution"]),
        code('check("90.1", Z)', outputs=[stream("right")]),
        text(FUNCTION),
        code(BODY),
        code("print('only for the solution')", tags=["solution"]),
        code('check("90.2", f, hint=0)'),
        text("# Summary"),
    )


def sources(nb):
    return [text_of(cell) for cell in nb["cells"]]


# ---- blank ----


def test_blank():
    given = solution()
    before = copy.deepcopy(given)
    template = blank(given, SPECS)
    assert given == before
    assert sources(template) == [
        TITLE.replace("solutions/", "exercises/"),
        "%pip install -q x\nimport numpy",
        ADD,
        "Z = ...",
        'check("90.1", Z)',
        FUNCTION,
        'def f(x):\n    """The docstring stays."""\n    y = x + 1  # so does this line\n    ...',
        'check("90.2", f, hint=0)',
        "# Summary",
    ]
    for cell in template["cells"]:
        assert cell["metadata"]["ditcourse"] == {"cell": cell["id"], "sha": exercises.sha(cell["source"])}
        assert "execution" not in cell["metadata"]
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
    assert template["cells"][3]["metadata"]["tags"] == ["keep"]
    assert set(template["metadata"]) == {"kernelspec", "language_info", "accelerator"}
    assert not has_work(template)
    nbformat.validate(nbformat.from_dict(template))


@pytest.mark.parametrize(
    ("line", "blanked"),
    [
        ("Z = L + N  # SOLUTION", "Z = ..."),
        ("if N:\n    Z = '=' + N # SOLUTION  ", "if N:\n    Z = ..."),
        ("Z: int = (1 + 2) * 3  # SOLUTION", "Z: int = ..."),
        ("Z = (1 + 2)  # SOLUTION", "Z = ..."),
        ("a = b = 1  # SOLUTION", "a = b = ..."),
        ("scale, shift = f(c == 1)  # SOLUTION", "scale, shift = ..., ..."),
        ("(a, b) = 1, 2  # SOLUTION", "(a, b) = ..., ..."),
        ("self.w, x[0], z = 1, 2, '# hash'  # SOLUTION", "self.w, x[0], z = ..., ..., ..."),
        ("größe = 'ß'  # SOLUTION", "größe = ..."),
        ("x['a=b'] = 1  # SOLUTION", "x['a=b'] = ..."),
        ("x = (\n1\n)  # SOLUTION", "x = ..."),
        ("def f():\n    return g(\n    )\nx = f(\n1,\n)  # SOLUTION", "def f():\n    return g(\n    )\nx = ..."),
    ],
)
def test_blank_lines(line, blanked):
    faults = []
    assert exercises._take_out(line, "here", faults) == (blanked, 1)
    assert not faults


@pytest.mark.parametrize(
    ("line", "blanked"),
    [
        ("c = [0, 1, -1]  # SOLUTION", "c = [..., ..., ...]"),
        ("if X:\n    A = [[1/2, 0],\n  [0, 1.5]]  # SOLUTION", "if X:\n    A = [[..., ...],\n  [..., ...]]"),
        ("a = 1\nX = [[7, 1],\n     [0, -2]]  # SOLUTION", "a = 1\nX = [[..., ...],\n     [..., ...]]"),
        (
            "größe = [\n    'ß', 2,  # row 1\n    (1 + 2) * 3,\n]  # SOLUTION",
            "größe = [\n    ..., ...,  # row 1\n    ...,\n]",
        ),
        ("f = [[[1], [2]], [[3], [4]]]  # SOLUTION", "f = [[[...], [...]], [[...], [...]]]"),
        ("X = np.array([[1, 2], [3, 4]])  # SOLUTION", "X = np.array([[..., ...], [..., ...]])"),
        ("X: list = [1]  # SOLUTION", "X: list = [...]"),
        # a blank would not run, or there is nothing to keep the shape of
        ("X = np.array([1, 2], dtype=float)  # SOLUTION", "X = ..."),
        ("X = torch.tensor([1, 2])  # SOLUTION", "X = ..."),
        ("X = [1, n]  # SOLUTION", "X = ..."),
        ("X = [[1], []]  # SOLUTION", "X = ..."),
        ("X = [i for i in range(3)]  # SOLUTION", "X = ..."),
        ("a, b = [1, 2]  # SOLUTION", "a, b = ..., ..."),
    ],
)
def test_a_list_of_numbers_keeps_its_shape(line, blanked):
    faults = []
    assert exercises._take_out(line, "here", faults) == (blanked, 1)
    assert not faults


def test_two_blocks_in_a_cell_and_one_at_another_indent():
    body = (
        "def f(x):\n    ### BEGIN SOLUTION\n    y = 1\n    ### END SOLUTION\n    for i in x:\n"
        "        ### BEGIN SOLUTION\n        y += i\n        ### END SOLUTION\n    return y"
    )
    faults = []
    assert exercises._take_out(body, "here", faults) == (
        "def f(x):\n    ...\n    for i in x:\n        ...\n    return y",
        2,
    )
    assert not faults


def bad(position, cell):
    """The solution with one cell replaced (or left out, for None)."""
    nb = solution()
    nb["cells"][position : position + 1] = [cell] if cell else []
    return nb


BAD = {
    "unclosed": (
        bad(7, code(BODY.replace("### END SOLUTION", "pass"))),
        "cell 8, line 4: `### BEGIN SOLUTION` is never closed; `### END SOLUTION` is missing.",
    ),
    "end without begin": (
        bad(7, code("x = 1\n### END SOLUTION")),
        "cell 8, line 2: `### END SOLUTION` without a `### BEGIN SOLUTION` before it.",
    ),
    "nested": (
        bad(7, code("### BEGIN SOLUTION\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION")),
        "cell 8, line 2: `### BEGIN SOLUTION` inside another, begun in line 1; blocks cannot be nested.",
    ),
    "line mark in a block": (
        bad(7, code("### BEGIN SOLUTION\nx = 1  # SOLUTION\n### END SOLUTION")),
        "cell 8, line 2: a solution mark inside a block, begun in line 1; one of them is enough.",
    ),
    "empty block": (
        bad(7, code("### BEGIN SOLUTION\n### END SOLUTION")),
        "cell 8, line 2: the solution is empty, there is nothing between `### BEGIN SOLUTION` and `### END",
    ),
    "not an assignment": (
        bad(7, code("def f():\n    return 1  # SOLUTION")),
        "cell 8, line 2: `# SOLUTION` is on a line that is not an assignment; put `### BEGIN SOLUTION` and",
    ),
    "end of a long call": (
        bad(7, code("x = 1\nprint(\n1\n)  # SOLUTION")),
        "cell 8, line 4: `# SOLUTION` is on a line that is not an assignment",
    ),
    "list that does not begin": (
        bad(7, code("x = 1\n[0, 2]]  # SOLUTION")),
        "cell 8, line 2: `# SOLUTION` is on a line that is not an assignment",
    ),
    "augmented": (bad(7, code("x += 1  # SOLUTION")), "cell 8, line 1: `# SOLUTION` is on a line that is"),
    "two statements": (bad(7, code("x = 1; y = 2  # SOLUTION")), "is on a line that is not an assignment"),
    "starred": (bad(7, code("a, *b = 1, 2  # SOLUTION")), "cell 8, line 1: `# SOLUTION` cannot blank this"),
    "mark in Markdown": (
        bad(4, text("### BEGIN SOLUTION\nsecret\n### END SOLUTION")),
        "cell 5: a solution mark in a Markdown cell does nothing; tag the cell `solution` instead.",
    ),
    "template is not Python": (
        bad(7, code("def f(x):\n    ### BEGIN SOLUTION\n    y = [\n    ### END SOLUTION\n        1]")),
        "cell 8, line 3: once the solutions are out, this cell is not valid Python (",
    ),
    "check missing": (bad(5, None), 'cell 3: check("90.1", ...) is missing under exercise 90.1.'),
    "check dropped": (
        bad(5, code('check("90.1", Z)', tags=["solution"])),
        "cell 6: a cell tagged `solution` is left out, and with it the check call inside.",
    ),
    "wrong check": (bad(5, code('check("90.2", Z)')), "cell 6: check('90.2', ...) stands under exercise 90"),
    "check above all": (bad(1, code('check("90.1", 1)')), "cell 2: check('90.1', ...) stands under no exerc"),
    "blank after check": (
        notebook(text(ADD), code("x = 1  # SOLUTION"), code('check("90.1", x)'), code("y = 1  # SOLUTION")),
        "cell 4: a blank below the check call of exercise 90.1; put it above.",
    ),
    "no blank": (bad(3, code("Z = 2")), "cell 3: there is nothing to fill in under exercise 90.1; mark the"),
    "blank without exercise": (
        bad(1, code("x = 1  # SOLUTION")),
        "cell 2: a blank with no `## Exercise ...` heading above it; it would never be checked.",
    ),
    "no spec": (
        bad(2, text(ADD.replace("90.1", "90.7"))),
        "cell 3: exercise 90.7 has no spec in ditcourse/check/chapters/ch90.py.",
    ),
    "other title": (
        bad(2, text(ADD.replace("Add", "Sum"))),
        "cell 3: the heading `## Exercise 90.1: Sum` differs from the spec's `## Exercise 90.1: Add`.",
    ),
    "wrong heading": (
        bad(2, text("#" + ADD)),
        "cell 3: `### Exercise 90.1: Add` is not of the form `## Exercise 1.3: Title`.",
    ),
    "facts missing": (
        bad(2, text(ADD.split("\n")[0])),
        "cell 3: the line `Goal: g · Difficulty: ★☆☆ · Minutes: 2` is missing under the heading",
    ),
    "facts differ": (
        bad(2, text(ADD.replace("★☆☆", "★★☆"))),
        "cell 3: the line `Goal: g · Difficulty: ★★☆ · Minutes: 2` differs from the spec's `Goal: g",
    ),
    "second heading": (bad(10, text(ADD)), "cell 11: exercise 90.1 has a second heading."),
    "no exercise": (notebook(text("# A")), "there is no exercise in it"),
    "no id": (bad(3, code("Z = 1  # SOLUTION") | {"id": None}), "cell 4: its id is missing; every cell"),
    "same id": (bad(3, code("Z = 1  # SOLUTION", id=name(ADD))), "cell 4: its id is used twice; every cell"),
}  # fmt: skip
for mark in (
    "# solution", "x = 1  #SOLUTION", "x = 1  ## SOLUTION", "x = 1  # Solution", "### SOLUTION", "# SOLUTION",
    "### BEGIN SOLUTIONS", "## BEGIN SOLUTION", "### BEGIN  SOLUTION", "### BEGIN HIDDEN TESTS", "### END",
    "x = 1  ### BEGIN SOLUTION", "#### END SOLUTION",
):  # fmt: skip
    BAD[f"unknown mark {mark}"] = (
        bad(3, code(mark)),
        f"cell 4, line 1: unknown mark `{mark}`; the marks are",
    )


@pytest.mark.parametrize("fault", BAD)
def test_bad_notebooks_are_refused_with_the_right_words(fault):
    nb, words = BAD[fault]
    with pytest.raises(BadNotebook) as error:
        blank(nb, SPECS)
    assert any(words in line for line in str(error.value).split("\n")), str(error.value)


def test_all_faults_are_reported_at_once():
    nb = bad(2, text(ADD.split("\n")[0]))
    nb["cells"][7] = code("x += 1  # SOLUTION")
    with pytest.raises(BadNotebook) as error:
        blank(nb, SPECS)
    assert len(str(error.value).split("\n")) == 2


def test_words_that_are_no_marks():
    for comment in ("# the solution of step 3", "# resolution is 16 x 16", "# end of the loop", "#: solvent"):
        nb = bad(1, code(f"x = 1  {comment}"))
        assert comment in sources(blank(nb, SPECS))[1]


# ---- merge ----


def template():
    return blank(solution(), SPECS)


def newer():
    """The next release: one cell changed, one new, one gone (the summary), the rest as before."""
    nb = solution()
    nb["cells"][1]["source"] = "import numpy as np"
    nb["cells"][7]["source"] = BODY.replace("docstring stays", "docstring is new")
    nb["cells"].insert(3, text("A new remark.", id="remark"))
    nb["cells"] = nb["cells"][:-1]
    return blank(nb, SPECS)


def half_done():
    """A learner's notebook: one cell solved, one run, two cells of their own, one note in a Markdown cell."""
    mine = template()
    cells = mine["cells"]
    cells[0]["source"] += "\n\nMy name."
    cells[1]["outputs"] = [stream("ran")]
    cells[3].update(source="Z = 2\n# my thoughts", outputs=[stream("mine")], execution_count=3)
    cells[4].update(outputs=[stream("90.1 Add: right.")], execution_count=4)
    cells.insert(4, code("print(Z)  # mine", id="mine1", outputs=[stream("2")]))
    cells.append(text("My closing words", id="mine2"))
    return mine


def test_merge_keeps_all_work_and_takes_all_news():
    mine, notes = half_done(), []
    before = copy.deepcopy(mine)
    merged = merge(mine, newer(), notes)
    assert mine == before
    assert sources(merged) == [
        TITLE.replace("solutions/", "exercises/") + "\n\nMy name.",
        "import numpy as np",
        ADD,
        "A new remark.",
        "Z = 2\n# my thoughts",
        "print(Z)  # mine",
        'check("90.1", Z)',
        FUNCTION,
        'def f(x):\n    """The docstring is new."""\n    y = x + 1  # so does this line\n    ...',
        'check("90.2", f, hint=0)',
        "My closing words",
    ]
    assert merged["cells"][4]["outputs"] == [stream("mine")]
    assert merged["cells"][4]["execution_count"] == 3
    assert merged["cells"][6]["outputs"] == [stream("90.1 Add: right.")]
    assert notes == [
        "left out the cell `# Summary`, which the newer template no longer has.",
        "updated the cell `import numpy as np`.",
        "new cell `A new remark.`.",
        "updated the cell `def f(x):`.",
    ]
    nbformat.validate(nbformat.from_dict(merged))


def test_merge_tells_of_a_cell_that_both_changed():
    mine = half_done()
    mine["cells"][7]["source"] = "def f(x):\n    return 'mine'"
    notes = []
    merged = merge(mine, newer(), notes)
    assert "def f(x):\n    return 'mine'" in sources(merged)
    assert "kept your cell `def f(x):`; the template's has changed, compare the two." in notes


def test_merge_keeps_an_edited_cell_that_the_template_no_longer_has():
    mine = template()
    mine["cells"][-1]["source"] = "# Summary\n\nof mine"
    notes = []
    merged = merge(mine, newer(), notes)
    assert sources(merged)[-1] == "# Summary\n\nof mine"
    assert "kept your cell `# Summary`, which the newer template no longer has." in notes


def test_merge_twice_is_merge_once():
    once = merge(half_done(), newer())
    assert dump(merge(once, newer())) == dump(once)
    assert dump(merge(template(), newer())) == dump(newer())
    assert dump(merge(newer(), newer())) == dump(newer())


def test_an_answer_taken_back_is_pristine_again():
    mine = template()
    mine["cells"][6]["source"] = "changed"
    kept = merge(mine, newer())
    kept["cells"][7]["source"] = sources(template())[6]
    assert sources(merge(kept, newer()))[7] == sources(newer())[7]


def test_a_cell_turned_into_another_kind_is_the_learners():
    mine = template()
    cell = mine["cells"][3]
    cell["cell_type"] = "markdown"
    del cell["outputs"], cell["execution_count"]
    assert merge(mine, newer())["cells"][4]["cell_type"] == "markdown"


def test_copies_and_halves_of_a_template_cell_are_kept():
    mine = template()
    whole = mine["cells"][6]
    first, second = copy.deepcopy(whole), copy.deepcopy(whole)  # JupyterLab's split copies the metadata
    first["source"], second["source"], second["id"] = "def f(x):", "    return x", "half"
    mine["cells"][6:7] = [first, second, copy.deepcopy(whole) | {"id": "copied"}]
    merged = merge(mine, newer())
    assert sources(merged)[7:10] == ["def f(x):", "    return x", whole["source"]]
    assert dump(merge(merged, newer())) == dump(merged)
    nbformat.validate(nbformat.from_dict(merged))


def colab(nb):
    """What is left after a tool that knows neither ids nor our metadata, and stores texts as lists."""
    nb = copy.deepcopy(nb)
    nb["nbformat_minor"] = 0
    for cell in nb["cells"]:
        cell.pop("id")
        cell["source"] = cell["source"].splitlines(keepends=True)
    return nb


def test_merge_without_ids():
    merged = merge(colab(half_done()), newer())
    assert sources(merged) == sources(merge(half_done(), newer()))
    assert merged["nbformat_minor"] == 5
    nbformat.validate(nbformat.from_dict(merged))
    assert dump(merge(colab(half_done()), newer())) == dump(merged)


def test_merge_without_our_metadata_loses_nothing():
    for strip_ids in (False, True):
        mine = half_done()
        for cell in mine["cells"]:
            cell["metadata"] = {}
            if strip_ids:
                cell["id"] = name(cell["source"] + "x")
        merged = merge(mine, newer())
        assert set(sources(mine)) <= set(sources(merged))
        assert merged["cells"][0]["metadata"].get("tags") is None


def test_merge_refuses_another_chapter_and_what_is_no_template():
    other = template()
    for number, cell in enumerate(other["cells"]):
        cell["id"] = cell["metadata"]["ditcourse"]["cell"] = f"other{number}"
        cell["source"] += " "
        cell["source"] = "other " + cell["source"]
        cell["metadata"]["ditcourse"]["sha"] = exercises.sha(cell["source"])
    with pytest.raises(BadNotebook, match="no cell in common"):
        merge(half_done(), other)
    with pytest.raises(BadNotebook, match="not a blank template"):
        merge(half_done(), solution())


def test_random_work_always_survives():
    """Edit, add, move and delete at random; every text of the learner's is in the merged notebook."""
    for seed in range(200):
        rng = random.Random(seed)
        mine, written = template(), []
        for step in range(rng.randrange(8)):
            position = rng.randrange(len(mine["cells"]))
            words, action = f"mine {seed} {step}", rng.choice(["edit", "add", "move", "delete"])
            cell = mine["cells"][position]
            if action == "edit" and not text_of(cell).startswith("mine"):
                cell["source"] = words
                written.append(words)
            elif action == "add":
                mine["cells"].insert(position, code(words, id=f"m{step}"))
                written.append(words)
            elif action == "move":
                mine["cells"].insert(rng.randrange(len(mine["cells"])), mine["cells"].pop(position))
            elif action == "delete" and not text_of(cell).startswith("mine") and len(mine["cells"]) > 3:
                del mine["cells"][position]
        for target in (newer(), template()):
            merged = merge(colab(mine) if seed % 2 else mine, target)
            texts = sources(merged)
            assert all(texts.count(words) == 1 for words in written)
            assert len({cell["id"] for cell in merged["cells"]}) == len(merged["cells"])
            assert dump(merge(merged, target)) == dump(merged)


# ---- files ----


def test_write_is_byte_stable(tmp_path):
    path = tmp_path / "a.ipynb"
    assert write(path, template()) is True
    data, time = path.read_bytes(), path.stat().st_mtime_ns
    assert write(path, read(path)) is False
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (data, time)
    assert b"\r" not in data and data.endswith(b"}\n")
    shuffled = json.loads(data, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert dump(shuffled) == data
    assert dump(json.loads(data.replace(b"\\n", b"\\r\\n"))) == data
    assert (
        nbformat.writes(nbformat.reads(data.decode(), 4)).rstrip() == data.decode().rstrip()
    )  # as Jupyter saves it


def test_update(tmp_path):
    mine, new = tmp_path / "mine.ipynb", tmp_path / "newer.ipynb"
    write(mine, half_done())
    write(new, newer())
    lines = update(mine, new)
    assert lines[-1] == f"{mine}: updated, your work is kept."
    assert "new cell `A new remark.`." in lines
    assert sources(read(mine)) == sources(merge(half_done(), newer()))
    assert update(mine, new) == [f"{mine}: already up to date."]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError, MemoryError])
@pytest.mark.parametrize("where", ["fsync", "chmod", "replace"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, stop, where):
    mine, new = tmp_path / "mine.ipynb", tmp_path / "newer.ipynb"
    write(mine, half_done())
    write(new, newer())
    before = mine.read_bytes()

    def interrupt(*_):
        raise stop("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(os, where, interrupt)
        with pytest.raises(stop):
            update(mine, new)
    assert mine.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.ipynb", "newer.ipynb"]
    update(mine, new)
    assert b"mine" in mine.read_bytes()


def test_what_is_no_notebook_is_left_alone(tmp_path):
    mine, new = tmp_path / "mine.ipynb", tmp_path / "newer.ipynb"
    write(new, newer())
    for content in (b"", b"{", b"[]", b'{"nbformat": 3}', b'{"nbformat": 4, "cells": 1}', b"\xff\xfe"):
        mine.write_bytes(content)
        with pytest.raises(BadNotebook, match="mine.ipynb is not a notebook"):
            update(mine, new)
        assert mine.read_bytes() == content


def test_permissions_and_links_stay(tmp_path):
    target, link = tmp_path / "target.ipynb", tmp_path / "link.ipynb"
    write(target, half_done())
    target.chmod(0o600)
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("this system makes no symbolic links here")
    write(link, newer())
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert read(target) == read(link)
