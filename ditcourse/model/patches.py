"""Spacetime patches: a clip becomes a row of tokens and comes back (hand sheet: step 1 and step 13)."""

from torch import Tensor


def token_grid(size: tuple[int, int, int], patch_size: tuple[int, int, int]) -> tuple[int, int, int]:
    """How many patches fit along time, height and width; their product is the number of tokens.

    Raises ValueError where a side is not a multiple of the patch.
    """
    for name, side, patch in zip(("frames", "height", "width"), size, patch_size, strict=True):
        if patch < 1 or side < 1 or side % patch:
            raise ValueError(
                f"{name} = {side} cannot be cut into patches of {patch}: it must be a multiple of the patch"
            )
    return tuple(side // patch for side, patch in zip(size, patch_size, strict=True))


def patchify(x: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """Cut clips into tokens, (B, C, T, H, W) -> (B, N, C p_t p_h p_w) with N = T/p_t * H/p_h * W/p_w.

    Tokens run through time first, then rows, then columns (the last varies fastest). Within a token the values
    run (c, p_t, p_h, p_w), the order of a convolution's weight, so that `Linear` on tokens equals the paper's
    strided convolution. T = 1 is an image. `unpatchify` inverts it bit for bit.
    """
    if x.dim() != 5:
        raise ValueError(
            f"x must be (B, C, T, H, W), got shape {tuple(x.shape)}; an image is a clip with T = 1"
        )
    B, C, T, H, W = x.shape
    p_t, p_h, p_w = patch_size
    t, h, w = token_grid((T, H, W), patch_size)
    x = x.reshape(B, C, t, p_t, h, p_h, w, p_w)
    x = x.permute(0, 2, 4, 6, 1, 3, 5, 7)  # (B, t, h, w, C, p_t, p_h, p_w)
    return x.reshape(B, t * h * w, C * p_t * p_h * p_w)


def unpatchify(
    tokens: Tensor, patch_size: tuple[int, int, int], size: tuple[int, int, int], channels_last: bool = False
) -> Tensor:
    """Put tokens back into clips, (B, N, C p_t p_h p_w) -> (B, C, T, H, W) for size = (T, H, W).

    channels_last: the values of a token run (p_t, p_h, p_w, c) instead. DiT's final layer writes them so, while
    its patch convolution reads them channel first; both orders are the official ones.
    """
    p_t, p_h, p_w = patch_size
    t, h, w = token_grid(size, patch_size)
    patch = p_t * p_h * p_w
    if tokens.dim() != 3 or tokens.shape[1] != t * h * w or tokens.shape[2] % patch:
        raise ValueError(
            f"tokens must be (B, {t * h * w}, a multiple of {patch}) for size {tuple(size)} and patch "
            f"{tuple(patch_size)}, got {tuple(tokens.shape)}"
        )
    B, C = tokens.shape[0], tokens.shape[2] // patch
    if channels_last:
        x = tokens.reshape(B, t, h, w, p_t, p_h, p_w, C).permute(0, 7, 1, 4, 2, 5, 3, 6)
    else:
        x = tokens.reshape(B, t, h, w, C, p_t, p_h, p_w).permute(0, 4, 1, 5, 2, 6, 3, 7)
    return x.reshape(B, C, *size)
