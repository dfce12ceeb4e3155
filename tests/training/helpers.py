"""Small runs that several tests share."""

from dataclasses import replace

from ditcourse import world
from ditcourse.model import DiTConfig
from ditcourse.training import RunConfig, TrainConfig

SMALL = DiTConfig(hidden_size=16, depth=1, num_heads=1, vocabulary_size=len(world.VOCABULARY))
TRAIN = TrainConfig(steps=12, batch_size=4, warmup=3)
RUN = RunConfig(SMALL, TRAIN, checkpoint_every=5, sample_every=0)
LONG = replace(RUN, train=replace(TRAIN, steps=4000), checkpoint_every=1)
