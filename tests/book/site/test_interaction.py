"""What moves in the static pages moves there, with no kernel: the explorer, the claims filter, the clips' hold."""

import pytest

from ditcourse import world

CHOOSE = """
    const [name, value] = arguments, menu = document.querySelector(`#prompt-explorer select[data-name=${name}]`);
    menu.value = value;
    menu.dispatchEvent(new Event("change"));"""


@pytest.fixture
def in_motion(browser):
    """The other tests ask for reduced motion, so that pages stand still; here they move."""
    motion = {"name": "prefers-reduced-motion"}
    browser.command("Emulation.setEmulatedMedia", features=[motion | {"value": "no-preference"}])
    yield
    browser.command("Emulation.setEmulatedMedia", features=[motion | {"value": "reduce"}])


def test_explorer_shows_the_clip_of_the_chosen_words(browser, site, in_motion):
    browser.open(f"{site}/book/03_two_minute_sora.html")
    rows = set()
    for prompt in world.captions()[::11]:
        for name, value in world.parse(prompt).items():
            browser.run(CHOOSE, name, value)
        label, said, row = browser.run("""
            const screen = document.querySelector("#prompt-explorer .screen");
            return [screen.getAttribute("aria-label"), document.querySelector("#prompt-explorer p").textContent,
                    screen.style.backgroundPositionY];""")
        assert label.endswith(prompt) and prompt in said
        assert row == f"{-160 * world.captions().index(prompt)}px"
        rows.add(row)
    assert len(rows) == 5
    held = browser.run("""
        document.querySelector("#prompt-explorer input").click();
        return getComputedStyle(document.querySelector("#prompt-explorer .screen")).animationPlayState;""")
    assert held == "paused"


def test_nothing_moves_for_a_reader_who_asked_for_stillness(browser, site):
    browser.open(f"{site}/book/03_two_minute_sora.html")
    name = browser.run("return getComputedStyle(document.querySelector('#prompt-explorer .screen')).animationName")
    sources = browser.run("""return [...document.querySelectorAll("figure.clip img")].map(
        image => image.currentSrc === image.closest("picture").querySelector("source").srcset);""")
    assert name == "none" and len(sources) > 20 and all(sources)


def test_claims_can_be_searched(browser, site):
    browser.open(f"{site}/book/claims.html")

    def shown(words):
        return browser.run("""
            const field = document.querySelector("#claim-filter");
            field.value = arguments[0];
            field.dispatchEvent(new Event("input"));
            const rows = [...document.querySelectorAll("table.claims tbody tr")];
            return rows.filter(row => row.offsetParent).length;""", words)

    assert shown("") == 49 and shown("Pearson") == 1 and 1 < shown("noise") < 49 and shown("zzzz") == 0


def test_clips_of_the_front_page_can_be_held_still(browser, site, in_motion):
    browser.open(f"{site}/book/index.html")
    counted = """return ["moving", "still"].map(
        kind => [...document.querySelectorAll(`article img.${kind}`)].filter(image => image.offsetParent).length);"""
    assert browser.run(counted) == [8, 0]
    browser.run("document.querySelector('article input[type=checkbox]').click()")
    assert browser.run(counted) == [0, 8]
