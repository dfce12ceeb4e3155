"""The diffusion transformer. Read it beside figure 3 of the DiT paper (Peebles & Xie 2022, 2212.09748).

Own code, written from the paper; names of parameters follow the official ones. Hand sheet: steps 1 to 9 and 13.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ditcourse.model.attention import Attention
from ditcourse.model.conditions import LabelEmbedder, TextEmbedder, TimestepEmbedder
from ditcourse.model.config import DiTConfig
from ditcourse.model.patches import patchify, token_grid, unpatchify
from ditcourse.model.positions import rope_3d, sincos_3d


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (B, N, D) scaled and shifted by the condition, shift and scale (B, D). Hand sheet: step 6.

    DiT writes 1 + scale, so that scale = 0 changes nothing; the hand sheet multiplies by scale itself.
    """
    return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)


class PatchEmbed(nn.Module):
    """Cut into patches, and one linear map for each patch: (B, C, T, H, W) -> (B, N, D). Hand sheet: steps 1, 2."""

    def __init__(self, patch_size: tuple[int, int, int], in_channels: int, dim: int):
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Linear(in_channels * patch_size[0] * patch_size[1] * patch_size[2], dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(patchify(x, self.patch_size))


class MLP(nn.Module):
    """The point-wise feed-forward: each token by itself, (B, N, D) -> (B, N, D). Hand sheet: step 9."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.act = nn.GELU(approximate="tanh")

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class DiTBlock(nn.Module):
    """A transformer block with adaLN-Zero: x (B, N, D), condition c (B, D) -> (B, N, D).

    One linear map of the condition gives shift, scale and gate for attention and for the MLP. It starts at zero, so
    every gate is closed and the block starts as the identity.
    shared_modulation (adaLN-single, Chen et al. 2023, 2310.00426): c (B, 6D) comes ready-made, the same for every
    block, and the block only adds a table of its own to it.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qk_norm: bool = False,
        shared_modulation: bool = False,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(dim, num_heads, qk_norm)
        self.norm2 = nn.LayerNorm(dim, elementwise_affine=False, eps=1e-6)
        self.mlp = MLP(dim, int(dim * mlp_ratio))
        if shared_modulation:
            self.scale_shift_table = nn.Parameter(torch.zeros(6, dim))
        else:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.shared_modulation = shared_modulation

    def modulation(self, c: Tensor) -> tuple[Tensor, ...]:
        """shift, scale, gate for attention, then the same three for the MLP, each (B, D)."""
        if self.shared_modulation:
            return (c.unflatten(1, (6, -1)) + self.scale_shift_table).unbind(1)
        return self.adaLN_modulation(c).chunk(6, dim=1)

    def forward(self, x: Tensor, c: Tensor, rope: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = self.modulation(c)
        h = self.attn(modulate(self.norm1(x), shift_msa, scale_msa), rope, mask)
        x = x + gate_msa.unsqueeze(1) * h
        h = self.mlp(modulate(self.norm2(x), shift_mlp, scale_mlp))
        return x + gate_mlp.unsqueeze(1) * h


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
    """Noised clips, time and prompt (or label) in; a prediction of the clips' shape out.

    x (B, C, T, H, W), t (B,) in [0, 1] with noise growing with t (DDPM's step k is t = k / 1000), y (B, L) token
    numbers from the `Tokenizer` or (B,) labels -> (B, C, T, H, W), or twice the channels where the model also learns
    a variance. What is predicted (noise, velocity or clip) is the training loss's choice, not the model's.
    Sizes other than `config.input_size` are allowed, if each side is a multiple of the patch: positions count from
    the first frame, row and column. mask (B, N): False for tokens that are padding; what comes out there means
    nothing, and it changes nothing elsewhere.
    """

    config_class = DiTConfig  # what `load_weights` reads config.json into

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.config = config
        D, patch = config.hidden_size, config.patch_size
        self.x_embedder = PatchEmbed(patch, config.in_channels, D)
        self.t_embedder = TimestepEmbedder(D)
        if config.num_classes:
            self.y_embedder = LabelEmbedder(config.num_classes, D)
        else:
            self.y_embedder = TextEmbedder(config.vocabulary_size, D)
        pos_embed, rope = self.position_tables(config.input_size)
        self.register_buffer("pos_embed", pos_embed, persistent=False)  # fixed: computed, not stored
        self.register_buffer("rope", rope, persistent=False)
        shared = config.modulation == "adaLN-single"
        if shared:
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(D, 6 * D))
        self.blocks = nn.ModuleList(
            DiTBlock(D, config.num_heads, config.mlp_ratio, config.qk_norm, shared)
            for _ in range(config.depth)
        )
        self.final_layer = FinalLayer(D, config.out_channels * patch[0] * patch[1] * patch[2])
        self.initialize_weights()

    def initialize_weights(self) -> None:
        """Xavier for linear maps, N(0, 0.02) for time and labels, zero for every modulation and the last map.

        So the untrained model predicts exactly 0, and each block starts as the identity. Words stay at N(0, 1), so that
        prompts differ from the first step on (the 0.02 that DiT gives its labels was made for far longer runs).
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in (self.t_embedder.mlp[0], self.t_embedder.mlp[2]):
            nn.init.normal_(layer.weight, std=0.02)
        if self.config.num_classes:
            nn.init.normal_(self.y_embedder.embedding_table.weight, std=0.02)
        zeroed = [part.adaLN_modulation[1] for part in self.modules() if hasattr(part, "adaLN_modulation")]
        for layer in (*zeroed, self.final_layer.linear):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor, y: Tensor, mask: Tensor | None = None) -> Tensor:
        size = self._size_of(x)
        pos_embed, rope = self._places(size, x.device)
        x = self.x_embedder(x)  # (B, N, D)
        if pos_embed is not None:
            x = x + pos_embed
        c = self.t_embedder(1000 * t) + self.y_embedder(y)  # (B, D)

        words = 0
        if self.config.word_tokens:
            words = y.shape[1]
            x, rope, mask = self._with_words(x, y, rope, mask)
        modulation = self.adaLN_modulation(c) if self.config.modulation == "adaLN-single" else c
        for block in self.blocks:
            x = block(x, modulation, rope, mask)  # (B, words + N, D)
        x = self.final_layer(x[:, words:], c)  # (B, N, p_t p_h p_w C)
        return unpatchify(x, self.config.patch_size, size, channels_last=True)

    def position_tables(self, size: tuple[int, int, int]) -> tuple[Tensor | None, Tensor | None]:
        """The fixed tables for clips of this size (T, H, W): pos_embed (N, D) or rope (2, N, d/2) or neither."""
        config, grid = self.config, token_grid(size, self.config.patch_size)
        if config.positions == "sincos":
            return sincos_3d(config.hidden_size, *grid).float(), None
        if config.positions == "rope":
            return None, rope_3d(config.hidden_size // config.num_heads, *grid).float()
        return None, None

    def _places(self, size, device) -> tuple[Tensor | None, Tensor | None]:
        if size == self.config.input_size:
            return self.pos_embed, self.rope
        return tuple(None if table is None else table.to(device) for table in self.position_tables(size))

    def _with_words(self, x, tokens, rope, mask) -> tuple[Tensor, Tensor | None, Tensor]:
        """The prompt's words before the patches: they look and are looked at; blanks after the prompt are not."""
        words, known = self.y_embedder.words(tokens)  # (B, L, D), (B, L)
        patches = known.new_ones(x.shape[:2]) if mask is None else mask
        if rope is not None:  # words have no place in the clip: cosine 1 and sine 0 turn nothing
            still = rope.new_zeros(2, words.shape[1], rope.shape[2])
            still[0] = 1
            rope = torch.cat([still, rope], dim=1)
        return torch.cat([words, x], dim=1), rope, torch.cat([known, patches], dim=1)

    def _size_of(self, x: Tensor) -> tuple[int, int, int]:
        if x.dim() != 5 or x.shape[1] != self.config.in_channels:
            raise ValueError(f"x must be (B, {self.config.in_channels}, T, H, W), got {tuple(x.shape)}")
        return tuple(x.shape[2:])
