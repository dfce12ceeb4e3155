"""Figures of the block and the model: they say what the code and the record say."""

import re

import matplotlib
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from ditcourse.figures.model import block_drawing, ladder_list, ladder_record, plot_ladder, plot_shares  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_drawing_names_the_parts_of_the_code_and_nothing_else():
    from ditcourse.model import DiTBlock

    words = re.findall(r"<text[^>]*>([^<]+)</text>", block_drawing().data)
    parts = {name for name, _ in DiTBlock(4, 1).named_children()}
    assert parts <= set(words)
    names = {word for word in words if "_" in word}
    assert names - parts == {f"{part}_{half}" for half in ("msa", "mlp") for part in ("shift", "scale", "gate")}
    assert 'role="img"' in block_drawing().data and "aria-label" in block_drawing().data


def test_the_drawing_stays_inside_and_takes_the_pages_colour():
    drawing = block_drawing().data
    assert "currentColor" in drawing
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', drawing).groups())
    for x, y in re.findall(r'x="(\d+)" y="(\d+)"', drawing):
        assert 0 <= int(x) <= width and 0 <= int(y) <= height


def test_the_list_has_every_rung():
    from ditcourse.model.ladder import RUNGS

    items = re.findall(r"<li>(.*?)</li>", ladder_list().data)
    assert len(items) == len(RUNGS) == 12
    for item, rung in zip(items, RUNGS, strict=True):
        assert item.startswith(f"<strong>{rung.name}</strong>") and rung.after in item


def test_every_loss_of_the_record_is_drawn():
    record = ladder_record()
    (ax,) = plot_ladder(record).axes
    dots = [sorted(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"]
    assert dots == [sorted(row["losses"]) for row in record["rungs"]]
    dotted = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == [record["exact"], record["zero"]]
    assert [text.get_text().split("  ")[0] for text in ax.get_yticklabels()] == [r["rung"] for r in record["rungs"]]


def test_shares_add_up_and_keep_their_place():
    rows = {"one": {"a": 1, "b": 3}, "two": {"a": 5, "b": 5}}
    (ax,) = plot_shares(rows, "marbles").axes
    widths = [[bar.get_width() for bar in bars] for bars in ax.containers]
    assert widths == [[25, 50], [75, 50]]
    assert ax.get_xlabel() == "share of the marbles, in %"
    rows = {"one": {"a": 980, "b": 12, "c": 8}, "two": {"a": 990, "b": 10, "c": 0}}  # too small to be seen
    (ax,) = plot_shares(rows, "marbles").axes
    assert ax.get_legend_handles_labels()[1] == ["a", "the rest"]
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [[98, 99], [2, 1]]
    with pytest.raises(ValueError, match="same parts"):
        plot_shares({"one": {"a": 1}, "two": {"b": 1}}, "marbles")
