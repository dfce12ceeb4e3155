"""Prompt in, clip out."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from torch import Tensor

from ditcourse.model.autoencoder import Autoencoder
from ditcourse.model.dit import DiT
from ditcourse.training.checkpoint import load_weights
from ditcourse.training.data import tokenizer
from ditcourse.training.run import clips_of

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
        return clips_of(
            self.model,
            self.tokenizer(prompts),
            seed,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            on_step=on_step,
        )


def load_autoencoder() -> Autoencoder:
    """Skyworld's autoencoder, as it ships with the course: frozen, in float32."""
    with resources.as_file(resources.files("ditcourse") / "weights" / "vae") as folder:
        return load_weights(folder, Autoencoder)


def load(name: str = "mini") -> Pipeline:
    """The pipeline with weights that ship with the course, or with those in a folder that `ditcourse train` wrote."""
    if name in WEIGHTS:
        with resources.as_file(resources.files("ditcourse") / "weights" / name) as folder:
            return Pipeline(load_weights(folder))
    if Path(name).is_dir():
        return Pipeline(load_weights(name))
    raise ValueError(f"no weights called {name!r}; there are: {', '.join(WEIGHTS)}, or the folder of a run")
