"""A model's shape, checked, with the published sizes and the course's own by name."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ditcourse.model.patches import token_grid


@dataclass(frozen=True)
class DiTConfig:
    """What a DiT is built from. Sides in latent cells or pixels; every side a multiple of its patch.

    Conditions: words (vocabulary_size > 0) or class labels (num_classes > 0), never both. Raises ValueError, naming
    the field, what came and what is allowed.
    """

    input_size: tuple[int, int, int] = (8, 16, 16)  # T, H, W; T = 1 is an image
    patch_size: tuple[int, int, int] = (2, 4, 4)  # p_t, p_h, p_w
    in_channels: int = 3
    hidden_size: int = 128
    depth: int = 4
    num_heads: int = 4
    mlp_ratio: float = 4.0
    vocabulary_size: int = 0  # words, not counting the null prompt
    word_tokens: int = 0  # longest prompt whose words stand beside the patches; 0: only their mean, through adaLN
    num_classes: int = 0  # labels, not counting the null
    learn_sigma: bool = False  # twice the channels out: the noise, and a variance for DDPM
    positions: str = "sincos"
    modulation: str = "adaLN-Zero"
    qk_norm: bool = False

    def __post_init__(self):
        for name in ("input_size", "patch_size"):
            sides = getattr(self, name)
            if not isinstance(sides, (list, tuple)) or len(sides) != 3 or not all(map(_whole, sides)):
                raise ValueError(f"{name} must be three whole numbers (T, H, W), got {sides!r}")
            object.__setattr__(self, name, tuple(sides))  # JSON knows only lists
        for name, least in (
            *((name, 1) for name in ("in_channels", "hidden_size", "depth", "num_heads")),
            *((name, 0) for name in ("vocabulary_size", "word_tokens", "num_classes")),
        ):
            value = getattr(self, name)
            if not _whole(value) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        for name, allowed in (
            ("positions", ("sincos", "rope", "none")),
            ("modulation", ("adaLN-Zero", "adaLN-single")),
            ("learn_sigma", (False, True)),
            ("qk_norm", (False, True)),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, allowed))}, got {getattr(self, name)!r}"
                )
        if not isinstance(self.mlp_ratio, (int, float)) or int(self.hidden_size * self.mlp_ratio) < 1:
            raise ValueError(f"mlp_ratio must be a positive number, got {self.mlp_ratio!r}")
        if (self.vocabulary_size > 0) == (self.num_classes > 0):
            raise ValueError(
                "give vocabulary_size for prompts or num_classes for labels, one of the two: "
                f"got vocabulary_size = {self.vocabulary_size}, num_classes = {self.num_classes}"
            )
        if self.word_tokens and not self.vocabulary_size:
            raise ValueError(f"word_tokens = {self.word_tokens} needs words: a vocabulary_size above 0")
        if self.hidden_size % self.num_heads:
            raise ValueError(f"num_heads = {self.num_heads} must divide hidden_size = {self.hidden_size}")
        if self.positions == "sincos" and self.hidden_size % 4:
            raise ValueError(
                f"hidden_size must be a multiple of 4 (sine and cosine of two axes), got {self.hidden_size}"
            )
        head_dim = self.hidden_size // self.num_heads
        if self.positions == "rope" and (head_dim % 2 or head_dim < 6):
            raise ValueError(
                f"positions = 'rope' needs heads of an even width of at least 6, got {self.hidden_size} / "
                f"{self.num_heads} = {head_dim}"
            )
        if self.word_tokens and self.hidden_size % 2:
            raise ValueError(
                f"hidden_size must be even where words have places in the sentence, got {self.hidden_size}"
            )
        token_grid(self.input_size, self.patch_size)

    @property
    def out_channels(self) -> int:
        """Channels that the model puts out."""
        return 2 * self.in_channels if self.learn_sigma else self.in_channels

    @property
    def num_tokens(self) -> int:
        """Patches of one clip of `input_size`."""
        t, h, w = token_grid(self.input_size, self.patch_size)
        return t * h * w

    @classmethod
    def preset(cls, name: str, **changes) -> DiTConfig:
        """A named shape, with changes: `DiTConfig.preset("DiT-S/2", input_size=(1, 64, 64))`.

        DiT-{S,B,L,XL}/{2,4,8} are the published image models (256x256 pixels as latents of 32x32x4, 1,000 labels,
        learned variance). mini is the miniature; cpu, t4 and big are the small Sora, for Skyworld's latents. Raises
        ValueError for an unknown name or field.
        """
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}; allowed: {', '.join(PRESETS)}")
        return replace(cls(**PRESETS[name]), **_known(changes))

    @classmethod
    def from_dict(cls, values: dict) -> DiTConfig:
        """The config that `dataclasses.asdict` (or its JSON) holds."""
        if not isinstance(values, dict):
            raise ValueError(f"a config is a table of names and values, got {type(values).__name__}")
        return cls(**_known(values))


def _whole(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _known(values: dict) -> dict:
    names = [field.name for field in fields(DiTConfig)]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise ValueError(f"unknown field {unknown[0]!r}; allowed: {', '.join(names)}")
    return values


# Table 1 of the DiT paper: depth, width, heads.
SIZES = {"S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
PRESETS = {
    f"DiT-{size}/{p}": {
        "input_size": (1, 32, 32),
        "patch_size": (1, p, p),
        "in_channels": 4,
        "hidden_size": width,
        "depth": depth,
        "num_heads": heads,
        "num_classes": 1000,
        "learn_sigma": True,
    }
    for size, (depth, width, heads) in SIZES.items()
    for p in (2, 4, 8)
}
# The course's own: chapter 3's miniature, over its 13 words, and the small Sora in three sizes, over Skyworld's 41.
PRESETS["mini"] = {"vocabulary_size": 13}
PRESETS["cpu"] = {
    "input_size": (4, 16, 16),
    "patch_size": (1, 2, 2),
    "in_channels": 4,
    "vocabulary_size": 41,
    "word_tokens": 10,
    "modulation": "adaLN-single",
    "qk_norm": True,
}
PRESETS["t4"] = PRESETS["cpu"] | {"hidden_size": 256, "depth": 7}
PRESETS["big"] = PRESETS["cpu"] | {"hidden_size": 384, "depth": 12, "num_heads": 6}
