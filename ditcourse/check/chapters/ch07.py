"""Chapter 7, conditions: steer by hand, embed a time, modulate, read a prompt, one map of two, a start, three bugs."""

import difflib
import itertools
import re
from dataclasses import dataclass

import numpy as np

from ditcourse.check import Exercise, Slip, function
from ditcourse.check.judges import Finding, letters
from ditcourse.check.reading import describe, is_blank, name_of
from ditcourse.check.sheet import SheetPart

# 7.2: a time becomes cosines and sines


def _time_inputs(rng):
    return rng.uniform(0.05, 1, size=3), 2 * int(rng.integers(3, 7))


def _embed(factor=1000.0, base=10000.0, less=0, sine_first=False, power=1, mixed=False):
    """The embedding, right with the defaults."""

    def embed_time(t, dim):
        half = dim // 2
        frequencies = base ** (-power * np.arange(half) / (half - less))
        angles = factor * np.asarray(t)[:, None] * frequencies
        pair = [np.cos(angles), np.sin(angles)]
        if mixed:
            return np.stack(pair, axis=2).reshape(len(angles), dim)
        return np.concatenate(pair[::-1] if sine_first else pair, axis=1)

    return embed_time


# 7.3: 1 + scale and shift, for a batch


def _modulate_inputs(rng):
    """As many clips as tokens as features, so that a wrong axis raises no error."""
    n = int(rng.integers(3, 6))
    return rng.normal(size=(n, n, n)), rng.normal(size=(n, n)), rng.normal(size=(n, n))


def _modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


# 7.4: words to numbers


@dataclass(frozen=True)
class Words:
    """Judges a tokenizer (prompt, vocabulary, length) -> list of numbers, by what it returns and what it raises."""

    vocabulary: tuple = ("sora", "is", "sky", "sea", "blue", "grey", "wide")
    length: int = 4
    known: tuple = ("sora is sky", "sky", "", "Sora IS blue", "sea is wide sora")
    unknown: tuple = (("sora is bleu", "bleu", "blue"), ("skye is grey", "skye", "sky"), ("wides", "wides", "wide"))
    far: str = "zebra"  # what is nearest to it is a matter of the measure

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if not callable(answer):
            text = f"A function is wanted here (its name, without brackets); that is {name_of(answer)}."
            return Finding("wrong", text)
        for prompt in self.known:
            finding = self._known(answer, prompt)
            if finding:
                return finding
        for case in self.unknown:
            finding = self._unknown(answer, *case)
            if finding:
                return finding
        finding = self._unknown(answer, self.far, self.far, None)
        if finding:
            return finding
        long = " ".join(self.vocabulary[: self.length + 1])
        found, error = self._ask(answer, long)
        if not isinstance(error, ValueError):
            what = "it returned a result" if error is None else f"it stopped with {describe(error)}"
            return Finding("wrong", f"A prompt of {self.length + 1} words does not fit into {self.length} places and "
                           f"must raise a ValueError; {what}.", slip="too long a prompt let in")  # fmt: skip
        return Finding("right", "It reads what it knows, and names the nearest word where it does not.")

    def _ask(self, answer, prompt):
        try:
            return answer(prompt, self.vocabulary, self.length), None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (even SystemExit: a check never stops the notebook)
            return None, error

    def _known(self, answer, prompt):
        found, error = self._ask(answer, prompt)
        if error is not None:
            if isinstance(error, NotImplementedError) or "ellipsis" in str(error).lower():
                return Finding("not done", "A part of it is still to be written.")
            slip = "capitals refused" if prompt != prompt.lower() else None
            return Finding("wrong", f"For {prompt!r} it stopped with {describe(error)}; every word of it is known.",
                           slip=slip)  # fmt: skip
        if found is None or found is ...:
            return Finding("not done", "The function does not return a result yet.")
        try:
            found = [int(number) for number in itertools.islice(found, 1000)]
        except Exception:  # noqa: BLE001 (it is their object)
            return Finding("wrong", f"For {prompt!r} it returned {name_of(found)}; a list of whole numbers is wanted.")
        words = prompt.lower().split()
        numbers = [self.vocabulary.index(word) + 1 for word in words]
        blanks = [0] * (self.length - len(words))
        if found == numbers + blanks:
            return None
        slips = {
            "counted from 0": ([n - 1 for n in numbers] + blanks,
                               "the words are counted from 0, but 0 is the blank; begin with 1"),
            "blanks in front": (blanks + numbers, "the blanks stand in front; the words come first"),
            "no blanks": (numbers, "the row is not filled up with blanks to its full length"),
            "sorted": (sorted(numbers) + blanks, "the numbers are sorted; they stand in the order of the words"),
        }  # fmt: skip
        for name, (wrong, says) in slips.items():
            if found == wrong:
                return Finding("wrong", f"For {prompt!r} it returned {found}. Probably: {says}.", slip=name)
        return Finding("wrong", f"For {prompt!r} it returned {found[:12]}.")

    def _unknown(self, answer, prompt, word, near):
        found, error = self._ask(answer, prompt)
        if error is None:
            return Finding("wrong", f"For {prompt!r} it returned a result, but {word!r} is unknown; "
                           "raise a ValueError.", slip="unknown word swallowed")  # fmt: skip
        if near is None and isinstance(error, IndexError):
            return Finding("wrong", f"For {prompt!r} it stopped with IndexError: get_close_matches found nothing; "
                           "its cutoff is 0.6, set cutoff=0.", slip="nothing near found")  # fmt: skip
        if not isinstance(error, ValueError):
            return Finding("wrong", f"For {prompt!r} it stopped with {describe(error)}; a ValueError is wanted.",
                           slip="another error")  # fmt: skip
        said = str(error)
        if word not in said:
            return Finding("wrong", f"For {prompt!r} it says {said[:80]!r}; the word that is unknown is not named.",
                           slip="word not named")  # fmt: skip
        rest = said.replace(prompt, " ").replace(word, " ")
        told = [known for known in self.vocabulary if re.search(rf"\b{known}\b", rest)]
        if near is None and not told:
            return Finding("wrong", f"For {prompt!r} it says {said[:80]!r}; no known word is named. The cutoff of "
                           "get_close_matches is 0.6; set cutoff=0.", slip="nothing near found")  # fmt: skip
        if near is not None and near not in told:
            return Finding("wrong", f"For {prompt!r} it says {said[:80]!r}; the nearest known word is not named.",
                           slip="nearest not named")  # fmt: skip
        if len(told) > 3:
            return Finding("wrong", f"For {prompt!r} the error lists {len(told)} words; name the nearest.",
                           slip="all words listed")  # fmt: skip
        return None

    def right_answer(self):
        return _tokenize()

    def wrong_answers(self):
        return {
            "counted from 0": _tokenize(first=0),
            "blanks in front": _tokenize(fill=lambda numbers, length: [0] * (length - len(numbers)) + numbers),
            "no blanks": _tokenize(fill=lambda numbers, length: numbers),
            "sorted": _tokenize(fill=lambda numbers, length: sorted(numbers) + [0] * (length - len(numbers))),
            "capitals refused": _tokenize(lower=False),
            "unknown word swallowed": _tokenize(unknown=lambda word, near: None),
            "another error": _tokenize(unknown=lambda word, near: KeyError(word)),
            "word not named": _tokenize(unknown=lambda word, near: ValueError(f"try {near}")),
            "nothing near found": _tokenize(cutoff=0.6),
            "nearest not named": _tokenize(unknown=lambda word, near: ValueError(f"unknown word {word!r}")),
            "all words listed": _tokenize(
                unknown=lambda word, near: ValueError(f"unknown word {word!r}; known: {self.vocabulary}")
            ),
            "too long a prompt let in": _tokenize(limit=False),
        }


def _tokenize(first=1, fill=lambda numbers, length: numbers + [0] * (length - len(numbers)), lower=True, limit=True,
              unknown=lambda word, near: ValueError(f"unknown word {word!r}; nearest known: {near}"),
              cutoff=0):  # fmt: skip
    """A tokenizer, right with the defaults."""

    def tokenize(prompt, vocabulary, length):
        words, numbers = (prompt.lower() if lower else prompt).split(), []
        for word in words:
            if word in vocabulary:
                numbers.append(vocabulary.index(word) + first)
                continue
            error = unknown(word, (difflib.get_close_matches(word, vocabulary, n=1, cutoff=cutoff) or [""])[0])
            if error:
                raise error
            numbers.append(0)
        if limit and len(words) > length:
            raise ValueError(f"{len(words)} words, at most {length} are allowed")
        return fill(numbers, length)

    return tokenize


# 7.5: two maps, added, are one map of the stack


def _maps_inputs(rng):
    """As many text numbers as time numbers as results, so that a wrong map can be built at all."""
    n = int(rng.integers(2, 4))
    return rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=(n, n)), rng.normal(size=n)


# 7.6: four starts; the answers are worked out, not typed


def start_kinds():
    """For the starts a to d: 1 identity and learns, 2 identity and stuck, 3 not the identity."""
    return tuple(_kind(*start) for start in STARTS.values())


STARTS = {  # weight and bias of the gate's map, weight of the layer's last map: zero (0) or drawn (1)
    "a": (0, 0.0, 1),
    "b": (0, 0.0, 0),
    "c": (0, 1.0, 0),
    "d": (0, 1.0, 1),
}


START_SAYS = {
    "a": {
        2: "the gate is 0, but what would come through it is not; look at the gradient of the gate",
        3: "the gate is 0, so nothing is added to x yet",
    },
    "b": {
        1: "the gate waits for the layer and the layer for the gate; write down both gradients",
        3: "gate and layer are both 0, so nothing is added to x",
    },
    "c": {
        2: "the gate is open, so that the gradient reaches the layer's last map",
        3: "the gate is open, but nothing comes through it yet",
    },
    "d": {
        1: "scale and shift change nothing, but the layer's answer is added in full",
        2: "the layer's answer is added in full, so it is not x that comes out",
    },
}


def _kind(gate_weight, gate_bias, last_weight):
    """x + gate * f(x) in numbers: is it x, and does the slope of the squared error reach the gate or the layer?"""
    rng = np.random.default_rng(0)
    x, wanted, c = rng.normal(size=5), rng.normal(size=5), rng.normal(size=3)
    gate = gate_weight * rng.normal(size=(5, 3)) @ c + gate_bias
    hidden, last = np.tanh(rng.normal(size=(5, 5)) @ x), last_weight * rng.normal(size=(5, 5))
    f = last @ hidden
    out = x + gate * f
    if not np.allclose(out, x):
        return 3
    slope = out - wanted  # of half the squared error, by out
    to_gate, to_last = np.outer(slope * f, c), np.outer(slope * gate, hidden)
    return 1 if np.abs(to_gate).max() + np.abs(to_last).max() > 1e-9 else 2


# 7.7: three broken conditions

FAULT_SAYS = {
    "a": {
        1: "which of the two comes first is a matter of agreement; it could not make two times alike",
        2: "the new axis gives a row of angles for each time, as it should",
        4: "the length is what it should be; look how short the way from one time to the other is",
        5: "there are no words in a",
        6: "nothing is added up in a, and nothing counted",
    },
    "b": {
        1: "there are no cosines in b",
        2: "the new axis lets a blank switch off all numbers of its vector, as it should",
        3: "there are no waves in b",
        4: "a norm would only cover it up; ask why one length is five times the other, for the same word",
        5: "the order is lost in every mean; what is printed is the length of the vector",
    },
    "c": {
        1: "there are no cosines in c",
        3: "there are no waves in c",
        4: "no norm could tell one clip about the prompt of another",
        5: "there are no words in c",
        6: "nothing is added up in c; count which tokens have changed",
    },
}


EXERCISES = (
    Exercise(
        id="7.1", title="Steering by hand", goal="turn words and time into scale, shift and gate on paper",
        difficulty=1, minutes=12, judge=SheetPart(form="steer"),
    ),
    Exercise(
        id="7.2",
        title="A time becomes a vector",
        goal="write the embedding of a time step",
        difficulty=2,
        minutes=8,
        judge=function(
            _embed(),
            _time_inputs,
            slips=(
                Slip("not times 1000", _embed(factor=1.0),
                     "t was used as it came, between 0 and 1; then only the fastest waves move, and little"),
                Slip("sine first", _embed(sine_first=True), "the sines stand first; DiT begins with the cosines"),
                Slip("divided by half - 1", _embed(less=1),
                     "the exponents were divided by half - 1, so that the last wave is slower than DiT's"),
                Slip("divided by dim", _embed(power=0.5),
                     "the exponents go only half as far as they should; i is divided by half the width"),
                Slip("frequencies rise", _embed(power=-1),
                     "the frequencies rise with i, up to 10000; they should fall"),
                Slip("base 1000", _embed(base=1000.0), "the base of the frequencies is 1000; it should be 10000"),
                Slip("base e", _embed(base=float(np.e)),
                     "the frequencies are e to the power -i / half; the logarithm of 10000 is missing"),
                Slip("cosine and sine in turn", _embed(mixed=True),
                     "cosine and sine stand in turn; here all cosines come first, then all sines"),
                Slip("turns, not radians", _embed(factor=2000 * np.pi),
                     "a factor of 2 pi was added; the angle is 1000 t times the frequency"),
            ),
            axes=("time", "feature"),
        ),
        hints=(
            "half = dim // 2 frequencies: 10000 ** (-i / half), with i from 0 to half - 1.",
            "angles = 1000 * t[:, None] * frequencies has one row for each time.",
            "np.concatenate([np.cos(angles), np.sin(angles)], axis=1)",
        ),
    ),
    Exercise(
        id="7.3",
        title="Modulate a batch",
        goal="scale and shift the tokens of many clips, each by its own condition",
        difficulty=1,
        minutes=5,
        judge=function(
            _modulate,
            _modulate_inputs,
            slips=(
                Slip("scale, not 1 + scale", lambda x, shift, scale: x * scale[:, None] + shift[:, None],
                     "the tokens were multiplied by scale itself, so that a scale of 0 wipes them out"),
                Slip("axis forgotten", lambda x, shift, scale: x * (1 + scale) + shift,
                     "row n of scale met token n; it belongs to clip n (as many clips as tokens: no error)"),
                Slip("one number for a token",
                     lambda x, shift, scale: x * (1 + scale[:, :, None]) + shift[:, :, None],
                     "each token got one number; each feature gets one, the same for all tokens of a clip"),
                Slip("scale and shift swapped", lambda x, shift, scale: x * (1 + shift[:, None]) + scale[:, None],
                     "scale and shift have changed places; the shift comes first here"),
                Slip("shift scaled too", lambda x, shift, scale: (x + shift[:, None]) * (1 + scale[:, None]),
                     "the shift was added before the scale, so that it was scaled as well"),
                Slip("shift left out", lambda x, shift, scale: x * (1 + scale[:, None]), "the shift is missing"),
            ),
            axes=("clip", "token", "feature"),
        ),
        hints=(
            "x is (clips, tokens, features), scale is (clips, features): which axis is missing in scale?",
            "scale[:, None] has the shape (clips, 1, features).",
        ),
    ),
    Exercise(
        id="7.4",
        title="A tokenizer that helps",
        goal="turn words into numbers, and say which word was meant where one is unknown",
        difficulty=2,
        minutes=10,
        judge=Words(),
        hints=(
            "The first word of the vocabulary is 1, because 0 is the blank.",
            "`difflib.get_close_matches(word, vocabulary, n=1, cutoff=0)` is a list with the nearest word in it.",
            'raise ValueError(f"unknown word {word!r}; nearest known: {near}")',
        ),
    ),
    Exercise(
        id="7.5",
        title="Two maps are one",
        goal="make one map of the stack out of two maps that are added",
        difficulty=2,
        minutes=5,
        judge=function(
            lambda W_text, b_text, W_time, b_time: (np.hstack([W_text, W_time]), b_text + b_time),
            _maps_inputs,
            names=("W", "b"),
            slips=(
                Slip("one below the other",
                     lambda W_text, b_text, W_time, b_time: (np.vstack([W_text, W_time]), b_text + b_time),
                     "the maps were put one below the other; then there are twice as many results"),
                Slip("time first",
                     lambda W_text, b_text, W_time, b_time: (np.hstack([W_time, W_text]), b_text + b_time),
                     "the time's columns come first; in the stack the text stands on top"),
                Slip("biases stacked",
                     lambda W_text, b_text, W_time, b_time:
                         (np.hstack([W_text, W_time]), np.concatenate([b_text, b_time])),
                     "the two biases were stacked; there is one result for each row, so they add up"),
                Slip("one bias lost", lambda W_text, b_text, W_time, b_time: (np.hstack([W_text, W_time]), b_text),
                     "the bias of the time's map got lost"),
                Slip("mean of the biases",
                     lambda W_text, b_text, W_time, b_time: (np.hstack([W_text, W_time]), (b_text + b_time) / 2),
                     "the mean of the biases was taken; both were added before, so both count in full"),
                Slip("maps transposed",
                     lambda W_text, b_text, W_time, b_time: (np.hstack([W_text.T, W_time.T]), b_text + b_time),
                     "the two maps were turned round before they were joined"),
            ),
        ),
        hints=(
            "Write out one result: a row of W_text times the text, a row of W_time times the time, two biases.",
            "Row by row the numbers of W_text and then those of W_time: np.hstack.",
        ),
    ),
    Exercise(
        id="7.6",
        title="Which start is the identity?",
        goal="predict how a block starts, and whether it can learn from there",
        difficulty=2,
        minutes=6,
        judge=letters(start_kinds, START_SAYS),
        hints=(
            "The identity: gate times layer is 0. That is so if one of the two is.",
            "The gradient of the gate is made of what the layer answers; that of the layer's last map of the gate.",
            "If both are 0, who moves first?",
        ),
    ),
    Exercise(
        id="7.7",
        title="Three broken conditions",
        goal="find the bug from what is printed and from the code",
        difficulty=3,
        minutes=8,
        judge=letters(
            lambda: (3, 6, 2),
            FAULT_SAYS,
            swapped={
                "ab": "a is about time and has no blanks, b is about words: change the two",
                "bc": "there are no tokens of a clip in b, and no blanks in c: change the two",
            },
        ),
        hints=(
            "a: how large is the largest angle? b: by what is the sum divided? c: which axis is 1 after unsqueeze?",
            "b: count the words and the blanks of `red`.",
            "c: x is (clips, tokens, features). The two numbers of clips and tokens are equal, so nothing complains.",
        ),
    ),
)  # fmt: skip
