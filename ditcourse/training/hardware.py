"""Where the run happens: which device, which precision it does best, and how fast it could be at most."""

from __future__ import annotations

import time

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
WIDE = 256  # from this width on bfloat16 pays on a CPU with AMX; the miniature (128) was slower with it


def choose_device(wanted: str | None = None) -> torch.device:
    """The device asked for, or a GPU if there is one. Raises ValueError for one that is not there."""
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device: came as {wanted!r}, and there is no GPU here; allowed: 'cpu'")
    return device


def choose_precision(wanted: str, device: torch.device, width: int) -> torch.dtype:
    """The type that matrices are multiplied in; weights and their averages stay in float32.

    "auto": bfloat16 from Ampere on (compute capability 8.0: `torch.cuda.is_bf16_supported` also says yes where it is
    emulated), float16 on older GPUs, on a CPU bfloat16 if it has AMX and the model is wide, else float32.
    """
    if wanted != "auto":
        return DTYPES[wanted]
    if device.type == "cuda":
        new = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if new else torch.float16
    amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    return torch.bfloat16 if amx and width >= WIDE else torch.float32


def matmul_ceiling(device: torch.device, dtype: torch.dtype, seconds: float = 0.5, side: int | None = None) -> float:
    """FLOP/s of one large square matrix product here and now: what MFU (model FLOPs utilisation) is measured against.

    The best of as many as there are time for, but at least ten.
    """
    side = side or (8192 if device.type == "cuda" else 1024)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def wait():
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    a @ b  # warm up
    times, end = [], time.perf_counter() + seconds
    while len(times) < 10 or time.perf_counter() < end:
        wait()
        start = time.perf_counter()
        a @ b
        wait()
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)
