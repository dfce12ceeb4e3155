"""Prompt in, clip out."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

from ditcourse.model.autoencoder import Autoencoder
from ditcourse.model.dit import DiT
from ditcourse.training.checkpoint import load_weights
from ditcourse.training.config import TrainConfig
from ditcourse.training.data import encoded, load_autoencoder, tokenizer
from ditcourse.training.run import RUN, clips_of
from ditcourse.world import MINI, WORLDS, World

__all__ = ["Pipeline", "load", "load_autoencoder"]

SHIPPED = {"mini": "mini"}  # weights that ship with the course, and their worlds


class Pipeline:
    """Text to video with a trained DiT: `Pipeline(model)(["a red circle moves left"], seed=0)`.

    world gives the words; a model of latents brings the autoencoder that decodes them. trained: how it was trained,
    for what the model predicts and for the seed of its clips.
    """

    def __init__(
        self,
        model: DiT,
        world: World = MINI,
        autoencoder: Autoencoder | None = None,
        trained: TrainConfig | None = None,
    ):
        self.model, self.world, self.autoencoder = model, world, autoencoder
        self.trained = trained or TrainConfig()
        self.tokenizer = tokenizer(world)

    def __call__(
        self,
        prompts: list[str],
        seed: int = 0,
        num_inference_steps: int = 25,
        guidance_scale: float = 2.0,
        on_step=None,
    ) -> Tensor:
        """One clip per prompt, (B, C, T, H, W) in [-1, 1]. Same prompts and seed, same clips.

        Raises ValueError for a word that the model does not know; it names the nearest known ones, and another of the
        course's models if that one knows them all. An empty prompt gives whatever comes.
        """
        try:
            tokens = self.tokenizer(prompts)
        except ValueError as error:
            raise ValueError(f"{error}{self._elsewhere(prompts)}") from error
        return clips_of(
            self.model,
            tokens,
            seed,
            self.autoencoder,
            prediction_type=self.trained.prediction_type,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            on_step=on_step,
        )

    def to(self, device: str | torch.device) -> Pipeline:
        """The same pipeline with its networks on a device; clips still come back to the CPU."""
        for part in (self.model, self.autoencoder):
            if part is not None:
                part.to(device)
        return self

    @torch.no_grad()
    def encode(self, clips: Tensor) -> Tensor:
        """Clips as the autoencoder's latents, (B, 4, T/4, H/4, W/4) on the CPU. Sampling never does this."""
        return self.autoencoder.encode(clips.to(self.autoencoder.latent_mean.device)).cpu()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """The way back: clips (B, 3, T, H, W) in [-1, 1] on the CPU."""
        return self.autoencoder.decode(latents.to(self.autoencoder.latent_mean.device)).clamp(-1, 1).cpu()

    def training_latents(self, count: int) -> Tensor:
        """Latents of the first clips that a model of Skyworld was trained on, (count, 4, 4, 16, 16), on the CPU."""
        return encoded(self.autoencoder, count, self.trained.seed, "train", progress=False)["latents"].float()

    def _elsewhere(self, prompts: list[str]) -> str:
        """Which of the course's other models understands these prompts."""
        for name, world in SHIPPED.items():
            try:
                tokenizer(WORLDS[world])(prompts)
            except ValueError:
                continue
            return f". The model {name!r} knows every word of it"
        return ""


def load(name: str = "mini") -> Pipeline:
    """The pipeline with weights that ship with the course, or with those in a folder that `ditcourse train` wrote."""
    if name in SHIPPED:
        with resources.as_file(resources.files("ditcourse") / "weights" / name) as folder:
            return _pipeline(folder, SHIPPED[name])
    if Path(name).is_dir():
        return _pipeline(Path(name), "mini")
    raise ValueError(f"no weights called {name!r}; there are: {', '.join(SHIPPED)}, or the folder of a run")


def _pipeline(folder: Path, world: str) -> Pipeline:
    """With what the folder's run.json says of world and training; world is for a folder that has none."""
    trained, record = None, folder / RUN
    if record.is_file():
        config = json.loads(record.read_text())["config"]
        world, trained = config.get("world", world), TrainConfig.from_dict(config.get("train", config))
    return Pipeline(load_weights(folder), WORLDS[world], load_autoencoder() if world == "sky" else None, trained)
