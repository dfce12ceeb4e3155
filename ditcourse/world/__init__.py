"""A small captioned world: prompts, the scenes that they describe, and an oracle that reads a clip's pixels."""

from ditcourse.world.oracle import Reading, read
from ditcourse.world.prompts import ATTRIBUTES, MAX_WORDS, VOCABULARY, captions, parse
from ditcourse.world.scene import CLIP_SIZE, random_clips, render

__all__ = [
    "ATTRIBUTES",
    "CLIP_SIZE",
    "MAX_WORDS",
    "Reading",
    "VOCABULARY",
    "captions",
    "parse",
    "random_clips",
    "read",
    "render",
]
