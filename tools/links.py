"""One address, one version: rewrite every place that names the public repository or the release.

Both stand in pyproject.toml. Renaming the repository, or a release, is one edit there and `make links`.

    python tools/links.py            rewrite
    python tools/links.py --check    say what is stale and exit 1; write nothing

What is rewritten, in the book's, the notebooks' and the project's texts:
- Colab links (this course links to no other notebooks on Colab), pinned to the release tag; the one in a
  notebook's first cell leads to that notebook;
- `git+https://...@v0.1.0`, and links to files of the repository (/blob/, /tree/, /raw/), pinned to the tag;
- every other link below the repository's address, and the address of its Pages;
- `ditcourse.setup("0.1.0")` and the `ditcourse 0.1.0` that it prints;
- `repository:` and the footer in _config.yml, `version:` and `repository-code:` in CITATION.cff.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ("README.md", "CONTRIBUTING.md", "CITATION.cff", "_config.yml", "book/**/*.md", "book/**/*.ipynb",
         "exercises/*.ipynb", "solutions/*.ipynb", ".github/**/*.yml")
VERSION = r"\d+\.\d+\.\d+(?:[abrc]+\d+)?"
END = r"(?![\w-]|\.\w)"  # ditcourse/ditcourse ends here, and is not the start of ditcourse/ditcourse-extra
COLAB = r"(https://colab\.research\.google\.com/github/)[^/\s]+/[^/\s]+/blob/[^/\s]+/"


def project(root: Path) -> tuple[str, str]:
    """(owner/name, version) as pyproject.toml has them."""
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf8"))["project"]
    address = table["urls"]["Repository"]
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+)", address)
    if not match:
        raise ValueError(f"pyproject.toml: Repository must be https://github.com/OWNER/NAME, got {address!r}")
    return match[1], table["version"]


def published(root: Path) -> str:
    """owner/name as the texts have it now, that is, as _config.yml has it."""
    settings = (root / "_config.yml").read_text(encoding="utf8")
    match = re.search(r"^  url: https://github\.com/(\S+)$", settings, re.M)
    if not match:
        raise ValueError("_config.yml: no line `  url: https://github.com/OWNER/NAME` below repository")
    return match[1]


def pages(slug: str) -> str:
    owner, name = slug.lower().split("/")
    return f"https://{owner}.github.io/{name}"


def rewrite(text: str, path: str, old: str, new: str, version: str) -> str:
    """The text of the file at `path` with every address and version set right; old and new are owner/name."""
    tag, github = f"v{version}", "https://github.com/"

    def put(pattern: str, replacement: str, **options) -> None:
        nonlocal text
        text = re.sub(pattern, replacement, text, **options)

    put(re.escape(github + old) + END, github + new)
    put(re.escape(pages(old)) + END, pages(new), flags=re.I)
    put(rf"({re.escape(github + new)}/(?:blob|tree|raw)/)[^/\s)\"']+", rf"\g<1>{tag}")
    put(rf"git\+{github}[\w.-]+/[\w.-]+?@[\w.+-]*\w", f"git+{github}{new}@{tag}")
    put(COLAB, rf"\g<1>{new}/blob/{tag}/")
    put(rf"(ditcourse\.setup\(\\?[\"']){VERSION}", rf"\g<1>{version}")
    if path.endswith(".ipynb"):
        put(rf"({COLAB})[^)\s\"\\]+", rf"\g<1>{path}", count=1)
    if path.endswith(".ipynb") or path == "_config.yml":
        put(rf"\bditcourse {VERSION}\b", f"ditcourse {version}")
    if path == "_config.yml":
        put(r"^(  branch: )\S+", rf"\g<1>{tag}", flags=re.M)
    if path == "CITATION.cff":
        put(r"^(version: ).*", rf"\g<1>{version}", flags=re.M)
    return text


def stale(root: Path) -> dict[Path, str]:
    """Every file that is not as it should be, with the text that it should have."""
    (new, version), old = project(root), published(root)
    wrong = {}
    for file in sorted({file for pattern in TEXTS for file in root.glob(pattern)}):
        if ".ipynb_checkpoints" in file.parts:
            continue
        text = file.read_bytes().decode("utf8")
        right = rewrite(text, file.relative_to(root).as_posix(), old, new, version)
        if right != text:
            wrong[file] = right
    return wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    wrong = stale(options.root)
    for file, text in wrong.items():
        name = file.relative_to(options.root)
        print(f"{name}: stale, run `make links`" if options.check else f"{name}: rewritten")
        if not options.check:
            file.write_bytes(text.encode("utf8"))
    return 1 if wrong and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
