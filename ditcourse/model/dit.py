"""The diffusion transformer. Read it beside figure 3 of the DiT paper (Peebles & Xie 2022, 2212.09748).

Own code, written from the paper; names of parameters follow the official ones. Hand sheet: steps 1 to 9 and 13.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from ditcourse.model.attention import Attention
from ditcourse.model.conditions import TextEmbedder, TimestepEmbedder
from ditcourse.model.patches import patchify, token_grid, unpatchify
from ditcourse.model.positions import sincos_3d


@dataclass(frozen=True)
class DiTConfig:
    """A model's shape. Sides in latent cells or pixels; every side a multiple of its patch."""

    input_size: tuple[int, int, int] = (8, 16, 16)  # T, H, W
    patch_size: tuple[int, int, int] = (2, 4, 4)  # p_t, p_h, p_w
    in_channels: int = 3
    hidden_size: int = 128
    depth: int = 4
    num_heads: int = 4
    mlp_ratio: float = 4.0
    vocabulary_size: int = 1

    def __post_init__(self):
        for name in ("input_size", "patch_size"):  # JSON knows only lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
            if len(getattr(self, name)) != 3:
                raise ValueError(f"{name} must be three numbers (T, H, W), got {getattr(self, name)}")
        for name in ("in_channels", "hidden_size", "depth", "num_heads", "vocabulary_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.hidden_size % 4:
            raise ValueError(
                f"hidden_size must be a multiple of 4 (sine and cosine of two axes), got {self.hidden_size}"
            )
        token_grid(self.input_size, self.patch_size)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (B, N, D) scaled and shifted by the condition, shift and scale (B, D). Hand sheet: step 6.

    DiT writes 1 + scale, so that scale = 0 changes nothing; the hand sheet multiplies by scale itself.
    """
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class MLP(nn.Module):
    """The point-wise feed-forward: each token by itself, (B, N, D) -> (B, N, D). Hand sheet: step 9."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1, self.act, self.fc2 = (
            nn.Linear(dim, hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(hidden, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class DiTBlock(nn.Module):
    """A transformer block with adaLN-Zero: x (B, N, D), condition c (B, D) -> (B, N, D).

    One linear map of the condition gives shift, scale and gate for attention and for the MLP. It starts at zero, so
    every gate is closed and the block starts as the identity.
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float = 4.0):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.mlp = MLP(dim, int(dim * mlp_ratio))
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = self.adaLN_modulation(c).chunk(
            6, dim=1
        )
        x = x + gate_msa.unsqueeze(1) * self.attn(modulate(self.norm1(x), shift_msa, scale_msa))
        return x + gate_mlp.unsqueeze(1) * self.mlp(modulate(self.norm2(x), shift_mlp, scale_mlp))


class FinalLayer(nn.Module):
    """Normalise, modulate, and map each token to the values of its patch: (B, N, D) -> (B, N, p_t p_h p_w C)."""

    def __init__(self, dim: int, out_features: int):
        super().__init__()
        self.norm_final = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.linear = nn.Linear(dim, out_features)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class DiT(nn.Module):
    """Noised clips, time and prompt in; a prediction of the clips' shape out.

    x (B, C, T, H, W), t (B,) in [0, 1] with noise growing with t, tokens (B, L) from the `Tokenizer`
    -> (B, C, T, H, W). What is predicted (noise, velocity or clip) is the training loss's choice, not the model's.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.config = config
        D, patch = config.hidden_size, config.patch_size
        patch_values = config.in_channels * patch[0] * patch[1] * patch[2]
        self.x_embedder = nn.Linear(patch_values, D)
        self.t_embedder = TimestepEmbedder(D)
        self.y_embedder = TextEmbedder(config.vocabulary_size, D)
        positions = sincos_3d(D, *token_grid(config.input_size, patch)).float()
        self.register_buffer("pos_embed", positions, persistent=False)  # fixed: computed, not stored
        self.blocks = nn.ModuleList(
            DiTBlock(D, config.num_heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.final_layer = FinalLayer(D, patch_values)
        self.initialize_weights()

    def initialize_weights(self) -> None:
        """Xavier for linear maps, N(0, 0.02) for the time's, zero for every modulation and the last map.

        So the untrained model predicts exactly 0, and each block starts as the identity. Words stay at N(0, 1), so that
        prompts differ from the first step on (the 0.02 that DiT gives its labels was made for far longer runs).
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in (self.t_embedder.mlp[0], self.t_embedder.mlp[2]):
            nn.init.normal_(layer.weight, std=0.02)
        for layer in (
            *(block.adaLN_modulation[1] for block in self.blocks),
            self.final_layer.adaLN_modulation[1],
            self.final_layer.linear,
        ):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, tokens: Tensor) -> Tensor:
        size = tuple(x.shape[2:])
        if size != self.config.input_size or x.shape[1] != self.config.in_channels:
            raise ValueError(
                f"x must be (B, {self.config.in_channels}, {', '.join(map(str, self.config.input_size))}), "
                f"got {tuple(x.shape)}"
            )
        x = self.x_embedder(patchify(x, self.config.patch_size)) + self.pos_embed  # (B, N, D)
        c = self.t_embedder(1000 * t) + self.y_embedder(tokens)  # (B, D)
        for block in self.blocks:
            x = block(x, c)  # (B, N, D)
        x = self.final_layer(x, c)  # (B, N, p_t p_h p_w C)
        return unpatchify(x, self.config.patch_size, size, channels_last=True)
