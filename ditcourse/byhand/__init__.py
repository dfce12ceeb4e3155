"""The hand exercise: Sora's diffusion transformer small enough for paper. NumPy only.

    from ditcourse import byhand
    exercise = byhand.load()
    key = byhand.solve(exercise)
    key.loss                      # 2.0

Credit: the idea and part of the givens are Prof. Tom Yeh's ("AI by Hand" no. 18, 2024).
"""

from ditcourse.byhand import extensions, rows
from ditcourse.byhand.counting import Counting, best_guess, new_counting, within_reach
from ditcourse.byhand.data import Exercise, load
from ditcourse.byhand.instances import new_exercise
from ditcourse.byhand.solve import Gradients, Key, backward, sgd_step, solve
from ditcourse.byhand.steps import (
    add_noise,
    attention_pool,
    attention_weights,
    bias_step,
    binary_time,
    decode,
    denoise,
    encode,
    make_condition,
    modulate,
    mse,
    noise_gradient,
    patchify,
    predict_noise,
    scale_shift,
    unpatchify,
)
from ditcourse.byhand.table import STEPS, Step

__all__ = [
    "STEPS", "Counting", "Exercise", "Gradients", "Key", "Step", "add_noise", "attention_pool", "attention_weights",
    "backward", "best_guess", "bias_step", "binary_time", "decode", "denoise", "encode", "extensions", "load",
    "make_condition", "modulate", "mse", "new_counting", "new_exercise", "noise_gradient", "patchify",
    "predict_noise", "rows", "scale_shift", "sgd_step", "solve", "unpatchify", "within_reach",
]  # fmt: skip
