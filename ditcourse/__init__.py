"""ditcourse: from a pencil-and-paper diffusion transformer to a small text-to-video DiT.

`import ditcourse` is quick and loads no torch; the rooms are imported by name:

    ditcourse.byhand     the hand exercise in NumPy            ditcourse.check      answers checked, slips named
    ditcourse.model      patches ... DiT                       ditcourse.diffusion  noise, sampler
    ditcourse.training   loss, loop, checkpoints               ditcourse.world      captioned clips, oracle
    ditcourse.figures    clips and plots                       ditcourse.pipeline   prompt in, clip out
"""

from ditcourse.environment import __version__, info, rung, setup

__all__ = ["__version__", "info", "rung", "setup"]
