"""The measures, against closed forms and on clips whose answer is known."""

import math

import pytest
import torch

from ditcourse.evaluate import (
    confusion,
    frame_distance,
    frechet_distance,
    hits,
    interval,
    measure,
    nearest,
    sharpness,
)
from ditcourse.pipeline import Pipeline
from ditcourse.world import MINI, SKY


def dice(seed):
    return torch.Generator().manual_seed(seed)


def test_frechet_distance_is_that_of_normal_distributions():
    """Between N(0, diag(a^2)) and N(m, diag(b^2)): |m|^2 + sum (a - b)^2, here in units of b."""
    a, b, m = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([2.0, 1.0, 1.5]), torch.tensor([0.3, -1.0, 0.0])
    x = torch.randn(200_000, 3, generator=dice(0)) * a
    y = torch.randn(200_000, 3, generator=dice(1)) * b + m
    turn = torch.linalg.qr(torch.randn(3, 3, generator=dice(2))).Q
    wanted = ((m / b).square() + (a / b - 1).square()).sum().item()
    assert math.isclose(frechet_distance(x, y), wanted, rel_tol=0.02)
    same = frechet_distance(x @ turn, torch.randn(200_000, 3, generator=dice(3)) * a @ turn)
    assert 0 <= same + 1e-9 < 0.001


def test_frechet_distance_has_a_floor_that_falls_with_the_clips_and_refuses():
    floors = [frechet_distance(*(torch.randn(n, 20, generator=dice(k)) for k in (1, 2))) for n in (40, 200, 2000)]
    assert floors[0] > floors[1] > floors[2] > 0
    with pytest.raises(ValueError, match=r"a must be two or more rows of 3 features, got \(5, 2\)"):
        frechet_distance(torch.randn(5, 2), torch.randn(5, 3))
    with pytest.raises(ValueError, match=r"b must be two or more rows"):
        frechet_distance(torch.randn(5, 3), torch.randn(1, 3))


def test_the_interval_covers_as_often_as_it_says():
    """Of 200 samples of 100 throws with odds .8 about 95 % have an interval that holds .8; and it narrows."""
    throws = torch.rand(200, 100, generator=dice(4)) < 0.8
    inside = [low <= 0.8 <= high for low, high in (interval(row.tolist()) for row in throws)]
    assert 0.88 <= sum(inside) / 200 <= 0.99
    wide, narrow = interval(throws[0].tolist()), interval(throws.flatten().tolist())
    assert narrow[1] - narrow[0] < 0.5 * (wide[1] - wide[0])
    assert interval([True] * 9) == (1.0, 1.0)


def test_sharpness_and_frame_distance_of_known_clips():
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 3, 4, 16, 16)  # every step across is 1, every step down 0
    assert torch.allclose(sharpness(stripes), torch.tensor([0.5]).sqrt())
    clips, _ = SKY.random_clips(6, dice(5))
    blurred = torch.nn.functional.avg_pool3d(clips, (1, 3, 3), 1, (0, 1, 1), count_include_pad=False)
    assert (sharpness(blurred) < 0.95 * sharpness(clips)).all()
    frames = torch.randn(2, 5, 7, generator=dice(6))
    wanted = torch.stack([(frames[:, k + 1] - frames[:, k]).norm(dim=1) for k in range(4)]).mean(0)
    assert torch.allclose(frame_distance(frames), wanted)


def test_nearest_finds_the_copy():
    a, b = torch.randn(4, 2, 3, generator=dice(7)), torch.randn(9, 2, 3, generator=dice(8))
    b[5] = a[2]
    found = nearest(a, b)
    assert found[2] < 1e-3 and (found[[0, 1, 3]] > 0.5).all()
    assert torch.allclose(found, torch.stack([(b - row).flatten(1).norm(dim=1).min() for row in a]), atol=1e-3)


def test_hits_and_confusion_count_only_what_is_named():
    clips, prompts = MINI.random_clips(12, dice(9))
    readings = MINI.read(clips)
    table = confusion(readings, prompts, "colour", MINI)
    assert sum(sum(row.values()) for row in table.values()) == 12
    assert all(set(row) == {asked} for asked, row in table.items())
    right = hits(readings, ["red", *prompts[1:]], MINI)
    assert len(right["colour"]) == 12 and len(right["shape"]) == 11 and len(right["all"]) == 12
    assert right["colour"][0] == (readings[0].colour == "red")


class Painter(Pipeline):
    """A model that is perfect: it paints what it is asked. Or one that paints what was asked before."""

    def __init__(self, late: int = 0):
        self.world, self.autoencoder, self.late = SKY, None, late

    def __call__(self, prompts, seed=0, **options):
        return SKY.render(prompts[self.late :] + prompts[: self.late], dice(seed))


def test_a_perfect_model_gets_perfect_figures_and_a_late_one_does_not():
    report = measure(Painter(), 48, seed=3)
    for split in ("train", "held-out"):
        part = report[split]
        assert part["prompt following"]["made"]["all"][0] == part["prompt following"]["painted"]["all"][0] >= 0.95
        assert part["prompt following"]["made, another's prompt"]["all"][0] < 0.1
        assert part["prompt following"]["made, another's prompt"]["subject"][0] < 0.4
        for values in part["mean"].values():
            assert 0.8 < values["made"] / values["painted"] < 1.25
    late = measure(Painter(late=1), 32, seed=3)["train"]["prompt following"]
    assert late["made"]["all"][0] < 0.15
