"""The renderer: captions in, anti-aliased clips out, all of a batch at once, deterministic by generator.

A clip is 8 frames of 16 x 16 RGB in [-1, 1]: one shape on a dark sky, moving at a steady speed. Place, size and
speed vary from clip to clip; the caption does not mention them.
"""

import torch
from torch import Tensor

from ditcourse.world.prompts import ATTRIBUTES, captions, parse

CLIP_SIZE = (3, 8, 16, 16)  # C, T, H, W
BACKGROUND = torch.tensor([0.07, 0.09, 0.17]) * 2 - 1
PALETTE = (
    torch.tensor([[0.94, 0.24, 0.22], [0.25, 0.80, 0.36], [0.29, 0.52, 1.00], [1.00, 0.83, 0.22]]) * 2 - 1
)
HEADINGS = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])  # x, y of left, right, up, down
RADIUS, SPEED = (2.6, 3.4), (0.6, 0.9)  # pixels; pixels a frame
REACH = 1.3  # no shape extends further from its centre than 1.3 radii


def coverage(shape: Tensor, centre: Tensor, radius: Tensor, size: tuple[int, int]) -> Tensor:
    """How much of each pixel a shape covers, in [0, 1], anti-aliased by its signed distance.

    shape (B,) index into ATTRIBUTES["shape"], centre (B, T, 2) as x, y in pixels, radius (B,) -> (B, T, H, W).
    """
    H, W = size
    y, x = torch.meshgrid(torch.arange(H) + 0.5, torch.arange(W) + 0.5, indexing="ij")
    dx = x - centre[..., 0, None, None]  # (B, T, H, W)
    dy = y - centre[..., 1, None, None]
    r = radius[:, None, None, None]
    circle = (dx.square() + dy.square()).sqrt() - r
    square = torch.maximum(dx.abs(), dy.abs()) - 0.9 * r
    triangle = torch.maximum(0.866 * dx.abs() - 0.5 * dy, dy) - 0.65 * r  # three half-planes, tip up
    distance = torch.stack([circle, square, triangle])[shape, torch.arange(len(shape))]
    return (0.5 - distance).clamp(0, 1)


def render(prompts: list[str], generator: torch.Generator) -> Tensor:
    """Clips (B, 3, 8, 16, 16) in [-1, 1] for complete captions; place, size and speed from the generator.

    Raises ValueError for a prompt that leaves an attribute open.
    """
    picks = []
    for prompt in prompts:
        named = parse(prompt)
        if missing := [attribute for attribute in ATTRIBUTES if attribute not in named]:
            raise ValueError(
                f"the prompt {prompt!r} names no {' and no '.join(missing)}; a scene needs all three"
            )
        picks.append([values.index(named[attribute]) for attribute, values in ATTRIBUTES.items()])
    return _draw(torch.tensor(picks).reshape(-1, 3), generator)


def random_clips(count: int, generator: torch.Generator) -> tuple[Tensor, list[str]]:
    """Clips (count, 3, 8, 16, 16) of captions drawn at random, and the captions."""
    picks = torch.stack(
        [torch.randint(len(values), (count,), generator=generator) for values in ATTRIBUTES.values()], 1
    )
    index = (picks[:, 0] * 4 + picks[:, 1]) * 4 + picks[:, 2]  # as captions() counts
    every = captions()
    return _draw(picks, generator), [every[i] for i in index.tolist()]


def _draw(picks: Tensor, generator: torch.Generator) -> Tensor:
    shape, colour, direction = picks.unbind(1)
    _, T, H, W = CLIP_SIZE
    radius, speed, along, across = (torch.rand(len(picks), generator=generator) for _ in range(4))
    radius = RADIUS[0] + (RADIUS[1] - RADIUS[0]) * radius
    travel = (T - 1) * (SPEED[0] + (SPEED[1] - SPEED[0]) * speed)
    margin = REACH * radius
    # Along the motion the middle of the way may shift by what is left after the travel; across it, by everything.
    middle = W / 2 + (2 * along - 1) * (W / 2 - margin - travel / 2)
    other = W / 2 + (2 * across - 1) * (W / 2 - margin)
    heading = HEADINGS[direction]  # (B, 2)
    start = torch.where(heading != 0, middle[:, None], other[:, None])
    way = torch.linspace(-0.5, 0.5, T)[:, None] * travel[:, None, None]  # (B, T, 1)
    centre = start[:, None, :] + way * heading[:, None, :]
    mask = coverage(shape, centre, radius, (H, W))[:, None]  # (B, 1, T, H, W)
    ink = PALETTE[colour][:, :, None, None, None]
    return mask * ink + (1 - mask) * BACKGROUND[None, :, None, None, None]
