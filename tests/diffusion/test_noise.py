"""Schedules, adding noise, and the four dresses of one prediction: pinned values, closed forms, the hand sheet."""

from fractions import Fraction

import pytest
import torch

from ditcourse.byhand import extensions, modulate
from ditcourse.diffusion import (
    DDPM,
    FLOW,
    Levels,
    RectifiedFlow,
    add_noise,
    clip_and_noise,
    noise_from_velocity,
    shift_time,
    target,
    velocity,
    x0_from_velocity,
)

TYPES = ("velocity", "v", "epsilon", "x0")


def same(left, right):
    left, right = torch.as_tensor(left, dtype=torch.float64), torch.as_tensor(right, dtype=torch.float64)
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


# Schedules


def test_linear_schedule_has_the_official_values():
    schedule = DDPM("linear")
    assert schedule.betas[0] == 1e-4 and schedule.betas[-1] == 2e-2 and len(schedule.betas) == 1000
    for t, printed in {
        0: 0.9999, 1: 0.99978009, 250: 0.52142303, 499: 0.078587243, 500: 0.077796658, 750: 0.0033001584,
        999: 4.0358298e-5,
    }.items():  # fmt: skip
        assert schedule.alphas_cumprod[t].item() == pytest.approx(printed, rel=1e-7)
        assert schedule.signal(t).item() ** 2 == pytest.approx(printed, rel=1e-7)
        assert schedule.sigma(t).item() ** 2 == pytest.approx(1 - printed, rel=1e-4)
    for t, printed in {1: 5.4531877e-5, 500: 0.010051336, 999: 0.019999984}.items():
        small, large = schedule.step_variances(t, t - 1)
        assert small.item() == pytest.approx(printed, rel=1e-7)
        assert large.item() == pytest.approx(schedule.betas[t].item(), rel=1e-9)
    assert schedule.step_variances(1, 0)[0].log().item() == pytest.approx(-9.8167251, abs=1e-7)


def test_cosine_schedule_is_the_papers_formula():
    schedule, t = DDPM("cosine"), torch.arange(990)
    f = torch.cos((torch.arange(1, 991, dtype=torch.float64) / 1000 + 0.008) / 1.008 * torch.pi / 2) ** 2
    f0 = torch.cos(torch.tensor(0.008 / 1.008 * torch.pi / 2, dtype=torch.float64)) ** 2
    same(schedule.alphas_cumprod[:990], f / f0)
    same(schedule.signal(t) ** 2, f / f0)
    assert schedule.betas.max() == 0.999 and (schedule.betas > 0).all()


def test_signal_and_noise_of_each_schedule():
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    same(FLOW.signal(t), 1 - t)
    same(FLOW.sigma(t), t)
    same(Levels(3).signal(t), torch.ones(3, dtype=torch.float64))
    same(Levels(3).sigma(3 * t), 3 * t)
    for schedule in (DDPM("linear"), DDPM("cosine")):
        every = torch.arange(-1, 1000)
        same(schedule.signal(every) ** 2 + schedule.sigma(every) ** 2, torch.ones(1001, dtype=torch.float64))
        assert schedule.signal(-1) == 1 and schedule.sigma(-1) == 0  # the clip itself


def test_snr_falls_strictly_with_t():
    """Larger t, more noise, in every schedule; the betas of DDPM rise with t as well (A14, C1)."""
    fine = torch.linspace(0, 1, 1001, dtype=torch.float64)
    for schedule, times in (
        (FLOW, fine), (RectifiedFlow(3), fine), (Levels(3), 3 * fine),
        (DDPM("linear"), torch.arange(-1, 1000)), (DDPM("cosine"), torch.arange(-1, 1000)),
    ):  # fmt: skip
        snr = schedule.snr(times)
        assert snr[0] == torch.inf and (snr.diff() < 0).all()
        same(snr[500], (schedule.signal(times[500]) / schedule.sigma(times[500])) ** 2)
    assert (DDPM("linear").betas.diff() > 0).all()


def test_step_variances_of_any_schedule_are_those_of_the_gaussian_it_describes(scheduled):
    """Conditioned by the covariance of (x_t', x_t) given the clip, as for any Gaussian."""
    schedule, times = scheduled
    for t_next, t in zip(times, times[1:], strict=False):
        a, s, a_next, s_next = (f(u).item() for u in (t, t_next) for f in (schedule.signal, schedule.sigma))
        covariance = a / a_next * s_next**2
        small, large = schedule.step_variances(t, t_next)
        assert small.item() == pytest.approx(s_next**2 - covariance**2 / s**2, abs=1e-12)
        assert large.item() == pytest.approx(s**2 - (a / a_next) ** 2 * s_next**2, abs=1e-12)
        assert 0 <= small.item() <= min(large.item(), s_next**2) * (1 + 1e-12)


def official_space_timesteps(count):
    """The official code's even selection, by its description: equal strides from 0 to 999, rounded."""
    stride, current, taken = 999 / (count - 1), 0.0, []
    for _ in range(count):
        taken.append(round(current))
        current += stride
    return taken


def test_spacing_of_ddpm():
    for count in (50, 250):
        assert DDPM(spacing="linspace").times(count) == [*official_space_timesteps(count)[::-1], -1]
    assert DDPM(spacing="linspace").times(50)[-5:] == [61, 41, 20, 0, -1]
    assert DDPM(spacing="linspace").times(50)[:2] == [999, 979]
    assert DDPM(spacing="leading").times(50) == [*range(980, -1, -20), -1]
    assert DDPM(spacing="trailing").times(50) == [*range(999, 0, -20), -1]
    assert DDPM(spacing="trailing").times(1) == [999, -1]
    for spacing in ("linspace", "leading", "trailing"):
        assert DDPM(spacing=spacing).times(1000) == list(range(999, -2, -1))


def test_times_of_flow_and_levels():
    assert FLOW.times(4) == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert Levels(3).times(3) == [3.0, 2.0, 1.0, 0.0]
    assert RectifiedFlow(3).times(2) == [1.0, 0.75, 0.0]  # 3 * 0.5 / (1 + 2 * 0.5)
    same(shift_time(torch.tensor([0.0, 0.2, 1.0]), 5.0), torch.tensor([0.0, 1 / 1.8, 1.0]))
    same(RectifiedFlow(1).times(7), FLOW.times(7))


# Adding noise


@pytest.mark.parametrize("clip", [1.7, -0.4])
def test_mean_and_variance_of_the_noised_clip(scheduled, clip):
    """q(x_t | x_0) has mean signal x_0 and variance sigma^2, within 3 standard errors, at five times (A13)."""
    (schedule, times), n = scheduled, 10_000
    noise = torch.randn(len(times), n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x_t = add_noise(torch.full_like(noise, clip), noise, torch.tensor(times), schedule)
    signal, sigma = schedule.signal(times), schedule.sigma(times)
    assert ((x_t.mean(1) - signal * clip).abs() < 3 * sigma / n**0.5).all()
    assert ((x_t.var(1) - sigma**2).abs() < 3 * sigma**2 * (2 / n) ** 0.5).all()


def test_the_ends_are_the_clip_and_the_noise(draw):
    x0, noise = draw(2, 3, 4), draw(2, 3, 4)
    assert torch.equal(add_noise(x0, noise, torch.zeros(2)), x0)
    assert torch.equal(add_noise(x0, noise, torch.ones(2)), noise)
    assert torch.equal(add_noise(x0, noise, -1, DDPM()), x0)
    assert torch.equal(add_noise(x0, noise, 2, Levels(3)), x0 + 2 * noise)
    same(add_noise(x0, noise, 0.3)[1], add_noise(x0, noise, torch.tensor([0.9, 0.3], dtype=torch.float64))[1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_the_clips_keep_their_dtype(draw, dtype):
    x0, noise = draw(2, 3).to(dtype), draw(2, 3).to(dtype)
    x_t = add_noise(x0, noise, torch.tensor([3, 700]), DDPM())
    assert x_t.dtype == dtype
    assert all(part.dtype == dtype for part in clip_and_noise(noise, x_t, 3, DDPM(), "epsilon"))
    exact = add_noise(x0.double(), noise.double(), torch.tensor([3, 700]), DDPM())
    torch.testing.assert_close(x_t.double(), exact, rtol=0, atol=4 * torch.finfo(dtype).eps)


# Predictions


@pytest.mark.parametrize("prediction_type", TYPES)
def test_one_prediction_in_four_dresses(scheduled, prediction_type, draw):
    schedule, times = scheduled
    if prediction_type == "epsilon":
        times = [t for t in times if schedule.signal(t) > 0]
    x0, noise, t = draw(len(times), 3, 2), draw(len(times), 3, 2), torch.tensor(times, dtype=torch.float64)
    x_t = add_noise(x0, noise, t, schedule)
    found = clip_and_noise(target(x0, noise, t, schedule, prediction_type), x_t, t, schedule, prediction_type)
    torch.testing.assert_close(found, (x0, noise), rtol=1e-8, atol=1e-8)


def test_what_each_dress_is(scheduled, draw):
    schedule, times = scheduled
    x0, noise = draw(2, 3), draw(2, 3)
    t = times[2]
    signal, sigma = schedule.signal(t), schedule.sigma(t)
    same(target(x0, noise, t, schedule, "x0"), x0)
    same(target(x0, noise, t, schedule, "epsilon"), noise)
    same(target(x0, noise, t, schedule, "velocity"), noise - x0)
    same(target(x0, noise, t, schedule, "v"), signal * noise - sigma * x0)
    assert torch.equal(target(x0, noise, 0.5), velocity(x0, noise))


def test_velocity_of_the_flow_by_its_short_names(draw):
    x0, noise, t = draw(5, 3, 2), draw(5, 3, 2), torch.linspace(0, 1, 5)
    x_t, v = add_noise(x0, noise, t), velocity(x0, noise)
    same(x0_from_velocity(x_t, v, t), x0)
    same(noise_from_velocity(x_t, v, t), noise)
    same(x0_from_velocity(x_t, v, t), x_t - t.reshape(5, 1, 1) * v)


def test_velocity_is_the_slope_of_the_line_and_v_that_of_the_circle(draw):
    """d x_t / dt is the velocity in a flow. Where signal, sigma = cos, sin, it is v."""
    x0, noise, small = draw(4), draw(4), 1e-6
    slope = (add_noise(x0, noise, 0.4 + small) - add_noise(x0, noise, 0.4 - small)) / (2 * small)
    torch.testing.assert_close(slope, target(x0, noise, 0.4), rtol=1e-8, atol=1e-8)
    angle = DDPM().sigma(300).asin()
    slope = (
        (angle + small).cos() * x0 + (angle + small).sin() * noise - add_noise(x0, noise, 300, DDPM())
    ) / small
    torch.testing.assert_close(slope, target(x0, noise, 300, DDPM(), "v"), rtol=1e-5, atol=1e-5)


# The hand sheet


def test_only_the_noised_latent_minus_the_noise_is_the_latent(key):
    """The sheet adds its noise whole: level 1 of Levels. Z - N = L; C - N, from the activation, is not (C5, A28)."""
    L, N, Z, C = (torch.tensor(m, dtype=torch.float64) for m in (key.L, key.N, key.Z, key.C))
    sheet = Levels(1)
    assert torch.equal(add_noise(L, N, 1, sheet), Z)
    assert torch.equal(clip_and_noise(N, Z, 1, sheet, "epsilon")[0], L)
    assert torch.equal(C, torch.tensor(modulate(key.Z, key.scale, key.shift), dtype=torch.float64))
    from_conditioned = clip_and_noise(N, C, 1, sheet, "epsilon")[0]
    assert from_conditioned.tolist() == [[6, 2, 1, 3], [3, -2, -1, 4]] and not torch.equal(from_conditioned, L)


def test_3_4_5_table_is_a_schedule_of_the_package(exercise, key):
    """The fractions are exact, and the package's formulas give them: signal, noise, SNR, both variances of a step."""
    table = extensions.schedule(exercise)
    assert all(signal**2 + noise**2 == 1 for signal, noise in table)
    snr = [signal**2 / noise**2 for signal, noise in table[1:]]
    assert snr == [Fraction(576, 49), Fraction(16, 9), Fraction(9, 16), Fraction(49, 576)]
    assert all(later < earlier for earlier, later in zip(snr, snr[1:], strict=False))
    bar = [signal**2 for signal, _ in table]  # abar of t = 0 (the clip), 1, ..., 4
    schedule = DDPM(betas=[float(1 - bar[t] / bar[t - 1]) for t in range(1, 5)])
    for t in range(5):  # the package's t is one less: its clip is t = -1
        same([schedule.signal(t - 1).item(), schedule.sigma(t - 1).item()], [float(level) for level in table[t]])
    for t in range(1, 5):
        assert schedule.snr(t - 1).item() == pytest.approx(float(snr[t - 1]), rel=1e-12)
    for t in range(2, 5):
        small = (1 - bar[t - 1]) / (1 - bar[t]) * (1 - bar[t] / bar[t - 1])
        same(schedule.step_variances(t - 1, t - 2), [float(small), float(1 - bar[t] / bar[t - 1])])
    L, N = (torch.tensor(m, dtype=torch.float64) for m in (key.L, key.N))
    z_3 = add_noise(L, N, 2, schedule)
    same(5 * z_3, torch.tensor([[5.0, 4, 0, 3], [8, 17, 16, 7]]).double())
    same(clip_and_noise(N, z_3, 2, schedule, "epsilon")[0], L)


# What is refused, and how it is said


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda x: add_noise(x, x, torch.rand(3)), ["t must hold one time per clip, shape (2,), got (3,)"]),
        (lambda x: add_noise(x, x[:1], 0.5), ["noise must have the shape of x0, (2, 3), got (1, 3)"]),
        (lambda x: add_noise(x, x, 1.5), ["t must lie between 0 (the clip) and 1 (noise), got 1.5"]),
        (lambda x: add_noise(x, x, torch.tensor([0.1, torch.nan])), ["t must lie between", "nan"]),
        (lambda x: add_noise(x, x, 1000, DDPM()), ["between -1 (the clip) and 999 (noise), got 1000"]),
        (lambda x: add_noise(x, x, -2, DDPM()), ["between -1 (the clip) and 999", "-2"]),
        (lambda x: add_noise(x, x, 0.5, DDPM()), ["t must hold whole numbers, -1 to 999, got 0.5"]),
        (lambda x: add_noise(x, x, 4, Levels(3)), ["between 0 (the clip) and 3.0 (noise), got 4"]),
        (lambda x: target(x, x, 0.5, FLOW, "noise"), ["prediction_type must be one of 'velocity', 'v'", "'noise'"]),
        (lambda x: clip_and_noise(x, x, 1.0, FLOW, "epsilon"), ["'epsilon' where signal is 0", "x0", "t = 1.0"]),
        (lambda x: clip_and_noise(x, x, 0.0, FLOW, "x0"), ["'x0' where sigma is 0", "noise", "'velocity'"]),
        (lambda x: clip_and_noise(x, x, -1, DDPM(), "x0"), ["'x0' where sigma is 0", "t = -1"]),
        (lambda x: DDPM("sigmoid"), ["betas must be one of 'linear', 'cosine', got 'sigmoid'"]),
        (lambda x: DDPM([0.1, 1.0]), ["betas must be a row of numbers between 0 and 1", "1.0"]),
        (lambda x: DDPM(spacing="even"), ["spacing must be one of 'trailing', 'leading', 'linspace', got 'even'"]),
        (lambda x: DDPM().times(1001), ["num_inference_steps must be at most 1000", "1001"]),
        (lambda x: FLOW.times(0), ["num_inference_steps must be a whole number, at least 1, got 0"]),
        (lambda x: FLOW.times(2.5), ["num_inference_steps must be a whole number", "2.5"]),
        (lambda x: RectifiedFlow(0), ["shift must be positive, got 0"]),
        (lambda x: Levels(-3), ["sigma_max must be positive, got -3"]),
    ],
)
def test_errors_name_what_came_and_what_is_allowed(call, parts):
    with pytest.raises(ValueError) as error:
        call(torch.ones(2, 3))
    assert all(part in str(error.value) for part in parts), str(error.value)
