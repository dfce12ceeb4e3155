"""Self-attention over all tokens of the clip: every patch looks at every other, in space and time.

Source: Vaswani et al. 2017 (1706.03762). Hand sheet: steps 7 and 8, where keys are C, values are C and the softmax
is sharpened until each column keeps its two largest scores.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ditcourse.model.positions import rotate


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in several heads. Row = token: the rows of the softmax sum to 1.

    x (B, N, D) -> (B, N, D). rope (2, N, d/2): cosines and sines that turn queries and keys by their place
    (`positions.rope_3d`). mask (B, N): False for tokens that nobody may look at (padding).
    qk_norm: queries and keys at unit root mean square, times a learned weight, so that scores cannot grow without
    bound (Dehghani et al. 2023, 2302.05442). Raises ValueError where heads do not divide the width.
    """

    def __init__(self, dim: int, num_heads: int, qk_norm: bool = False):
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f"num_heads = {num_heads} must divide the width {dim}")
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm = nn.RMSNorm(dim // num_heads, eps=1e-6) if qk_norm else nn.Identity()
        self.k_norm = nn.RMSNorm(dim // num_heads, eps=1e-6) if qk_norm else nn.Identity()
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rope: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.heads(x, rope)  # each (B, heads, N, d)
        mask = None if mask is None else mask[:, None, None, :]  # the same keys for every head and query
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)  # (B, heads, N, d)
        return self.proj(x.transpose(1, 2).flatten(2))  # (B, N, D)

    def heads(self, x: Tensor, rope: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (B, heads, N, d): normalised and turned where the model does so."""
        qkv = self.qkv(x).unflatten(2, (3, self.num_heads, -1))  # (B, N, 3, heads, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q, k = self.q_norm(q), self.k_norm(k)
        if rope is not None:
            q, k = rotate(q, rope), rotate(k, rope)
        return q, k, v

    def weights(
        self, x: Tensor, rope: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Who looks at whom, (B, heads, query, key), each row summing to 1: to look at; `forward` never makes it."""
        q, k, _ = self.heads(x, rope)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
        return scores.softmax(dim=-1)
