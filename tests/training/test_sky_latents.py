"""Skyworld as the denoiser sees it: encoded once, kept, the same clips for every count, sentences that fit."""

import pytest
import torch

from ditcourse.model.autoencoder import Autoencoder, AutoencoderConfig
from ditcourse.training.data import encoded, sky_latents, tokenizer
from ditcourse.world import SKY, sky, sky_words


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(width=8, encoder_depth=1, decoder_depth=1)).requires_grad_(False)


def test_latents_are_those_of_the_painted_clips_and_the_first_are_always_the_same(autoencoder):
    found, fewer = (encoded(autoencoder, count, 3, "train", False) for count in (40, 5))
    generator = torch.Generator().manual_seed(3)
    picks = sky_words.random_picks(32, generator)
    wanted = autoencoder.encode(sky.paint(picks, generator))
    assert torch.equal(found["picks"][:32], picks)
    assert (found["latents"][:32].float() - wanted).abs().max() < 0.01
    assert torch.equal(found["latents"][:5], fewer["latents"]) and torch.equal(found["picks"][:5], fewer["picks"])
    assert not any(
        sky_words.held_out(tuple(values[k] for values, k in zip(SKY.attributes.values(), row, strict=True)))
        for row in found["picks"].tolist()
    )


def test_sentences_say_nothing_false_and_change(autoencoder):
    draw, generator = sky_latents(autoencoder, 4, seed=5), torch.Generator().manual_seed(0)
    known = encoded(autoencoder, 4, 5, "train", False)
    words = [None, *tokenizer(SKY).vocabulary]
    said = set()
    for _ in range(30):
        latents, tokens = draw(4, generator)
        assert latents.dtype == torch.float32 and tokens.shape == (4, SKY.max_words)
        for latent, row in zip(latents, tokens.tolist(), strict=True):
            which = (known["latents"].float() - latent).flatten(1).norm(dim=1).argmin()
            sentence = " ".join(words[k] for k in row if k)
            said.add((int(which), sentence))
            values = list(SKY.attributes.values())
            for name, value in SKY.parse(sentence).items():
                column = list(SKY.attributes).index(name)
                assert values[column][known["picks"][which, column]] == value, sentence
    assert len(said) > 30


def test_kept_latents_are_read_again_if_they_are_of_these_clips_and_weights(autoencoder, tmp_path):
    keep = tmp_path / "new" / "latents.safetensors"
    first = sky_latents(autoencoder, 6, seed=1, keep=keep)
    written = keep.stat().st_mtime_ns

    class Blind(Autoencoder):
        def encode(self, x):
            raise AssertionError("encoded again")

    blind = Blind(autoencoder.config)
    blind.load_state_dict(autoencoder.state_dict())
    again = sky_latents(blind, 6, seed=1, keep=keep)
    one, other = (draw(3, torch.Generator().manual_seed(2)) for draw in (first, again))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert keep.stat().st_mtime_ns == written
    fewer = sky_latents(blind, 4, seed=1, keep=keep)(9, torch.Generator().manual_seed(3))[0]
    wanted = sky_latents(autoencoder, 4, seed=1)(9, torch.Generator().manual_seed(3))[0]
    assert torch.equal(fewer, wanted) and keep.stat().st_mtime_ns == written
    for changed in ({"seed": 2}, {"count": 7}, {"split": "held-out"}):
        with pytest.raises(AssertionError, match="encoded again"):
            sky_latents(blind, **{"count": 6, "seed": 1, "keep": keep} | changed)
    with torch.no_grad():
        blind.latent_mean += 0.5
    with pytest.raises(AssertionError, match="encoded again"):
        sky_latents(blind, 6, seed=1, keep=keep)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        sky_latents(autoencoder, 0)
