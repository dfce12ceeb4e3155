"""What a training run is made from: one frozen table of numbers, kept beside the weights as JSON."""

from __future__ import annotations

from dataclasses import dataclass, fields

PREDICTION_TYPES = ("velocity", "epsilon", "x0")
OPTIMIZERS = ("adamw", "muon")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class TrainConfig:
    """One run, reproducible from these numbers and the data. Raises ValueError, naming the field, for a bad one."""

    steps: int = 3000
    batch_size: int = 32  # over all processes together
    learning_rate: float = 2e-3
    optimizer: str = "adamw"  # or "muon": for the matrices inside the blocks
    warmup: int = 50  # steps over which the learning rate rises
    decay_from: float = 0.7  # the last 30 % of the steps let it fall to zero
    weight_decay: float = 0.0
    prediction_type: str = "velocity"
    times: str = "logit-normal"  # or "uniform"
    time_shift: float = 2.0  # training times lean towards the noise; 1 is no shift
    prompt_dropout: float = 0.1  # how often the prompt is hidden, so that guidance has a null to compare with
    clip_norm: float = 1.0
    ema_decay: float = 0.995
    precision: str = "auto"  # what the hardware does best, see `hardware.choose_precision`
    compile: bool = False  # compile each block: slow to start, faster after
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch_size", "warmup", "seed"):
            value, least = getattr(self, name), 1 if name in ("steps", "batch_size") else 0
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        for name in ("learning_rate", "time_shift", "clip_norm"):
            if not isinstance(getattr(self, name), (int, float)) or not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        for name in ("decay_from", "prompt_dropout", "ema_decay", "weight_decay"):
            if not isinstance(getattr(self, name), (int, float)) or not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)!r}")
        for name, allowed in (
            ("optimizer", OPTIMIZERS),
            ("prediction_type", PREDICTION_TYPES),
            ("times", ("logit-normal", "uniform")),
            ("precision", PRECISIONS),
            ("compile", (False, True)),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(map(repr, allowed))}, got {getattr(self, name)!r}"
                )

    @classmethod
    def from_dict(cls, values: dict) -> TrainConfig:
        """The config that `dataclasses.asdict` (or its JSON) holds."""
        names = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r}; allowed: {', '.join(names)}")
        return cls(**values)

    def learning_rate_at(self, step: int) -> float:
        """Rise, stay, fall to zero: the learning rate of step 0, 1, ..."""
        rise = (step + 1) / self.warmup if step < self.warmup else 1.0
        fall = (self.steps - step) / max(1.0, self.steps * (1 - self.decay_from))
        return self.learning_rate * min(1.0, rise, fall)
