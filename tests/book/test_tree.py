"""What the repository holds: its size, names spelled right, workflows that can be read."""

import re
import subprocess

import pytest
import yaml

from tests.book import gates

TEXT = {".md", ".py", ".ipynb", ".cff", ".yml", ".json", ".toml", ".txt", ".html"}
# where the lint itself is written down
EXEMPT = {f"tests/book/{name}.py" for name in ("gates", "test_gates", "test_claims")}


@pytest.fixture(scope="module")
def tracked():
    """The files that are, or would be, committed."""
    listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                             cwd=gates.ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    files = [gates.ROOT / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def test_the_tree_is_small(tracked):
    assert sum(file.stat().st_size for file in tracked) <= 50 * 2**20
    assert not [file for file in tracked if file.stat().st_size > 16 * 2**20]


def test_names_are_spelled_right(tracked):
    faults = {}
    for file in tracked:
        name = file.relative_to(gates.ROOT).as_posix()
        if file.suffix in TEXT and "/vendor/" not in name and name not in EXEMPT:
            found = gates.misheard_names(file.read_text(encoding="utf8"))
            if found:
                faults[name] = found
    assert not faults


def test_workflows_and_forms_can_be_read():
    """They cannot run here, but they can be parsed, and the make targets that they name can be looked up."""
    folder = gates.ROOT / ".github"
    files = {file.relative_to(folder).as_posix(): yaml.safe_load(file.read_text(encoding="utf8"))
             for file in folder.rglob("*.yml")}
    targets = set(re.findall(r"^([\w-]+):", (gates.ROOT / "Makefile").read_text(encoding="utf8"), re.M))
    called = set()
    for name, content in files.items():
        if name.startswith("workflows/"):
            assert {"jobs", True} <= set(content), name  # YAML reads the key `on` as True
            steps = [step for job in content["jobs"].values() for step in job["steps"]]
            assert all(("uses" in step) != ("run" in step) for step in steps), name
            scripts = " ".join(step.get("run", "") for step in steps)
            called |= set(re.findall(r"make ([\w-]+)", scripts))
    assert called <= targets
    form = files["ISSUE_TEMPLATE/page.yml"]["body"]
    assert {"page", "cell", "environment"} <= {field["id"] for field in form}
    assert "python -m ditcourse info" in str(form)
