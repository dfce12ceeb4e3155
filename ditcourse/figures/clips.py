"""Clips on the screen and on disk: animated WebP, which every browser loops, Colab and JupyterLab included.

A reader who asks their system for less motion sees the middle frame instead.
"""

from __future__ import annotations

import base64
import html
import io
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = (".webp", ".gif", ".png", ".mp4")


def to_frames(clip) -> np.ndarray:
    """A clip (C, T, H, W) in [-1, 1], tensor or array, as frames (T, H, W, 3) uint8. One channel becomes grey."""
    if hasattr(clip, "detach"):
        clip = clip.detach().float().cpu().numpy()
    clip = np.asarray(clip, dtype=np.float64)
    if clip.ndim != 4 or clip.shape[0] not in (1, 3):
        raise ValueError(
            f"clip must be (C, T, H, W) with 1 or 3 channels, got shape {clip.shape}; for a batch take clips[0]"
        )
    frames = np.rint((np.clip(clip, -1, 1) + 1) * 127.5).astype(np.uint8).transpose(1, 2, 3, 0)
    return np.repeat(frames, 3, axis=3) if frames.shape[3] == 1 else frames


def encode(clip, scale: int = 1, fps: float = 8, format: str = "WEBP") -> bytes:
    """The bytes of an animated picture, lossless, each pixel drawn scale x scale."""
    images = [
        Image.fromarray(frame).resize(
            (frame.shape[1] * scale, frame.shape[0] * scale), Image.Resampling.NEAREST
        )
        for frame in to_frames(clip)
    ]
    buffer = io.BytesIO()
    images[0].save(
        buffer,
        format,
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / fps),
        loop=0,
        **({"lossless": True, "method": 6} if format == "WEBP" else {}),
    )
    return buffer.getvalue()


def encode_still(clip, scale: int = 1) -> bytes:
    """The bytes of the clip's middle frame, a lossless WebP."""
    middle = to_frames(clip).shape[0] // 2
    return encode(clip[:, middle : middle + 1], scale)


def save_clip(clip, path: str | Path, scale: int = 8, fps: float = 8) -> Path:
    """Write a clip (C, T, H, W) as an animated .webp, .gif or .png, or as .mp4 (needs PyAV), and return the path.

    Raises ValueError for another suffix, FileNotFoundError where the folder does not exist, ImportError for .mp4
    without PyAV.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"path must end in {', '.join(FORMATS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    if path.suffix.lower() == ".mp4":
        data = encode_mp4(clip, scale, fps)
    else:
        data = encode(clip, scale, fps, path.suffix[1:].upper())
    path.write_bytes(data)
    return path


def encode_mp4(clip, scale: int = 8, fps: float = 8) -> bytes:
    """The bytes of an H.264 video, with a pixel more of grey where a side is odd. Colours are slightly lossy."""
    try:
        import av
    except ImportError as error:
        raise ImportError("writing .mp4 needs PyAV: pip install av; or choose .webp") from error
    frames = to_frames(clip).repeat(scale, axis=1).repeat(scale, axis=2)
    frames = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), constant_values=128)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def side_by_side(clips, columns: int | None = None):
    """Clips (B, C, T, H, W) as one, (C, T, rows H, columns W): a grid filled row by row, the rest grey (0)."""
    clips = clips.detach().cpu().numpy() if hasattr(clips, "detach") else np.asarray(clips)
    if clips.ndim != 5 or not len(clips):
        raise ValueError(f"clips must be (B, C, T, H, W) with at least one clip, got shape {clips.shape}")
    columns = columns or len(clips)
    rows = -(-len(clips) // columns)
    padded = np.zeros((rows * columns, *clips.shape[1:]), dtype=clips.dtype)
    padded[: len(clips)] = clips
    C, T, H, W = clips.shape[1:]
    grid = padded.reshape(rows, columns, C, T, H, W).transpose(2, 3, 0, 4, 1, 5)
    return grid.reshape(C, T, rows * H, columns * W)


def clip_html(clip, alt: str, label: str = "", width: int = 128, fps: float = 8) -> str:
    """A <figure> that holds the clip as data, so that it needs no file beside it."""
    moving, still = (base64.b64encode(data).decode() for data in (encode(clip, fps=fps), encode_still(clip)))
    caption = f"<figcaption>{html.escape(label)}</figcaption>" if label else ""
    return (
        f'<figure class="clip" style="display:inline-block;margin:4px;max-width:{width}px;text-align:center">'
        f'<picture><source media="(prefers-reduced-motion: reduce)" srcset="data:image/webp;base64,{still}">'
        f'<img src="data:image/webp;base64,{moving}" alt="{html.escape(alt)}" width="{width}" '
        f'style="image-rendering:pixelated;max-width:100%"></picture>{caption}</figure>'
    )


def show_clip(clip, alt: str, label: str = "", width: int = 128, fps: float = 8):
    """Show one clip (C, T, H, W) in a notebook, looping. alt says in words what is to be seen."""
    from IPython.display import HTML

    return HTML(clip_html(clip, alt, label, width, fps))


def show_clips(clips, labels: list[str], alt: str = "Clip: {label}", width: int = 96, fps: float = 8):
    """Show clips (B, C, T, H, W) side by side with their labels; alt is filled with each label."""
    from IPython.display import HTML

    if len(clips) != len(labels):
        raise ValueError(f"every clip needs a label, got {len(clips)} clips and {len(labels)} labels")
    return HTML(
        "".join(
            clip_html(clip, alt.format(label=label), label, width, fps)
            for clip, label in zip(clips, labels, strict=True)
        )
    )
