"""What can be said about the miniature world: 3 shapes x 4 colours x 4 directions = 48 captions."""

from itertools import product

ATTRIBUTES = {
    "shape": ("circle", "square", "triangle"),
    "colour": ("red", "green", "blue", "yellow"),
    "direction": ("left", "right", "up", "down"),
}
VOCABULARY = ("a", "moves", *(word for words in ATTRIBUTES.values() for word in words))
MAX_WORDS = 5


def caption(shape: str, colour: str, direction: str) -> str:
    """The sentence for three attributes: "a red circle moves left"."""
    return f"a {colour} {shape} moves {direction}"


def captions(split: str = "all") -> list[str]:
    """All 48 captions, in a fixed order; here all of them are for training, so every split is the same."""
    return [caption(*values) for values in product(*ATTRIBUTES.values())]


def parse(prompt: str) -> dict[str, str]:
    """The attributes that a prompt names, {"shape": "circle", ...}; what it does not name is missing.

    Raises ValueError where a prompt names two values of one attribute.
    """
    words = prompt.lower().replace(",", " ").replace(".", " ").split()
    named = {}
    for attribute, values in ATTRIBUTES.items():
        found = [word for word in values if word in words]
        if len(found) > 1:
            raise ValueError(f"the prompt {prompt!r} names more than one {attribute}: {', '.join(found)}")
        if found:
            named[attribute] = found[0]
    return named
