"""The exact denoisers: against loops, matrices and integrals written out, and against the count on the hand sheet."""

import math

import pytest
import torch

from ditcourse.diffusion import (
    DDPM,
    FLOW,
    ExactDenoiser,
    GaussianDenoiser,
    Levels,
    add_noise,
    clip_and_noise,
    noise_from_velocity,
    x0_from_velocity,
)


def guess_of(model, x, t, condition=None):
    """The clip that the model's answer at x stands for."""
    return clip_and_noise(model(x, t, condition), x, t, model.schedule, model.prediction_type)[0]


# A set of clips


def posterior_by_hand(x_t, clips, weights, allowed, signal, sigma):
    """Bayes, one clip after another, with nothing clever about it."""
    likely = []
    for clip, weight, fits in zip(clips.tolist(), weights, allowed, strict=True):
        density = weight if fits else 0.0
        for value, mean in zip(x_t, clip, strict=True):
            z = (value - signal * mean) / sigma
            density *= math.exp(-z * z / 2) / (sigma * math.sqrt(2 * math.pi))
        likely.append(density)
    return [one / sum(likely) for one in likely]


def test_posterior_is_bayes_by_brute_force(scheduled, draw):
    schedule, times = scheduled
    clips, weights, labels = draw(6, 4), [1.0, 2.0, 0.5, 3.0, 1.0, 1.5], torch.tensor([1, 2, 1, 2, 3, 3])
    model = ExactDenoiser(clips.reshape(6, 2, 2), labels, weights, schedule=schedule)
    t = torch.tensor(times, dtype=torch.float64)
    x = add_noise(clips[:5], draw(5, 4), t, schedule)
    x_t = x.reshape(5, 2, 2)
    for condition in (None, torch.tensor([1, 2, 3, 0, 2])):
        asked = [0] * 5 if condition is None else condition.tolist()
        for row, t_row in enumerate(times):
            expected = posterior_by_hand(
                x[row].tolist(), clips, weights, [asked[row] in (0, label) for label in labels.tolist()],
                schedule.signal(t_row).item(), schedule.sigma(t_row).item(),
            )  # fmt: skip
            found = model.posterior(x_t, t, condition)[row]
            torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("prediction_type", ["velocity", "v", "epsilon", "x0"])
def test_prediction_is_that_of_the_posterior_mean(scheduled, prediction_type, draw):
    schedule, times = scheduled
    clips = draw(6, 2, 2)
    model = ExactDenoiser(clips, schedule=schedule, prediction_type=prediction_type)
    for t in times[:-1]:
        x_t = add_noise(clips, draw(6, 2, 2), t, schedule)
        mean = torch.einsum("bn,nij->bij", model.posterior(x_t, t), clips)
        torch.testing.assert_close(guess_of(model, x_t, t), mean, rtol=1e-6, atol=1e-6)
        noise = (x_t - schedule.signal(t) * mean) / schedule.sigma(t)
        found = clip_and_noise(model(x_t, t), x_t, t, schedule, prediction_type)[1]
        torch.testing.assert_close(found, noise, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("t", [0.1, 0.4, 0.8])
def test_no_other_guess_is_better(t, draw):
    """What is left of the clip after the guess has nothing to do with anything that one sees in x_t (3 s.e.)."""
    clips, n = 2 * draw(5, 3), 20_000
    chosen = clips[torch.randint(5, (n,), generator=torch.Generator().manual_seed(1))]
    x_t = add_noise(chosen, draw(n, 3), t)
    left_over = chosen - guess_of(ExactDenoiser(clips), x_t, t)
    for seen in (torch.ones(n, 3), x_t, x_t.square(), x_t.sin(), x_t.roll(1, dims=1), (x_t > 0.5).double()):
        product = left_over * seen
        error = product.std(0) / n**0.5
        assert (product.mean(0).abs() < 3.5 * error + 1e-12).all(), (t, product.mean(0) / error)


def test_a_good_guess_is_an_average_and_no_clip(draw):
    """At pure noise it is the mean of all clips; the nearer the clip, the less of an average."""
    clips = torch.tensor([[-1.0, 0], [1, 0], [0, 2]])
    model = ExactDenoiser(clips, weights=[1, 1, 2])
    x_1 = draw(4, 2)
    torch.testing.assert_close(guess_of(model, x_1, 1.0), torch.tensor([[0.0, 1.0]]).double().expand(4, 2))
    first = clips[:1].double().expand(300, 2)
    sure = [model.posterior(add_noise(first, draw(300, 2), t), t)[:, 0].mean().item() for t in (0.9, 0.6, 0.3, 0.1)]
    assert sure == sorted(sure) and sure[0] < 0.35 and sure[-1] > 0.999


def test_nothing_overflows_near_the_clip_or_with_many_clips(draw):
    clips = draw(800, 3, 4, 8, 8)
    model = ExactDenoiser(clips.float())
    for t in (1e-6, 1e-3, 0.5, 1 - 1e-6):
        x_t = add_noise(clips[:4].float(), draw(4, 3, 4, 8, 8).float(), t)
        weights, answer = model.posterior(x_t, t), model(x_t, t)
        torch.testing.assert_close(weights.sum(1), torch.ones(4).double())
        assert answer.isfinite().all() and answer.dtype == torch.float32
        if t <= 0.5:
            torch.testing.assert_close(weights[:, :4], torch.eye(4).double(), rtol=0, atol=1e-12)
    far = model.posterior(1e6 * x_t, 1e-3)
    assert far.isfinite().all()


def test_a_condition_leaves_the_clips_that_have_it():
    """Labels as token numbers of captions: 0 pads, some words leave all clips that have them, none leaves all."""
    labels = torch.tensor([[1, 4, 0], [2, 4, 0], [1, 5, 6]])
    model = ExactDenoiser(torch.tensor([[0.0], [1.0], [5.0]]), labels)
    x_t, t = torch.zeros(6, 1), 1.0
    asked = torch.tensor([[1, 4, 0], [4, 0, 0], [1, 0, 0], [6, 1, 5], [0, 0, 0], [2, 4, 4]])
    allowed = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]]).double()
    expected = allowed / allowed.sum(1, keepdim=True)
    torch.testing.assert_close(model.posterior(x_t, t, asked), expected)
    torch.testing.assert_close(model.posterior(x_t, t), torch.full((6, 3), 1 / 3).double())


def test_captions_of_the_world_work_as_conditions():
    from ditcourse import world
    from ditcourse.training.data import tokenizer

    words, prompts = tokenizer(), world.captions()[:6]
    clips = world.render(prompts, torch.Generator().manual_seed(0))
    model = ExactDenoiser(clips, words(prompts))
    noise = torch.randn(1, *clips.shape[1:], generator=torch.Generator().manual_seed(1))
    asked = guess_of(model, noise, 1.0, words([prompts[3]]))
    torch.testing.assert_close(asked, clips[3:4], rtol=0, atol=1e-5)
    nothing_asked = guess_of(model, noise, 1.0, words([""]))
    torch.testing.assert_close(nothing_asked, clips.mean(0, keepdim=True), rtol=0, atol=1e-5)


# The second hand sheet: counting

LEFT, RIGHT = 0.0, 4.0


def counter(**more):
    return ExactDenoiser(
        torch.tensor([[LEFT], [RIGHT]]), labels=torch.tensor([1, 2]), schedule=Levels(3), prediction_type="epsilon",
        noise="uniform", **more,
    )  # fmt: skip


def counted(z, level, allowed=(LEFT, RIGHT)):
    """The sheet's way: for which clips is z - clip one of the noises -level..level? The mean of these noises."""
    noises = [z - clip for clip in allowed if z - clip in range(-level, level + 1)]
    return sum(noises) / len(noises)


@pytest.mark.parametrize(("level", "z"), [(n, z) for n in (3, 2) for z in [*range(-n, 4 + n + 1)]])
def test_best_guess_is_the_count_of_the_sheet(level, z):
    noise = level * counter()(torch.tensor([[float(z)]]), float(level)).item()
    assert noise == pytest.approx(counted(z, level), abs=1e-6)


def test_numbers_of_the_second_sheet():
    z = torch.tensor([[1.0], [2.0], [3.0], [0.0], [7.0]])
    noise = 3 * counter()(z, 3.0)
    torch.testing.assert_close(noise.flatten(), torch.tensor([-1.0, 0.0, 1.0, 0.0, 3.0]))
    torch.testing.assert_close((z - noise).flatten(), torch.tensor([2.0, 2.0, 2.0, 0.0, 4.0]))  # 2 is neither clip
    right = 3 * counter()(z[:3], 3.0, torch.tensor([2, 2, 2]))  # the prompt narrows the average to one clip
    torch.testing.assert_close(right.flatten(), torch.tensor([-3.0, -2.0, -1.0]))
    looked_again = counter().posterior(z[:3], 2.0)
    assert looked_again.tolist() == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]


def test_uniform_noise_in_more_coordinates_and_with_weights(draw):
    """In reach means: in every coordinate. Among those in reach the weights decide."""
    clips, weights = draw(40, 3), torch.rand(40, generator=torch.Generator().manual_seed(2)) + 0.1
    model = ExactDenoiser(clips, weights=weights, schedule=Levels(2), noise="uniform")
    x_t = clips[:8] + 0.9 * torch.rand(8, 3, generator=torch.Generator().manual_seed(3))
    expected = torch.zeros(8, 40).double()
    for row in range(8):
        for n in range(40):
            if all(abs(x_t[row, i] - clips[n, i]) <= 1 for i in range(3)):
                expected[row, n] = weights[n]
    assert (expected > 0).sum() > 12
    torch.testing.assert_close(model.posterior(x_t, 1.0), expected / expected.sum(1, keepdim=True))


# Gaussian data


def test_gaussian_guess_is_the_textbook_formula(scheduled, draw):
    """mean + a S (a^2 S + s^2 I)^-1 (x - a mean), for full and for diagonal covariance."""
    schedule, times = scheduled
    mean, half = draw(2, 3), draw(6, 6)
    full, diagonal = half @ half.T / 6, draw(6).square()
    for covariance, model in (
        (full, GaussianDenoiser(mean, covariance=full, schedule=schedule)),
        (diagonal.diag(), GaussianDenoiser(mean, diagonal.reshape(2, 3), schedule=schedule)),
    ):
        x_t, eye = draw(4, 2, 3), torch.eye(6, dtype=torch.float64)
        for t in times:
            a, s = schedule.signal(t), schedule.sigma(t)
            off = (x_t - a * mean).reshape(4, 6)
            gain = a * covariance @ torch.linalg.inv(a**2 * covariance + s**2 * eye)
            expected = mean + (off @ gain.T).reshape(4, 2, 3)
            torch.testing.assert_close(guess_of(model, x_t, t), expected, rtol=1e-7, atol=1e-7)


def test_gaussian_is_the_limit_of_many_clips(draw):
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    many = ExactDenoiser(0.7 + 0.5 * grid, weights=(-(grid[:, 0] ** 2) / 2).exp())
    gaussian, x_t = GaussianDenoiser(0.7, 0.25), draw(6, 1)
    for t in (0.05, 0.5, 0.95):
        torch.testing.assert_close(many(x_t, t), gaussian(x_t, t), rtol=1e-8, atol=1e-8)


def test_known_velocity_of_a_gaussian(draw):
    """E[noise - x_0 | x_t] of N(0.6, 0.16), and the two guesses that it stands for agree with x_t."""
    model, x, t = GaussianDenoiser(0.6, 0.16), draw(5, 2), torch.rand(5, generator=torch.Generator().manual_seed(0))
    s = t.double()[:, None]
    gain = (s - (1 - s) * 0.16) / ((1 - s) ** 2 * 0.16 + s**2)
    v = model(x, t)
    torch.testing.assert_close(v, -0.6 + gain * (x - (1 - s) * 0.6), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close((1 - s) * x0_from_velocity(x, v, t) + s * noise_from_velocity(x, v, t), x)


# What is refused, and how it is said


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda x: ExactDenoiser(x)(x[:1], 0.0), ["t must hold times with some noise", "0.0"]),
        (lambda x: GaussianDenoiser(0, 1, schedule=DDPM())(x, -1), ["t must hold times with some noise", "-1"]),
        (lambda x: ExactDenoiser(x)(x[:, :1], 0.5), ["x_t must hold clips of shape (2,), got (1,)"]),
        (lambda x: ExactDenoiser(x)(x, torch.rand(2)), ["one time per clip, shape (3,), got (2,)"]),
        (lambda x: ExactDenoiser(x)(x, 0.5, torch.ones(3)), ["condition", "without labels", "pass labels"]),
        (lambda x: ExactDenoiser(x, [1, 2, 3])(x[:1], 0.5, [5]), ["condition: came as [5]", "[[1], [2], [3]]"]),
        (lambda x: ExactDenoiser(x, [0, 1, 2]), ["labels must be whole numbers from 1", "[0, 1, 2]"]),
        (lambda x: ExactDenoiser(x, weights=[1, 2]), ["weights must be 3 positive numbers", "[1, 2]"]),
        (lambda x: ExactDenoiser(x, weights=[1, 0, 2]), ["weights must be 3 positive numbers", "0"]),
        (lambda x: ExactDenoiser(x, noise="flat"), ["noise must be one of 'gaussian', 'uniform', got 'flat'"]),
        (lambda x: ExactDenoiser(x, prediction_type="z")(x, 0.5), ["prediction_type must be one of", "'z'"]),
        (lambda x: counter()(torch.tensor([[-4.0]]), 3.0), ["x_t must have a clip in reach", "[4.0]", "[3.0]"]),
        (lambda x: counter()(torch.tensor([[2.0]]), 1.0), ["x_t must have a clip in reach", "[2.0]", "[1.0]"]),
        (
            lambda x: counter()(torch.tensor([[-1.0]]), 3.0, torch.tensor([2])),
            ["in reach (one that fits the condition)", "[5.0]"],
        ),
        (lambda x: GaussianDenoiser(0), ["variance, covariance: one of the two must be given"]),
        (lambda x: GaussianDenoiser(0, 1, torch.eye(2)), ["variance, covariance", "not both"]),
        (lambda x: GaussianDenoiser(0, -1), ["variance must not be negative", "-1"]),
        (lambda x: GaussianDenoiser(0, covariance=-torch.eye(2)), ["variance must not be negative", "-1"]),
    ],
)
def test_errors_name_what_came_and_what_is_allowed(call, parts):
    with pytest.raises(ValueError) as error:
        call(torch.tensor([[0.0, 1], [1, 0], [1, 1]]))
    assert all(part in str(error.value) for part in parts), str(error.value)


def test_flow_is_the_default():
    assert ExactDenoiser(torch.ones(1, 2)).schedule is FLOW
