"""Every step leads to something that exists in the package. Needs torch, and fails without it: no skip."""

import importlib
import inspect

import pytest

from ditcourse import byhand


@pytest.mark.parametrize("step", byhand.STEPS, ids=lambda step: step.key)
def test_symbol_imports(step):
    module, name = step.symbol.rsplit(".", 1)
    found = getattr(importlib.import_module(module), name)
    assert callable(found)
    assert inspect.getdoc(found), f"{step.symbol} has no docstring"
    assert found.__module__.startswith("ditcourse.")
