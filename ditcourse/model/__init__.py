"""The diffusion transformer, in the order in which the data flows through it:

patches -> positions -> conditions -> attention -> dit (block, final layer, the whole model).
`config` holds the shapes and their names, `counts` what they cost, `ladder` the way from the hand sheet to the block.
"""

from ditcourse.model.config import DiTConfig
from ditcourse.model.counts import count_macs, count_parameters
from ditcourse.model.dit import DiT, DiTBlock
from ditcourse.model.official import load_official

__all__ = ["DiT", "DiTBlock", "DiTConfig", "count_macs", "count_parameters", "load_official"]
