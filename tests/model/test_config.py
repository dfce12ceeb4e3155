"""Shapes: the published ones, what is refused, and what they cost."""

import json
from dataclasses import asdict

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ditcourse.model import DiT, DiTConfig, count_macs, count_parameters
from ditcourse.model.counts import macs_by_part, parameters_by_part

# shared facts, b1: counted on the official code
PARAMETERS = {
    "S": (32_865_056, 32_920_448, 33_142_016),
    "B": (130_315_808, 130_426_496, 130_869_248),
    "L": (457_840_672, 457_988_224, 458_578_432),
    "XL": (674_834_720, 675_000_704, 675_664_640),
}
# Tables 1, 4 and appendix of the paper, in its "Gflops"
GFLOPS = {
    "S/8": 0.36, "S/4": 1.41, "S/2": 6.06, "B/8": 1.42, "B/4": 5.56, "B/2": 23.01, "L/8": 5.01, "L/4": 19.70,
    "L/2": 80.71, "XL/8": 7.39, "XL/4": 29.05, "XL/2": 118.64,
}  # fmt: skip
SHAPES = [
    DiTConfig(vocabulary_size=5),
    DiTConfig(vocabulary_size=5, modulation="adaLN-single", qk_norm=True, positions="rope", hidden_size=48),
    DiTConfig(vocabulary_size=5, word_tokens=3, positions="none", mlp_ratio=2.5, learn_sigma=True),
    DiTConfig(num_classes=7, input_size=(1, 6, 10), patch_size=(1, 2, 2), in_channels=4, depth=1),
]


@pytest.mark.parametrize("size", PARAMETERS)
def test_published_parameter_counts_to_the_last_digit(size):
    for p, expected in zip((2, 4, 8), PARAMETERS[size], strict=True):
        config = DiTConfig.preset(f"DiT-{size}/{p}")
        with torch.device("meta"):
            built = sum(parameter.numel() for parameter in DiT(config).parameters())
        assert count_parameters(config) == built == expected


def test_number_of_tensors_is_the_official_one():
    for size, tensors in (("S", 132), ("L", 252), ("XL", 292)):
        with torch.device("meta"):
            model = DiT(DiTConfig.preset(f"DiT-{size}/2"))
        assert len(model.state_dict()) + 1 == tensors  # theirs holds the fixed pos_embed too


def test_published_gflops():
    for name, expected in GFLOPS.items():
        assert abs(count_macs(DiTConfig.preset(f"DiT-{name}")) / 1e9 - expected) < 0.01, name
    large = DiTConfig.preset("DiT-XL/2", input_size=(1, 64, 64))
    assert abs(count_macs(large) / 1e9 - 524.60) < 0.01


@pytest.mark.parametrize("config", SHAPES, ids=str)
def test_counts_equal_the_built_model(config):
    model = DiT(config)
    assert count_parameters(config) == sum(p.numel() for p in model.parameters())
    assert sum(parameters_by_part(config).values()) == count_parameters(config)
    batch = 2
    y = torch.randint(1, 4, (batch, 3) if config.vocabulary_size else (batch,))
    x = torch.randn(batch, config.in_channels, *config.input_size)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x, torch.rand(batch), y)
    assert counter.get_total_flops() == 2 * batch * count_macs(config, layer_norms=False)


def test_flop_counter_on_dit_s_2_and_its_training_step():
    config = DiTConfig.preset("DiT-S/2")
    model, x, y = DiT(config), torch.randn(1, 4, 1, 32, 32), torch.tensor([3])
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as forward:
            out = model(x, torch.rand(1), y)
        with FlopCounterMode(display=False) as backward:
            out.sum().backward()
    once = forward.get_total_flops()
    assert once == 2 * count_macs(config, layer_norms=False) and round(once / 1e9, 3) == 12.111
    assert 2.9 < (once + backward.get_total_flops()) / once < 3.1


def test_attention_grows_with_the_square_of_the_tokens_and_the_rest_in_step():
    small, large = (
        macs_by_part(DiTConfig(vocabulary_size=5, input_size=(8, side, side))) for side in (16, 32)
    )
    ratio = {part: large[part] / small[part] for part in small}
    assert ratio["attention: scores and mixing"] == 16 and ratio["mlp"] == 4 and ratio["modulation"] == 1


def test_config_round_trip_and_presets():
    for config in SHAPES:
        assert DiTConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
    assert DiTConfig.preset("DiT-S/2", depth=3).depth == 3
    assert DiTConfig.preset("mini").num_tokens == 64


@pytest.mark.parametrize(
    "bad, message",
    [
        ({"hidden_size": 30, "num_heads": 3}, "hidden_size must be a multiple of 4.*got 30"),
        ({"depth": 0}, "depth.*at least 1, got 0"),
        ({"depth": 2.0}, "depth must be a whole number.*got 2.0"),
        ({"num_heads": True}, "num_heads must be a whole number"),
        ({"patch_size": (2, 4)}, "patch_size must be three"),
        ({"patch_size": "244"}, "patch_size must be three"),
        ({"input_size": (8, 16, 15)}, "width = 15"),
        ({"num_heads": 7}, "num_heads = 7 must divide"),
        ({"positions": "learned"}, "positions must be one of 'sincos', 'rope', 'none', got 'learned'"),
        ({"modulation": "film"}, "modulation must be one of"),
        ({"positions": "rope", "hidden_size": 16}, "at least 6, got 16 / 4 = 4"),
        ({"mlp_ratio": 0}, "mlp_ratio"),
        ({"num_classes": 3}, "one of the two"),
        ({"vocabulary_size": 0}, "one of the two"),
        ({"vocabulary_size": 0, "num_classes": 2, "word_tokens": 4}, "word_tokens = 4 needs words"),
    ],
)
def test_config_refuses_and_says_why(bad, message):
    with pytest.raises(ValueError, match=message):
        DiTConfig(**{"vocabulary_size": 5, **bad})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no preset 'DiT-M/2'; allowed: DiT-S/2"):
        DiTConfig.preset("DiT-M/2")
    with pytest.raises(ValueError, match="unknown field 'width'"):
        DiTConfig.preset("mini", width=3)
    with pytest.raises(ValueError, match="unknown field 'dropout'"):
        DiTConfig.from_dict({"dropout": 0.1})
    with pytest.raises(ValueError, match="got list"):
        DiTConfig.from_dict([1])
