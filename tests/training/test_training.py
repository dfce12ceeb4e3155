"""The loss at the start, learning at all, going on where one stopped, and weights on disk."""

import copy
import json
import math

import pytest
import torch
from torch import nn

from ditcourse import world
from ditcourse.model import DiT, DiTConfig
from ditcourse.training import (
    TrainConfig,
    Trainer,
    diffusion_loss,
    flow_loss,
    load_weights,
    save_weights,
    world_batches,
)  # fmt: skip
from ditcourse.training.checkpoint import CONFIG, WEIGHTS
from ditcourse.training.loss import random_times
from ditcourse.training.muon import MuonAdamW, block_matrices

SMALL = DiTConfig(hidden_size=32, depth=1, num_heads=2, vocabulary_size=len(world.VOCABULARY))
MEDIUM = DiTConfig(hidden_size=64, depth=1, num_heads=2, vocabulary_size=len(world.VOCABULARY))


def trainer(config, seed=0):
    torch.manual_seed(seed)
    return Trainer(DiT(SMALL), world_batches, config)


def test_loss_of_an_untrained_model_is_one_plus_the_mean_square_of_the_clips():
    clips, condition = world_batches(512, torch.Generator().manual_seed(0))
    loss = flow_loss(DiT(SMALL), clips, condition, torch.Generator().manual_seed(1)).item()
    assert abs(loss - (1 + clips.square().mean().item())) < 0.01


@pytest.mark.parametrize("time_shift", [1.0, 3.0])
def test_times_are_logit_normal_and_shifted(time_shift):
    """logit(t) is normal with mean ln(time_shift) and variance 1: the shift map written another way."""
    t = random_times(20_000, time_shift, torch.Generator().manual_seed(4)).double()
    logit = (t / (1 - t)).log()
    assert abs(logit.mean().item() - math.log(time_shift)) < 3 / 20_000**0.5
    assert abs(logit.var().item() - 1) < 3 * (2 / 20_000) ** 0.5


def test_loss_of_a_perfect_model_is_zero():
    """For a single clip the velocity is known exactly: v = (x_t - x_0) / t."""
    x0 = torch.randn(1, 3, 4, 4).expand(64, -1, -1, -1)

    def perfect(x, t, condition):
        return (x - x0) / t[:, None, None, None]

    assert flow_loss(perfect, x0, torch.zeros(64, 1), torch.Generator().manual_seed(2)).item() < 1e-6


def test_a_hundred_steps_teach_something():
    torch.manual_seed(0)
    run = Trainer(DiT(MEDIUM), world_batches, TrainConfig(steps=200, batch_size=16)).run(100, progress=False)
    assert run.step == 100 and run.losses[0] > 1.4 and sum(run.losses[-10:]) / 10 < 0.75


def test_one_batch_can_be_learned_by_heart():
    batch = world_batches(4, torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    run = Trainer(
        DiT(MEDIUM), lambda count, generator: batch, TrainConfig(steps=300, batch_size=4, prompt_dropout=0)
    )
    run.run(progress=False)
    assert sum(run.losses[-20:]) / 20 < 0.4 * sum(run.losses[:5]) / 5


def test_stopping_and_going_on_changes_nothing():
    config = TrainConfig(steps=8, batch_size=4)
    whole, parts = (
        trainer(config).run(progress=False),
        trainer(config).run(3, progress=False).run(progress=False),
    )
    assert whole.losses == parts.losses
    for a, b in zip(whole.ema.parameters(), parts.ema.parameters(), strict=True):
        assert torch.equal(a, b)


def test_average_forgets_fast_at_first_and_follows_only_parameters():
    run = trainer(TrainConfig(steps=10, batch_size=4)).run(1, progress=False)
    start = trainer(TrainConfig(steps=10, batch_size=4)).model
    for first, now, average in zip(
        start.parameters(), run.model.parameters(), run.ema.parameters(), strict=True
    ):
        torch.testing.assert_close(average, 0.1 * first + 0.9 * now, rtol=1e-5, atol=1e-7)


def test_schedule_rises_stays_and_falls_to_zero():
    config = TrainConfig(steps=1000, warmup=50, learning_rate=1.0)
    factors = [config.learning_rate_at(step) for step in (0, 49, 50, 699, 701, 850, 999)]
    assert factors[0] == 0.02 and factors[1] == factors[2] == factors[3] == 1
    assert 1 > factors[4] > factors[5] > factors[6] > 0 and factors[6] < 0.005


def test_muon_takes_the_matrices_of_the_blocks():
    """Its step is that of PyTorch's Muon on them, AdamW's elsewhere."""
    torch.manual_seed(0)
    model = DiT(DiTConfig(vocabulary_size=13, depth=2, hidden_size=32, num_heads=2, modulation="adaLN-single"))
    matrices, others = block_matrices(model)
    assert len(matrices) == 2 * 4 and all(min(weight.shape) >= 32 for weight in matrices)
    assert sum(w.numel() for w in matrices + others) == sum(w.numel() for w in model.parameters())
    twin = copy.deepcopy(model)
    both = MuonAdamW(matrices, others, lr=0.01)
    theirs = block_matrices(twin)
    muon = torch.optim.Muon(theirs[0], lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(theirs[1], lr=0.01, weight_decay=0.0, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(1)
    for step in range(3):
        for group in (*both.param_groups, *muon.param_groups, *adamw.param_groups):
            group["lr"] = 0.01 / (step + 1)
        for a, b in zip(model.parameters(), twin.parameters(), strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        both.step(), muon.step(), adamw.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    with pytest.raises(ValueError, match="'muon' needs whole matrices"):
        Trainer(model, world_batches, TrainConfig(optimizer="muon"), shard=True)


def test_prompts_are_hidden_as_often_as_asked():
    seen = []

    class Watch(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(1))

        def forward(self, x, t, condition):
            seen.append((condition.sum(1) == 0).float().mean().item())
            return self.scale * x

    Trainer(Watch(), world_batches, TrainConfig(steps=40, batch_size=100, prompt_dropout=0.25)).run(
        progress=False
    )
    assert abs(sum(seen) / 40 - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5


def test_a_loss_that_is_not_finite_stops_the_run_before_it_harms_the_weights():
    run = trainer(TrainConfig(steps=5, batch_size=2, learning_rate=1e-3)).run(2, progress=False)
    before = [p.clone() for p in run.model.parameters()]
    run.draw = lambda count, generator: (
        torch.full((count, *world.CLIP_SIZE), float("nan")),
        torch.zeros(count, 5).long(),
    )
    with pytest.raises(FloatingPointError, match="step 2 is nan; try a smaller learning_rate"):
        run.run(progress=False)
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 0), ("batch_size", -1), ("prompt_dropout", 1.5), ("learning_rate", 0)]
)
def test_config_refuses(field, value):
    with pytest.raises(ValueError, match=field):
        TrainConfig(**{field: value})


def test_weights_survive_the_disk_bit_for_bit(tmp_path):
    model = trainer(TrainConfig(steps=3, batch_size=2)).run(progress=False).model
    save_weights(model, tmp_path, torch.float32)
    for a, b in zip(model.parameters(), load_weights(tmp_path).parameters(), strict=True):
        assert torch.equal(a, b)
    save_weights(model, tmp_path)  # half precision: half the bytes, rounded
    loaded = load_weights(tmp_path)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.parameters())
    for a, b in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(a.half().float(), b)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CONFIG, WEIGHTS]


@pytest.mark.parametrize("name", ["modern", "labels"])
def test_every_kind_of_model_survives_the_disk_bit_for_bit(tmp_path, name):
    options = {
        "modern": {"vocabulary_size": 5, "word_tokens": 3, "positions": "rope", "modulation": "adaLN-single",
                   "qk_norm": True, "hidden_size": 48},
        "labels": {"num_classes": 4, "learn_sigma": True, "positions": "none"},
    }[name]  # fmt: skip
    model = DiT(DiTConfig(depth=2, **options))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    save_weights(model, tmp_path, torch.float32)
    again = load_weights(tmp_path)
    assert again.config == model.config
    x, t = torch.randn(2, 3, 8, 16, 16), torch.rand(2)
    y = torch.tensor([1, 3]) if "num_classes" in options else torch.tensor([[1, 2, 0], [5, 0, 0]])
    assert torch.equal(model.eval()(x, t, y), again(x, t, y))


@pytest.mark.parametrize("kind, expected", [("epsilon", 1.0), ("velocity", 1 + 0.25), ("x0", None)])
def test_loss_of_an_untrained_model_by_what_it_predicts(kind, expected):
    """It answers 0. For the noise that costs 1; for the clip, whose error counts as the velocity's, x0^2 / t^2."""
    x0 = 0.5 * torch.randn(256, 3, 8, 16, 16)
    noise, t = torch.randn_like(x0), 0.05 + 0.95 * torch.rand(256)
    loss = diffusion_loss(DiT(SMALL), x0, torch.zeros(256, 5).long(), noise, t, kind).item()
    if expected is None:
        expected = (x0.square().mean(dim=(1, 2, 3, 4)) / t**2).mean().item()
    assert loss == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("kind", ["epsilon", "velocity", "x0"])
def test_loss_of_a_model_that_knows_is_zero(kind):
    x0 = torch.randn(8, 3, 4, 4)
    noise, t = torch.randn_like(x0), torch.rand(8)
    answer = {"epsilon": noise, "velocity": noise - x0, "x0": x0}[kind]
    assert diffusion_loss(lambda x, t, y: answer, x0, None, noise, t, kind).item() < 1e-10
    with pytest.raises(ValueError, match="prediction_type"):
        diffusion_loss(lambda x, t, y: answer, x0, None, noise, t, "score")


def test_damaged_weights_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no config.json"):
        load_weights(tmp_path)
    save_weights(DiT(SMALL), tmp_path)
    whole = (tmp_path / WEIGHTS).read_bytes()
    for damage in (whole[: len(whole) // 2], b"", b"\x80\x04K\x01."):  # truncated, empty, a pickle
        (tmp_path / WEIGHTS).write_bytes(damage)
        with pytest.raises(ValueError, match="cannot be used"):
            load_weights(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(whole)
    config = json.loads((tmp_path / CONFIG).read_text())
    for wrong in ({**config, "hidden_size": 64}, {**config, "colour": "red"}, {**config, "depth": 0}):
        (tmp_path / CONFIG).write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match="cannot be used"):
            load_weights(tmp_path)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(ValueError, match="cannot be used"):
        load_weights(tmp_path)


def test_a_full_disk_leaves_the_old_weights(tmp_path, monkeypatch):
    save_weights(DiT(SMALL), tmp_path)
    before = (tmp_path / WEIGHTS).read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_weights(trainer(TrainConfig(steps=2, batch_size=2)).run(progress=False).model, tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == before
    load_weights(tmp_path)
