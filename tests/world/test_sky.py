"""The painter of the larger world: range, sizes, dice, and that each pick is what is painted."""

import pytest
import torch

from ditcourse.world.sky import COLOURS, MOTIONS, SHAPES, SKIES, SUBJECTS, capsule, circle, paint, polygon


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def picks(count, seed=0, **fixed):
    names = ("subject", "colour", "motion", "sky")
    sizes = (len(SUBJECTS), len(COLOURS), len(MOTIONS), len(SKIES))
    columns = [
        torch.full((count,), fixed[name]) if name in fixed else torch.randint(size, (count,), generator=dice(seed))
        for name, size in zip(names, sizes, strict=True)
    ]
    return torch.stack(columns, dim=1)


def test_range_size_and_the_same_dice_the_same_clips():
    chosen = picks(10)
    clips = paint(chosen, dice(1))
    assert clips.shape == (10, 3, 16, 64, 64) and clips.min() >= -1 and clips.max() <= 1
    assert clips[0].numel() == 256 * 256 * 3
    assert torch.equal(clips, paint(chosen, dice(1)))
    assert not torch.equal(clips, paint(chosen, dice(2)))
    assert paint(chosen[:2], dice(1), (4, 32, 48)).shape == (2, 3, 4, 32, 48)
    assert tuple(SHAPES) == SUBJECTS


def subject_mask(chosen, seed):
    """Where two paintings differ that differ in the colour of the subject only."""
    other = chosen.clone()
    other[:, 1] = (chosen[:, 1] + 1) % len(COLOURS)
    return (paint(chosen, dice(seed)) - paint(other, dice(seed))).abs().sum(1) > 0.3  # (B, T, H, W)


@pytest.mark.parametrize("motion", range(len(MOTIONS)))
def test_the_subject_stays_in_the_picture_and_moves_as_it_should(motion):
    chosen = picks(24, seed=motion, motion=motion)
    mask = subject_mask(chosen, seed=3).float()
    area = mask.sum((2, 3))
    assert (area > 40).all(), area.min()
    edge = mask[..., 0, :].sum() + mask[..., -1, :].sum() + mask[..., 0].sum() + mask[..., -1].sum()
    assert edge / mask.sum() < 0.005
    where = torch.arange(64.0)
    x, y = (mask.sum(2) * where).sum(2) / area, (mask.sum(3) * where).sum(2) / area
    across, down = x[:, -1] - x[:, 0], y[:, -1] - y[:, 0]
    far = {"left": -across, "right": across, "up": -down, "down": down}
    name = MOTIONS[motion]
    if name in far:
        assert (far[name] > 18).all() and (far[name] > 2 * (down if name in ("left", "right") else across).abs()).all()
    spread = (x.max(1).values - x.min(1).values, y.max(1).values - y.min(1).values)
    if name == "circles":
        assert (torch.minimum(*spread) > 12).all()
    if name == "hovers":
        assert (torch.maximum(*spread) < 12).all()


def test_distances_of_simple_shapes():
    p = torch.rand(200, 2, generator=dice()) * 4 - 2
    square = polygon(p, [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    q = p.abs() - 1
    torch.testing.assert_close(square, q.clamp(min=0).norm(dim=1) + q.amax(1).clamp(max=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(circle(p, (0.5, 0.0), 0.3), (p - torch.tensor([0.5, 0.0])).norm(dim=1) - 0.3)
    stroke = capsule(p, (-1.0, 0.0), (1.0, 0.0), 0.2)
    nearest = torch.stack([p[:, 0].clamp(-1, 1), torch.zeros(200)], 1)
    torch.testing.assert_close(stroke, (p - nearest).norm(dim=1) - 0.2)
