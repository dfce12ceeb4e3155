"""`ditcourse sheets`: a class's worth of different sheets, and their keys."""

import pytest
from click.testing import CliRunner

from ditcourse import byhand
from ditcourse.cli import main
from ditcourse.figures.counting_paper import save_countings


def run(*arguments):
    return CliRunner().invoke(main, ["sheets", *map(str, arguments)])


def pages(path):
    return path.read_bytes().count(b"/Type /Page\n") + path.read_bytes().count(b"/Type /Page ")


def test_sheets_and_keys_for_a_class(tmp_path):
    result = run(tmp_path / "class", "--numbers", "3,5-6", "--paper", "letter", "--half")
    assert result.exit_code == 0, result.output
    assert "sheets.pdf: 3 sheets, 6 pages" in result.output and "keys.pdf: 3 sheets, 6 pages" in result.output
    assert [pages(tmp_path / "class" / name) for name in ("sheets.pdf", "keys.pdf")] == [6, 6]


def test_second_sheets_for_a_class(tmp_path):
    result = run(tmp_path / "class", "--form", "counting", "--numbers", "0,7")
    assert result.exit_code == 0, result.output
    assert "sheets.pdf: 2 sheets, 2 pages" in result.output and "keys.pdf: 2 sheets, 2 pages" in result.output
    for name, kind in (("sheets.pdf", "blank"), ("keys.pdf", "key")):
        sheets = [(byhand.new_counting(number), f"sheet {number}") for number in (0, 7)]
        want = save_countings(tmp_path / "want.pdf", sheets, kind).read_bytes()
        assert pages(tmp_path / "class" / name) == 2 and (tmp_path / "class" / name).read_bytes() == want


def test_half_sheets_are_of_chapter_1_only(tmp_path):
    result = run(tmp_path / "class", "--form", "counting", "--half")
    assert result.exit_code == 1
    assert "--half: came with --form counting; allowed: with --form sora only" in result.output
    assert not (tmp_path / "class").exists()


@pytest.mark.parametrize("numbers", ["", "a", "3-1", "1-", "-2", "1.5", "1-1000", "1-3,,4", "9" * 12])
def test_bad_numbers_are_named_and_nothing_is_written(tmp_path, numbers):
    result = run(tmp_path / "class", f"--numbers={numbers}")
    assert result.exit_code == 1 and ("--numbers" in result.output or "seed" in result.output), result.output
    assert not (tmp_path / "class").exists()
