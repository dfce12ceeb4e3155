"""The oracle: reads shape, colour and direction off a clip's pixels, by rules, with no training.

It knows only the renderer's palette and shapes, so it cannot flatter a model. On clips that the renderer made it
must be right every time; the tests check that first.
"""

import torch
from torch import Tensor

from ditcourse.world.prompts import ATTRIBUTES
from ditcourse.world.scene import BACKGROUND, PALETTE, coverage
from ditcourse.world.world import Reading


def read(clips: Tensor) -> list[Reading]:
    """Read clips (B, 3, T, H, W) in [-1, 1]. An empty clip is read too, with confidence 0."""
    if clips.dim() != 5 or clips.shape[1] != 3:
        raise ValueError(f"clips must be (B, 3, T, H, W), got {tuple(clips.shape)}")
    clips = clips.detach().float().cpu().clamp(-1, 1)
    colour, colour_confidence, mask = _read_colour(clips)
    centre = _centroids(mask)
    direction, direction_confidence = _read_direction(centre)
    shape, shape_confidence = _read_shape(mask, centre)
    answers = {
        "shape": (shape, shape_confidence),
        "colour": (colour, colour_confidence),
        "direction": (direction, direction_confidence),
    }
    return [
        Reading(
            {name: ATTRIBUTES[name][int(index[row])] for name, (index, _) in answers.items()},
            {name: round(confidence[row].item(), 3) for name, (_, confidence) in answers.items()},
        )
        for row in range(len(clips))
    ]


def _read_colour(clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colour index (B,), confidence (B,), and the mask (B, T, H, W) of how much of that ink each pixel holds."""
    ink = PALETTE - BACKGROUND  # (4, 3)
    pixels = clips - BACKGROUND[None, :, None, None, None]
    strength = pixels.square().sum(1)  # (B, T, H, W): far from the sky counts more
    mean = (pixels * strength[:, None]).sum((2, 3, 4)) / strength.sum((1, 2, 3)).clamp(min=1e-6)[
        :, None
    ]  # (B, 3)
    direction = torch.nn.functional.normalize(mean, dim=1) @ torch.nn.functional.normalize(ink, dim=1).T
    best = direction.topk(2, dim=1)
    colour = best.indices[:, 0]
    confidence = ((best.values[:, 0] - best.values[:, 1]) / 0.2).clamp(
        0, 1
    )  # the palette's nearest pair is 0.2 apart
    along = ink[colour] / ink[colour].square().sum(1, keepdim=True)
    mask = torch.einsum("bcthw,bc->bthw", pixels, along).clamp(0, 1)
    return colour, confidence, mask


def _centroids(mask: Tensor) -> Tensor:
    """Centre of the mask's mass in each frame, (B, T, 2) as x, y in pixels. Faint pixels do not count."""
    weight = (mask - 0.25).clamp(min=0)
    total = weight.sum((2, 3)).clamp(min=1e-6)
    H, W = mask.shape[2:]
    x = (weight.sum(2) * (torch.arange(W) + 0.5)).sum(2) / total
    y = (weight.sum(3) * (torch.arange(H) + 0.5)).sum(2) / total
    return torch.stack([x, y], dim=2)


def _read_direction(centre: Tensor) -> tuple[Tensor, Tensor]:
    """Direction index (B,) and confidence (B,) from a straight line fitted to the track of the centre."""
    T = centre.shape[1]
    time = torch.arange(T) - (T - 1) / 2
    slope = (centre * time[None, :, None]).sum(1) / time.square().sum()  # (B, 2) pixels a frame
    scores = torch.stack([-slope[:, 0], slope[:, 0], -slope[:, 1], slope[:, 1]], dim=1)
    best = scores.topk(2, dim=1)
    return best.indices[:, 0], ((best.values[:, 0] - best.values[:, 1]) / 0.5).clamp(0, 1).abs()


def _read_shape(mask: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Shape index (B,) and confidence (B,): which shape, redrawn with the same area, lies nearest to the mask.

    The mean over frames is compared, each frame shifted to its own centre by redrawing at that centre.
    """
    B = mask.shape[0]
    area = mask.sum((2, 3)).mean(1)  # (B,)
    errors = []
    for shape, unit_area in enumerate((torch.pi, 4 * 0.9**2, 3 * 3**0.5 * 0.65**2)):
        radius = (area / unit_area).clamp(min=0.1).sqrt()
        index = torch.full((B,), shape)
        redrawn = coverage(index, centre, radius, mask.shape[2:])
        errors.append((mask - redrawn).square().sum((1, 2, 3)))
    errors = torch.stack(errors, dim=1)  # (B, 3)
    best = errors.topk(2, dim=1, largest=False)
    confidence = (best.values[:, 1] - best.values[:, 0]) / best.values[:, 1].clamp(min=1e-6)
    return best.indices[:, 0], confidence.clamp(0, 1) * (area > 1)  # less than a pixel in all is no shape
