"""How many parameters a DiT has and what one forward pass costs, in closed form: nothing is built.

The paper's "Gflops" are multiply-accumulates (MACs) in thousands of millions; FLOPs are twice that, and a training
step about three forward passes.
"""

from ditcourse.model.config import DiTConfig

FREQUENCIES = 256  # of the `TimestepEmbedder`


def count_parameters(config: DiTConfig) -> int:
    """Trainable numbers (the fixed tables of positions are not counted), equal to the built model's to the last one."""
    return sum(parameters_by_part(config).values())


def parameters_by_part(config: DiTConfig) -> dict[str, int]:
    """Trainable numbers of each part of the model, in the order of the data's way through it."""
    D, L, hidden = config.hidden_size, config.depth, int(config.hidden_size * config.mlp_ratio)
    patch = config.patch_size[0] * config.patch_size[1] * config.patch_size[2]
    one_map = D * 6 * D + 6 * D  # adaLN: shift, scale and gate, twice
    return {
        "patches": config.in_channels * patch * D + D,
        "time": (FREQUENCIES * D + D) + (D * D + D),
        "words or labels": (config.vocabulary_size + config.num_classes + 1) * D,
        "attention": L * (4 * D * D + 4 * D + (2 * D // config.num_heads if config.qk_norm else 0)),
        "mlp": L * (2 * D * hidden + hidden + D),
        "modulation": one_map + L * 6 * D if config.modulation == "adaLN-single" else L * one_map,
        "final layer": (2 * D * D + 2 * D)
        + (D * config.out_channels * patch + config.out_channels * patch),
    }


def count_macs(config: DiTConfig, layer_norms: bool = True) -> int:
    """Multiply-accumulates of one forward pass of one clip of `config.input_size`.

    layer_norms: count each normalised value as one, as the paper's figures do. Softmax, GELU and sums are not counted.
    """
    return sum(macs_by_part(config, layer_norms).values())


def macs_by_part(config: DiTConfig, layer_norms: bool = True) -> dict[str, int]:
    """Multiply-accumulates of each part: those of attention's own map grow with the square of the tokens."""
    D, L, N = config.hidden_size, config.depth, config.num_tokens
    T, hidden = N + config.word_tokens, int(D * config.mlp_ratio)
    patch = config.patch_size[0] * config.patch_size[1] * config.patch_size[2]
    modulations = 1 if config.modulation == "adaLN-single" else L
    parts = {
        "patches": N * config.in_channels * patch * D,
        "time": FREQUENCIES * D + D * D,
        "attention: projections": L * T * 4 * D * D,
        "attention: scores and mixing": L * 2 * T * T * D,
        "mlp": L * T * 2 * D * hidden,
        "modulation": modulations * 6 * D * D,
        "final layer": 2 * D * D + N * D * config.out_channels * patch,
    }
    if layer_norms:
        parts["norms"] = (2 * L * T + N) * D + (2 * L * T * D if config.qk_norm else 0)
    return parts
