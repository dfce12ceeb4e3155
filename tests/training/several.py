"""What each process of `torchrun` does in the tests: `several.py FOLDER MODE STEPS [die]`."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from ditcourse.training import fit
from tests.training.helpers import RUN, TRAIN

torch.set_num_threads(1)
folder, mode, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
config = replace(RUN, train=replace(TRAIN, steps=12), checkpoint_every=4)
if len(sys.argv) > 4 and os.environ["RANK"] == "1":  # one worker dies after some steps
    from ditcourse.training import loop

    real = loop.Trainer._one_step

    def one_step(self):
        if self.step == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        real(self)

    loop.Trainer._one_step = one_step
from ditcourse.training import loop  # noqa: E402

loop.LOG_EVERY = 4
fit(config, folder, "cpu", resume=True, shard=mode == "fsdp", progress=False)
