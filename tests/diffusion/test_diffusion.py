"""Noise and the sampler: closed forms, diffusers as the independent reference, and what the sampler must not need."""

import inspect

import numpy as np
import pytest
import torch

from ditcourse.diffusion import add_noise, sample, velocity
from ditcourse.diffusion.noise import noise_from_velocity, x0_from_velocity
from ditcourse.diffusion.samplers import guided_velocity


def test_one_prediction_in_three_dresses():
    x0, noise, t = torch.randn(5, 3, 2), torch.randn(5, 3, 2), torch.rand(5)
    x_t, v = add_noise(x0, noise, t), velocity(x0, noise)
    torch.testing.assert_close(x0_from_velocity(x_t, v, t), x0)
    torch.testing.assert_close(noise_from_velocity(x_t, v, t), noise)
    assert torch.equal(add_noise(x0, noise, torch.zeros(5)), x0)
    assert torch.equal(add_noise(x0, noise, torch.ones(5)), noise)


@pytest.mark.parametrize("t", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_mean_and_variance_of_the_noised_clip(t):
    """q(x_t | x_0) has mean (1 - t) x_0 and variance t^2, within 3 standard errors (A13)."""
    n, x0 = 20_000, 1.7
    x_t = add_noise(
        torch.full((n,), x0), torch.randn(n, generator=torch.Generator().manual_seed(0)), torch.full((n,), t)
    )
    assert abs(x_t.mean().item() - (1 - t) * x0) < 3 * t / n**0.5
    assert abs(x_t.var().item() - t**2) < 3 * t**2 * (2 / n) ** 0.5


def test_the_signal_falls_and_the_noise_grows_with_t():
    t = torch.linspace(0.01, 0.99, 50)
    ones, zeros = torch.ones(50), torch.zeros(50)
    snr = (add_noise(ones, zeros, t) / add_noise(zeros, ones, t)).square()
    assert (snr.diff() < 0).all()


def test_shapes_are_refused_by_name():
    with pytest.raises(ValueError, match="one time per clip"):
        add_noise(torch.randn(2, 3), torch.randn(2, 3), torch.rand(3))
    with pytest.raises(ValueError, match="noise must have the shape"):
        add_noise(torch.randn(2, 3), torch.randn(3), torch.rand(2))


def gaussian_velocity(mean, std):
    """The exact velocity for data N(mean, std^2): E[noise - x_0 | x_t], in closed form."""

    def model(x, t, condition):
        t = t.reshape(-1, *[1] * (x.dim() - 1))
        gain = (t - (1 - t) * std**2) / ((1 - t) ** 2 * std**2 + t**2)
        return -mean + gain * (x - (1 - t) * mean)

    return model


@pytest.mark.parametrize("steps", [1, 7, 25])
def test_sampler_equals_diffusers(steps):
    from diffusers import FlowMatchEulerDiscreteScheduler

    model, noise = gaussian_velocity(0.6, 0.4), torch.randn(4, 3, 2, 4, 4)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(steps, sigmas=np.linspace(1, 1 / steps, steps))
    x = noise
    for timestep in scheduler.timesteps:
        v = model(x, (timestep / 1000).expand(len(x)), None)
        x = scheduler.step(v, timestep, x).prev_sample
    ours = sample(model, noise, torch.zeros(4, 1), num_inference_steps=steps, guidance_scale=1)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-5)


def test_many_steps_reach_the_data_where_one_does_not():
    """From pure noise to N(0.6, 0.4^2): the spread after one step is zero, after 100 nearly right (A29)."""
    noise = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    spread = {
        steps: sample(
            gaussian_velocity(0.6, 0.4),
            noise,
            torch.zeros(4000, 1),
            num_inference_steps=steps,
            guidance_scale=1,
        )
        .std()
        .item()
        for steps in (1, 10, 100)
    }
    assert spread[1] < 1e-5 and abs(spread[100] - 0.4) < 0.02
    assert abs(spread[100] - 0.4) < abs(spread[10] - 0.4) < abs(spread[1] - 0.4)


def test_guidance_moves_away_from_the_null_on_every_channel():
    def model(x, t, condition):
        return condition[:, :, None, None, None].expand_as(x)

    x, t = torch.randn(2, 4, 2, 3, 3), torch.full((2,), 0.5)
    condition, null = torch.randn(2, 4), torch.randn(2, 4)
    guided = guided_velocity(model, x, t, condition, null, 1.5)
    expected = (null + 1.5 * (condition - null))[:, :, None, None, None].expand_as(x)
    torch.testing.assert_close(guided, expected)
    with pytest.raises(ValueError, match="needs the null prompt"):
        guided_velocity(model, x, t, condition, None, 1.5)


def test_the_way_can_be_watched_and_the_end_repeats():
    model, noise, seen = gaussian_velocity(0.0, 1.0), torch.randn(2, 1, 1, 2, 2), []
    first = sample(
        model,
        noise,
        torch.zeros(2, 1),
        num_inference_steps=4,
        guidance_scale=1,
        on_step=lambda t, x, x0: seen.append((t, x.shape, x0.shape)),
    )
    assert [t for t, *_ in seen] == [1.0, 0.75, 0.5, 0.25] and {s for _, *ss in seen for s in ss} == {
        noise.shape
    }
    assert torch.equal(
        first, sample(model, noise, torch.zeros(2, 1), num_inference_steps=4, guidance_scale=1)
    )
    with pytest.raises(ValueError, match="num_inference_steps"):
        sample(model, noise, torch.zeros(2, 1), num_inference_steps=0)


def test_generation_takes_no_video(monkeypatch):
    """The sampler has no argument for a clip, and asking for one in the pipeline never renders the world (A31)."""
    assert list(inspect.signature(sample).parameters)[:4] == ["model", "noise", "condition", "null"]
    from ditcourse import pipeline, world
    from ditcourse.model import DiT, DiTConfig
    from ditcourse.world import scene

    def forbidden(*_args, **_kwargs):
        raise AssertionError("sampling touched the data")

    for owner, name in ((world, "render"), (world, "random_clips"), (scene, "_draw")):
        monkeypatch.setattr(owner, name, forbidden)
    pipe = pipeline.Pipeline(DiT(DiTConfig(vocabulary_size=len(world.VOCABULARY), depth=1)))
    assert pipe(["a red circle moves left"], num_inference_steps=2).shape == (1, 3, 8, 16, 16)
