"""What several tests of the model need."""

import torch


def randomised(module, seed=0, scale=0.2):
    """Every parameter a fresh random number: zero-initialised layers would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module.eval()
