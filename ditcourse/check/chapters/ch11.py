"""Chapter 11, a captioned world: pixels at an edge, what a prompt names, a subject, a split, a track, odd data sets.

torch is loaded only when an exercise needs it.
"""

import math
from collections import Counter
from dataclasses import dataclass
from itertools import islice, product
from random import Random

import numpy as np

from ditcourse.check import Exercise, Slip, values
from ditcourse.check.judges import Finding, _call, _sentence, letters
from ditcourse.check.reading import describe, is_blank, name_of

# Pixels at the edge: lengths in pixels, from the top left corner, y downwards

CIRCLE = (5.5, 6.25), 3.0  # centre (x, y), radius
PIXELS = ((8, 7), (5, 3), (7, 2))  # column and row, from 0
SKY, INK = 0.2, 1.0  # brightness


def _offsets(half=0.5):
    """From the circle's centre to each pixel's centre, (3, 2)."""
    return np.array(PIXELS) + half - np.array(CIRCLE[0])


def _edge(distance=None, cover=lambda d: np.clip(0.5 - d, 0, 1), mix=lambda c: c * INK + (1 - c) * SKY):
    """(distance, coverage, brightness) of the three pixels; with the defaults they are right."""
    d = np.linalg.norm(_offsets(), axis=1) - CIRCLE[1] if distance is None else distance()
    return d, cover(d), mix(cover(d))


def _from_row_and_column():
    """The distances of who takes the row for x."""
    return np.linalg.norm(np.array(PIXELS)[:, ::-1] + 0.5 - np.array(CIRCLE[0]), axis=1) - CIRCLE[1]


_SIGN = "the sign of the distance is turned round; outside it is positive"
_CLIP = "a pixel cannot be covered by less than nothing: what is below 0 becomes 0"


# What may be scored? Five prompts, and what each of them names

OPTIONS = {
    1: (), 2: ("sky",), 3: ("subject", "sky"), 4: ("colour", "motion", "sky"), 5: ("subject", "colour", "sky"),
    6: ("subject", "colour", "motion", "sky"),
}  # fmt: skip
PROMPTS = {
    "a": "a dragon at golden sunset",
    "b": "at sunset something golden climbs",
    "c": "sora at crimson dusk",
    "d": "a golden moon hovers at golden sunset",
    "e": "sora is sky",
}
_NAMED = {  # what each prompt names, and the words that do it; tests compare with `parse`
    "a": {"subject": "dragon", "sky": "sunset"},
    "b": {"colour": "golden", "motion": "climbs", "sky": "sunset"},
    "c": {"sky": "dusk"},
    "d": {"subject": "moon", "colour": "golden", "motion": "hovers", "sky": "sunset"},
    "e": {},
}
_OPEN = {  # why it does not name the others, where that is not plain
    ("a", "colour"): "golden stands right before sunset and belongs to it, so the dragon may have any colour",
    ("b", "subject"): "something may be any subject",
    ("c", "colour"): "crimson is part of the name of the sky, and no colour of a subject",
    ("c", "subject"): "sora is the sky and no subject",
    ("e", "sky"): "the word sky does not say which sky",
    ("e", "subject"): "sora is the sky and no subject",
}


def _answers():
    return tuple(next(n for n, names in OPTIONS.items() if set(names) == set(_NAMED[letter])) for letter in PROMPTS)


def _reason(letter, number):
    """What to say where a wrong number was chosen for a prompt: one attribute only, or it would be the key."""
    chosen, named = OPTIONS[number], _NAMED[letter]
    open_ = [_OPEN[letter, name] for name in chosen if (letter, name) in _OPEN]
    said = [f"no {name} is named" for name in chosen if name not in named]
    missing = [f"{word} names the {name}" for name, word in named.items() if name not in chosen]
    return (open_ + said + missing)[0]


SCORED_SAYS = {
    letter: {n: _reason(letter, n) for n in OPTIONS if n != right}
    for letter, right in zip(PROMPTS, _answers(), strict=True)
}

# A subject of one's own

AREA, REACH = (0.25, 2.2), 1.35  # square units; furthest from the middle along x or y
STEEPEST, FLATTEST = 1.1, 0.6  # change of the distance for each unit of way
FLAT_SHARE = 0.1  # of the edge, that may change by less: where shapes are joined softly
BEAT, ALIKE = 0.03, 0.8  # square units that change with the beat; overlap with one that there is


def fish(p, phase):
    """The chapter's example: the overlap of two circles, and a tail that beats."""
    import torch

    from ditcourse.world.sky import circle, polygon, union

    sway = 0.3 * phase.sin()
    body = torch.maximum(circle(p, (0.15, 0.5), 0.85), circle(p, (0.15, -0.5), 0.85))
    tail = polygon(p, [(-0.4, 0.0), (-0.95, sway - 0.35), (-0.95, sway + 0.35)])
    return union(body, tail)


def rocket(p, phase):
    """The judge's own answer: a body, a tip, two fins, and a flame that flickers."""
    from ditcourse.world.sky import capsule, polygon, union

    flame = -0.9 - 0.25 * (2 * phase).sin()
    return union(
        capsule(p, (-0.45, 0.0), (0.5, 0.0), 0.22),
        polygon(p, [(0.45, -0.24), (0.95, 0.0), (0.45, 0.24)]),
        polygon(p, [(-0.2, 0.0), (-0.7, -0.5), (-0.7, 0.5)]),
        polygon(p, [(-0.6, -0.2), (flame, 0.0), (-0.6, 0.2)]),
    )


def points(frames=(2, 3), side=65, reach=2.0, seed=7):
    """A grid of points p = (x, y), each (B, T, side, side), and a phase (B, T) of its own for each frame."""
    import torch

    dice = torch.Generator()
    dice.seed() if seed is None else dice.manual_seed(seed)
    line = torch.linspace(-reach, reach, side)
    y, x = (part.expand(*frames, side, side).contiguous() for part in torch.meshgrid(line, line, indexing="ij"))
    phase = 20 * torch.rand(frames, generator=dice)
    return (x, y), phase


@dataclass(frozen=True)
class Subject:
    """Judges a function (p, phase) -> signed distance by what every subject must be; any shape is welcome."""

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if not callable(answer):
            return Finding("wrong", f"A function is wanted (its name, without brackets); that is {name_of(answer)}.")
        import torch  # noqa: F401  (here, so that its absence is not laid to the learner's function)

        p, phase = points()
        d, problem = self._distance(answer, p, phase)
        problem = problem or self._again(answer, d, p, phase) or self._drift(answer) or self._far(answer)
        problem = problem or self._size(d, p) or self._steep(d, p) or self._flat(answer) or self._life(answer, d)
        return problem or self._twin(d, p, phase)

    def _distance(self, answer, p, phase):
        """The learner's distances as a float tensor (B, T, H, W), or the finding that says why there are none."""
        import torch

        given = tuple(part.clone() for part in p), phase.clone()
        d, problem = _call(answer, None, given)
        if problem:
            return None, _known_error(problem)
        if d is None:
            return None, Finding("not done", "The function does not return a result yet.")
        if not isinstance(d, torch.Tensor):
            text = f"A tensor is wanted, a distance for each point; the function gives {name_of(d)}."
            return None, Finding("wrong", text, slip="no tensor")
        if not all(torch.equal(a, b) for a, b in zip((*given[0], given[1]), (*p, phase), strict=True)):
            text = "The function changes x, y or the phase that it is given (as x -= 1 does). Make new tensors."
            return None, Finding("wrong", text, slip="inputs changed")
        if d.shape != p[0].shape:
            text = f"x and y are {tuple(p[0].shape)}; the distance must be as well, and is {tuple(d.shape)}."
            return None, Finding("wrong", text, slip="other shape")
        if d.dtype == torch.bool or (d.isfinite().all() and len(d.unique()) <= 2):
            text = "That is a mask: it says inside or outside, and not how far from the edge. Leave out the comparison."
            return None, Finding("wrong", text, slip="mask")
        if not d.is_floating_point() or not d.isfinite().all():
            return None, Finding("wrong", "Some of the distances are not finite numbers.", slip="not finite")
        if d.min() >= 0 and d.max() <= 1:
            text = "All values lie between 0 and 1: that is a coverage. A distance is wanted; paint does the rest."
            return None, Finding("wrong", text, slip="coverage")
        return d.detach(), None

    def _again(self, answer, d, p, phase):
        """Does it say the same of the same?"""
        import torch

        again, problem = self._distance(answer, p, phase)
        if problem or torch.allclose(again, d, atol=1e-4):
            return problem
        text = "Asked twice about the same points and phase, it gives different distances. Leave out what is random."
        return Finding("wrong", text, slip="not the same twice")

    def _drift(self, answer):
        """Does it stay at its place, however far the phase has gone?"""
        import torch

        p, _ = points(frames=(1, 24))
        phase = torch.cat([torch.linspace(0, 18, 12), torch.linspace(82, 100, 12)])[None]
        d, problem = self._distance(answer, p, phase)
        if problem:
            return problem
        inside = d[0] < 0
        there = inside.flatten(1).any(1)
        early, late = (self._reach(p, inside[None, part]) for part in (slice(12), slice(12, 24)))
        if (there[0] and not there[12:].any()) or (late > REACH and late > early + 0.3):
            text = ("As the phase grows it leaves its place, or changes for good. The painter lets it fly; here parts "
                    "only swing. Use the phase as an angle: phase.sin() or phase.cos().")  # fmt: skip
            return Finding("wrong", text, slip="drifts")
        return None

    def _reach(self, p, inside):
        """How far from the middle it gets along x or y; 0 where nothing is inside."""
        across, down = (part[:, : inside.shape[1]][inside].abs() for part in p)
        return max(across.max().item(), down.max().item()) if inside.any() else 0.0

    def _far(self, answer):
        """Is it negative far away?"""
        p, phase = points(frames=(1, 1), side=9, reach=9.0)
        ring = (p[0].abs() > 3) | (p[1].abs() > 3)
        d, problem = self._distance(answer, p, phase)
        if problem:
            return problem
        if (d[ring] < 0).all():
            text = "Far away the distance is negative: the sign is turned round. Outside it is positive."
            return Finding("wrong", text, slip="sign turned")
        if (d[ring] < 0).any():
            text = "It is negative at points more than 3 from the middle: so large is no subject, or it has no end."
            return Finding("wrong", text, slip="no end")
        return None

    def _size(self, d, p):
        """Is there something inside the frame, of a fit size?"""
        inside = d < 0
        if not inside.any():
            text = "The distance is nowhere negative, so nothing would be painted."
            return Finding("wrong", text, slip="nothing inside")
        reach = self._reach(p, inside)
        area = _area(inside)
        if reach > REACH:
            text = f"It reaches {reach:.1f} from the middle; at most {REACH} is wanted, or the picture's edge cuts it."
            return Finding("wrong", text, slip="off the frame")
        if not AREA[0] <= area.min() <= area.max() <= AREA[1]:
            least, most = area.min().item(), area.max().item()
            slip = "too small" if least < AREA[0] else "too large"
            text = f"Its area is {least:.2f} to {most:.2f}; {AREA[0]} to {AREA[1]} is wanted (the six: 0.4 to 1.2)."
            return Finding("wrong", text, slip=slip)
        return None

    def _steep(self, d, p):
        """A distance changes by as much as one walks, and never by more."""
        step = (p[0][0, 0, 0, 1] - p[0][0, 0, 0, 0]).item()
        across = (d[..., 2:] - d[..., :-2])[..., 1:-1, :] / (2 * step)
        down = (d[..., 2:, :] - d[..., :-2, :])[..., 1:-1] / (2 * step)
        slope = (across.square() + down.square()).sqrt()
        if slope.max() > STEEPEST:
            text = (f"One step further, and the value changes by up to {slope.max():.1f} steps; a distance changes by "
                    "one at most. Was a square left without its root, or x or y multiplied?")  # fmt: skip
            return Finding("wrong", text, slip="too steep")
        return None

    def _flat(self, answer):
        """Near the edge it must not change by less either, all along it: the edge would be wide there.

        Steps of a thousandth hardly ever cross a crease, where two shapes meet and the change is less for good reason.
        """
        import torch

        (x, y), phase = points(frames=(1, 2), side=181, reach=1.4)
        dice = torch.Generator().manual_seed(3)
        x, y = (part + 0.015 * (torch.rand(part.shape, generator=dice) - 0.5) for part in (x, y))
        step, found = 1e-3, []
        for dx, dy in ((0, 0), (step, 0), (-step, 0), (0, step), (0, -step)):
            d, problem = self._distance(answer, (x + dx, y + dy), phase)
            if problem:
                return problem
            found.append(d)
        here, right, left, below, above = found
        near = here.abs() < 0.03
        slope = torch.hypot(right - left, below - above)[near] / (2 * step)
        least = slope.quantile(FLAT_SHARE).item() if near.any() else 0.0
        if least < FLATTEST:
            text = (f"At a part of the edge the value changes by only {least:.2f} for each step, a distance by one: "
                    "the edge would be blurred there. Was x or y divided, or the distance?")  # fmt: skip
            return Finding("wrong", text, slip="too flat")
        return None

    def _life(self, answer, d):
        """Does it move with the phase, each frame with its own?"""
        import torch

        (x, y), phase = points(seed=None)  # fresh ones, that nobody can know
        together, problem = self._distance(answer, (x, y), phase)
        if problem:
            return problem
        for b, t in product(range(x.shape[0]), range(x.shape[1])):
            one = slice(b, b + 1), slice(t, t + 1)
            alone, problem = self._distance(answer, (x[one], y[one]), phase[one])
            if problem:
                return problem
            if not torch.allclose(alone, together[one], atol=1e-4):
                text = "A frame comes out differently when others stand beside it: each must use its own phase."
                return Finding("wrong", text, slip="one phase for all")
        p, _ = points(frames=(1, 12))
        beats, problem = self._distance(answer, p, torch.linspace(0, 18, 12)[None])
        if problem:
            return problem
        inside = beats[0] < 0
        changed = max(_area(inside ^ other).max().item() for other in inside)
        if changed < BEAT:
            text = "It looks the same at every phase. Let something swing or beat: phase.sin() goes up and down."
            return Finding("wrong", text, slip="no beat")
        return None

    def _twin(self, d, p, phase):
        """With which of the six, or the chapter's example, does it overlap most?"""
        from ditcourse.world.sky import SHAPES

        overlap = {}
        for name, shape in {**SHAPES, "chapter's fish": fish}.items():
            other = shape(p, phase) < 0
            overlap[name] = ((d < 0) & other).sum().item() / ((d < 0) | other).sum().item()
        nearest = max(overlap, key=overlap.get)
        if overlap[nearest] > ALIKE:
            text = f"That is the {nearest}, or nearly so. A subject of your own is wanted."
            return Finding("wrong", text, slip="no new one")
        area = _area(d < 0).mean().item()
        text = f"Its area is about {area:.2f}. Of the known shapes it overlaps most with the {nearest}."
        return Finding("right", text)

    def right_answer(self):
        return rocket

    def wrong_answers(self):
        return _odd_subjects()


def _area(inside):
    """Square units, (B, T), from points 1 / 16 apart."""
    return inside.float().sum((-2, -1)) / 16**2


def _known_error(problem):
    """The finding of a function that stopped, with a word on two errors that are common here."""
    said = problem.text if problem.state == "wrong" else ""
    if "The size of tensor" in said:
        text = f"{said} phase is (B, T) and x is (B, T, H, W): give it two axes more, phase[..., None, None]."
        return Finding("wrong", text, slip="phase without axes")
    if "converted to Scalar" in said or "converted to Python scalar" in said:
        text = f"{said} Something for one number (as math.sin) met a tensor: phase.sin() takes all at once."
        return Finding("wrong", text, slip="math of one number")
    return problem


def _odd_subjects():
    """A function for each slip; none of them needs torch before it is called."""

    def far(p):
        return (p[0].square() + p[1].square()).sqrt()

    def pulse(phase):
        return 0.1 * phase.sin()[..., None, None]

    def changed(p, phase):
        x, y = p
        x -= pulse(phase)
        return (x.square() + y.square()).sqrt() - 0.6

    return {
        "no tensor": lambda p, phase: 0.5,
        "not the same twice": lambda p, phase: far(p) - 0.6 - 0.1 * phase.sin().normal_()[..., None, None],
        "drifts": lambda p, phase: (
            ((p[0] - 0.05 * phase[..., None, None]).square() + p[1].square()).sqrt() - 0.5
        ),
        "mask": lambda p, phase: far(p) < 0.6 + pulse(phase),
        "inputs changed": changed,
        "other shape": lambda p, phase: (far(p) - 0.6)[:1, :1],
        "not finite": lambda p, phase: (far(p) - 0.6 - pulse(phase)) / (p[0] - p[0]),
        "coverage": lambda p, phase: (0.5 - (far(p) - 0.6 - pulse(phase)) * 8).clamp(0, 1),
        "sign turned": lambda p, phase: 0.6 + pulse(phase) - far(p),
        "no end": lambda p, phase: (p[1] - pulse(phase)).abs() - 0.3,
        "nothing inside": lambda p, phase: far(p) + 0.2 + pulse(phase),
        "off the frame": lambda p, phase: (
            ((p[0] - 1.2).square() + p[1].square()).sqrt() - 0.6 - pulse(phase)
        ),
        "too small": lambda p, phase: far(p) - 0.2 - pulse(phase) / 4,
        "too large": lambda p, phase: far(p) - 1.1 - pulse(phase),
        "too steep": lambda p, phase: far(p).square() - 0.4 - pulse(phase),
        "too flat": lambda p, phase: (far(p) - 0.6 - pulse(phase)) / 3,
        "no beat": lambda p, phase: far(p) - 0.6,
        "one phase for all": lambda p, phase: far(p) - 0.6 - 0.2 * phase.mean().sin(),
        "no new one": _balloon,
        "phase without axes": lambda p, phase: far(p) - 0.6 - 0.1 * phase.sin(),
        "math of one number": lambda p, phase: far(p) - 0.6 - 0.1 * math.sin(phase),
    }


def _balloon(p, phase):
    from ditcourse.world.sky import circle, polygon

    cone = polygon(p, [(-0.47, 0.02), (0.47, 0.02), (0.13, 0.5 + 0.1 * phase.sin()), (-0.13, 0.52)])
    return cone.minimum(circle(p, (0.05 * (phase * 0.35).sin(), -0.28), 0.57)).minimum(
        polygon(p, [(-0.17, 0.68), (0.17, 0.68), (0.13, 0.92), (-0.13, 0.92)])
    )


# A split that asks something


def some_words(dice):
    """{attribute: its words}, three attributes of 3 to 6 made-up words; the first two make the pairs."""
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]

    def words(count):
        found = set()
        while len(found) < count:
            found.add("".join(dice.choices(syllables, k=2)))
        return tuple(sorted(found, key=lambda word: dice.random()))

    names = ("subject", "colour", "motion")
    sizes = [dice.randint(3, 6) for _ in names]
    every = words(sum(sizes))  # no word twice
    return {name: every[sum(sizes[:k]) : sum(sizes[: k + 1])] for k, name in enumerate(names)}


@dataclass(frozen=True)
class Split:
    """Judges a function attributes -> (train, held out) by what the two lists are; many splits are right."""

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if not callable(answer):
            return Finding("wrong", f"A function is wanted (its name, without brackets); that is {name_of(answer)}.")
        for seed in (0, 1, 2, 3, None):  # None: words that nobody can know
            attributes = some_words(Random(seed))
            result, problem = _call(answer, None, (dict(attributes),))
            if problem and problem.state == "wrong":
                return Finding("wrong", _with(attributes) + problem.text[:1].lower() + problem.text[1:])
            problem = problem or self._judge(result, attributes)
            if problem:
                return problem
        return Finding("right")

    def _judge(self, result, attributes):
        if is_blank(result):
            return Finding("not done", "The function does not return a result yet.")
        try:
            two = list(islice(result, 3))
            if any(is_blank(part) for part in two):
                return Finding("not done", "One of the two lists is still to be written.")
            train, held = ([_composition(v) for v in islice(part, 9999)] for part in two)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (whatever their lists are)
            text = f"Two lists of compositions are wanted, (train, held_out); reading yours gave {describe(error)}."
            return Finding("wrong", text, slip="not two lists")
        problem = self._fault(train, held, attributes)
        if problem and self._fault(held, train, attributes) is None:
            text = (f"{_with(attributes)}are the two lists swapped? Training comes first; yours has {len(train)} of "
                    f"{len(train) + len(held)} compositions.")  # fmt: skip
            return Finding("wrong", text, slip="swapped")
        return problem

    def _fault(self, train, held, attributes):
        """The finding that says what is wrong with the two lists; None if they are right."""
        every, where = list(product(*attributes.values())), _with(attributes)
        for part in (train, held):
            for v in part:
                words = type(v) is str or all(type(word) is str for word in v)
                if type(v) is str or not words or v not in every:
                    shown = repr(v)[:60] if words else "something else"
                    text = f"{where}one word of each attribute is wanted, in their order; there is {shown}."
                    return Finding("wrong", text, slip="no composition")
        if both := set(train) & set(held):
            return Finding("wrong", f"{where}{len(both)} compositions are in both lists.", slip="in both")
        for name, part in (("training", train), ("held-out", held)):
            if twice := len(part) - len(set(part)):
                text = f"{where}{twice} of the {len(part)} entries of your {name} list stand in it already."
                return Finding("wrong", text, slip="twice in a list")
        if lost := set(every) - set(train) - set(held):
            return Finding("wrong", f"{where}{len(lost)} of {len(every)} are in neither list.", slip="in neither")
        if not held:
            return Finding("wrong", f"{where}nothing is held out.", slip="nothing held out")
        for k, (name, words) in enumerate(attributes.items()):
            missing = sorted(set(words) - {v[k] for v in train})
            if missing:
                text = (f"{where}training never shows the {name} {missing[0]!r}, so it could not learn that word. Hold "
                        "out pairs, not words.")  # fmt: skip
                return Finding("wrong", text, slip="a word never seen")
        seen = {v[:2] for v in train}
        known = [v for v in held if v[:2] in seen]
        if known:
            text = (f"{where}in {len(known)} of {len(held)} held-out compositions subject and colour were seen "
                    "together in training, so they ask for nothing new.")  # fmt: skip
            return Finding("wrong", text, slip="pairs seen")
        without = sorted(set(attributes["subject"]) - {v[0] for v in held})
        if without:
            text = f"{where}the subject {without[0]!r} is held out with no colour. Every subject shall have one."
            return Finding("wrong", text, slip="a subject without")
        if 2 * len(train) < len(every):
            text = f"{where}only {len(train)} of {len(every)} are left for training; at least half is wanted."
            return Finding("wrong", text, slip="too few left")
        return None

    def right_answer(self):
        return split

    def wrong_answers(self):
        return _odd_splits()


def _with(attributes):
    """'With 4 subjects, 3 colours and 5 motions: '"""
    *first, last = (f"{len(words)} {name}s" for name, words in attributes.items())
    return f"With {', '.join(first)} and {last}: "


def _composition(given):
    """What is read of an entry of a list: a tuple with its texts as plain texts, or one plain text."""
    text = _plain_text(given)
    if text is not None:
        return text
    words = tuple(islice(given, 9))
    return tuple(word if _plain_text(word) is None else _plain_text(word) for word in words)


def _plain_text(thing):
    """The characters of a text of any kind (np.str_ is one) as a plain str; None if it is no text."""
    return str.__str__(thing) if issubclass(type(thing), str) else None


def split(attributes, pairs=None):
    """Each subject is held out with one colour, the next one for each; or with these pairs."""
    subjects, colours = attributes["subject"], attributes["colour"]
    pairs = pairs or {(word, colours[k % len(colours)]) for k, word in enumerate(subjects)}
    every = list(product(*attributes.values()))
    return [v for v in every if v[:2] not in pairs], [v for v in every if v[:2] in pairs]


def _odd_splits():
    def every(attributes):
        return list(product(*attributes.values()))

    def by(attributes, out):
        return [v for v in every(attributes) if not out(v)], [v for v in every(attributes) if out(v)]

    def at_random(attributes):
        shuffled = sorted(every(attributes), key=lambda v: Random("".join(v)).random())
        return shuffled[len(shuffled) // 5 :], shuffled[: len(shuffled) // 5]

    def most(attributes):
        subjects, colours = attributes["subject"], attributes["colour"]
        kept = {(s, colours[0]) for s in subjects}  # (so that the swapped lists would not be right either)
        kept |= {(subjects[k % len(subjects)], c) for k, c in enumerate(colours)}
        return by(attributes, lambda v: v[:2] not in kept)

    return {
        "not two lists": lambda a: 3,
        "no composition": lambda a: ([" ".join(v) for v in split(a)[0]], [" ".join(v) for v in split(a)[1]]),
        "in both": lambda a: (every(a), split(a)[1]),
        "twice in a list": lambda a: (2 * split(a)[0], split(a)[1]),
        "swapped": lambda a: split(a)[::-1],
        "in neither": lambda a: (split(a)[0], split(a)[1][1:]),
        "nothing held out": lambda a: (every(a), []),
        "a word never seen": lambda a: by(a, lambda v: v[1] == a["colour"][0]),
        "pairs seen": at_random,
        "a subject without": lambda a: by(a, lambda v: v[:2] == (a["subject"][0], a["colour"][0])),
        "too few left": most,
    }


# A motion off its track

WORDS = ("left", "right", "rises", "falls", "circles", "hovers")
FRAMES, EACH, SLACK = 8, 40, 0.05  # places on a track; tracks of each motion; share that may be wrong


def tracks(motion, count, seed=None):
    """Tracks (count, 8, 2) of a motion as the painter draws it, x and y in [-1, 1], a little off as an eye would be.

    Raises ValueError for a word that is no motion.
    """
    import torch

    from ditcourse.world import sky

    if motion not in WORDS:
        raise ValueError(f"motion must be one of {', '.join(WORDS)}, got {motion!r}")

    dice = torch.Generator()
    dice.seed() if seed is None else dice.manual_seed(seed)
    picks = torch.tensor([[0, 0, WORDS.index(motion), 0]]).expand(count, 4)
    track = sky.tracks(picks, dice, (FRAMES, 64, 64))
    track = track + 0.01 * torch.randn(track.shape, generator=dice)
    return track.numpy().astype(float)


@dataclass(frozen=True)
class Motion:
    """Judges a function track -> word on tracks of all six motions, by its confusion matrix."""

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if not callable(answer):
            return Finding("wrong", f"A function is wanted (its name, without brackets); that is {name_of(answer)}.")
        import torch  # noqa: F401

        confusion = {}
        for motion in WORDS:
            said = Counter()
            for track in np.concatenate([tracks(motion, EACH - 8, seed=11), tracks(motion, 8)]):
                given = track.copy()
                word, problem = _call(answer, None, (given,))
                if problem:
                    return problem
                if is_blank(word):
                    return Finding("not done", "The function does not return a result yet.")
                if not np.array_equal(given, track):
                    text = "The function changes the track that it is given (as track -= 1 does). Make a new array."
                    return Finding("wrong", text, slip="track changed")
                text = _plain_text(word)
                if text not in WORDS:
                    shown = name_of(word) if text is None else repr(text[:20])
                    wanted = f"One of the words {', '.join(WORDS)} is wanted; the function gives {shown}."
                    return Finding("wrong", wanted, slip="other words")
                said[text] += 1
            confusion[motion] = said
        return self._verdict(confusion)

    def _verdict(self, confusion):
        wrong = {m: EACH - said[m] for m, said in confusion.items()}
        if all(n <= SLACK * EACH for n in wrong.values()):
            total = len(WORDS) * EACH
            return Finding("right", f"{total - sum(wrong.values())} of {total} tracks are read rightly.")
        worst = max(wrong, key=wrong.get)
        instead, often = max(((w, n) for w, n in confusion[worst].items() if w != worst), key=lambda pair: pair[1])
        text = f"Of {EACH} tracks that show {worst!r} it reads {often} as {instead!r}."
        slip = self._slip(confusion, worst, instead)
        if slip:
            text = f"{text} Probably: {_sentence(_TOLD[slip], capital=False)}"
        return Finding("wrong", text, slip=slip)

    def _slip(self, confusion, shown, read):
        """What lies behind it that `shown` is read as `read`, the cell that is reported; None if nobody can say."""
        straight = WORDS[:4]

        def mostly(motion, *words):
            return sum(confusion[motion][word] for word in words) > 0.7 * EACH

        if shown in straight:
            if read not in straight:
                return "lines lost"
            lines = [max(confusion[motion], key=confusion[motion].get) for motion in straight]
            return next((name for name, change in _CHANGES.items() if lines == list(change)), None)
        if read in straight:
            if mostly("circles", *straight) and mostly("hovers", *straight):
                return "always a line"
            return "circles as lines" if shown == "circles" else None
        return f"{shown} as {read}" if mostly(shown, read) else "threshold"

    def right_answer(self):
        return motion

    def wrong_answers(self):
        def renamed(*words):
            return lambda track: dict(zip(WORDS, words, strict=False)).get(motion(track), motion(track))

        def overwritten(track):
            word = motion(track)
            track -= track[0]
            return word

        def steps(track, far, near):
            """Circles where the whole way is long, whatever the ends."""
            dx, dy = track[-1] - track[0]
            if max(abs(dx), abs(dy)) > far:
                return motion_of(dx, dy)
            return "circles" if np.ptp(track, axis=0).max() > near else "hovers"

        return {
            "other words": lambda track: {"rises": "up", "falls": "down"}.get(motion(track), motion(track)),
            "track changed": overwritten,
            **{name: renamed(*change) for name, change in _CHANGES.items()},
            "lines lost": lambda track: "circles" if np.ptp(track, axis=0).max() > 0.3 else "hovers",
            "always a line": lambda track: motion_of(*(track[-1] - track[0])),
            "circles as hovers": lambda track: steps(track, 0.7, 9.0),
            "hovers as circles": lambda track: steps(track, 0.7, 0.0),
            "circles as lines": lambda track: steps(track, 0.25, 0.2),
            "threshold": lambda track: steps(track, 0.7, 0.07),
        }


_CHANGES = {  # what the four lines are taken for
    "up and down": ("left", "right", "falls", "rises"),
    "left and right": ("right", "left", "rises", "falls"),
    "both ways round": ("right", "left", "falls", "rises"),
    "x and y": ("rises", "falls", "left", "right"),
}
_TOLD = {
    "up and down": "y runs downwards, so a subject that rises has a smaller y at the end",
    "left and right": "x runs to the right, so a subject that flies left has a smaller x at the end",
    "both ways round": "the first place was taken from the last the wrong way round: the way is last minus first",
    "x and y": "x and y have changed places: track[:, 0] is x",
    "lines lost": "a line is taken for a circle or a rest; first ask how far apart the two ends are",
    "always a line": "the larger of the two ways always wins, even where the ends are close; a limit is missing",
    "circles as hovers": "the two ends of a circle may be close together too; how far does it get on the way?",
    "hovers as circles": "a subject that hovers sways a little; how far does a circle get from its middle?",
    "circles as lines": "not every circle closes: its ends may be 0.6 apart. A line's ends are further apart than that",
    "threshold": "the limit between a rest and a circle is too tight; print some tracks of both",
}


def motion_of(dx, dy):
    """The line that leads dx to the right and dy down."""
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "falls" if dy > 0 else "rises"


def motion(track):
    """The judge's own rule."""
    dx, dy = track[-1] - track[0]
    if max(abs(dx), abs(dy)) > 0.7:
        return motion_of(dx, dy)
    return "circles" if np.ptp(track, axis=0).max() > 0.3 else "hovers"


# Five odd data sets

FAULTS = {
    1: "The captions belong to other clips.",
    2: "Red and blue have changed places.",
    3: "The clips are mirrored.",
    4: "The frames run backwards.",
    5: "The test clips are among the training clips.",
    6: "Held-out pairs get in under captions that leave something open.",
    7: "Every clip is painted with the same seed.",
    8: "What is held out was chosen at random, whatever the pairs.",
}
RIGHT = {"p": 6, "q": 3, "r": 2, "s": 5, "t": 1}  # (other letters than in 11.2, whose answers may still be about)
_FITS = "the oracle reads what the captions name, in all four columns"
_COLOURS = "its colours are wrong, and"
_ALIKE = "its clips do not look alike; show some of them"
_NO_TWINS = "the last column counts none of the clips of the test"
DATA_SAYS = {  # what in the set's own row speaks against each wrong number
    "p": {
        1: _FITS,
        2: _FITS,
        3: _FITS,
        4: _FITS,
        5: _NO_TWINS,
        7: _ALIKE,
        8: "then full captions would name held-out pairs too; print the captions of the clips that show one",
    },
    "q": {
        1: "in three of the columns every caption fits, so these are the right captions",
        2: "its colours are read rightly",
        4: "more than half of its motions are right; how many would be, backwards?",
        5: _NO_TWINS,
        6: "then every caption would fit; its motions do not",
        7: _ALIKE,
        8: "then every caption would fit; its motions do not",
    },
    "r": {
        1: "captions of other clips would be right by chance only; look at subject and motion",
        3: f"{_COLOURS} no mirror changes a colour",
        4: f"{_COLOURS} no order of the frames changes a colour",
        5: _NO_TWINS,
        6: "then every caption would fit; its colours do not",
        7: _ALIKE,
        8: "then every caption would fit; its colours do not",
    },
    "s": {
        1: _FITS,
        2: _FITS,
        3: _FITS,
        4: _FITS,
        6: "then pairs would be shown that should be held out; the column pairs counts none",
        7: _ALIKE,
        8: "then pairs would be shown that should be held out; the column pairs counts none",
    },
    "t": {
        2: "its subjects and motions are right by chance only; other colours alone would leave more of them right",
        3: f"{_COLOURS} no mirror changes a colour",
        4: f"{_COLOURS} no order of the frames changes a colour",
        5: _NO_TWINS,
        6: "then every caption would fit; few of them do",
        7: _ALIKE,
        8: "then every caption would fit; few of them do",
    },
}
TEST_SEED = 0  # of the clips that the data sets are tested on


def data_set(letter, seed=1, count=48):
    """Clips (count, 3, 16, 64, 64) and prompts for training: of data set "p" to "t", or a "healthy" one.

    The test clips are those of ("healthy", TEST_SEED). Raises ValueError for another letter.
    """
    import torch

    from ditcourse.world import sky, sky_words

    if letter not in (*RIGHT, "healthy"):
        raise ValueError(f"letter must be one of {', '.join(RIGHT)} or healthy, got {letter!r}")
    dice = torch.Generator().manual_seed(TEST_SEED if letter == "s" else seed)
    picks = sky_words.random_picks(20 * count, dice, "all" if letter == "p" else "train")
    prompts = sky_words.random_captions(picks, dice)
    if letter == "p":
        named = [sky_words.parse(prompt) for prompt in prompts]
        kept = [k for k, values in enumerate(named) if not _names_held_out(values)]
        picks, prompts = picks[kept], [prompts[k] for k in kept]
    if letter == "t":
        prompts = prompts[count:]
    clips = sky.paint(picks[:count], dice)
    if letter == "q":
        clips = clips.flip(-1)
    if letter == "r":
        clips = clips.flip(1)
    return clips, prompts[:count]


def _names_held_out(named):
    from ditcourse.world.sky_words import HELD_OUT

    return any((named.get(a), named.get(b)) in pairs for (a, b), pairs in HELD_OUT.items())


EXERCISES = (
    Exercise(
        id="11.1",
        title="Pixels at the edge",
        goal="work out by hand how much of a pixel a circle covers, and how bright it becomes",
        difficulty=1,
        minutes=6,
        judge=values(
            _edge,
            names=("distance", "coverage", "brightness"),
            axes=("number",),
            tolerance=5e-3,  # who rounds a wrong length to two places is told of the slip all the same
            slips=(
                Slip("corner of the pixel", lambda: _edge(lambda: np.linalg.norm(_offsets(0), axis=1) - CIRCLE[1]),
                     "the corner of each pixel was taken; its centre is half a pixel further right and down"),
                Slip("counted from 1", lambda: _edge(lambda: np.linalg.norm(_offsets(-0.5), axis=1) - CIRCLE[1]),
                     "columns and rows were counted from 1; here the first of each has the number 0"),
                Slip("column and row swapped", lambda: _edge(_from_row_and_column),
                     "column and row have changed places; the column tells x, the way across"),
                Slip("radius forgotten", lambda: _edge(lambda: np.linalg.norm(_offsets(), axis=1)),
                     "that is the distance to the centre; the edge is one radius nearer"),
                Slip("sign turned", lambda: _edge(lambda: -_edge()[0]), _SIGN),
                Slip("sign turned in the distance", lambda: (-_edge()[0], *_edge()[1:]), _SIGN),
                Slip("squares", lambda: _edge(lambda: (_offsets() ** 2).sum(1) - CIRCLE[1] ** 2),
                     "squares were subtracted; take the root first"),
                Slip("city blocks", lambda: _edge(lambda: np.abs(_offsets()).sum(1) - CIRCLE[1]),
                     "the ways across and down were added; the distance goes straight, by Pythagoras"),
                Slip("coverage turned round", lambda: _edge(cover=lambda d: np.clip(0.5 + d, 0, 1)),
                     "the coverage is turned round: it grows where the distance falls"),
                Slip("not clipped", lambda: _edge(cover=lambda d: 0.5 - d), _CLIP),
                Slip("coverage not clipped", lambda: (_edge()[0], 0.5 - _edge()[0], _edge()[2]), _CLIP),
                Slip("mask", lambda: _edge(cover=lambda d: (d < 0) * 1.0),
                     "that is all or nothing; at the edge a pixel is covered in part"),
                Slip("brightness is the coverage", lambda: _edge(mix=lambda c: c),
                     "that is the circle's share only; the sky shows where it leaves room, and is not black"),
                Slip("mixed the wrong way", lambda: _edge(mix=lambda c: c * SKY + (1 - c) * INK),
                     "circle and sky have changed places in the brightness"),
                Slip("sky not taken away", lambda: _edge(mix=lambda c: np.clip(c * INK + SKY, 0, 1)),
                     "the circle was added to the whole sky; what it covers hides the sky"),
            ),
        ),
        hints=(
            "distance: how far across and how far down is it from the circle's centre to the pixel's? Pythagoras gives "
            "the length, and the circle's edge is 3 nearer than its centre.",
            "coverage: inside, the distance is negative, and 0.5 minus it is more than 0.5. What comes out below 0 or "
            "above 1 becomes 0 or 1.",
            "brightness: so much of the circle as it covers, the rest sky: c * 1.0 + (1 - c) * 0.2.",
        ),
    ),
    Exercise(
        id="11.2",
        title="What may be scored?",
        goal="say what a prompt names and what it leaves open",
        difficulty=1,
        minutes=5,
        judge=letters(_answers, SCORED_SAYS),
        hints=(
            "Go through the four attributes one by one: is there a word that names a value of it?",
            "golden right before sunset, crimson, clear, starry and dark only describe the sky.",
        ),
    ),
    Exercise(
        id="11.3",
        title="A seventh subject",
        goal="write a new subject as a signed distance, ready to be painted",
        difficulty=3,
        minutes=20,
        judge=Subject(),
        hints=(
            "Begin with one circle, return sky.circle(p, (0.0, 0.0), 0.6), and check it: the message says what is "
            "missing.",
            "sky.union(a, b) joins, torch.maximum(a, b) keeps what is in both, torch.maximum(a, -b) cuts b out of a.",
            "Let a corner of a polygon depend on the phase, (-0.9, 0.3 * phase.sin()): sky.circle, sky.capsule and "
            "sky.polygon take tensors (B, T) for their points.",
        ),
    ),
    Exercise(
        id="11.4",
        title="A split that asks something",
        goal="hold out pairs so that every word is still learned",
        difficulty=2,
        minutes=10,
        judge=Split(),
        hints=(
            "Choose the pairs first: one colour for each subject.",
            "All compositions: list(product(*attributes.values())). v[:2] is the pair of v.",
            "Subject k with colour k, and round again where there are fewer colours: colours[k % len(colours)].",
        ),
    ),
    Exercise(
        id="11.5",
        title="The motion off the track",
        goal="read a motion off eight places, by rules, and judge the rules by a confusion matrix",
        difficulty=2,
        minutes=12,
        judge=Motion(),
        hints=(
            "Print two tracks of each motion. What is large, and what is small?",
            "A line: the last place is far from the first (more than 0.7), and the larger of the two ways says which.",
            "Where the ends are near: np.ptp(track, axis=0) is how far it gets in x and in y; a rest stays below 0.3.",
        ),
    ),
    Exercise(
        id="11.6",
        title="Five odd data sets",
        goal="find out what is wrong with a data set by measuring it",
        difficulty=2,
        minutes=12,
        judge=letters(
            lambda: tuple(RIGHT.values()),
            DATA_SAYS,
            swapped={"ps": "p and s have changed places: which of them shows clips of the test, which only pairs?"},
        ),
        hints=(
            "Compare each line with the healthy one: in which columns does it differ?",
            "Chance is 1/6 for subject, colour and motion. A column well above that and below 1 is wrong for some of "
            "its words only: which? Print captions beside what is read.",
            "Where pairs are shown that should not be: are the captions of these clips right, and what do they name?",
        ),
    ),
)  # fmt: skip
