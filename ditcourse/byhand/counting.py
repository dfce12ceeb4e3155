"""The second sheet: two clips, a few whole numbers of noise, and the best guess by counting. NumPy only.

A clip is one number: 0 is "left", 4 is "right", both equally likely. Noise of level k is any whole number from -k to
k, all equally likely. So what may lie behind a noised number z can be counted on the fingers: this is the exact
denoiser of `ditcourse.diffusion.exact`, and the way from noise to a clip that of its `sample()`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from ditcourse.byhand.instances import check_seed

WINDOW = 3  # the table goes this far to both sides of the middle


@dataclass(frozen=True)
class Counting:
    """The givens. `clips` are left and right.

    noises: those of the levels, largest first: one to begin with, one for each step after it.
    """

    clips: tuple[int, int]
    levels: tuple[int, int, int]
    noises: tuple[int, int, int]
    prompt: int  # 0 for left, 1 for right

    @property
    def middle(self):
        return sum(self.clips) // 2

    @property
    def z(self):
        """The noised numbers of the table: (7,), round the middle."""
        return np.arange(self.middle - WINDOW, self.middle + WINDOW + 1)

    @property
    def tries(self):
        """Three guesses of the noise one below the middle: it was the first clip, the mean, it was the second."""
        behind = [self.middle - 1 - clip for clip in self.clips]
        return np.array([behind[0], sum(behind) / 2, behind[1]])


def within_reach(z, clips, level):
    """Which clips can lie behind z: noise reaches from -level to level. z (n,), clips (N,) -> (N, n) of 0 and 1."""
    return (np.abs(np.subtract.outer(clips, z)) <= level).astype(int)


def best_guess(z, clips, level):
    """The noise in z that is right on average: the mean over the clips within reach. z (n,) -> (n,).

    ValueError if for some z no clip is within reach.
    """
    z, possible = np.asarray(z), within_reach(z, clips, level)
    if not possible.any(axis=0).all():
        lost = z[~possible.any(axis=0)][0]
        raise ValueError(f"z: came with {lost}; allowed: at most {level} away from one of the clips {tuple(clips)}")
    noise = np.subtract.outer(z, clips).T
    return (noise * possible).sum(axis=0) / possible.sum(axis=0)


def new_counting(seed):
    """A fresh second sheet for a seed, 0 is the one of the course; the same for a seed on every machine.

    Whole numbers throughout; both clips are within reach at the start, so the first guess is their mean; the last
    step always decides. Errors as for `new_exercise`.
    """
    check_seed(seed)
    if seed == 0:
        return Counting((0, 4), (3, 2, 1), (-1, 0, 1), prompt=0)
    dice = random.Random(int(seed))

    def pick(options):  # random() is the one draw that Python keeps the same for a seed
        return options[int(dice.random() * len(options))]

    step = pick((1, 2))  # the levels are 3, 2, 1 steps, and the clips 4 apart
    first = pick(range(-4, 6))
    start = pick(range(-step, step + 1))
    second = pick((0, 0, *range(-2 * step, 2 * step + 1)))  # 0 leaves the question open ...
    last = pick(range(-step, step + 1) if second else (-step, step))  # ... and then this one has to decide it
    clips, levels = (first, first + 4 * step), (3 * step, 2 * step, step)
    return Counting(clips, levels, (start, second, last), prompt=pick((0, 1)))
