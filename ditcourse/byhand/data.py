"""The givens of the hand exercise: read from exercise.json, checked, nothing computed."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ditcourse.byhand.steps import array, binary_time

# Sizes by name, read from the frames, the noise and the text; every other array must agree with them.
SHAPES = {
    "frames": ("tokens", "height", "width"),
    "noise": ("latent", "tokens"),
    "text": ("text",),
    "W_enc": ("latent", "pixels"),
    "b_enc": ("latent",),
    "W_ada": ("scale and shift", "condition"),
    "b_ada": ("scale and shift",),
    "M": ("tokens", "tokens"),
    "W_ff": ("latent", "latent"),
    "b_ff": ("latent",),
    "W_dec": ("pixels", "latent"),
    "b_dec": ("pixels",),
    "printed_shift": ("latent",),
    "W_Q": ("latent", "latent"),
    "b_Q": ("latent",),
    "schedule": ("levels", "signal, noise, whole"),
    "patch_size": ("frames, rows, columns",),
    "other_text": ("text",),
    "frame_order": ("tokens",),
}
TIME_BITS = 2


@dataclass(frozen=True, eq=False)
class Exercise:
    """The givens. Arrays as on paper, one column per token; shapes in the comments are those of the sheet."""

    prompt: str
    t: int
    frames: np.ndarray  # (4, 2, 2)
    W_enc: np.ndarray  # (2, 4)
    b_enc: np.ndarray  # (2,)
    noise: np.ndarray  # (2, 4)
    text: np.ndarray  # (3,)
    W_ada: np.ndarray  # (4, 5), rows: scale 1, scale 2, shift 1, shift 2
    b_ada: np.ndarray  # (4,)
    M: np.ndarray  # (4, 4), the two largest scores of each column
    W_ff: np.ndarray  # (2, 2)
    b_ff: np.ndarray  # (2,)
    W_dec: np.ndarray  # (4, 2)
    b_dec: np.ndarray  # (4,)
    printed_shift: np.ndarray  # (2,), as in the published article (erratum 1)
    W_Q: np.ndarray  # (2, 2), extension A
    b_Q: np.ndarray  # (2,)
    schedule: np.ndarray  # (5, 3), extension B: signal, noise and whole of each level t = 0..4
    patch_size: np.ndarray  # (3,), extension C: frames, rows, columns
    other_text: np.ndarray  # (3,), extension D
    frame_order: np.ndarray  # (4,), extension E: the frames in another order, counted from 0

    def __post_init__(self):
        if not isinstance(self.prompt, str) or not self.prompt.strip():
            raise ValueError(f"prompt: came as {self.prompt!r}; allowed: some words")
        binary_time(self.t, TIME_BITS)
        sizes = {"signal, noise, whole": 3, "frames, rows, columns": 3}
        for name, letters in SHAPES.items():
            words = (
                "("
                + ", ".join(
                    f"{letter} = {sizes[letter]}" if letter in sizes else letter for letter in letters
                )
                + ")"
            )
            value = np.array(
                array(name, getattr(self, name), tuple(sizes.get(letter) for letter in letters), words)
            )
            if not np.isfinite(value).all():
                raise ValueError(f"{name}: holds a value that is not finite; allowed: numbers")
            value.flags.writeable = False  # givens stay given
            object.__setattr__(self, name, value)
            sizes.update(zip(letters, value.shape, strict=True))
            if name == "frames":
                sizes["pixels"] = sizes["height"] * sizes["width"]
            elif name == "noise":
                sizes["scale and shift"] = 2 * sizes["latent"]
            elif name == "text":
                sizes["condition"] = sizes["text"] + TIME_BITS
        self._check_values()

    def _check_values(self):
        tokens = len(self.frames)
        if not np.isin(self.M, (0, 1)).all() or not (self.M.sum(axis=0) == 2).all():
            raise ValueError("M: allowed: 0 and 1, with two ones in every column")
        if sorted(self.frame_order.tolist()) != list(range(tokens)):
            raise ValueError(
                f"frame_order: came as {self.frame_order.tolist()}; allowed: 0 to {tokens - 1}, each once"
            )
        if not (self.schedule[:, 0] ** 2 + self.schedule[:, 1] ** 2 == self.schedule[:, 2] ** 2).all():
            raise ValueError(
                "schedule: allowed: rows a, b, c with a^2 + b^2 = c^2 (the variance is preserved)"
            )
        if any(
            size < 1 or have % size for size, have in zip(self.patch_size, self.frames.shape, strict=True)
        ):
            raise ValueError(
                f"patch_size: came as {self.patch_size.tolist()}; "
                f"allowed: sizes that divide the video {self.frames.shape}"
            )

    @property
    def time(self):
        """t as two binary digits."""
        return binary_time(self.t, TIME_BITS)


def load(path=None):
    """The hand exercise, or another one of the same form from the JSON file `path`."""
    path = Path(path) if path is not None else Path(__file__).with_name("exercise.json")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"no exercise file at {path}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}: not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ValueError(
            f"{path.name}: came as {type(given).__name__}; allowed: an object with the givens by name"
        )
    names = [field.name for field in fields(Exercise)]
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(f"{path.name}: missing: {', '.join(missing)}")
    unknown = sorted(set(given) - set(names) - {"title", "credit", "origin", "numberings"})
    if unknown:
        raise ValueError(f"{path.name}: unknown: {', '.join(unknown)}")
    return Exercise(**{name: given[name] for name in names})


def notes(path=None):
    """What the file says beside the givens: title, credit, origin of each given, the two numberings."""
    path = Path(path) if path is not None else Path(__file__).with_name("exercise.json")
    given = json.loads(path.read_text(encoding="utf-8"))
    return {name: given[name] for name in ("title", "credit", "origin", "numberings")}
