"""Run the tests of the NumPy-only part on another Python, in an environment without torch.

    python tools/numpy_only.py 3.13 numpy==2.1.3 matplotlib==3.10.0 pillow==11.3.0

The environment is .venv-numpy-3.13. Where that Python is not installed, one line says so and nothing fails.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = ("tests/byhand", "tests/check")


def find(version: str) -> str | None:
    """An interpreter of this version: on the path, this one, or in pyenv's usual place."""

    def works(candidate) -> bool:  # a pyenv shim is on the path even where its version is not active: ask
        ask = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        return subprocess.run(ask, capture_output=True, text=True).stdout.strip() == version

    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    candidates = [shutil.which(f"python{version}"), sys.executable, *map(str, pyenv)]
    return next((candidate for candidate in candidates if candidate and works(candidate)), None)


def main(version: str, *packages: str) -> int:
    python = find(version)
    if python is None:
        print(f"SKIPPED: no Python {version} here, so the NumPy-only part is not tested on it.")
        return 0
    folder = ROOT / f".venv-numpy-{version}"
    stamp, wanted = folder / "installed", " ".join(packages)
    inside = str(folder / "bin" / "python")
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        pip = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages, "pytest", "pytest-xdist"], check=True)
        subprocess.run([*pip, "--no-deps", "-e", ROOT], check=True)
        stamp.write_text(wanted)
    print(f"Python {version} with {wanted}, without torch:", flush=True)
    workers = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
    pytest = [inside, "-m", "pytest", "-q", *workers, "-p", "no:cacheprovider", *TESTS]
    return subprocess.run(pytest, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
