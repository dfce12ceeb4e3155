"""The generated parts of chapter 1: up to date, accessible, and with the numbers of the sheet."""

import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "tools" / "generate_sheet.py"
SHEETS = ("colleague.md",)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("generate_sheet", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def texts(tool):
    return tool.files()


def page(texts, name):
    """The HTML of one file, parsed strictly: an open tag or a stray bracket fails here."""
    return xml.fromstring(texts[name].split("```{raw} html\n")[1].split("```")[0])


def cells(root):
    """data-cell -> text."""
    found = [(cell.get("data-cell"), cell.text or "") for cell in root.iter("td") if cell.get("data-cell")]
    assert len(found) == len(dict(found)), "a data-cell is used twice"
    return dict(found)


def matrix(root, name):
    """The boxes of one matrix as fractions of text, ready to compare with typed numbers."""
    found = {}
    for cell, text in cells(root).items():
        base, row, column = cell.rsplit("-", 2)
        if base == name:
            found.setdefault(row, {})[column] = text.replace("−", "-")
    return [list(row.values()) for row in found.values()]


def strings(values):
    return [[str(value) for value in row] for row in values]


# The tool


def test_the_files_in_the_book_are_up_to_date():
    result = subprocess.run([sys.executable, TOOL, "--check"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_check_names_each_stale_missing_or_left_over_file_and_writing_mends_it(tool, tmp_path, capsys):
    to = ["--output", str(tmp_path)]
    assert tool.main(to) == 0
    assert tool.main([*to, "--check"]) == 0
    (tmp_path / "colleague.md").write_text("old", encoding="utf-8")
    (tmp_path / "printed.md").unlink()
    (tmp_path / "step_gone.md").write_text("left over", encoding="utf-8")
    (tmp_path / "somebody_elses.md").write_text("not ours", encoding="utf-8")
    capsys.readouterr()
    assert tool.main([*to, "--check"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert sorted(Path(line.split(": ")[0]).name for line in said) == [
        "colleague.md",
        "printed.md",
        "step_gone.md",
    ]
    assert (tmp_path / "colleague.md").read_text(encoding="utf-8") == "old"  # --check changes nothing
    assert tool.main(to) == 0
    assert tool.main([*to, "--check"]) == 0
    assert not (tmp_path / "step_gone.md").exists() and (tmp_path / "somebody_elses.md").exists()


def test_windows_line_ends_count_as_stale(tool, tmp_path, capsys):
    to = ["--output", str(tmp_path)]
    tool.main(to)
    path = tmp_path / "steps_table.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert tool.main([*to, "--check"]) == 1


def test_stable_and_plain(tool, texts):
    assert tool.files() == texts
    for name, text in texts.items():
        assert "\r" not in text and text.endswith("\n") and not text.endswith("\n\n"), name
        assert all(line == line.rstrip() for line in text.splitlines()), name


def test_generated_from_the_givens(tool, texts, tmp_path, monkeypatch):
    """Another given gives other files: nothing is typed in the tool."""
    exercise = byhand.load()
    path = tmp_path / "exercise.json"
    text = Path(byhand.__file__).with_name("exercise.json").read_text(encoding="utf-8")
    path.write_text(text.replace('"b_ff": [4, 1]', '"b_ff": [3, 1]'), encoding="utf-8")
    changed = byhand.load(path)
    assert changed.b_ff.tolist() != exercise.b_ff.tolist()
    monkeypatch.setattr(byhand, "load", lambda: changed)
    assert r"-4 & -1 & 0 & -3 \\ -1 & 1 & -1 & -3" in tool.files()["step_feedforward.md"]


# The sheets


@pytest.mark.parametrize("name", [*SHEETS, "steps_table.md"])
def test_accessible_tables(texts, name):
    root = page(texts, name)
    tables = list(root.iter("table"))
    assert tables
    for table in tables:
        assert table.find("caption") is not None
        assert all(
            head.get("scope") in ("row", "col") and head.text for head in table.iter("th") if not len(head)
        )
        assert all(head.get("scope") for head in table.iter("th"))
        assert len({len(list(row)) for row in table.iter("tr")}) == 1
    regions = [element for element in root.iter() if element.get("role") == "region"]
    labels = [region.get("aria-label") for region in regions]
    assert all(labels) and len(labels) == len(set(labels))
    assert all(region.get("tabindex") == "0" for region in regions)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", SHEETS)
def test_order_frames_before_learning_then_the_step_then_frames_after(texts, name):
    headings = ["".join(heading.itertext()) for heading in page(texts, name).iter("h3")]
    assert [heading.split("]")[0] + "]" for heading in headings] == [
        "[– / 1]", "[1 / 2]", "[2 / 3]", "[3 / 4]", "[4 / 5]", "[5 / 6]", "[6 / 7]", "[7 / 8]", "[8 / 9]",
        "[9 / 10]", "[11 / 12]", "[12 / 13]", "[13 / 14]", "[10 / 11]", "[10b / 11b]",
        "[9 / 10]", "[10 / 11]", "[11 / 12]", "[12 / 13]", "[13 / 14]",
    ]  # fmt: skip
    assert all("after the update" in heading for heading in headings[15:])
    assert not any("after" in heading for heading in headings[:15])


def test_every_cell_of_a_correct_pass(texts):
    """116 cells, counted as the reference does: eight marks in A, and without c and the loss."""
    names = [name.rsplit("-", 2)[0].split("-")[0] for name in cells(page(texts, "colleague.md"))]
    count = {name: names.count(name) for name in names}
    assert count == {
        "X": 16, "L": 8, "Z": 8, "c": 2, "scale": 2, "shift": 2, "C": 8, "A": 16, "P": 8, "E": 8, "D": 8,
        "Y": 16, "frames": 16, "G": 8, "loss": 1, "b_ff_after": 2, "E_after": 8, "loss_after": 1,
        "D_after": 8, "Y_after": 16, "frames_after": 16,
    }  # fmt: skip
    first = ("X", "L", "Z", "scale", "shift", "C", "P", "E", "G", "D", "Y", "frames")
    assert sum(count[name] for name in first) + 8 == 116


# The colleague


@pytest.mark.parametrize(
    "name, expected",
    [
        ("scale", [[2], [-1]]),
        ("shift", [[-1], [5]]),
        ("C", [[3, 1, -1, 1], [2, 0, 0, 2]]),
        ("P", [[2, 0, 0, 2], [1, 0, 1, 2]]),
        ("E", [[1, 4, 5, 2], [-1, 1, -1, -3]]),
        ("D", [[1, -3, -5, -1], [4, 4, 6, 6]]),
        ("G", [[2, 3, 5, 2], [0, 1, -2, -1]]),
        ("loss", [[6]]),
        ("b_ff_after", [[1], ["3/2"]]),
        ("loss_after", [["9/8"]]),
        ("E_after", [[-2, 1, 2, -1], ["-1/2", "3/2", "-1/2", "-5/2"]]),
        ("D_after", [[4, 0, -2, 2], ["7/2", "7/2", "11/2", "11/2"]]),
    ],
)
def test_the_colleague_carried_on_with_both_slips(texts, name, expected):
    assert matrix(page(texts, "colleague.md"), name) == strings(expected)


def test_the_checksum_finds_exactly_one_of_the_two(texts):
    root = page(texts, "colleague.md")
    L, G, D = (np.array(matrix(root, name), dtype=int) for name in "LGD")
    assert np.argwhere(D != L - G).tolist() == [[1, 1]]


def test_the_colleague_and_the_key_agree_up_to_the_first_slip(tool, texts):
    solved = {"key": tool.Sheet("key", byhand.load(), byhand.solve(byhand.load())).write()}
    right, colleague = cells(page(solved, "key")), cells(page(texts, "colleague.md"))
    assert list(right) == list(colleague)
    assert next(name for name in right if right[name] != colleague[name]) == "shift-1-1"


def test_the_sheet_does_not_give_the_slips_away(texts):
    said = texts["colleague.md"].lower()
    for word in ("slip", "erratum", "errat", "misprint", "printed", "wrong", "mistake", "hint"):
        assert word not in said, word


# Snippets and table


def test_one_snippet_for_each_step(texts):
    snippets = {name for name in texts if name.startswith("step_")}
    assert snippets == {f"step_{step.key}.md" for step in byhand.STEPS} | {"step_after.md"}


def test_snippets_are_whole(texts):
    for name in texts:
        if name.startswith("step_") or name == "printed.md":
            body = texts[name].split("$$")
            assert len(body) == 3, name
            assert body[1].count("{") == body[1].count("}"), name
            assert body[1].count(r"\begin{pmatrix}") == body[1].count(r"\end{pmatrix}"), name
            assert "\n\n" not in body[1], name  # an empty line would end the formula


@pytest.mark.parametrize(
    "name, parts",
    [
        ("step_encoder.md", [r"3 & -2 & 0 & 1 \\ 4 & 3 & 4 & 5", r"3 & 0 & 0 & 1 \\ 4 & 3 & 4 & 5"]),
        ("step_scale_shift.md", [r"2 \\ -1 \\ 1 \\ 5"]),
        ("step_attention.md", [r"\tfrac{1}{2}\begin{pmatrix} 1 & 0 & 0 & 1 \\ 1 & 1 & 0 & 0"]),
        ("step_gradient.md", [r"-2 & -1 & 1 & -2 \\ 0 & -1 & -2 & -1", r"\tfrac{16}{8} = 2"]),
        ("step_update.md", [r"-1 \\ -1", r"5 \\ 2"]),
        ("step_after.md", [r"-2 & 1 & 2 & -1 \\ 0 & 2 & 0 & -2", r"\text{MSE} &= 1", r"7 & 0 \\ 3 & 4"]),
        (
            "printed.md",
            [r"-1 \\ 5", r"3 & 1 & -1 & 1 \\ 2 & 0 & 0 & 2", r"\tfrac{48}{8} = 6", r"1 & 10 \\ 6 & 0"],
        ),
    ],
)
def test_snippets_hold_the_numbers(texts, name, parts):
    for part in parts:
        assert part in texts[name]


def test_the_step_table_has_every_step_with_both_numbers(texts):
    rows = [["".join(cell.itertext()) for cell in row] for row in page(texts, "steps_table.md").iter("tr")][
        1:
    ]
    assert [row[0] for row in rows] == ["–", *map(str, range(1, 11)), "10b", "11", "12", "13"]
    assert [row[1] for row in rows] == [*map(str, range(1, 12)), "11b", "12", "13", "14"]
    for row, step in zip(rows, byhand.STEPS, strict=True):
        assert row[3] == step.function and callable(getattr(byhand, row[3]))
        assert row[4].split(" (")[0] == step.symbol
