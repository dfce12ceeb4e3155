"""Noise, and the way back: what is added, what is predicted, and the sampler that removes it in many small steps.

One convention of time, as in diffusers and Stable Diffusion 3: t = 0 is the clip, t = 1 is pure noise. Noise grows
with t. (Some papers run t the other way; check before you compare formulas.)
"""

from ditcourse.diffusion.noise import add_noise, velocity
from ditcourse.diffusion.samplers import sample

__all__ = ["add_noise", "sample", "velocity"]
