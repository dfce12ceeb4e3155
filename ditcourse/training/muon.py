"""Muon for the matrices inside the blocks, AdamW for everything else, as one optimizer."""

from __future__ import annotations

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """PyTorch's Muon and AdamW behind one `step`, with one state, so that a loop and its checkpoints need not know.

    AdamW scales each number of a gradient by itself. Muon takes a matrix as a whole: its momentum is brought near to
    the closest orthogonal matrix by a few matrix products, so that a step goes equally far in every direction that
    the matrix can turn (Jordan and others 2024, https://kellerjordan.github.io/posts/muon/). Its step is scaled to
    the size of AdamW's (Liu and others 2025, 2502.16982), so both take the same learning rate.

    matrices: weights (O, I), none is allowed; others: all other weights. betas and fused are AdamW's.
    """

    def __init__(
        self, matrices: list, others: list, lr: float, weight_decay: float = 0.0, betas=(0.9, 0.95), fused=None
    ):
        self.parts = [torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, betas=betas, fused=fused)]
        if matrices:
            muon = torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            self.parts.insert(0, muon)
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Both work on this optimizer's groups and state."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state

    def step(self, closure=None) -> None:
        for part in self.parts:
            part.step()

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)  # replaces groups and state
        self._share()


def block_matrices(model: nn.Module) -> tuple[list, list]:
    """The weights of a model: the matrices inside its blocks, and the rest (first and last maps, words, biases)."""
    matrices = [weight for weight in model.blocks.parameters() if weight.dim() == 2 and min(weight.shape) > 6]
    inner = {id(weight) for weight in matrices}
    return matrices, [weight for weight in model.parameters() if id(weight) not in inner]
