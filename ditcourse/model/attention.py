"""Self-attention over all tokens of the clip: every patch looks at every other, in space and time.

Source: Vaswani et al. 2017 (1706.03762). Hand sheet: steps 7 and 8, where keys are C, values are C and the softmax
is sharpened until each column keeps its two largest scores.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in several heads. Row = token: the rows of the softmax sum to 1.

    x (B, N, D) -> (B, N, D). Raises ValueError where heads do not divide the width.
    """

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ValueError(f"num_heads = {num_heads} must divide the width {dim}")
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        B, N, D = x.shape
        qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, D // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, N, d)
        x = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, d)
        return self.proj(x.transpose(1, 2).reshape(B, N, D))
