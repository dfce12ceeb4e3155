"""Clips on disk and in a page: the pixels survive, the words are there."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from ditcourse.figures import save_clip, show_clip, show_clips, side_by_side
from ditcourse.figures.clips import to_frames
from ditcourse.figures.explorer import sprite, sprite_clips


def frames_of(file):
    picture = Image.open(file)
    out = []
    for index in range(picture.n_frames):
        picture.seek(index)
        out.append(np.asarray(picture.convert("RGB")))
    return np.stack(out)


def random_clip(seed=0, frames=5):
    return torch.rand(3, frames, 6, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_saved_pixels_are_the_clip(tmp_path, suffix):
    clip = random_clip()
    path = save_clip(clip, tmp_path / f"clip{suffix}", scale=1)
    np.testing.assert_array_equal(frames_of(path), to_frames(clip))
    assert frames_of(save_clip(clip, tmp_path / f"big{suffix}", scale=4)).shape == (5, 24, 32, 3)


def test_gif_has_every_frame(tmp_path):
    assert len(frames_of(save_clip(random_clip(), tmp_path / "clip.gif"))) == 5


def test_bytes_are_the_same_each_time(tmp_path):
    a, b = (save_clip(random_clip(), tmp_path / name).read_bytes() for name in ("a.webp", "b.webp"))
    assert a == b


def test_range_and_grey():
    assert to_frames(torch.tensor([-2.0, -1, 0, 1, 3]).reshape(1, 1, 1, 5))[0, 0, :, 1].tolist() == [
        0,
        0,
        128,
        255,
        255,
    ]


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match=r"must end in .webp, .gif, .png, .mp4"):
        save_clip(random_clip(), tmp_path / "clip.avi")
    with pytest.raises(FileNotFoundError, match="no folder"):
        save_clip(random_clip(), tmp_path / "nowhere" / "clip.webp")
    with pytest.raises(ValueError, match=r"take clips\[0\]"):
        to_frames(torch.zeros(1, 3, 2, 4, 4))
    with pytest.raises(ValueError, match="1 clips and 2 labels"):
        show_clips(torch.zeros(1, 3, 2, 4, 4), ["a", "b"])


def test_page_html_holds_the_clip_a_still_and_the_words():
    clip = random_clip()
    data = show_clip(clip, alt='a "red" circle', label="seed <0>").data
    assert (
        'alt="a &quot;red&quot; circle"' in data
        and "seed &lt;0&gt;" in data
        and "prefers-reduced-motion" in data
    )
    still, moving = (base64.b64decode(found) for found in re.findall(r"base64,([A-Za-z0-9+/=]+)", data))
    np.testing.assert_array_equal(frames_of(io.BytesIO(moving)), to_frames(clip))
    np.testing.assert_array_equal(frames_of(io.BytesIO(still))[0], to_frames(clip)[2])
    assert show_clips(clip[None], ["one"]).data.count('alt="Clip: one"') == 1


def test_sprite_round_trip():
    clips = torch.rand(3, 3, 4, 6, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert (sprite_clips(sprite(clips), frames=4) - clips).abs().max() <= 1 / 255 + 1e-6


def test_mp4_has_the_frames_and_nearly_the_colours(tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    clip = random_clip()[:, :, :5, :7].repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, :39, :55]  # odd sides
    path = save_clip(clip, tmp_path / "clip.mp4", scale=1, fps=12)
    with av.open(path) as container:
        assert container.streams.video[0].average_rate == 12
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert frames.shape == (5, 40, 56, 3)
    assert np.abs(frames[:, :39, :55].astype(int) - to_frames(clip)).mean() < 12
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(ImportError, match="needs PyAV: pip install av"):
        save_clip(clip, tmp_path / "other.mp4")
    assert not (tmp_path / "other.mp4").exists()


def test_side_by_side_is_a_grid():
    clips = torch.stack([random_clip(seed) for seed in range(3)])
    row, grid = side_by_side(clips), side_by_side(clips, columns=2)
    assert row.shape == (3, 5, 6, 24) and grid.shape == (3, 5, 12, 16)
    for k, (r, c) in enumerate(((0, 0), (0, 1), (1, 0))):
        assert np.array_equal(grid[:, :, 6 * r : 6 * r + 6, 8 * c : 8 * c + 8], clips[k])
        assert np.array_equal(row[..., 8 * k : 8 * k + 8], clips[k])
    assert not grid[:, :, 6:, 8:].any()
    with pytest.raises(ValueError, match="at least one clip"):
        side_by_side(clips[0])
