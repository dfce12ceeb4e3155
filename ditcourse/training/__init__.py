"""Learning: the loss, the loop, and weights on disk (hand sheet: step 10)."""

from ditcourse.training.checkpoint import load_weights, save_weights
from ditcourse.training.data import tokenizer, world_batches
from ditcourse.training.loop import TrainConfig, Trainer
from ditcourse.training.loss import flow_loss

__all__ = [
    "TrainConfig",
    "Trainer",
    "flow_loss",
    "load_weights",
    "save_weights",
    "tokenizer",
    "world_batches",
]
