"""Chapter 3, a two-minute Sora: count, noise, come back, guide, sample, read a record, make it fail, one block.

torch is loaded only when an exercise needs it.
"""

import json
from dataclasses import dataclass
from importlib import resources

from ditcourse.check import Exercise, Slip, function, values
from ditcourse.check.judges import Finding
from ditcourse.check.reading import is_blank

WANTED = (("direction", 0.5), ("shape", 0.7), ("all", 0.5))  # exercise 3.6: a name, the share asked for
PROPOSED = "square"  # the word that the error of exercise 3.7 has to propose first


# Inputs to try a learner's function on


def _clip(rng):
    import torch

    return torch.from_numpy(rng.normal(size=(3, 2, 4, 4)))


def _line_inputs(rng):
    return _clip(rng), _clip(rng), float(rng.uniform(0.1, 0.4))  # not near 0.5, where t and 1 - t are alike


def _back_inputs(rng):
    x0, noise, t = _line_inputs(rng)
    return (1 - t) * x0 + t * noise, noise - x0, t


def _guidance_inputs(rng):
    return _clip(rng), _clip(rng), float(rng.uniform(1.5, 4))


def _sampler_inputs(rng):
    pull, drift, noise = _clip(rng), _clip(rng), _clip(rng)

    def model(x, t):
        """A made-up velocity that depends on place and time."""
        return (pull * x).tanh() + t * drift

    return model, noise, int(rng.integers(3, 7))


# Samplers, right and wrong


def _along(step, v):
    return step * v


def _sampler(first=1.0, last=0.0, move=_along, ahead=False, short=0):
    """A sampler (model, noise, steps) -> clip by Euler steps; with the defaults it is right."""

    def sampler(model, noise, steps):
        x, steps = noise, steps - short
        for i in range(steps):
            now, then = (first + (last - first) * j / steps for j in (i, i + 1))
            x = x + move(then - now, model(x, then if ahead else now))
        return x

    return sampler


# The record of the shipped run


def record():
    """What experiments/train_mini.py wrote about the shipped run."""
    file = resources.files("ditcourse") / "weights" / "mini" / "run.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _rows(wanted=WANTED):
    """For each name the number of the first row of the record that reaches the share asked for."""
    progress = record()["progress"]
    return [
        next(i for i, row in enumerate(progress) if row["right"][name] >= least) for name, least in wanted
    ]


def _column(name, offset=0, wanted=WANTED):
    progress = record()["progress"]
    return tuple(progress[max(row + offset, 0)][name] for row in _rows(wanted))


def _steps_in_order(*order):
    steps = _column("step")
    return tuple(steps[i] for i in order)


# An exercise turned round: the error is given, the prompt is wanted


@dataclass(frozen=True)
class FailingPrompt:
    """Judges a prompt that the model must refuse, for one unknown word, proposing `proposed` first."""

    proposed: str

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if type(answer) is not str:
            return Finding("wrong", "A prompt is wanted: a text in quotes.")
        from ditcourse.training.data import tokenizer

        tokens = tokenizer()
        words = answer.lower().replace(",", " ").replace(".", " ").split()
        if len(words) > tokens.max_length:
            text = f"It has {len(words)} words, and at most {tokens.max_length} are allowed."
            return Finding("wrong", text, slip="too long")
        unknown = [word for word in words if word not in tokens.number]
        try:
            tokens([answer])
        except ValueError as error:
            said = str(error)
        else:
            return Finding("wrong", "The model knows each of these words; nothing fails.", slip="all known")
        if len(unknown) > 1:
            text = f"There are {len(unknown)} unknown words, and the error speaks of the first only."
            return Finding("wrong", text, slip="several unknown words")
        proposed = said.rpartition("nearest known: ")[2].split(", ")
        if proposed == sorted(tokens.vocabulary):
            return Finding("wrong", "No known word is near, so all are listed.", slip="no word near")
        if proposed[0] != self.proposed:
            return Finding("wrong", f"The first word proposed is {proposed[0]!r}.", slip="other proposal")
        return Finding("right", f"The error says: {said}.")

    def right_answer(self):
        return "aquamarine circle moves left"

    def wrong_answers(self):
        return {
            "all known": f"a red {self.proposed} moves left",
            "too long": "a red circle moves left left left",
            "several unknown words": "an aquamarine circle moves left",
            "no word near": "a zzz circle moves left",
            "other proposal": "a purple circle moves left",
        }


# One half of a block


def _block_inputs(rng):
    import torch

    def few(*shape):
        return torch.from_numpy(rng.normal(size=shape))

    mix, bend = few(5, 5), few(3, 3)

    def norm(x):
        """Each token shifted to mean 0 and scaled to mean square 1."""
        return torch.nn.functional.layer_norm(x, x.shape[-1:])

    def f(x):
        """A made-up layer that mixes tokens and bends what comes in."""
        return (mix @ x @ bend).tanh()

    return few(5, 3), norm, f, few(3), few(3), few(3)


EXERCISES = (
    Exercise(
        id="3.1",
        title="Tokens of other sizes",
        goal="count tokens and the values in each for any size of clip",
        difficulty=1,
        minutes=4,
        judge=values(
            lambda: ((16 // 2) * (32 // 4) ** 2, 3 * 2 * 4 * 4, (64 // 2) ** 2, 3 * 1 * 2 * 2),
            names=("clip_tokens", "clip_values", "image_tokens", "image_values"),
            slips=(
                Slip("colours forgotten", lambda: (512, 32, 1024, 4),
                     "these are the pixels in a patch; each pixel has three values, one for each colour"),
                Slip("colours made into tokens", lambda: (1536, 32, 3072, 4),
                     "the three colours of a pixel stay together, inside one token"),
                Slip("frames cut singly", lambda: (1024, 48, 1024, 12),
                     "a patch of the clip is two frames deep, so that it takes part of both"),
                Slip("depth of the patch forgotten", lambda: (1024, 96, 1024, 12),
                     "the frames are to be divided too: a patch is two frames deep, so half as many layers fit"),
                Slip("frames left out", lambda: (64, 96, 1024, 12),
                     "these are the patches of one layer; the clip goes on in time"),
                Slip("tokens and values swapped", lambda: (96, 512, 12, 1024),
                     "the number of tokens and the number of values in each have changed places"),
            ),
        ),
        hints=(
            "Tokens: how many patches fit along time, height and width? Multiply the three.",
            "Values: colours x frames x height x width of one patch.",
            "Nothing is lost: tokens x values is the number of values in the whole clip.",
        ),
    ),
    Exercise(
        id="3.2",
        title="Noise along a line",
        goal="write what the model sees and what it is asked",
        difficulty=1,
        minutes=5,
        judge=function(
            lambda x0, noise, t: ((1 - t) * x0 + t * noise, noise - x0),
            _line_inputs,
            names=("x_t", "v"),
            slips=(
                Slip("time the other way", lambda x0, noise, t: (t * x0 + (1 - t) * noise, noise - x0),
                     "here t = 0 is the clip and t = 1 is the noise, not the other way round"),
                Slip("noise added whole", lambda x0, noise, t: (x0 + noise, noise - x0),
                     "that is how the hand sheet does it; here t says how much of each"),
                Slip("clip not faded", lambda x0, noise, t: (x0 + t * noise, noise - x0),
                     "as noise comes in, the clip has to go out"),
                Slip("velocity turned round", lambda x0, noise, t: ((1 - t) * x0 + t * noise, x0 - noise),
                     "v points from the clip to the noise, because noise grows with t"),
                Slip("velocity times t", lambda x0, noise, t: ((1 - t) * x0 + t * noise, t * (noise - x0)),
                     "that is the way covered so far; the velocity is the same at every t"),
                Slip("noise as target", lambda x0, noise, t: ((1 - t) * x0 + t * noise, noise),
                     "the noise alone is DiT's target; the miniature is asked for the direction"),
            ),
        ),
        hints=(
            "At t = 0 there must be nothing but x0, at t = 1 nothing but noise.",
            "Two weights that add up to 1: one for the clip, one for the noise.",
            "v is what you add to x0 to reach the noise in one step of length 1.",
        ),
    ),
    Exercise(
        id="3.3",
        title="Back to the clip",
        goal="recover the clip from the noised clip and the velocity",
        difficulty=2,
        minutes=4,
        judge=function(
            lambda x_t, v, t: x_t - t * v,
            _back_inputs,
            slips=(
                Slip("wrong sign", lambda x_t, v, t: x_t + t * v,
                     "this walks on towards the noise; the clip lies the other way"),
                Slip("the whole velocity", lambda x_t, v, t: x_t - v,
                     "from t to 0 the way is shorter than from 1 to 0"),
                Slip("the noise instead", lambda x_t, v, t: x_t + (1 - t) * v,
                     "that is the other end of the line: the noise"),
                Slip("the other part of the way", lambda x_t, v, t: x_t - (1 - t) * v,
                     "1 - t is the way that is left up to the noise, not the way down to the clip"),
            ),
        ),
        hints=(
            "Put x_t = (1 - t) x0 + t noise and v = noise - x0 side by side and get rid of the noise.",
            "x_t = x0 + t (noise - x0).",
        ),
    ),
    Exercise(
        id="3.4",
        title="Guidance",
        goal="let the prompt pull harder",
        difficulty=2,
        minutes=4,
        judge=function(
            lambda with_prompt, without, scale: without + scale * (with_prompt - without),
            _guidance_inputs,
            slips=(
                Slip("the wrong way round", lambda c, u, s: c + s * (u - c),
                     "this walks away from the prompt: the two predictions have changed places"),
                Slip("starts at the prompt", lambda c, u, s: c + s * (c - u),
                     "then a scale of 1 exaggerates already; it must give the prediction with the prompt"),
                Slip("no difference", lambda c, u, s: u + s * c,
                     "what is multiplied is the difference that the prompt makes, not the prediction itself"),
                Slip("scale unused", lambda c, u, s: c, "the scale changes nothing yet"),
                Slip("a mean", lambda c, u, s: (c + u) / 2,
                     "guidance does not meet in the middle, it goes further"),
            ),
        ),
        hints=(
            "What difference does the prompt make?",
            "A scale of 0 must give `without`, a scale of 1 must give `with_prompt`.",
        ),
    ),
    Exercise(
        id="3.5",
        title="The sampler",
        goal="walk from noise to clip in small steps",
        difficulty=2,
        minutes=8,
        judge=function(
            _sampler(),
            _sampler_inputs,
            slips=(
                Slip("wrong sign", _sampler(move=lambda step, v: -step * v),
                     "the steps lead away from the clip: t falls, so the step along v is negative"),
                Slip("time runs the wrong way", _sampler(first=0.0, last=1.0),
                     "sampling begins where everything is noise, at t = 1, and ends at t = 0"),
                Slip("step size missing", _sampler(move=lambda step, v: -v),
                     "the whole way is taken in every step; each step covers only its part"),
                Slip("step size and sign missing", _sampler(move=lambda step, v: v),
                     "v is added as it is; a step goes a small way, and against v"),
                Slip("looks ahead", _sampler(ahead=True),
                     "the model is told the time after the step, but x is still where it was before"),
                Slip("one step short", _sampler(short=1),
                     "there is one step fewer than asked for; n steps have n + 1 ends"),
                Slip("one leap", lambda model, noise, steps: noise - model(noise, 1.0),
                     "the model is asked only once; ask it again after each step"),
            ),
        ),
        hints=(
            "`times` begins at 1, ends at 0, and has one entry more than there are steps.",
            "Ask the model where you are now: model(x, t_now).",
            "A step is (where you go - where you are) times the velocity; the bracket is negative.",
            "times = torch.linspace(1, 0, steps + 1).tolist()",
        ),
    ),
    Exercise(
        id="3.6",
        title="Read the record",
        goal="find out of a run's record what was learned when",
        difficulty=1,
        minutes=4,
        judge=values(
            lambda: _column("step"),
            names=("direction", "shape", "everything"),
            slips=(
                Slip("rows counted", lambda: tuple(row + 1 for row in _rows()),
                     "these are the numbers of the rows; the step is written in the row"),
                Slip("rows counted from 0", lambda: tuple(_rows()),
                     "these are the numbers of the rows; the step is written in the row"),
                Slip("last one below", lambda: _column("step", offset=-1),
                     "there the share was still below the one asked for; take the first that reaches it"),
                Slip("as in the chapter", lambda: _column("step", wanted=[(n, 0.9) for n, _ in WANTED]),
                     "these are the steps for 0.9, as in the chapter; here other shares are asked for"),
                Slip("direction and shape have changed places", lambda: _steps_in_order(1, 0, 2),
                     "two have changed places: direction comes first, then shape"),
                Slip("shape and everything have changed places", lambda: _steps_in_order(0, 2, 1),
                     "two have changed places: shape comes before everything"),
                Slip("seconds", lambda: _column("seconds"), "these are seconds; the step is asked for"),
            ),
        ),
        hints=(
            'For direction, go down the rows and stop at the first with row["right"]["direction"] >= 0.5.',
            'The answer is row["step"] of that row.',
        ),
    ),
    Exercise(
        id="3.7",
        title="Make it fail",
        goal="write a prompt that the tokenizer refuses, for a reason asked for",
        difficulty=2,
        minutes=4,
        judge=FailingPrompt(PROPOSED),
        hints=(
            "The words are proposed by their letters, not by their meaning.",
            f"Misspell the word {PROPOSED}, or take any other word with many of its letters, such as squid.",
        ),
    ),
    Exercise(
        id="3.8",
        title="Half a block",
        goal="let the condition steer a layer of the transformer, and add what it says",
        difficulty=2,
        minutes=5,
        judge=function(
            lambda x, norm, f, shift, scale, gate: x + gate * f(norm(x) * (1 + scale) + shift),
            _block_inputs,
            slips=(
                Slip("scale, not 1 + scale", lambda x, n, f, sh, sc, g: x + g * f(n(x) * sc + sh),
                     "that is how the sheet does it; here the factor is 1 + scale, so that 0 changes nothing"),
                Slip("gate forgotten", lambda x, n, f, sh, sc, g: x + f(n(x) * (1 + sc) + sh),
                     "the gate is missing; it says how much of the layer's result is added"),
                Slip("residual forgotten", lambda x, n, f, sh, sc, g: g * f(n(x) * (1 + sc) + sh),
                     "the tokens themselves are gone; the result is added to x"),
                Slip("gate on both", lambda x, n, f, sh, sc, g: g * (x + f(n(x) * (1 + sc) + sh)),
                     "x passes by the gate; only the layer's result goes through it"),
                Slip("norm forgotten", lambda x, n, f, sh, sc, g: x + g * f(x * (1 + sc) + sh),
                     "the tokens are normalised before scale and shift"),
                Slip("normalised tokens added", lambda x, n, f, sh, sc, g: n(x) + g * f(n(x) * (1 + sc) + sh),
                     "the result is added to x as it came in, not to the normalised tokens"),
                Slip("scale and shift swapped", lambda x, n, f, sh, sc, g: x + g * f(n(x) * (1 + sh) + sc),
                     "scale and shift have changed places"),
                Slip("modulated afterwards", lambda x, n, f, sh, sc, g: x + g * (f(n(x)) * (1 + sc) + sh),
                     "scale and shift come before the layer f, the gate after it"),
            ),
        ),
        hints=(
            "From the inside out: normalise, multiply by 1 + scale, add shift, call f, multiply by gate, add x.",
            "If scale, shift and gate are all 0, x must come out as it went in.",
        ),
    ),
)  # fmt: skip
