"""What the tests of the book share: the project's address and version, and its notebooks."""

import pytest

from tests.book.gates import ROOT
from tools import links


@pytest.fixture(scope="session")
def project():
    """(owner/name, version)"""
    return links.project(ROOT)


def pytest_generate_tests(metafunc):
    """`notebook_path`: every notebook, of which `run_path` carries outputs and `blank_path` does not."""
    run, blank = ["book", "solutions"], ["exercises"]
    for name, folders in (("notebook_path", run + blank), ("run_path", run), ("blank_path", blank)):
        if name in metafunc.fixturenames:
            files = [file for folder in folders for file in sorted((ROOT / folder).glob("*.ipynb"))]
            metafunc.parametrize(name, [file.relative_to(ROOT).as_posix() for file in files])
