"""Pictures of conditions: what is drawn is what was handed over, and the dials turn as the embedding does."""

import json
import re

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

torch = pytest.importorskip("torch")

from ditcourse.figures.conditions import (  # noqa: E402
    DIALS,
    plot_gates,
    plot_shares,
    plot_time_features,
    time_dials,
)
from ditcourse.model.conditions import timestep_embedding  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_features_are_drawn_row_by_row():
    fed = {"one": timestep_embedding(torch.arange(20), 8), "other": torch.zeros(20, 8)}
    figure = plot_time_features(fed)
    for (title, features), ax in zip(fed.items(), figure.axes, strict=True):
        (image,) = ax.images
        np.testing.assert_array_equal(image.get_array(), features.T)
        assert ax.get_title(loc="left") == title and image.get_clim() == (-1, 1)


def test_features_need_two_axes():
    with pytest.raises(ValueError, match=r"features \(times, width\), got \[\(3,\)\]"):
        plot_time_features({"flat": torch.zeros(3)})


def test_every_gate_is_drawn_and_fits():
    t, dice = torch.linspace(0, 1, 5), torch.Generator().manual_seed(0)
    gates = {"attention": torch.rand(3, 5, generator=dice), "MLP": 9 * torch.rand(3, 5, generator=dice)}
    figure = plot_gates(t, gates)
    for (name, sizes), ax in zip(gates.items(), figure.axes, strict=True):
        assert ax.get_title(loc="left") == name
        for line, wanted in zip(ax.lines, sizes, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), wanted)
        assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] >= gates["MLP"].max()
    with pytest.raises(ValueError, match="at most 4 blocks"):
        plot_gates(t, {"attention": torch.zeros(5, 5)})


def test_the_bars_are_the_shares_end_to_end():
    shares = torch.rand(2, 6, 3, generator=torch.Generator().manual_seed(1))
    shares = shares / shares.sum(dim=2, keepdim=True)
    (ax,) = plot_shares(shares).axes
    assert len(ax.patches) == 36
    for which in range(3):
        for row, bar in enumerate(ax.patches[12 * which : 12 * which + 12]):
            wanted = shares.flatten(0, 1)[row]
            assert bar.get_width() == pytest.approx(wanted[which].item(), abs=1e-6)
            assert bar.get_x() == pytest.approx(wanted[:which].sum().item(), abs=1e-6)
    with pytest.raises(ValueError, match=r"shares must be \(blocks, 6, 3\), got \(2, 5, 3\)"):
        plot_shares(torch.zeros(2, 5, 3))


def test_the_dials_turn_as_the_embedding():
    page = time_dials("A <title>").data
    waves = json.loads(re.search(r"waves = (\[.*?\])", page).group(1))
    for t in (1, 7, 300):
        features = timestep_embedding(torch.tensor([t]))[0]
        for wave, index in zip(waves, DIALS, strict=True):
            assert np.cos(wave * t) == pytest.approx(features[index].item(), abs=1e-3)
            assert np.sin(wave * t) == pytest.approx(features[128 + index].item(), abs=1e-3)
    turns = [float(x.replace(",", "")) for x in re.findall(r"one turn in ([\d.,]+)<", page)]
    assert turns == pytest.approx([2 * np.pi / wave for wave in waves], rel=0.03)


def test_the_dials_load_nothing_and_escape_their_title():
    page = time_dials("A <title>").data
    assert "A &lt;title&gt;" in page and "http" not in page and "@" not in page.replace("@media", "")
