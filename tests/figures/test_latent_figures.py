"""Figures of chapter 12: what is drawn is what was handed over."""

import base64
import io
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("agg")

import matplotlib.pyplot as plt  # noqa: E402

from ditcourse.figures.latent import directions_figure, latent_figure, show_together, with_gaps  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_clips_stand_in_rows_with_clear_gaps_between_them():
    clips = np.random.default_rng().uniform(-1, 1, (6, 3, 2, 5, 7))
    grid = with_gaps(clips, 3, gap=2)
    assert grid.shape == (2, 5 + 2 + 5, 7 + 2 + 7 + 2 + 7, 4)
    for number, clip in enumerate(clips):
        top, left = number // 3 * 7, number % 3 * 9
        piece = grid[:, top : top + 5, left : left + 7]
        np.testing.assert_array_equal(piece[..., :3], np.rint(127.5 * (clip + 1)).transpose(1, 2, 3, 0))
        assert (piece[..., 3] == 255).all()
    assert not grid[:, 5:7, :, 3].any() and not grid[:, :, 7:9, 3].any() and not grid[:, :, 16:18, 3].any()


def test_a_moving_picture_keeps_its_gaps_and_its_clips_their_width():
    torch = pytest.importorskip("torch")
    clips = 2 * torch.rand(4, 3, 3, 16, 16) - 1
    html = show_together(clips, columns=2, alt="Four clips of noise.", width=128).data
    assert 'alt="Four clips of noise."' in html and f'width="{128 * 34 // 32}"' in html
    data = re.findall(r"base64,([A-Za-z0-9+/=]+)", html)
    moving = Image.open(io.BytesIO(base64.b64decode(data[-1])))
    assert (moving.n_frames, moving.size) == (3, (34, 34))
    clear = np.asarray(moving.convert("RGBA"))[..., 3]
    assert not clear[16:18].any() and not clear[:, 16:18].any() and (clear[:16, :16] == 255).all()
    with pytest.raises(ValueError, match="fill their rows of 3"):
        show_together(clips, columns=3, alt="Four clips of noise.")


def test_directions_stand_frame_by_frame_and_grey_is_zero():
    directions = np.random.default_rng().normal(size=(2, 3, 4, 5, 5))
    directions[0, :, 1] = 0
    figure = directions_figure(directions)
    axes = np.array(figure.axes).reshape(2, 4)
    assert [ax.get_title() for ax in axes[0]] == [f"frame {n}" for n in (1, 2, 3, 4)]
    for row, block in zip(axes, directions, strict=True):
        for frame, ax in enumerate(row):
            wanted = 127.5 * (block[:, frame].transpose(1, 2, 0) / np.abs(block).max() + 1)
            assert np.abs(ax.images[0].get_array() - wanted).max() <= 0.51
    assert abs(int(axes[0, 1].images[0].get_array()[0, 0, 0]) - 127.5) <= 0.5


def test_above_a_latent_stands_the_second_of_its_frames_with_its_number():
    torch = pytest.importorskip("torch")
    clip, latent = 2 * torch.rand(3, 8, 8, 8) - 1, torch.randn(4, 2, 2, 2)
    axes = np.array(latent_figure(clip, latent).axes[:-1]).reshape(5, 2)
    for k, number in enumerate((2, 6)):
        assert axes[0, k].get_title() == f"frame {number}"
        shown = axes[0, k].images[0].get_array()
        np.testing.assert_allclose(shown, 127.5 * (clip[:, number - 1].permute(1, 2, 0).numpy() + 1), atol=0.51)
        for c in range(4):
            np.testing.assert_array_equal(axes[c + 1, k].images[0].get_array(), latent[c, k].numpy())
