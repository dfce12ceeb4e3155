"""Linear autoencoders: PCA in closed form, and the same found by gradient descent (hand sheet: steps 2 and 12).

A row is one thing to be squeezed, (..., D): a patch of a clip as `patchify` cuts it, or two numbers on paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class PCA:
    """The k directions along which rows vary most: the best linear squeezing to k numbers in squared error.

    Pearson 1901, "On lines and planes of closest fit to systems of points in space", Phil. Mag. 2(11), 559-572.
    """

    mean: Tensor  # (D,)
    directions: Tensor  # (k, D): each of length 1, at right angles to the others, largest variance first
    variances: Tensor  # (D,): along all D directions, largest first; what comes after k is lost

    def encode(self, x: Tensor) -> Tensor:
        """Rows (..., D) -> codes (..., k)."""
        return (x - self.mean) @ self.directions.T

    def decode(self, z: Tensor) -> Tensor:
        """Codes (..., k) -> rows (..., D)."""
        return z @ self.directions + self.mean


def pca(x: Tensor, k: int) -> PCA:
    """The PCA of rows x (N, D), with k of 1 to D codes. Each direction's largest number is positive.

    Raises ValueError where x is no matrix of at least two rows, or where k does not fit.
    """
    if x.dim() != 2 or len(x) < 2:
        raise ValueError(f"x must be (N, D) with at least two rows, got {tuple(x.shape)}")
    if not 1 <= k <= x.shape[1]:
        raise ValueError(f"k must be from 1 to {x.shape[1]}, got {k}")
    mean = x.mean(0)
    away = x - mean
    variances, columns = torch.linalg.eigh(away.T @ away / len(x))  # smallest first
    directions = columns.flip(1).T[:k]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return PCA(mean, directions * largest.sign(), variances.flip(0).clamp(min=0))


class LinearAutoencoder(nn.Module):
    """x -> W_dec (W_enc x + b_enc) + b_dec: the hand sheet's steps 2 and 12 without their ReLUs. x (..., D)."""

    def __init__(self, values: int, codes: int):
        super().__init__()
        self.encode, self.decode = nn.Linear(values, codes), nn.Linear(codes, values)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def train_linear(
    model: nn.Module,
    x: Tensor,
    steps: int = 1000,
    batch_size: int = 1024,
    learning_rate: float = 1e-2,
    seed: int = 0,
) -> list[float]:
    """Adam on the mean squared error of rows x (N, D); the rate falls to 0 over the second half. Returns the errors."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    dice, errors = torch.Generator().manual_seed(seed), []
    for step in range(steps):
        batch = x[torch.randint(len(x), (batch_size,), generator=dice)]
        error = F.mse_loss(model(batch), batch)
        optimizer.zero_grad(set_to_none=True)
        error.backward()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, 2 * (steps - step) / steps)
        optimizer.step()
        errors.append(error.item())
    return errors
