"""The figures of chapter 11: distances, rings and tracks where they belong, and every count of a matrix."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")
torch = pytest.importorskip("torch")

import matplotlib.pyplot as plt  # noqa: E402

from ditcourse.figures.skyworld import MARK, mark_track, plot_confusion, plot_distances, plot_tracks  # noqa: E402
from ditcourse.world import sky  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_bold_line_is_where_the_distance_is_nought():
    figure = plot_distances({"disc": lambda p, phase: sky.circle(p, (0.2, -0.1), 0.7), "star": sky.star}, columns=2)
    disc, star = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["disc", "star"]
    (edge,) = [c for c in disc.collections if len(np.atleast_1d(c.levels)) == 1]
    x, y = edge.get_paths()[0].vertices.T
    assert np.abs(np.hypot(x - 0.2, y + 0.1) - 0.7).max() < 0.01
    assert disc.get_ylim()[0] > disc.get_ylim()[1]  # y downwards, as in a picture


def test_panels_that_are_not_needed_are_left_out():
    shapes = dict(list(sky.SHAPES.items())[:4])
    assert len(plot_distances(shapes).axes) == 4
    assert len(plot_tracks({str(k): np.zeros((8, 2)) for k in range(5)}).axes) == 5


def ring(frame):
    """Middle of the ring's pixels as x and y in [-1, 1], of a frame (3, H, W)."""
    on = (frame - torch.tensor(MARK, dtype=frame.dtype)[:, None, None]).abs().sum(0) < 1e-6
    rows, columns = on.nonzero().unbind(1)
    H, W = on.shape
    return (2 * (columns + 0.5).mean() / W - 1).item(), (2 * (rows + 0.5).mean() / H - 1).item()


def test_rings_are_where_the_track_is():
    dice = torch.Generator().manual_seed(1)
    clip = torch.rand(3, 16, 32, 48, generator=dice) * 0.4
    track = 1.2 * torch.rand(8, 2, generator=dice) - 0.6
    marked = mark_track(clip, track, scale=3)
    assert marked.shape == (3, 8, 96, 144)
    for k, place in enumerate(track.tolist()):
        assert ring(marked[:, k]) == pytest.approx(place, abs=0.03)
    frames = [0, 2, 4, 6, 9, 11, 13, 15]  # eight of sixteen, as the oracle takes them
    untouched = (marked[0, :, ::3, ::3] == clip[0, frames]).float().mean((1, 2))
    assert (untouched > 0.9).all() and (untouched < 1).all()
    assert clip.max() <= 0.4  # the clip itself is left alone


def test_a_ring_follows_the_subject():
    """The painter's own track over its own clip: in each ring's middle there is the subject."""
    picks = torch.tensor([[3, 0, 4, 0]])  # a red balloon circles at noon
    clip = sky.paint(picks, torch.Generator().manual_seed(5))[0]
    chosen = torch.linspace(0, 15, 8).round().long()
    track = sky.tracks(picks, torch.Generator().manual_seed(5))[0, chosen]
    for k, (across, down) in enumerate(((track + 1) * 32).tolist()):
        red, green, _ = clip[:, chosen[k], int(down), int(across)].tolist()
        assert red > 0.5 and green < 0
    assert ring(mark_track(clip, track)[:, 3]) == pytest.approx(track[3].tolist(), abs=0.04)


def test_what_cannot_be_marked_is_named():
    with pytest.raises(ValueError, match=r"clips\[0\]"):
        mark_track(torch.zeros(1, 3, 4, 8, 8), torch.zeros(4, 2))
    with pytest.raises(ValueError, match="track"):
        mark_track(torch.zeros(3, 4, 8, 8), torch.zeros(4, 3))


def test_tracks_are_drawn_as_they_are():
    tracks = {"one": torch.rand(8, 2) - 0.5, "two": torch.rand(8, 2) - 0.5}
    figure = plot_tracks(tracks)
    for ax, (name, track) in zip(figure.axes, tracks.items(), strict=True):
        assert ax.get_title() == name
        np.testing.assert_allclose(ax.lines[0].get_xydata(), track.numpy())
        dots = ax.collections[0]
        np.testing.assert_allclose(dots.get_offsets(), track.numpy())
        shade = dots.to_rgba(dots.get_array())[:, :3].sum(1)
        assert (np.diff(shade) < 0).all()  # from light to dark
        assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_a_matrix_shows_every_count_but_zeros():
    matrix = [[90, 0, 3], [1, 200, 0]]
    figure = plot_confusion(matrix, ("cat", "dog"), ("cat", "dog", "nothing"))
    (ax,) = figure.axes
    assert sorted(text.get_text() for text in ax.texts) == ["1", "200", "3", "90"]
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places["3"] == (2, 0) and places["1"] == (0, 1)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog", "nothing"]
    dark = {text.get_text(): text.get_color() for text in ax.texts}
    assert dark["200"] == "white" and dark["1"] != "white"
    with pytest.raises(ValueError, match="2 x 2"):
        plot_confusion(matrix, ("cat", "dog"), ("cat", "dog"))
