"""Clips on the screen and on disk: animated WebP, which every browser loops, Colab and JupyterLab included.

A reader who asks their system for less motion sees the middle frame instead.
"""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = (".webp", ".gif", ".png")


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
    """Write a clip (C, T, H, W) as an animated .webp, .gif or .png, and return the path.

    Raises ValueError for another suffix, FileNotFoundError where the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"path must end in {', '.join(FORMATS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into")
    data = encode(clip, scale, fps, path.suffix[1:].upper())
    path.write_bytes(data)
    return path


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
