"""The world and its oracle: what is drawn is what is said, and the oracle is right before it judges anyone."""

import pytest
import torch

from ditcourse import world
from ditcourse.evaluate import prompt_following
from ditcourse.world.scene import BACKGROUND, PALETTE


def dice(seed):
    return torch.Generator().manual_seed(seed)


def test_captions_are_48_and_say_what_parse_reads():
    every = world.captions()
    assert len(every) == len(set(every)) == 48 and every[0] == "a red circle moves left"
    assert all(len(world.parse(prompt)) == 3 for prompt in every)
    assert {word for prompt in every for word in prompt.split()} == set(world.VOCABULARY)
    assert world.parse("Red.") == {"colour": "red"} and world.parse("") == {}
    with pytest.raises(ValueError, match="more than one colour: red, blue"):
        world.parse("a red blue circle")


def test_same_seed_same_clips_and_the_captions_match():
    clips, prompts = world.random_clips(64, dice(1))
    again, same = world.random_clips(64, dice(1))
    assert (
        torch.equal(clips, again)
        and prompts == same
        and not torch.equal(clips, world.random_clips(64, dice(2))[0])
    )
    assert clips.shape == (64, *world.CLIP_SIZE) and clips.min() >= -1 and clips.max() <= 1
    assert len(set(world.random_clips(2000, dice(3))[1])) == 48


def test_oracle_is_right_on_every_clip_of_2048_unseen():
    clips, prompts = world.random_clips(2048, dice(20261121))
    assert prompt_following(clips, prompts) == {"shape": 1.0, "colour": 1.0, "direction": 1.0, "all": 1.0}


def test_oracle_is_at_chance_on_captions_that_were_shuffled():
    clips, prompts = world.random_clips(4000, dice(5))
    result = prompt_following(clips, prompts[1:] + prompts[:1])
    for name, chance in (("shape", 1 / 3), ("colour", 1 / 4), ("direction", 1 / 4), ("all", 1 / 48)):
        assert abs(result[name] - chance) < 4 * (chance * (1 - chance) / 4000) ** 0.5, name


def test_oracle_stands_some_noise_and_knows_when_it_does_not_know():
    clips, prompts = world.random_clips(500, dice(6))
    noisy = clips + 0.15 * torch.randn(clips.shape, generator=dice(7))
    assert prompt_following(noisy, prompts)["all"] > 0.98
    empty = BACKGROUND[None, :, None, None, None].expand(1, 3, 8, 16, 16)
    assert world.read(empty)[0].confidence == {"shape": 0.0, "colour": 0.0, "direction": 0.0}
    with pytest.raises(ValueError, match=r"\(B, 3, T, H, W\)"):
        world.read(clips[0])


def test_the_oracle_reads_turned_and_recoloured_clips_anew():
    """Turn a clip by half a circle: left becomes right. Play it backwards: so too. Swap the ink: the colour changes."""
    clip = world.render(["a red square moves left"], dice(8))
    assert world.read(clip.flip(2))[0].direction == "right"
    assert world.read(clip.flip(3, 4))[0].direction == "right"
    assert world.read(clip.transpose(3, 4))[0].direction == "up"
    mask = (clip - BACKGROUND[None, :, None, None, None])[:, :1] / (PALETTE[0] - BACKGROUND)[0]
    blue = mask * PALETTE[2][None, :, None, None, None] + (1 - mask) * BACKGROUND[None, :, None, None, None]
    assert world.read(blue)[0].colour == "blue"


def test_the_shape_moves_as_the_caption_says_by_its_centre_of_mass():
    clips = world.render(["a green circle moves down"] * 16, dice(9))
    mass = (clips - BACKGROUND[None, :, None, None, None]).abs().sum(1)  # (B, T, H, W)
    rows = torch.arange(16.0) + 0.5
    height = (mass.sum(3) * rows).sum(2) / mass.sum((2, 3))  # (B, T)
    speed = height.diff(dim=1)
    assert speed.mean(1).min() > 0.59 and speed.mean(1).max() < 0.91  # pixels a frame, as SPEED says
    assert (speed.max(1).values - speed.min(1).values).max() < 0.1  # steady, but for the anti-aliasing


def test_a_scene_needs_all_three():
    with pytest.raises(ValueError, match="names no colour and no direction"):
        world.render(["a circle"], dice(0))


def test_prompt_following_scores_only_what_is_named():
    clips = world.render(["a red circle moves left", "a blue square moves up"], dice(1))
    assert prompt_following(clips, ["a red triangle", "a blue one".replace(" one", "")]) == {
        "shape": 0.0,
        "colour": 1.0,
        "all": 0.5,
    }
    with pytest.raises(ValueError, match="2 clips and 1 prompts"):
        prompt_following(clips, ["red"])
