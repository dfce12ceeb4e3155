"""The built pages in Chromium: a phone's width and a desk's, light and dark. Run after `make book`."""

import gzip
import random
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.book import gates
from tests.book.site.conftest import serving

PHONE, DESK = 390, 1280
HEAVIEST = 1_500_000  # bytes of a page, gzipped where that helps, before anyone touches it
PACKED = {".webp", ".png", ".jpg", ".gif", ".woff", ".woff2", ".gz"}


def weight(requests, address, folder: Path) -> int:
    """What the files behind the requests weigh on the wire, each once."""
    total = 0
    for path in {unquote(urlsplit(url).path) for url in requests if url.startswith(address)}:
        file = folder / path.lstrip("/")
        if file.is_file():
            data = file.read_bytes()
            total += len(data) if file.suffix in PACKED else len(gzip.compress(data))
    return total


def load_faults(browser, address, page, folder) -> list[str]:
    """Console errors, requests to other hosts, weight."""
    errors, requests = browser.open(f"{address}/{page}.html")
    faults = [f"console: {error}" for error in errors]
    faults += [f"asks {url}" for url in requests if not url.startswith((address, "chrome"))]
    bytes_ = weight(requests, address, folder)
    assert bytes_, "no file of this page was seen being loaded"
    return faults + ([f"weighs {bytes_} bytes, at most {HEAVIEST}"] if bytes_ > HEAVIEST else [])


def look_faults(browser, width, theme) -> list[str]:
    """The page open in the browser: does it overflow, what does axe say."""
    browser.size(width)
    browser.theme(theme)
    faults = []
    wide = browser.run("return document.documentElement.scrollWidth")
    if wide > width:
        culprits = browser.run("""
            const inside = e => { for (let p = e.parentElement; p; p = p.parentElement) {
                const o = getComputedStyle(p).overflowX; if (o !== "visible" && p !== document.body &&
                p !== document.documentElement) return true; } return false; };
            return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right >
                innerWidth + 1 && !inside(e)).slice(0, 3).map(e => e.outerHTML.slice(0, 120));""")
        faults.append(f"{wide} px wide at {width}: {culprits}")
    # axe lets scrollers pass that Chromium itself makes focusable; Safari does not
    traps = browser.run("""
        return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() &&
            /auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1 &&
            e.tabIndex < 0 && !e.querySelector("a[href], button, input, select, textarea, [tabindex='0']"))
            .map(e => e.outerHTML.slice(0, 120));""")
    faults += [f"scrolls, but not from the keyboard: {trap}" for trap in traps]
    colours = ["color-contrast", "link-in-text-block"]  # the rest is the same in both themes
    return faults + browser.axe(only=colours if theme == "dark" else [])


def mathematics_faults(browser) -> list[str]:
    """Raw TeX left, TeX that MathJax refused, formulas without MathML for screen readers."""
    raw, wrong, drawn, spoken = browser.run("""
        const count = selector => document.querySelectorAll(selector).length;
        return [[...document.querySelectorAll(".math")].filter(e => !e.querySelector("mjx-container")).length,
                count("mjx-merror"), count("mjx-container"), count("mjx-assistive-mml")];""")
    return [f"mathematics: {raw} not drawn, {wrong} wrong, {drawn - spoken} of {drawn} without MathML"] * bool(
        raw or wrong or drawn != spoken)


def colab_faults(browser) -> list[str]:
    """On a phone the way to Colab is on the first screen."""
    left, right, top = browser.run("""
        const link = document.querySelector("article a[href*='colab.research']").getBoundingClientRect();
        return [link.left, link.right, link.top];""")
    return [] if 0 <= left < right <= PHONE and top < 900 else [f"the Colab link is at {left}, {top}"]


def test_page(browser, site, html, page):
    browser.size(DESK)
    faults = load_faults(browser, site, page, html) + mathematics_faults(browser)
    for width, theme in ((DESK, "light"), (DESK, "dark"), (PHONE, "dark"), (PHONE, "light")):
        faults += [f"{theme}, {width} px: {fault}" for fault in look_faults(browser, width, theme)]
    if (gates.ROOT / f"{page}.ipynb").exists():
        faults += colab_faults(browser)
    assert not faults, "\n".join(faults)


# --- the gates can fail: pages with planted faults
SOUND = """<!doctype html><html lang="en"><head><title>T</title><meta charset="utf8">
<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width"></head>
<body><main><h1>A title</h1>{}</main></body></html>"""
FAULTS = {
    "wide": ("<div style='width: 700px'>x</div>", "390 px"),
    "console": ("<script>undefined_function()</script>", "console: "),
    "elsewhere": ("<script>fetch('https://cdn.example/x.js').catch(() => 0)</script>", "asks https://cdn.example"),
    "missing": ("<img src='gone.png' alt='a picture that is gone'>", "console: "),
    "alt": ("<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>", "image-alt"),
    "pale": ("<p style='color: #ccc; background: #fff'>hard to read</p>", "color-contrast"),
    "trap": ("<div style='overflow: auto; width: 90px'><p style='width: 300px'>x</p></div>",
             "not from the keyboard"),
    "raw": ("<span class='math'>x^2</span>", "mathematics: 1 not drawn"),
    "heavy": ("<script src='heavy.js'></script>", "weighs"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "sound.html").write_text(SOUND.format("<p>Nothing is wrong here.</p>"))
    for name, (body, _) in FAULTS.items():
        (folder / f"{name}.html").write_text(SOUND.format(body))
    (folder / "heavy.js").write_text("//" + random.Random(0).randbytes(HEAVIEST).hex())
    with serving(folder) as address:
        yield address, folder


def everything(browser, address, folder, name):
    faults = load_faults(browser, address, name, folder) + mathematics_faults(browser)
    for width in (DESK, PHONE):
        faults += [f"{width} px: {fault}" for fault in look_faults(browser, width, "light")]
    return faults


def test_sound_page_passes(browser, faulty):
    assert everything(browser, *faulty, "sound") == []


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_found(browser, faulty, name):
    found = everything(browser, *faulty, name)
    assert any(FAULTS[name][1] in fault for fault in found), found
