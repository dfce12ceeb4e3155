"""Draw the pictures of the front page and of chapter 0 from the miniature world and its trained model.

    python tools/make_images.py             write book/images/*.webp
    python tools/make_images.py --check     draw again, compare pixels with what is there, write nothing
    python tools/make_images.py dissolve    only the pictures named

A moving picture NAME.webp has a still beside it, NAME_still.webp, for readers who asked for less motion.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageSequence

from ditcourse import pipeline, world
from ditcourse.diffusion import add_noise
from ditcourse.figures.clips import to_frames
from ditcourse.model.patches import patchify

FOLDER = Path(__file__).parents[1] / "book" / "images"
PANEL, INK, LINE, ACCENT = (11, 14, 26), (232, 236, 246), (70, 80, 110), (120, 220, 255)
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
FPS = 8
TOLERANCE = 2.0  # mean difference in grey levels that another version of Pillow or torch may make

FRONT_PAGE = (
    "a red circle moves left", "a blue square moves up", "a yellow triangle moves right",
    "a green circle moves down", "a yellow square moves left", "a red triangle moves up",
    "a green square moves right", "a blue triangle moves down",
)  # fmt: skip
PROMPT = "a yellow triangle moves right"
PLAIN = 1.0  # guidance: chapter 0 explains the plain prediction, so its pictures show that one


# Pictures that need no model


def dissolve() -> np.ndarray:
    """One clip at six levels of noise, x_t = (1 - t) x_0 + t noise, the same noise each time."""
    generator = torch.Generator().manual_seed(26)
    clip = world.render([PROMPT], generator)
    noise = torch.randn(clip.shape, generator=generator)
    levels = torch.linspace(0, 1, 6)
    clips = add_noise(clip.expand(6, *clip.shape[1:]), noise.expand(6, *clip.shape[1:]), levels)
    return sheet([list(clips)], [[f"t = {t:g}" for t in (0, 0.2, 0.4, 0.6, 0.8, 1)]])


def average() -> np.ndarray:
    """Two clips that differ in direction only, and their mean: the best single guess is neither."""
    left, right = (world.render([f"a red circle moves {way}"], torch.Generator().manual_seed(29))[0]
                   for way in ("left", "right"))
    mean = (left + right) / 2
    return sheet([[left, right, mean]], [["moves left", "moves right", "the average"]], scale=16)


def patches() -> np.ndarray:
    """A clip of 8 frames of 16 x 16 pixels cut into 64 patches of 2 x 4 x 4, and the row they make."""
    clip = world.render([PROMPT], torch.Generator().manual_seed(26))
    chosen = (1, 1, 2)  # the patch to mark: second pair of frames, second row, third column
    scale, pair_gap, small = 8, 40, 7
    picture = Image.new("RGB", (1200, 450), PANEL)
    draw = ImageDraw.Draw(picture)
    for i, frame in enumerate(to_frames(clip[0])):
        x, y = 18 + i * (16 * scale + 4) + (i // 2) * (pair_gap - 4), 64
        picture.paste(enlarged(frame, scale), (x, y))
        for k in range(0, 17, 4):
            draw.line([(x + k * scale, y), (x + k * scale, y + 16 * scale)], LINE, 1)
            draw.line([(x, y + k * scale), (x + 16 * scale, y + k * scale)], LINE, 1)
        if i // 2 == chosen[0]:
            corner = (x + chosen[2] * 4 * scale, y + chosen[1] * 4 * scale)
            draw.rectangle([corner, (corner[0] + 4 * scale, corner[1] + 4 * scale)], outline=ACCENT, width=4)
    text(draw, (600, 34), "one patch: 4 x 4 pixels, 2 frames deep")
    text(draw, (600, 240), "the clip as a row of 64 tokens")
    tokens = patchify(clip, (2, 4, 4)).reshape(64, 3, 2, 4, 4)
    marked = (chosen[0] * 4 + chosen[1]) * 4 + chosen[2]
    for i, token in enumerate(tokens):
        x, y = 26 + (i % 32) * 36, 280 + (i // 32) * 84
        both = np.concatenate(list(to_frames(token)), axis=0)  # its two frames, one above the other
        picture.paste(enlarged(both, small), (x, y))
        if i == marked:
            draw.rectangle([(x - 5, y - 5), (x + 4 * small + 4, y + 8 * small + 4)], outline=ACCENT, width=4)
    return np.asarray(picture)[None]


# Pictures that the trained model makes


def way() -> np.ndarray:
    """Sampling seen from inside: the grid, and the model's guess of the clip, at five of 25 steps."""
    seen = []
    clip = pipeline.load("mini")([PROMPT], seed=2, guidance_scale=PLAIN,
                                 on_step=lambda t, x, guess: seen.append((x[0], guess[0])))
    at = (0, 1, 4, 9, 16)  # the guess changes early, the grid late
    labels = [f"step {i + 1}" for i in at] + ["the end"]
    return sheet([[seen[i][0] for i in at] + [clip[0]], [seen[i][1] for i in at] + [clip[0]]],
                 [[""] * 6, labels], ["in the grid", "the model's guess of the clip"])


def prompts_and_noises() -> np.ndarray:
    """One prompt with four noises, and one noise with four prompts."""
    pipe = pipeline.load("mini")
    top = [pipe([PROMPT], seed=seed, guidance_scale=PLAIN)[0] for seed in range(4)]
    prompts = ("a red circle moves left", "a blue circle moves left", "a blue square moves left",
               "a blue square moves up")
    bottom = [pipe([prompt], seed=0, guidance_scale=PLAIN)[0] for prompt in prompts]
    names = ["red circle ←", "blue circle ←", "blue square ←", "blue square ↑"]
    return sheet([top, bottom], [["noise 1", "noise 2", "noise 3", "noise 4"], names],
                 ["one prompt, four noises", "one noise, four prompts"], scale=17)


def front_page() -> dict[str, np.ndarray]:
    """The clips of the front page: one for each prompt, all from seed 0, none chosen."""
    clips = pipeline.load("mini")(list(FRONT_PAGE), seed=0)
    return {"front_" + "_".join(prompt.split()[1:]).replace("_moves", ""): to_frames(clip)
            for prompt, clip in zip(FRONT_PAGE, clips, strict=True)}


STILLS = {"average": -1}  # the frame that tells most, where it is not the middle one
PICTURES = {"dissolve": dissolve, "average": average, "patches": patches, "way": way,
            "prompts_and_noises": prompts_and_noises, "front_page": front_page}


# Drawing


def sheet(rows, labels, titles=(), scale: int = 11) -> np.ndarray:
    """Rows of clips (C, T, H, W) side by side, labels below, a title over each row: frames (T, H, W, 3)."""
    side, gap = 16 * scale, 20
    width = max(1200, len(rows[0]) * (side + gap) + gap)
    title_height, label_height = (56 if titles else 0), 60
    height = gap + sum(title_height + side + (label_height if any(names) else gap) for names in labels)
    frames = []
    for f in range(world.CLIP_SIZE[1]):
        picture = Image.new("RGB", (width, height), PANEL)
        draw = ImageDraw.Draw(picture)
        y = gap // 2
        for r, (clips, names) in enumerate(zip(rows, labels, strict=True)):
            if titles:
                text(draw, (width // 2, y + title_height // 2 + 2), titles[r])
                y += title_height
            pitch = (width - gap) / len(clips)
            for i, (clip, name) in enumerate(zip(clips, names, strict=True)):
                x = round(gap / 2 + (i + 0.5) * pitch)
                top = y if titles else y + gap // 2
                picture.paste(enlarged(to_frames(clip)[f], scale), (x - side // 2, top))
                text(draw, (x, top + side + label_height // 2), name)
            y += side + (label_height if any(names) else gap)
        frames.append(np.asarray(picture))
    return np.stack(frames)


def enlarged(frame: np.ndarray, scale: int) -> Image.Image:
    """A frame with every pixel drawn scale x scale."""
    return Image.fromarray(frame.repeat(scale, axis=0).repeat(scale, axis=1))


def text(draw: ImageDraw.ImageDraw, centre: tuple[int, int], words: str, size: int = 38) -> None:
    """Words, centred at a point."""
    draw.text(centre, words, INK, ImageFont.truetype(FONT, size), anchor="mm")


# Writing and comparing


def files() -> dict[str, np.ndarray]:
    """Every file name that the chosen pictures make, and its frames."""
    made = {}
    for name, draw in PICTURES.items():
        drawn = draw()
        for key, frames in (drawn if isinstance(drawn, dict) else {name: drawn}).items():
            made[f"{key}.webp"] = frames
            if len(frames) > 1:
                made[f"{key}_still.webp"] = frames[STILLS.get(name, len(frames) // 2)][None]
    return made


def encode(frames: np.ndarray) -> bytes:
    """Frames (T, H, W, 3) as a lossless WebP, moving if there are several."""
    images = [Image.fromarray(frame) for frame in frames]
    moving = {"save_all": True, "append_images": images[1:], "duration": 1000 // FPS, "loop": 0}
    buffer = io.BytesIO()
    images[0].save(buffer, "WEBP", lossless=True, quality=100, method=6, **(moving if images[1:] else {}))
    return buffer.getvalue()


def decode(path: Path) -> np.ndarray:
    """The frames of a WebP file."""
    with Image.open(path) as image:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


def differs(path: Path, frames: np.ndarray) -> str | None:
    """What is wrong with the file, or None."""
    if not path.is_file():
        return "is missing"
    there = decode(path)
    if there.shape != frames.shape:
        return f"has frames {there.shape}, not {frames.shape}"
    gap = np.abs(there.astype(float) - frames).mean()
    return f"differs by {gap:.1f} grey levels on average" if gap > TOLERANCE else None


@click.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Compare, write nothing.")
def main(names: tuple[str, ...], check: bool) -> None:
    """Draw the pictures, all or those named."""
    if unknown := set(names) - set(PICTURES):
        raise click.BadParameter(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(PICTURES)}")
    for name in [name for name in PICTURES if names and name not in names]:
        del PICTURES[name]
    stale = 0
    for name, frames in files().items():
        path = FOLDER / name
        if check:
            if problem := differs(path, frames):
                stale += 1
                print(f"{path.name} {problem}", file=sys.stderr)
        else:
            path.write_bytes(encode(frames))
            print(f"{path.name}  {frames.shape[2]} x {frames.shape[1]}, {len(frames)} frames, "
                  f"{path.stat().st_size / 1000:.0f} kB")
    if stale:
        sys.exit("Pictures are stale; run: python tools/make_images.py")


if __name__ == "__main__":
    main()
