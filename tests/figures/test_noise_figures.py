"""Grids of clips and curves of schedules: what is drawn is what was handed over."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

torch = pytest.importorskip("torch")

from ditcourse.diffusion import DDPM, RectifiedFlow  # noqa: E402
from ditcourse.figures.clips import to_frames  # noqa: E402
from ditcourse.figures.noise import plot_schedules, show_grid  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_grid_shows_the_middle_frames_in_their_places():
    clips = torch.rand(6, 3, 5, 4, 4, generator=torch.Generator().manual_seed(0)) * 4 - 2
    figure = show_grid({"first": clips[:3], "second": clips[3:]}, ["a", "b", "c"])
    axes = np.array(figure.axes).reshape(2, 3)
    for clip, ax, heading in zip(clips, axes.flat, "abcabc", strict=True):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), to_frames(clip)[2])
        assert ax.get_xlabel() == heading
    assert [row[0].get_title(loc="left") for row in axes] == ["first", "second"]


def test_every_clip_of_the_grid_needs_a_heading():
    with pytest.raises(ValueError, match=r"rows must hold 2 clips each, one for each heading, got {'a': 3}"):
        show_grid({"a": torch.zeros(3, 3, 2, 4, 4)}, ["x", "y"])


def test_the_curves_are_those_of_the_schedules():
    given = {
        "line": (RectifiedFlow(), torch.linspace(0, 1, 5)),
        "DDPM": (DDPM("cosine"), torch.arange(-1, 1000, 100)),
    }
    figure = plot_schedules(given)
    upper, lower = figure.axes
    for place, (schedule, times) in enumerate(given.values()):
        signal, sigma = upper.lines[2 * place : 2 * place + 2]
        np.testing.assert_array_equal(signal.get_ydata(), schedule.signal(times))
        np.testing.assert_array_equal(sigma.get_ydata(), schedule.sigma(times))
        np.testing.assert_array_equal(lower.lines[place].get_ydata(), schedule.snr(times))
        assert signal.get_xdata()[0] == 0 and signal.get_xdata()[-1] == 1
    styles = [(line.get_color(), line.get_linestyle()) for line in lower.lines[:2]]
    assert len({colour for colour, _ in styles}) == len({dash for _, dash in styles}) == 2
    assert lower.get_yscale() == "log"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(given)


def test_no_more_schedules_than_kinds_of_line():
    with pytest.raises(ValueError, match="at most 3, one for each kind of line, got 4"):
        plot_schedules({name: (RectifiedFlow(), torch.linspace(0, 1, 3)) for name in "abcd"})
