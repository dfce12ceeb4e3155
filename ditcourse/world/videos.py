"""A learner's own videos as a training set: a folder of files, each with its captions in a text file beside it.

    clips/kite.mp4    clips/kite.txt: "a red kite climbs", and on the next line "a kite in the wind"

Frames are chosen by their time stamps, so a video of any rate, or of a changing one, keeps its speed. A phone's
rotation and pixels that are not square are respected; mirroring, sound, transparency and HDR are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".gif")
LONGEST = 60.0  # seconds: a frame that stays for longer has a broken time stamp
CUT_SHORT = 0.5  # seconds that .webm and .mkv may lack of the length they state; their sound may end later


@dataclass(frozen=True, eq=False)
class Videos:
    """Clips with their captions, and what could not be read."""

    clips: Tensor  # (N, 3, T, H, W) uint8
    captions: list[tuple[str, ...]]  # N times the phrasings of one clip
    skipped: dict[str, str] = field(default_factory=dict)  # file name -> reason

    def random_clips(self, count: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """Clips (count, 3, T, H, W) in [-1, 1], drawn at random with replacement, and for each one of its phrasings."""
        rows = torch.randint(len(self.clips), (count,), generator=generator)
        among = torch.rand(count, generator=generator).tolist()
        phrasings = [self.captions[row] for row in rows.tolist()]
        prompts = [every[int(u * len(every))] for u, every in zip(among, phrasings, strict=True)]
        return self.clips[rows].float() / 127.5 - 1, prompts

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the captions, sorted, as `ditcourse.model.Tokenizer` takes them."""
        return tuple(sorted({word for every in self.captions for phrasing in every for word in _words(phrasing)}))

    @property
    def max_words(self) -> int:
        """The number of words of the longest caption."""
        return max(len(_words(phrasing)) for every in self.captions for phrasing in every)


def read_folder(folder: str | Path, size: tuple[int, int, int] = (16, 64, 64), fps: float = 8.0) -> Videos:
    """Read every video of a folder, by name, as clips of size T, H, W at fps frames a second. Needs PyAV.

    A video gives as many whole clips as it holds, one after the other; what is left at its end is not used. Each
    frame is cut to the middle window of shape H : W, as large as fits, and scaled with anti-aliasing. `kite.txt`
    beside `kite.mp4` holds the captions, UTF-8, a phrasing on each line. Folders inside and files of other kinds
    (SUFFIXES has those that are read) are left alone.

    A file that cannot be used is never fatal: `skipped` names it and says why. Of a damaged video the whole clips
    before the damage are kept, and it is named too. Damage that a format does not let us see, as the missing end
    of a .gif or a few wrong bytes in a .webm, goes unnoticed. Memory: the clips as uint8 (an hour of video at the
    standard size is 350 MB), and one clip and two frames more.

    Raises ValueError, naming the argument, for a folder that is none or holds nothing that can be read (with each
    reason, at most ten), for a bad size or fps; ImportError without PyAV.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder with videos, and there is none at {str(folder)!r}")
    if not isinstance(size, (list, tuple)) or len(size) != 3 or not all(type(n) is int and n > 0 for n in size):
        raise ValueError(f"size must be three positive whole numbers (T, H, W), got {size!r}")
    if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps < math.inf:
        raise ValueError(f"fps must be a positive number, got {fps!r}")
    try:
        import av
    except ImportError as error:
        raise ImportError("reading videos needs PyAV: pip install av") from error

    captions, skipped = [], {}
    data = bytearray()  # grows in place; a list of clips would have to be copied at the end
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        before = len(captions)
        try:
            phrasings = _phrasings(path.with_suffix(".txt"))
            for clip in _clips(path, tuple(size), fps):
                data += clip.numpy().data
                captions.append(phrasings)
        except Exception as error:  # one odd file must not end the reading of all, whatever PyAV makes of it
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            if isinstance(error, av.InvalidDataError):
                reason = f"damaged, cut short or not a video ({reason})"
            kept = len(captions) - before
            skipped[path.name] = reason + (f"; whole clips before that, which are kept: {kept}" if kept else "")
    if not captions:
        reasons = [f"{name}: {reason}" for name, reason in skipped.items()]
        more = [f"and {len(reasons) - 10} more"] if len(reasons) > 10 else []
        what = "\n  ".join(["no video in it could be read:", *reasons[:10], *more])
        raise ValueError(f"folder {str(folder)!r}: {what if reasons else 'no ' + ', '.join(SUFFIXES) + ' in it'}")
    return Videos(torch.frombuffer(data, dtype=torch.uint8).view(-1, 3, *size), captions, skipped)


def _words(phrasing: str) -> list[str]:
    """The words of a prompt as the model's tokenizer divides them."""
    return phrasing.lower().replace(",", " ").replace(".", " ").split()


def _phrasings(path: Path) -> tuple[str, ...]:
    """The lines of a caption file, without the blank ones."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # Windows puts a mark in front
    except FileNotFoundError:
        raise ValueError(f"no caption beside it ({path.name})") from None
    except UnicodeDecodeError:
        raise ValueError(f"its caption {path.name} is not UTF-8 text") from None
    phrasings = tuple(line.strip() for line in lines if _words(line))
    if not phrasings:
        raise ValueError(f"its caption {path.name} has no words")
    return phrasings


def _clips(path: Path, size: tuple[int, int, int], fps: float) -> Iterator[Tensor]:
    """The clips (3, T, H, W) uint8 of one video. Picture k is what is on the screen k / fps after the first frame."""
    import av

    pictures, made, end, T = [], 0, 0.0, size[0]
    with av.open(str(path.resolve()), metadata_errors="ignore") as container:
        stream = container.streams.best("video")
        if stream is None:
            raise ValueError("no video stream in it")
        aspect = float(stream.sample_aspect_ratio or 1)
        rounding = 0.51 * min(float(stream.time_base), 0.01)  # stamps are whole ticks: of 1 ms in .mkv, 10 ms in .gif
        for frame, until in _shown(container, stream):
            times = math.ceil((until - rounding) * fps) - made  # so often k / fps falls into the frame's stay
            if until - end > LONGEST:
                raise ValueError(f"broken time stamps: a frame would stay from {end:.2f} s to {until:.2f} s")
            picture = _picture(frame, size[1:], aspect) if times > 0 else None
            for _ in range(times):
                pictures.append(picture)
                if len(pictures) == T:
                    yield torch.stack(pictures, dim=1)
                    pictures = []
            made, end = made + max(0, times), until
        stated = container.duration / 1e6 if stream.duration is None and container.duration else 0
        if end < stated - CUT_SHORT:  # no error tells that the end is missing
            raise ValueError(f"cut short: its pictures end after {end:.2f} s of {stated:.2f} s")
        if made < T:
            need = f"{T} frames at {fps:g} a second need more than {(T - 1) / fps:g} s"
            raise ValueError(f"too short: it lasts {end:.2f} s, and {need}")


def _shown(container, stream) -> Iterator[tuple]:
    """Every frame, and when it leaves the screen, in seconds after the first frame. ValueError at the first damage."""
    shown, start, count = None, 0.0, 0
    for frame in container.decode(stream):
        if frame.is_corrupt or frame.time is None:  # going on, the decoder would fill the holes with guesses
            raise ValueError("damaged: a frame with holes in it, or without a time stamp")
        if shown is None:
            start = frame.time
        else:
            yield shown, frame.time - start
        shown, count = frame, count + 1
    if count < 2:
        raise ValueError("one frame only: an image, not a video" if count else "no frame in it")
    last = shown.duration * shown.time_base if shown.duration else 1 / (stream.average_rate or math.inf)
    yield shown, shown.time - start + float(last)


def _picture(frame, size: tuple[int, int], aspect: float) -> Tensor:
    """A decoded frame as (3, H, W) uint8: upright, the middle window of shape H : W, scaled. aspect: of one pixel."""
    pixels = torch.from_numpy(frame.to_ndarray(format="rgb24"))  # (h, w, 3)
    turns = round(frame.rotation / 90)  # anticlockwise
    if turns % 2:
        aspect = 1 / aspect
    pixels = pixels.rot90(turns)
    (h, w), (H, W) = pixels.shape[:2], size
    slope = W / H / aspect  # columns of the window for each of its rows
    rows, columns = max(1, min(h, round(w / slope))), max(1, min(w, round(h * slope)))
    top, left = (h - rows) // 2, (w - columns) // 2
    window = pixels[top : top + rows, left : left + columns].permute(2, 0, 1)[None].float()
    return interpolate(window, size, mode="bilinear", antialias=True)[0].round().clamp(0, 255).to(torch.uint8)
