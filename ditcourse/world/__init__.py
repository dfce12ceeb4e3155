"""Captioned worlds: prompts, the scenes that they describe, and an oracle that reads a clip's pixels.

MINI is the miniature of the first chapters (8 frames of 16 x 16), SKY is Skyworld (16 frames of 64 x 64). Both are a
`World`; the functions here without a world before them are the miniature's.
"""

from ditcourse.world import sky as _sky
from ditcourse.world import sky_oracle as _sky_oracle
from ditcourse.world import sky_words as _sky_words
from ditcourse.world.oracle import read
from ditcourse.world.prompts import ATTRIBUTES, MAX_WORDS, VOCABULARY, captions, parse
from ditcourse.world.scene import CLIP_SIZE, random_clips, render
from ditcourse.world.world import Reading, World

MINI = World(
    "mini",
    ATTRIBUTES,
    VOCABULARY,
    MAX_WORDS,
    CLIP_SIZE,
    captions,
    parse,
    render,
    random_clips,
    read,
)
SKY = World(
    "sky",
    _sky_words.ATTRIBUTES,
    _sky_words.VOCABULARY,
    _sky_words.MAX_WORDS,
    _sky.CLIP_SIZE,
    _sky_words.captions,
    _sky_words.parse,
    _sky.render,
    _sky.random_clips,
    _sky_oracle.read,
    ("train", "held-out"),
    _sky_oracle.load_oracle,
)
WORLDS = {world.name: world for world in (MINI, SKY)}

__all__ = [
    "ATTRIBUTES",
    "CLIP_SIZE",
    "MAX_WORDS",
    "MINI",
    "Reading",
    "SKY",
    "VOCABULARY",
    "WORLDS",
    "World",
    "captions",
    "parse",
    "random_clips",
    "read",
    "render",
]
