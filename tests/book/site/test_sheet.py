"""The sheet in the page, used as a learner does: keys pressed, buttons pushed, pages left and opened again."""

import json
import shutil
import time
from urllib.parse import unquote

import pytest

from ditcourse import byhand
from ditcourse.check import Sheet
from ditcourse.check.board import judge
from ditcourse.check.forms import givens, parts_of, values_of
from ditcourse.check.forms import key as solved
from ditcourse.check.formulas import cell_text
from ditcourse.check.reading import read
from tests.book.site.conftest import serving

PARTS = parts_of("sora")
KEYS = {"Enter": 13, "Tab": 9, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
LINK_OF_THREE = "L=3,0,0,1;4,3,4,5&scale=2;&A=1/2,,,;1/2,,,;0,,,;0,,,"


class Page:
    """The whole sheet, open in the browser."""

    def __init__(self, browser, address):
        self.browser, self.run, self.address = browser, browser.run, address

    def open(self, fragment=""):
        self.browser.driver.get("about:blank")  # another fragment alone would not load the page anew
        errors, requests = self.browser.open(self.address + fragment)
        site = self.address.split("/book")[0]
        assert not errors and all(url.startswith((site, "chrome")) for url in requests)
        return self

    def press(self, *keys):
        for key in keys:
            sent = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
            text = {"Enter": {"text": "\r"}, " ": {"text": " "}}.get(key, {})
            self.browser.command("Input.dispatchKeyEvent", type="keyDown", **sent, **text)
            self.browser.command("Input.dispatchKeyEvent", type="keyUp", **sent)

    def keys(self, text):
        """The same through the driver, many keys at a time."""
        self.browser.driver.switch_to.active_element.send_keys(text)

    def type(self, text):
        self.browser.command("Input.insertText", text=text)

    def focus(self, cell):
        self.run("document.querySelector(arguments[0]).focus()", f"[data-cell='{cell}'] input")

    def fill(self, cell, text):
        self.focus(cell)
        self.type(text)

    def click(self, selector):
        self.run("document.querySelector(arguments[0]).click()", selector)

    def push(self, text):
        """Push the first button that says so."""
        self.run("[...document.querySelectorAll('.live-sheet button')]"
                 ".find(button => button.textContent === arguments[0]).click()", text)  # fmt: skip

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def verdict(self, part):
        return self.text(f"[data-part={part}] .verdict")

    def here(self):
        """The cell that has the focus."""
        return self.run("const td = document.activeElement.closest('td'); return td && td.dataset.cell")

    def value(self, cell):
        return self.run("const td = document.querySelector(arguments[0]), input = td.querySelector('input');"
                        "return input ? input.value : td.textContent", f"[data-cell='{cell}']")  # fmt: skip

    def signs(self, part):
        """{sign: cells of the part that carry it}."""
        found = {}
        for cell, sign in self.run(
            "return [...document.querySelectorAll(`[data-cell^='${arguments[0]}-']`)]"
            ".map(td => [td.dataset.cell, td.dataset.sign])", part):  # fmt: skip
            found.setdefault(sign, []).append(cell)
        return found

    def fragment(self, has):
        """What stands after the #, as soon as it has this (it is written a moment after the last key)."""
        end = time.monotonic() + 5
        while has not in (found := unquote(self.run("return location.hash"))) and time.monotonic() < end:
            time.sleep(0.05)
        assert has in found, found
        return found

    def progress(self):
        return self.text(".progress-line > span:not(.done)")


@pytest.fixture(autouse=True, scope="module")
def quick(browser):
    """Pages are opened often here, and weighed elsewhere."""
    browser.command("Network.setCacheDisabled", cacheDisabled=False)
    yield
    browser.command("Network.setCacheDisabled", cacheDisabled=True)


@pytest.fixture
def whole(browser, site):
    """The page as on a first visit."""
    browser.size(1280)
    browser.command("Storage.clearDataForOrigin", origin=site, storageTypes="local_storage")
    return Page(browser, f"{site}/book/01_sheet.html").open()


def right(number=0):
    """{part: rows of texts}: the key, worked out in Python."""
    key = solved("sora", givens(byhand.new_exercise(number)))
    return {name: [[cell_text(x) for x in row] for row in key[name]] for name in PARTS}


def fill_in(whole, key):
    """Type the whole sheet, from cell to cell with Enter as far as a part goes; mark S with the space bar."""
    for name, part in PARTS.items():
        rows, columns = range(part.printed, part.shape[0]), range(part.shape[1])
        cells = [(i, j) for i in rows for j in columns] if part.frames else [(i, j) for j in columns for i in rows]
        if part.marks:
            for place in [4 * i + j for i, j in cells if key[name][i][j] == "1/2"]:
                whole.run("document.querySelectorAll('.marks button')[arguments[0]].focus()", place)
                whole.press(" ")
        else:
            whole.focus(f"{name}-{cells[0][0] + 1}-{cells[0][1] + 1}")
            whole.keys("\ue007".join(key[name][i][j] for i, j in cells))  # selenium's name for Enter
            assert whole.here() == f"{name}-{cells[-1][0] + 1}-{cells[-1][1] + 1}"


def test_a_right_sheet_is_right_and_comes_back(whole):
    assert whole.progress() == "0 of 178 cells"
    fill_in(whole, right())
    assert whole.progress() == "178 of 178 cells" and whole.signs("X") == {"": whole.signs("X")[""]}
    whole.push("Check all")
    assert whole.progress() == "All 178 cells are right."
    for name, part in PARTS.items():
        assert whole.verdict(name) == "Right."
        assert {sign: len(cells) for sign, cells in whole.signs(name).items()} == {
            "right": (part.shape[0] - part.printed) * part.shape[1]}  # fmt: skip

    # the address holds it all, for the notebook too
    mine = Sheet(whole.address + whole.fragment("frames_after="))
    assert mine.A == [[0.5, 0, 0, 0.5], [0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0.5, 0.5]] and mine.loss == 2
    fragment = whole.run("return location.hash")
    whole.open()  # what this browser keeps
    whole.push("Check all")
    assert whole.progress() == "All 178 cells are right." and whole.run("return location.hash") == fragment
    whole.run("localStorage.clear()")
    whole.open(fragment)  # what the address holds
    whole.push("Check all")
    assert whole.progress() == "All 178 cells are right."


def test_one_slip_is_told_once(whole):
    key = right()
    for name, slipped in (("L", "-2"), ("Z", "-1")):  # ReLU forgotten in one cell, and what follows from it
        for i, row in enumerate(key[name]):
            for j, text in enumerate(row):
                whole.fill(f"{name}-{i + 1}-{j + 1}", slipped if (i, j) == (0, 1) else text)
    whole.click("[data-step=encoder] .check")
    found = judge(PARTS, givens(byhand.load()), {"L": read([[3, -2, 0, 1], [4, 3, 4, 5]])})
    assert whole.verdict("L") == found["L"].text
    assert "ReLU writes 0" in whole.verdict("L") and whole.text("[data-part=L] .state") == "1 cell to look at"
    assert whole.signs("L")["wrong"] == ["L-1-2"] and len(whole.signs("L")["right"]) == 7
    invalid = "return [...document.querySelectorAll('[aria-invalid=true]')].map(input => input.ariaLabel)"
    assert whole.run(invalid) == ["L, row 1, column F2"]
    assert set(whole.signs("Z")) == {""}  # not asked for yet
    whole.click("[data-step=noise] .check")
    assert whole.signs("Z")["follows"] == ["Z-1-2"] and len(whole.signs("Z")["right"]) == 7
    assert "your own earlier numbers" in whole.verdict("Z")
    assert "your own earlier numbers" in whole.run("return document.querySelector('[data-cell=\"Z-1-2\"]').title")
    assert whole.progress() == "16 of 178 cells, 1 to look at"
    whole.push("go there")
    assert whole.here() == "L-1-2"
    whole.type("7a")  # over the selected text; an edit takes the signs away, here and further down
    assert set(whole.signs("L")) == set(whole.signs("Z")) == {""} and whole.verdict("L") == ""
    whole.click("[data-step=encoder] .check")
    assert "“7a” is not a number" in whole.verdict("L") and whole.signs("L")["wrong"] == ["L-1-2"]


def test_an_edit_is_forgotten_only_by_what_uses_it(whole):
    key = right()
    for name in ("L", "Z"):
        for i, row in enumerate(key[name]):
            for j, text in enumerate(row):
                whole.fill(f"{name}-{i + 1}-{j + 1}", text)
    whole.fill("c-4-1", key["c"][3][0])
    whole.fill("c-5-1", key["c"][4][0])
    whole.push("Check all")
    assert all(set(whole.signs(name)) == {"right"} for name in ("L", "Z", "c"))
    whole.fill("L-1-1", "9")
    assert set(whole.signs("L")) == set(whole.signs("Z")) == {""} and set(whole.signs("c")) == {"right"}
    whole.focus("L-2-1")
    whole.fill("L-1-1", f"+{key['L'][0][0]}")  # the same number again
    assert all(set(whole.signs(name)) == {"right"} for name in ("L", "Z", "c"))


def test_a_mixed_number_fits_its_box(whole, browser, site):
    learn = Page(browser, f"{site}/book/10_learn.html").open()
    key = solved("learn", values_of("learn"))
    assert "32 1/2" in learn.text("details")
    for cell, text in (("1-1", "32 1/2"), ("2-1", "+22")):
        learn.fill(f"off-{cell}", text)
    learn.click("[data-step=learn_look] .check")
    assert learn.verdict("off") == "Right." and key["off"][:, 0].tolist() == [32.5, 22]
    fits = "const box = document.querySelector('[data-cell=off-1-1] input'); return box.scrollWidth <= box.clientWidth"
    assert learn.run(fits)
    learn.fill("W_new-1-1", "6")  # seen in the next step, and named as on paper
    assert learn.text("[data-step=learn_look] .copy tbody td") == "6"
    learn.focus("off-1-1")
    learn.fill("W_new-1-1", "7")
    learn.click("[data-step=learn_step_w] .check")
    assert learn.verdict("W_new").startswith("In Wnew, row 1, from row 1: you have 7.")
    # a caption does not widen the brackets: the sign is at its box
    far = """const td = document.querySelector('[data-cell=off-1-1]').getBoundingClientRect();
             return document.querySelector('[data-step=learn_look] .own').getBoundingClientRect().right - td.right"""
    assert learn.run(far) < 8


def test_checked_as_typed(whole):
    whole.click(".sheet-tools input[type=checkbox]")
    whole.fill("L-1-1", "-")  # on its way to a number
    assert whole.signs("L") == {"": whole.signs("L")[""]} and whole.verdict("L") == ""
    whole.type("3")
    assert whole.signs("L")["wrong"] == ["L-1-1"] and "you have −3" in whole.verdict("L")
    whole.press("ArrowDown")
    whole.type("4x")
    assert whole.signs("L")["wrong"] == ["L-1-1"]
    whole.press("ArrowUp")
    assert whole.signs("L")["wrong"] == ["L-1-1", "L-2-1"]
    whole.open()  # the choice is remembered
    assert whole.signs("L")["wrong"] == ["L-1-1", "L-2-1"]
    whole.fill("L-1-1", "3")
    whole.fill("L-2-1", "4")
    assert whole.signs("L")["right"] == ["L-1-1", "L-2-1"] and whole.text("[data-part=L] .state") == "6 of 8 cells left"
    slowest = whole.run("""
        const input = document.querySelector("[data-cell='loss_after-1-1'] input"), times = [];
        for (const text of "1234567") {
            const start = performance.now();
            input.value = text;
            input.dispatchEvent(new Event("input"));
            times.push(performance.now() - start);
        }
        return times.sort((a, b) => a - b)[3];""")
    assert slowest < 30


def test_keys_alone_fill_and_check_a_step(whole):
    for _ in range(200):
        whole.press("Tab")
        if whole.here():
            break
    assert whole.here() == "X-1-1"
    for j in range(4):
        for i in range(4):
            assert whole.here() == f"X-{i + 1}-{j + 1}"
            whole.type(right()["X"][i][j])
            whole.press("Enter")
    assert whole.here() == "L-1-1"
    whole.run("document.querySelector('[data-cell=\"X-4-4\"] input').focus()")
    whole.press("Tab", "Enter")
    assert whole.verdict("X") == "Right."
    # arrows: between cells where the whole text is selected or the caret is at its end, else within the text
    whole.focus("X-1-1")
    whole.press("ArrowUp", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft")
    assert whole.here() == "X-3-1"
    whole.type("12")
    whole.press("ArrowLeft")
    whole.type("5")
    assert whole.here() == "X-3-1" and whole.value("X-3-1") == "152"
    whole.press("ArrowRight", "ArrowRight")
    assert whole.here() == "X-3-2"
    whole.focus("frames-1-2")  # four pictures side by side
    whole.press("ArrowRight", "ArrowDown")
    assert whole.here() == "frames-2-3"


def test_marks_make_attention(whole):
    def column(j):
        return [whole.value(f"A-{i}-{j}") for i in range(1, 5)]

    def mark(i, j):
        whole.click(f".marks tbody tr:nth-child({i}) td:nth-child({j + 1}) button")

    mark(1, 1)
    assert column(1) == ["1/2", "", "", ""]
    mark(3, 1)
    assert column(1) == ["1/2", "0", "1/2", "0"] and column(2) == [""] * 4
    pressed = "return [...document.querySelectorAll('.marks button')].map(b => b.ariaPressed).indexOf('true')"
    assert whole.run(pressed) == 0
    whole.click("[data-step=attention] .check")
    assert whole.signs("A")["wrong"] == ["A-2-1", "A-3-1"]
    assert whole.text("[data-part=A] .state") == "2 cells to look at"
    mark(3, 1)
    mark(2, 1)
    whole.click("[data-step=attention] .check")
    assert whole.signs("A")["right"] == ["A-1-1", "A-2-1", "A-3-1", "A-4-1"] and whole.verdict("A") == "Right so far."
    whole.open("#A=0,,,;1,,,;1/2,,,;0,,,")  # a sheet from the notebook: what is not 0 is a mark
    assert whole.run(pressed) == 4 and column(1) == ["0", "1", "1/2", "0"]


def test_hints_go_from_gentle_to_plain(whole):
    whole.fill("L-1-1", "3")
    shown = "return [...document.querySelectorAll('[data-part=L] .hints li')].map(li => li.textContent)"
    button = "[data-part=L] .hint"
    labels, counts = [], []
    for _ in range(4):
        whole.click(button)
        labels.append(whole.text(button))
        counts.append(len(whole.run(shown)))
    assert labels == ["Hint 2 of 3", "Hint 3 of 3", "Hide hints", "Hint"] and counts == [1, 2, 3, 0]
    for _ in range(3):
        whole.click(button)
    assert whole.run(shown)[-1] == "Row 1, F2: 1 · 1 + 0 · 2 + (−1) · 3 + 0 · 0 + 0, and 0 if that is below 0."
    whole.fill("L-1-2", "0")
    whole.click(button)  # the sum moves on to the next cell
    assert whole.run(shown)[-1].startswith("Row 1, F3:") and whole.text(button) == "Hide hints"


def test_half_sheet(whole):
    whole.click("input[type=radio]:not(:checked)")
    halves = [name for name, part in PARTS.items() if part.half]
    assert whole.progress() == "0 of 98 cells" and halves == ["X", "Y", "frames", "Y_after", "frames_after"]
    assert not whole.run("return document.querySelector('[data-step=patches] input')")
    printed = "return [...document.querySelectorAll('[data-step=patches] .own td.given')].map(td => td.textContent)"
    assert " ".join(whole.run(printed)) == "7 1 4 6 0 2 3 3 4 3 4 5 3 0 0 1"
    mine = Sheet(half=True)  # begun in the notebook
    for name in PARTS:
        if name not in halves:
            setattr(mine, name, solved("sora", mine.givens)[name])
    whole.open(mine.link)
    whole.push("Check all")
    assert whole.progress() == "All 98 cells are right."


def test_every_number_has_its_own_sheet(whole):
    video = "return [...document.querySelectorAll('[data-step=patches] .fact td')].map(td => td.textContent)"
    first = whole.run(video)
    whole.fill("L-1-1", "3")

    def choose(number):
        whole.run("const field = document.querySelector('.sheet-tools input[type=number]');"
                 "field.value = arguments[0]; field.dispatchEvent(new Event('change'));", number)  # fmt: skip

    choose(7)
    frames = byhand.new_exercise(7).frames
    assert whole.run(video) == [f"{x:g}" for x in frames.reshape(-1)] != first
    assert whole.value("L-1-1") == "" and whole.progress() == "0 of 178 cells"
    key = right(7)["L"]
    for i, row in enumerate(key):
        for j, text in enumerate(row):
            whole.fill(f"L-{i + 1}-{j + 1}", text)
    whole.click("[data-step=encoder] .check")
    assert whole.verdict("L") == "Right."
    assert Sheet(whole.address + whole.fragment("seed=7&L=")).seed == 7
    choose(0)
    assert whole.value("L-1-1") == "3" and whole.run(video) == first
    choose(100000)
    assert "numbered from 0 to" in whole.text(".notice") and whole.value("L-1-1") == "3"
    whole.open("#seed=7")  # a teacher's link opens the sheet that was begun
    assert whole.value("L-2-4") == key[1][3] and whole.run("return document.querySelector('.notice').textContent") == ""
    whole.open("#seed=100000")
    assert "asks for sheet 100000" in whole.text(".notice") and whole.value("L-2-4") == key[1][3]


def test_a_link_opens_and_nothing_is_lost(whole):
    whole.fill("L-1-1", "8")
    whole.fragment("L=8")
    whole.open("#" + LINK_OF_THREE)
    assert whole.value("L-1-1") == "3" and whole.value("scale-1-1") == "2" and whole.value("scale-2-1") == ""
    assert "Opened from the link." in whole.text(".notice")
    whole.push("Back to what was here")
    assert whole.value("L-1-1") == "8" and whole.value("L-1-2") == ""
    whole.fragment("L=8")
    whole.open("#L=3,0")
    assert "holds no sheet that can be read" in whole.text(".notice") and whole.value("L-1-1") == "8"
    paste = "const done = arguments[1]; location.hash = arguments[0]; setTimeout(done, 50);"  # over the open address
    for broken in ("seed=x", "nothing=1", "L=%E0;1&half=1"):
        whole.run("document.querySelector('.notice').textContent = ''")
        whole.browser.driver.execute_async_script(paste, broken)
        assert "holds no sheet that can be read" in whole.text(".notice") and whole.value("L-1-1") == "8"
    whole.browser.driver.execute_async_script(paste, LINK_OF_THREE)
    assert whole.value("L-1-1") == "3"
    whole.open("#good-to-know")  # an ordinary anchor stays one
    assert whole.run("return location.hash") == "#good-to-know" and whole.value("L-1-1") == "3"


def test_reset_asks_first(whole):
    whole.fill("L-1-1", "3")
    whole.fill("L-2-1", "4")
    whole.push("Reset")
    assert whole.value("L-1-1") == "3"
    whole.push("Empty 2 cells?")
    assert whole.value("L-1-1") == "" and whole.progress() == "0 of 178 cells"
    whole.open()
    assert whole.value("L-1-1") == ""


def test_keys_for_a_phone(whole, browser):
    browser.command("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    browser.command("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        whole.open()
        bar = "return document.querySelector('.sheet-keys').checkVisibility()"

        def tap(selector, name=None):
            x, y = whole.run("""
                const [selector, name] = arguments, found = [...document.querySelectorAll(selector)];
                const box = found.find(e => !name || e.ariaLabel === name);
                if (!name) box.scrollIntoView({block: "center"});
                const {x, y, width, height} = box.getBoundingClientRect();
                return [x + width / 2, y + height / 2];""", selector, name)  # fmt: skip
            browser.command("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
            browser.command("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

        assert not whole.run(bar)
        tap("[data-cell='P-1-1'] input")
        assert whole.run(bar) and whole.here() == "P-1-1"
        heights = whole.run("return [...document.querySelectorAll('.blank input, .marks button, .sheet-keys button')]"
                           ".map(e => e.getBoundingClientRect().height)")  # fmt: skip
        assert min(heights) >= 36 and len(heights) > 170
        seen = []
        for name in ("Change the sign", "Add a half", "Change the sign", "Add a half", "Add a half", "Add a half"):
            tap(".sheet-keys button", name)
            assert whole.here() == "P-1-1"  # the focus stays
            seen.append(whole.value("P-1-1"))
        assert seen == ["-", "-1/2", "1/2", "", "1/2", ""]
        whole.type("1")
        tap(".sheet-keys button", "Add a half")
        tap(".sheet-keys button", "Change the sign")
        assert whole.value("P-1-1") == "-3/2"
        tap(".sheet-keys button", "Next cell")
        assert whole.here() == "P-2-1"
        tap(".sheet-keys button", "Previous cell")
        tap(".sheet-keys button", "Check this step")
        assert whole.signs("P")["wrong"] == ["P-1-1"] and whole.here() == "P-1-1"
        whole.run("document.activeElement.blur()")
        whole.browser.driver.execute_async_script("setTimeout(arguments[0], 50)")
        assert not whole.run(bar)
    finally:
        browser.command("Emulation.setTouchEmulationEnabled", enabled=False)
    browser.size(1280)
    whole.focus("P-1-1")
    assert not whole.run(bar)  # a desk has the keys themselves


def test_from_a_disk_and_on_paper(whole, browser, html):
    whole.fill("L-1-1", "3")
    browser.driver.get("about:blank")
    errors, requests = browser.open((html / "book" / "01_sheet.html").as_uri() + "#L=3,,,;,,,")
    assert not errors and not [url for url in requests if not url.startswith(("file:", "chrome"))]
    assert whole.value("L-1-1") == "3"
    whole.fill("L-2-1", "5")
    whole.click("[data-step=encoder] .check")
    assert whole.signs("L") == {"right": ["L-1-1"], "wrong": ["L-2-1"], "": whole.signs("L")[""]}
    whole.fragment("L=3,,,;5,,,")
    whole.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    whole.push("Copy link")  # without a clipboard the link stands there, selected
    assert whole.run("return getSelection().toString()").endswith("01_sheet.html#L=3,,,;5,,,")
    browser.command("Emulation.setEmulatedMedia", media="print")
    try:
        visible = "return document.querySelector(arguments[0]).checkVisibility()"
        assert whole.run(visible, ".own") and whole.run(visible, ".print-title")
        for unseen in ("h1", ".bd-sidebar-primary", ".bd-footer", ".feet", ".copy", ".sheet-tools button"):
            assert not whole.run(visible, unseen), unseen
    finally:
        browser.command("Emulation.setEmulatedMedia", media="")
        browser.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        whole.open()


STEPS = """<!doctype html><html lang="en"><head><title>T</title><meta charset="utf8"><link rel="icon" href="data:,">
<link rel="stylesheet" href="../_static/sheet/sheet.css"></head><body><main><h1>T</h1>
<div class="live-sheet" data-form="sora" data-steps="encoder noise" data-whole="01_sheet.html"></div>
<h2 id="later">Later</h2>
<div class="live-sheet" data-form="sora" data-steps="after_denoise"></div>
<div class="live-sheet" data-form="small"></div>
<div class="live-sheet" data-form="backwards" data-steps="all"></div></main>
<script defer src="../_static/sheet/data.js"></script><script defer src="../_static/sheet/engine.js"></script>
<script defer src="small.js"></script><script defer src="../_static/sheet/view.js"></script></body></html>"""
SMALL = {
    "title": "A small sheet",
    "given": {"p": {"about": "the odds", "rows": ["row 1"], "columns": ["left", "right"]}},
    "instances": {"0": {"p": [[1, 2]]}},
    "parts": [{"name": "q", "step": "noise", "about": "the double", "rows": ["row 1"], "columns": ["left", "right"],
               "formula": ["multiply", 2, "p"], "hints": ["Twice."], "slips": [], "question": "What is twice p?"}],
}  # fmt: skip


@pytest.fixture
def steps(browser, html, tmp_path):
    """A page with single steps in it, and another form without numbers or halves."""
    shutil.copytree(html / "_static" / "sheet", tmp_path / "_static" / "sheet")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "steps.html").write_text(STEPS)
    (tmp_path / "book" / "small.js").write_text(f"ditcourseSheets.forms.small = {json.dumps(SMALL)};")
    browser.size(1280)
    with serving(tmp_path) as address:
        yield Page(browser, f"{address}/book/steps.html").open("#later")


def test_steps_in_a_text_are_one_sheet(steps):
    chosen = "return [...document.querySelectorAll('[data-form=sora] .live-step')].map(s => s.dataset.step)"
    assert steps.run(chosen) == ["encoder", "noise", "after_denoise"]
    steps.fill("L-1-1", "3")
    steps.fill("Z-1-1", "2")
    copies = """return [...document.querySelectorAll("[data-form=sora] .copy")].map(
        copy => [copy.caption.textContent, copy.querySelector("tbody td").textContent])"""
    assert {name: text for name, text in steps.run(copies) if text} == {"L": "3", "Z": "2"}
    steps.click("[data-step=noise] .check")
    assert steps.signs("Z")["right"] == ["Z-1-1"] and set(steps.signs("L")) == {""}
    steps.browser.driver.execute_async_script("setTimeout(arguments[0], 400)")
    assert steps.run("return location.hash") == "#later"  # the address is the text's own
    onward = steps.run("""
        const link = document.querySelector(".sheet-foot a");
        link.addEventListener("click", event => event.preventDefault());
        link.click();
        return link.getAttribute("href");""")
    assert onward == "01_sheet.html"
    assert steps.run("return localStorage.getItem('ditcourse-sheet-sora')") == "0"  # which number opens there
    steps.open()
    assert steps.value("L-1-1") == "3"


def test_another_form_brings_what_it_needs(steps):
    choices = "return [...document.querySelectorAll('[data-form=small] .sheet-tools input')].map(input => input.type)"
    assert steps.run(choices) == ["checkbox"]  # no numbers, no halves
    assert "What is twice p?" in steps.text("[data-form=small]")
    steps.fill("q-1-1", "2")
    steps.fill("q-1-2", "5")
    steps.click("[data-form=small] .check")
    assert steps.signs("q") == {"right": ["q-1-1"], "wrong": ["q-1-2"]}
    # a form about another one, with its numbers; what is asked for is not shown beside it
    shown = "return [...document.querySelectorAll(arguments[0] + ' .matrix')].map(table => table.caption.textContent)"
    assert steps.run(shown, "[data-form=backwards] [data-step=pooling]") == [
        "C, the conditioned latent", "P, the mixed tokens", "two tokens in each mix"]  # fmt: skip
    for cell, text in {"1-1": "1", "1-2": "2", "1-3": "3", "1-4": "1", "2-1": "2", "2-2": "3", "2-3": "4"}.items():
        steps.fill(f"partners-{cell}", text)
    steps.click("[data-form=backwards] [data-step=pooling] .check")
    assert steps.verdict("partners") == "Right so far." and len(steps.signs("partners")["right"]) == 7
    assert not steps.browser.axe()
