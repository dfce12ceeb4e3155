"""The steps of the sheet: names, both numberings, what each means, and where the real model does it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step. `number_13` counts from the patches (Dey), `number_14` from the given (Yeh)."""

    key: str
    name: str
    number_13: int | None  # the given has none there
    number_14: int
    title: str
    meaning: str  # one line
    leaves_out: str  # what the toy leaves out
    function: str  # in ditcourse.byhand
    symbol: str  # dotted name in the package
    part: str = ""  # "b" for the second half of a step
    note: str = ""  # where the package symbol is only the nearest thing

    @property
    def label_13(self):
        """The number as text: "9", "10b", or "–" for the given."""
        return "–" if self.number_13 is None else f"{self.number_13}{self.part}"

    @property
    def label_14(self):
        return f"{self.number_14}{self.part}"

    @property
    def label(self):
        """Both numbers: "[9 / 10]"."""
        return f"[{self.label_13} / {self.label_14}]"


STEPS = (
    Step(
        "given", "Given", None, 1, "What is given",
        "A video of four frames, a prompt and a step number t.",
        "A real model sees millions of captioned clips, each with many noise levels.",
        "load", "ditcourse.world.render",
    ),
    Step(
        "patches", "Patches", 1, 2, "Cut the video into patches",
        "Each patch becomes a column of numbers: a token.",
        "Here a token is a whole frame; real patches are small blocks that may also span time.",
        "patchify", "ditcourse.model.patches.patchify",
    ),
    Step(
        "encoder", "Visual encoder", 2, 3, "Shrink each patch",
        "Four pixels become two latent numbers; what is clipped here is lost.",
        "A real encoder is a deep network trained beforehand; here it is one layer, and given.",
        "encode", "ditcourse.model.autoencoder.Encoder",
        note="of Skyworld, chapter 12; the miniature works on pixels, without an encoder",
    ),
    Step(
        "noise", "Add noise", 3, 4, "Add noise",
        "Known noise is added, so that there is something to predict.",
        "Real training draws the noise anew each time and scales it by the level t; here t changes nothing.",
        "add_noise", "ditcourse.diffusion.noise.add_noise",
    ),
    Step(
        "condition", "Condition", 4, 5, "Turn prompt and time into numbers",
        "The prompt's numbers and the step number in binary stand in one list c.",
        "A real model learns its text numbers and gives t as sines and cosines.",
        "make_condition", "ditcourse.model.conditions.TextEmbedder",
    ),
    Step(
        "scale_shift", "Scale and shift", 5, 6, "Estimate scale and shift",
        "One linear layer turns the condition into a scale and a shift for each latent row.",
        "A real block has its own layer of this kind, and gates besides.",
        "scale_shift", "ditcourse.model.dit.DiTBlock",
    ),
    Step(
        "modulate", "Apply condition", 6, 7, "Apply scale and shift",
        "Every token is multiplied by the scale and moved by the shift: here the prompt gets in.",
        "The adaptive layer norm of the real model normalises first; here there is no norm.",
        "modulate", "ditcourse.model.dit.modulate",
    ),
    Step(
        "attention", "Self-attention", 7, 8, "Find who listens to whom",
        "Scores say which tokens each token listens to; the two largest count one half each.",
        "The scores are given; a real model computes them, in many heads, and takes a softmax.",
        "attention_weights", "ditcourse.model.attention.Attention",
    ),
    Step(
        "pooling", "Attention pooling", 8, 9, "Mix the tokens",
        "Each new token is the mean of the two it listens to: the only step that mixes tokens.",
        "A real model mixes values made by a layer of their own, and adds the result to what was there.",
        "attention_pool", "ditcourse.model.attention.Attention",
    ),
    Step(
        "feedforward", "Feed-forward", 9, 10, "Predict the noise",
        "A linear layer, token by token, gives the model's guess of the noise.",
        "A real block has two layers with a curve between them, and there are many blocks.",
        "predict_noise", "ditcourse.model.dit.MLP",
    ),
    Step(
        "gradient", "Loss and gradient", 10, 11, "Compare with the true noise",
        "Guess minus truth is the error, and the direction in which to learn.",
        "A real model averages over many clips and noise levels.",
        "noise_gradient", "ditcourse.training.loss.flow_loss",
    ),
    Step(
        "update", "Update", 10, 11, "Learn: move the bias",
        "The output bias moves against the mean error of its row.",
        "A real model moves all its weights, in small steps, many thousand times.",
        "bias_step", "ditcourse.training.loop.Trainer", "b",
    ),
    Step(
        "denoise", "Denoise", 11, 12, "Take the predicted noise away",
        "What is left is the denoised latent.",
        "Here a training clip is cleaned at one go; a new clip starts from noise alone and takes many steps.",
        "denoise", "ditcourse.diffusion.samplers.sample",
    ),
    Step(
        "decode", "Visual decoder", 12, 13, "Back to pixels",
        "Two latent numbers become four pixels.",
        "A real decoder is a deep network trained together with the encoder.",
        "decode", "ditcourse.model.autoencoder.Decoder",
        note="of Skyworld, chapter 12; the miniature has no decoder",
    ),
    Step(
        "video", "Video", 13, 14, "Put the frames together",
        "Each column becomes a frame again.",
        "Real patches are put back at their places in space and time.",
        "unpatchify", "ditcourse.model.patches.unpatchify",
    ),
)  # fmt: skip
