"""After a build: is every page of _toc.yml there (a build may leave one out and exit 0)? How to open it."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def entries(toc) -> list[str]:
    """Every page that a _toc.yml names, in order, without suffix."""
    if isinstance(toc, list):
        return [name for part in toc for name in entries(part)]
    own = [toc[key] for key in ("root", "file") if key in toc]
    return own + [name for key in ("parts", "chapters", "sections") for name in entries(toc.get(key, []))]


def missing(root: Path) -> list[str]:
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8"))
    return [name for name in entries(toc) if not (root / "_build" / "html" / f"{name}.html").is_file()]


if __name__ == "__main__":
    if absent := missing(ROOT):
        sys.exit(f"The build left out: {', '.join(absent)}")
    index = ROOT / "_build" / "html" / "index.html"
    print(f"The book is built. Open {index.as_uri()} or run `make serve`.")
