"""The painter of the larger world: range, sizes, dice, and that each pick is what is painted."""

import pytest
import torch

from ditcourse.world import sky, sky_words
from ditcourse.world.sky import (
    COLOURS,
    MOTIONS,
    SHAPES,
    SKIES,
    SUBJECTS,
    capsule,
    circle,
    paint,
    polygon,
    random_clips,
    render,
)


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
    far = {"left": -across, "right": across, "rises": -down, "falls": down}
    name = MOTIONS[motion]
    if name in far:
        assert (far[name] > 18).all() and (far[name] > 2 * (down if name in ("left", "right") else across).abs()).all()
    spread = (x.max(1).values - x.min(1).values, y.max(1).values - y.min(1).values)
    if name == "circles":
        assert (torch.minimum(*spread) > 12).all()
    if name == "hovers":
        assert (torch.maximum(*spread) < 12).all()


def test_tracks_are_where_the_subjects_are():
    chosen = picks(30, seed=8, subject=SUBJECTS.index("balloon"))
    mask, where = subject_mask(chosen, seed=3).float(), (torch.arange(64.0) + 0.5) / 32 - 1
    area = mask.sum((2, 3))
    painted = torch.stack([(mask.sum(2) * where).sum(2) / area, (mask.sum(3) * where).sum(2) / area], dim=2)
    assert (painted - sky.tracks(chosen, dice(3))).abs().max() < 0.1
    assert sky.tracks(chosen, dice(3), (5, 32, 48)).shape == (30, 5, 2)


def test_an_empty_sky_and_a_subject_of_ones_own():
    chosen = picks(4, seed=1)
    nobody, new = chosen.clone(), chosen.clone()
    nobody[:, 0], new[:, 0] = -1, len(SUBJECTS)
    shapes = {**SHAPES, "disc": lambda p, phase: circle(p, (0.0, 0.0), 0.8)}
    sky, disc = paint(nobody, dice(5)), paint(new, dice(5), shapes=shapes)
    covered = (sky != disc).any(1).float().mean((2, 3))  # (B, T)
    radius = 0.27 + 0.09 * torch.rand(4, 24, generator=dice(5))[:, :1]
    radius = 0.8 * radius + (0.6 + 0.5) * 2 / 64  # the rim, and half a pixel of anti-aliasing
    expected = torch.pi * radius**2 / 4  # of a picture of 2 x 2
    assert ((covered - expected).abs() < 0.1 * expected).all()


def test_a_rendering_shows_what_its_prompt_names():
    clips = render(["a red moon", "a red moon", ""], dice(0), (4, 32, 32))
    assert clips.shape == (3, 3, 4, 32, 32) and not torch.equal(clips[0], clips[1])
    with pytest.raises(ValueError, match="more than one subject: moon, star"):
        render(["a moon and a star"], dice(0))
    assert render([], dice(0)).shape == (0, 3, 16, 64, 64)


def test_random_clips_keep_to_their_split_and_the_same_dice_give_the_same():
    for split in ("train", "held-out"):
        clips, prompts = random_clips(40, dice(3), split, (2, 16, 16))
        again, same = random_clips(40, dice(3), split, (2, 16, 16))
        assert torch.equal(clips, again) and prompts == same and clips.shape == (40, 3, 2, 16, 16)
        for prompt in prompts:
            named = sky_words.parse(prompt)
            if len(named) == 4:
                assert sky_words.held_out(tuple(named[name] for name in sky_words.ATTRIBUTES)) == (split == "held-out")


def test_distances_of_simple_shapes():
    p = torch.rand(2, 200, generator=dice()) * 4 - 2
    x, y = p.reshape(2, 200, 1, 1)  # as wide as pictures
    square = polygon((x, y), [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]).flatten()
    q = p.abs() - 1
    torch.testing.assert_close(square, q.clamp(min=0).norm(dim=0) + q.amax(0).clamp(max=0), rtol=1e-4, atol=1e-5)
    away = (p - torch.tensor([[0.5], [0.0]])).norm(dim=0) - 0.3
    torch.testing.assert_close(circle((x, y), (0.5, 0.0), 0.3).flatten(), away)
    stroke = capsule((x, y), (-1.0, 0.0), (1.0, 0.0), 0.2).flatten()
    nearest = torch.stack([p[0].clamp(-1, 1), torch.zeros(200)])
    torch.testing.assert_close(stroke, (p - nearest).norm(dim=0) - 0.2)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_subject_is_a_distance_and_fits_its_frame(name):
    """Its length of gradient is at most one, it lies within 1.32 of the middle, and it is neither a dot nor a blot."""
    side = torch.linspace(-1.6, 1.6, 161)
    y, x = torch.meshgrid(side, side, indexing="ij")
    phase = torch.rand(2, 3, generator=dice(1)) * 6
    distance = SHAPES[name]((x.expand(2, 3, 161, 161), y.expand(2, 3, 161, 161)), phase)
    assert distance.shape == (2, 3, 161, 161)
    step = distance.diff(dim=-1).abs() / 0.02
    assert step.max() < 1.01, step.max()
    inside = distance < 0
    assert 0.25 < inside.float().mean((2, 3)).min() * 3.2**2 and inside.float().mean((2, 3)).max() * 3.2**2 < 2.0
    assert not inside[..., (x.abs() > 1.32) | (y.abs() > 1.32)].any()
