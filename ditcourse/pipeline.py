"""Prompt in, clip out."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from ditcourse.diffusion.samplers import sample
from ditcourse.model.dit import DiT
from ditcourse.training.checkpoint import load_weights
from ditcourse.training.data import tokenizer

WEIGHTS = ("mini",)


class Pipeline:
    """Text to video with a trained DiT: `Pipeline(model)(["a red circle moves left"], seed=0)`."""

    def __init__(self, model: DiT):
        self.model, self.tokenizer = model, tokenizer()

    def __call__(
        self,
        prompts: list[str],
        seed: int = 0,
        num_inference_steps: int = 25,
        guidance_scale: float = 2.0,
        on_step=None,
    ) -> Tensor:
        """One clip per prompt, (B, C, T, H, W) in [-1, 1]. Same prompts and seed, same clips.

        Raises ValueError for a word that the model does not know. An empty prompt gives whatever comes.
        """
        condition = self.tokenizer(prompts)
        config, device = self.model.config, next(self.model.parameters()).device
        generator = torch.Generator().manual_seed(seed)  # on the CPU: every machine draws the same noise
        noise = torch.randn(len(prompts), config.in_channels, *config.input_size, generator=generator).to(
            device
        )
        clips = sample(
            self.model,
            noise,
            condition.to(device),
            torch.zeros_like(condition).to(device),
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            on_step=on_step,
        )
        return clips.clamp(-1, 1).cpu()


def load(name: str = "mini") -> Pipeline:
    """The pipeline with weights that ship with the course, or with those in a folder that `ditcourse train` wrote."""
    if name in WEIGHTS:
        with resources.as_file(resources.files("ditcourse") / "weights" / name) as folder:
            return Pipeline(load_weights(folder))
    if Path(name).is_dir():
        return Pipeline(load_weights(name))
    raise ValueError(f"no weights called {name!r}; there are: {', '.join(WEIGHTS)}, or the folder of a run")
