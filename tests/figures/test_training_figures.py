"""Curves of chapter 10: what is drawn is what was recorded."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from ditcourse.figures.training import plot_floor, plot_levels, plot_runs, training_record  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def lines(figure):
    (ax,) = figure.axes
    return {line.get_label(): tuple(map(np.asarray, line.get_data())) for line in ax.lines}


def test_the_record_is_the_experiments():
    assert training_record() == json.loads((ROOT / "experiments" / "results" / "training.json").read_text("utf-8"))


def test_a_run_is_drawn_over_its_floor():
    losses = np.random.default_rng().uniform(0.02, 1.5, 40)
    figure = plot_floor(list(losses), (0.01, 0.02), 1.6, window=4)
    steps, drawn = lines(figure)["the run"]
    assert steps.tolist() == list(range(1, 41)) and drawn[0] == pytest.approx(losses[0])
    for step in (4, 17, 40):
        assert drawn[step - 1] == pytest.approx(losses[step - 4 : step].mean())
    assert lines(figure)["answering 0"][1].tolist() == [1.6, 1.6]
    band = figure.axes[0].patches[-1].get_extents().transformed(figure.axes[0].transData.inverted())
    assert (band.y0, band.y1) == (pytest.approx(0.01), pytest.approx(0.02))


def test_levels_are_drawn_as_measured():
    record = training_record()["parts"]["levels"]
    figure = plot_levels(record)
    found = lines(figure)
    for name, key in (("miniature", "mini"), ("answering 0", "zero")):
        assert found[name][0].tolist() == record["levels"] and found[name][1].tolist() == record[key]
    (band,) = figure.axes[0].collections
    points = band.get_paths()[0].vertices
    for t, low, high in zip(record["levels"], record["inside"], record["outside"], strict=True):
        at = points[np.isclose(points[:, 0], t), 1]
        assert at.min() == pytest.approx(max(low, 1e-3)) and at.max() == pytest.approx(high)


def test_runs_side_by_side_differ_in_colour_and_dash_and_a_stopped_one_has_a_cross():
    curves = {"whole": [3, 2, 1.0], "stopped": [2, 50.0], "third": [1, 1, 2.0]}
    figure = plot_runs(curves, per=10, top=5)
    named = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert {line.get_label(): line.get_ydata().tolist() for line in named} == curves
    assert [line.get_xdata().tolist() for line in named] == [[10, 20, 30], [10, 20], [10, 20, 30]]
    assert len({line.get_color() for line in named}) == len({line.get_linestyle() for line in named}) == 3
    (cross,) = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0], cross.get_color()) == (20, 5, named[1].get_color())


@pytest.mark.parametrize("curves", [{}, {str(i): [1.0] for i in range(6)}])
def test_too_few_or_too_many_runs_are_refused(curves):
    with pytest.raises(ValueError, match="curves"):
        plot_runs(curves)


def test_a_small_range_has_ticks_too():
    for losses in ([2.0, 0.6], [0.3, 0.7], [1.6, 0.02]):
        (ax,) = plot_runs({"a": losses}).axes
        low, high = ax.get_ylim()
        assert sum(low <= tick <= high for tick in ax.get_yticks()) >= 4
