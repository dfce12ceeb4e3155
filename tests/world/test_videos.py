"""A learner's own videos: which frames are taken, which window, which captions, and that odd files are only named."""

import math
import re
import struct
import sys
import weakref
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image

from ditcourse.model import DiT, DiTConfig
from ditcourse.model.conditions import Tokenizer
from ditcourse.training import TrainConfig, Trainer
from ditcourse.training.data import resident
from ditcourse.world import videos as module
from ditcourse.world.videos import SUFFIXES, Videos, read_folder

av = pytest.importorskip("av")
SMALL = (8, 16, 16)
CODECS = {".webm": ("libvpx-vp9", "yuv444p", {"lossless": "1"}), ".gif": ("gif", "gray", {})}


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def grey(values, height=16, width=16):
    """Frames (T, H, W, 3) of one brightness each."""
    return np.repeat(np.asarray(values, np.uint8), height * width * 3).reshape(-1, height, width, 3)


def write(path, frames, rate=8, times=None, caption="a clip", container=None, pixels=None, rotate=None, options=None):
    """A lossless video (.gif: nearly) beside its caption. times: of each frame in seconds, for a changing rate."""
    codec, pix_fmt, lossless = CODECS.get(path.suffix.lower(), ("libx264", "yuv444p", {"qp": "0"}))
    with av.open(path, "w", format="mp4" if path.suffix == ".m4v" else None, options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate, options={**(options or lossless), "g": "8"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if pixels:
            stream.codec_context.sample_aspect_ratio = pixels
        for k, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[k] * 1000), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    if rotate:  # the matrix of the track's header: where x and y go; this is a quarter turn clockwise
        data = path.read_bytes()
        at = data.index(b"tkhd") + 44
        one = 1 << 16
        path.write_bytes(data[:at] + struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30) + data[at + 36 :])
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return path


def brightness(clip):
    """The mean of each frame of a clip (3, T, H, W) uint8, each one colour all over."""
    assert clip.float().std(dim=(0, 2, 3)).max() < 2
    return clip.float().mean(dim=(0, 2, 3))


def on_screen(times, count, fps):
    """By search, with fractions: the number of the last frame that is due at k / fps, for each k."""
    due = [Fraction(round(time * 1000), 1000) - Fraction(round(times[0] * 1000), 1000) for time in times]
    return [max(i for i, time in enumerate(due) if time <= Fraction(k) / Fraction(fps)) for k in range(count)]


# --- time


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".MP4"])
def test_frames_at_8_a_second_are_the_file_s_own_frames(tmp_path, suffix):
    """24 frames of 0, 10, 20, ..., 230: three clips of 8, one after the other, whatever the container."""
    write(tmp_path / f"a{suffix}", grey(np.arange(24) * 10))
    found = read_folder(tmp_path, SMALL)
    assert found.clips.shape == (3, 3, *SMALL) and found.clips.dtype == torch.uint8 and not found.skipped
    seen = torch.cat([brightness(clip) for clip in found.clips])
    assert (seen - 10 * torch.arange(24)).abs().max() < 3
    assert found.captions == [("a clip",)] * 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("rate", [12, 30, Fraction(30000, 1001), 50, 5])
def test_frames_are_chosen_by_their_times(tmp_path, rate, suffix):
    """Frame i of any rate comes at i / rate; at k / 8 the last one that has come is floor(k rate / 8)."""
    write(tmp_path / f"a{suffix}", grey(np.arange(math.ceil(2 * rate)) % 50 * 5), rate=rate)
    found = read_folder(tmp_path, SMALL)
    seen = torch.cat([brightness(clip) for clip in found.clips]) / 5
    assert [round(value.item()) for value in seen] == [math.floor(k * Fraction(rate) / 8) % 50 for k in range(16)]


@pytest.mark.parametrize("fps", [8.0, 15.0, 30.0])
def test_a_millisecond_of_rounding_does_not_repeat_frames(tmp_path, fps):
    """Matroska stores 1/30 s as 33 ms and 2/30 s as 67 ms: at 30 a second each frame must still come once."""
    write(tmp_path / "a.mkv", grey(np.arange(64) * 4), rate=30)
    found = read_folder(tmp_path, (16, 4, 4), fps)
    seen = torch.cat([brightness(clip) for clip in found.clips]) / 4
    assert [round(value.item()) for value in seen] == [math.floor(30 * k / fps) for k in range(len(seen))]
    assert len(seen) == {8.0: 16, 15.0: 32, 30.0: 64}[fps]


@pytest.mark.parametrize("seed", range(3))
def test_variable_frame_rate(tmp_path, seed):
    """Frames at random times, from 10 ms to 700 ms apart, the first one late."""
    gaps = np.random.default_rng(seed).choice([0.010, 0.033, 0.120, 0.700], 60)
    times = 0.4 + np.cumsum(gaps)
    write(tmp_path / "a.mp4", grey(np.arange(60) * 4), times=times)
    found = read_folder(tmp_path, SMALL)
    seen = torch.cat([brightness(clip) for clip in found.clips]) / 4
    assert len(seen) >= 8 and len(seen) % 8 == 0 and not found.skipped
    assert [round(value.item()) for value in seen] == on_screen(times, len(seen), 8)


def test_the_last_frame_stays_as_long_as_the_file_says(tmp_path):
    """Five frames of 50 ms and one of 2 s, written by Pillow, are 2.25 s: 18 frames at 8 a second."""
    images = [Image.fromarray(frame) for frame in grey(np.arange(6) * 40)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[50] * 5 + [2000])
    (tmp_path / "a.txt").write_text("a clip")
    found = read_folder(tmp_path, (18, 8, 8))
    assert (brightness(found.clips[0]) / 40).round().tolist() == [0, 2] + [5] * 16
    with pytest.raises(ValueError, match="it lasts 2.25 s, and 19 frames"):
        read_folder(tmp_path, (19, 8, 8))


def test_length_is_counted_in_frames_at_the_rate_asked_for(tmp_path):
    """15 frames at 8 a second are one too few for 16, 16 are enough; other rates ask for other lengths."""
    write(tmp_path / "a.mp4", grey(np.arange(15) * 4))
    write(tmp_path / "b.mp4", grey(np.arange(16) * 4))
    found = read_folder(tmp_path, (16, 8, 8))
    assert len(found.clips) == 1
    assert found.skipped == {"a.mp4": "too short: it lasts 1.88 s, and 16 frames at 8 a second need more than 1.875 s"}
    assert len(read_folder(tmp_path, (16, 8, 8), fps=16.0).clips) == 1 + 2  # of 30 and of 32 frames, 16 at a time
    with pytest.raises(ValueError, match="b.mp4: too short: it lasts 2.00 s, and 16 frames at 4 a second need more"):
        read_folder(tmp_path, (16, 8, 8), fps=4)


# --- space


def window(frames, height, width):
    """The middle of a picture, as large as fits, of shape height : width; and the means of its 2 x 2 parts."""
    h, w = frames.shape[1:3]
    rows, columns = min(h, w * height // width), min(w, h * width // height)
    cut = frames[0, (h - rows) // 2 :][:rows, (w - columns) // 2 :][:, :columns].astype(float)
    return cut.reshape(2, rows // 2, 2, columns // 2, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("size", [(48, 80), (80, 48), (60, 60), (48, 96)])
@pytest.mark.parametrize("shape", [(16, 16), (16, 32), (24, 16)])
def test_the_middle_window_is_taken_and_nothing_is_stretched(tmp_path, size, shape):
    """Each quarter of the clip has the mean of that quarter of the window: a moved or stretched one would not."""
    h, w = size
    y, x = np.mgrid[:h, :w]
    picture = np.stack([x * 200 / w, y * 200 / h, 100 + 50 * np.sin(x / 9) * np.cos(y / 7)], axis=-1)
    frames = np.repeat(picture[None], 8, axis=0).astype(np.uint8)
    write(tmp_path / "a.mp4", frames)
    clip = read_folder(tmp_path, (8, *shape)).clips[0]
    parts = clip[:, 0].float().reshape(3, 2, shape[0] // 2, 2, shape[1] // 2).mean(dim=(2, 4)).permute(1, 2, 0)
    assert np.abs(parts.numpy() - window(frames, *shape)).max() < 4


def test_scaling_is_anti_aliased(tmp_path):
    """A board of single black and white pixels becomes grey. Taking one in 7 x 7 would not make it grey."""
    board = np.indices((56, 56)).sum(0) % 2 * 255
    write(tmp_path / "a.mp4", np.repeat(board[None, :, :, None], 8, 0).repeat(3, 3).astype(np.uint8))
    clip = read_folder(tmp_path, (8, 8, 8)).clips[0].float()
    assert (clip - 127.5).abs().max() < 16


@pytest.mark.parametrize("size", [(53, 101), (101, 53), (1, 64), (5, 5), (301, 3)])
def test_odd_sizes_are_read(tmp_path, size):
    write(tmp_path / "a.mp4", grey(np.arange(16) * 15, *size))
    found = read_folder(tmp_path, SMALL)
    assert found.clips.shape == (2, 3, *SMALL)
    assert (torch.cat([brightness(clip) for clip in found.clips]) - 15 * torch.arange(16)).abs().max() < 3


@pytest.mark.parametrize(("size", "shape"), [((64, 1), (4, 16)), ((1, 64), (16, 4))])
def test_a_line_still_gives_a_picture(tmp_path, size, shape):
    """Its window would be a quarter of a pixel thin."""
    write(tmp_path / "a.mp4", grey(np.arange(8) * 15, *size))
    assert (brightness(read_folder(tmp_path, (8, *shape)).clips[0]) - 15 * torch.arange(8)).abs().max() < 3


def test_a_moving_square_is_where_it_was(tmp_path):
    """Two pixels to the right in each frame of 32 x 64: its centre in the clip follows, once it is in the window."""
    frames = grey([0] * 16, 32, 64)
    for k, frame in enumerate(frames):
        frame[12:20, 12 + 2 * k : 20 + 2 * k] = (255, 128, 0)
    write(tmp_path / "a.mp4", frames)
    clip = read_folder(tmp_path, (16, 16, 16)).clips[0].float()
    weight = clip[0].sum(dim=1)  # (T, W)
    centre = (weight * (torch.arange(16) + 0.5)).sum(1) / weight.sum(1)
    torch.testing.assert_close(centre[4:13], (16.0 + 2 * torch.arange(16)[4:13] - 16) / 2, atol=0.2, rtol=0)
    inside = clip[:, 8, 7:9, 7:9].mean(dim=(1, 2))
    assert (inside - torch.tensor([255.0, 128, 0])).abs().max() < 6  # red, green and blue in this order


def test_a_phone_held_upright_is_turned(tmp_path):
    """Stored lying, to be turned clockwise: what is stored at the top left is seen at the top right."""
    frames = grey([0] * 8, 32, 32)
    frames[:, :16, :16] = 200
    write(tmp_path / "a.mp4", frames)
    write(tmp_path / "b.mp4", frames, rotate=True)
    plain, turned = read_folder(tmp_path, SMALL).clips.float()
    assert plain[:, :, :6, :6].min() > 190 and plain[:, :, :, 10:].max() < 10
    assert turned[:, :, :6, 10:].min() > 190 and turned[:, :, :, :6].max() < 10


@pytest.mark.parametrize("rotate", [False, True])
def test_pixels_that_are_not_square(tmp_path, rotate):
    """16 x 16 pixels, each twice as wide as high, are a picture of 2 : 1; its middle square is 16 rows, 8 columns."""
    frames = grey([0] * 8)
    frames[:, :, :4], frames[:, :, 4:12], frames[:, :, 12:] = 50, 150, 250
    write(tmp_path / "a.mp4", frames, pixels=Fraction(2, 1), rotate=rotate)
    assert (brightness(read_folder(tmp_path, SMALL).clips[0]) - 150).abs().max() < 4


# --- captions and draws


def test_captions_are_lines_and_words_are_the_tokenizer_s(tmp_path):
    write(tmp_path / "b.mp4", grey(range(16)), caption="\ufeffA red kite, high up.\n\n  a kite \n...\n")
    write(tmp_path / "a.mp4", grey(range(8)), caption="ein Vogel über dem Meer\r\n")
    found = read_folder(str(tmp_path), SMALL)
    kite = ("A red kite, high up.", "a kite")
    assert found.captions == [("ein Vogel über dem Meer",), kite, kite] and not found.skipped  # by name
    assert found.vocabulary == ("a", "dem", "ein", "high", "kite", "meer", "red", "up", "vogel", "über")
    assert found.max_words == 5
    tokens = Tokenizer(found.vocabulary, found.max_words)([line for every in found.captions for line in every])
    assert tokens.shape == (5, 5) and set(tokens.flatten().tolist()) == set(range(len(found.vocabulary) + 1))


def test_draws_are_the_generator_s_and_every_clip_and_phrasing_comes(tmp_path):
    found = Videos(
        torch.arange(5, dtype=torch.uint8).mul(50).reshape(5, 1, 1, 1, 1).expand(5, 3, 2, 4, 4),
        [tuple(f"{k} {j}" for j in range(k + 1)) for k in range(5)],
    )
    clips, prompts = found.random_clips(3000, dice(1))
    again, same = found.random_clips(3000, dice(1))
    assert torch.equal(clips, again) and prompts == same
    assert not torch.equal(clips, found.random_clips(3000, dice(2))[0])
    assert clips.shape == (3000, 3, 2, 4, 4) and clips.dtype == torch.float32
    rows = [int(prompt.split()[0]) for prompt in prompts]
    torch.testing.assert_close(clips[:, 0, 0, 0, 0], torch.tensor(rows) * 100 / 255 - 1)  # each with its own caption
    for k in range(5):
        for j in range(k + 1):
            expected = 600 / (k + 1)
            assert abs(prompts.count(f"{k} {j}") - expected) < 5 * expected**0.5
    assert found.random_clips(0, dice())[1] == []


def test_range_is_minus_one_to_one(tmp_path):
    write(tmp_path / "a.mp4", grey([0, 255] * 4))
    clips, prompts = read_folder(tmp_path, SMALL).random_clips(2, dice())
    assert prompts == ["a clip"] * 2 and clips.min() == -1 and clips.max() == 1


def test_a_model_trains_on_them(tmp_path):
    for name, start in (("light", 200), ("dark", 20)):
        write(tmp_path / f"{name}.mp4", grey(start + np.arange(16)), caption=f"it is {name}")
    found = read_folder(tmp_path, SMALL)
    tokenizer = Tokenizer(found.vocabulary, found.max_words)

    def draw(count, generator):
        clips, prompts = found.random_clips(count, generator)
        return clips, tokenizer(prompts)

    stay = resident(found.clips.float() / 127.5 - 1, tokenizer([every[0] for every in found.captions]))
    config = DiTConfig(hidden_size=32, depth=1, num_heads=2, vocabulary_size=len(found.vocabulary))
    for batches in (draw, stay):
        torch.manual_seed(0)
        trainer = Trainer(DiT(config), batches, TrainConfig(steps=30, batch_size=8, warmup=2))
        losses = trainer.run(30, progress=False).losses
        assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


# --- odd files


def sound_only(path):
    with av.open(path, "w") as file:
        stream = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate, frame.pts = 8000, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def noisy(count, height=32, width=32, seed=0):
    """Frames that do not compress, so that cutting bytes cuts frames."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def odd_files(folder):
    """One of each kind, with what must be said about it."""
    cut(write(folder / "cut.mp4", noisy(16)), 0.6)  # its table of contents, at the end, is gone
    sound_only(folder / "sound.mp4").with_suffix(".txt").write_text("a sound")
    for name, data in (("empty", b""), ("random", np.random.default_rng(0).bytes(5000)), ("page", b"<html>" * 50)):
        (folder / f"{name}.mp4").write_bytes(data)
        (folder / f"{name}.txt").write_text("a clip")
    write(folder / "one.mp4", grey([7]))
    write(folder / "one.gif", grey([7]))
    write(folder / "short.mp4", grey(range(5)))
    write(folder / "silent.mp4", grey(range(8)), caption=None)
    write(folder / "blank.mp4", grey(range(8)), caption=" \n,.\n")
    write(folder / "latin.mp4", grey(range(8))).with_suffix(".txt").write_bytes(
        "ein Vogel über dem Meer".encode("latin-1")
    )
    write(folder / "later.mp4", grey(range(9)), times=[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 9000, 9000.1])
    (folder / "gone.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "gone.txt").write_text("a clip")
    not_a_video = r"damaged, cut short or not a video \(Invalid data found when processing input\)$"
    return {
        "cut.mp4": not_a_video,
        "sound.mp4": "no video stream",
        "empty.mp4": not_a_video,
        "random.mp4": not_a_video,
        "page.mp4": not_a_video,
        "one.mp4": "one frame only: an image",
        "one.gif": "one frame only: an image",
        "short.mp4": r"too short: it lasts 0.62 s, and 8 frames at 8 a second need more than 0.875 s$",
        "silent.mp4": r"no caption beside it \(silent.txt\)",
        "blank.mp4": "its caption blank.txt has no words",
        "latin.mp4": "its caption latin.txt is not UTF-8",
        "later.mp4": r"broken time stamps: a frame would stay from 0.60 s to 9000.00 s$",
        "gone.mp4": "No such file",
    }


def test_odd_files_are_named_and_the_good_ones_come_through(tmp_path, monkeypatch):
    expected = odd_files(tmp_path)
    write(tmp_path / "a good one.mp4", grey(np.arange(8) * 10), caption="first")
    write(tmp_path / "file:zebra 100%d.mp4", grey(np.arange(8) * 20), caption="last")
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "inside").mkdir()
    write(tmp_path / "inside" / "deep.mp4", grey(range(8)))
    (tmp_path / "readme.md").write_text("nothing to see")
    monkeypatch.chdir(tmp_path)
    found = read_folder(".", SMALL)
    assert found.captions == [("first",), ("last",)]
    assert (brightness(found.clips[0]) - 10 * torch.arange(8)).abs().max() < 3
    assert (brightness(found.clips[1]) - 20 * torch.arange(8)).abs().max() < 3
    assert set(found.skipped) == set(expected)
    for name, reason in expected.items():
        assert re.match(reason, found.skipped[name]), (name, found.skipped[name])


@pytest.mark.parametrize(("name", "reason"), [("a.mp4", "damaged"), ("a.mkv", "cut short"), ("a.webm", "cut short")])
def test_what_was_whole_before_the_damage_is_kept(tmp_path, name, reason):
    """A video of 40 frames, cut at 70 %: its first clips as they were, and the file named with their number."""
    front = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = write(tmp_path / name, noisy(40), container=front)
    whole = read_folder(tmp_path, SMALL)
    cut(path, 0.7)
    found = read_folder(tmp_path, SMALL)
    n = len(found.clips)
    assert 2 <= n <= 3 and len(whole.clips) == 5 and not whole.skipped
    assert torch.equal(found.clips, whole.clips[:n]) and len(found.captions) == n
    assert found.skipped[name].startswith(reason) and found.skipped[name].endswith(f"which are kept: {n}")


def holes(path):
    """The numbers of the frames that the decoder filled with guesses; none where it gave up instead."""
    try:
        with av.open(path) as file:
            return [k for k, frame in enumerate(file.decode(video=0)) if frame.is_corrupt]
    except av.FFmpegError:
        return []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_damage_in_the_middle_is_not_decoded_into_guesses(tmp_path, suffix):
    """Ten wrong bytes, put where the decoder goes on as if nothing had been."""
    t, y, x = np.mgrid[:40, :64, :64]
    waves = 127 + 90 * np.sin((x + 3 * t) / 5) * np.cos((y - 2 * t) / 7)
    waves += np.random.default_rng(0).normal(0, 8, t.shape)
    frames = np.repeat(waves[..., None].clip(0, 255), 3, axis=3).astype(np.uint8)
    path = write(tmp_path / f"a{suffix}", frames, options={"crf": "28"})
    whole, data, tried = read_folder(tmp_path, SMALL).clips, path.read_bytes(), 0
    for at in np.linspace(0.3, 0.7, 40) * len(data):
        path.write_bytes(data[: int(at)] + np.random.default_rng(int(at)).bytes(10) + data[int(at) + 10 :])
        if (found := holes(path)) and found[0] > 8:
            kept, tried = read_folder(tmp_path, SMALL), tried + 1
            assert kept.skipped[path.name].startswith("damaged")
            assert len(kept.clips) == (found[0] - 1) // 8  # how long the last good frame stays is not known
            assert torch.equal(kept.clips[:1], whole[:1])
    assert tried > 0


def test_nothing_to_read(tmp_path):
    with pytest.raises(ValueError, match="^folder must be a folder with videos, and there is none at .*nowhere"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "a.txt").write_text("a clip")
    with pytest.raises(ValueError, match="^folder must be a folder"):
        read_folder(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"^folder .*: no .mp4, .m4v, .mov, .webm, .mkv, .gif in it"):
        read_folder(tmp_path)
    for k in range(13):
        (tmp_path / f"{k:02}.mp4").touch()
    with pytest.raises(ValueError, match="^folder .*could be read") as raised:
        read_folder(tmp_path)
    lines = str(raised.value).splitlines()
    assert len(lines) == 12 and lines[1] == "  00.mp4: no caption beside it (00.txt)" and lines[-1] == "  and 3 more"


@pytest.mark.parametrize("size", [(8, 16), (8, 16, 0), (8, 16.0, 16), (True, 16, 16), 8, "123", (8, -16, 16), None])
def test_bad_sizes_are_named(tmp_path, size):
    with pytest.raises(ValueError, match="^size must be three positive whole numbers"):
        read_folder(tmp_path, size)


@pytest.mark.parametrize("fps", [0, -8.0, math.nan, math.inf, "8", None, True])
def test_bad_rates_are_named(tmp_path, fps):
    with pytest.raises(ValueError, match="^fps must be a positive number"):
        read_folder(tmp_path, SMALL, fps)


def test_without_pyav_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match="^reading videos needs PyAV: pip install av$"):
        read_folder(tmp_path, SMALL)


def test_no_more_frames_are_held_than_a_clip_needs(tmp_path, monkeypatch):
    """Pictures alive at once while 200 frames are read: those of one clip."""
    alive, most, made = weakref.WeakSet(), 0, module._picture

    def counted(*arguments):
        nonlocal most
        picture = made(*arguments)
        alive.add(picture)
        most = max(most, len(alive))
        return picture

    monkeypatch.setattr(module, "_picture", counted)
    write(tmp_path / "a.mp4", grey(range(200)))
    assert len(read_folder(tmp_path, SMALL).clips) == 25 and most <= 9
