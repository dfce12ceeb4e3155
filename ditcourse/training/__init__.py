"""Learning: the loss, the loop, and weights on disk (hand sheet: step 10)."""

from ditcourse.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights
from ditcourse.training.config import TrainConfig
from ditcourse.training.data import load_autoencoder, sky_latents, tokenizer, world_batches
from ditcourse.training.loop import Trainer
from ditcourse.training.loss import diffusion_loss, flow_loss
from ditcourse.training.run import RunConfig, fit

__all__ = [
    "RunConfig",
    "TrainConfig",
    "Trainer",
    "diffusion_loss",
    "fit",
    "flow_loss",
    "load_autoencoder",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
    "save_weights",
    "sky_latents",
    "tokenizer",
    "world_batches",
]
