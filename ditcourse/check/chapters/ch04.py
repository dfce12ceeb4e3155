"""Chapter 4, noise and the best guess: the second sheet, and the counting as a function."""

import numpy as np

from ditcourse import byhand
from ditcourse.check import Exercise, Slip, function
from ditcourse.check.sheet import SheetPart


def counted(rng):
    """Some clips, a level, and noised numbers that the clips can explain."""
    clips = rng.choice(np.arange(-9, 10), size=3, replace=False)
    level = int(rng.integers(2, 7))
    return rng.choice(clips, 8) + rng.integers(-level, level + 1, 8), clips, level


def mean_noise(possible):
    """The best guess with another idea of who is possible."""

    def guess(z, clips, level):
        noise = np.subtract.outer(z, clips)
        weight = possible(noise, level).astype(float)
        return (noise * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1)

    return guess


EXERCISES = (
    Exercise(
        id="4.1", title="The best guess by counting", goal="find the guess that is right on average",
        difficulty=1, minutes=15,
        judge=SheetPart(("could", "noise_if", "guess", "left_over", "error"), "counting"),
    ),
    Exercise(
        id="4.2", title="From noise to a clip", goal="generate a clip with no video and no network",
        difficulty=2, minutes=10,
        judge=SheetPart(("z_3", "could_3", "x_3", "z_2", "could_2", "x_2", "z_1", "could_1", "x_1", "could_p", "x_p"),
                        "counting"),
    ),
    Exercise(
        id="4.3", title="Count with a function", goal="write the best denoiser that can exist",
        difficulty=2, minutes=12,
        judge=function(
            byhand.best_guess,
            counted,
            slips=(
                Slip("all clips", mean_noise(lambda noise, level: np.ones_like(noise)),
                     "every clip was counted; one that is farther away than the level cannot be behind z"),
                Slip("edge left out", mean_noise(lambda noise, level: np.abs(noise) < level),
                     "a clip whose distance is just the level was left out; it is still within reach"),
                Slip("nearest clip", mean_noise(lambda noise, _: np.abs(noise) == np.abs(noise).min(axis=1)[:, None]),
                     "only the nearest clip was counted; the others within reach are just as likely"),
                Slip("clip, not noise", lambda z, clips, level: z - byhand.best_guess(z, clips, level),
                     "that is the best guess of the clip; the noise is asked for"),
                Slip("sign", lambda z, clips, level: -byhand.best_guess(z, clips, level),
                     "the sign is the other way: noise is z minus clip"),
                Slip("sum, not mean", lambda z, clips, level: byhand.best_guess(z, clips, level)
                     * byhand.within_reach(z, clips, level).sum(axis=0),
                     "the noises were added; divide by how many clips are within reach"),
            ),
            sheet=lambda: (np.arange(-1, 6), np.array([0, 4]), 3),
        ),
        hints=(
            "Make a table first: one row for each z, one column for each clip, noise = z - clip in each cell.",
            "np.subtract.outer(z, clips) is that table. A cell counts if its absolute value is at most the level.",
            "Sum the noises that count along each row, and divide by how many count.",
        ),
    ),
)  # fmt: skip
