"""The second sheet on paper: the right boxes, the right numbers, and nothing in anything's way."""

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox

from ditcourse import byhand
from ditcourse.check.forms import counting_givens, key, parts_of, read_form
from ditcourse.figures import counting_paper, paper

ROOT = Path(__file__).resolve().parents[2]
SHEETS = {
    "course": byhand.new_counting(0),
    "wide": next(c for c in map(byhand.new_counting, range(1, 99)) if c.clips[1] - c.clips[0] == 8 and c.clips[0] < 0),
    "negative": byhand.Counting((-12, -4), (6, 4, 2), (-2, 0, 2), prompt=1),
    "between": byhand.Counting((-16, -10), (4, 3, 2), (1, 3, -2), prompt=0),  # levels that are not 3, 2, 1 steps
}
SLACK = 0.2  # mm: extents reach from the highest ascender to the lowest descender, drawn or not


@pytest.fixture(scope="module")
def page():
    """(name, kind, paper) -> the figure, drawn once."""
    drawn = {}

    def get(name, kind, size):
        if (name, kind, size) not in drawn:
            (figure,) = counting_paper.draw_counting(SHEETS[name], kind, size, "sheet 17")
            FigureCanvasAgg(figure)
            figure.set_dpi(288)  # so that whole pixels are small
            drawn[name, kind, size] = figure
        return drawn[name, kind, size]

    return get


def texts(figure, gid=True):
    """(gid, words) of every piece of text; with gid=True those that stand in a box or on a line to write on."""
    found = [(text.get_gid(), text.get_text()) for text in figure.axes[0].texts]
    return [pair for pair in found if pair[0]] if gid else [pair for pair in found if not pair[0]]


def boxes(figure):
    return {patch.get_gid(): patch for patch in figure.axes[0].patches
            if isinstance(patch, Rectangle) and patch.get_gid()}  # fmt: skip


def answers(counting):
    """gid -> number, for every box of the sheet."""
    values = key("counting", counting_givens(counting))
    return {f"{name}-{row + 1}-{column + 1}": value for name in parts_of("counting")
            for (row, column), value in np.ndenumerate(values[name])}  # fmt: skip


def value(words):
    return Fraction(words.replace("−", "-"))


def ends(figure, artists):
    """Left, bottom, right and top of each, in millimetres."""
    renderer = figure.canvas.get_renderer()
    return np.array([artist.get_window_extent(renderer).extents for artist in artists]) * 25.4 / figure.dpi


# Boxes and numbers


@pytest.mark.parametrize(("name", "kind", "size"), [("course", "blank", "a4"), ("negative", "key", "letter")])
def test_every_box_is_there_once_and_large_enough(page, name, kind, size):
    figure = page(name, kind, size)
    gids = [patch.get_gid() for patch in figure.axes[0].patches if patch.get_gid()]
    assert len(gids) == len(set(gids)) == 60 and set(gids) == set(answers(SHEETS[name]))
    for box in boxes(figure).values():
        assert box.get_width() >= 7.5 and box.get_height() >= 7.5
    wide, high = paper.PAPERS[size]
    ax = figure.axes[0]
    assert np.ptp(ax.get_xlim()) == pytest.approx(wide) and np.ptp(ax.get_ylim()) == pytest.approx(high)
    assert np.asarray(figure.get_size_inches()) * 25.4 == pytest.approx((wide, high))


@pytest.mark.parametrize("size", paper.PAPERS)
def test_the_blank_sheet_holds_no_answer(page, size):
    figure = page("course", "blank", size)
    assert texts(figure) == []
    assert not [line for line in figure.axes[0].lines if line.get_gid() or line.get_color() == paper.ANSWER]
    words = [words for _, words in texts(figure, gid=False)]
    assert "Which clip came out?" in words and "Who decided?" in words and "Name" in words


@pytest.mark.parametrize("name", SHEETS)
def test_the_key_holds_every_number_in_its_box(page, name):
    counting, figure = SHEETS[name], page(name, "key", "letter")
    found = texts(figure)
    assert len(found) == len(dict(found))
    found = dict(found)
    want = answers(counting)
    assert found.pop("decided-1") == "the noise"
    came_out = want["x_1-1-1"]
    assert found.pop("out-1") == {counting.clips[0]: "left", counting.clips[1]: "right"}[came_out]
    assert value(found.pop("mean-1")) == sum(counting.clips) / 2
    assert {gid: value(words) for gid, words in found.items()} == want
    placed = {text.get_gid(): text.get_position() for text in figure.axes[0].texts}
    for gid, box in boxes(figure).items():
        assert box.get_bbox().contains(*placed[gid]), gid


def test_numbers_known_from_the_course(page):
    found = dict(texts(page("course", "key", "letter")))
    want = {"could-1-3": "1", "could-2-2": "0", "noise_if-2-1": "−5", "guess-1-3": "−1", "left_over-1-3": "2",
            "error-1-1": "8", "error-1-2": "4", "z_3-1-1": "1", "x_3-1-1": "2", "z_1-1-1": "3", "could_1-1-1": "0",
            "x_1-1-1": "4", "could_p-2-1": "0", "x_p-1-1": "0", "mean-1": "2", "out-1": "right"}  # fmt: skip
    assert {gid: found[gid] for gid in want} == want


@pytest.mark.parametrize("name", ["course", "wide"])
def test_what_is_given_is_printed_on_the_blank_sheet(page, name):
    counting, figure = SHEETS[name], page(name, "blank", "letter")
    printed = [words for _, words in texts(figure, gid=False)]
    standing = [(value(words), text.get_fontsize()) for text in figure.axes[0].texts
                if re.fullmatch(r"−?\d+", words := text.get_text()) and text.get_color() == paper.INK]  # fmt: skip
    g = {name: np.ravel(matrix).tolist() for name, matrix in counting_givens(counting).items()}
    how = 3  # the box that says how to read the sheet shows how a given looks
    want = [how, *g["z"], *g["clips"], *g["clips"], *g["tries"], *g["n_3"], *g["n_2"], *g["n_1"], *g["prompt"]]
    assert [number for number, _ in standing] == want
    assert min(size for _, size in standing) >= 8
    level = [f"level {counting.levels[place]}" for place in (2, 1, 0, 0, 1, 2, 0)]
    assert [words for words in printed if words.startswith("level")] == level
    third = f"for $z$ = {counting.z[2]}: the mean,".replace("-", "−")
    assert {"sheet 17", counting_paper.CREDIT, "Given", third} <= set(printed)


def test_every_step_is_named_with_its_formula(page):
    printed = [words for _, words in texts(page("wide", "blank", "letter"), gid=False)]
    every = " ".join(printed)
    for step in read_form("counting")["steps"].values():
        assert step["label"] in printed and step["name"] in printed
        for part in step["formula"].split("; "):
            plain = re.sub(r"<var>(.)</var><sub>(.)</sub>", r"$\1_\2$", part)
            assert re.sub(r"<var>(.)</var>", r"$\1$", plain) in every


# The picture


@pytest.mark.parametrize("name", ["course", "wide"])
def test_bars_stand_above_the_columns_that_they_reach(page, name):
    """For each z of the table a bar of the largest level lies above its column where, and only where, there is a 1."""
    counting, figure = SHEETS[name], page(name, "blank", "letter")
    bars = [patch.get_bbox() for patch in figure.axes[0].patches
            if isinstance(patch, Rectangle) and patch.get_height() == pytest.approx(counting_paper.BAR)]  # fmt: skip
    assert len(bars) == 2 * 3 + 2 * 3 + 2
    cell = boxes(figure)["could-1-1"].get_width()
    for bar, level in zip(bars[:6], np.repeat(counting.levels[::-1], 2), strict=True):
        assert bar.width == pytest.approx((2 * level + 1) * cell)
    for gid, box in boxes(figure).items():
        if gid.startswith("could-"):
            row = int(gid.split("-")[1])
            bar, middle = bars[3 + row], box.get_x() + cell / 2
            assert (bar.x0 < middle < bar.x1) == bool(answers(counting)[gid]), gid


@pytest.mark.parametrize("name", SHEETS)
def test_every_z_is_marked_below_the_bars_that_reach_it(page, name):
    counting, figure = SHEETS[name], page(name, "key", "letter")
    marks = {line.get_gid(): line.get_xydata()[0] for line in figure.axes[0].lines if line.get_gid()}
    bars = [patch.get_bbox() for patch in figure.axes[0].patches
            if isinstance(patch, Rectangle) and patch.get_height() == pytest.approx(counting_paper.BAR)]  # fmt: skip
    want, rows = answers(counting), {"3": bars[6:8], "2": bars[8:10], "1": bars[10:12], "p": bars[12:14]}
    assert sorted(marks) == [f"mark-{number}" for number in "123p"]
    for number, (left, right) in rows.items():
        x, y = marks[f"mark-{number}"]
        middles = [(bar.x0 + bar.x1) / 2 for bar in (left, right)]  # there the clips are
        z = want[f"z_{number.replace('p', '3')}-1-1"]
        assert x == pytest.approx(np.interp(z, counting.clips, middles))
        could = "could_3" if number == "p" else f"could_{number}"
        assert [bar.x0 < x < bar.x1 for bar in (left, right)] == [want[f"{could}-{row}-1"] == 1 for row in (1, 2)]
        assert left.y0 < right.y0 < y  # downwards


# The layout

LAYOUTS = [("course", "blank", "a4"), ("course", "key", "letter"), ("wide", "blank", "letter"),
           ("negative", "key", "letter")]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "size"), LAYOUTS)
def test_text_stays_within_the_margins_and_out_of_other_text(page, name, kind, size):
    figure = page(name, kind, size)
    found = [text for text in figure.axes[0].texts if text.get_text()]
    places = ends(figure, found)
    wide, high = paper.PAPERS[size]
    assert (places[:, :2] >= 10).all() and (places[:, 2] <= wide - 10).all() and (places[:, 3] <= high - 10).all()
    assert min(text.get_fontsize() for text in found) >= 8
    for index, (x0, y0, x1, y1) in enumerate(places):
        after = places[index + 1 :]
        across = np.minimum(after[:, 2], x1) - np.maximum(after[:, 0], x0)
        down = np.minimum(after[:, 3], y1) - np.maximum(after[:, 1], y0)
        hit = np.flatnonzero((across > 0.05) & (down > SLACK))
        assert not len(hit), [found[index].get_text(), *(found[index + 1 + i].get_text() for i in hit)]


@pytest.mark.parametrize(("name", "kind", "size"), LAYOUTS)
def test_nothing_lies_on_a_box_or_outside_the_margins(page, name, kind, size):
    figure = page(name, kind, size)
    ax, (wide, high) = figure.axes[0], paper.PAPERS[size]
    for x0, y0, x1, y1 in ends(figure, [*ax.patches, *ax.lines]):
        assert x0 > 10 and y0 > 10 and x1 < wide - 10 and y1 < high - 10
    # Boxes to write in, panels of given numbers and bars, but not the frame of the box that says how to read the sheet.
    areas = [patch.get_bbox() for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_height() != 19.6]
    for index, area in enumerate(areas):
        smaller = area.shrunk((area.width - 0.1) / area.width, (area.height - 0.1) / area.height)
        assert not smaller.count_overlaps(areas[index + 1 :]), area
    for line in ax.lines:
        x, y = line.get_xydata().T
        if line.get_linewidth() == 0.9 and line.get_linestyle() == "-":  # an arrow, along the grid
            for part in zip(x[:-1], y[:-1], x[1:], y[1:], strict=True):
                assert not Bbox.from_extents(*part).padded(0.01).count_overlaps(areas), part
    renderer, to_mm = figure.canvas.get_renderer(), ax.transData.inverted()
    for text in ax.texts:
        if text.get_text() and not text.get_gid() and not re.fullmatch(r"−?\d+", text.get_text()):
            extent = text.get_window_extent(renderer).shrunk(0.98, 0.7).transformed(to_mm)
            assert not extent.count_overlaps(areas), text.get_text()


def test_sheets_of_other_seeds_hold_their_own_numbers():
    for seed in (5, 999_999_999):
        counting = byhand.new_counting(seed)
        (figure,) = counting_paper.draw_counting(counting, "key")
        found = dict(texts(figure))
        assert {gid: value(found[gid]) for gid in answers(counting)} == answers(counting)


# The file


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    """The bytes of a file as saved."""
    folder = tmp_path_factory.mktemp("sheet")
    path = counting_paper.save_countings(folder / "one.pdf", [(SHEETS["course"], "")], "blank", "letter")
    assert [file.name for file in folder.iterdir()] == ["one.pdf"]
    return path.read_bytes()


def media(data):
    return [tuple(map(float, found.split())) for found in re.findall(rb"/MediaBox \[ ([\d. ]+) \]", data)]


def test_the_file_is_the_same_in_another_process_and_style(blank):
    code = (
        "import hashlib, sys; from ditcourse import byhand; from ditcourse.figures import counting_paper; "
        "early = 'matplotlib' in sys.modules; import matplotlib; "
        "matplotlib.rcParams.update({'font.size': 30, 'pdf.fonttype': 3, 'text.color': 'red', 'lines.marker': 'x'}); "
        "data = counting_paper.counting_bytes(byhand.new_counting(0), 'blank', 'letter'); "
        "print(early, hashlib.sha256(data).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1"},
    )  # fmt: skip
    assert other.stdout.split() == ["False", hashlib.sha256(blank).hexdigest()], other.stderr


def test_the_file_has_one_page_of_the_right_size_a_title_and_letters(blank):
    assert media(blank) == [(0, 0, pytest.approx(612), pytest.approx(792))]
    assert b"CreationDate" not in blank and b"/Title (The best guess by counting)" in blank
    assert b"/FontFile2" in blank and b"/Subtype /Type3" not in blank


def test_wrong_words_are_refused_by_name(tmp_path):
    draw, counting = counting_paper.draw_counting, SHEETS["course"]
    with pytest.raises(ValueError, match="kind: came as 'half'; allowed: blank, key"):
        draw(counting, "half")
    with pytest.raises(ValueError, match="paper: came as 'a5'; allowed: a4, letter"):
        counting_paper.save_countings(tmp_path / "sheet.pdf", [(counting, "")], paper="a5")
    with pytest.raises(ValueError, match="label: .* at most 40"):
        draw(counting, label="x" * 41)
    with pytest.raises(ValueError, match=r"must end in \.pdf"):
        counting_paper.save_countings(tmp_path / "sheet.png", [(counting, "")])
    with pytest.raises(FileNotFoundError, match="no folder"):
        counting_paper.save_countings(tmp_path / "none" / "sheet.pdf", [(counting, "")])
    with pytest.raises(ValueError, match="counting: its numbers go from −6 to 16; allowed: at most 21 of them"):
        draw(byhand.Counting((0, 10), (6, 4, 2), (0, 0, 2), 0))
    with pytest.raises(ValueError, match="counting: its number −1002 does not fit"):
        draw(byhand.Counting((-1002, -998), (3, 2, 1), (0, 0, 1), 0))
    assert list(tmp_path.iterdir()) == []


def test_the_books_files_are_up_to_date(blank):
    """One of four, to be quick; `make_sheets.py --check` looks at all."""
    spec = importlib.util.spec_from_file_location("make_sheets", ROOT / "tools" / "make_sheets.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    want = [f"counting_{kind}_{size}.pdf" for kind in counting_paper.KINDS for size in paper.PAPERS]
    assert sorted(path.name for path in tool.OUTPUT.glob("counting_*")) == sorted(want)
    for name in want:
        data = (tool.OUTPUT / name).read_bytes()
        assert len(data) < 150_000
        size = (595.2756, 841.8898) if "a4" in name else (612, 792)
        assert media(data) == [(0, 0, *map(pytest.approx, size))]
    assert tool.content((tool.OUTPUT / "counting_blank_letter.pdf").read_bytes()) == tool.content(blank)
