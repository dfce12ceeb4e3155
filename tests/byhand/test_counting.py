"""The second sheet: its numbers in the reference, its steps against brute force, and fresh ones by seed."""

import itertools

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand.counting import best_guess, within_reach
from ditcourse.check.forms import key, values_of


def test_numbers_of_the_reference():
    """Two clips, 0 and 4; noise -3..3: at z = 1 the guess is -1, at 2 it is 0, at 3 it is 1, elsewhere exact."""
    assert best_guess([1, 2, 3], (0, 4), 3).tolist() == [-1, 0, 1]
    assert best_guess([-3, -1, 0, 4, 5, 7], (0, 4), 3).tolist() == [-3, -1, 0, 0, 1, 3]
    assert best_guess([1, 2, 3], (0, 4), 2).tolist() == [1, 0, -1]  # one says left, three says right, two is open


def test_against_every_case_counted():
    """Draw every clip with every noise; the guess is the mean of the noises that lead to the same z."""
    dice = np.random.default_rng(6)
    for _ in range(20):
        clips, level = dice.choice(np.arange(-9, 10), size=3, replace=False), int(dice.integers(1, 7))
        noises = {}
        for clip, noise in itertools.product(clips, range(-level, level + 1)):
            noises.setdefault(clip + noise, []).append(noise)
        z = np.array(sorted(noises))
        assert np.allclose(best_guess(z, clips, level), [np.mean(noises[number]) for number in z])
        assert within_reach(z, clips, level).sum(axis=0).tolist() == [len(noises[number]) for number in z]
    with pytest.raises(ValueError, match=r"z: came with 2; allowed: at most 1 away from one of the clips \(0, 4\)"):
        best_guess([0, 2], (0, 4), 1)


def test_the_mean_costs_least():
    """No other guess has a smaller mean squared error: the cell of the sheet, and a fine grid round it."""
    for seed in range(30):
        counting = byhand.new_counting(seed)
        cost = key("counting", values_of("counting", seed))["error"][0]
        behind = counting.middle - 1 - np.array(counting.clips)
        assert cost[1] == min(np.mean((behind - guess) ** 2) for guess in np.linspace(-9, 9, 181))
        assert cost[0] == cost[2] == 2 * cost[1]


def test_the_sheet_is_the_way_of_the_steps():
    for seed in range(200):
        counting = byhand.new_counting(seed)
        found = key("counting", values_of("counting", seed))
        assert found["guess"][0].tolist() == best_guess(counting.z, counting.clips, counting.levels[0]).tolist()
        x = counting.middle
        for number, level, noise in zip((3, 2, 1), counting.levels, counting.noises, strict=True):
            z = x + noise
            x = z - best_guess([z], counting.clips, level)[0]
            assert (found[f"z_{number}"], found[f"x_{number}"]) == (z, x)
        assert x in counting.clips
        assert found["x_p"] == counting.clips[counting.prompt]


def test_every_seed_is_pleasant():
    seen, open_twice, ends = set(), 0, set()
    for seed in range(1000):
        counting = byhand.new_counting(seed)
        found = key("counting", values_of("counting", seed))
        numbers = np.concatenate([np.ravel(value) for value in found.values()])
        assert np.array_equal(numbers, np.round(numbers)) and np.abs(numbers).max() <= 36
        assert found["could_3"].tolist() == [[1], [1]] and found["x_3"] == counting.middle
        assert found["could_1"].sum() == 1 and all(found[f"could_{n}"].sum() for n in (2, 3))
        assert found["could"].sum(axis=0).min() == 1 and found["could"].sum(axis=0).max() == 2
        seen.add(counting)
        open_twice += found["could_2"].sum() == 2
        ends.add((found["x_1"] == counting.clips[0]).item())
    assert len(seen) > 300 and 200 < open_twice < 800 and len(ends) == 2


@pytest.mark.parametrize("seed", [-1, 10**9, 1.0, "1", None, True])
def test_bad_seeds(seed):
    with pytest.raises((TypeError, ValueError), match="seed: came as"):
        byhand.new_counting(seed)
