"""Chapter 10, training: gradients by hand, the loss, the average, five broken loops, a learning rate, resuming a run.

torch is loaded only when an exercise needs it.
"""

import contextlib
import copy
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from ditcourse.check import Exercise, Slip, function, values
from ditcourse.check.judges import Finding, Letters, _call, _has_dots, letters, read_parts
from ditcourse.check.reading import describe, is_blank
from ditcourse.check.sheet import SheetPart

# The loss of a flow


def _loss_inputs(rng):
    pull, push = rng.normal(size=(4, 4)), rng.normal()

    def model(x, t):
        """A made-up velocity: clips (B, 2, 4) and one time for each, (B,)."""
        if np.shape(t) != (len(x),):
            raise ValueError(f"t must hold one time for each clip, shape ({len(x)},), got {np.shape(t)}")
        return np.tanh(np.asarray(x) @ pull) + push * np.reshape(t, (-1, 1, 1))

    return model, rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 2, 4)), rng.uniform(0.05, 0.95, 3)


def _loss(target=lambda x0, noise, x_t: noise - x0, mix=lambda t: (1 - t, t), told=lambda t: t, seen=None, end=None):
    """A loss (model, x0, noise, t) -> number; with the defaults it is right."""

    def flow_loss(model, x0, noise, t):
        signal, sigma = mix(t[:, None, None])
        x_t = signal * x0 + sigma * noise
        error = model(x_t if seen is None else seen(x0, noise), told(t)) - target(x0, noise, x_t)
        return np.mean(error**2) if end is None else end(error)

    return flow_loss


# The running average


def _average_inputs(rng):
    early = rng.random() < 0.5  # among the first steps of a slow average, or late in a quick one
    first, last, low, high = (0, 30, 0.9, 0.999) if early else (30, 60, 0.2, 0.6)
    step, decay = rng.integers(first, last), rng.uniform(low, high)
    return rng.normal(size=4), rng.normal(size=4), int(step), float(decay)


def _average(decay_at=lambda step, decay: min(decay, (1 + step) / (10 + step)), shares=lambda d: (d, 1 - d)):
    """An average (ema, weights, step, decay) -> the new one; with the defaults it is right."""

    def average(ema, weights, step, decay):
        old, new = shares(decay_at(step, decay))
        return old * ema + new * weights

    return average


# The broken loops


@dataclass(frozen=True)
class Faults:
    """Judges letter by letter, and says it where two letters have the same number."""

    letters: Letters

    def judge(self, answer):
        found = self.letters.judge(answer)
        with contextlib.suppress(Exception):  # it is their object, and may be anything
            given = read_parts(answer, self.letters.names)  # never loops over what has no end
            numbers = [float(one.numbers.reshape(())) for one in given if one is not None and not one.blank.all()]
            twice = sorted({n for n in numbers if numbers.count(n) > 1})
            if twice and found.cell is not None:
                text = "Each loop has a fault of its own, and " + " and ".join(f"{n:g}" for n in twice)
                text += f" stand{'s' if len(twice) == 1 else ''} there more than once.\n  {found.text}"
                return Finding(found.state, text, found.cell, found.slip)
        return found

    def right_answer(self):
        return self.letters.right_answer()

    def wrong_answers(self):
        return self.letters.wrong_answers()


# A learning rate from its curve

SHOWN = ("0.05", "0.0001", "0.002")  # the learning rates of curves a, b and c


def mystery_curves():
    """{"a": losses, ...}: the recorded runs with these learning rates, each loss the mean of ten steps."""
    from ditcourse.figures.training import training_record

    rates = training_record()["parts"]["rates"]
    return {name: rates[rate]["losses"] for name, rate in zip("abc", SHOWN, strict=True)}


# What is said to the broken loops

SAME_RATE = "the learning rate is the same in all six loops"
SAME_TIME = "the model is told the very t that clip and noise were mixed with"
SAME_MEAN = "all five average the loss over the batch; look at the last word of that line"
LOOPS = {  # what is said to every wrong number
    "a": {
        1: "the line that hides the prompt is that of the right loop",
        2: f"{SAME_RATE}; look at what is missing before `backward`",
        4: "the noise in the target is the noise that was mixed in",
        5: SAME_TIME,
        6: "a target that is turned round is as easy to learn, and the loss falls; that of a goes up and down",
        7: SAME_MEAN,
        8: "the average does not change the loss, and the weights of a are no better than it",
    },
    "b": {
        1: "the line that hides the prompt is that of the right loop",
        2: f"{SAME_RATE}, and the loss of b falls as it should",
        3: "`zero_grad` is there, and the loss of b falls as it should",
        4: "noise that nobody can know would keep the loss above 1; that of b falls as it should",
        5: SAME_TIME,
        7: SAME_MEAN,
        8: "in b the weights themselves are no better than their average; look at the target",
    },
    "c": {
        2: f"{SAME_RATE}, and the loss of c falls nearly as it should",
        3: "`zero_grad` is there",
        4: "the noise in the target is the noise that was mixed in",
        5: "the time is told rightly; look at what else the model hears",
        6: "the target is that of the right loop; look at what the model hears",
        7: SAME_MEAN,
        8: "in c the weights themselves are no better than their average",
    },
    "d": {
        1: "the line that hides the prompt is that of the right loop, and the weights obey it",
        2: f"{SAME_RATE}, and the weights do well",
        3: "`zero_grad` is there, and the weights do well",
        4: "in d the weights do well, so the target was right",
        5: f"{SAME_TIME}, and the weights do well",
        6: "in d the weights do well, so the target was right",
        7: SAME_MEAN,
    },
    "e": {
        1: "the line that hides the prompt is that of the right loop",
        2: f"{SAME_RATE}; e does learn at first, and is asked for something that nobody can know",
        3: "`zero_grad` is there; e is asked for something that nobody can know",
        5: f"{SAME_TIME}; look at what is drawn after mixing",
        6: "the target does point from the clip to a noise; to which one?",
        7: SAME_MEAN,
        8: "in e the weights themselves are no better than their average",
    },
}

# Resuming: a small run, and a judge that stops it and goes on


def new_run(seed=0):
    """A run at its first step: model, average, optimizer, dice for the data, step."""
    import torch

    torch.manual_seed(seed)
    model = torch.nn.Linear(4, 4)
    return SimpleNamespace(
        model=model,
        ema=copy.deepcopy(model),
        optimizer=torch.optim.AdamW(model.parameters(), lr=0.01),
        dice=torch.Generator().manual_seed(seed),
        step=0,
    )


def train(run, steps):
    """Go on: learn to turn four numbers round. The step decides rate and average."""
    import torch

    for _ in range(steps):
        x = torch.randn(8, 4, generator=run.dice)
        loss = (run.model(x) - x.flip(1)).square().mean()
        run.optimizer.zero_grad()
        loss.backward()
        for group in run.optimizer.param_groups:
            group["lr"] = 0.01 * min(1, (run.step + 1) / 20)
        run.optimizer.step()
        decay = min(0.999, (1 + run.step) / (10 + run.step))
        with torch.no_grad():
            for a, w in zip(run.ema.parameters(), run.model.parameters(), strict=True):
                a.lerp_(w, 1 - decay)
        run.step += 1


def parts_of_run(run):
    """{what it is called: its numbers, copied} of all that a run changes."""
    state = run.optimizer.state_dict()["state"]
    moments = [value for index in sorted(state) for _, value in sorted(state[index].items())]
    return {
        "the weights": [p.detach().clone() for p in run.model.parameters()],
        "the average": [p.detach().clone() for p in run.ema.parameters()],
        "the optimizer": [copy.deepcopy(value) for value in moments],
        "the dice": [run.dice.get_state().clone()],
        "the step": [run.step],
    }


def _alike(mine, theirs):
    import torch

    return len(mine) == len(theirs) and all(
        torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(mine, theirs, strict=True)
    )


def _differing(one, other):
    """The names of the parts that are not the same to the last bit."""
    return [name for name in other if not _alike(one[name], other[name])]


KEYS = {
    "the weights": "model", "the average": "ema", "the optimizer": "optimizer", "the dice": "dice", "the step": "step",
}  # fmt: skip
SAID = {
    "the weights": "the weights are not those of the moment when it was saved",
    "the average": "the average of the weights is not what it was; the clips are made with it",
    "the optimizer": "the optimizer has forgotten its moments, or has others; its state_dict() holds them",
    "the dice": "the dice fall otherwise, so the run sees other data; dice.get_state() holds where they are",
    "the step": "the step is another one, and with it learning rate and average",
}


def _saved(save, load, further):
    """A run that is saved, goes on for so many steps, and is loaded into a fresh one.

    Returns the fresh run, its parts, the saved run's parts at the moment of saving and at the end, and what `load`
    returned; or a Finding, where that comes first.
    """
    run = new_run(seed=1)
    train(run, 25)
    there = parts_of_run(run)
    kept, problem = _call(save, None, (run,))
    if problem:
        return _named(problem, "save")
    if is_blank(kept):
        return Finding("not done", "`save` does not return anything yet.")
    if _differing(parts_of_run(run), there):
        return Finding("wrong", "Saving has changed the run itself; only look at it.", slip="saving changes it")
    train(run, further)
    fresh = new_run(seed=2)
    before = parts_of_run(fresh)
    returned, problem = _call(load, None, (fresh, kept))
    if problem:
        return _named(problem, "load")
    if not _differing(parts_of_run(fresh), before):
        if _has_dots(load):
            return Finding("not done", "`load` does nothing yet.")
        did = "left" if is_blank(returned) else "returned something, and left"
        text = f"`load` has {did} the run that it was given as it was; change that run itself."
        return Finding("wrong", text, slip="load leaves the run alone")
    return fresh, there, parts_of_run(run)


def _named(problem, name):
    """A finding about "your function" with the function's name."""
    return Finding(problem.state, problem.text.replace("Your function", f"`{name}`", 1), problem.cell, problem.slip)


def _trains_another(run):
    """Does the optimizer hold other tensors than the model's?"""
    held = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
    return held != {id(p) for p in run.model.parameters()}


@dataclass(frozen=True)
class Resumed:
    """Judges (save, load): a run is saved, goes on, and is loaded into a fresh run, which must be where it was."""

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if not isinstance(answer, (tuple, list)) or len(answer) != 2 or not all(map(callable, answer)):
            return Finding("wrong", "Two functions are wanted: (save, load).")
        wrong = {}
        for further in (0, 5):  # loaded at once, and after the run has gone on: what was kept must not go with it
            made = _saved(*answer, further)
            if isinstance(made, Finding):
                return made
            fresh, there, late = made
            try:
                wrong[further], other = _differing(parts_of_run(fresh), there), _trains_another(fresh)
            except Exception as error:
                return Finding("wrong", f"What is loaded is no run any more: looking at it gives {describe(error)}.")
            if other:
                text = "The optimizer's parameters are no longer the model's: going on would train another model. "
                text += "Put the numbers into the model that is there (load_state_dict)."
                return Finding("wrong", text, slip="optimizer of another model")
        missing, moved = wrong[0], [name for name in wrong[5] if name not in wrong[0]]
        lines = ["After loading, " + SAID[name] + "." for name in missing]
        lines += [f"{name[:1].upper()}{name[1:]}: what was kept has moved on with the run. It shows the run's own "
                  "tensors; copy them." for name in moved]  # fmt: skip
        if lines:
            slip = missing[0] if len(missing) == 1 and not moved else "not copied" if not missing else None
            return Finding("wrong", "\n  ".join(lines), slip=slip)
        try:
            train(fresh, 5)
        except Exception as error:
            return Finding("wrong", f"It comes back as it was, but going on with it gives {describe(error)}.")
        if _differing(parts_of_run(fresh), late):
            return Finding("wrong", "It comes back as it was, but does not go on as it would have.")
        return Finding("right")

    def right_answer(self):
        return save, load

    def wrong_answers(self):
        made = {name: (save, _without(key)) for name, key in KEYS.items()}
        return made | {
            "not copied": (_look, load), "saving changes it": (_rewind, load),
            "load leaves the run alone": (save, _new), "optimizer of another model": (_whole, _put),
        }  # fmt: skip


def save(run):
    """All that a run changes, copied."""
    return copy.deepcopy(
        {
            "model": run.model.state_dict(),
            "ema": run.ema.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "dice": run.dice.get_state(),
            "step": run.step,
        }
    )


def load(run, kept):
    """Put it into a fresh run."""
    run.model.load_state_dict(kept["model"])
    run.ema.load_state_dict(kept["ema"])
    run.optimizer.load_state_dict(kept["optimizer"])
    run.dice.set_state(kept["dice"])
    run.step = kept["step"]


def _look(run):
    """What `save` holds, but not copied."""
    return {
        "model": run.model.state_dict(), "ema": run.ema.state_dict(), "optimizer": run.optimizer.state_dict(),
        "dice": run.dice.get_state(), "step": run.step,
    }  # fmt: skip


def _rewind(run):
    kept = save(run)
    run.step = 0
    return kept


def _new(run, kept):
    """A `load` that makes a run of its own."""
    own = new_run()
    load(own, kept)
    return own


def _whole(run):
    """The run itself, copied, where its state was asked for."""
    return save(run) | {"model": copy.deepcopy(run.model)}


def _put(run, kept):
    load(run, kept | {"model": kept["model"].state_dict()})
    run.model = kept["model"]


def _without(key):
    """A `load` that leaves one part as it is in the fresh run."""
    return lambda run, kept: load(run, kept | {key: save(run)[key]})


EXERCISES = (
    Exercise(
        id="10.1", title="Learning by hand", goal="work out gradients, take two steps, average and clip on paper",
        difficulty=1, minutes=15, judge=SheetPart(form="learn"),
    ),
    Exercise(
        id="10.2",
        title="The loss of a flow",
        goal="write the number that training makes small",
        difficulty=2,
        minutes=6,
        judge=function(
            _loss(),
            _loss_inputs,
            slips=(
                Slip("sign turned round", _loss(target=lambda x0, noise, x_t: x0 - noise),
                     "the target points from the noise to the clip; the velocity is the noise minus the clip"),
                Slip("noise as the target", _loss(target=lambda x0, noise, x_t: noise),
                     "the model was held against the noise; a flow's model answers with the velocity"),
                Slip("clip as the target", _loss(target=lambda x0, noise, x_t: x0),
                     "the model was held against the clip; a flow's model answers with the velocity"),
                Slip("target from the mixture", _loss(target=lambda x0, noise, x_t: noise - x_t),
                     "the target was taken from the mixed clip; it is the noise minus the clean clip"),
                Slip("target to the mixture", _loss(target=lambda x0, noise, x_t: x_t - x0),
                     "the target was taken from the mixed clip; it is the whole way, the noise minus the clip"),
                Slip("roots", _loss(mix=lambda t: (np.sqrt(1 - t), np.sqrt(t))),
                     "clip and noise were mixed with the roots of 1 - t and t; the straight line has no roots"),
                Slip("t turned round", _loss(mix=lambda t: (t, 1 - t)),
                     "t and 1 - t have changed places: at t = 1 there is only noise"),
                Slip("one time for all", _loss(mix=lambda t: (1 - t[:1], t[:1])),
                     "the first clip's time was used for all of them; give t two more axes, t[:, None, None]"),
                Slip("told another time", _loss(told=lambda t: 1 - t),
                     "the model was told 1 - t; tell it the t that its clips were mixed with"),
                Slip("clean clips", _loss(seen=lambda x0, noise: x0),
                     "the model was shown clips without noise"),
                Slip("pure noise", _loss(seen=lambda x0, noise: noise),
                     "the model was shown the noise alone, without clips in it"),
                Slip("added whole", _loss(mix=lambda t: (1, 1)),
                     "clip and noise were added whole; mix them, 1 - t of the clip and t of the noise"),
                Slip("no mean over the batch", _loss(end=lambda error: np.mean(error**2, axis=(1, 2))),
                     "that is one number for each clip; the loss is their mean"),
                Slip("sum", _loss(end=lambda error: np.sum(error**2)),
                     "the squares were added up; take their mean, or the loss depends on how large a clip is"),
                Slip("halved", _loss(end=lambda error: np.mean(error**2) / 2),
                     "that is half of the mean square; on the sheet there was a half, here there is none"),
                Slip("no square", _loss(end=lambda error: np.mean(np.abs(error))),
                     "that is the mean of the absolute error; square it"),
                Slip("root", _loss(end=lambda error: np.sqrt(np.mean(error**2))),
                     "the root was taken; the loss is the mean square itself"),
                Slip("mean first", _loss(end=lambda error: np.mean(error) ** 2),
                     "the mean was taken before the square, so that errors cancel"),
            ),
        ),
        hints=(
            "Three steps: mix clip and noise, ask the model, compare with the velocity.",
            "t holds one number for each clip. t[:, None, None] fits to clips of (rows, columns).",
            "np.mean((model(x_t, t) - (noise - x0)) ** 2)",
        ),
    ),
    Exercise(
        id="10.3",
        title="A running average",
        goal="keep a calm copy of the weights that forgets its first days",
        difficulty=2,
        minutes=5,
        judge=function(
            _average(),
            _average_inputs,
            slips=(
                Slip("large from the start", _average(lambda step, decay: decay),
                     "in every step the decay was the one given; it begins small, with (1 + step) / (10 + step), "
                     "both pairs of brackets included"),
                Slip("larger of the two", _average(lambda step, decay: max(decay, (1 + step) / (10 + step))),
                     "the larger decay was taken; the smaller of the two is wanted"),
                Slip("young for ever", _average(lambda step, decay: (1 + step) / (10 + step)),
                     "the decay given never comes into play; it is the most that there may be"),
                Slip("changed places", _average(shares=lambda d: (1 - d, d)),
                     "average and weights have changed places: the decay says how much of the old average stays"),
                Slip("weights added whole", _average(shares=lambda d: (d, 1)),
                     "the weights were added whole; of them comes in what the old average leaves, 1 - d"),
                Slip("the same share of both", _average(shares=lambda d: (d, d)),
                     "weights and average got the same share; the two shares add up to 1"),
                Slip("a step late", _average(lambda step, decay: min(decay, (2 + step) / (11 + step))),
                     "the step was counted from 1; the first one is step 0"),
                Slip("weights alone", _average(lambda step, decay: 0),
                     "those are the weights; nothing of the average is left"),
            ),
        ),
        hints=(
            "First the decay of this step: the smaller of `decay` and (1 + step) / (10 + step).",
            "So much of the old average stays; the rest comes from the weights.",
            "d * ema + (1 - d) * weights",
        ),
    ),
    Exercise(
        id="10.4",
        title="Five broken loops",
        goal="find the bug from the curve, the counts and the code",
        difficulty=3,
        minutes=15,
        judge=Faults(letters(
            lambda: (3, 6, 1, 8, 4),
            says=LOOPS,
            swapped={"be": "the loss of b falls as it should, so its target can be known; that of e does not"},
        )),
        hints=(
            "Which of the five have a loss like the right loop, and which of these make wrong clips?",
            "Compare the column of the weights with that of the average. Only in one do they differ.",
            "Now read the code, one line of each step: hide, mix, target, zero_grad, average.",
        ),
    ),
    Exercise(
        id="10.5",
        title="Which learning rate?",
        goal="tell a learning rate from its curve",
        difficulty=1,
        minutes=4,
        judge=values(
            lambda: tuple(float(rate) for rate in SHOWN),
            names=("a", "b", "c"),
            slips=tuple(
                Slip(f"{'abc'[i]} and {'abc'[k]} changed places",
                     lambda i=i, k=k: tuple(float(SHOWN[{i: k, k: i}.get(j, j)]) for j in range(3)),
                     says)
                for i, k, says in (
                    (0, 1, "a falls fast and then goes wrong, b is still on its way: the two have changed places"),
                    (0, 2, "c arrives, a does not: the two have changed places"),
                    (1, 2, "c arrives much sooner than b: the two have changed places"),
                )
            ),
            tolerance=1e-6,
        ),
        hints=("A learning rate that is too small gives a smooth curve that is not done at the end.",
               "One that is too large may fall at first and then jump, or rise at once, and stop with an error."),
    ),
    Exercise(
        id="10.6",
        title="Resume a run",
        goal="save all that a run needs to go on as if it had never stopped",
        difficulty=3,
        minutes=15,
        judge=Resumed(),
        hints=(
            "What does a step of `train` change? Five things.",
            "model, ema and optimizer have state_dict() and load_state_dict(); the dice have get_state(), set_state().",
            "state_dict() shows the run's own tensors, which will change: copy.deepcopy what you keep.",
        ),
    ),
)  # fmt: skip
