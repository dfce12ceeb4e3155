"""Skyworld's painter: a subject that moves across a sky, anti-aliased, all clips of a batch at once.

Begun, and used by nothing yet: captions, splits and the oracle for it are still to come.

Lengths are in half-heights of the picture: x and y run from -1 to 1, y downwards; a pixel is 2 / H wide.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SUBJECTS = ("dragon", "bird", "kite", "balloon", "star", "moon")
COLOURS = {
    "red": (0.90, 0.16, 0.18), "golden": (1.00, 0.76, 0.16), "green": (0.16, 0.70, 0.32),
    "blue": (0.14, 0.34, 0.90), "white": (0.97, 0.97, 0.97), "violet": (0.62, 0.25, 0.80),
}  # fmt: skip
MOTIONS = ("left", "right", "up", "down", "circles", "hovers")
SKIES = {  # colours at the top, in the middle, at the horizon
    "noon": ((0.33, 0.62, 0.93), (0.55, 0.78, 0.97), (0.82, 0.92, 0.99)),
    "sunset": ((0.35, 0.36, 0.62), (0.93, 0.62, 0.38), (1.00, 0.84, 0.47)),
    "dusk": ((0.20, 0.08, 0.22), (0.55, 0.12, 0.25), (0.85, 0.33, 0.30)),
    "night": ((0.02, 0.03, 0.10), (0.05, 0.08, 0.20), (0.10, 0.14, 0.30)),
    "storm": ((0.16, 0.18, 0.22), (0.30, 0.33, 0.37), (0.42, 0.45, 0.48)),
}  # fmt: skip


# --- signed distances: negative inside. p (..., 2)


def circle(p: Tensor, centre, radius) -> Tensor:
    return (p - _at(centre, p)).norm(dim=-1) - radius


def capsule(p: Tensor, a, b, ra, rb=None) -> Tensor:
    """A stroke from a to b whose radius goes from ra to rb."""
    a, b = _at(a, p), _at(b, p)
    h = (((p - a) * (b - a)).sum(-1) / (b - a).square().sum(-1).clamp(min=1e-9)).clamp(0, 1)
    return (p - a - h[..., None] * (b - a)).norm(dim=-1) - (ra if rb is None else ra + (rb - ra) * h)


def polygon(p: Tensor, corners: list) -> Tensor:
    """Any simple polygon."""
    corners = [_at(corner, p) for corner in corners]
    distance, inside = None, None
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        edge, to = b - a, p - a
        h = ((to * edge).sum(-1) / edge.square().sum(-1).clamp(min=1e-9)).clamp(0, 1)
        d = (to - h[..., None] * edge).square().sum(-1)
        distance = d if distance is None else torch.minimum(distance, d)
        up, down = (a[..., 1] <= p[..., 1]), (b[..., 1] <= p[..., 1])
        left = edge[..., 0] * to[..., 1] - edge[..., 1] * to[..., 0] > 0
        cross = (up & ~down & left) | (~up & down & ~left)
        inside = cross if inside is None else inside ^ cross
    return distance.sqrt() * torch.where(inside, -1.0, 1.0)


def _at(point, p: Tensor) -> Tensor:
    """A point, two numbers or two tensors (B, T), ready to be subtracted from p (B, T, H, W, 2)."""
    if isinstance(point, Tensor):
        return point
    x, y = (torch.as_tensor(value, dtype=p.dtype, device=p.device) for value in point)
    x, y = torch.broadcast_tensors(x, y)
    return torch.stack([x, y], dim=-1).reshape(*x.shape, *[1] * (2 if x.dim() else 0), 2)


def union(*parts: Tensor) -> Tensor:
    return torch.stack(torch.broadcast_tensors(*parts)).amin(0)


# --- subjects: p (B, T, H, W, 2) in the subject's own frame (size about 1, looking right), phase (B, T) of its beat


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


# --- the scene


def paint(picks: Tensor, generator: torch.Generator, size=(16, 64, 64), device="cpu") -> Tensor:
    """Clips (B, 3, T, H, W) in [-1, 1] for picks (B, 4): subject, colour, motion, sky. The rest is the dice's.

    Place, size, speed, beat, clouds and light vary from clip to clip; the caption does not mention them.
    """
    B, (T, H, W) = len(picks), size
    dice = torch.rand(B, 24, generator=generator).to(device)
    picks = picks.to(device)
    y, x = torch.meshgrid(
        (torch.arange(H, device=device) + 0.5) * 2 / H - 1,
        ((torch.arange(W, device=device) + 0.5) * 2 / W - 1) * W / H,
        indexing="ij",
    )
    grid = torch.stack([x, y], dim=-1)  # (H, W, 2)
    time = torch.linspace(0, 1, T, device=device)
    picture = _sky(picks[:, 3], grid, time, dice[:, 12:], generator)
    centre, facing = _way(picks[:, 2], time, dice, W / H)
    radius = 0.27 + 0.09 * dice[:, 0]
    radius = torch.where(picks[:, 0] == SUBJECTS.index("dragon"), 1.25 * radius, radius)  # long and thin
    phase = 2 * math.pi * ((1.5 + 1.5 * dice[:, 1, None]) * time + dice[:, 2, None])  # (B, T)
    inks = torch.tensor(list(COLOURS.values()), device=device)[picks[:, 1]]
    for k, shape in enumerate(SHAPES.values()):
        rows = (picks[:, 0] == k).nonzero().squeeze(1)
        if not len(rows):
            continue
        r = radius[rows, None, None, None]
        local = (grid - centre[rows][:, :, None, None]) / r[..., None]  # (b, T, H, W, 2)
        turned = torch.stack([local[..., 0] * facing[rows][:, None, None, None], local[..., 1]], dim=-1)
        distance = shape(turned, phase[rows]) * r
        picture[rows] = _ink(picture[rows], distance, local, inks[rows], 2 / H)
    return (picture * 2 - 1).clamp(-1, 1)


def _ink(picture, distance, local, ink, pixel):
    """Lay the subject over the sky: a dark rim, and lighter above than below."""
    body = (0.5 - distance / pixel).clamp(0, 1)[:, None]
    rim = (0.5 - (distance - 0.6 * pixel) / pixel).clamp(0, 1)[:, None]
    light = (1.06 - 0.16 * (local[..., 1] + 0.3)).clamp(0.80, 1.12)[:, None]
    colour = (ink[:, :, None, None, None] * light).clamp(0, 1)
    dark = 0.35 * ink[:, :, None, None, None] * torch.ones_like(light)
    picture = picture * (1 - 0.75 * rim) + dark * 0.75 * rim
    return picture * (1 - body) + colour * body


def _way(motion, time, dice, aspect):
    """Centres (B, T, 2) of the subject, and which way it faces, (B,) 1 or -1."""
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
    return torch.stack([x[rows, motion] * aspect, y[rows, motion]], dim=-1), facing


def _sky(sky, grid, time, dice, generator):
    """(B, 3, T, H, W) in [0, 1]: a gradient, and what belongs to each sky: sun, clouds, stars, lightning."""
    H, W = grid.shape[:2]
    B, T, device = len(sky), len(time), grid.device
    bands = torch.tensor(list(SKIES.values()), device=device)[sky]  # (B, 3 heights, 3 colours)
    down = (grid[:, :, 1] + 1) / 2  # 0 at the top, 1 at the horizon
    a, b = (1 - 2 * down).clamp(0, 1), (2 * down - 1).clamp(0, 1)
    weights = torch.stack([a, 1 - a - b, b])  # (3, H, W)
    picture = torch.einsum("bkc,khw->bchw", bands, weights)[:, :, None].expand(B, 3, T, H, W).clone()
    picture *= 0.94 + 0.12 * dice[:, 0].reshape(-1, 1, 1, 1, 1)

    drift = (dice[:, 1, None] - 0.5) * 0.5 * time  # clouds move a little, (B, T)
    cover = torch.zeros(B, T, H, W, device=device)
    for k in range(3):
        x0, y0 = 2.4 * dice[:, 2 + k, None] - 1.2 + drift, (1.5 * dice[:, 5 + k] - 0.8)[:, None] + 0 * drift
        for dx, dy, r in ((-0.20, 0.03, 0.16), (0.0, -0.03, 0.22), (0.20, 0.03, 0.17), (0.36, 0.06, 0.11)):
            centre = torch.stack([x0 + dx, y0 + dy], dim=-1)[:, :, None, None]
            off = (grid - centre) * torch.tensor([1.0, 1.9], device=device)
            cover = torch.maximum(cover, (1.0 - off.norm(dim=-1) / r).clamp(0, 1).sqrt())
    tint = torch.tensor([[1, 1, 1], [1.0, 0.80, 0.62], [0.72, 0.30, 0.34], [0.13, 0.16, 0.28], [0.20, 0.22, 0.26]],
                        device=device)[sky]  # fmt: skip
    thick = torch.tensor([0.75, 0.55, 0.45, 0.5, 0.9], device=device)[sky]
    share = cover[:, None] * thick.reshape(-1, 1, 1, 1, 1)
    picture = picture * (1 - share) + tint[:, :, None, None, None] * share

    night = (sky == 3).nonzero().squeeze(1)
    if len(night):  # stars that twinkle
        places = torch.rand(len(night), 40, 4, generator=generator).to(device)
        for k in range(40):
            centre = places[:, k, None, None, :2] * 2 - 1
            near = (1 - (grid - centre * torch.tensor([W / H, 1.0], device=device)).norm(dim=-1) * H / 3).clamp(0, 1)
            blink = 0.55 + 0.45 * (2 * math.pi * (2 * time[None] + places[:, k, 2, None])).sin()
            bright = (0.35 + 0.65 * places[:, k, 3, None]) * blink
            picture[night] += near[:, None, None] * bright[:, None, :, None, None]
    low = (sky == 1).nonzero().squeeze(1)
    if len(low):  # a low sun with a glow
        centre = torch.stack([1.4 * dice[low, 8] - 0.7, 0.45 + 0.3 * dice[low, 9]], dim=-1)[:, None, None]
        away = (grid - centre).norm(dim=-1)
        glow = (0.55 * (-2.2 * away).exp() + (1 - (away - 0.22) * H / 2).clamp(0, 1))[:, None, None].clamp(0, 1)
        sun = torch.tensor([1.0, 0.93, 0.70], device=device)[:, None, None, None]
        picture[low] = picture[low] * (1 - glow) + sun * glow
    storm = (sky == 4).nonzero().squeeze(1)
    if len(storm):  # a flash of lightning, and rain
        at = dice[storm, 10, None]
        flash = 0.38 * (-(((time[None] - at) * 14) ** 2)).exp()
        picture[storm] += flash[:, None, :, None, None]
        slant = grid[..., 0] * 5.2 + grid[..., 1] * 1.3
        fall = (3 * grid[..., 1])[None, None] - 7 * time[None, :, None, None]
        rain = ((2 * math.pi * (slant[None, None] + dice[storm, 11, None, None, None])).sin().clamp(min=0) ** 12
                * (2 * math.pi * fall).sin().clamp(min=0))  # fmt: skip
        picture[storm] += 0.16 * rain[:, None]
    return picture.clamp(0, 1)
