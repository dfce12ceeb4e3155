"""Renaming the repository, or a release, is one edit in pyproject.toml and one command."""

import re
import shutil

import pytest

from tools import links

ROOT = links.ROOT


@pytest.fixture
def tree(tmp_path):
    """The project's texts, in a place where they can be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for pattern in links.TEXTS:
        for file in ROOT.glob(pattern):
            target = tmp_path / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return tmp_path


def edit(tree, old, new):
    file = tree / "pyproject.toml"
    text = file.read_text()
    assert text.count(old) == 1, f"pyproject.toml should say {old!r} once"
    file.write_text(text.replace(old, new))


def contents(tree):
    return {file.relative_to(tree).as_posix(): file.read_text() for pattern in links.TEXTS
            for file in tree.glob(pattern)}


def test_the_tree_is_fresh():
    assert links.stale(ROOT) == {}


def test_rename(tree):
    slug, version = links.project(tree)
    edit(tree, f"https://github.com/{slug}", "https://github.com/someone/sora-by-hand")
    assert links.main(["--check", "--root", str(tree)]) == 1
    assert links.main(["--root", str(tree)]) == 0
    assert links.main(["--check", "--root", str(tree)]) == 0
    after = contents(tree)
    left = {name for name, text in after.items() if slug in text}
    assert not left
    assert "github/someone/sora-by-hand/blob/v" in "".join(after.values())


def test_release(tree):
    _, version = links.project(tree)
    edit(tree, f'version = "{version}"', 'version = "9.8.7"')
    assert links.main(["--check", "--root", str(tree)]) == 1
    assert links.main(["--root", str(tree)]) == 0
    after = contents(tree)
    stale = re.compile(rf'([@/]v|setup\(\S?"|ditcourse ){re.escape(version)}\b')
    assert not {name for name, text in after.items() if name != "CONTRIBUTING.md" and stale.search(text)}
    assert "version: 9.8.7" in after["CITATION.cff"]
    assert "branch: v9.8.7" in after["_config.yml"] and "ditcourse 9.8.7" in after["_config.yml"]


def test_a_second_run_changes_nothing(tree):
    before = contents(tree)
    assert links.main(["--root", str(tree)]) == 0
    assert contents(tree) == before


def rewritten(text, path="book/page.md"):
    return links.rewrite(text, path, "old/course", "new/name", "2.0.0")


COLAB = "https://colab.research.google.com/github/"


@pytest.mark.parametrize(("before", "after"), [
    ("https://github.com/old/course", "https://github.com/new/name"),
    ("(https://github.com/old/course).", "(https://github.com/new/name)."),
    ("https://github.com/old/course/issues/new?x=y", "https://github.com/new/name/issues/new?x=y"),
    ("https://github.com/old/course/blob/main/a.md", "https://github.com/new/name/blob/v2.0.0/a.md"),
    ("https://github.com/old/course-extra", "https://github.com/old/course-extra"),
    ("https://github.com/old/course.js", "https://github.com/old/course.js"),
    ("https://github.com/another/DiT/blob/main/models.py", "https://github.com/another/DiT/blob/main/models.py"),
    ("https://old.github.io/course/book/a.html", "https://new.github.io/name/book/a.html"),
    ("git+https://github.com/a/b@v0.1.0`", "git+https://github.com/new/name@v2.0.0`"),
    ("git+https://github.com/a/b@main\\n", "git+https://github.com/new/name@v2.0.0\\n"),
    (f"({COLAB}a/b/blob/main/exercises/x.ipynb)", f"({COLAB}new/name/blob/v2.0.0/exercises/x.ipynb)"),
    ('ditcourse.setup("0.1.0")', 'ditcourse.setup("2.0.0")'),
    ('ditcourse.setup(\\"0.1.0\\")', 'ditcourse.setup(\\"2.0.0\\")'),
    ("ditcourse 0.1.0 in prose", "ditcourse 0.1.0 in prose"),
])
def test_rewrite(before, after):
    assert rewritten(before) == after


def test_a_notebook_links_to_itself():
    text = f'"[Open in Colab]({COLAB}a/b/blob/main/solutions/x.ipynb)\\n", "ditcourse 0.1.0\\n"'
    assert rewritten(text, "exercises/x.ipynb") == (
        f'"[Open in Colab]({COLAB}new/name/blob/v2.0.0/exercises/x.ipynb)\\n", "ditcourse 2.0.0\\n"')


@pytest.mark.parametrize("address", ["https://gitlab.com/a/b", "https://github.com/a", "github.com/a/b"])
def test_an_address_that_cannot_be_used_is_refused(tree, address):
    slug, _ = links.project(tree)
    edit(tree, f"https://github.com/{slug}", address)
    with pytest.raises(ValueError, match="OWNER/NAME"):
        links.project(tree)


def test_the_installed_package_has_this_version():
    ditcourse = pytest.importorskip("ditcourse")
    assert ditcourse.__version__ == links.project(ROOT)[1]
