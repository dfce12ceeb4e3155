"""Figures of merit: does the clip show what the prompt says?"""

from torch import Tensor

from ditcourse.world import MINI, World


def prompt_following(clips: Tensor, prompts: list[str], world: World = MINI) -> dict[str, float]:
    """Share of clips whose pixels show what the prompt names, by attribute and for all that it names at once.

    {"shape": 0.98, "colour": 1.0, "direction": 1.0, "all": 0.98}; an attribute that no prompt names is left out.
    """
    if len(clips) != len(prompts):
        raise ValueError(f"clips and prompts must pair up, got {len(clips)} clips and {len(prompts)} prompts")
    right: dict[str, list[bool]] = {}
    for reading, prompt in zip(world.read(clips), prompts, strict=True):
        named = world.parse(prompt)
        hits = {attribute: reading.values[attribute] == value for attribute, value in named.items()}
        for attribute, hit in {**hits, "all": all(hits.values())}.items():
            right.setdefault(attribute, []).append(hit)
    return {attribute: sum(hits) / len(hits) for attribute, hits in right.items()}
