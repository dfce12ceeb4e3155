"""Our DiT against an independent one with the same random weights: outputs and every gradient."""

import pytest
import torch

from ditcourse.model import DiT, DiTConfig, load_official
from tests.model.helpers import randomised

pytest.importorskip("diffusers")
from tests.model import diffusers_dit  # noqa: E402

CONFIGS = (
    DiTConfig.preset("DiT-S/2", input_size=(1, 8, 8), hidden_size=48, num_heads=3, depth=3, num_classes=10),
    DiTConfig.preset("DiT-B/4", input_size=(1, 16, 16), hidden_size=32, num_heads=2, depth=2, num_classes=7),
)


@pytest.mark.parametrize("config", CONFIGS, ids=("patch 2", "patch 4"))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_forward_and_all_gradients_equal_diffusers(config, seed):
    torch.manual_seed(seed)
    ours, theirs = randomised(DiT(config), seed), diffusers_dit.build(config)
    diffusers_dit.copy_weights(ours, theirs)

    whole = torch.arange(1000)
    exact = whole[whole / 1000 * 1000 == whole]  # else the rounding of t alone moves the angles by 1e-5
    step = exact[torch.randint(len(exact), (4,))]
    x = torch.randn(4, config.in_channels, *config.input_size[1:])
    label = torch.randint(config.num_classes + 1, (4,))  # the last one is the null label
    out_theirs = theirs(x, timestep=step, class_labels=label).sample
    out_ours = ours(x[:, :, None], step / 1000, label)[:, :, 0]
    assert out_ours.shape == (4, 8, *x.shape[2:])  # noise and variance
    torch.testing.assert_close(out_ours, out_theirs, rtol=1e-4, atol=2e-5)

    weight = torch.randn_like(out_ours)
    for out in (out_ours, out_theirs):
        (out * weight).mean().backward()
    expected = diffusers_dit.gradients(theirs, config)
    names = dict(ours.named_parameters())
    assert expected.keys() == names.keys()
    for name, parameter in names.items():
        scale = parameter.grad.abs().max().item()
        torch.testing.assert_close(parameter.grad.flatten(), expected[name], rtol=1e-3, atol=1e-5 * max(scale, 1e-3))


def official_state(model):
    """The tensors as the official checkpoints hold them."""
    config, state = model.config, model.state_dict()
    patch = (config.hidden_size, config.in_channels, *config.patch_size[1:])
    state["x_embedder.proj.weight"] = state["x_embedder.proj.weight"].reshape(patch)
    return {"pos_embed": model.pos_embed[None], **state}


def test_official_layout_is_read():
    config = CONFIGS[0]
    model = randomised(DiT(config), seed=4)
    again = load_official(official_state(model), config)
    x, t, y = torch.randn(2, 4, 1, 8, 8), torch.rand(2), torch.tensor([0, 10])
    assert torch.equal(model(x, t, y), again(x, t, y))


def test_shape_is_read_off_a_published_model():
    config = DiTConfig.preset("DiT-S/4")
    model = DiT(config)
    assert load_official(official_state(model)).config == config


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: s.pop("blocks.0.attn.qkv.bias"), "1 missing tensors, the first 'blocks.0.attn.qkv.bias'"),
        (lambda s: s.update({"head.weight": torch.zeros(1)}), "1 unknown tensors, the first 'head.weight'"),
        (lambda s: s.update({"final_layer.linear.bias": torch.zeros(3)}), r"final_layer.linear.bias has shape \(3,\)"),
        (lambda s: s.update({"pos_embed": s["pos_embed"] + 1}), "pos_embed of shape"),
        (lambda s: s.update({"pos_embed": s["pos_embed"][:, :4]}), "pos_embed of shape"),
    ],
)
def test_wrong_tensors_are_refused(change, message):
    state = official_state(DiT(CONFIGS[0]))
    change(state)
    with pytest.raises(ValueError, match=message):
        load_official(state, CONFIGS[0])


def test_heads_of_an_unpublished_shape_must_be_given():
    with pytest.raises(ValueError, match="no published DiT has depth 3 and width 48; give config"):
        load_official(official_state(DiT(CONFIGS[0])))
    with pytest.raises(ValueError, match="give config"):
        load_official({})


def test_checkpoint_files(tmp_path):
    from ditcourse.model.official import read_checkpoint

    state = official_state(DiT(CONFIGS[0]))
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"model": {}, "ema": state, "opt": {"lr": 1}}, tmp_path / "run.pt")
    for name in ("bare.pt", "run.pt"):
        read = read_checkpoint(tmp_path / name)
        assert read.keys() == state.keys() and torch.equal(read["pos_embed"], state["pos_embed"])
    torch.save({"model": print}, tmp_path / "code.pt")
    (tmp_path / "text.pt").write_text("no tensors")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("code.pt", "text.pt", "list.pt"):
        with pytest.raises(ValueError, match=name):
            read_checkpoint(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_checkpoint(tmp_path / "none.pt")
