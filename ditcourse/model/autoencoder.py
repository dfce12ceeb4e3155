"""Clips to latents and back: a small convolutional autoencoder of space and time (hand sheet: steps 2 and 12).

(B, 3, T, H, W) in [-1, 1] -> (B, 4, T/4, H/4, W/4), 48 times fewer values, as in the DiT paper. Four frames are one
latent frame, as four by four pixels are one latent cell. Trained first, then frozen: the denoiser never changes it
(Kingma & Welling 2013, 1312.6114; latent diffusion, 2112.10752).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ditcourse.model.patches import patchify, token_grid, unpatchify

TIME, SPACE = 4, 4  # frames in a latent frame; pixels along a side of a latent cell


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of an autoencoder. Raises ValueError, naming the field, for what is not a positive whole number."""

    in_channels: int = 3
    latent_channels: int = 4
    width: int = 64  # channels at half the picture's size; at a quarter twice as many
    encoder_depth: int = 2  # residual blocks at each of the two sizes
    decoder_depth: int = 3

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{field.name} must be a whole number of at least 1, got {value!r}")

    @classmethod
    def from_dict(cls, values: dict) -> AutoencoderConfig:
        """The config that `dataclasses.asdict` (or its JSON) holds."""
        names = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise ValueError(f"unknown field {unknown[0]!r}; allowed: {', '.join(names)}")
        return cls(**values)


class ResBlock(nn.Module):
    """x + what its neighbours say: a 3x3 convolution, with time one over the frames before and after, another 3x3.

    x (B, C, T, H, W), any sizes. The last convolution starts at zero, so that the block starts as the identity.
    """

    def __init__(self, width: int, time: bool):
        super().__init__()
        self.space = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1))
        self.time = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0)) if time else None
        self.out = nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        h = F.silu(self.space(rms_norm(x)))
        if self.time is not None:
            h = F.silu(h + self.time(h))
        return x + self.out(h)


def rms_norm(x: Tensor) -> Tensor:
    """Each position's channels divided by their root mean square: the same for every size of clip."""
    return x * x.square().mean(1, keepdim=True).add(1e-6).rsqrt()


def fold(x: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """Neighbours become channels: (B, C, T, H, W) -> (B, C p_t p_h p_w, T/p_t, H/p_h, W/p_w)."""
    grid = token_grid(x.shape[2:], patch_size)
    return patchify(x, patch_size).transpose(1, 2).unflatten(2, grid)


def unfold(x: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """The inverse of `fold`."""
    size = tuple(side * patch for side, patch in zip(x.shape[2:], patch_size, strict=True))
    return unpatchify(x.flatten(2).transpose(1, 2), patch_size, size)


class Autoencoder(nn.Module):
    """Encoder and decoder, and what brings each latent channel to mean 0 and standard deviation 1.

    T, H and W may be any multiples of 4; an image is its frame four times.
    """

    config_class = AutoencoderConfig

    def __init__(self, config: AutoencoderConfig | None = None):
        super().__init__()
        self.config = config or AutoencoderConfig()
        self.encoder, self.decoder = Encoder(self.config), Decoder(self.config)
        self.register_buffer("latent_mean", torch.zeros(self.config.latent_channels))
        self.register_buffer("latent_std", torch.ones(self.config.latent_channels))

    def encode(self, x: Tensor) -> Tensor:
        """Clips (B, 3, T, H, W) in [-1, 1] -> latents (B, 4, T/4, H/4, W/4), normalised; the posterior's mean.

        Raises ValueError where a side is not a multiple of 4 or the channels are not the model's.
        """
        mean, _ = self.posterior(x)
        return (mean - _channels(self.latent_mean)) / _channels(self.latent_std)

    def decode(self, z: Tensor) -> Tensor:
        """Normalised latents (B, 4, T/4, H/4, W/4) -> clips (B, 3, T, H, W), about [-1, 1] but not clipped."""
        if z.dim() != 5 or z.shape[1] != self.config.latent_channels:
            raise ValueError(f"z must be (B, {self.config.latent_channels}, T, H, W), got {tuple(z.shape)}")
        return self.decoder(z * _channels(self.latent_std) + _channels(self.latent_mean))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents before normalisation."""
        if x.dim() != 5 or x.shape[1] != self.config.in_channels:
            raise ValueError(f"x must be (B, {self.config.in_channels}, T, H, W), got {tuple(x.shape)}")
        for name, side, factor in zip(("frames", "height", "width"), x.shape[2:], (TIME, SPACE, SPACE), strict=True):
            if side < factor or side % factor:
                raise ValueError(f"{name} must be a multiple of {factor}, got {side}")
        return self.encoder(x)

    def latent_size(self, size: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """Shape of the latents, (4, T/4, H/4, W/4), for clips of size (T, H, W)."""
        T, H, W = size
        return self.config.latent_channels, T // TIME, H // SPACE, W // SPACE


def _channels(values: Tensor) -> Tensor:
    return values[:, None, None, None]


class Encoder(nn.Module):
    """Clips (B, 3, T, H, W) -> mean and log variance of the latents, each (B, 4, T/4, H/4, W/4)."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        fine, coarse, depth = config.width, 2 * config.width, config.encoder_depth
        self.into = _conv(config.in_channels * TIME * 2 * 2, fine)
        self.fine = nn.Sequential(*[ResBlock(fine, time=False) for _ in range(depth)])
        self.down = _conv(fine * 2 * 2, coarse, 1)
        self.coarse = nn.Sequential(*[ResBlock(coarse, time=True) for _ in range(depth)])
        self.out = _conv(coarse, 2 * config.latent_channels, 1)
        nn.init.constant_(self.out.bias[config.latent_channels :], -4.0)  # little noise at first, or nothing is learned

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.fine(self.into(fold(x, (TIME, 2, 2))))
        x = self.coarse(self.down(fold(x, (1, 2, 2))))
        mean, log_variance = self.out(rms_norm(x)).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 4)


class Decoder(nn.Module):
    """Latents (B, 4, T/4, H/4, W/4) -> clips (B, 3, T, H, W), the encoder's way back."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        fine, coarse, depth = config.width, 2 * config.width, config.decoder_depth
        self.into = _conv(config.latent_channels, coarse)
        self.coarse = nn.Sequential(*[ResBlock(coarse, time=True) for _ in range(depth)])
        self.up = _conv(coarse, fine * 2 * 2, 1)
        self.fine = nn.Sequential(*[ResBlock(fine, time=False) for _ in range(depth)])
        self.out = _conv(fine, config.in_channels * TIME * 2 * 2)

    def forward(self, z: Tensor) -> Tensor:
        x = unfold(self.up(self.coarse(self.into(z))), (1, 2, 2))
        return unfold(self.out(rms_norm(self.fine(x))), (TIME, 2, 2))


def _conv(inputs: int, outputs: int, size: int = 3) -> nn.Conv3d:
    return nn.Conv3d(inputs, outputs, (1, size, size), padding=(0, size // 2, size // 2))
