"""The hand sheet on paper: the right boxes, the right numbers, and nothing in anything's way."""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from ditcourse import byhand
from ditcourse.figures import paper

ROOT = Path(__file__).resolve().parents[2]
# Boxes per matrix: the first pass, with gradient, loss and new bias, and the pass after the update.
FIRST = {"X": 16, "L": 8, "Z": 8, "c": 2, "scale": 2, "shift": 2, "C": 8, "A": 16, "P": 8, "E": 8, "D": 8, "Y": 16,
         "frames": 16, "G": 8, "loss": 1, "b_ff_after": 2}  # fmt: skip
AFTER = {"E_after": 8, "loss_after": 1, "D_after": 8, "Y_after": 16, "frames_after": 16}
HALF = {"X", "Y", "frames", "Y_after", "frames_after"}
SLACK = 0.2  # mm: extents reach from the highest ascender to the lowest descender, drawn or not


@pytest.fixture(scope="module")
def exercise():
    return byhand.load()


@pytest.fixture(scope="module")
def hard(exercise):
    """Another exercise, with long numbers: -10, 3/2, -43/4 and the like."""
    return replace(
        exercise,
        prompt="a somewhat longer prompt with $ and a word or two more",
        frames=np.array([[[17, 0], [4, 11]], [[1, 2], [13, 0]], [[4, 3], [14, 0]], [[6, 3], [5, 10]]]),
        noise=np.array([[-10, 1, 0, -1], [-1, 11.5, 1, -1.5]]),
        b_ada=np.array([-1, 0, -10, -0.5]),
        W_Q=np.zeros((2, 2)),
        b_Q=np.array([1, -0.5]),
        W_ff=np.array([[-1, 1], [0, -1]]),
        b_ff=np.array([-4.5, 1.5]),
        b_dec=np.array([0, -10, 0.5, 0]),
    )


@pytest.fixture(scope="module")
def sheets(exercise, hard):
    """(exercise, kind, paper) -> figures, each drawn once."""
    drawn = {}

    def get(name, kind, size):
        if (name, kind, size) not in drawn:
            given = exercise if name == "course" else hard
            figures = paper.draw_sheet(given, kind, size, "sheet 17")
            for figure in figures:
                FigureCanvasAgg(figure)
                figure.set_dpi(288)  # so that whole pixels are small
            drawn[name, kind, size] = figures
        return drawn[name, kind, size]

    return get


def texts(figures, gid=True):
    """(gid, words) of every piece of text; with gid=True those that stand in a box or on a dotted line."""
    found = [(text.get_gid(), text.get_text()) for figure in figures for text in figure.axes[0].texts]
    return [pair for pair in found if pair[0]] if gid else [pair for pair in found if not pair[0]]


def boxes(figures):
    return {patch.get_gid(): patch for figure in figures for patch in figure.axes[0].patches
            if isinstance(patch, Rectangle) and patch.get_gid()}  # fmt: skip


def matrix(gid):
    return gid.split("-")[0]


def count(gids):
    names = [matrix(gid) for gid in gids]
    return {name: names.count(name) for name in names}


def answers(exercise):
    """gid -> number, for every box of the sheet."""
    key, found = byhand.solve(exercise), {}
    for name in {**FIRST, **AFTER}:
        values = np.asarray(getattr(key, name))
        values = values.reshape(values.shape if values.ndim > 1 else (-1, 1))
        for place, value in np.ndenumerate(values):
            if name != "c" or place[0] >= len(exercise.text):  # the text numbers are given
                found["-".join([name, *(str(i + 1) for i in place)])] = value
    return found


def value(words):
    return Fraction(words.replace("−", "-"))


# Boxes and numbers


@pytest.mark.parametrize(("name", "kind"), [*(("course", kind) for kind in paper.KINDS), ("hard", "key")])
def test_every_box_is_there_once_and_large_enough(sheets, name, kind):
    figures = sheets(name, kind, "a4" if kind == "blank" else "letter")
    gids = [patch.get_gid() for figure in figures for patch in figure.axes[0].patches if patch.get_gid()]
    assert len(gids) == len(set(gids)) == 178
    assert count(gids) == {**FIRST, **AFTER} and sum(FIRST.values()) == 129 and sum(AFTER.values()) == 49
    for box in boxes(figures).values():
        assert box.get_width() >= 7.5 and box.get_height() >= 7.5


def test_one_unit_is_one_millimetre(sheets):
    for kind, size in (("blank", "a4"), ("key", "letter")):
        wide, high = paper.PAPERS[size]
        for figure in sheets("course", kind, size):
            ax = figure.axes[0]
            assert ax.get_position().bounds == (0, 0, 1, 1)
            assert np.ptp(ax.get_xlim()) == pytest.approx(wide) and np.ptp(ax.get_ylim()) == pytest.approx(high)
            assert np.asarray(figure.get_size_inches()) * 25.4 == pytest.approx((wide, high))


def test_the_blank_sheet_holds_no_answer(sheets):
    assert texts(sheets("course", "blank", "a4")) == []


def test_the_half_sheet_holds_steps_1_12_and_13_and_no_other(sheets, exercise):
    want = {gid: number for gid, number in answers(exercise).items() if matrix(gid) in HALF}
    assert {gid: value(words) for gid, words in texts(sheets("course", "half", "letter"))} == want
    assert len(want) == 80


@pytest.mark.parametrize("name", ["course", "hard"])
def test_the_key_holds_every_number_in_its_box(sheets, exercise, hard, name):
    given = exercise if name == "course" else hard
    figures, want, key = sheets(name, "key", "letter"), answers(given), byhand.solve(given)
    found = texts(figures)
    assert len(found) == len(dict(found))
    found = {gid: value(words) for gid, words in found}
    assert {gid: found[gid] for gid in want} == want
    rest = {gid: number for gid, number in found.items() if gid not in want}
    for before, after in (("pre_encoder", "L"), ("pre_decoder", "Y"), ("pre_decoder_after", "Y_after")):
        for (row, column), number in np.ndenumerate(getattr(key, before)):
            shown = rest.pop(f"{before}-{row + 1}-{column + 1}", None)
            assert (found[f"{after}-{row + 1}-{column + 1}"] if shown is None else shown) == number
    assert rest == {
        "mean-1": key.G.mean(axis=1)[0],
        "mean-2": key.G.mean(axis=1)[1],
        "loss_sum": (key.G**2).sum(),
        "loss_after_sum": (key.G_after**2).sum(),
        "same-1": (key.frames == given.frames).sum(),
        "same-2": (key.frames_after == given.frames).sum(),
    }
    placed = {text.get_gid(): text.get_position() for figure in figures for text in figure.axes[0].texts}
    for gid, box in boxes(figures).items():
        assert box.get_bbox().contains(*placed[gid]), gid


def test_numbers_known_from_the_course(sheets):
    found = dict(texts(sheets("course", "key", "letter")))
    want = {"pre_encoder-1-2": "−2", "L-1-2": "0", "A-2-1": "1/2", "shift-1-1": "1", "G-2-2": "−1", "loss-1-1": "2",
            "loss_after-1-1": "1", "frames-1-1-1": "9", "same-1": "4", "same-2": "7"}  # fmt: skip
    assert {gid: found[gid] for gid in want} == want


def test_what_is_given_is_printed_on_the_blank_sheet(sheets, exercise):
    printed = [words for _, words in texts(sheets("course", "blank", "a4"), gid=False)]
    numbers = [value(words) for words in printed if re.fullmatch(r"−?\d+(/\d+)?", words)]
    g = exercise
    how = 3  # the box that says how to read the sheet shows how a given looks
    one = [g.frames, g.W_enc, g.b_enc, g.noise, how, g.text, g.W_ada, g.b_ada, byhand.solve(g).S, g.W_ff, g.b_ff]
    two = [g.noise, g.b_ff, g.W_ff, g.W_dec, g.b_dec, g.frames]
    assert numbers == [number for part in [*one, g.W_dec, g.b_dec, *two] for number in np.ravel(part)]
    for step in byhand.STEPS:
        assert step.label in printed and step.name in printed
    assert {"sheet 17", paper.CREDIT, "scale 1", "scale 2", "shift 1", "shift 2"} <= set(printed)
    assert "$D$ should equal $L - G$" in printed


# The layout


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [("course", "blank", "a4"), ("course", "half", "letter"), ("course", "key", "letter"), ("hard", "key", "letter")],
)
def test_text_stays_within_the_margins_and_out_of_other_text(sheets, name, kind, size):
    for figure in sheets(name, kind, size):
        renderer, mm = figure.canvas.get_renderer(), 25.4 / figure.dpi
        found = [text for text in figure.axes[0].texts if text.get_text()]
        ends = np.array([text.get_window_extent(renderer).extents for text in found]) * mm
        wide, high = paper.PAPERS[size]
        assert (ends[:, :2] >= 10).all() and (ends[:, 2] <= wide - 10).all() and (ends[:, 3] <= high - 10).all()
        assert min(text.get_fontsize() for text in found) >= 8
        for index, (x0, y0, x1, y1) in enumerate(ends):
            after = ends[index + 1 :]
            across = np.minimum(after[:, 2], x1) - np.maximum(after[:, 0], x0)
            down = np.minimum(after[:, 3], y1) - np.maximum(after[:, 1], y0)
            hit = np.flatnonzero((across > 0.05) & (down > SLACK))
            assert not len(hit), [found[index].get_text(), *(found[index + 1 + i].get_text() for i in hit)]


def test_drawn_parts_stay_within_the_margins_and_text_of_steps_out_of_boxes(sheets):
    for figure in sheets("course", "key", "letter"):
        renderer, mm = figure.canvas.get_renderer(), 25.4 / figure.dpi
        wide, high = paper.PAPERS["letter"]
        for artist in [*figure.axes[0].patches, *figure.axes[0].lines]:
            x0, y0, x1, y1 = artist.get_window_extent(renderer).extents * mm
            assert x0 > 10 and y0 > 10 and x1 < wide - 10 and y1 < high - 10
        areas = [box.get_window_extent(renderer) for box in boxes([figure]).values()]
        for text in figure.axes[0].texts:
            if text.get_text() and not text.get_gid():
                extent = text.get_window_extent(renderer).shrunk(0.98, 0.7)
                assert not extent.count_overlaps(areas), text.get_text()


# The file


@pytest.fixture(scope="module")
def blank(exercise, tmp_path_factory):
    """The bytes of a file as saved."""
    folder = tmp_path_factory.mktemp("sheet")
    path = paper.save_sheet(folder / "one.pdf", exercise, "blank", "letter")
    assert [file.name for file in folder.iterdir()] == ["one.pdf"]
    return path.read_bytes()


def media(data):
    return [tuple(map(float, found.split())) for found in re.findall(rb"/MediaBox \[ ([\d. ]+) \]", data)]


def test_the_file_is_the_same_in_another_process_and_style(blank):
    code = (
        "import hashlib, matplotlib; from ditcourse import byhand; from ditcourse.figures import paper; "
        "matplotlib.rcParams.update({'font.size': 30, 'pdf.fonttype': 3, 'text.color': 'red', 'lines.marker': 'x'}); "
        "print(hashlib.sha256(paper.sheet_bytes(byhand.load(), 'blank', 'letter')).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"},
    )  # fmt: skip
    assert other.stdout.strip() == hashlib.sha256(blank).hexdigest(), other.stderr


def test_the_file_has_two_pages_of_the_right_size_a_title_and_letters(blank):
    assert media(blank) == [(0, 0, pytest.approx(612), pytest.approx(792))] * 2
    assert b"CreationDate" not in blank and b"/Title (Sora's DiT by hand)" in blank
    assert b"/FontFile2" in blank and b"/Subtype /Type3" not in blank


def test_importing_the_module_leaves_matplotlib_alone():
    code = "import sys, ditcourse.figures.paper; print('matplotlib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "False", result.stderr


def test_wrong_words_are_refused_by_name(exercise, tmp_path):
    with pytest.raises(ValueError, match="kind: came as 'full'; allowed: blank, half, key"):
        paper.draw_sheet(exercise, "full")
    with pytest.raises(ValueError, match="paper: came as 'a5'; allowed: a4, letter"):
        paper.save_sheet(tmp_path / "sheet.pdf", exercise, paper="a5")
    with pytest.raises(ValueError, match="label: .* at most 40"):
        paper.draw_sheet(exercise, label="x" * 41)
    with pytest.raises(ValueError, match=r"must end in \.pdf"):
        paper.save_sheet(tmp_path / "sheet.png", exercise)
    with pytest.raises(FileNotFoundError, match="no folder"):
        paper.save_sheet(tmp_path / "none" / "sheet.pdf", exercise)
    with pytest.raises(ValueError, match="number −1000 does not fit"):
        paper.draw_sheet(replace(exercise, noise=exercise.noise * 1000))
    assert list(tmp_path.iterdir()) == []


# The tool


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_sheets", ROOT / "tools" / "make_sheets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_books_files_are_up_to_date(tool, blank):
    """One of six, to be quick; `make_sheets.py --check` looks at all."""
    want = [f"sheet_{kind}_{size}.pdf" for kind in paper.KINDS for size in paper.PAPERS]
    assert sorted(path.name for path in tool.OUTPUT.glob("sheet_*")) == sorted(want)
    for name in want:
        data = (tool.OUTPUT / name).read_bytes()
        assert len(data) < 150_000
        size = (595.2756, 841.8898) if "a4" in name else (612, 792)
        assert media(data) == [(0, 0, *map(pytest.approx, size))] * 2
    assert tool.content((tool.OUTPUT / "sheet_blank_letter.pdf").read_bytes()) == tool.content(blank)


def repacked(data):
    """The same PDF as another build of zlib might write it."""
    return re.sub(
        rb"/Length (\d+)( 0 R)?(.*?\nstream\n)(.*?)(?=\nendstream)",
        lambda found: b"/Length 99%s%s" % (found[3], zlib.compress(zlib.decompress(found[4]), 1)),
        data,
        flags=re.DOTALL,
    )


def test_check_names_what_is_stale_and_does_not_mind_how_zlib_packs(tool, tmp_path, capsys, monkeypatch, blank):
    key = (tool.OUTPUT / "sheet_key_letter.pdf").read_bytes()
    monkeypatch.setattr(tool, "files", lambda: {"one.pdf": blank, "two.pdf": key})
    folder = tmp_path / "new"
    to = ["--output", str(folder)]
    assert tool.main([*to, "--check"]) == 1 and not folder.exists()
    assert tool.main(to) == 0 and (folder / "one.pdf").read_bytes() == blank
    capsys.readouterr()
    assert tool.main([*to, "--check"]) == 0 and capsys.readouterr().out == ""

    assert repacked(blank) != blank
    (folder / "one.pdf").write_bytes(repacked(blank))
    half = (tool.OUTPUT / "sheet_half_letter.pdf").read_bytes()
    (folder / "two.pdf").write_bytes(half)
    assert tool.main([*to, "--check"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert "two.pdf: not up to date" in line
    assert (folder / "two.pdf").read_bytes() == half
    assert tool.main(to) == 0 and (folder / "two.pdf").read_bytes() == key
