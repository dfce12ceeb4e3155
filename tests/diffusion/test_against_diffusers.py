"""The same model, the same noise, the whole way down, by diffusers and by us. (It is an independent implementation.)"""

import numpy as np
import pytest
import torch

from ditcourse.diffusion import DDPM, FLOW, RectifiedFlow, add_noise, sample, target

diffusers = pytest.importorskip("diffusers")


def random_model(channels=3, out=None, seed=0):
    """A small net with random weights that looks at x and at t; it has learned nothing, and need not have."""
    generator = torch.Generator().manual_seed(seed)
    out = out or channels
    first = torch.randn(16, channels, 3, 3, generator=generator) / (9 * channels) ** 0.5
    last = torch.randn(out, 16, 3, 3, generator=generator) / 12
    phase = torch.randn(16, generator=generator)

    def model(x, t, condition=None):
        t = t.float().reshape(-1, 1, 1, 1) / (1000 if not t.is_floating_point() else 1)
        hidden = torch.tanh(torch.conv2d(x, first, padding=1) + torch.sin(3 * t + phase[:, None, None]))
        return torch.conv2d(hidden, last, padding=1)

    return model


NOISE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(7))


def relative(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


def ours(model, schedule, steps, **how):
    return sample(model, NOISE, schedule=schedule, num_inference_steps=steps, guidance_scale=1, **how)


def theirs(scheduler, model, steps, seed=None, **how):
    scheduler.set_timesteps(steps)
    if seed is not None:
        how["generator"] = torch.Generator().manual_seed(seed)
    x = NOISE
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t.expand(len(x))), t, x, **how).prev_sample
    return x


NAMES = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}
PLAIN = {"clip_sample": False, "beta_start": 1e-4, "beta_end": 2e-2}


@pytest.mark.parametrize(("betas", "name"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")])
def test_schedule_add_noise_and_v(betas, name):
    schedule, scheduler = DDPM(betas), diffusers.DDPMScheduler(beta_schedule=name, **PLAIN)
    off = (schedule.alphas_cumprod - scheduler.alphas_cumprod).abs().max()
    assert off < (2.5e-7 if betas == "linear" else 4e-7)  # theirs is float32
    t, x0 = torch.tensor([3, 800]), NOISE.flip(3)
    torch.testing.assert_close(
        add_noise(x0, NOISE, t, schedule), scheduler.add_noise(x0, NOISE, t), rtol=0, atol=2e-5
    )
    v = target(x0, NOISE, t, schedule, "v")
    torch.testing.assert_close(v, scheduler.get_velocity(x0, NOISE, t), rtol=0, atol=2e-5)


@pytest.mark.parametrize("prediction_type", NAMES)
def test_ddim_in_50_steps(prediction_type):
    scheduler = diffusers.DDIMScheduler(
        timestep_spacing="leading", steps_offset=0, set_alpha_to_one=True, prediction_type=NAMES[prediction_type],
        **PLAIN,
    )  # fmt: skip
    model, schedule = random_model(), DDPM(spacing="leading")
    expected = theirs(scheduler, model, 50)
    assert scheduler.timesteps.tolist() == schedule.times(50)[:-1]
    found = ours(model, schedule, 50, prediction_type=prediction_type)
    assert relative(found, expected) < (5e-6 if prediction_type == "x0" else 1.1e-6)
    other_spacing = ours(model, DDPM(spacing="trailing"), 50, prediction_type=prediction_type)
    assert relative(other_spacing, expected) > 1e-4


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_ddim_with_fresh_noise(spacing):
    scheduler = diffusers.DDIMScheduler(timestep_spacing=spacing, prediction_type="v_prediction", **PLAIN)
    expected = theirs(scheduler, random_model(), 20, seed=3, eta=0.7)
    how = {"prediction_type": "v", "eta": 0.7, "generator": torch.Generator().manual_seed(3)}
    assert relative(ours(random_model(), DDPM(spacing=spacing), 20, **how), expected) < 1.1e-6


@pytest.mark.parametrize("spacing", ["linspace", "leading"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v"])
def test_ddpm_with_each_variance(spacing, prediction_type, steps=20):
    both, found = random_model(out=6), {}  # its second half is what a model with a learned variance says
    for variance_type in ("fixed_small", "fixed_large", "learned_range"):
        scheduler = diffusers.DDPMScheduler(
            variance_type=variance_type, timestep_spacing=spacing, prediction_type=NAMES[prediction_type], **PLAIN
        )
        schedule = DDPM(spacing=spacing)
        model = both if variance_type == "learned_range" else lambda x, t, c=None: both(x, t)[:, :3]
        expected = theirs(scheduler, model, steps, seed=4)
        assert scheduler.timesteps.tolist() == schedule.times(steps)[:-1]
        found[variance_type] = ours(
            model, schedule, steps, prediction_type=prediction_type, method="ddpm", variance_type=variance_type,
            generator=torch.Generator().manual_seed(4),
        )  # fmt: skip
        assert relative(found[variance_type], expected) < 5e-6
    assert relative(found["fixed_small"], found["fixed_large"]) > 2e-4
    assert relative(found["learned_range"], found["fixed_large"]) > 2e-4
    assert relative(found["learned_range"], found["fixed_small"]) > 2e-4


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 7, 25])
def test_flow_euler(steps, shift):
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    x, model = NOISE, random_model()
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, (t / 1000).expand(len(x))), t, x).prev_sample
    assert relative(ours(model, RectifiedFlow(shift), steps), x) < 4.8e-7


def test_flow_heun():
    scheduler, model = diffusers.FlowMatchHeunDiscreteScheduler(), random_model()
    scheduler.set_timesteps(10)
    x = NOISE
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, (t / 1000).expand(len(x))), t, x).prev_sample

    class TheirTimes(RectifiedFlow):
        def times(self, num_inference_steps):
            return [*torch.linspace(1, 0.001, num_inference_steps, dtype=torch.float64).tolist(), 0.0]

    assert relative(ours(model, TheirTimes(), 10, method="heun"), x) < 2e-6
    assert relative(ours(model, FLOW, 10, method="heun"), x) > 1e-4
