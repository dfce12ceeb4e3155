"""What can be said about Skyworld: four attributes, several phrasings, sentences that leave things open.

"a golden dragon circles in a starry night" names everything, "a dragon" its subject only, "sora is sky" nothing.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

ATTRIBUTES = {
    "subject": ("dragon", "bird", "kite", "balloon", "star", "moon"),
    "colour": ("red", "golden", "green", "blue", "white", "violet"),
    "motion": ("left", "right", "rises", "falls", "circles", "hovers"),
    "sky": ("noon", "sunset", "dusk", "night", "storm"),
}
# The first phrasing is the plain one. The last word of a phrase is what names the motion or the sky.
MOTION_PHRASES = {
    "left": ("flies left", "moves left"),
    "right": ("flies right", "moves right"),
    "rises": ("rises", "climbs", "flies up"),
    "falls": ("falls", "sinks", "flies down"),
    "circles": ("circles", "flies in circles"),
    "hovers": ("hovers", "stays"),
}
SKY_PHRASES = {
    "noon": ("at clear noon", "at noon"),
    "sunset": ("at golden sunset", "at sunset"),
    "dusk": ("at crimson dusk", "at dusk"),
    "night": ("in a starry night", "at night"),
    "storm": ("in a dark storm", "in a storm"),
}
NOTHING = "sora is sky"  # sora is the Japanese word for sky
NAMES = {  # word -> the attribute and the value that it names
    **{value: (name, value) for name in ("subject", "colour") for value in ATTRIBUTES[name]},
    **{phrase.split()[-1]: ("motion", value) for value, phrases in MOTION_PHRASES.items() for phrase in phrases},
    **{phrase.split()[-1]: ("sky", value) for value, phrases in SKY_PHRASES.items() for phrase in phrases},
}

# Pairs that training never shows together; what a model does with them is what it has understood.
HELD_OUT = {
    ("subject", "colour"): tuple(
        zip(ATTRIBUTES["subject"], ("green", "blue", "white", "violet", "red", "golden"), strict=True)
    ),
    ("subject", "motion"): tuple(
        zip(ATTRIBUTES["subject"], ("falls", "circles", "hovers", "left", "right", "rises"), strict=True)
    ),
}


def compositions(split: str = "all") -> list[tuple[str, str, str, str]]:
    """Subject, colour, motion and sky of all 1,080 compositions, of the 750 for training, or of the 330 held out."""
    if split not in ("all", "train", "held-out"):
        raise ValueError(f"split must be 'all', 'train' or 'held-out', got {split!r}")
    every = list(product(*ATTRIBUTES.values()))
    return [values for values in every if split == "all" or held_out(values) == (split == "held-out")]


def held_out(values: tuple[str, str, str, str]) -> bool:
    """Whether a composition holds a pair that training never shows."""
    named = dict(zip(ATTRIBUTES, values, strict=True))
    return any((named[a], named[b]) in pairs for (a, b), pairs in HELD_OUT.items())


def random_picks(count: int, generator: torch.Generator, split: str = "train") -> Tensor:
    """Compositions drawn at random as numbers, (count, 4) int64: subject, colour, motion, sky."""
    allowed = compositions(split)
    table = torch.tensor([[ATTRIBUTES[name].index(value) for name, value in zip(ATTRIBUTES, values, strict=True)]
                          for values in allowed])  # fmt: skip
    return table[torch.randint(len(table), (count,), generator=generator)]


def caption(named: dict[str, str], motion: int = 0, sky: int = 0, sky_first: bool = False) -> str:
    """The sentence for what is named, {"subject": "dragon", ...}; motion and sky choose among the phrasings.

    "a red kite rises at dusk", "at dusk a red kite rises", "something rises", "sora at dusk", "sora is sky".
    """
    if not named:
        return NOTHING
    parts = []
    if "subject" in named:
        parts = ["a", named["colour"], named["subject"]] if "colour" in named else ["a", named["subject"]]
    elif "colour" in named or "motion" in named:
        parts = ["something", named["colour"]] if "colour" in named else ["something"]
    else:
        parts = ["sora"]
    if "motion" in named:
        phrases = MOTION_PHRASES[named["motion"]]
        parts.append(phrases[motion % len(phrases)])
    if "sky" in named:
        phrases = SKY_PHRASES[named["sky"]]
        parts.insert(0 if sky_first and parts != ["sora"] else len(parts), phrases[sky % len(phrases)])
    return " ".join(parts)


def captions(split: str = "all") -> list[str]:
    """The plain full sentence of every composition of a split, in a fixed order."""
    return [caption(dict(zip(ATTRIBUTES, values, strict=True))) for values in compositions(split)]


def random_captions(picks: Tensor, generator: torch.Generator, partial: float = 0.4) -> list[str]:
    """A sentence for each of picks (B, 4), its phrasing drawn; a share of them names each attribute with even odds."""
    dice = torch.rand(len(picks), 8, generator=generator).tolist()
    found = []
    for row, d in zip(picks.tolist(), dice, strict=True):
        named = {name: values[k] for (name, values), k in zip(ATTRIBUTES.items(), row, strict=True)}
        if d[0] < partial:
            named = {name: value for (name, value), keep in zip(named.items(), d[4:], strict=True) if keep < 0.5}
        found.append(caption(named, int(6 * d[1]), int(6 * d[2]), d[3] < 0.3))
    return found


def parse(prompt: str) -> dict[str, str]:
    """The attributes that a prompt names, {"subject": "dragon", ...}; what it does not name is missing.

    "golden" right before "sunset" speaks of the sky. Raises ValueError where a prompt names two values of one
    attribute. Words that name nothing are passed over: the tokenizer judges those.
    """
    words = prompt.lower().replace(",", " ").replace(".", " ").split()
    named: dict[str, str] = {}
    for word, following in zip(words, words[1:] + [""], strict=False):
        if word not in NAMES or (word, following) == ("golden", "sunset"):
            continue
        name, value = NAMES[word]
        if named.setdefault(name, value) != value:
            raise ValueError(f"the prompt {prompt!r} names more than one {name}: {named[name]}, {value}")
    return named


def _words() -> tuple[str, ...]:
    phrases = [phrase for table in (MOTION_PHRASES, SKY_PHRASES) for row in table.values() for phrase in row]
    loose = ["a", "something", *NOTHING.split(), *ATTRIBUTES["subject"], *ATTRIBUTES["colour"]]
    return tuple(dict.fromkeys(loose + " ".join(phrases).split()))


VOCABULARY = _words()
MAX_WORDS = 10  # "in a starry night a golden dragon flies in circles"
