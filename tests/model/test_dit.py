"""The parts of the model against plain code from the definitions, and pinned digits."""

import math

import pytest
import torch
from torch import nn

from ditcourse.model.attention import Attention
from ditcourse.model.conditions import TextEmbedder, TimestepEmbedder, Tokenizer, timestep_embedding
from ditcourse.model.dit import DiT, DiTBlock, DiTConfig, FinalLayer, modulate
from ditcourse.model.positions import sincos_1d, sincos_2d, sincos_3d
from tests.model.helpers import randomised

CONFIG = DiTConfig(
    input_size=(4, 8, 8), patch_size=(2, 4, 4), hidden_size=32, depth=2, num_heads=4, vocabulary_size=5
)


def test_attention_equals_the_definition():
    attention, x = randomised(Attention(24, 3)), torch.randn(2, 7, 24)
    q, k, v = attention.qkv(x).chunk(3, dim=-1)
    heads = []
    for h in range(3):
        part = slice(8 * h, 8 * h + 8)
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(8)
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        heads.append(weights @ v[..., part])
    torch.testing.assert_close(attention(x), attention.proj(torch.cat(heads, -1)), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="num_heads = 5"):
        Attention(24, 5)


def test_block_equals_the_definition():
    block, x, c = randomised(DiTBlock(24, 3)), torch.randn(2, 7, 24), torch.randn(2, 24)
    shift1, scale1, gate1, shift2, scale2, gate2 = block.adaLN_modulation(c)[:, None].chunk(6, dim=-1)

    def normalise(h):
        return (h - h.mean(-1, keepdim=True)) / (h.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt()

    h = x + gate1 * block.attn(normalise(x) * (1 + scale1) + shift1)
    expected = h + gate2 * block.mlp(normalise(h) * (1 + scale2) + shift2)
    torch.testing.assert_close(block(x, c), expected, rtol=1e-5, atol=1e-5)


def test_modulate_by_hand():
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    out = modulate(x, shift=torch.tensor([[10.0, 20.0]]), scale=torch.tensor([[1.0, -1.0]]))
    assert out.tolist() == [[[12.0, 20.0], [16.0, 20.0]]]


def test_layer_norm_comes_before_modulation():
    block = DiTBlock(64, 4)
    h = block.norm1(5 + 3 * torch.randn(4, 9, 64))
    assert h.mean(-1).abs().max() < 1e-5 and (h.var(-1, unbiased=False) - 1).abs().max() < 1e-3


def test_without_positions_the_model_cannot_tell_the_order_of_tokens():
    model, c = randomised(DiT(CONFIG)), torch.randn(1, 32)
    tokens, order = torch.randn(1, 8, 32), torch.randperm(8, generator=torch.Generator().manual_seed(3))

    def blocks(h):
        for block in model.blocks:
            h = block(h, c)
        return h

    torch.testing.assert_close(blocks(tokens)[:, order], blocks(tokens[:, order]), rtol=1e-5, atol=1e-5)
    with_positions, shuffled = blocks(tokens + model.pos_embed), blocks(tokens[:, order] + model.pos_embed)
    assert (with_positions[:, order] - shuffled).abs().max() > 1e-2


def test_time_and_prompt_reach_the_output():
    model, x = randomised(DiT(CONFIG)), torch.randn(1, 3, 4, 8, 8)
    t, words = torch.tensor([0.5]), torch.tensor([[1, 2, 0, 0]])
    base = model(x, t, words)
    assert torch.equal(base, model(x, t, words))
    assert not torch.allclose(base, model(x, t + 0.3, words))
    assert not torch.allclose(base, model(x, t, torch.tensor([[1, 3, 0, 0]])))


def test_miniature_parameter_count_in_closed_form():
    config = DiTConfig(vocabulary_size=13)
    D, L, patch = config.hidden_size, config.depth, 3 * 2 * 4 * 4
    closed = (
        L * (18 * D * D + 15 * D)
        + (patch * D + D)
        + (256 * D + D + D * D + D)
        + (config.vocabulary_size + 1) * D
        + (2 * D * D + 2 * D)
        + (D * patch + patch)
    )
    assert sum(p.numel() for p in DiT(config).parameters()) == closed == 1_296_352


def test_positions_pinned_digits():
    """Second row of the 2 x 2 grid at width 8: the column comes first (the official order)."""
    expected = torch.tensor([0.8415, 0.0100, 0.5403, 0.99995, 0, 0, 1, 1], dtype=torch.float64)
    torch.testing.assert_close(sincos_2d(8, 2, 2)[1], expected, rtol=0, atol=5e-5)
    clip = sincos_3d(8, 3, 2, 2).reshape(3, 4, 8)
    assert torch.equal(clip[0], sincos_2d(8, 2, 2))  # a clip's first frame is an image
    frame_2 = [
        math.sin(2),
        math.sin(0.2),
        math.sin(0.02),
        math.sin(0.002),
        math.cos(2) - 1,
        math.cos(0.2) - 1,
        math.cos(0.02) - 1,
        math.cos(0.002) - 1,
    ]
    torch.testing.assert_close(clip[2] - clip[0], torch.tensor(frame_2, dtype=torch.float64).expand(4, 8))
    assert len({tuple(row) for row in sincos_3d(32, 8, 4, 4).round(decimals=6).tolist()}) == 128
    with pytest.raises(ValueError, match="even"):
        sincos_1d(3, torch.arange(2))


def test_timestep_embedding_pinned_digits():
    e = timestep_embedding(torch.tensor([1.0]))[0]
    for index, value in ((0, 0.5403), (1, 0.59738), (127, 1.0), (128, 0.84147), (255, 1.0746e-4)):
        assert abs(e[index].item() - value) < 5e-5 * max(1, abs(value)), index
    zero = timestep_embedding(torch.tensor([0.0]))[0]
    assert zero[:128].eq(1).all() and zero[128:].eq(0).all()
    every = timestep_embedding(torch.arange(1001).float())
    assert torch.pdist(every).min() > 1e-3  # distinct for all t <= 1000
    assert TimestepEmbedder(16)(torch.rand(3)).shape == (3, 16)


def test_tokenizer_names_the_unknown_word_and_the_nearest_known():
    tokenizer = Tokenizer(("a", "red", "circle"), max_length=4)
    assert tokenizer(["a red circle", "", "Circle."]).tolist() == [[1, 2, 3, 0], [0, 0, 0, 0], [3, 0, 0, 0]]
    with pytest.raises(ValueError, match="'cirle'.*nearest known: circle"):
        tokenizer(["a red cirle"])
    with pytest.raises(ValueError, match="nearest known: a, circle, red"):
        tokenizer(["zzz"])
    with pytest.raises(ValueError, match="at most 4"):
        tokenizer(["a a a a a"])
    with pytest.raises(TypeError, match="list of strings"):
        tokenizer("a red circle")


def test_text_embedder_is_the_mean_of_the_words_and_has_a_null():
    embed = randomised(TextEmbedder(4, 6))
    table = embed.embedding_table.weight
    out = embed(torch.tensor([[2, 4, 0], [0, 0, 0]]))
    torch.testing.assert_close(out, torch.stack([(table[2] + table[4]) / 2, table[0]]))


def test_final_layer_is_linear_after_modulation():
    layer, x, c = randomised(FinalLayer(16, 5)), torch.randn(2, 3, 16), torch.randn(2, 16)
    shift, scale = layer.adaLN_modulation(c).chunk(2, dim=1)
    normed = nn.functional.layer_norm(x, (16,), eps=1e-6)
    torch.testing.assert_close(
        layer(x, c),
        (normed * (1 + scale[:, None]) + shift[:, None]) @ layer.linear.weight.T + layer.linear.bias,
    )
