"""Start a run 20 times and kill it every time: `python killed.py FOLDER`. Prints the step of the checkpoint found.

Torch is imported once and each run is a fork of this process, which itself never trains. Odd kills come from outside
at a random moment, even ones from inside the writing of a file, with half of it on the disk.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from ditcourse.training import checkpoint, fit, load_checkpoint, loop
from ditcourse.training.run import start
from tests.training.helpers import LONG

loop.LOG_EVERY = 1  # a checkpoint after every step
torch.set_num_threads(1)


def die_while_writing(countdown: int, share: float) -> None:
    """From the countdown-th file on: cut the file to its share, and SIGKILL."""
    real, count = os.fsync, [countdown]

    def fsync(descriptor):
        count[0] -= 1
        if count[0] <= 0:
            os.ftruncate(descriptor, int(os.fstat(descriptor).st_size * share))
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync


def main(folder: Path) -> None:
    dice, steps = random.Random(0), []
    for kill in range(20):
        inside = kill % 2 == 0
        child = os.fork()
        if child == 0:
            if inside:
                die_while_writing(dice.randrange(4, 12), dice.random())
            fit(LONG, folder, "cpu", resume=True, progress=False)
            os._exit(0)
        dice.random(), dice.random()
        if not inside:
            before = checkpoint.last_checkpoint(folder)
            while checkpoint.last_checkpoint(folder) == before:  # until it has written anew
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.04))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
        trainer = start(LONG)
        load_checkpoint(trainer, folder)  # raises where the last one is damaged
        steps.append(trainer.step)
    print(json.dumps(steps))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
