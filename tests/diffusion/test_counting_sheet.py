"""The second hand sheet is the exact denoiser and the sampler: the same numbers, step by step, for many seeds."""

import numpy as np
import torch

from ditcourse import byhand
from ditcourse.check.forms import key, values_of
from ditcourse.diffusion import ExactDenoiser, sample
from ditcourse.diffusion.schedules import Levels


def one(number):
    return torch.tensor([[float(number)]])


def counter(counting):
    """The denoiser that counts: the two clips, labelled 1 and 2, and noise that is equally likely up to its level."""
    clips = torch.tensor(counting.clips, dtype=torch.float32)[:, None]
    return ExactDenoiser(clips, labels=torch.tensor([1, 2]), schedule=Levels(counting.levels[0]),
                         prediction_type="epsilon", noise="uniform")  # fmt: skip


def test_the_table_is_the_exact_denoiser():
    for seed in range(60):
        counting = byhand.new_counting(seed)
        level, model = counting.levels[0], counter(counting)
        z = torch.tensor(counting.z, dtype=torch.float32)[:, None]
        t = torch.full((len(z),), float(level))
        found = key("counting", values_of("counting", seed))
        assert np.allclose(level * model(z, t)[:, 0], found["guess"][0])
        assert torch.equal((model.posterior(z, t) > 0).T.double(), torch.tensor(found["could"]))


def test_the_way_from_noise_to_a_clip_is_sample():
    for seed in range(60):
        counting = byhand.new_counting(seed)
        found, model = key("counting", values_of("counting", seed)), counter(counting)
        steps = []
        clip = sample(
            model,
            one(found["z_3"][0, 0] / counting.levels[0]),  # sample() takes noise of size 1
            schedule=model.schedule, prediction_type="epsilon", method="renoise", num_inference_steps=3,
            guidance_scale=1, on_step=lambda t, z, x, steps=steps: steps.append((t, z.item(), x.item())),
            fresh_noise=[one(n / level) for n, level in zip(counting.noises[1:], counting.levels[1:], strict=True)],
        )  # fmt: skip
        numbered = zip((3, 2, 1), counting.levels, strict=True)
        wanted = [(level, found[f"z_{n}"].item(), found[f"x_{n}"].item()) for n, level in numbered]
        assert np.allclose(steps, wanted, atol=1e-5)
        assert clip.item() == steps[-1][2] and round(clip.item(), 4) in counting.clips


def test_with_the_prompt_the_first_guess_is_exact():
    for seed in range(60):
        counting = byhand.new_counting(seed)
        found, model = key("counting", values_of("counting", seed)), counter(counting)
        estimates = []
        sample(
            model, one(found["z_3"][0, 0] / counting.levels[0]), torch.tensor([counting.prompt + 1]),
            schedule=model.schedule, prediction_type="epsilon", method="renoise", num_inference_steps=1,
            guidance_scale=1, on_step=lambda t, z, x, kept=estimates: kept.append(x.item()),
        )  # fmt: skip
        assert np.isclose(estimates[0], found["x_p"].item()) and round(estimates[0]) == counting.clips[counting.prompt]
