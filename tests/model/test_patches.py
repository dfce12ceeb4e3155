"""Patches: exact inverse, the order of tokens and of values, clear refusals."""

import math
import random

import pytest
import torch

from ditcourse import byhand
from ditcourse.model.patches import patchify, token_grid, unpatchify


def random_case(seed):
    dice = random.Random(seed)
    patch = tuple(dice.randint(1, 3) for _ in range(3))
    size = tuple(p * dice.randint(1, 4) for p in patch)
    x = torch.randn(
        dice.randint(1, 3), dice.randint(1, 4), *size, generator=torch.Generator().manual_seed(seed)
    )
    return x, patch


@pytest.mark.parametrize("seed", range(20))
def test_round_trip_is_bit_for_bit(seed):
    x, patch = random_case(seed)
    tokens = patchify(x, patch)
    assert tokens.shape[1] == math.prod(token_grid(x.shape[2:], patch))
    assert torch.equal(unpatchify(tokens, patch, x.shape[2:]), x)


def test_an_image_is_a_clip_of_one_frame_and_a_patch_may_span_time():
    for size, patch in (((1, 4, 6), (1, 2, 2)), ((4, 2, 2), (1, 2, 2)), ((4, 4, 6), (2, 2, 3))):
        x = torch.randn(2, 3, *size)
        assert torch.equal(unpatchify(patchify(x, patch), patch, size), x)


@pytest.mark.parametrize("seed", range(5))
def test_tokens_are_what_a_strided_convolution_reads(seed):
    """The value order within a token is that of a convolution's weight, so Linear on tokens equals the convolution."""
    x, patch = random_case(seed)
    weight = torch.randn(7, x.shape[1], *patch)
    by_convolution = torch.nn.functional.conv3d(x, weight, stride=patch).flatten(2).transpose(1, 2)
    by_tokens = patchify(x, patch) @ weight.flatten(1).T
    torch.testing.assert_close(by_tokens, by_convolution, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_channels_last_is_the_other_order_of_the_same_values(seed):
    x, patch = random_case(seed)
    C, values = x.shape[1], math.prod(patch)
    tokens = patchify(x, patch)
    last = tokens.reshape(*tokens.shape[:2], C, values).transpose(2, 3).flatten(2)
    assert torch.equal(unpatchify(last, patch, x.shape[2:], channels_last=True), x)


def test_patches_of_the_hand_sheet():
    """Four frames of 2 x 2 with patches 1 x 2 x 2 are the sheet's X, turned so that a row is a token."""
    frames = byhand.load().frames
    x = torch.tensor(frames)[None, None]
    assert torch.equal(patchify(x, (1, 2, 2))[0], torch.tensor(byhand.patchify(frames).T))


@pytest.mark.parametrize(
    ("size", "patch", "tokens"),
    [((8, 16, 16), (2, 4, 4), 64), ((1, 32, 32), (1, 2, 2), 256), ((16, 16, 16), (1, 2, 2), 1024)],
)
def test_number_of_tokens(size, patch, tokens):
    assert math.prod(token_grid(size, patch)) == tokens


def test_refusals_name_the_side_and_the_shape():
    with pytest.raises(ValueError, match="height = 5"):
        patchify(torch.randn(1, 3, 4, 5, 4), (2, 2, 2))
    with pytest.raises(ValueError, match=r"\(B, C, T, H, W\)"):
        patchify(torch.randn(3, 4, 4, 4), (2, 2, 2))
    with pytest.raises(ValueError, match=r"\(2, 8, 24\)"):
        unpatchify(torch.randn(2, 8, 24), (2, 2, 2), (4, 4, 8))
