"""What steers the denoiser: the time step, and words or a label, each a vector (hand sheet: step 4).

The hand sheet concatenates the two; DiT adds them, which is the same as concatenating before one linear map.
"""

import difflib
import math

import torch
from torch import Tensor, nn

from ditcourse.model.positions import sincos_1d


def timestep_embedding(t: Tensor, dim: int = 256) -> Tensor:
    """Cosines, then sines, of t (B,) at dim/2 frequencies exp(-ln(10000) i / (dim/2)): (B, dim), float32.

    t counts in 0..1000 and may be fractional. Source: the DiT paper's frequency embedding (2212.09748, section 3.2).
    """
    half = dim // 2
    frequencies = torch.exp(
        -math.log(10000) * torch.arange(half, dtype=torch.float32, device=t.device) / half
    )
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class TimestepEmbedder(nn.Module):
    """t (B,) in 0..1000 -> (B, D): 256 frequencies, then a two-layer MLP with SiLU."""

    def __init__(self, dim: int, frequencies: int = 256):
        super().__init__()
        self.frequencies = frequencies
        self.mlp = nn.Sequential(nn.Linear(frequencies, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        return self.mlp(timestep_embedding(t, self.frequencies).to(self.mlp[0].weight.dtype))


class Tokenizer:
    """Words to numbers, for a declared vocabulary. Number 0 is the pad; an empty prompt is the null prompt.

    Raises ValueError for an unknown word, naming it and the nearest known ones, and for a prompt that is too long.
    """

    def __init__(self, vocabulary: tuple[str, ...], max_length: int):
        self.vocabulary, self.max_length = tuple(vocabulary), max_length
        self.number = {word: i for i, word in enumerate(self.vocabulary, start=1)}

    def __call__(self, prompts: list[str]) -> Tensor:
        """Prompts -> (B, max_length) int64, padded with 0 on the right."""
        if isinstance(prompts, str):
            raise TypeError(f"prompts must be a list of strings, got one string: [{prompts!r}] is allowed")
        return torch.tensor([self._numbers(prompt) for prompt in prompts], dtype=torch.long).reshape(
            -1, self.max_length
        )

    def _numbers(self, prompt: str) -> list[int]:
        words = prompt.lower().replace(",", " ").replace(".", " ").split()
        for word in words:
            if word not in self.number:
                near = difflib.get_close_matches(word, self.vocabulary, n=3, cutoff=0.5) or sorted(
                    self.vocabulary
                )
                raise ValueError(
                    f"unknown word {word!r} in the prompt {prompt!r}; nearest known: {', '.join(near)}"
                )
        if len(words) > self.max_length:
            raise ValueError(
                f"the prompt {prompt!r} has {len(words)} words; at most {self.max_length} are allowed"
            )
        return [self.number[word] for word in words] + [0] * (self.max_length - len(words))


class TextEmbedder(nn.Module):
    """Token numbers (B, L) -> one pooled vector (B, D): the mean of the words' learned vectors.

    The null prompt (no word at all) has a learned vector of its own; training drops prompts to it so that guidance
    has something to steer away from (Ho & Salimans 2022, 2207.12598).
    """

    null = 0  # a row of these is the null prompt

    def __init__(self, vocabulary_size: int, dim: int):
        super().__init__()
        self.embedding_table = nn.Embedding(vocabulary_size + 1, dim)  # row 0: the null prompt

    def forward(self, tokens: Tensor) -> Tensor:
        known = (tokens > 0).unsqueeze(-1)  # (B, L, 1)
        count = known.sum(dim=1)  # (B, 1)
        words = (self.embedding_table(tokens) * known).sum(dim=1) / count.clamp(min=1)
        return torch.where(count > 0, words, self.embedding_table.weight[0])

    def words(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Every word by itself, (B, L, D) with its place in the sentence added, and which are words, (B, L)."""
        vectors = self.embedding_table(tokens)
        places = sincos_1d(vectors.shape[2], torch.arange(tokens.shape[1])).to(vectors)
        return vectors + places, tokens > 0


class LabelEmbedder(nn.Module):
    """Class numbers (B,) in 0..num_classes-1 -> (B, D), as in DiT; number num_classes is the null label."""

    def __init__(self, num_classes: int, dim: int):
        super().__init__()
        self.null = num_classes
        self.embedding_table = nn.Embedding(num_classes + 1, dim)

    def forward(self, labels: Tensor) -> Tensor:
        return self.embedding_table(labels)
