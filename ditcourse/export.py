"""The denoiser as a program that needs no PyTorch: ONNX."""

from __future__ import annotations

from pathlib import Path

import torch

from ditcourse.model import DiT


def export_denoiser(model: DiT, path: str | Path, longest_prompt: int = 5) -> float:
    """Write x (2, C, T, H, W), t (2,), tokens (2, L) -> prediction as ONNX: prompt and null prompt in one batch.

    Returns how far the written program is from PyTorch on fresh random inputs, as a share of the answer's size.
    Raises ImportError, naming the package, where onnxscript or onnxruntime is missing; ValueError where the two differ
    by more than rounding, and then the file is removed.
    """
    path, config = Path(path), model.config
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (torch.onnx needs it)
    except ImportError as error:
        raise ImportError(f"exporting needs {error.name}: pip install onnx onnxscript onnxruntime") from error
    model = model.float().cpu().eval()

    def inputs():
        y = torch.randint(config.num_classes or config.vocabulary_size, (2, longest_prompt))
        x = torch.randn(2, config.in_channels, *config.input_size)
        return x, torch.rand(2), y[:, 0] if config.num_classes else y

    names = ["x", "t", "condition"]
    torch.onnx.export(
        model, inputs(), path, dynamo=True, verbose=False, external_data=False, input_names=names,
        output_names=["prediction"],
    )  # fmt: skip
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fresh = inputs()
    (answer,) = session.run(None, {name: value.numpy() for name, value in zip(names, fresh, strict=True)})
    with torch.no_grad():
        expected = model(*fresh)
    difference = ((torch.from_numpy(answer) - expected).norm() / expected.norm().clamp(min=1e-12)).item()
    if difference > 1e-3:
        path.unlink()
        raise ValueError(f"the exported program differs from the model by {difference:.1e} of its size; not kept")
    return difference
