"""What a page, a notebook and the tree must be. Each gate returns the faults it finds, in words.

The gates are tested too, on pages and notebooks with planted faults (test_gates.py, site/test_browser.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urldefrag, urlsplit

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"

# --- pages
FAILED = re.compile(r"Traceback \(most recent call last\)|NotImplementedError|NameError|ModuleNotFoundError")
FILE_NAME = re.compile(r"\.(png|webp|gif|svg|jpe?g|avif)$|_images/", re.I)
LOADING_TAGS = ["script", "img", "source", "video", "audio", "iframe", "object", "embed", "track"]
LOADING_ATTRIBUTES = ("src", "srcset", "poster", "data")
LOADING_LINKS = {"stylesheet", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "icon",
                 "manifest"}
LARGE_SCRIPT = 50_000  # bytes; larger ones must not stop the page from being drawn


def parse(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def failures_shown(soup: BeautifulSoup) -> list[str]:
    """A failed cell that found its way into the page."""
    matches = [FAILED.search(output.get_text()) for output in soup.select(".cell_output")]
    return [f"shows {match[0]!r}" for match in matches if match]


def poor_alt(soup: BeautifulSoup) -> list[str]:
    """Pictures without words of their own: no alt, an empty one, a file name, or fewer than three words."""
    faults = []
    for image in soup.find_all("img"):
        alt = (image.get("alt") or "").strip()
        in_text = image.find_parent("article") is not None  # buttons and the logo may be short
        if not alt or FILE_NAME.search(alt) or (in_text and len(alt.split()) < 3):
            faults.append(f"image {image.get('src', '')[:60]!r} has alt {image.get('alt')!r}")
    return faults


def loads_from_elsewhere(soup: BeautifulSoup) -> list[str]:
    """Scripts, styles and pictures from another host. (The browser tests watch what scripts ask for.)"""
    addresses = [tag[name] for tag in soup.find_all(LOADING_TAGS)
                 for name in LOADING_ATTRIBUTES if tag.get(name)]
    addresses += [link["href"] for link in soup.find_all("link", href=True)
                  if LOADING_LINKS & set(link.get("rel", []))]
    styles = [tag.get_text() for tag in soup.find_all("style")]
    styles += [tag["style"] for tag in soup.select("[style]")]
    addresses += [address for style in styles for address in css_addresses(style)]
    return [f"loads {address[:80]}" for address in addresses if re.match(r"(https?:)?//", address)]


def css_addresses(style: str) -> list[str]:
    return re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""", style)


def widget_state(soup: BeautifulSoup) -> list[str]:
    return ["carries widget state"] if soup.find("script", type=re.compile(r"jupyter\.widget")) else []


def blocking_scripts(soup: BeautifulSoup, folder: Path) -> list[str]:
    """Large scripts in the head that are neither deferred nor async."""
    faults = []
    for script in soup.select("head script[src]"):
        file = folder / unquote(urlsplit(script["src"]).path)
        waits = script.has_attr("defer") or script.has_attr("async") or script.get("type") == "module"
        if not waits and file.is_file() and file.stat().st_size > LARGE_SCRIPT:
            faults.append(f"waits for {script['src']} in the head ({file.stat().st_size} bytes)")
    return faults


def dead_links(folder: Path) -> list[str]:
    """Links below `folder` to a page, file or anchor that is not there."""
    # what ends in .html below _static is a template
    pages = {file: parse(file.read_text(encoding="utf8")) for file in sorted(folder.rglob("*.html"))
             if "_static" not in file.parts}
    anchors = {file: {tag[name] for name in ("id", "name") for tag in soup.find_all(attrs={name: True})}
               for file, soup in pages.items()}
    faults = []
    for file, soup in pages.items():
        for tag in soup.find_all(["a", "img", "link", "script", "source"]):
            address = tag.get("href") or tag.get("src") or ""
            if not address or re.match(r"[a-z][a-z+.-]*:|//", address, re.I):
                continue
            address, anchor = urldefrag(address)
            path = unquote(urlsplit(address).path)
            target = (file.parent / path).resolve() if path else file
            if target.is_dir():
                target /= "index.html"
            where = f"{file.relative_to(folder)} -> {tag.get('href') or tag.get('src')}"
            if not target.is_file():
                faults.append(f"{where}: no such file")
            elif anchor and target in anchors and unquote(anchor) not in anchors[target]:
                faults.append(f"{where}: no such anchor")
    return faults


COLAB = re.compile(r"https://colab\.research\.google\.com/github/([^/\s]+/[^/\s]+)/blob/([^/\s]+)/([^)\s\"'\\]+)")


def wrong_colab_links(text: str, slug: str, version: str, root: Path = ROOT) -> list[str]:
    """Colab links to another repository, another release, or a file that is not in the tree."""
    faults = []
    for match in COLAB.finditer(text):
        if (match[1], match[2]) != (slug, f"v{version}"):
            faults.append(f"{match[0]} is not pinned to {slug} v{version}")
        elif not (root / unquote(urldefrag(match[3])[0])).is_file():
            faults.append(f"{match[0]}: no such file in the tree")
    return faults


# --- notebooks
SETUP = """try:
    import ditcourse
except ImportError:
    %pip install -q --no-deps git+https://github.com/{slug}@v{version}
    import ditcourse
ditcourse.setup("{version}")"""
# Colab and JupyterLab show these as raw text.
MYST = re.compile(
    r"^\s*(```+|~~~+|:::+)\s*\{"  # a directive
    r"|\{[a-z][\w:-]*\}`"  # a role
    r"|^\([\w-]+\)=\s*$|^%\s|\{\{"  # a label, a comment, a substitution
    r"|\[\]\(",  # a link that takes its text from its target
    re.M,
)
LONGEST, MEDIAN = 30, 8
NOT_COMPARED = {"nbval-skip", "nbval-ignore-output"}


def source(cell) -> str:
    return "".join(cell["source"])


def code_cells(notebook) -> list:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source(cell).strip()]


def lines(cell) -> int:
    return source(cell).strip().count("\n") + 1


def wrong_start(notebook, path: str, slug: str, version: str) -> list[str]:
    """Title, Colab link and set-up cell, as every notebook has them."""
    faults = []
    first = notebook["cells"][0]
    link = f"[Open in Colab](https://colab.research.google.com/github/{slug}/blob/v{version}/{path})"
    if first["cell_type"] != "markdown" or not source(first).startswith("# "):
        faults.append("does not begin with a title")
    if link not in source(first).split("\n"):
        faults.append(f"its first cell has no line {link}")
    setup = SETUP.format(slug=slug, version=version)
    code = code_cells(notebook)
    if not code or source(code[0]).strip() != setup:
        faults.append("its first code cell is not the set-up cell")
    return faults


def myst_in_notebook(notebook) -> list[str]:
    """Markdown that only the book understands (code spans and blocks may show it)."""
    faults = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = re.sub(r"^(```|~~~)(?!\s*\{).*?^\1", "", source(cell), flags=re.M | re.S)
            text = re.sub(r"(?<!\})`[^`\n]+`", "", text)
            text = re.sub(r"\$[^$]+\$", "", text)
            faults += [f"MyST in a notebook: {match[0].strip()!r}" for match in MYST.finditer(text)]
    return faults


def long_cells(notebook) -> list[str]:
    counts = [lines(cell) for cell in code_cells(notebook)]
    faults = [f"a code cell of {count} lines (at most {LONGEST})" for count in counts if count > LONGEST]
    if counts and median(counts) > MEDIAN:
        faults.append(f"median of {median(counts)} lines in a code cell (at most {MEDIAN})")
    return faults


def not_executed(notebook) -> list[str]:
    """nbval compares nothing where the execution count is missing, so such a cell would pass unseen."""
    counts = [cell.get("execution_count") for cell in code_cells(notebook)]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"not run from top to bottom: {counts}"]


def executed(notebook) -> list[str]:
    """A blank template has been run or filled."""
    return [f"cell {place} has been run" for place, cell in enumerate(notebook["cells"])
            if cell.get("outputs") or cell.get("execution_count") is not None]


def too_little_compared(notebook) -> list[str]:
    code = code_cells(notebook)
    skipped = [cell for cell in code
               if NOT_COMPARED & set(cell["metadata"].get("tags", [])) or "NBVAL_" in source(cell)]
    allowed = max(2, len(code) // 4)
    return [f"{len(skipped)} of {len(code)} code cells are not compared"] if len(skipped) > allowed else []


def bad_outputs(notebook) -> list[str]:
    """Errors, pictures without words, formats that the book or nbval cannot take, widget state."""
    faults = ["metadata holds widget state"] if "widgets" in notebook["metadata"] else []
    for place, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and source(cell).rstrip().endswith(";"):
            faults.append(f"cell {place} ends with ';' (nbval does not honour it)")
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.get("outputs", []):
            kinds = set(output.get("data", {}))
            expected = "raises-exception" in cell["metadata"].get("tags", [])
            if output["output_type"] == "error" and not expected:
                faults.append(f"cell {place} failed: {output['ename']}")
            if {"image/png", "image/jpeg"} & kinds and len(alt.split()) < 3:
                faults.append(f"cell {place} shows a figure without mystnb.image.alt in its metadata")
            if "image/webp" in kinds:
                faults.append(f"cell {place} has an image/webp output, which the build cannot take")
    return faults


def volatile_metadata(notebook) -> list[str]:
    """Kernel and language without a version, ids present and unique, so that a new run changes nothing."""
    faults = []
    if notebook["metadata"].get("kernelspec", {}).get("name") != "python3":
        faults.append("its kernel is not python3")
    if set(notebook["metadata"].get("language_info", {})) - {"name"}:
        faults.append("language_info holds more than the language's name")
    ids = [cell.get("id") for cell in notebook["cells"]]
    if None in ids or len(set(ids)) != len(ids):
        faults.append("cell ids are missing or repeated")
    return faults


# --- the tree
MISHEARD = re.compile(r"\bShining\b|\bXE\b")  # Saining Xie
BASE64 = re.compile(r"[A-Za-z0-9+/=]{60,}")  # pictures in notebooks
CORRECTION = 'not "Shining" or "XE"'  # the claims page says so


def misheard_names(text: str) -> list[str]:
    text = BASE64.sub("", text).replace(CORRECTION, "")
    return [f"{match[0]!r}: the name is Saining Xie" for match in MISHEARD.finditer(text)]
