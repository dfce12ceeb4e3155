"""Chapter 5, sampling: one step by hand, DDIM, guidance and Euler as functions, three broken samplers."""

import numpy as np

from ditcourse.check import Exercise, Slip, function
from ditcourse.check.judges import letters
from ditcourse.check.sheet import SheetPart

# One DDIM step; a level is a pair (signal, sigma)


def _ddim_inputs(rng):
    now, after = sorted(rng.uniform(0.2, 1.3, 2), reverse=True)  # as angles: signal^2 + sigma^2 = 1
    levels = [(float(np.cos(angle)), float(np.sin(angle))) for angle in (now, after)]
    return rng.normal(size=(2, 4)), rng.normal(size=(2, 4)), *levels


def _sheet_step():
    """The step 3 -> 2 of the hand sheet, in fifths."""
    z = np.array([[5, 4, 0, 3], [8, 17, 16, 7]]) / 5
    noise = np.array([[-1, 1, 0, 0], [-1, 2, 1, -2]])
    return z, noise, (0.6, 0.8), (0.8, 0.6)


def ddim_step(x, eps, now, after):
    """Mix the clip and the noise that are in x anew: (2, 4) arrays and two pairs (signal, sigma) -> (2, 4)."""
    return after[0] * (x - now[1] * eps) / now[0] + after[1] * eps


# Guidance on all channels, with one batch of two


def _guidance_inputs(rng):
    table, pull = rng.normal(size=(5, 4, 3)), rng.normal()

    def model(x, t, condition):
        """A made-up model: an answer that depends on x, on t and on the condition, row by row."""
        t, condition = np.asarray(t, dtype=float).reshape(-1, 1, 1), np.asarray(condition, dtype=int).reshape(-1)
        return np.tanh(pull * np.asarray(x)) * t + table[condition]

    condition, null = rng.integers(1, 5, size=2), np.zeros(2, dtype=int)
    return model, rng.normal(size=(2, 4, 3)), rng.uniform(0.1, 1, 2), condition, null, float(rng.uniform(2, 5))


def _guide(of_both, swapped=False):
    """Guidance, with another way to bring the two answers together."""

    def guided(model, x, t, condition, null, scale):
        c, u = model(x, t, condition), model(x, t, null)
        return of_both(u, c, scale) if swapped else of_both(c, u, scale)

    return guided


def _three_channels(c, u, scale):
    mixed = u + scale * (c - u)
    return np.concatenate([mixed[:, :3], c[:, 3:]], axis=1)


# One Euler step of a flow, and the estimate of the clip


def _euler_inputs(rng):
    pull, push = rng.normal(size=(4, 4)), rng.normal()

    def model(x, t):
        """A made-up velocity that depends on x and on t."""
        return np.tanh(np.asarray(x) @ pull) + push * t

    after, now = sorted(rng.uniform(0.1, 0.95, 2))
    return model, rng.normal(size=(2, 4)), float(now), float(after)


def _euler(step=lambda now, after: after - now, far=lambda now, after: now, ask=lambda now, after: now, moved=False):
    def euler_step(model, x, now, after):
        v = model(x, ask(now, after))
        x_after = x + step(now, after) * v
        return x_after, (x_after if moved else x) - far(now, after) * v

    return euler_step


# Three broken samplers

LETTER_SAYS = {
    "a": {
        1: "it begins with noise of size 1, as it should; look at the step",
        3: "a was asked for nothing, so no prompt is missing; look at the step",
        4: "a adds no new noise at all; look how far x goes in a step",
        5: "a asks the model once in a step, so there are no two answers; look how far x goes",
        6: "the model is told `now`, as it should be; look at the step",
    },
    "b": {
        1: "it begins with noise of size 1, as it should; look at the end of each step",
        2: "b does not walk along a velocity, so no step has a length; look at what is mixed at the end of a step",
        3: "b was asked for nothing, so no prompt is missing; look at the end of each step",
        5: "b asks the model once in a step, so there are no two answers; look at the end of each step",
        6: "the model is told `now`, as it should be; look at the line after it",
    },
    "c": {
        1: "it begins with noise of size 1, as it should, and its clip has no noise left; look what it shows",
        2: "each step goes from `now` to `after`, as it should; look at the line before",
        3: "the prompt is asked about, and it does have an effect; look which way",
        4: "c adds no new noise, and its clip has none left; look what it shows",
        6: "the model is told `now` both times, as it should be; look what is made of the two answers",
    },
}


EXERCISES = (
    Exercise(
        id="5.1", title="One step by hand", goal="take a DDIM step, guide a guess, and take an Euler step on paper",
        difficulty=1, minutes=15, judge=SheetPart(form="step"),
    ),
    Exercise(
        id="5.2",
        title="One DDIM step",
        goal="write the step for any two levels",
        difficulty=2,
        minutes=6,
        judge=function(
            ddim_step,
            _ddim_inputs,
            slips=(
                Slip("not divided", lambda x, e, now, after: after[0] * (x - now[1] * e) + after[1] * e,
                     "what is left without the noise is `signal` times the clip; divide by it"),
                Slip("noise left out", lambda x, e, now, after: after[0] * (x - now[1] * e) / now[0],
                     "at the next level there is still noise; only its amount has changed"),
                Slip("step from the mixture", lambda x, e, now, after: after[0] * x + after[1] * e,
                     "x was taken in place of the clip; take the noise out of it first"),
                Slip("still at the old level", lambda x, e, now, after: x,
                     "that is x again: the new mixture needs the amounts of the next level"),
                Slip("signal and sigma swapped",
                     lambda x, e, now, after: after[1] * (x - now[0] * e) / now[1] + after[0] * e,
                     "signal and sigma have changed places; a level is (signal, sigma)"),
                Slip("the clip itself", lambda x, e, now, after: (x - now[1] * e) / now[0],
                     "that is the estimate of the clip; one step more mixes it with noise again"),
                Slip("old noise taken away",
                     lambda x, e, now, after: after[0] * (x - now[1] * e) / now[0] - after[1] * e,
                     "the noise of the next level has to be added, not taken away"),
                Slip("only the noise made smaller", lambda x, e, now, after: x - (now[1] - after[1]) * e,
                     "the noise was made smaller, but the clip not larger; both amounts change from level to level"),
                Slip("old amount of noise",
                     lambda x, e, now, after: after[0] * (x - now[1] * e) / now[0] + now[1] * e,
                     "the clip has its new amount, but the noise still has that of `now`"),
                Slip("1 - sigma",
                     lambda x, e, now, after: (1 - after[1]) * (x - now[1] * e) / (1 - now[1]) + after[1] * e,
                     "1 - sigma was taken for signal; that fits the straight line only. Take each level's signal"),
            ),
            sheet=_sheet_step,
        ),
        hints=(
            "First the clip: x = signal clip + sigma noise, and all but the clip is known.",
            "clip = (x - now[1] * eps) / now[0].",
            "Then the same mixture as always, with the two numbers of `after`.",
        ),
    ),
    Exercise(
        id="5.3",
        title="Guidance on all channels",
        goal="ask a model with and without the prompt, and let the prompt pull",
        difficulty=2,
        minutes=6,
        judge=function(
            _guide(lambda c, u, scale: u + scale * (c - u)),
            _guidance_inputs,
            slips=(
                Slip("changed places", _guide(lambda c, u, scale: u + scale * (c - u), swapped=True),
                     "this walks away from the prompt: the two answers have changed places"),
                Slip("begun at the prompt", _guide(lambda c, u, scale: c + scale * (c - u)),
                     "then scale 1 goes too far already; begin at the answer without the prompt"),
                Slip("never asked without", _guide(lambda c, u, scale: c),
                     "that is the answer with the prompt; ask without it too"),
                Slip("no difference", _guide(lambda c, u, scale: u + scale * c),
                     "what is multiplied is the difference that the prompt makes"),
                Slip("scale times both", _guide(lambda c, u, scale: scale * (c - u)),
                     "that is the pull of the prompt alone; add it to the answer without the prompt"),
                Slip("three channels", _guide(_three_channels),
                     "the fourth channel was left as it is; guide all of them"),
            ),
            axes=("clip", "channel", "place"),
        ),
        hints=(
            "Two answers: model(x, t, condition) and model(x, t, null).",
            "Scale 0 must give the answer without the prompt, scale 1 the one with it.",
            "without + scale * (with_prompt - without)",
        ),
    ),
    Exercise(
        id="5.4",
        title="One Euler step of a flow",
        goal="take one step along the velocity, and say which clip it points to",
        difficulty=2,
        minutes=6,
        judge=function(
            _euler(),
            _euler_inputs,
            names=("x_after", "x0"),
            slips=(
                Slip("wrong way", _euler(step=lambda now, after: now - after),
                     "your step leads towards the noise. after - now is negative; do not turn its sign: "
                     "x + (after - now) v"),
                Slip("the whole way", _euler(step=lambda now, after: -now),
                     "x_after is the clip already; a step goes from now to after only"),
                Slip("whole velocity", _euler(step=lambda now, after: -1),
                     "the whole velocity was taken away; a step is only after - now long"),
                Slip("asked at the end", _euler(ask=lambda now, after: after),
                     "the model was told the time after the step, while x is still where it was before"),
                Slip("clip from the end", _euler(far=lambda now, after: after),
                     "in x0 the way was measured from `after`; x and its velocity belong to `now`"),
                Slip("noise, not clip", _euler(far=lambda now, after: now - 1),
                     "x0 is the other end of the line, the noise"),
                Slip("now forgotten", _euler(far=lambda now, after: 1),
                     "in x0 the whole velocity was taken away; that is the clip only if x is at t = 1. "
                     "Go back `now` times the velocity"),
                Slip("from the moved x", _euler(moved=True),
                     "x0 was reckoned from x after the step; x, its velocity and `now` belong together"),
                Slip("one step, not all", _euler(far=lambda now, after: now - after),
                     "x0 went one step only; from `now` the clip is `now` away"),
            ),
        ),
        hints=(
            "Ask once: v = model(x, now). Both results use it.",
            "The velocity points to the noise, and t grows with the noise: x_after = x + (after - now) v.",
            "The clip is at t = 0, so it is `now` away.",
        ),
    ),
    Exercise(
        id="5.5",
        title="Three broken samplers",
        goal="find the bug from the clips and the code",
        difficulty=3,
        minutes=8,
        judge=letters(
            lambda: (2, 4, 5),
            LETTER_SAYS,
            swapped={
                "ab": "in a no new noise is added, in b no step along a velocity is taken: change the two",
                "bc": "b has no guidance, and c adds no noise",
            },
        ),
        hints=(
            "Look at the clips first: which are still noisy, and which is clean but shows something else?",
            "a: write down the times of 4 steps, and how far x goes in each. b: how much noise is left at the end?",
            "c: set the scale to 1. Which answer is left?",
        ),
    ),
)  # fmt: skip
