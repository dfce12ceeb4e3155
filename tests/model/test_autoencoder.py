"""The autoencoder: sizes, exact inverses of the folds, clear refusals, its loss, and that it learns."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ditcourse.model.autoencoder import Autoencoder, AutoencoderConfig, fold, rms_norm, unfold
from ditcourse.model.patches import patchify
from ditcourse.training.autoencoder import (
    AutoencoderTrainer,
    AutoencoderTraining,
    autoencoder_loss,
    normalise_latents,
    psnr,
)
from ditcourse.training.checkpoint import load_weights, save_weights
from ditcourse.world import sky, sky_words

SMALL = AutoencoderConfig(width=8, encoder_depth=1, decoder_depth=1)


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(config=SMALL, seed=0):
    """An autoencoder whose every weight is random (the zeros of the last convolutions too)."""
    torch.manual_seed(seed)
    model = Autoencoder(config)
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.1)
    return model.requires_grad_(False).eval()


def test_forty_eight_times_fewer_values_and_256_tokens_of_16():
    """A11, C17: the same counts as DiT/2 on 256 x 256 pictures with a frozen autoencoder of factor 8."""
    model = Autoencoder()
    assert model.latent_size((16, 64, 64)) == (4, 4, 16, 16)
    assert 16 * 64 * 64 * 3 == 256 * 256 * 3 == 196_608 == 48 * 4 * 4 * 16 * 16 == 48 * 32 * 32 * 4
    assert patchify(torch.zeros(1, 4, 4, 16, 16), (1, 2, 2)).shape == (1, 256, 16)
    assert (256 * 256) / (32 * 32) == (16 * 64 * 64) / (4 * 16 * 16) == 64  # positions
    assert sum(p.numel() for p in model.decoder.parameters()) <= 2_000_000


@pytest.mark.parametrize("size", [(4, 4, 4), (8, 12, 20), (16, 8, 16)])
def test_any_multiple_of_four(size):
    model = shaken()
    x = torch.randn(2, 3, *size, generator=dice())
    z = model.encode(x)
    assert z.shape == (2, *model.latent_size(size)) and model.decode(z).shape == x.shape


@pytest.mark.parametrize(("shape", "message"), [
    ((1, 3, 6, 8, 8), "frames must be a multiple of 4, got 6"),
    ((1, 3, 1, 8, 8), "frames must be a multiple of 4, got 1"),
    ((1, 3, 4, 10, 8), "height must be a multiple of 4, got 10"),
    ((1, 3, 4, 8, 9), "width must be a multiple of 4, got 9"),
    ((1, 4, 4, 8, 8), r"x must be \(B, 3, T, H, W\), got \(1, 4, 4, 8, 8\)"),
    ((3, 4, 8, 8), r"got \(3, 4, 8, 8\)"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(shape, message):
    with pytest.raises(ValueError, match=message):
        shaken().encode(torch.zeros(shape))
    with pytest.raises(ValueError, match="z must be"):
        shaken().decode(torch.zeros(1, 3, 1, 1, 1))
    with pytest.raises(ValueError, match="width must be a whole number of at least 1, got 0"):
        AutoencoderConfig(width=0)
    with pytest.raises(ValueError, match="unknown field 'depth'"):
        AutoencoderConfig.from_dict({"depth": 2})


def test_folding_keeps_every_value_where_it_was():
    x = torch.randn(2, 3, 8, 6, 4, generator=dice())
    folded = fold(x, (4, 2, 2))
    assert folded.shape == (2, 48, 2, 3, 2) and torch.equal(unfold(folded, (4, 2, 2)), x)
    c, t, h, w = 1, 5, 3, 2  # channel 1, frame 5 = 4 + 1, row 3 = 2 + 1, column 2
    assert folded[0, ((c * 4 + 1) * 2 + 1) * 2 + 0, 1, 1, 1] == x[0, c, t, h, w]
    y = rms_norm(x)
    torch.testing.assert_close(y.square().mean(1), torch.ones(2, 8, 6, 4), rtol=1e-3, atol=1e-3)


def test_a_cell_sees_its_neighbourhood_and_no_further():
    """Convolutions: what happens in one corner does not reach the other (24 pixels and more away), nor far in time."""
    model = shaken()
    x = torch.randn(1, 3, 32, 64, 64, generator=dice())
    y = x.clone()
    y[:, :, :4, :4, :4] += 1
    change = (model.encode(x) - model.encode(y)).abs().amax((0, 1))  # (8, 16, 16)
    assert change[0, 0, 0] > 1e-4 and change[:, 8:].max() == change[..., 8:].max() == change[2:].max() == 0
    assert change[1].max() > 0  # but it does reach the latent frame beside it


def test_normalised_latents_have_mean_nought_and_deviation_one():
    model = shaken()
    clips = sky.paint(sky_words.random_picks(12, dice(1)), dice(2), (8, 16, 16))
    before = model.decoder(model.posterior(clips)[0])
    normalise_latents(model, clips)
    z = model.encode(clips)
    torch.testing.assert_close(z.mean((0, 2, 3, 4)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3, 4)), torch.ones(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.decode(z), before, atol=1e-4, rtol=1e-4)  # the decoder undoes it


def test_the_loss_is_the_error_and_the_divergence_from_a_normal():
    model = shaken()
    x, noise = torch.randn(2, 3, 4, 8, 8, generator=dice(1)), torch.randn(2, 4, 1, 2, 2, generator=dice(2))
    mean, log_variance = model.posterior(x)
    rebuilt = model.decoder(mean + log_variance.exp().sqrt() * noise)
    kl = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).mean()
    loss, error = autoencoder_loss(model, x, noise, kl_weight=0.3)
    torch.testing.assert_close(error, (rebuilt - x).square().mean())
    torch.testing.assert_close(loss, error + 0.1 * (rebuilt - x).abs().mean() + 0.3 * kl)


def test_psnr_in_closed_form():
    x = torch.rand(3, 3, 4, 8, 8, generator=dice()) - 0.5
    off = torch.tensor([0.2, 0.02, 0.002])[:, None, None, None, None]
    torch.testing.assert_close(psnr(x + off, x), torch.tensor([20.0, 40.0, 60.0]), atol=0.01, rtol=0)
    beyond_white = psnr(x * 0 + 9, x * 0 + 1)
    torch.testing.assert_close(beyond_white, torch.full((3,), 126.02), atol=0.01, rtol=0)


def test_saved_and_loaded_it_is_frozen_and_the_same(tmp_path):
    model = shaken()
    normalise_latents(model, torch.randn(2, 3, 4, 8, 8, generator=dice()))
    save_weights(model, tmp_path, torch.float32)
    again = load_weights(tmp_path, Autoencoder)
    x = torch.randn(1, 3, 4, 8, 8, generator=dice(1))
    assert torch.equal(again.decode(again.encode(x)), model.decode(model.encode(x)))
    assert again.config == model.config and not any(p.requires_grad for p in again.parameters())
    with pytest.raises(ValueError, match="cannot be used"):
        load_weights(tmp_path)  # no DiT


def test_muon_trains_the_blocks_and_adamw_the_rest():
    """One step: every block's weight moves by an almost orthogonal matrix, whatever the size of its gradient."""
    torch.manual_seed(0)
    config = AutoencoderTraining(steps=10, learning_rate=1e-3, warmup=1)
    draw = lambda count, generator: sky.paint(  # noqa: E731
        sky_words.random_picks(count, generator), generator, (4, 16, 16)
    )
    trainer = AutoencoderTrainer(Autoencoder(SMALL), draw, config)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.run(1, progress=False)
    inner = [name for name in before if any(f".{part}." in name for part in ("space", "time", "out"))]
    inner = [name for name in inner if name.split(".")[1] in ("fine", "coarse") and name.endswith("weight")]
    assert len(inner) == len(trainer.blocks) == 2 * 2 + 2 * 3
    for name, value in trainer.model.named_parameters():
        moved = (value.detach() - before[name])
        if name not in inner:
            continue
        moved = moved.flatten(1)
        if not moved.any():  # its gradient is still zero: a zero convolution lies behind it
            assert ".out." not in name
            continue
        values = torch.linalg.svdvals(moved / (1e-3 * 0.2 * max(moved.shape) ** 0.5))
        assert values.max() < 1.3 and values.median() > 0.5, name
    assert {id(p) for p in trainer.optimizer.param_groups[1]["params"]} == {
        id(value) for name, value in trainer.model.named_parameters() if name not in inner
    }


def test_a_small_one_learns_and_goes_on_as_if_it_had_not_stopped():
    def draw(count, generator):
        return sky.paint(sky_words.random_picks(count, generator), generator, (4, 16, 16))

    def trainer():
        torch.manual_seed(0)
        return AutoencoderTrainer(Autoencoder(SMALL), draw, AutoencoderTraining(steps=80, batch_size=4, warmup=10))

    once, twice = trainer().run(progress=False), trainer().run(30, progress=False).run(progress=False)
    assert once.step == twice.step == 80
    assert all(torch.equal(a, b) for a, b in zip(once.ema.parameters(), twice.ema.parameters(), strict=True))
    errors = once.errors
    assert errors[-10:].mean() < 0.5 * errors[:10].mean()
