"""The samplers, held against what can be worked out: affine recursions, known clips, the count on the sheet."""

import inspect
import math

import pytest
import torch

from ditcourse.diffusion import (
    DDPM,
    FLOW,
    ExactDenoiser,
    GaussianDenoiser,
    Levels,
    RectifiedFlow,
    guided_prediction,
    sample,
)

MEAN, VARIANCE = 0.6, 0.16
LINEAR = DDPM("linear")

# name: (schedule, prediction type, what sample is told)
SAMPLERS = {
    "flow, Euler": (FLOW, "velocity", {}),
    "flow, Heun": (FLOW, "velocity", {"method": "heun"}),
    "shifted flow, Euler": (RectifiedFlow(3), "x0", {}),
    "DDIM": (LINEAR, "epsilon", {}),
    "DDIM, eta 0.6": (LINEAR, "v", {"eta": 0.6}),
    "DDIM, cosine": (DDPM("cosine"), "v", {}),
    "DDPM, small variance": (LINEAR, "epsilon", {"method": "ddpm"}),
    "DDPM, large variance": (LINEAR, "epsilon", {"method": "ddpm", "variance_type": "fixed_large"}),
    "renoise": (LINEAR, "x0", {"method": "renoise"}),
    "levels, Euler": (Levels(20), "epsilon", {}),
}


def gaussian(schedule, prediction_type):
    return GaussianDenoiser(MEAN, VARIANCE, schedule=schedule, prediction_type=prediction_type)


def probe(name, steps):
    """What the sampler makes of Gaussian data, exactly: every step is affine, so the clip is
    out[0] + out[1] noise + out[2] first fresh noise + ...: found by handing in 0 and 1."""
    schedule, prediction_type, how = SAMPLERS[name]
    handed_in = torch.eye(steps + 1, dtype=torch.float64)[:, :, None]  # row 0: noise, row k: fresh noise of step k
    handed_in = torch.cat([torch.zeros(steps + 1, 1, 1, dtype=torch.float64), handed_in], dim=1)
    out = sample(
        gaussian(schedule, prediction_type), handed_in[0], schedule=schedule, prediction_type=prediction_type,
        num_inference_steps=steps, guidance_scale=1, fresh_noise=handed_in[1:], **how,
    ).flatten()  # fmt: skip
    return torch.cat([out[:1], out[1:] - out[0]])


def mean_and_variance(affine):
    return affine[0].item(), affine[1:].square().sum().item()


def recursion(name, steps):
    """The same, from the formulas as they stand in the papers, on (1, noise, fresh noise of step 1, ...)."""
    one, *basis = torch.eye(steps + 2, dtype=torch.float64)
    noise, fresh = basis[0], iter(basis[1:])
    schedule, _, how = SAMPLERS[name]

    def guess(x, a, s):
        gain = a * VARIANCE / (a**2 * VARIANCE + s**2)
        return MEAN * one + gain * (x - a * MEAN * one)

    if name.startswith(("flow", "shifted", "levels")):
        if name.startswith("levels"):  # dx/dsigma = (x - clip) / sigma (Karras et al. 2022, equation 1)
            times = [20 * (1 - i / steps) for i in range(steps + 1)]
            x = 20 * noise

            def slope(x, t):
                return (x - guess(x, 1, t)) / t
        else:  # dx/dt = noise - clip
            shift = 3 if name.startswith("shifted") else 1
            times = [shift * t / (1 + (shift - 1) * t) for t in (1 - i / steps for i in range(steps + 1))]
            x = noise

            def slope(x, t):
                return (x - guess(x, 1 - t, t)) / t
        for now, after in zip(times, times[1:], strict=False):
            step = x + (after - now) * slope(x, now)
            if "Heun" in name and after > 0:
                step = x + (after - now) * (slope(x, now) + slope(step, after)) / 2
            x = step
        return x

    bar = {-1: 1.0, **dict(enumerate(schedule.alphas_cumprod.tolist()))}
    times, x = schedule.times(steps), noise
    for now, after in zip(times, times[1:], strict=False):
        x0 = guess(x, bar[now] ** 0.5, (1 - bar[now]) ** 0.5)
        epsilon = (x - bar[now] ** 0.5 * x0) / (1 - bar[now]) ** 0.5
        beta = 1 - bar[now] / bar[after]
        small = (1 - bar[after]) / (1 - bar[now]) * beta
        z = next(fresh) if after >= 0 else 0 * one
        if name.startswith("DDIM"):  # Song et al. 2020, equations 12 and 16
            spread = how.get("eta", 0) * small**0.5
            x = bar[after] ** 0.5 * x0 + (1 - bar[after] - spread**2) ** 0.5 * epsilon + spread * z
        elif name.startswith("DDPM"):  # Ho et al. 2020, equation 7
            x0_part = bar[after] ** 0.5 * beta / (1 - bar[now])
            x_part = (bar[now] / bar[after]) ** 0.5 * (1 - bar[after]) / (1 - bar[now])
            x = x0_part * x0 + x_part * x + (beta if "large" in name else small) ** 0.5 * z
        else:
            x = bar[after] ** 0.5 * x0 + (1 - bar[after]) ** 0.5 * z
    return x


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 13])
def test_every_sampler_is_its_recursion(name, steps):
    torch.testing.assert_close(probe(name, steps), recursion(name, steps), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", SAMPLERS)
def test_ten_thousand_samples_have_the_mean_and_variance_of_the_recursion(name):
    (schedule, prediction_type, how), n = SAMPLERS[name], 10_000
    generator = torch.Generator().manual_seed(5)
    clips = sample(
        gaussian(schedule, prediction_type), torch.randn(n, 1, generator=generator, dtype=torch.float64),
        schedule=schedule, prediction_type=prediction_type, num_inference_steps=9, guidance_scale=1,
        generator=generator, **how,
    )  # fmt: skip
    mean, variance = mean_and_variance(recursion(name, 9))
    assert abs(clips.mean().item() - mean) < 3 * (variance / n) ** 0.5
    assert abs(clips.var().item() - variance) < 3 * variance * (2 / n) ** 0.5


@pytest.mark.parametrize("name", SAMPLERS)
def test_more_steps_come_nearer_to_the_data(name):
    """Mean and variance against those of the data. What stays is that x at the first time is not quite pure noise.

    Re-noising is the exception: however many steps, it ends with half of the variance at most.
    """
    found = [mean_and_variance(probe(name, steps)) for steps in (4, 16, 64)]
    assert abs(found[2][0] - MEAN) < 0.02 * MEAN
    off = [abs(variance - VARIANCE) for _, variance in found]
    if name == "renoise":
        assert 0.4 * VARIANCE < found[2][1] < mean_and_variance(probe(name, 250))[1] < 0.5 * VARIANCE
    else:
        assert off[1] < 0.95 * off[0] and off[2] < 0.7 * off[1] and off[2] < 0.5 * VARIANCE


def test_one_step_gives_the_mean_whatever_the_noise():
    for name in ("flow, Euler", "flow, Heun"):
        mean, variance = mean_and_variance(probe(name, 1))
        assert mean == pytest.approx(MEAN) and variance < 1e-20


@pytest.mark.parametrize(("name", "order"), [("flow, Euler", 1), ("flow, Heun", 2), ("levels, Euler", 1)])
def test_order_of_convergence(name, order):
    """The exact way leads from noise to mean + deviation * noise. Twice the steps: error halved, or quartered."""
    scale = (VARIANCE + 20**2) ** 0.5 / 20 if name.startswith("levels") else 1  # where pure noise is not quite x_T
    off = [abs(scale * probe(name, steps)[1].item() - VARIANCE**0.5) for steps in (32, 64, 128)]
    measured = [math.log2(a / b) for a, b in zip(off, off[1:], strict=False)]
    assert all(abs(m - order) < 0.2 for m in measured), measured


def test_heun_is_nearer_at_the_same_number_of_questions():
    euler, heun = (probe(name, steps)[1].item() for name, steps in (("flow, Euler", 20), ("flow, Heun", 10)))
    assert abs(heun - VARIANCE**0.5) < abs(euler - VARIANCE**0.5) / 2


@pytest.mark.parametrize("schedule", [DDPM("cosine"), Levels(3)])
def test_heun_holds_for_every_schedule(schedule):
    """The rule of the trapezium for dx = clip d(signal) + noise d(sigma): at 64 steps far nearer than Euler's."""
    noise = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    start = schedule.times(1)[0]
    way = (schedule.signal(start) ** 2 * VARIANCE + schedule.sigma(start) ** 2).sqrt() / schedule.init_noise_sigma
    off = {}
    for method in ("euler", "heun"):
        ends = sample(
            gaussian(schedule, "v"), noise, schedule=schedule, prediction_type="v", method=method,
            num_inference_steps=64, guidance_scale=1,
        )  # fmt: skip
        off[method] = abs((way * (ends[1] - ends[0])).item() - VARIANCE**0.5)
    assert off["heun"] < off["euler"] / 4


def test_eta_1_is_ddpm():
    def run(**how):
        schedule = how.pop("schedule", LINEAR)
        generator = torch.Generator().manual_seed(1)
        noise = torch.randn(5, 3, generator=generator, dtype=torch.float64)
        model = gaussian(schedule, "v")
        return sample(
            model, noise, schedule=schedule, prediction_type="v", num_inference_steps=8, guidance_scale=1,
            generator=generator, **how,
        )  # fmt: skip

    torch.testing.assert_close(run(eta=1.0), run(method="ddpm"), rtol=1e-8, atol=1e-8)
    assert not torch.allclose(run(eta=0.5), run(eta=1.0), atol=0.05)
    flow_eta = run(schedule=FLOW, eta=1.0)  # the same formula holds in a flow, whose first step then is all fresh
    assert flow_eta.isfinite().all() and not torch.allclose(flow_eta, run(schedule=FLOW), atol=0.05)


# A learned variance


def test_learned_variance_lies_between_the_two_fixed_ones():
    def model_with(value):
        def model(x, t, condition):
            return torch.cat([gaussian(LINEAR, "epsilon")(x, t), torch.full_like(x, value)], dim=1)

        return model

    def run(model, variance_type, **how):
        how.setdefault("method", "ddpm")
        return sample(
            model, torch.ones(2, 1, 3, dtype=torch.float64), schedule=LINEAR, prediction_type="epsilon",
            num_inference_steps=6, guidance_scale=1, variance_type=variance_type,
            generator=torch.Generator().manual_seed(0), **how,
        )  # fmt: skip

    plain = gaussian(LINEAR, "epsilon")
    torch.testing.assert_close(run(model_with(-1.0), "learned_range"), run(plain, "fixed_small"))
    torch.testing.assert_close(run(model_with(1.0), "learned_range"), run(plain, "fixed_large"))
    small, large = (variance.item() for variance in LINEAR.step_variances(999, 499))
    fresh = torch.ones(2, 1, 3, dtype=torch.float64)
    ends = [
        sample(
            model, 0 * fresh, schedule=LINEAR, prediction_type="epsilon", num_inference_steps=2, guidance_scale=1,
            method="ddpm", variance_type="learned_range", fresh_noise=[f],
        )
        for model, f in ((model_with(0.5), fresh), (model_with(0.5), 0 * fresh), (model_with(-1.0), fresh))
    ]  # fmt: skip
    ratio = (ends[0] - ends[1]) / (ends[2] - ends[1])  # of deviations: exp(3/4 log large + 1/4 log small) to small
    torch.testing.assert_close(ratio, torch.full_like(ratio, (large**0.75 * small**0.25 / small) ** 0.5))
    quiet = run(model_with(0.3), "learned_range", method="euler")  # DDIM takes no notice of the second half
    torch.testing.assert_close(quiet, run(plain, "fixed_small", method="euler"))


# The variational bound


def bound_and_nll(x0, steps, choice, worse=0.0):
    """(variational bound, exact -log p) of x_0 under a DDPM chain for Gaussian data (A37): (B,) -> two times (B,).

    choice of the variance of a step: "large", "small" (in the last step, where small is 0, large), or "best": small,
    and what the guess leaves open (Bao et al. 2022, 2201.06503). worse: how far each guess is from the exact one.
    """
    model, times = gaussian(LINEAR, "x0"), LINEAR.times(steps)
    mean, variance = 0.0, 1.0
    bar = LINEAR.signal(times[0]).item() ** 2
    bound = 0.5 * (bar * x0**2 + (1 - bar) - 1 - math.log(1 - bar))  # KL(q(x_T | x_0) to N(0, 1))
    for now, after in zip(times, times[1:], strict=False):
        a, s, a_after, s_after = (f(u).item() for u in (now, after) for f in (LINEAR.signal, LINEAR.sigma))
        small, large = (v.item() for v in LINEAR.step_variances(now, after))
        at_0, at_1 = model(torch.tensor([[0.0], [1.0]], dtype=torch.float64), now).flatten().tolist()
        at_0, slope = at_0 + worse, at_1 - at_0  # the guess is at_0 + slope x_t
        of_clip, of_x = a_after * large / s**2, a / a_after * s_after**2 / s**2
        open_after_guess = VARIANCE * s**2 / (a**2 * VARIANCE + s**2)
        chosen = {"large": large, "small": small or large, "best": small + of_clip**2 * open_after_guess}[choice]
        square = (x0 - at_0 - slope * a * x0) ** 2 + (slope * s) ** 2  # E over q(x_t | x_0) of (x_0 - guess)^2
        if after >= 0:  # KL of two Gaussians
            bound = bound + 0.5 * (small / chosen - 1 - math.log(small / chosen) + of_clip**2 * square / chosen)
        else:  # -log p(x_0 | x_t)
            bound = bound + 0.5 * (math.log(2 * math.pi * chosen) + square / chosen)
        slope, offset = of_clip * slope + of_x, of_clip * at_0
        mean, variance = offset + slope * mean, slope**2 * variance + chosen
    if choice != "best" and worse == 0:  # the chain is the one that `sample` runs, which adds no noise in its last step
        sampled = mean_and_variance(probe(f"DDPM, {choice} variance", steps))
        assert (mean, variance - chosen) == pytest.approx(sampled, abs=1e-9)
    return bound, 0.5 * (math.log(2 * math.pi * variance) + (x0 - mean) ** 2 / variance)


def test_variational_bound_is_at_least_the_exact_nll():
    x0 = torch.linspace(-1, 2.2, 33, dtype=torch.float64)
    gap = {}
    for choice in ("large", "small", "best"):
        for steps in (5, 25, 125):
            bound, nll = bound_and_nll(x0, steps, choice)
            assert (bound >= nll - 1e-9).all()
            gap[choice, steps] = (bound - nll).mean().item()
    assert gap["large", 5] > 1.5 * gap["large", 25] > 1.5 * 1.5 * gap["large", 125] > 0
    assert all(gap["best", steps] < 1e-4 for steps in (5, 25, 125))  # equality, if both mean and variance are the best
    worse, nll = bound_and_nll(x0, 25, "best", worse=0.2)
    assert (worse >= nll - 1e-9).all() and (worse - nll).mean() > 0.01
    data = MEAN + VARIANCE**0.5 * torch.linspace(-6, 6, 2001, dtype=torch.float64)
    density = torch.exp(-((data - MEAN) ** 2) / (2 * VARIANCE))
    entropy = 0.5 * math.log(2 * math.pi * math.e * VARIANCE)
    for choice, above in (("large", 0.01), ("best", -1e-6)):  # nothing beats the entropy of the data, on average
        average = (bound_and_nll(data, 25, choice)[0] * density).sum() / density.sum()
        assert entropy + above < average.item()


# A set of clips

CLIPS = torch.tensor([[1.0, 1, 0], [-1, 1, 1], [1, -1, -1], [-1, -1, 0.5]])
SHARES = torch.tensor([0.1, 0.2, 0.3, 0.4])


def nearest(made):
    distance, which = torch.cdist(made, CLIPS).min(dim=1)
    return distance, which


ON_CLIPS = ("flow, Euler", "flow, Heun", "shifted flow, Euler", "DDIM", "DDIM, eta 0.6", "DDPM, small variance")


@pytest.mark.parametrize("name", ON_CLIPS)
def test_sampling_lands_on_clips_of_the_set_as_often_as_they_occur(name):
    """An exact denoiser can only repeat its data. Shares by chi-square: 3 degrees of freedom, 16.27 is p = 0.001."""
    (schedule, prediction_type, how), n = SAMPLERS[name], 2000
    model = ExactDenoiser(CLIPS, weights=SHARES, schedule=schedule, prediction_type=prediction_type)
    generator = torch.Generator().manual_seed(11)
    made = sample(
        model, torch.randn(n, 3, generator=generator), schedule=schedule, prediction_type=prediction_type,
        num_inference_steps=60, guidance_scale=1, generator=generator, **how,
    )  # fmt: skip
    distance, which = nearest(made)
    assert distance.max() < 0.02, distance.max()
    counts = which.bincount(minlength=4)
    chi_square = ((counts - n * SHARES) ** 2 / (n * SHARES)).sum().item()
    assert chi_square < 16.27, (counts.tolist(), chi_square)
    uniform = ((counts - n / 4) ** 2 / (n / 4)).sum().item()
    assert uniform > 100  # and not alike


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("name", ["flow, Euler", "flow, Heun", "DDIM", "DDPM, small variance"])
def test_a_condition_lands_on_its_own_clips_with_and_without_guidance(name, scale):
    schedule, prediction_type, how = SAMPLERS[name]
    labels = torch.tensor([1, 1, 2, 3])
    model = ExactDenoiser(CLIPS, labels, SHARES, schedule=schedule, prediction_type=prediction_type)
    generator = torch.Generator().manual_seed(3)
    condition = torch.tensor([1, 2, 3]).repeat(100)
    made = sample(
        model, torch.randn(300, 3, generator=generator), condition, torch.zeros_like(condition), schedule=schedule,
        prediction_type=prediction_type, num_inference_steps=40, guidance_scale=scale, generator=generator, **how,
    )  # fmt: skip
    distance, which = nearest(made)
    assert distance.max() < 0.05 and torch.equal(labels[which], condition)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_many_steps_reach_the_clips_where_one_does_not(seed):
    """Mean distance to the nearest clip of the set: one step ends in the middle, ten on a clip (A29)."""
    noise = torch.randn(500, 3, generator=torch.Generator().manual_seed(seed))
    made = {n: sample(ExactDenoiser(CLIPS), noise, num_inference_steps=n, guidance_scale=1) for n in (1, 2, 3, 5, 10)}
    distance = [nearest(clips)[0].mean().item() for clips in made.values()]
    assert distance[0] > 1.4 and distance[-1] < 1e-3
    assert all(more < 0.6 * fewer for fewer, more in zip(distance, distance[1:], strict=False))
    blur = CLIPS.mean(0).expand(500, 3)
    torch.testing.assert_close(made[1], blur, atol=1e-5, rtol=0)  # one step: the same blur for every noise


def test_the_guess_on_the_way_gets_nearer_to_what_comes_out():
    """The clip that the model has in mind, at every one of 12 times of one run (A15)."""
    seen = []
    noise = torch.randn(200, 3, generator=torch.Generator().manual_seed(8))
    made = sample(
        ExactDenoiser(CLIPS), noise, num_inference_steps=12, guidance_scale=1,
        on_step=lambda *step: seen.append(step),
    )  # fmt: skip
    assert [t for t, *_ in seen] == pytest.approx([1 - i / 12 for i in range(12)])
    assert torch.equal(seen[0][1], noise)
    error = [(guess - made).square().mean().item() for *_, guess in seen]
    assert error == sorted(error, reverse=True) and error[0] > 0.5 and error[-1] < 1e-8


# The count on the second hand sheet


def count_on(z, *later, prompt=None, method="renoise"):
    """z at level 3 of the two clips 0 and 4, then the printed noises of levels 2 and 1 as they come."""
    model = ExactDenoiser(
        torch.tensor([[0.0], [4.0]]), [1, 2], schedule=Levels(3), prediction_type="epsilon", noise="uniform"
    )
    seen = []
    end = sample(
        model, torch.tensor([[z / 3]]), prompt if prompt is None else torch.tensor([prompt]), schedule=Levels(3),
        prediction_type="epsilon", method=method, num_inference_steps=3, guidance_scale=1,
        fresh_noise=[torch.tensor([[n / level]]) for n, level in zip(later, (2, 1), strict=False)],
        on_step=lambda t, x, guess: seen.append((t, round(x.item(), 5), round(guess.item(), 5))),
    )  # fmt: skip
    return round(end.item(), 5), seen


def test_the_count_of_the_sheet_runs_through_the_same_sampler():
    end, seen = count_on(1.0, -1.0, 1.0)
    assert seen == [(3, 1, 2), (2, 1, 0), (1, 1, 0)] and end == 0  # guess 2, neither clip; z = 1 now says left
    end, seen = count_on(1.0, 1.0, 0.0)
    assert seen == [(3, 1, 2), (2, 3, 4), (1, 4, 4)] and end == 4  # z = 3 says right
    end, seen = count_on(2.0, 0.0, -1.0)
    assert seen == [(3, 2, 2), (2, 2, 2), (1, 1, 0)] and end == 0  # z = 2 stays open until the smallest level
    end, seen = count_on(1.0, -1.0, 1.0, prompt=2)
    assert [guess for *_, guess in seen] == [4, 4, 4] and end == 4  # with the prompt the guess is exact at once
    end, seen = count_on(1.0, method="euler")
    assert seen[0] == (3, 1, 2) and seen[1][1] == pytest.approx(4 / 3, abs=1e-4) and end == 0


# Guidance


def test_guidance_moves_away_from_the_null_on_every_channel(draw):
    def model(x, t, condition):
        return condition[:, :, None, None, None].expand_as(x)

    x, t = draw(2, 4, 2, 3, 3), torch.full((2,), 0.5)
    condition, null = draw(2, 4), draw(2, 4)
    guided = guided_prediction(model, x, t, condition, null, 1.5)
    expected = (null + 1.5 * (condition - null))[:, :, None, None, None].expand_as(x)
    torch.testing.assert_close(guided, expected)

    def with_variance(x, t, condition):
        return torch.cat([model(x, t, condition)] * 2, dim=1)

    guided = guided_prediction(with_variance, x, t, condition, null, 1.5)
    torch.testing.assert_close(guided[:, :4], expected)
    torch.testing.assert_close(guided[:, 4:], model(x, t, condition))  # the variance is that of the prompt


def test_condition_and_null_are_one_question_and_only_inside_the_interval(draw):
    asked = []

    def model(x, t, condition):
        asked.append((round(t[0].item(), 6), len(x)))
        return condition + 0 * x

    noise, condition = draw(2, 1), torch.tensor([[1.0], [2.0]])
    made = sample(
        model, noise, condition, 0 * condition, num_inference_steps=4, guidance_scale=3, guidance_interval=(0.5, 0.8)
    )
    assert asked == [(1.0, 2), (0.75, 4), (0.5, 4), (0.25, 2)]
    torch.testing.assert_close(made, noise - (1 + 3 + 3 + 1) / 4 * condition)
    asked.clear()
    sample(model, noise, condition, 0 * condition, num_inference_steps=4, guidance_scale=3)
    assert [rows for _, rows in asked] == [4, 4, 4, 4]


def test_times_reach_the_model_in_the_dress_of_the_schedule():
    seen = []

    def model(x, t, condition):
        seen.append(t)
        return x

    sample(model, torch.ones(2, 1), num_inference_steps=2, guidance_scale=1)
    sample(model, torch.ones(2, 1), num_inference_steps=2, guidance_scale=1, schedule=LINEAR)
    assert [t.tolist() for t in seen] == [[1, 1], [0.5, 0.5], [999, 999], [499, 499]]
    assert [t.dtype for t in seen] == [torch.float32] * 2 + [torch.int64] * 2


# Chance, and what the sampler must not need


def test_same_seed_same_clip_whatever_the_dtype():
    def run(seed, dtype=torch.float64, **how):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.ones(30, 2, dtype=dtype)
        return sample(
            GaussianDenoiser(MEAN, VARIANCE), noise, num_inference_steps=5, guidance_scale=1, eta=1.0,
            generator=generator, **how,
        )  # fmt: skip

    assert torch.equal(run(1), run(1))
    assert not torch.allclose(run(1), run(2), atol=0.05)
    torch.testing.assert_close(run(1, torch.float32).double(), run(1), rtol=0, atol=1e-5)
    state = torch.get_rng_state()
    run(1)
    assert torch.equal(state, torch.get_rng_state())  # nothing is drawn from the air


def test_deterministic_methods_draw_nothing():
    noise = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    for schedule, method in ((FLOW, "euler"), (FLOW, "heun"), (LINEAR, "euler")):
        model = GaussianDenoiser(MEAN, VARIANCE, schedule=schedule)
        first, again = (
            sample(model, noise, schedule=schedule, method=method, guidance_scale=1, num_inference_steps=4)
            for _ in range(2)
        )
        assert torch.equal(first, again)
    given = noise.clone()
    sample(GaussianDenoiser(MEAN, VARIANCE), noise, guidance_scale=1, num_inference_steps=2)
    assert torch.equal(noise, given)


def test_generation_takes_no_video(monkeypatch):
    """The sampler has no argument for a clip, and asking for one in the pipeline never renders the world (A31)."""
    names = list(inspect.signature(sample).parameters)
    assert names[:4] == ["model", "noise", "condition", "null"]
    assert not {"x0", "clip", "clips", "video", "encoder", "vae", "data", "latent"} & set(names)
    from ditcourse import pipeline, world
    from ditcourse.model import DiT, DiTConfig
    from ditcourse.world import scene

    def forbidden(*_args, **_kwargs):
        raise AssertionError("sampling touched the data")

    for owner, name in ((world, "render"), (world, "random_clips"), (scene, "_draw")):
        monkeypatch.setattr(owner, name, forbidden)
    pipe = pipeline.Pipeline(DiT(DiTConfig(vocabulary_size=len(world.VOCABULARY), depth=1)))
    assert pipe(["a red circle moves left"], num_inference_steps=2).shape == (1, 3, 8, 16, 16)


# What is refused, and how it is said


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ({"method": "dpm"}, ["method must be one of 'euler', 'heun', 'ddpm', 'renoise', got 'dpm'"]),
        ({"variance_type": "learned"}, ["variance_type must be one of", "'learned_range'", "'learned'"]),
        ({"variance_type": "fixed_large"}, ["'fixed_large' is for method='ddpm', got method='euler'"]),
        ({"eta": 1.5}, ["eta must lie in [0, 1]", "1.5"]),
        ({"eta": 0.5, "method": "heun"}, ["eta", "0.5 with method='heun'"]),
        ({"num_inference_steps": 0}, ["num_inference_steps must be a whole number, at least 1, got 0"]),
        ({"guidance_interval": (0.8, 0.2)}, ["guidance_interval must be (low, high)", "(0.8, 0.2)"]),
        ({"guidance_scale": 2.0}, ["guidance_scale = 2.0 needs the null prompt"]),
        ({"prediction_type": "noise"}, ["prediction_type must be one of", "'noise'"]),
        ({"prediction_type": "epsilon"}, ["'epsilon' where signal is 0", "t = 1.0"]),
        ({"method": "ddpm"}, ["generator: came as None", "a seeded torch.Generator on the CPU"]),
        ({"method": "ddpm", "fresh_noise": []}, ["fresh_noise", "shape (2, 2) for each step but the last, got fewer"]),
        ({"method": "ddpm", "fresh_noise": [torch.ones(2)]}, ["fresh_noise", "(2, 2)", "got one of shape (2,)"]),
        ({"model": lambda x, t, c: torch.cat([x, x], 1)}, ["model must answer in the shape", "(2, 2), got (2, 4)"]),
    ],
)
def test_errors_name_what_came_and_what_is_allowed(how, parts):
    how = {"guidance_scale": 1, "num_inference_steps": 3, "model": lambda x, t, c: x, **how}
    with pytest.raises(ValueError) as error:
        sample(noise=torch.ones(2, 2), **how)
    assert all(part in str(error.value) for part in parts), str(error.value)
