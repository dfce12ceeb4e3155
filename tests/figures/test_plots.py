"""Curves of a run: what is drawn is what was recorded."""

import json
from importlib import resources

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from ditcourse.figures.plots import LINES, plot_losses, plot_progress, running_mean  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def recorded():
    """The record of the shipped run."""
    file = resources.files("ditcourse") / "weights" / "mini" / "run.json"
    return json.loads(file.read_text(encoding="utf-8"))


def lines(figure):
    """{name in the legend: (x, y)} of every line that has one."""
    (ax,) = figure.axes
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    return {line.get_label(): tuple(map(np.asarray, line.get_data())) for line in named}


def legend(figure):
    (box,) = figure.legends
    return {text.get_text() for text in box.get_texts()}


def test_progress_is_the_record():
    progress = recorded()["progress"]
    figure = plot_progress(progress)
    drawn = lines(figure)
    assert set(drawn) == set(progress[0]["right"]) == set(LINES) == legend(figure)
    for name, (x, y) in drawn.items():
        assert x.tolist() == [row["step"] for row in progress]
        assert y.tolist() == [row["right"][name] for row in progress]


def test_lines_differ_in_colour_and_dash():
    figure = plot_progress([{"step": 1, "right": dict.fromkeys(LINES, 0.5)}])
    styles = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines
              if line.get_label() in LINES]  # fmt: skip
    assert len({colour for colour, _ in styles}) == len({dash for _, dash in styles}) == len(LINES)


def test_the_live_part_is_shaded():
    progress = recorded()["progress"]
    figure = plot_progress(progress, until=600)
    (shade,) = figure.axes[0].patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (0, 600)
    assert "trained\nlive here" in [text.get_text() for text in figure.axes[0].texts]
    assert not plot_progress(progress).axes[0].patches


def test_chance_is_drawn_and_named():
    from ditcourse.world import ATTRIBUTES

    ax = plot_progress(recorded()["progress"]).axes[0]
    chance = {line.get_label()[1:]: set(line.get_ydata()) for line in ax.lines if line.get_label()[0] == "_"}
    assert set(chance) == {text.get_text() for text in ax.texts}
    for name, values in ATTRIBUTES.items():
        (at,) = [share for label, share in chance.items() if name in label]
        assert at == {1 / len(values)}


def test_the_end_of_the_loss_is_between_ticks():
    losses = recorded()["losses"]
    figure = plot_losses(losses[:50], losses, start=1.5)
    assert min(figure.axes[0].get_yticks()) < 0.05


def test_losses_are_running_means_of_both_runs():
    losses = recorded()["losses"]
    figure = plot_losses(losses[:50], losses, start=1.5, window=10)
    drawn = lines(figure)
    assert set(drawn) == legend(figure) == {"live", "recorded", "answering 0"}
    assert drawn["live"][0].tolist() == list(range(1, 51))
    assert len(drawn["recorded"][1]) == len(losses)
    np.testing.assert_allclose(drawn["recorded"][1][99], np.mean(losses[90:100]))
    np.testing.assert_allclose(drawn["live"][1], drawn["recorded"][1][:50])
    assert set(drawn["answering 0"][1]) == {1.5}
    assert figure.axes[0].get_yscale() == "log"


def test_running_mean():
    np.testing.assert_allclose(running_mean([4, 2, 0, 6, 1], 2), [4, 3, 1, 3, 3.5])
    np.testing.assert_allclose(running_mean([4, 2, 0], 9), [4, 3, 2])
    assert running_mean([], 3).shape == (0,)
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        running_mean([1], 0)
