"""Our image DiT and diffusers' `DiTTransformer2DModel`, with the same weights.

Two silent divergences of diffusers from the paper's code are neutralised: its frequencies divide by 127 instead of
128, and its norm's epsilon is 1e-5. Every diffusers block owns a copy of the time and label embedder.
"""

import diffusers
import torch

from ditcourse.model import DiTConfig

PER_BLOCK = {
    "attn1.to_out.0": "attn.proj",
    "ff.net.0.proj": "mlp.fc1",
    "ff.net.2": "mlp.fc2",
    "norm1.linear": "adaLN_modulation.1",
}
COPIED = {
    "norm1.emb.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "norm1.emb.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "norm1.emb.class_embedder.embedding_table": "y_embedder.embedding_table",
}
OUTSIDE = {"proj_out_1": "final_layer.adaLN_modulation.1", "proj_out_2": "final_layer.linear"}


def build(config: DiTConfig):
    """An untrained diffusers model of the shape of `config` (square images, labels)."""
    model = diffusers.DiTTransformer2DModel(
        num_attention_heads=config.num_heads,
        attention_head_dim=config.hidden_size // config.num_heads,
        in_channels=config.in_channels,
        out_channels=config.out_channels,
        num_layers=config.depth,
        sample_size=config.input_size[1],
        patch_size=config.patch_size[1],
        num_embeds_ada_norm=config.num_classes,
        norm_eps=1e-6,
    )
    for module in model.modules():
        if hasattr(module, "downscale_freq_shift"):
            module.downscale_freq_shift = 0
    return model.eval()


def pairs(config: DiTConfig):
    """[(their name, our name, which third of ours or None)] for every tensor of theirs."""
    found = []
    for kind in ("weight", "bias"):
        found.append((f"pos_embed.proj.{kind}", f"x_embedder.proj.{kind}", None))
        found += [(f"{theirs}.{kind}", f"{ours}.{kind}", None) for theirs, ours in OUTSIDE.items()]
        for i in range(config.depth):
            block = f"transformer_blocks.{i}"
            for third, letter in enumerate("qkv"):
                found.append((f"{block}.attn1.to_{letter}.{kind}", f"blocks.{i}.attn.qkv.{kind}", third))
            found += [(f"{block}.{t}.{kind}", f"blocks.{i}.{o}.{kind}", None) for t, o in PER_BLOCK.items()]
            found += [
                (f"{block}.{theirs}.{kind}", f"{ours}.{kind}", None)
                for theirs, ours in COPIED.items()
                if kind == "weight" or "table" not in theirs
            ]
    return found


def copy_weights(ours, theirs) -> None:
    """Give `theirs` our weights; fails unless every tensor of theirs is named."""
    state, shapes = ours.state_dict(), theirs.state_dict()
    mapped = {}
    for their_name, our_name, third in pairs(ours.config):
        tensor = state[our_name] if third is None else state[our_name].chunk(3)[third]
        mapped[their_name] = tensor.reshape(shapes[their_name].shape).clone()
    missing, unexpected = theirs.load_state_dict(mapped, strict=False)
    assert not unexpected and all(name.endswith("pos_embed") for name in missing), (missing, unexpected)


def gradients(theirs, config: DiTConfig) -> dict[str, torch.Tensor]:
    """Their gradients under our names: thirds put together, copies of an embedder summed."""
    grads, found, thirds = {n: p.grad for n, p in theirs.named_parameters()}, {}, {}
    for their_name, our_name, third in pairs(config):
        if third is None:
            flat = grads[their_name].flatten()
            found[our_name] = found[our_name] + flat if our_name in found else flat
        else:
            thirds.setdefault(our_name, {})[third] = grads[their_name]
    joined = {name: torch.cat([parts[i] for i in range(3)]).flatten() for name, parts in thirds.items()}
    return found | joined
