"""What pyproject.toml promises: it fits Colab as it is, and the wheel brings the package's data."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))
# googlecolab/backend-info, pip-freeze.txt at a724079 (19 August 2026); Python 3.13
COLAB = {"numpy": "2.1.3", "torch": "2.11.0", "matplotlib": "3.10.0", "ipywidgets": "7.7.1", "pillow": "11.3.0",
         "safetensors": "0.8.0", "tqdm": "4.67.3", "click": "8.4.2"}


def test_colab_has_what_the_package_needs():
    """It is installed there with --no-deps: what is missing or too old would stay so."""
    needs = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    assert needs
    assert not [str(need) for need in needs if not need.specifier.contains(COLAB.get(need.name, "0"))]


def test_no_upper_bounds():
    needs = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    assert {bound.operator for need in needs for bound in need.specifier} == {">="}


def test_data_files_are_in_the_wheel():
    taken = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    files = [file for file in (ROOT / "ditcourse").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    data = [file for file in files if file.suffix != ".py"]
    assert data
    assert not [file.name for file in data if not any(file.match(pattern) for pattern in taken)]
