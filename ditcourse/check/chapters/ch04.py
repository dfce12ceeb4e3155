"""Chapter 4, noise and the best guess: the second sheet, the counting as a function, and noise by any schedule."""

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


# ---- 4.4 ----


def to_noise(rng):
    """As many clips as values, so that a level for each clip also fits the columns; a schedule drawn at random."""
    n, bend = int(rng.integers(3, 6)), rng.uniform(1.2, 2.5)
    return (
        rng.normal(size=(n, n)),
        rng.normal(size=(n, n)),
        rng.uniform(0.1, 0.9, size=n),
        lambda t: np.cos(np.pi / 2 * np.asarray(t) ** bend),
        lambda t: np.sin(np.pi / 2 * np.asarray(t) ** bend),
    )


def noised(x0, noise, t, signal, sigma):
    return signal(t)[:, None] * x0 + sigma(t)[:, None] * noise


# ---- 4.5 ----


def to_translate(rng):
    """A noised clip, its noise, and a level whose shares add up neither to 1 nor in squares to 1."""
    return rng.normal(size=(2, 4)), rng.normal(size=(2, 4)), rng.uniform(0.3, 0.8), rng.uniform(0.4, 1.2)


def translate(x_t, noise, signal, sigma):
    x0 = (x_t - sigma * noise) / signal
    return x0, noise - x0


def translated(clip):
    """The two answers that follow from another idea of the clip."""

    def answers(x_t, noise, signal, sigma):
        x0 = clip(x_t, noise, signal, sigma)
        return x0, noise - x0

    return answers


def with_velocity(velocity):
    """The right clip, with another idea of the velocity."""

    def answers(x_t, noise, signal, sigma):
        x0 = translate(x_t, noise, signal, sigma)[0]
        return x0, velocity(x0, x_t, noise, signal, sigma)

    return answers


# ---- 4.6 ----


MANY = 6144  # values in a real clip: here exp of a plain exponent is 0 for every clip


def to_weigh(rng):
    """A few clips of 3 or of 6,144 values, one of them noised so much that several can be behind it.

    Clips of many values differ little in each of them, so that they lie as close to each other as those of 3.
    """
    size = MANY if rng.random() < 0.5 else 3
    clips = rng.normal(size=size) * (size > 3) + rng.normal(size=(int(rng.integers(4, 7)), size)) * (3 / size) ** 0.5
    signal, sigma = rng.uniform(0.4, 0.8), rng.uniform(0.6, 1.1)
    return signal * clips[0] + sigma * rng.normal(size=size), clips, signal, sigma


def mean_by(weights, clips):
    return weights @ clips / weights.sum()


def weighed(exponent, average=mean_by, plain=False):
    """Exponents for the distances z - signal clip, (N, D), and how the clips are averaged with exp of them.

    plain: the largest exponent is not taken away first, so that with many values all weights may become 0.
    """

    def guess(z, clips, signal, sigma):
        exponents = exponent(z, clips, signal, sigma)
        with np.errstate(all="ignore"):
            return average(np.exp(exponents - (0 if plain else exponents.max())), clips)

    return guess


def weighing_slip(name, says, exponent=None, average=mean_by):
    """A slip, with the largest exponent taken away first and without, so that both are known by their names."""
    exponent = exponent or bell
    return (
        Slip(name, weighed(exponent, average), says),
        Slip(f"{name}, and no largest exponent", weighed(exponent, average, plain=True),
             f"{says}. And with many values exp gives no usable weights; subtract the largest exponent first"),
    )  # fmt: skip


def bell(z, clips, signal, sigma):
    return -((z - signal * clips) ** 2).sum(axis=1) / (2 * sigma**2)


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
    Exercise(
        id="4.4", title="Noise by any schedule", goal="noise each clip at its own level",
        difficulty=1, minutes=8,
        judge=function(
            noised,
            to_noise,
            slips=(
                Slip("signal and sigma swapped",
                     lambda x0, noise, t, signal, sigma: noised(x0, noise, t, sigma, signal),
                     "signal and sigma have changed places; signal belongs to the clip"),
                Slip("noise not scaled", lambda x0, noise, t, signal, sigma: signal(t)[:, None] * x0 + noise,
                     "the noise came in whole; how much of it there is depends on t"),
                Slip("clip not scaled", lambda x0, noise, t, signal, sigma: x0 + sigma(t)[:, None] * noise,
                     "the clip stayed whole, so the variance grows with t; the clip has to become less as well"),
                Slip("neither scaled", lambda x0, noise, t, signal, sigma: x0 + noise,
                     "this is the sum of the hand sheet; a schedule weighs both parts"),
                Slip("t as the amount", lambda x0, noise, t, signal, sigma: (1 - t)[:, None] * x0 + t[:, None] * noise,
                     "t itself was used as the share of the noise; t only names a level, ask the schedule"),
                Slip("levels along the columns", lambda x0, noise, t, signal, sigma: signal(t) * x0 + sigma(t) * noise,
                     "the levels ran along the columns; each row is a clip and has one level"),
                Slip("squared", lambda x0, noise, t, signal, sigma: noised(
                         x0, noise, t, lambda t: signal(t) ** 2, lambda t: sigma(t) ** 2),
                     "signal and sigma were squared; their squares are shares of the variance"),
            ),
        ),
        hints=(
            "x_t = signal(t) x_0 + sigma(t) noise, with one t for each row.",
            "signal(t) has shape (B,). [:, None] makes it (B, 1), so that it multiplies rows.",
        ),
    ),
    Exercise(
        id="4.5", title="From the noise to the clip and the velocity", goal="put one prediction into other dresses",
        difficulty=2, minutes=8,
        judge=function(
            translate,
            to_translate,
            names=("x0", "velocity"),
            slips=(
                Slip("not divided by signal", translated(lambda x_t, noise, signal, sigma: x_t - sigma * noise),
                     "with the noise gone there is still signal times the clip; divide by signal"),
                Slip("divided by sigma", translated(lambda x_t, noise, signal, sigma: (x_t - sigma * noise) / sigma),
                     "it was divided by sigma; what is left over is signal times the clip"),
                Slip("noise not scaled", translated(lambda x_t, noise, signal, sigma: (x_t - noise) / signal),
                     "the noise was taken away whole; only sigma times the noise went in"),
                Slip("one subtraction", translated(lambda x_t, noise, signal, sigma: x_t - noise),
                     "this is the subtraction of the hand sheet, where both shares are 1"),
                Slip("noise added", translated(lambda x_t, noise, signal, sigma: (x_t + sigma * noise) / signal),
                     "the noise was added once more; it has to go"),
                Slip("signal and sigma swapped",
                     translated(lambda x_t, noise, signal, sigma: (x_t - signal * noise) / sigma),
                     "signal and sigma have changed places; sigma belongs to the noise"),
                Slip("sign of the velocity", with_velocity(lambda x0, x_t, noise, signal, sigma: x0 - noise),
                     "the velocity has the other sign; ours leads from the clip to the noise"),
                Slip("v of DDPM", with_velocity(lambda x0, x_t, noise, signal, sigma: signal * noise - sigma * x0),
                     "that is the v of DDPM; the velocity of a flow is asked for, without shares"),
                Slip("from the noised clip", with_velocity(lambda x0, x_t, noise, signal, sigma: noise - x_t),
                     "the velocity was taken from x_t; it begins at the clip itself"),
            ),
        ),
        hints=(
            "Solve x_t = signal x_0 + sigma noise for x_0.",
            "Take sigma noise away, then divide by signal. The velocity is the noise minus that clip.",
        ),
    ),
    Exercise(
        id="4.6", title="Weigh instead of counting", goal="write the best denoiser for bell-curve noise",
        difficulty=3, minutes=14,
        judge=function(
            weighed(bell),
            to_weigh,
            slips=(
                Slip("all weights 0", weighed(bell, plain=True),
                     "with many values all weights became 0; subtract the largest exponent first"),
                *weighing_slip("not squared", "the distance is missing its square",
                               lambda z, clips, signal, sigma:
                               -np.abs(z - signal * clips).sum(axis=1) / (2 * sigma**2)),
                *weighing_slip("1/2 forgotten", "the half in the exponent is missing, so the weights are too sharp",
                               lambda *given: 2 * bell(*given)),
                *weighing_slip("sigma not squared", "sigma is missing its square",
                               lambda z, clips, signal, sigma: sigma * bell(z, clips, signal, sigma)),
                *weighing_slip("signal forgotten",
                               "the clip went into z with the factor signal; compare z with signal times each clip",
                               lambda z, clips, signal, sigma: bell(z, clips, 1, sigma)),
                Slip("mean over the values", weighed(lambda z, clips, signal, sigma:
                                                     bell(z, clips, signal, sigma) / len(z)),
                     "the squares were averaged over the values of a clip; independent noises need their sum"),
                *weighing_slip("sign", "the minus is missing, so the clip that is farthest away weighs most",
                               lambda *given: -bell(*given)),
                Slip("most likely clip", weighed(bell, lambda weights, clips: clips[weights.argmax()]),
                     "that is the most likely clip; squared error asks for the mean of all, with their weights"),
                *weighing_slip("not normalised", "the weights do not sum to 1; divide by their sum",
                               average=lambda weights, clips: weights @ clips),
                Slip("equal weights", weighed(bell, lambda weights, clips: clips.mean(axis=0)),
                     "all clips weigh the same; near ones have to weigh more"),
            ),
        ),
        hints=(
            "z - signal * clips has one row for each clip. Square it, and sum each row.",
            "The weight of a clip is exp(-(that sum) / (2 sigma^2)), divided by the sum of all weights. With thousands "
            "of values exp gives 0 for every clip: subtract the largest exponent from all of them first.",
            "weights @ clips is the weighted sum over the clips.",
        ),
    ),
)  # fmt: skip
