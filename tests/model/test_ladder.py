"""The ladder from the hand sheet to the block: both ends exact, and the reason of every rung that can be computed."""

import pytest
import torch
from torch.nn import functional as F

from ditcourse import byhand
from ditcourse.model.dit import DiTBlock
from ditcourse.model.ladder import NAMES, RUNGS, Ladder, from_sheet
from ditcourse.model.positions import sincos_1d

D, N, C = 12, 8, 10


def build(rung, seed=0, **more):
    generator = torch.Generator().manual_seed(seed)
    below = NAMES.index(rung) < NAMES.index("queries and keys")
    scores = torch.randn(N, N, generator=generator) if below else None
    model = Ladder(rung, D, C, scores=scores, **more)
    with torch.no_grad():  # zero-initialised maps would hide mistakes
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model, torch.randn(2, N, D, generator=generator), torch.randn(2, C, generator=generator)


@pytest.mark.parametrize("seed", [None, *range(1, 21)])
def test_the_first_rung_is_the_hand_sheet(seed):
    exercise = byhand.load() if seed is None else byhand.new_exercise(seed)
    model, Z, c = from_sheet(exercise)
    assert torch.equal(model(Z, c)[0].T, torch.tensor(byhand.solve(exercise).E, dtype=torch.float32))


@pytest.mark.parametrize("depth", [1, 3])
def test_the_last_rung_is_the_block(depth):
    model, x, c = build("depth", depth=depth)
    out = x + sincos_1d(D, torch.arange(N)).float()
    for block in model.blocks:
        real = DiTBlock(D, 2)
        c_map = torch.nn.Linear(C, 6 * D)  # the block's own map expects a condition of the block's width
        real.adaLN_modulation[1] = c_map
        real.load_state_dict(block.state_dict())
        out = real(out, c)
    assert torch.equal(model(x, c), out)


def test_every_rung_runs_differs_from_the_one_below_and_learns():
    outputs = []
    for name in NAMES:
        model, x, c = build(name)
        out = model(x, c)
        assert out.shape == x.shape and out.isfinite().all()
        out.square().mean().backward()
        silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        marked = name == "queries and keys"  # marking the two largest has no slope
        assert all(".q." in n or ".k." in n for n in silent) and bool(silent) == marked, (name, silent)
        outputs.append(out)
    assert all(not torch.allclose(a, b) for a, b in zip(outputs, outputs[1:], strict=False))


def test_values_rung_is_attention_with_one_head_and_no_projection():
    model, x, _ = build("values")
    block = model.blocks[0]
    out = F.scaled_dot_product_attention(block.q(x), block.k(x), block.v(x))
    torch.testing.assert_close(block.attention(x), out, rtol=1e-5, atol=1e-6)


def test_mixing_alone_cannot_see_alternating_noise_and_the_residual_can():
    model, Z, c = from_sheet(byhand.load())
    noise = torch.tensor([1.0, -1.0, 1.0, -1.0])[None, :, None]
    assert torch.equal(model(Z, c), model(Z + noise, c))
    marked = model.blocks[0].attention_weights(Z)
    soft = (model.blocks[0].scores / 2**0.5).softmax(dim=-1)  # the ties of the sheet stay ties
    for A in (marked, soft):
        assert torch.linalg.matrix_rank(A) == 3 and (A @ noise).abs().max() < 1e-6
        assert torch.linalg.matrix_rank(torch.eye(4) + A) == 4  # the residual adds the identity


def test_normalised_tokens_make_the_guess_independent_of_the_inputs_scale():
    for name, changes in (("the sheet", True), ("normalise", False)):
        model, x, c = build(name)
        same = torch.allclose(model(x, c), model(10 * x, c), rtol=1e-3, atol=1e-4)
        assert same != changes, name


def test_a_condition_that_starts_at_zero_wipes_out_or_changes_nothing():
    for name in ("normalise", "1 + scale"):
        model, x, c = build(name)
        torch.nn.init.zeros_(model.blocks[0].adaLN_modulation[1].weight)
        torch.nn.init.zeros_(model.blocks[0].adaLN_modulation[1].bias)
        moves = not torch.allclose(model(x, c), model(2 * torch.randn_like(x), c))
        assert moves == (name == "1 + scale")


def test_curve_lets_two_conditions_work_together():
    """Without it the effect of a sum of conditions is the sum of the effects."""
    for name in ("1 + scale", "curve on the condition"):
        model, x, _ = build(name)
        one, other, zero = torch.randn(2, C), torch.randn(2, C), torch.zeros(2, C)
        layer = model.blocks[0].adaLN_modulation
        together = layer(one + other) + layer(zero)
        assert torch.allclose(together, layer(one) + layer(other), atol=1e-5) == (name == "1 + scale")


def test_gates_at_zero_make_the_identity():
    model, x, c = build("residual and gate")
    for parameter in model.blocks[0].adaLN_modulation.parameters():
        torch.nn.init.zeros_(parameter)
    assert torch.equal(model(x, c), x)


@pytest.mark.parametrize("name", ["queries and keys", "two-layer MLP", "positions", "depth"])
def test_order_of_the_frames_is_known_from_positions_on(name):
    model, x, c = build(name)
    order = torch.tensor([3, 0, 7, 1, 2, 6, 4, 5])
    blind = torch.allclose(model(x, c)[:, order], model(x[:, order], c), rtol=1e-4, atol=1e-5)
    assert blind == (NAMES.index(name) < NAMES.index("positions"))


def test_errors_and_texts():
    with pytest.raises(ValueError, match="no rung 'softmaxx'.*the sheet"):
        Ladder("softmaxx", D, C)
    with pytest.raises(ValueError, match="no rung 12"):
        Ladder(12, D, C)
    with pytest.raises(ValueError, match="scores = None"):
        Ladder("normalise", D, C)
    with pytest.raises(ValueError, match=r"scores = \(8, 8\)"):
        Ladder("values", D, C, scores=torch.zeros(N, N))
    assert len(set(NAMES)) == len(RUNGS) and all(rung.after and rung.why for rung in RUNGS)
