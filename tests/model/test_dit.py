"""The model against independent references: plain code from the definitions, and diffusers' DiT."""

import math

import pytest
import torch
from torch import nn

from ditcourse.model.attention import Attention
from ditcourse.model.conditions import TextEmbedder, TimestepEmbedder, Tokenizer, timestep_embedding
from ditcourse.model.dit import DiT, DiTBlock, DiTConfig, FinalLayer, modulate
from ditcourse.model.positions import sincos_1d, sincos_2d, sincos_3d

CONFIG = DiTConfig(
    input_size=(4, 8, 8), patch_size=(2, 4, 4), hidden_size=32, depth=2, num_heads=4, vocabulary_size=5
)


def randomised(module, seed=0):
    """Every parameter a fresh random number: zero-initialised layers would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return module.eval()


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


def test_untrained_model_answers_exactly_zero_and_its_blocks_are_the_identity():
    model = DiT(CONFIG)
    x = torch.randn(3, 3, 4, 8, 8)
    out = model(x, torch.rand(3), torch.randint(0, 6, (3, 4)))
    assert out.shape == x.shape and torch.equal(out, torch.zeros_like(x))
    h, c = torch.randn(3, 8, 32), torch.randn(3, 32)
    assert torch.equal(model.blocks[0](h, c), h)


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


@pytest.mark.parametrize("size", [(1, 8, 12), (3, 4, 6)])
def test_rectangular_clips_keep_their_shape(size):
    config = DiTConfig(input_size=size, patch_size=(1, 2, 2), hidden_size=32, depth=1, num_heads=2)
    x = torch.randn(2, 3, *size)
    assert randomised(DiT(config))(x, torch.rand(2), torch.zeros(2, 3, dtype=torch.long)).shape == x.shape


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


def test_forward_and_gradients_equal_diffusers():
    """Our DiT on one frame, with a label for a prompt, against diffusers' DiT with the same random weights.

    Two silent divergences of diffusers from the paper's code are neutralised: its frequencies divide by 127 instead
    of 128, and its norm's epsilon is 1e-5.
    """
    diffusers = pytest.importorskip("diffusers")
    D, depth, heads, classes = 32, 2, 4, 10
    theirs = diffusers.DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=D // heads,
        in_channels=3,
        out_channels=3,
        num_layers=depth,
        sample_size=8,
        patch_size=2,
        num_embeds_ada_norm=classes,
        norm_eps=1e-6,
    ).eval()
    for module in theirs.modules():
        if hasattr(module, "downscale_freq_shift"):
            module.downscale_freq_shift = 0
    ours = randomised(
        DiT(
            DiTConfig(
                input_size=(1, 8, 8),
                patch_size=(1, 2, 2),
                in_channels=3,
                hidden_size=D,
                depth=depth,
                num_heads=heads,
                vocabulary_size=classes,
            )
        )
    )
    state = {
        "pos_embed.proj.weight": ours.x_embedder.weight.reshape(D, 3, 2, 2),
        "pos_embed.proj.bias": ours.x_embedder.bias,
    }
    for i, block in enumerate(ours.blocks):
        to, q_k_v = (
            f"transformer_blocks.{i}.",
            zip("qkv", block.attn.qkv.weight.chunk(3), block.attn.qkv.bias.chunk(3), strict=True),
        )
        for name, weight, bias in q_k_v:
            state |= {f"{to}attn1.to_{name}.weight": weight, f"{to}attn1.to_{name}.bias": bias}
        pairs = {
            "attn1.to_out.0": block.attn.proj,
            "ff.net.0.proj": block.mlp.fc1,
            "ff.net.2": block.mlp.fc2,
            "norm1.linear": block.adaLN_modulation[1],
            "norm1.emb.timestep_embedder.linear_1": ours.t_embedder.mlp[0],
            "norm1.emb.timestep_embedder.linear_2": ours.t_embedder.mlp[2],
        }
        for name, layer in pairs.items():
            state |= {f"{to}{name}.weight": layer.weight, f"{to}{name}.bias": layer.bias}
        state[f"{to}norm1.emb.class_embedder.embedding_table.weight"] = ours.y_embedder.embedding.weight
    for name, layer in (
        ("proj_out_1", ours.final_layer.adaLN_modulation[1]),
        ("proj_out_2", ours.final_layer.linear),
    ):
        state |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    state = {name: tensor.detach().clone() for name, tensor in state.items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("pos_embed") for name in missing), (missing, unexpected)

    whole = torch.arange(1000)
    exact = whole[whole / 1000 * 1000 == whole]  # else a rounding of t alone moves the angles of the embedding by 1e-5
    x, label, step = (
        torch.randn(4, 3, 8, 8),
        torch.randint(1, classes + 1, (4,)),
        exact[torch.randint(len(exact), (4,))],
    )
    out_theirs = theirs(x, timestep=step, class_labels=label).sample
    out_ours = ours(x[:, :, None], step / 1000, label[:, None])[:, :, 0]
    torch.testing.assert_close(out_ours, out_theirs, rtol=1e-4, atol=1e-5)

    for out in (out_ours, out_theirs):
        out.square().mean().backward()
    theirs_grads = dict(theirs.named_parameters())
    torch.testing.assert_close(
        ours.blocks[0].mlp.fc1.weight.grad,
        theirs_grads["transformer_blocks.0.ff.net.0.proj.weight"].grad,
        rtol=1e-3,
        atol=1e-6,
    )
    summed = sum(
        theirs_grads[f"transformer_blocks.{i}.norm1.emb.class_embedder.embedding_table.weight"].grad
        for i in range(depth)
    )  # every diffusers block owns a copy; the final layer reads block 0's
    torch.testing.assert_close(ours.y_embedder.embedding.weight.grad, summed, rtol=1e-3, atol=1e-6)


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
    table = embed.embedding.weight
    out = embed(torch.tensor([[2, 4, 0], [0, 0, 0]]))
    torch.testing.assert_close(out, torch.stack([(table[2] + table[4]) / 2, table[0]]))


def test_config_refuses_what_cannot_be_built():
    for bad, message in (
        ({"hidden_size": 30}, "hidden_size"),
        ({"depth": 0}, "depth"),
        ({"patch_size": (2, 4)}, "patch_size"),
        ({"input_size": (8, 16, 15)}, "width = 15"),
    ):
        with pytest.raises(ValueError, match=message):
            DiTConfig(**bad)
    with pytest.raises(ValueError, match="num_heads = 7"):
        DiT(DiTConfig(num_heads=7))
    with pytest.raises(ValueError, match=r"\(B, 3, 4, 8, 8\)"):
        DiT(CONFIG)(torch.randn(1, 3, 4, 8, 4), torch.rand(1), torch.zeros(1, 2, dtype=torch.long))


def test_final_layer_is_linear_after_modulation():
    layer, x, c = randomised(FinalLayer(16, 5)), torch.randn(2, 3, 16), torch.randn(2, 16)
    shift, scale = layer.adaLN_modulation(c).chunk(2, dim=1)
    normed = nn.functional.layer_norm(x, (16,), eps=1e-6)
    torch.testing.assert_close(
        layer(x, c),
        (normed * (1 + scale[:, None]) + shift[:, None]) @ layer.linear.weight.T + layer.linear.bias,
    )
