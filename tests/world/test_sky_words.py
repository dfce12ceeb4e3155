"""Skyworld's sentences: what is written is what is read, and no pair that is held out is ever drawn."""

from collections import Counter

import pytest
import torch

from ditcourse.model.conditions import Tokenizer
from ditcourse.world import sky_words as words


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def named_by(row):
    return {name: values[k] for (name, values), k in zip(words.ATTRIBUTES.items(), row, strict=True)}


def test_every_phrasing_is_read_back_and_known_to_the_tokenizer():
    tokenizer = Tokenizer(words.VOCABULARY, words.MAX_WORDS)
    seen = set()
    for values in words.compositions():
        whole = dict(zip(words.ATTRIBUTES, values, strict=True))
        for keep in range(16):
            named = {name: value for k, (name, value) in enumerate(whole.items()) if keep >> k & 1}
            for motion in range(3):
                for sky in range(2):
                    for first in (False, True):
                        prompt = words.caption(named, motion, sky, first)
                        if prompt not in seen:
                            assert words.parse(prompt) == named, prompt
                            tokenizer([prompt])
                            seen.add(prompt)
    assert {word for prompt in seen for word in prompt.split()} == set(words.VOCABULARY)


def test_golden_before_sunset_speaks_of_the_sky():
    assert words.parse("a dragon at golden sunset") == {"subject": "dragon", "sky": "sunset"}
    assert words.parse("A golden dragon, at sunset.") == {"subject": "dragon", "colour": "golden", "sky": "sunset"}
    assert words.parse("a red dragon at golden sunset")["colour"] == "red"
    assert words.parse("sora is sky") == words.parse("") == {}
    with pytest.raises(ValueError, match="more than one motion: left, right"):
        words.parse("a bird flies left and moves right")
    assert words.parse("a bird that circles, flies in circles") == {"subject": "bird", "motion": "circles"}


def test_splits_part_the_1080_compositions_and_leave_every_word_in_training():
    every, train, held = (words.compositions(split) for split in ("all", "train", "held-out"))
    assert (len(every), len(train), len(held)) == (1080, 750, 330)
    assert set(train) | set(held) == set(every) and not set(train) & set(held)
    for column, values in enumerate(words.ATTRIBUTES.values()):
        assert {row[column] for row in train} == set(values) == {row[column] for row in held}
    order = list(words.ATTRIBUTES)
    for (a, b), pairs in words.HELD_OUT.items():
        shown = {(row[order.index(a)], row[order.index(b)]) for row in train}
        assert len(pairs) == 6 and not shown & set(pairs) and len(shown) == 30
    with pytest.raises(ValueError, match="split must be"):
        words.compositions("test")


def test_picks_are_drawn_evenly_and_captions_say_them():
    picks = words.random_picks(7500, dice(1), "train")
    counts = Counter(map(tuple, picks.tolist()))
    assert len(counts) == 750 and max(counts.values()) < 30
    prompts = words.random_captions(picks, dice(2))
    full = 0
    for row, prompt in zip(picks.tolist(), prompts, strict=True):
        named, whole = words.parse(prompt), named_by(row)
        assert named.items() <= whole.items()
        full += len(named) == 4
    assert abs(full / 7500 - (0.6 + 0.4 / 16)) < 0.03
    assert prompts == words.random_captions(picks, dice(2))
    assert all(len(words.parse(prompt)) == 4 for prompt in words.random_captions(picks[:50], dice(3), partial=0.0))
