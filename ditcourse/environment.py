"""Versions and hardware: what is installed, does it fit the notebook, which rung of the ladder can it climb."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

try:
    __version__ = metadata.version("ditcourse")
    REPOSITORY = dict(line.split(", ", 1) for line in metadata.metadata("ditcourse").get_all("Project-URL"))[
        "Repository"
    ]
except metadata.PackageNotFoundError as error:
    raise ImportError(
        "ditcourse is not installed, so its version is unknown. In a clone, run: pip install --no-deps -e ."
    ) from error

PACKAGES = ("numpy", "torch", "matplotlib", "ipywidgets", "IPython", "pillow", "safetensors", "tqdm")


def setup(version: str) -> None:
    """First cell of every notebook: say which ditcourse this is, and mend a difference in one line.

    version: the version that the notebook was written for, e.g. "0.1.0".
    """
    print(f"ditcourse {__version__}")
    if version != __version__:
        print(
            f"This notebook was written for ditcourse {version}. To match it, run this and restart the kernel:\n"
            f"  %pip install -q --no-deps git+{REPOSITORY}@v{version}"
        )


def rung() -> str:
    """The rung of the ladder for the hardware found: "cpu", "t4" (a GPU older than Ampere) or "big".

    Decided by compute capability: below 8.0 there are no bfloat16 tensor cores, whatever
    `torch.cuda.is_bf16_supported` answers (it counts emulation).
    """
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return "big" if torch.cuda.get_device_capability() >= (8, 0) else "t4"


def info() -> str:
    """The environment in a few lines, as the bug form asks for it."""
    lines = [f"ditcourse {__version__}", f"python {sys.version.split()[0]} on {platform.platform()}"]
    for package in PACKAGES:
        try:
            lines.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{package} not installed")
    try:
        import torch
    except ImportError:
        return "\n".join(lines)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    lines.append(f"gpu {gpu}; {torch.get_num_threads()} CPU threads; rung {rung()}")
    return "\n".join(lines)
