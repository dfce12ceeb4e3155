"""The diffusion transformer, in the order in which the data flows through it:

patches -> positions -> conditions -> attention -> dit (block, final layer, the whole model).
"""

from ditcourse.model.dit import DiT, DiTBlock, DiTConfig

__all__ = ["DiT", "DiTBlock", "DiTConfig"]
