"""Positions, words, padding, sizes, precision, compilers: each option of the model against plain code."""

import cmath
import math
import shutil

import pytest
import torch

from ditcourse.model import DiT, DiTConfig
from ditcourse.model.attention import Attention
from ditcourse.model.patches import unpatchify
from ditcourse.model.positions import rope_3d, rotate
from tests.model.helpers import randomised

BASE = {"input_size": (4, 8, 8), "patch_size": (2, 4, 4), "hidden_size": 48, "depth": 2, "num_heads": 2,
        "vocabulary_size": 5}  # fmt: skip
OPTIONS = {
    "sincos": {},
    "rope": {"positions": "rope"},
    "none": {"positions": "none"},
    "words": {"word_tokens": 4},
    "modern": {"positions": "rope", "word_tokens": 4, "modulation": "adaLN-single", "qk_norm": True},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def inputs(batch=2, size=(4, 8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 3, *size, generator=generator)
    tokens = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 0]])[:batch]
    return x, torch.rand(batch, generator=generator), tokens


# --- positions


def test_rope_turns_pairs_as_complex_numbers_do():
    head_dim, grid = 16, (2, 3, 2)  # 8 pairs: 4 for time, 2 for rows, 2 for columns
    x = torch.randn(12, head_dim)
    out = rotate(x[None, None], rope_3d(head_dim, *grid).float())[0, 0]
    for token, (f, r, c) in enumerate((f, r, c) for f in range(2) for r in range(3) for c in range(2)):
        places = [(f, i, 4) for i in range(4)] + [(r, i, 2) for i in range(2)] + [(c, i, 2) for i in range(2)]
        for pair, (place, i, count) in enumerate(places):
            a, b = x[token, 2 * pair : 2 * pair + 2].tolist()
            turned = complex(a, b) * cmath.exp(1j * place * 10000 ** (-i / count))
            got = complex(*out[token, 2 * pair : 2 * pair + 2].tolist())
            assert abs(got - turned) < 1e-5


def test_rope_scores_depend_on_the_distance_only():
    rope = rope_3d(12, 5, 4, 4).float()
    q, k = (torch.randn(12).expand(80, 12) for _ in range(2))
    scores = rotate(q[None, None], rope)[0, 0] @ rotate(k[None, None], rope)[0, 0].T
    at = lambda f, r, c: (f * 4 + r) * 4 + c  # noqa: E731
    assert math.isclose(scores[at(0, 0, 0), at(1, 2, 3)], scores[at(3, 1, 0), at(4, 3, 3)], rel_tol=1e-4)
    assert abs(scores[at(0, 0, 0), at(1, 2, 3)] - scores[at(0, 0, 0), at(1, 2, 2)]) > 1e-4
    with pytest.raises(ValueError, match="at least 6"):
        rope_3d(4, 1, 1, 1)


@every_option
def test_order_of_tokens_matters_exactly_where_there_are_positions(options):
    """A clip whose patches change places, seen through the model and put back in order."""
    model = randomised(DiT(DiTConfig(**BASE | options)))
    x, t, y = inputs()
    swap = x.flip(2)  # frames 0..3 backwards: patches of two frames change places, and inside
    unpatched = randomised(DiT(DiTConfig(**BASE | options | {"patch_size": (1, 4, 4)})))
    blind = torch.allclose(unpatched(x, t, y).flip(2), unpatched(swap, t, y), rtol=1e-4, atol=1e-5)
    assert blind == (options.get("positions") == "none")
    assert model(x, t, y).shape == x.shape


# --- attention


def test_attention_with_everything_equals_plain_code():
    attention, N, D, heads = randomised(Attention(24, 2, qk_norm=True), scale=0.5), 6, 24, 2
    x, rope = torch.randn(3, N, D), rope_3d(12, 1, 2, 3).float()
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [False] * 3 + [True] * 3])
    out, weights = attention(x, rope, mask), attention.weights(x, rope, mask)
    q, k, v = attention.qkv(x).chunk(3, dim=-1)

    for b in range(3):
        for i in range(N):
            mixed = []
            for h in range(heads):
                part = slice(12 * h, 12 * h + 12)

                def place(vector, norm, token):
                    vector = vector / (vector.square().mean() + 1e-6).sqrt() * norm.weight
                    pairs, (cos, sin) = vector.reshape(6, 2), rope[:, token]
                    first = pairs[:, 0] * cos - pairs[:, 1] * sin
                    second = pairs[:, 0] * sin + pairs[:, 1] * cos
                    return torch.stack([first, second], dim=1).flatten()

                query = place(q[b, i, part], attention.q_norm, i)
                scores = [
                    (query @ place(k[b, j, part], attention.k_norm, j)).item() / 12**0.5 if mask[b, j] else -math.inf
                    for j in range(N)
                ]
                share = torch.tensor([math.exp(s - max(scores)) for s in scores])
                share = share / share.sum()
                torch.testing.assert_close(weights[b, h, i], share, rtol=1e-4, atol=1e-5)
                mixed.append(share @ v[b, :, part])
            torch.testing.assert_close(out[b, i], attention.proj(torch.cat(mixed)), rtol=1e-4, atol=1e-4)


# --- words


def test_words_beside_the_patches_equal_plain_code():
    """One block, no helper of the model's: words put before the patches, blanks never looked at."""
    config = DiTConfig(**BASE | {"depth": 1, "word_tokens": 4, "positions": "none"})
    model, (x, t, y) = randomised(DiT(config)), inputs()
    table, block = model.y_embedder.embedding_table.weight, model.blocks[0]
    for b in range(2):
        words = [int(n) for n in y[b] if n > 0]
        rows = []
        for place, word in enumerate(words):
            angle = [place * 10000 ** (-i / 24) for i in range(24)]
            rows.append(table[word] + torch.tensor([*map(math.sin, angle), *map(math.cos, angle)]))
        patches = model.x_embedder(x[b : b + 1])[0]
        c = model.t_embedder(1000 * t[b : b + 1]) + table[words].mean(0)
        h = block(torch.cat([torch.stack(rows), patches])[None], c)[:, len(words) :]
        expected = model.final_layer(h, c)
        got = model(x, t, y)[b : b + 1]
        torch.testing.assert_close(
            got, unpatchify(expected, (2, 4, 4), (4, 8, 8), channels_last=True), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("options", [OPTIONS["words"], OPTIONS["modern"]], ids=["words", "modern"])
def test_blanks_after_a_prompt_change_nothing_and_word_order_does(options):
    model, (x, t, y) = randomised(DiT(DiTConfig(**BASE | options))), inputs()
    short = model(x[:1], t[:1], y[:1, :2])
    torch.testing.assert_close(short, model(x[:1], t[:1], y[:1]), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(short, model(x[:1], t[:1], y[:1, :2].flip(1)), atol=1e-4)
    null = torch.zeros(1, 4, dtype=torch.long)
    assert model(x[:1], t[:1], null).isfinite().all()


def test_labels_have_a_null_of_their_own():
    model = randomised(DiT(DiTConfig(**BASE | {"vocabulary_size": 0, "num_classes": 3})))
    x, t, _ = inputs()
    null = torch.full((2,), model.y_embedder.null)
    outs = [model(x, t, torch.tensor([k, k])) for k in range(3)] + [model(x, t, null)]
    assert all(not torch.allclose(a, b) for i, a in enumerate(outs) for b in outs[i + 1 :])
    with pytest.raises(IndexError):
        model(x, t, null + 1)


# --- sizes and padding


@every_option
def test_one_set_of_weights_takes_every_size(options):
    model = randomised(DiT(DiTConfig(**BASE | options)))
    for size in ((4, 8, 8), (4, 4, 16), (4, 16, 4), (4, 8, 12), (2, 8, 8), (8, 8, 8)):
        x, t, y = inputs(size=size)
        assert model(x, t, y).shape == x.shape
    with pytest.raises(ValueError, match="height = 6"):
        model(torch.zeros(1, 3, 4, 6, 8), t[:1], y[:1])
    for bad in (torch.zeros(1, 4, 4, 8, 8), torch.zeros(3, 4, 8, 8)):
        with pytest.raises(ValueError, match=r"x must be \(B, 3, T, H, W\)"):
            model(bad, t[:1], y[:1])


@every_option
@pytest.mark.parametrize("real", [(4, 8, 8), (2, 8, 4), (4, 4, 12)])
def test_padding_has_no_effect_at_all_on_what_is_real(options, real):
    model, whole = randomised(DiT(DiTConfig(**BASE | options))), (4, 8, 12)
    x, t, y = inputs(size=real)
    padded = torch.randn(2, 3, *whole, generator=torch.Generator().manual_seed(8))
    padded[:, :, : real[0], : real[1], : real[2]] = x
    grid = torch.zeros(2, 2, 2, 3, dtype=torch.bool)
    grid[:, : real[0] // 2, : real[1] // 4, : real[2] // 4] = True
    out = model(padded, t, y, mask=grid.flatten(1))[:, :, : real[0], : real[1], : real[2]]
    torch.testing.assert_close(out, model(x, t, y), rtol=1e-4, atol=1e-5)
    changed = padded + 100
    changed[:, :, : real[0], : real[1], : real[2]] = x
    again = model(changed, t, y, mask=grid.flatten(1))[:, :, : real[0], : real[1], : real[2]]
    assert torch.equal(out, again)  # not a single bit


# --- starts, precision, compilers


@every_option
def test_untrained_it_answers_zero_and_its_blocks_are_the_identity(options):
    config = DiTConfig(**BASE | options)
    model, (x, t, y) = DiT(config), inputs()
    assert torch.equal(model(x, t, y), torch.zeros_like(x))
    h, c = torch.randn(2, 8, 48), torch.randn(2, 48)
    c = model.adaLN_modulation(c) if config.modulation == "adaLN-single" else c
    assert torch.equal(model.blocks[0](h, c), h)


@every_option
def test_bfloat16_stays_near_float32(options):
    model = randomised(DiT(DiTConfig(**BASE | options)), scale=0.15)
    x, t, y = inputs()
    exact = model(x, t, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = model(x, t, y)
    error = (near - exact).norm() / exact.norm()
    assert 1e-5 < error < 0.03, error  # bfloat16 keeps 8 bits: about 0.4 % a rounding


@pytest.mark.parametrize("name", ["sincos", "modern"])
def test_compiled_equals_eager(name):
    backend = "inductor" if shutil.which("g++") else "aot_eager"
    model = randomised(DiT(DiTConfig(**BASE | OPTIONS[name])))
    x, t, y = inputs()
    compiled = torch.compile(model, backend=backend, fullgraph=True)
    eager = model(x, t, y)
    assert (compiled(x, t, y) - eager).norm() < 1e-5 * eager.norm()


@pytest.mark.parametrize("name", ["sincos", "modern"])
def test_exported_programs_equal_the_model(name, tmp_path):
    model, (x, t, y) = randomised(DiT(DiTConfig(**BASE | OPTIONS[name]))), inputs()
    program = torch.export.export(model, (x, t, y))
    torch.testing.assert_close(program.module()(x, t, y), model(x, t, y), rtol=1e-5, atol=1e-6)

    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "dit.onnx"
    torch.onnx.export(model, (x, t, y), path, dynamo=True, verbose=False, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    (out,) = session.run(None, dict(zip(names, (x.numpy(), t.numpy(), y.numpy()), strict=True)))
    eager = model(x, t, y)
    assert (torch.from_numpy(out) - eager).norm() < 1e-4 * eager.norm()
