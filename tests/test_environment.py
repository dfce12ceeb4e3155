"""What every notebook's first cell relies on."""

import subprocess
import sys
import time

import pytest

import ditcourse


def test_import_is_quick_and_loads_no_torch():
    code = "import sys, ditcourse; assert not {'torch', 'matplotlib', 'PIL'} & set(sys.modules); print('ok')"
    best = 9.0
    for _ in range(3):  # the best of three: the machine may be busy
        start = time.perf_counter()
        assert (
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            == "ok\n"
        )
        best = min(best, time.perf_counter() - start)
    assert best < 1.0  # the interpreter's own start included


def test_setup_says_the_version_and_mends_a_difference_in_one_line(capsys):
    ditcourse.setup(ditcourse.__version__)
    assert capsys.readouterr().out == f"ditcourse {ditcourse.__version__}\n"
    ditcourse.setup("99.1.0")
    out = capsys.readouterr().out
    assert "written for ditcourse 99.1.0" in out
    assert "%pip install -q --no-deps git+https://" in out and out.rstrip().endswith("@v99.1.0")


@pytest.mark.parametrize(
    ("available", "capability", "expected"),
    [(False, None, "cpu"), (True, (7, 5), "t4"), (True, (8, 0), "big"), (True, (9, 0), "big")],
)
def test_rung_goes_by_compute_capability(monkeypatch, available, capability, expected):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert ditcourse.rung() == expected


def test_info_names_what_the_bug_form_asks_for():
    text = ditcourse.info()
    assert text.startswith(f"ditcourse {ditcourse.__version__}\npython {sys.version.split()[0]}")
    assert all(f"\n{package} " in text for package in ("numpy", "torch", "ipywidgets", "gpu"))
