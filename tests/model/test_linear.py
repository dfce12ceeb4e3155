"""PCA against SVD, brute force and every linear autoencoder trained; what the functions refuse."""

import pytest

torch = pytest.importorskip("torch")

from ditcourse.model.linear import PCA, LinearAutoencoder, pca, train_linear  # noqa: E402
from ditcourse.model.patches import patchify  # noqa: E402
from ditcourse.world import SKY  # noqa: E402


def spread(rows=400, values=7, dice=None):
    """Rows whose values go together, with a mean far from 0."""
    mix = torch.randn(values, values, generator=dice, dtype=torch.float64)
    return torch.randn(rows, values, generator=dice, dtype=torch.float64) @ mix + 3 * torch.arange(values)


def lost(found, x):
    return (found.decode(found.encode(x)) - x).square().mean()


@pytest.mark.parametrize("k", [1, 3, 7])
def test_pca_is_the_truncated_svd(k):
    x = spread()
    found = pca(x, k)
    U, S, V = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    rebuilt = U[:, :k] * S[:k] @ V[:k] + x.mean(0)
    torch.testing.assert_close(found.decode(found.encode(x)), rebuilt)
    torch.testing.assert_close(found.variances, S.square() / len(x))
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(k, dtype=x.dtype))
    assert lost(found, x).item() == pytest.approx((S[k:].square().sum() / x.numel()).item(), abs=1e-12)


def test_a_direction_is_found_that_no_other_beats():
    """Two numbers, one code: every angle of a turn is tried."""
    x = spread(values=2)
    angles = torch.linspace(0, torch.pi, 3601, dtype=x.dtype)
    ways = torch.stack([angles.cos(), angles.sin()], dim=1)[:, None]
    tried = torch.stack([lost(PCA(x.mean(0), way, None), x) for way in ways])
    best, found = tried.min(), lost(pca(x, 1), x)
    assert found <= best and found == pytest.approx(best.item(), rel=1e-4)


def test_codes_are_apart_and_widest_first():
    x = spread()
    found = pca(x, 4)
    z = found.encode(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(4, dtype=x.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.T @ z / len(z), found.variances[:4].diag(), atol=1e-8, rtol=1e-8)
    assert (found.variances.diff() <= 0).all()


def test_signs_are_settled_and_any_leading_axes_will_do():
    x = spread()
    found, turned = pca(x, 3), pca(-x, 3)
    torch.testing.assert_close(found.directions, turned.directions)
    assert all(row[row.abs().argmax()] > 0 for row in found.directions)
    grid = x.reshape(4, 100, 7)
    torch.testing.assert_close(found.decode(found.encode(grid)).flatten(0, 1), found.decode(found.encode(x)))


def course_patches(clips=24):
    made, _ = SKY.random_clips(clips, torch.Generator().manual_seed(7))
    return patchify(made, (4, 4, 4)).flatten(0, 1)


def test_no_linear_autoencoder_beats_pca_on_the_course_data_and_a_trained_one_comes_within_a_percent():
    """A10, at the width of the course's latents: 192 values to 4. Also untrained, and half trained."""
    x = course_patches()
    assert x.shape[1] == 192
    best = lost(pca(x, 4), x).item()
    errors = {}
    for steps in (0, 100, 2000):
        torch.manual_seed(0)
        model = LinearAutoencoder(192, 4)
        train_linear(model, x, steps)
        with torch.no_grad():
            errors[steps] = (model(x) - x).square().mean().item()
    assert errors[0] > errors[100] > errors[2000] > best
    assert errors[2000] < 1.01 * best


def test_a_trained_one_spans_the_same_space_with_other_codes():
    x = spread().float()
    x = (x - x.mean(0)) / x.std()
    found, model = pca(x, 2), LinearAutoencoder(7, 2)
    train_linear(model, x, 3000)
    W = model.decode.weight.detach()  # (7, 2): its columns span the plane of PCA's directions
    Q = torch.linalg.qr(W).Q
    torch.testing.assert_close(Q @ Q.T, found.directions.T @ found.directions, atol=0.02, rtol=0)


def test_training_is_the_same_for_a_seed():
    x = spread().float()
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(5)
        runs.append(train_linear(LinearAutoencoder(7, 2), x, 5, seed=seed))
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("x", "k", "says"),
    [(torch.zeros(3), 1, r"x must be \(N, D\)"), (torch.zeros(1, 3), 1, "at least two rows"),
     (torch.zeros(4, 3), 0, "k must be from 1 to 3, got 0"), (torch.zeros(4, 3), 4, "got 4")],
)  # fmt: skip
def test_what_does_not_fit_is_refused(x, k, says):
    with pytest.raises(ValueError, match=says):
        pca(x, k)
