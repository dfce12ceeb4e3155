"""Skyworld's painter: a subject that moves across a sky, anti-aliased, all clips of a batch at once.

Lengths are in half-heights of the picture: x and y run from -1 to 1, y downwards; a pixel is 2 / H wide.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ditcourse.world.sky_words import ATTRIBUTES, compositions, parse, random_captions, random_picks

SUBJECTS = ATTRIBUTES["subject"]
COLOURS = {
    "red": (0.90, 0.16, 0.18), "golden": (1.00, 0.76, 0.16), "green": (0.16, 0.70, 0.32),
    "blue": (0.14, 0.34, 0.90), "white": (0.97, 0.97, 0.97), "violet": (0.62, 0.25, 0.80),
}  # fmt: skip
MOTIONS = ATTRIBUTES["motion"]
SKIES = {  # colours at the top, in the middle, at the horizon
    "noon": ((0.33, 0.62, 0.93), (0.55, 0.78, 0.97), (0.82, 0.92, 0.99)),
    "sunset": ((0.35, 0.36, 0.62), (0.93, 0.62, 0.38), (1.00, 0.84, 0.47)),
    "dusk": ((0.20, 0.08, 0.22), (0.55, 0.12, 0.25), (0.85, 0.33, 0.30)),
    "night": ((0.02, 0.03, 0.10), (0.05, 0.08, 0.20), (0.10, 0.14, 0.30)),
    "storm": ((0.16, 0.18, 0.22), (0.30, 0.33, 0.37), (0.42, 0.45, 0.48)),
}  # fmt: skip


# --- signed distances: negative inside. p is the pair (x, y), tensors of one shape


def circle(p, centre, radius) -> Tensor:
    (x, y), (cx, cy) = p, _at(centre, p)
    return ((x - cx).square() + (y - cy).square()).sqrt() - radius


def capsule(p, a, b, ra, rb=None) -> Tensor:
    """A stroke from a to b whose radius goes from ra to rb."""
    squared, h = _to_edge(p, _at(a, p), _at(b, p))
    return squared.sqrt() - (ra if rb is None else ra + (rb - ra) * h)


def polygon(p, corners: list) -> Tensor:
    """Any simple polygon."""
    corners = [_at(corner, p) for corner in corners]
    distance, inside = None, None
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        squared, _ = _to_edge(p, a, b)
        distance = squared if distance is None else torch.minimum(distance, squared)
        crosses = (a[1] <= p[1]) != (b[1] <= p[1])
        right = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) > 0
        cross = crosses & (right == (b[1] > a[1]))
        inside = cross if inside is None else inside ^ cross
    return distance.sqrt() * torch.where(inside, -1.0, 1.0)


def _to_edge(p, a, b) -> tuple[Tensor, Tensor]:
    """Squared distance from p to the edge from a to b, and how far along it the nearest point lies (0 to 1)."""
    ex, ey, x, y = b[0] - a[0], b[1] - a[1], p[0] - a[0], p[1] - a[1]
    h = ((x * ex + y * ey) / (ex * ex + ey * ey).clamp(min=1e-9)).clamp(0, 1)
    return (x - h * ex).square() + (y - h * ey).square(), h


def _at(point, p) -> tuple[Tensor, Tensor]:
    """A point, two numbers or two tensors (B, T), ready to be subtracted from p's (B, T, H, W)."""
    both = (torch.as_tensor(value, dtype=p[0].dtype, device=p[0].device) for value in point)
    return tuple(value[..., None, None] if value.dim() else value for value in both)


def union(*parts: Tensor) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*parts)).amin(0)


# --- subjects: p = (x, y), each (B, T, H, W), in the subject's own frame (size about 1, looking right);
# phase (B, T) of its beat


def dragon(p, phase):
    beat, wave = phase.sin(), [0.10 * (phase * 0.7 - 0.9 * k).sin() for k in range(7)]
    spine = [(0.62 - 0.27 * k, wave[k] + 0.02 * k) for k in range(7)]
    thick = (0.13, 0.17, 0.18, 0.15, 0.11, 0.08, 0.05)
    body = [capsule(p, spine[k], spine[k + 1], thick[k], thick[k + 1]) for k in range(6)]
    head = polygon(p, [(0.55, wave[0] - 0.17), (0.98, wave[0] + 0.02), (0.60, wave[0] + 0.15)])
    horn = polygon(p, [(0.52, wave[0] - 0.10), (0.42, wave[0] - 0.36), (0.66, wave[0] - 0.13)])
    end = spine[6]
    tip = polygon(p, [(end[0] + 0.04, end[1] - 0.02), (end[0] - 0.22, end[1] - 0.17), (end[0] - 0.16, end[1] + 0.15)])
    lift = -0.25 - 0.62 * beat  # the wing's tip; its edge has two points, as a bat's
    wing = polygon(p, [(0.34, -0.08), (0.30, lift), (0.06, 0.55 * lift), (-0.16, 0.9 * lift), (-0.20, 0.45 * lift),
                       (-0.52, 0.62 * lift), (-0.24, 0.02)])  # fmt: skip
    return union(*body, head, horn, tip, wing)


def bird(p, phase):
    beat = phase.sin()
    body = union(capsule(p, (-0.38, 0.06), (0.36, -0.04), 0.07, 0.19), circle(p, (0.46, -0.12), 0.17))
    beak = polygon(p, [(0.58, -0.19), (0.86, -0.08), (0.58, -0.03)])
    tail = polygon(p, [(-0.30, 0.02), (-0.78, -0.10), (-0.74, 0.20)])
    lift = -0.75 * beat
    wing = polygon(p, [(0.28, -0.04), (0.16, 0.55 * lift), (-0.30, lift), (-0.36, 0.6 * lift), (-0.24, 0.06)])
    return union(body, beak, tail, wing)


def kite(p, phase):
    cloth = polygon(p, [(0.0, -0.85), (0.52, -0.15), (0.0, 0.62), (-0.52, -0.15)])
    sway = [(0.16 * (phase * 0.6 - 1.1 * k).sin() * (0.4 + 0.3 * k), 0.62 + 0.2 * k) for k in range(4)]
    string = [capsule(p, sway[k], sway[k + 1], 0.035) for k in range(3)]
    bows = [circle(p, sway[k], 0.085) for k in (1, 2, 3)]
    return union(cloth, *string, *bows)


def balloon(p, phase):
    sway = 0.05 * (phase * 0.35).sin()
    cone = polygon(p, [(sway - 0.47, 0.02), (sway + 0.47, 0.02), (0.13, 0.52), (-0.13, 0.52)])
    skin = union(circle(p, (sway, -0.28), 0.56), cone)
    ropes = union(capsule(p, (-0.11, 0.5), (-0.13, 0.68), 0.025), capsule(p, (0.11, 0.5), (0.13, 0.68), 0.025))
    basket = polygon(p, [(-0.17, 0.68), (0.17, 0.68), (0.13, 0.92), (-0.13, 0.92)])
    return union(skin, ropes, basket)


def star(p, phase):
    corners = []
    for k in range(10):
        angle, radius = -math.pi / 2 + k * math.pi / 5 + 0.22 * (phase * 0.5).sin(), 0.86 if k % 2 == 0 else 0.36
        corners.append((radius * angle.cos(), radius * angle.sin()))
    return polygon(p, corners)


def moon(p, phase):
    tilt = 0.12 * (phase * 0.4).sin()
    return torch.maximum(circle(p, (0.0, 0.0), 0.74), -circle(p, (0.40 * tilt.cos(), 0.36 * tilt - 0.12), 0.62))


SHAPES = {"dragon": dragon, "bird": bird, "kite": kite, "balloon": balloon, "star": star, "moon": moon}


# --- clips and captions

CLIP_SIZE = (3, 16, 64, 64)  # C, T, H, W: 196,608 values, as many as in the DiT paper's 256 x 256 x 3


def render(
    prompts: list[str], generator: torch.Generator, size: tuple[int, int, int] = CLIP_SIZE[1:], device="cpu"
) -> Tensor:
    """Clips (B, 3, T, H, W) in [-1, 1] for prompts; what a prompt leaves open, and all nuisances, by the dice.

    Any size (T, H, W). Raises ValueError for a prompt that names two values of one attribute.
    """
    every = torch.tensor([_numbers(values) for values in compositions()])  # (1080, 4)
    picks = []
    for prompt in prompts:
        fits = torch.ones(len(every), dtype=torch.bool)
        for name, value in parse(prompt).items():
            fits &= every[:, list(ATTRIBUTES).index(name)] == ATTRIBUTES[name].index(value)
        fitting = every[fits]
        picks.append(fitting[torch.randint(len(fitting), (1,), generator=generator)])
    return paint(torch.cat(picks) if picks else every[:0], generator, size, device)


def random_clips(
    count: int,
    generator: torch.Generator,
    split: str = "train",
    size: tuple[int, int, int] = CLIP_SIZE[1:],
    device="cpu",
) -> tuple[Tensor, list[str]]:
    """Clips (count, 3, T, H, W) of a split's compositions drawn at random, and sentences for them (some partial)."""
    picks = random_picks(count, generator, split)
    prompts = random_captions(picks, generator)
    return paint(picks, generator, size, device), prompts


def _numbers(values: tuple[str, ...]) -> list[int]:
    return [ATTRIBUTES[name].index(value) for name, value in zip(ATTRIBUTES, values, strict=True)]


# --- the scene


def tracks(picks: Tensor, generator: torch.Generator, size: tuple[int, int, int] = CLIP_SIZE[1:]) -> Tensor:
    """Where `paint` puts the subjects if it gets a generator in the same state: centres (B, T, 2), x and y.

    In half-heights from the middle: -1 is the top edge, 1 the bottom edge. Moves the generator on.
    """
    T, H, W = size
    dice = torch.rand(len(picks), 24, generator=generator)
    centre, _ = _way(picks[:, 2], torch.linspace(0, 1, T), dice, W / H)
    return torch.stack(centre, dim=2)


def paint(
    picks: Tensor,
    generator: torch.Generator,
    size: tuple[int, int, int] = CLIP_SIZE[1:],
    device="cpu",
    shapes: dict = SHAPES,
) -> Tensor:
    """Clips (B, 3, T, H, W) in [-1, 1] for picks (B, 4): subject, colour, motion, sky. The rest is the dice's.

    Place, size, speed, beat, clouds and light vary from clip to clip; the caption does not mention them. Subject k is
    the k-th of shapes, each a function (p, phase) -> signed distance (see `dragon`); subject -1 is an empty sky.
    """
    B, (T, H, W) = len(picks), size
    dice = torch.rand(B, 24, generator=generator).to(device)
    picks = picks.to(device)
    y, x = torch.meshgrid(
        (torch.arange(H, device=device) + 0.5) * 2 / H - 1,
        ((torch.arange(W, device=device) + 0.5) * 2 / W - 1) * W / H,
        indexing="ij",
    )
    time = torch.linspace(0, 1, T, device=device)
    picture = _sky(picks[:, 3], x, y, time, dice[:, 12:], generator)
    centre, facing = _way(picks[:, 2], time, dice, W / H)
    radius = 0.27 + 0.09 * dice[:, 0]
    radius = torch.where(picks[:, 0] == SUBJECTS.index("dragon"), 1.25 * radius, radius)  # long and thin
    phase = 2 * math.pi * ((1.5 + 1.5 * dice[:, 1, None]) * time + dice[:, 2, None])  # (B, T)
    inks = torch.tensor(list(COLOURS.values()), device=device)[picks[:, 1]]
    for k, shape in enumerate(shapes.values()):
        rows = (picks[:, 0] == k).nonzero().squeeze(1)
        if not len(rows):
            continue
        r = radius[rows, None, None, None]
        across = (x - centre[0][rows, :, None, None]) / r * facing[rows, None, None, None]  # (b, T, H, W)
        below = ((y - centre[1][rows, :, None, None]) / r).expand_as(across)
        distance = shape((across, below), phase[rows]) * r
        picture[rows] = _ink(picture[rows], distance, below, inks[rows], 2 / H)
    return (picture * 2 - 1).clamp(-1, 1)


def _ink(picture, distance, below, ink, pixel):
    """Lay the subject over the sky: a dark rim, and lighter above than below."""
    body = (0.5 - distance / pixel).clamp(0, 1)[:, None]
    rim = (0.5 - (distance - 0.6 * pixel) / pixel).clamp(0, 1)[:, None]
    light = (1.06 - 0.16 * (below + 0.3)).clamp(0.80, 1.12)[:, None]
    colour = (ink[:, :, None, None, None] * light).clamp(0, 1)
    dark = 0.35 * ink[:, :, None, None, None] * torch.ones_like(light)
    picture = picture * (1 - 0.75 * rim) + dark * 0.75 * rim
    return picture * (1 - body) + colour * body


def _way(motion, time, dice, aspect):
    """Centres of the subject, x and y, each (B, T), and which way it faces, (B,) 1 or -1."""
    B = len(motion)
    u, v, w, speed = (2 * dice[:, k, None] - 1 for k in (3, 4, 5, 6))
    travel = 0.55 + 0.15 * speed  # half of the way
    along = (2 * time - 1) * travel
    bob = 0.05 * (2 * math.pi * (time * (1.2 + 0.6 * w) + dice[:, 7, None])).sin()
    still = torch.zeros_like(along)
    free = 0.68 - travel  # how much the middle of the way may be off
    side = 0.42 * u
    spin = torch.where(dice[:, 8] < 0.5, -1.0, 1.0)[:, None]
    angle = 2 * math.pi * (dice[:, 9, None] + spin * (0.95 + 0.2 * speed) * time)
    round_ = 0.34 + 0.08 * w
    x = torch.stack([-along + free * v, along + free * v, side + bob, side + bob,
                     round_ * angle.cos() + 0.16 * u, 0.45 * u + still], dim=1)  # fmt: skip
    y = torch.stack([side + bob, side + bob, -along + free * v, along + free * v,
                     round_ * angle.sin() + 0.16 * v, 0.40 * v + 0.6 * bob], dim=1)  # fmt: skip
    rows = torch.arange(B, device=motion.device)
    facing = torch.where(dice[:, 10] < 0.5, -1.0, 1.0)
    facing = torch.where(motion == 0, -1.0, torch.where(motion == 1, 1.0, facing))
    return (x[rows, motion] * aspect, y[rows, motion]), facing


def _sky(sky, x, y, time, dice, generator):
    """(B, 3, T, H, W) in [0, 1]: a gradient, and what belongs to each sky: sun, clouds, stars, lightning."""
    (H, W), (B, T), device = x.shape, (len(sky), len(time)), x.device
    aspect = W / H
    bands = torch.tensor(list(SKIES.values()), device=device)[sky]  # (B, 3 heights, 3 colours)
    down = (y + 1) / 2  # 0 at the top, 1 at the horizon
    a, b = (1 - 2 * down).clamp(0, 1), (2 * down - 1).clamp(0, 1)
    weights = torch.stack([a, 1 - a - b, b])  # (3, H, W)
    picture = torch.einsum("bkc,khw->bchw", bands, weights)
    picture = (picture * (0.94 + 0.12 * dice[:, 0, None, None, None]))[:, :, None]

    drift = (dice[:, 1, None] - 0.5) * 0.5 * time  # clouds move a little, (B, T)
    far = torch.full((B, T, H, W), 1.0, device=device)  # squared distance to the nearest puff, in its radii
    for k in range(3):
        x0, y0 = 2.4 * dice[:, 2 + k, None] - 1.2 + drift, 1.5 * dice[:, 5 + k] - 0.8
        for dx, dy, r in ((-0.20, 0.03, 0.16), (0.0, -0.03, 0.22), (0.20, 0.03, 0.17), (0.36, 0.06, 0.11)):
            across = ((x[0] - (x0 + dx)[..., None]) / r).square()  # (B, T, W)
            below = (1.9 * (y[:, 0] - (y0 + dy)[:, None]) / r).square()  # (B, H)
            far = torch.minimum(far, across[:, :, None, :] + below[:, None, :, None])
    cover = (1 - far.sqrt()).sqrt()
    tint = torch.tensor([[1, 1, 1], [1.0, 0.80, 0.62], [0.72, 0.30, 0.34], [0.13, 0.16, 0.28], [0.20, 0.22, 0.26]],
                        device=device)[sky]  # fmt: skip
    thick = torch.tensor([0.75, 0.55, 0.45, 0.5, 0.9], device=device)[sky]
    share = (cover * thick[:, None, None, None])[:, None]
    picture = picture + (tint[:, :, None, None, None] - picture) * share

    night = (sky == 3).nonzero().squeeze(1)
    if len(night):  # stars that twinkle
        places = torch.rand(len(night), 20, 4, generator=generator).to(device)
        sx, sy = (2 * places[..., 0] - 1) * aspect, 2 * places[..., 1] - 1
        away = ((x - sx[..., None, None]).square() + (y - sy[..., None, None]).square()).sqrt()
        blink = 0.7 + 0.3 * (2 * math.pi * (time + places[..., 2, None])).sin()
        bright = (0.3 + 0.7 * places[..., 3, None]) * blink  # (b, 20, T)
        picture[night] += torch.einsum("bkhw,bkt->bthw", (1 - away * H / 4).clamp(0, 1), bright)[:, None]
    low = (sky == 1).nonzero().squeeze(1)
    if len(low):  # a low sun with a glow
        sx, sy = 1.4 * dice[low, 8, None, None] - 0.7, 0.45 + 0.3 * dice[low, 9, None, None]
        away = ((x - sx).square() + (y - sy).square()).sqrt()
        glow = (0.55 * (-2.2 * away).exp() + (1 - (away - 0.22) * H / 2).clamp(0, 1)).clamp(0, 1)[:, None, None]
        sun = torch.tensor([1.0, 0.93, 0.70], device=device)[:, None, None, None]
        picture[low] = picture[low] + (sun - picture[low]) * glow
    storm = (sky == 4).nonzero().squeeze(1)
    if len(storm):  # a flash of lightning, and rain
        flash = 0.38 * (-(((time - dice[storm, 10, None]) * 14) ** 2)).exp()
        slant = (2 * math.pi * (x * 5.2 + y * 1.3 + dice[storm, 11, None, None])).sin().clamp(min=0) ** 12
        fall = (2 * math.pi * (3 * y - 7 * time[:, None, None])).sin().clamp(min=0)
        picture[storm] += (flash[..., None, None] + 0.12 * slant[:, None] * fall)[:, None]
    return picture.clamp(0, 1)
