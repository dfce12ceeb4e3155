"""The built pages, read as files: run after `make book`."""

import functools

import pytest

from tests.book import gates
from tools import built

pytestmark = pytest.mark.usefixtures("html")
PAGE_GATES = [gates.failures_shown, gates.poor_alt, gates.loads_from_elsewhere, gates.widget_state]


@functools.cache
def read(page):
    return (gates.HTML / f"{page}.html").read_text(encoding="utf8")


@functools.cache
def parsed(page):
    return gates.parse(read(page))


def test_every_page_is_built():
    assert built.missing(gates.ROOT) == []


@pytest.mark.parametrize("gate", PAGE_GATES, ids=lambda gate: gate.__name__)
def test_page(page, gate):
    assert not gate(parsed(page))


def test_large_scripts_wait(page):
    if page == "search":
        return  # nothing is to be seen there before its index has come
    folder = (gates.HTML / page).parent
    assert not gates.blocking_scripts(parsed(page), folder)


def test_styles_load_nothing_from_elsewhere():
    found = {file.name: address for file in gates.HTML.rglob("*.css")
             for address in gates.css_addresses(file.read_text(encoding="utf8"))
             if address.startswith(("http:", "https:", "//"))}
    assert not found


def test_links_inside_the_book():
    assert not gates.dead_links(gates.HTML)


def test_colab_links(page, project):
    assert not gates.wrong_colab_links(read(page), *project)


def test_notebook_pages_open_on_colab(page, project):
    """Each page made from a notebook links to itself on Colab: in its text, and by the theme's button."""
    slug, version = project
    if (gates.ROOT / f"{page}.ipynb").exists():
        address = f"https://colab.research.google.com/github/{slug}/blob/v{version}/{page}.ipynb"
        soup = parsed(page)
        assert soup.select(f'article a[href="{address}"]')
        assert soup.select(f'.bd-header-article a[href="{address}"]')


def test_version_is_on_the_page(page, project):
    slug, version = project
    footer = parsed(page).select_one(".version").get_text()
    assert f"ditcourse {version}" in footer
    assert f"git+https://github.com/{slug}@v{version}" in footer
