"""The figures of chapter 8: weights against a calculation of their own, distances, the map and its handles."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from ditcourse.figures.attention import (  # noqa: E402
    LEVELS,
    attention_figure,
    attention_map,
    attention_of,
    mean_distance,
    token_distances,
)
from ditcourse.model import DiT, DiTConfig  # noqa: E402

GRID = (4, 4, 4)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = DiT(DiTConfig(vocabulary_size=5, hidden_size=32, depth=2, num_heads=2))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # so that no gate is closed
    return model


def weights(seed=0, blocks=2, heads=2):
    dice = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(blocks, heads, 64, 64, generator=dice)).softmax(-1)


def steps(count=3):
    return [(1 - i / 4, torch.full((3, 8, 16, 16), i / 4 - 0.5), weights(i)) for i in range(count)]


def page(**options):
    return attention_map(steps(), torch.ones(3, 8, 16, 16), title="A <title>", **options).data


def test_weights_are_those_that_the_model_uses(model):
    """The first block's, worked out from the tokens that go into it; and nothing is left hanging on the model."""
    x, y = torch.randn(2, 3, 8, 16, 16), torch.tensor([[1, 2], [3, 0]])
    found = attention_of(model, x, 0.3, y)
    assert found.shape == (2, 2, 2, 64, 64)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 2, 2, 64))
    with torch.no_grad():
        block, tokens = model.blocks[0], model.x_embedder(x) + model.pos_embed
        c = model.t_embedder(torch.full((2,), 300.0)) + model.y_embedder(y)
        shift, scale = block.modulation(c)[:2]
        normed = (tokens - tokens.mean(-1, keepdim=True)) / (tokens.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt()
        q, k, _ = block.attn.qkv(normed * (1 + scale[:, None]) + shift[:, None]).chunk(3, dim=-1)
        for head in (0, 1):
            part = slice(16 * head, 16 * head + 16)
            scores = torch.einsum("bqd,bkd->bqk", q[..., part], k[..., part]) / 4
            torch.testing.assert_close(found[0, :, head], scores.softmax(-1), atol=1e-5, rtol=1e-4)
    assert not any(block.attn._forward_pre_hooks for block in model.blocks)


def test_the_hooks_go_even_when_the_model_fails(model):
    with pytest.raises(ValueError, match="x must be"):
        attention_of(model, torch.randn(1, 2, 8, 16, 16), 0.3, torch.tensor([[1]]))
    assert not any(block.attn._forward_pre_hooks for block in model.blocks)


def test_distances_by_counting():
    grid = (2, 3, 4)
    time, space = token_distances(grid)
    places = [(f, r, c) for f in range(2) for r in range(3) for c in range(4)]
    for i, (f, r, c) in enumerate(places):
        for j, (g, s, d) in enumerate(places):
            assert time[i, j] == abs(f - g)
            assert space[i, j].item() == pytest.approx(((r - s) ** 2 + (c - d) ** 2) ** 0.5)


def test_mean_distance_of_plain_cases():
    itself, even = torch.eye(64), torch.full((64, 64), 1 / 64)
    time, space = mean_distance(torch.stack([itself, even]), GRID)
    assert time.tolist() == pytest.approx([0, 1.25]) and space[0] == 0
    next_frame = torch.eye(64).roll(16, dims=1)  # the last frame looks at the first
    assert mean_distance(next_frame, GRID)[0].item() == pytest.approx((3 * 1 + 3) / 4)


def test_the_still_figure_shows_the_maps_in_their_places():
    import matplotlib.pyplot as plt

    one = torch.zeros(64)
    one[2 * 16 + 1 * 4 + 3] = 1
    clip = torch.zeros(3, 8, 16, 16)
    clip[:, 4] = 1
    figure = attention_figure(clip, {"a": one}, 37)
    axes = np.array(figure.axes).reshape(2, 4)
    assert [axis.get_title() for axis in axes[0]] == [f"frames {i} to {i + 1}" for i in (1, 3, 5, 7)]
    assert [axis.images[0].get_array().min() for axis in axes[0]] == [128, 128, 255, 128]
    assert [axis.images[0].get_array().sum() for axis in axes[1]] == [0, 0, 1, 0]
    assert axes[1, 2].images[0].get_array()[1, 3] == 1
    (edge,) = axes[1, 2].patches
    assert edge.get_xy() == (0.5, 0.5) and not axes[1, 1].patches  # row 2, column 2
    plt.close(figure)


def unpacked(text):
    data = json.loads(re.search(r"data = (\{.*?\}), grid", text)[1])
    levels = np.frombuffer(base64.b64decode(data["weights"]), dtype=np.uint8)
    levels = np.stack([levels >> 4, levels & 15], axis=1).reshape(-1, 64).astype(float)
    squares = levels**2
    return data, (squares / squares.sum(1, keepdims=True)).reshape(len(data["t"]), 2, 2, 64, 64)


def test_the_map_holds_the_weights_to_a_few_per_cent_of_the_largest():
    data, found = unpacked(page())
    assert data["t"] == [0.5, 0.75, 1] and data["grid"] == [4, 4, 4] and (data["blocks"], data["heads"]) == (2, 2)
    assert data["names"] == ["frames 1 to 2", "frames 3 to 4", "frames 5 to 6", "frames 7 to 8"]
    wanted = np.stack([w.numpy() for _, _, w in reversed(steps())])  # from clip to noise
    largest = wanted.max(-1, keepdims=True)
    assert (np.abs(found - wanted) / largest).max() < 2 / LEVELS
    assert (found.argmax(-1) == wanted.argmax(-1)).mean() > 0.9


def test_the_pictures_are_the_clip_and_what_the_model_saw():
    source = re.search(r"url\(data:image/webp;base64,([\w+/=]+)\)", page())[1]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB")).astype(int)
    assert picture.shape == (4 * 16, 8 * 16, 3)
    rows = picture.reshape(4, 16, -1).mean(axis=(1, 2))
    assert np.abs(rows - [255, 128, 96, 64]).max() < 6


def test_it_begins_where_it_is_told():
    text = page(token=37, block=1)
    at = dict(re.findall(r'id="attention-(\w+)" min="0" max="\d+" value="(\d+)"', text))
    assert at == {"t": "1", "block": "1", "head": "0", "frame": "2", "row": "1", "column": "1"}
    last = dict(re.findall(r'id="attention-(\w+)" min="0" max="(\d+)"', text))
    assert last == {"t": "2", "block": "1", "head": "2", "frame": "3", "row": "3", "column": "3"}


def test_it_has_handles_words_and_nothing_from_elsewhere():
    text = page()
    for name in ("t", "block", "head", "frame", "row", "column"):
        assert f'<label for="attention-{name}">' in text
    assert "#attention-map.held .screen" in text and 'box.classList.toggle("held"' in text  # the box itself is held
    assert "aria-valuetext" in text and 'aria-live="polite"' in text and "prefers-reduced-motion" in text
    assert "A &lt;title&gt;" in text and "http" not in text
    assert "@" not in re.sub(r"@(keyframes|media)", "", text)


def test_the_map_of_the_chapter_is_small(model):
    """Three times, four blocks, four heads: at most 150 KB, half as much for a browser that unpacks."""
    made = [(t, torch.rand(3, 8, 16, 16), weights(i, 4, 4)) for i, t in enumerate((0.9, 0.5, 0.1))]
    assert len(attention_map(made, torch.ones(3, 8, 16, 16)).data) < 150_000


def test_steps_that_do_not_fit_are_refused():
    clip = torch.ones(3, 8, 16, 16)
    with pytest.raises(ValueError, match=r"weights \(blocks, heads, 64, 64\), all alike, got \[\(2, 2, 64, 64\), \(3,"):
        attention_map([(1, clip, weights()), (0.5, clip, weights(0, 3))], clip)
    with pytest.raises(ValueError, match=r"got \[\]"):
        attention_map([], clip)
    with pytest.raises(ValueError, match=r"64, 64\), all alike, got \[\(2, 2, 9, 9\)\]"):
        attention_map([(1, clip, torch.ones(2, 2, 9, 9))], clip)
