"""From toy to real: the way from the hand sheet to `DiTBlock`, one named change at a time.

Rung 0 computes what the sheet computes, to the last digit; the last rung is the package's own block, several deep,
with positions. Each rung keeps all changes below it. Row = token here, so the sheet's matrices come transposed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ditcourse.byhand import extensions, solve
from ditcourse.model.attention import Attention
from ditcourse.model.dit import MLP, modulate
from ditcourse.model.positions import sincos_1d


@dataclass(frozen=True)
class Rung:
    """One change: what the rung below does, what is done from here on, and why."""

    name: str
    before: str
    after: str
    why: str


RUNGS = (
    Rung("the sheet", "", "scale and shift, given scores, two marks a token, one linear map",
         "small enough for a pencil"),
    Rung("normalise", "tokens as they come", "each token at mean 0 and variance 1 first",
         "the scale of the input no longer sets the scale of the guess"),
    Rung("1 + scale", "scale * x + shift", "(1 + scale) * x + shift",
         "a condition layer that starts at zero then changes nothing, instead of wiping the clip out"),
    Rung("curve on the condition", "one linear map of c", "a SiLU before it",
         "what a word does may then depend on the time, not only be added to it"),
    Rung("queries and keys", "scores given", "scores from the tokens, by two linear maps",
         "who listens to whom may then depend on what is in the clip"),
    Rung("softmax", "the two largest count 1/2 each", "softmax of scores / sqrt(d)",
         "marking has no slope, so queries and keys could not learn"),
    Rung("values", "the tokens themselves are mixed", "a linear map of them is mixed",
         "what a token tells may differ from what it is found by"),
    Rung("heads", "one set of scores", "several, side by side, and a linear map of all",
         "a token can listen to two places for two reasons and keep them apart"),
    Rung("residual and gate", "each step replaces the tokens",
         "attention and map are each added to the tokens, through a gate, with scale and shift of their own",
         "mixing alone can lose what was there (the sheet's cannot see noise of the shape 1, -1, 1, -1); now a token "
         "keeps what it had, and a block that starts at zero is the identity"),
    Rung("two-layer MLP", "one linear map a token", "widen four times, GELU, narrow again",
         "two linear maps in a row are one linear map: without a curve a token cannot be thought about"),
    Rung("positions", "tokens without a place", "sines and cosines of the place are added",
         "without them the order of the frames cannot be known"),
    Rung("depth", "one block", "several, one after the other",
         "what one block has found the next can look for"),
)  # fmt: skip
NAMES = tuple(rung.name for rung in RUNGS)


class Ladder(nn.Module):
    """The model at one rung: tokens x (B, N, D) and condition c (B, condition_dim) -> predicted noise (B, N, D).

    rung: a name or number of `RUNGS`. scores (N, N), row = query: given below "queries and keys", and only there.
    Raises ValueError for an unknown rung, or scores that are missing or too many.
    """

    def __init__(
        self,
        rung: str | int,
        dim: int,
        condition_dim: int,
        num_heads: int = 2,
        depth: int = 3,
        scores: Tensor | None = None,
    ):
        super().__init__()
        self.rung = rung_number(rung)
        blocks = depth if self.has("depth") else 1
        self.blocks = nn.ModuleList(
            LadderBlock(self.rung, dim, condition_dim, num_heads, scores) for _ in range(blocks)
        )

    def has(self, name: str) -> bool:
        """Whether this rung includes the change of that name."""
        return self.rung >= rung_number(name)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        if self.has("positions"):
            x = x + sincos_1d(x.shape[2], torch.arange(x.shape[1])).to(x)
        for block in self.blocks:
            x = block(x, c)
        return x


class LadderBlock(nn.Module):
    """The block at one rung; parts are named as in `DiTBlock` as soon as they are the same."""

    def __init__(
        self, rung: str | int, dim: int, condition_dim: int, num_heads: int, scores: Tensor | None
    ):
        super().__init__()
        self.rung = rung_number(rung)
        if (scores is None) != self.has("queries and keys"):
            raise ValueError(
                f"scores are given below the rung 'queries and keys' and made from it on: rung {NAMES[self.rung]!r} "
                f"came with scores = {None if scores is None else tuple(scores.shape)}"
            )
        chunks = 6 if self.has("residual and gate") else 2
        curve = nn.SiLU() if self.has("curve on the condition") else nn.Identity()
        self.adaLN_modulation = nn.Sequential(curve, nn.Linear(condition_dim, chunks * dim))
        if self.has("1 + scale"):  # may start at zero, and DiT's does
            nn.init.zeros_(self.adaLN_modulation[1].weight)
            nn.init.zeros_(self.adaLN_modulation[1].bias)
        self.register_buffer("scores", scores)
        if self.has("heads"):
            self.attn = Attention(dim, num_heads)
        else:
            if self.has("queries and keys"):
                self.q, self.k = nn.Linear(dim, dim), nn.Linear(dim, dim)
            if self.has("values"):
                self.v = nn.Linear(dim, dim)
        self.mlp = MLP(dim, 4 * dim) if self.has("two-layer MLP") else nn.Linear(dim, dim)

    def has(self, name: str) -> bool:
        """Whether this rung includes the change of that name."""
        return self.rung >= rung_number(name)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        if not self.has("residual and gate"):
            scale, shift = self.adaLN_modulation(c).chunk(2, dim=1)  # the sheet's order
            return self.mlp(self.attention(self.modulate(x, shift, scale)))
        shift_msa, scale_msa, gate_msa, shift_mlp, scale_mlp, gate_mlp = self.adaLN_modulation(c).chunk(
            6, dim=1
        )
        x = x + gate_msa.unsqueeze(1) * self.attention(self.modulate(x, shift_msa, scale_msa))
        return x + gate_mlp.unsqueeze(1) * self.mlp(self.modulate(x, shift_mlp, scale_mlp))

    def modulate(self, x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Normalised from the second rung on, and scaled and shifted by the condition."""
        if self.has("normalise"):
            x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        return modulate(x, shift, scale if self.has("1 + scale") else scale - 1)

    def attention(self, x: Tensor) -> Tensor:
        """Mix the tokens: each row of A (query, key) says what its token takes from the others."""
        if self.has("heads"):
            return self.attn(x)
        A = self.attention_weights(x)
        return A @ (self.v(x) if self.has("values") else x)

    def attention_weights(self, x: Tensor) -> Tensor:
        """A, (B, query, key) or (query, key) where the scores are given; one head."""
        S = self.q(x) @ self.k(x).transpose(1, 2) if self.has("queries and keys") else self.scores
        if self.has("softmax"):
            return (S / x.shape[-1] ** 0.5).softmax(dim=-1)
        second = S.topk(2, dim=-1).values[..., 1:]
        return (S >= second).to(x) / 2  # the two largest, one half each


def rung_number(rung: str | int) -> int:
    """The number of a rung given by name or number. Raises ValueError for one that is not there."""
    if rung in NAMES:
        return NAMES.index(rung)
    if isinstance(rung, int) and 0 <= rung < len(RUNGS):
        return rung
    raise ValueError(f"there is no rung {rung!r}; allowed: 0 to {len(RUNGS) - 1}, or {', '.join(NAMES)}")


def from_sheet(exercise) -> tuple[Ladder, Tensor, Tensor]:
    """Rung 0 with an exercise's own numbers (`ditcourse.byhand`): the model, its tokens Z (1, 4, 2), c (1, 5).

    `model(Z, c)` is the sheet's predicted noise E, transposed.
    """
    key = solve(exercise)
    _, S = extensions.query_key(key.C, exercise.W_Q, exercise.b_Q)  # row = key on paper

    def tensor(values):
        return torch.tensor(values, dtype=torch.float32)

    model = Ladder("the sheet", dim=len(key.Z), condition_dim=len(key.c), scores=tensor(S.T))
    block = model.blocks[0]
    with torch.no_grad():
        block.adaLN_modulation[1].weight.copy_(tensor(exercise.W_ada))
        block.adaLN_modulation[1].bias.copy_(tensor(exercise.b_ada))
        block.mlp.weight.copy_(tensor(exercise.W_ff))
        block.mlp.bias.copy_(tensor(exercise.b_ff))
    return model, tensor(key.Z.T)[None], tensor(key.c)[None]
