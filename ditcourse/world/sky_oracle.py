"""Skyworld's oracle: says where the subject is in each frame, then what it is, how it moves, and under which sky.

A small network, trained on painted clips only (experiments/train_oracle.py): it has never seen a clip of a generator
or an autoencoder, and no generator is trained on what it says. How the subject moves is read off its track by rule. It
may answer "nothing" where it finds no subject; such an answer is never what a prompt asked for.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from ditcourse.world.sky_words import ATTRIBUTES
from ditcourse.world.world import Reading

STILL, ROUND = 0.42, 0.5  # of `motion_of`: sides are 2 long; a straight way has a ratio near 0, a circle near 1
WINDOW = 0.55  # half of the side of the window that is looked at more closely; the picture's is 1
FRAMES = 8  # how many frames it looks at, evenly spread over the clip
NOTHING = "nothing"
ANSWERS = {name: values if name == "sky" else (*values, NOTHING) for name, values in ATTRIBUTES.items()}
PICTURE = 64  # pixels of height that it was trained for; others are scaled to it


class Oracle(nn.Module):
    """Clips (B, 3, T, H, W) in [-1, 1] -> scores for what is there, and where it is; see `forward`."""

    def __init__(self, width: int = 48):
        super().__init__()
        self.width = width
        self.eye = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, width // 2, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=2, dilation=2), nn.SiLU(),
        )  # fmt: skip
        self.where = nn.Conv2d(width, 1, 1)
        self.colour = _mlp(width, len(ANSWERS["colour"]))
        self.sky = _mlp(width, len(ANSWERS["sky"]))
        self.closer = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, padding=1), nn.SiLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, width, 3, stride=2, padding=1), nn.SiLU(),
            nn.Flatten(), _mlp(16 * width, len(ANSWERS["subject"])),
        )  # fmt: skip

    def forward(self, clips: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Scores of subject, colour and sky, each (B, answers); the track (B, 8, 2); the heat (B, 8, 16, W')."""
        seen, track, everywhere, heat = self.look(clips)
        subject = self.look_closer(clips, track)
        return {"subject": subject, "colour": self.colour(seen), "sky": self.sky(everywhere)}, track, heat

    def look_closer(self, clips: Tensor, track: Tensor) -> Tensor:
        """Scores of the subject, (B, answers), from a window round it in every other frame, in full sharpness."""
        return self.closer(self.window(clips, track)).unflatten(0, (len(clips), -1)).mean(1)

    def window(self, clips: Tensor, track: Tensor) -> Tensor:
        """What is round the subject in every other frame it looks at, (4 B, 3, 32, 32)."""
        frames = self.frames(clips)[:, ::2]  # (B, 4, 3, 64, W)
        side = torch.linspace(-WINDOW, WINDOW, 32, device=clips.device)
        y, x = torch.meshgrid(side, side * PICTURE / frames.shape[-1], indexing="ij")
        grid = torch.stack([x, y], dim=2) + track.detach()[:, ::2, None, None]  # (B, 4, 32, 32, 2)
        return F.grid_sample(frames.flatten(0, 1), grid.flatten(0, 1), padding_mode="border", align_corners=False)

    def look(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What it sees: features of the subject (B, D), its track (B, 8, 2), x and y in [-1, 1], the mean feature

        (B, D), and how sure it is that the subject covers a cell, (B, 8, 16, W'), as logits; W' = 16 if square.
        """
        features = self.eye(self.frames(clips).flatten(0, 1))  # (B 8, D, 16, W')
        B = len(clips)
        heat = self.where(features).reshape(B, FRAMES, *features.shape[2:])
        weights = heat.flatten(2).softmax(2).view_as(heat)
        features = features.reshape(B, FRAMES, -1, *features.shape[2:])
        y, x = ((torch.arange(n, device=clips.device) + 0.5) * 2 / n - 1 for n in weights.shape[2:])
        track = torch.stack([(weights.sum(2) * x).sum(2), (weights.sum(3) * y).sum(2)], dim=2)
        seen = torch.einsum("btdhw,bthw->bd", features, weights) / FRAMES
        return seen, track, features.mean((1, 3, 4)), heat

    def frames(self, clips: Tensor) -> Tensor:
        """Eight frames of each clip as pictures of 64 rows, (B, 8, 3, 64, W); W keeps their shape, in steps of 4."""
        if clips.dim() != 5 or clips.shape[1] != 3:
            raise ValueError(f"clips must be (B, 3, T, H, W), got {tuple(clips.shape)}")
        chosen = torch.linspace(0, clips.shape[2] - 1, FRAMES).round().long()
        return self.scaled(clips[:, :, chosen].transpose(1, 2).float().clamp(-1, 1))

    def scaled(self, frames: Tensor) -> Tensor:
        """Frames (B, T, 3, H, W) -> (B, T, 3, 64, W')."""
        H, W = frames.shape[-2:]
        size = (PICTURE, max(4, 4 * round(PICTURE * W / H / 4)))
        if (H, W) == size:
            return frames
        flat = F.interpolate(frames.flatten(0, 1), size, mode="bilinear", antialias=True)
        return flat.unflatten(0, frames.shape[:2])

    @torch.no_grad()
    def describe(self, clips: Tensor) -> Tensor:
        """Clips as numbers, (B, 2 D + 80): what it sees of the subject and of the picture, the closer look, the track.

        Clips that look and move alike have like numbers; distances between sets of clips are taken in them.
        """
        seen, track, everywhere, _ = self.look(clips)
        *convolutions, scores = self.closer
        shape = scores[:2](nn.Sequential(*convolutions)(self.window(clips, track)))  # all but the last layer
        return torch.cat([seen, everywhere, shape.unflatten(0, (len(clips), -1)).mean(1), track.flatten(1)], dim=1)

    @torch.no_grad()
    def describe_frames(self, clips: Tensor) -> Tensor:
        """Every frame as numbers, (B, T, D, 16, W'): what it sees at each place."""
        frames = self.scaled(clips.transpose(1, 2).float().clamp(-1, 1))
        return self.eye(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def _mlp(inputs: int, outputs: int, hidden: int = 64) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))


def motion_of(track: Tensor) -> tuple[Tensor, Tensor]:
    """How a subject moves, by rule: tracks (B, frames, 2), x and y in [-1, 1] -> number (B,) and confidence (B,).

    It hovers if it stays within STILL of both sides; it circles if it goes about as far across as down; otherwise it
    flies the way that it comes out farther on. The confidence tells how far from the next rule, 1 if far enough.
    """
    far = track.amax(1) - track.amin(1)  # (B, 2)
    longer, shorter = far.amax(1), far.amin(1)
    ratio = shorter / longer.clamp(min=1e-6)
    way = track[:, -1] - track[:, 0]
    along = far.argmax(1)
    sign = way.gather(1, along[:, None]).squeeze(1)
    straight = 2 * along + (sign > 0)  # left, right, rises, falls
    number = torch.where(longer < STILL, 5, torch.where(ratio > ROUND, 4, straight))
    margin = torch.minimum((longer - STILL).abs() / 0.1, torch.where(longer < STILL, 1.0, (ratio - ROUND).abs() / 0.15))
    return number, margin.clamp(0, 1)


@cache
def load_oracle() -> Oracle:
    """The oracle that ships with the course, in float32 and in eval mode."""
    with resources.as_file(resources.files("ditcourse") / "weights" / "oracle") as folder:
        oracle = Oracle(**json.loads((folder / "config.json").read_text()))
        oracle.load_state_dict(load_file(folder / "model.safetensors"))
    return oracle.requires_grad_(False).eval()


@torch.no_grad()
def read(clips: Tensor, oracle: Oracle | None = None) -> list[Reading]:
    """Read clips (B, 3, T, H, W) in [-1, 1]: subject, colour, motion and sky, each with how sure it is, 0 to 1.

    Frames may be of any size; they are scaled to 64 rows. Fewer than 8 frames are repeated.
    """
    oracle = load_oracle() if oracle is None else oracle
    found = []
    for part in clips.detach().split(32):
        scores, track, _ = oracle(part.to(next(oracle.parameters()).device))
        best = {name: score.softmax(1).max(1) for name, score in scores.items()}
        motion, margin = motion_of(track)
        for row in range(len(part)):
            values = {name: ANSWERS[name][index[row]] for name, (_, index) in best.items()}
            sure = {name: value[row].item() for name, (value, _) in best.items()}
            nobody = values["subject"] == NOTHING
            values["motion"] = NOTHING if nobody else ANSWERS["motion"][motion[row]]
            sure["motion"] = sure["subject"] if nobody else margin[row].item()
            found.append(Reading(*({name: table[name] for name in ATTRIBUTES} for table in (values, sure))))
    return found
