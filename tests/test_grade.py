"""`ditcourse grade`: a class's notebooks and links marked, whatever stands in them, and none of it executed.

The class below is made of the course's own templates and solutions. Its hostile members would leave the file `pwned`.
"""

import builtins
import csv
import json
import os
import pickle
import plistlib
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from ditcourse import grade as grading
from ditcourse.check import Sheet, all_exercises
from ditcourse.check.sheet import SheetPart
from ditcourse.cli import main

ROOT = Path(__file__).parents[1]
SITE = "https://example.org/book/"
CHAPTERS = sorted(path.stem for path in (ROOT / "exercises").glob("*.ipynb"))
RIGHT_LINK = "#L=3,0,0,1;4,3,4,5"


def code(*sources):
    """A notebook of code cells, as JSON."""
    rest = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**rest, "source": source} for source in sources]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def changed(name, **changes):
    """A notebook of the course, with the source of these cells (by their id) changed: ex2_answer="..."."""
    notebook = json.loads((ROOT / name).read_text(encoding="utf-8"))
    for id, source in changes.items():
        cell = next(cell for cell in notebook["cells"] if cell["id"] == id.replace("_", "-"))
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook)


def blank(**changes):
    return changed("exercises/01_by_hand.ipynb", **changes)


def solved(**changes):
    return changed("solutions/01_by_hand.ipynb", **changes)


def good(folder):
    """Notebooks and links that learners may well hand in."""
    files = {f"solved {name}.ipynb": (ROOT / "solutions" / f"{name}.ipynb").read_bytes() for name in CHAPTERS}
    files |= {f"blank {name}.ipynb": (ROOT / "exercises" / f"{name}.ipynb").read_bytes() for name in CHAPTERS}
    no_relu = "sheet.L = [[3, -2, 0, 1],\n           [4, 3, 4, 5]]"
    files |= {
        "half done.ipynb": blank(ex2_answer="sheet.L = [[3, 0, ..., ...],\n           [4, 3, ..., ...]]"),
        "half done, a slip.ipynb": blank(ex2_answer="sheet.L = [[-3, 0, 0, 1],\n           [..., ..., ..., ...]]"),
        "no ReLU.ipynb": solved(ex2_answer=no_relu),
        "swapped.ipynb": blank(ex4_answer="sheet.scale, sheet.shift = [1, 5], [2, -1]"),
        "arrays.ipynb": blank(ex4_answer="sheet.scale = np.array([2, -1])\nsheet.shift = np.array([1, -5 + 10])"),
        "one frame.ipynb": code('check("1.11", [1, 0, 0, 0])'),
        "quiz.ipynb": changed("solutions/00_the_idea.ipynb", ex3_answer="order = [2, 1, 6, 4]"),
        "last counts.ipynb": code('check("0.3", [1, 2, 3, 4])', 'order = [3, 1, 6, 4]\ncheck("0.3", order)'),
        "pasted.ipynb": blank(your_sheet_begins=f'sheet = Sheet("{SITE}01_sheet.html{RIGHT_LINK}")'),
        "pasted alone.ipynb": blank(ex_1_13_answer=f'mine = "{SITE}01_sheet.html#seed=7"'),
        "cut off.ipynb": blank(your_sheet_begins='sheet = Sheet("#L=3,0,0,1;4,3")'),
        "wrong seed.ipynb": blank(your_sheet_begins='sheet = Sheet("#seed=seven")'),
        "text.ipynb": blank(ex2_answer='sheet.L = [["three", 0, 0, 1], [4, 3, 4, 5]]'),
        "no such part.ipynb": blank(ex2_answer="sheet.l = [[3, 0, 0, 1], [4, 3, 4, 5]]"),
        "typing error.ipynb": blank(ex2_answer="sheet.L = [[3, 0, 0, 1], [4, 3, 4, 5]"),
        "by a loop.ipynb": blank(ex2_answer="for row in range(1):\n    sheet.L = [[3, 0, 0, 1], [4, 3, 4, 5]]"),
        "after the check.ipynb": code('order = [3, 1, 6, 4]\ncheck("0.3", order)', "order.append(4)\norder = 5"),
        "changed later.ipynb": code("order = [3, 1, 6]", "order.append(4)", 'check("0.3", order)'),
        "magic.ipynb": code("%%time\n%pip list\n!ls\nlen?\norder = [3, 1, 6, 4]", 'print(check("0.3", order))'),
        "bom.ipynb": b"\xef\xbb\xbf" + code('check("0.3", [3, 1, 6, 4])').encode(),
        "week/inner.ipynb": code('check("0.3", [3, 1, 6, 4])'),
        "whole.txt": f"My sheet:\n{SITE}01_sheet.html{RIGHT_LINK}\n",
        "bare.txt": RIGHT_LINK,
        "utf16.txt": RIGHT_LINK.encode("utf-16"),
        "two of one.txt": f"#L=9,9,9,9;9,9,9,9\n{RIGHT_LINK}\n",
        "other number.url": f"[InternetShortcut]\r\nURL={SITE}01_sheet.html#seed=7&L=4,3,5,4;5,0,3,0\r\n",
        "apple.webloc": plistlib.dumps({"URL": f"{SITE}01_sheet.html#seed=7&L=4,3,5,4;5,0,3,0"}),
        "apple binary.webloc": plistlib.dumps({"URL": SITE + "01_sheet.html" + RIGHT_LINK}, fmt=plistlib.FMT_BINARY),
        "back.md": f"# Mine\n[it]({SITE}01_backwards.html#time=3) and a [word](x.html#word=1)\n",
        "count.txt": f"<{SITE}04_counting.html#guess=-1,0,-1,0,1,0,1>",
        "wrong seed.txt": f"{SITE}01_sheet.html#seed=seven",
        "readme.txt": "Nothing but words, and # a sign.",
        "photo.png": b"\x89PNG",
        ".hidden.ipynb": "{",
        ".ipynb_checkpoints/old.ipynb": "{",
    }
    return write(folder, files)


def evil(pwned):
    """{name: source of a cell} that would leave the file if it ran; 0.3 is answered rightly below it."""
    call = f"__import__('pathlib').Path({str(pwned)!r}).touch()"
    return {
        "top": call,
        "in check": f'check("0.1", {call})',
        "in hint": f'check("0.1", (1, 2, 3), hint={call})',
        "default": f"def f(x={call}):\n    pass",
        "decorator": f"@(lambda f: {call})\ndef f():\n    pass",
        "class": f"class A(metaclass=lambda *a: {call}):\n    pass",
        "comprehension": f"x = [{call} for _ in [1]]",
        "f-string": f'x = f"{{{call}}}"',
        "annotation": f"x: {call} = 3",
        "assert": f"assert {call}",
        "array": f"import numpy as np\nx = np.array([{call}])",
        "index": f"order = [1]\norder[{call}] = 3",
        "subclass": f"class Evil(list):\n    def __iter__(self):\n        {call}\nx = Evil()",
        "import": f"open('evil.py', 'w').write({call!r})\nimport evil",
        "magic": f"!touch {pwned}\n%run {pwned}",
        "exec": f"exec({call!r}); eval({call!r})",
        "sheet": f"Sheet(link={call})",
        "power": "x = 9**9**9",
        "powers": "x = 9**64\ny = x**64\nz = y**64 * y",
        "shift": "x = 1 << 10**12",
        "repetition": "x = [0]*10**9\ny = 'a' * 10**10\nz = '%999999999d' % 1",
        "nested": "x = " + "[" * 10_000 + "]" * 10_000,
        "nested 90": "x = " + "[" * 90 + "]" * 90,
        "chain": "x = " + "+".join("1" * 50_000),
        "minus": "x = " + "-" * 50_000 + "1",
        "calls": "x = f" + "()" * 50_000,
        "itself": "x = []\nx.append(x)\ny = [x]\ny[0] = y\n" + "\n".join("y = [y, y, y]" for _ in range(50)),
        "spaces": " \n" * 100_000,
        "zero": "x = 1 / 0 + 1 % 0 + 1e308 * 10 + (-8) ** 0.5",
        "surrogate": "x = '\ud800'",
        "null": "x = '\0'",
        "long name": f"sheet = Sheet()\nsheet.{'a' * 100_000} = 1",
        "long cell": f"s = Sheet('#X={'1' * 3900}x')\ncheck('1.1', s)",
        "other file": "s = Sheet(form='../../../../etc/passwd')\ncheck('1.1', s)",
        "own check": "def check(*args):\n    pass\nfrom ditcourse.check import check",
    }


def broken(folder, pwned):
    """Files that are no notebooks, or only look like it."""
    solution = (ROOT / "solutions" / f"{CHAPTERS[0]}.ipynb").read_bytes()
    cell = {"cell_type": "code", "source": 5}

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {pwned}",)

    notebook = {"nbformat": 4, "cells": []}
    write(folder, {
        "broken.ipynb": "{not json",
        "truncated.ipynb": solution[: len(solution) // 2],
        "latin.ipynb": '{"nbformat": 4, "cells": "é"}'.encode("latin-1"),
        "empty.ipynb": b"",
        "version 3.ipynb": json.dumps({"nbformat": 3, "worksheets": [{"cells": []}]}),
        "no cells.ipynb": json.dumps({"nbformat": 4}),
        "cells a dict.ipynb": json.dumps(notebook | {"cells": {"a": 1}}),
        "cells of numbers.ipynb": json.dumps(notebook | {"cells": [1, 2]}),
        "source a number.ipynb": json.dumps(notebook | {"cells": [cell]}),
        "source a list of lists.ipynb": json.dumps(notebook | {"cells": [cell | {"source": [[1]]}]}),
        "a list.ipynb": "[]",
        "other.ipynb": code("x = 1"),
        "deep.ipynb": "[" * 1_000_000,
        "pickle.ipynb": pickle.dumps(Bomb()),
        "large.ipynb": code("x = 1\n" * 5_000_000),
        "much code.ipynb": code("x = [0, 0]\n" * 40_000),
        "many checks.ipynb": code('check("1.13", Sheet())\n' * 5000),
        "many cells.ipynb": code(*['check("1.13", 1)\n('] * 5000),
        "long.ipynb": code(f"x = [{'0,' * 120_000}]"),
        "large.txt": RIGHT_LINK + " " * 2_000_000,
        "many links.txt": "#seed=1\n" * 10_000,
    })  # fmt: skip
    (folder / "folder.ipynb").mkdir()
    (folder / "folder.ipynb" / "inner.ipynb").write_text(code('check("0.3", 1)'))
    (folder / "circle.ipynb").symlink_to("circle.ipynb")
    (folder / "out.ipynb").symlink_to(ROOT / "solutions" / f"{CHAPTERS[0]}.ipynb")
    os.mkfifo(folder / "pipe.ipynb")


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def refuse(name):
    def stop(*args, **kwargs):
        raise AssertionError(f"{name} was called with {args}")

    return stop


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """({(file, exercise's id or "all"): row of the CSV}, what was printed, the file `pwned`) of the whole class."""
    folder = tmp_path_factory.mktemp("grade")
    pwned, handed_in = folder / "pwned", folder / "handed in"
    good(handed_in)
    broken(handed_in, pwned)
    right = 'check("0.3", [3, 1, 6, 4])'
    write(handed_in, {f"evil {name}.ipynb": code(source, right) for name, source in evil(pwned).items()})
    steer = "=cmd|' /C calc'!A0", "@x;=1+1", "a\x1b[2Jb\nc", "-1", "'=2", "\u202ecod"
    write(handed_in, {f"{name}.ipynb".replace("/", "_"): code(right) for name in steer})
    (handed_in / "week" / "up").symlink_to(folder)  # a link to a folder, and in a circle
    grading.grade(good(folder / "before"))  # loads what Python and the course load when first needed
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((builtins, "open"), (builtins, "exec"), (builtins, "eval"), (builtins, "input"),
                            (os, "system"), (os, "fork"), (subprocess, "Popen"), (pickle, "loads")):  # fmt: skip
            patch.setattr(owner, name, refuse(name))
        rows, skipped = grading.grade(handed_in)
    grading.write(rows, folder / "marks.csv")
    printed = "\n".join(grading.summary(rows, skipped))
    with open(folder / "marks.csv", encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows)
    return {(row["file"], row["exercise"].split()[0]): row for row in table}, printed, pwned


@pytest.fixture(scope="module")
def rows(marked):
    return marked[0]


def of_file(rows, name):
    """{id: row} without the row "all"."""
    found = {id: row for (file, id), row in rows.items() if file == name and id != "all"}
    assert found, name
    return found


# ---- what is marked, and how ----


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_solution_is_right_or_has_to_be_run_and_a_template_is_not_done(rows, chapter):
    solved, blank = of_file(rows, f"solved {chapter}.ipynb"), of_file(rows, f"blank {chapter}.ipynb")
    wanted = {id for id in all_exercises() if id.split(".")[0] == str(int(chapter[:2]))}
    assert set(solved) == set(blank) == wanted
    assert {row["state"] for row in blank.values()} == {"not done"}
    assert {row["state"] for row in solved.values()} <= {"right", "not run"}
    functions = {"0": set(), "1": set(), "2": {"2.1", "2.2", "2.3", "2.4", "2.5"}}.get(str(int(chapter[:2])))
    if functions is not None:
        assert {id for id, row in solved.items() if row["state"] == "not run"} == functions
    right = sum(row["state"] == "right" for row in solved.values())
    assert rows[f"solved {chapter}.ipynb", "all"]["state"] == f"{right} of {len(wanted)} right"


@pytest.mark.parametrize("file, id, state, slip, where", [
    ("half done, a slip.ipynb", "1.2", "not done", "", "L, "),
    ("no ReLU.ipynb", "1.2", "wrong", "encoder ReLU forgotten", "L, "),
    ("no ReLU.ipynb", "all", "12 of 13 right", "encoder ReLU forgotten", "1.2 Shrink each patch: L, "),
    ("swapped.ipynb", "1.4", "wrong", "swapped", "scale, "),
    ("arrays.ipynb", "1.4", "right", "", ""),
    ("one frame.ipynb", "1.11", "wrong", "one frame", "entry 2"),
    ("one frame.ipynb", "1.1", "not done", "", ""),
    ("quiz.ipynb", "0.3", "wrong", "starts from a video", "position 1"),
    ("last counts.ipynb", "0.3", "right", "", ""),
    ("pasted.ipynb", "1.2", "right", "", ""),
    ("pasted.ipynb", "1.1", "not done", "", ""),
    ("changed later.ipynb", "0.3", "not run", "", ""),
    ("after the check.ipynb", "0.3", "right", "", ""),
    ("magic.ipynb", "0.3", "right", "", ""),
    ("text.ipynb", "all", "0 of 13 right", "", "1.2 Shrink each patch"),
    ("bom.ipynb", "0.3", "right", "", ""),
    ("week/inner.ipynb", "0.3", "right", "", ""),
    ("by a loop.ipynb", "1.2", "not run", "", ""),
])  # fmt: skip
def test_states_and_slips(rows, file, id, state, slip, where):
    row = rows[file, id]
    assert (row["state"], row["slip"]) == (state, slip) and row["where"].startswith(where), row


@pytest.mark.parametrize("file, id, state, says", [
    ("cut off.ipynb", "1.1", "unreadable", "was the link cut off?"),
    ("wrong seed.ipynb", "1.1", "unreadable", "seed=seven"),
    ("text.ipynb", "1.2", "wrong", "a text ('three') where a number is wanted"),
    ("typing error.ipynb", "1.2", "not done", "is not Python: SyntaxError: '[' was never closed"),
    ("typing error.ipynb", "1.3", "not done", "10 of 10 cells left."),
    ("no such part.ipynb", "1.2", "not done", "8 of 8 cells left."),
    ("one frame.ipynb", "1.1", "not done", "There is no check of it"),
    ("wrong seed.txt", "sheet", "unreadable", "seed=seven"),
    ("solved 02_in_code.ipynb", "2.1", "not run", "--run"),
])  # fmt: skip
def test_messages(rows, file, id, state, says):
    row = rows[file, id]
    assert row["state"] == state and says in row["message"], row


def test_one_slip_counts_once(rows):
    """The sheet behind a forgotten ReLU follows from it, so far as it was redone; here only L is wrong."""
    found = of_file(rows, "no ReLU.ipynb")
    assert [id for id, row in found.items() if row["state"] != "right"] == ["1.2"]
    assert (found["1.2"]["right"], found["1.2"]["wrong"], found["1.2"]["left"]) == ("7", "1", "0")


def test_follow_through(tmp_path):
    """A learner who takes the noise away in step 4 and goes on rightly has one slip."""
    judge = SheetPart()
    have = judge.with_slip("noise subtracted", grading.Sheet().givens)
    sheet = Sheet()
    for name in judge.names:
        setattr(sheet, name, have[name].tolist())
    write(tmp_path, {"mine.txt": sheet.link})
    row = grading.grade(tmp_path)[0][0]
    assert (row.exercise[:4], row.slip, row.where.split(",")[0]) == ("1.13", "noise subtracted", "Z")
    assert row.wrong == 6 and row.left == 0 and row.right == 178 - 6  # two of the noises are 0


@pytest.mark.parametrize("file, kind_of_sheet, right, left", [
    ("whole.txt", "0", 8, 170), ("bare.txt", "0", 8, 170), ("utf16.txt", "0", 8, 170), ("two of one.txt", "0", 8, 170),
    ("other number.url", "7", 8, 170), ("apple.webloc", "7", 8, 170), ("apple binary.webloc", "0", 8, 170),
])  # fmt: skip
def test_links_of_the_sheet(rows, file, kind_of_sheet, right, left):
    row = rows[file, "1.13"]
    assert row["kind"] == "link" and row["state"] == "not done"
    assert (row["sheet"], row["right"], row["wrong"], row["left"]) == (kind_of_sheet, str(right), "0", str(left))


def test_links_of_the_other_sheets(rows):
    assert rows["back.md", "1.12"]["where"] == "" and rows["back.md", "1.12"]["state"] == "not done"
    assert int(rows["back.md", "1.12"]["left"]) == int(rows["blank 01_by_hand.ipynb", "1.12"]["left"]) - 1
    assert set(of_file(rows, "count.txt")) == {"4.1", "4.2"}
    assert rows["count.txt", "4.1"]["right"] == "7" and rows["count.txt", "4.2"]["right"] == "0"
    assert rows["pasted alone.ipynb", "1.13"]["sheet"] == "7"


def typed(answer):
    """An answer as a learner types it."""
    if isinstance(answer, (list, tuple)):
        inner = ", ".join(map(typed, answer))
        return f"({inner},)" if isinstance(answer, tuple) else f"[{inner}]"
    return typed(np.asarray(answer).tolist()) if isinstance(answer, (np.ndarray, np.generic)) else repr(answer)


def in_cells(exercise, answer):
    judge = exercise.judge
    if not isinstance(judge, SheetPart):
        return f"check({exercise.id!r}, {typed(answer)})"
    values = answer if len(judge.names) > 1 else (answer,)
    lines = [f"s.{name} = {typed(value)}" for name, value in zip(judge.names, values, strict=True)]
    return "\n".join([f"s = Sheet(form={judge.form!r})", *lines, f"check({exercise.id!r}, s)"])


def test_every_slip_of_every_sheet_gets_its_name(tmp_path):
    """And those of all the other exercises that are answered by numbers or words."""
    wanted = {}
    for id, exercise in all_exercises().items():
        if id in ("1.13", "3.6", "3.7"):  # the slips of 1.13 are those of 1.1 to 1.9; 3.6, 3.7 need torch's weights
            continue
        for number, (slip, answer) in enumerate(exercise.judge.wrong_answers().items()):
            parts = answer if isinstance(answer, tuple) else (answer,)  # functions are for --run
            if "_Ours" not in type(answer).__name__ and not any(map(callable, parts)):
                write(tmp_path, {f"{id} {number}.ipynb": code(in_cells(exercise, answer))})
                wanted[f"{id} {number}.ipynb"] = (id, slip)
    found = {row.file: (row.exercise.split()[0], row.slip) for row in grading.grade(tmp_path)[0]
             if row.slip and row.exercise != "all"}  # fmt: skip
    assert len(wanted) > 150 and found == wanted


def test_every_slip_shows_in_a_link(tmp_path):
    judge = all_exercises()["1.13"].judge
    wanted = {}
    for slip, answer in list(judge.wrong_answers().items())[::3]:
        sheet = Sheet()
        for name, value in zip(judge.names, answer, strict=True):
            setattr(sheet, name, value)
        if sheet.link.count("=") == len(judge.names):  # a slip in the shape cannot come in a link
            write(tmp_path, {f"{slip}.txt".replace("/", ""): sheet.link})
            wanted[f"{slip}.txt".replace("/", "")] = slip
    found = {row.file: row.slip for row in grading.grade(tmp_path)[0] if row.exercise != "all"}
    assert len(wanted) > 20 and found == wanted


# ---- what is broken or hostile ----


def test_nothing_was_executed(marked):
    rows, _, pwned = marked
    assert not pwned.exists()
    for name in evil(pwned):
        assert rows[f"evil {name}.ipynb", "0.3"]["state"] == "right", name


@pytest.mark.parametrize("name, id, state", [
    ("in check", "0.1", "not run"), ("in hint", "0.1", "wrong"), ("long cell", "1.1", "unreadable"),
    ("other file", "1.1", "unreadable"),
])  # fmt: skip
def test_hostile_answers(rows, name, id, state):
    assert rows[f"evil {name}.ipynb", id]["state"] == state


@pytest.mark.parametrize("name, says", [
    ("broken", "not a notebook"), ("truncated", "not a notebook"), ("latin", "UnicodeDecodeError"),
    ("empty", "not a notebook"), ("version 3", "format 4"), ("no cells", "format 4"), ("cells a dict", "format 4"),
    ("cells of numbers", "cell 1 has no text"), ("source a number", "cell 1 has no text"), ("a list", "format 4"),
    ("source a list of lists", "cell 1 has no text"), ("other", "no exercise of the course"), ("deep", "Recursion"),
    ("pickle", "not a notebook"), ("large", "larger than 10 MB"), ("much code", "characters of code"),
    ("many checks", "far more"), ("many cells", "2000 cells"), ("long", "far more"), ("folder", "a folder"),
    ("circle", "cannot be opened"), ("out", "leads out of the folder"), ("pipe", "not a plain file"),
])  # fmt: skip
def test_a_broken_file_is_one_row(rows, name, says):
    found = [row for (file, _), row in rows.items() if file == f"{name}.ipynb"]
    assert len(found) == 1 and found[0]["state"] == "unreadable" and says in found[0]["message"], found
    assert found[0]["exercise"] == "all"


def test_broken_links(rows):
    assert "larger than 1 MB" in rows["large.txt", "all"]["message"]
    assert "too many links" in rows["many links.txt", "all"]["message"]


def test_what_is_no_submission_is_skipped(marked):
    rows, printed, _ = marked
    skipped = printed.split("Skipped, no submission: ")[1]
    assert skipped == "photo.png, readme.txt, week/up"
    assert not [file for file, _ in rows if "hidden" in file or "checkpoint" in file or "folder.ipynb/" in file]


def test_names_steer_neither_spreadsheet_nor_terminal(marked):
    rows, printed, _ = marked
    for fields in rows.values():
        for value in fields.values():
            assert not value.startswith(tuple("=+-@\t\r")) and ";=" not in value and value.isprintable(), value
    names = {file for file, _ in rows}
    assert {"'=cmd|' _C calc'!A0.ipynb", "'@x;'=1+1.ipynb", "a?[2Jb c.ipynb", "'-1.ipynb", "?cod.ipynb"} <= names
    assert all(line.isprintable() for line in printed.split("\n"))


def test_the_class_is_summed_up(marked):
    rows, printed, _ = marked
    line = "no ReLU.ipynb                             12 of 13 right    12 right, 1 wrong; encoder ReLU forgotten"
    assert f"{line} (1.2 S" in printed
    slips = printed.split("Most common slips:\n")[1].split("\n\n")[0]
    assert "   1  one frame (in 1.11 Noise that the toy cannot see)" in slips
    files = [file for file, id in rows if id == "all"]
    assert files == sorted(files, key=lambda name: [f for f, _ in rows].index(name)) and len(files) == len(set(files))


def test_a_file_without_permission_is_one_row(tmp_path, monkeypatch):
    write(tmp_path, {"a.ipynb": code('check("0.3", [3, 1, 6, 4])'), "b.ipynb": code('check("0.3", [3, 1, 6, 4])')})
    true = os.open

    def denied(path, *args, **kwargs):
        if str(path).endswith("a.ipynb"):
            raise PermissionError(13, "Permission denied", str(path))
        return true(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", denied)
    found = [row for row in grading.grade(tmp_path)[0] if row.exercise == "all"]
    assert [row.state for row in found] == ["unreadable", "1 of 3 right"] and "Permission denied" in found[0].message


@pytest.mark.parametrize("source", [
    "\n" * 290_000, "while 1:\n" + " x.a.b=c\n" * 30_000, "x=[" + "[0,0]," * 15_000 + "]",
    "from ditcourse.check import *\n" + 's=Sheet()\ns.X=[[1,2,3,4]]*4\ncheck("1.13", s)\n' * 40,
    'check("1.10", ["a' + " " * 100 + 'b"])\n' * 400,
    'check("0.2", {' + ",".join(f"{i * (2**61 - 1)}: 1" for i in range(9000)) + "})",
])  # fmt: skip
def test_reading_takes_no_time(tmp_path, source):
    write(tmp_path, {"a.ipynb": code(source)})
    began = time.process_time()
    assert grading.grade(tmp_path)[0]
    assert time.process_time() - began < 2


# ---- the command ----


def grade(*arguments):
    return CliRunner().invoke(main, ["grade", *map(str, arguments)])


def test_the_command(tmp_path):
    folder = write(tmp_path / "class", {"a.ipynb": code('check("1.11", [1, 0, 0, 0])'), "b.txt": RIGHT_LINK})
    out = tmp_path / "marks.csv"
    result = grade(folder, "--out", out)
    assert result.exit_code == 0 and "one frame" in result.output and "Nothing submitted was executed" in result.output
    head = b"\xef\xbb\xbffile,kind,exercise,state,sheet,right,wrong,left,slip,where,message\r\n"
    assert out.read_bytes().startswith(head)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["marks.csv"]
    before = out.read_bytes()
    (folder / "b.txt").unlink()
    result = grade(folder, "--out", out)
    assert result.exit_code == 1 and "--force" in result.output and out.read_bytes() == before
    assert grade(folder, "--out", out, "--force").exit_code == 0 and out.read_bytes() != before


@pytest.mark.parametrize("make", ["nothing", "empty", "file", "no submission"])
def test_without_submissions_it_says_so(tmp_path, make):
    folder = tmp_path / "class"
    if make == "file":
        folder.write_text("")
    elif make != "nothing":
        write(folder, {"photo.png": b""} if make == "no submission" else {".hidden": ""})
    result = grade(folder, "--out", tmp_path / "marks.csv")
    assert result.exit_code == 1 and result.output.startswith("Error: ") and not (tmp_path / "marks.csv").exists()


def test_a_table_has_to_have_a_folder(tmp_path):
    folder = write(tmp_path / "class", {"b.txt": RIGHT_LINK})
    result = grade(folder, "--out", tmp_path / "nowhere" / "marks.csv")
    assert result.exit_code == 1 and "no such folder" in result.output


# ---- with --run ----


ENCODE = "def encode(X, W, b):\n    return np.maximum(X @ W.T + b, 0)"
RUN = {
    "functions": ["import numpy as np\nfrom ditcourse.check import check", ENCODE, 'check("2.1", encode)',
                  "def attend(C, S):\n    ...", 'check("2.3", attend)',
                  "1 / 0", "def patchify(frames, p):\n    return frames.reshape(-1, p * p)", 'check("2.2", patchify)'],
    "dots left": ["import numpy as np", ENCODE.replace("    return", "    b_ = ...\n    return"),
                  'from ditcourse.check import check\ncheck("2.1", encode)'],
    "fakes": ['from ditcourse.check import check\ncheck("0.3", [1, 2, 3, 4])',
              "import os, ditcourse.grade as g\nos.environ.get('DITCOURSE_SECRET') and os._exit(4)",
              "open('here.txt', 'w').write('x')\ncoarse = len('x' * 64)",
              'check("0.1", (coarse, 512, 64))',
              "g.mark = lambda exercise, answer: dict(state='right', message='=', slip='', exercise='x' * 9)",
              'check("0.3", int("1"))\ncheck("0.3", [1, 2, 3, 4])'],
    "ends": ["import os\nx = len('a')\nos._exit(3)", 'check("0.3", [x])'],
}  # fmt: skip


def test_run_marks_what_reading_cannot(tmp_path, monkeypatch):
    monkeypatch.setenv("DITCOURSE_SECRET", "1")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "class", {f"{name}.ipynb": code(*cells) for name, cells in RUN.items()})
    read = {(row.file[:-6], row.exercise[:3]): row for row in grading.grade("class")[0]}
    ran = {(row.file[:-6], row.exercise[:3]): row for row in grading.grade("class", run=True, timeout=100)[0]}
    states = {key: (row.state, ran[key].state) for key, row in read.items() if row.state != ran[key].state}
    assert states == {
        ("functions", "2.1"): ("not run", "right"),
        ("functions", "2.2"): ("not run", "wrong"),
        ("functions", "all"): ("0 of 5 right", "1 of 5 right"),
        ("dots left", "2.1"): ("not done", "right"),
        ("dots left", "all"): ("0 of 5 right", "1 of 5 right"),
        ("fakes", "0.1"): ("not run", "right"),
        ("fakes", "all"): ("0 of 3 right", "1 of 3 right"),
    }
    assert ran["functions", "2.2"].slip == "only reshaped" and ran["functions", "2.3"].state == "not done"
    assert ran["fakes", "0.3"].state == "wrong"  # what was read is not replaced
    assert (ran["ends", "0.3"].state, ran["ends", "0.3"].message) == \
        ("not run", "Running gave no verdict: its process ended with code 3.")  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["class"]


def test_a_notebook_without_end_is_stopped(tmp_path):
    folder = write(tmp_path / "class", {"a.ipynb": code('check("0.3", [3, 1, 6, 4])', "while True:\n    x = 1",
                                                        'check("0.1", x)')})  # fmt: skip
    began = time.monotonic()
    result = grade(folder, "--out", tmp_path / "marks.csv", "--run", "--timeout", "1")
    assert result.exit_code == 0 and "Notebooks were executed" in result.output and time.monotonic() - began < 20
    with open(tmp_path / "marks.csv", encoding="utf-8-sig", newline="") as file:
        found = {row["exercise"][:3]: row for row in csv.DictReader(file)}
    assert found["0.3"]["state"] == "right" and found["0.1"]["state"] == "not run"
    assert found["0.1"]["message"] == "Running gave no verdict: it was stopped after 1 s."


def test_the_hostile_code_of_this_file_is_live(tmp_path):
    """With --run, and only so: else the test that nothing was executed would prove nothing."""
    pwned = tmp_path / "pwned"
    write(tmp_path / "class", {"a.ipynb": code("from ditcourse.check import check", evil(pwned)["in check"])})
    assert grading.grade(tmp_path / "class")[0] and not pwned.exists()
    assert grading.grade(tmp_path / "class", run=True, timeout=100)[0] and pwned.exists()


@pytest.mark.parametrize("said", [
    {"state": "perfect"}, {}, [], 3, {"state": "right", "file": "other.ipynb"}, {"state": "right", "right": "many"},
])  # fmt: skip
def test_a_process_is_believed_no_more_than_a_mark(said):
    with pytest.raises((KeyError, TypeError, ValueError)):
        grading._believed(said)
    assert grading._believed({"state": "wrong", "slip": 5, "exercise": "1", "left": 2}) == \
        {"state": "wrong", "slip": "5", "left": 2}  # fmt: skip
