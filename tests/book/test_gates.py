"""The gates can fail: each finds the fault planted for it, and lets the sound twin pass."""

import copy

import pytest

from tests.book import gates

SLUG, VERSION = "someone/course", "1.2.3"
PATH = "book/02_x.ipynb"
SOUND = {
    "cells": [
        {"id": "a", "cell_type": "markdown", "metadata": {},
         "source": "# Title\n\n[Open in Colab](https://colab.research.google.com/github/"
                   "someone/course/blob/v1.2.3/book/02_x.ipynb)\n\n"
                   "$\\{x\\}$ and `{code}` and\n```python\nf'{{x}}'\n```\n"},
        {"id": "b", "cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [],
         "source": gates.SETUP.format(slug=SLUG, version=VERSION)},
        {"id": "c", "cell_type": "code", "metadata": {"mystnb": {"image": {"alt": "a line that rises"}}},
         "execution_count": 2, "source": "plt.show()",
         "outputs": [{"output_type": "display_data", "data": {"image/png": ""}, "metadata": {}}]},
    ],
    "metadata": {"kernelspec": {"name": "python3"}, "language_info": {"name": "python"}},
}


def change(notebook, steps, value):
    """A copy of the notebook with one thing in it changed; value ... takes it out."""
    notebook = copy.deepcopy(notebook)
    *steps, last = steps
    place = notebook
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return notebook


def started(notebook):
    return gates.wrong_start(notebook, PATH, SLUG, VERSION)


NOTEBOOK_FAULTS = [
    (started, ("cells", 0, "source"), SOUND["cells"][0]["source"].removeprefix("# ")),
    (started, ("cells", 0, "source"), SOUND["cells"][0]["source"].replace("v1.2.3", "main")),
    (started, ("cells", 0, "source"), SOUND["cells"][0]["source"].replace("02_x", "03_y")),
    (started, ("cells", 1, "source"), "import ditcourse"),
    (started, ("cells", 1, "source"), SOUND["cells"][1]["source"].replace("1.2.3", "1.2.2")),
    (gates.myst_in_notebook, ("cells", 0, "source"), "```{note}\nhello\n```"),
    (gates.myst_in_notebook, ("cells", 0, "source"), ":::{note}\nhello\n:::"),
    (gates.myst_in_notebook, ("cells", 0, "source"), "see {ref}`that`"),
    (gates.myst_in_notebook, ("cells", 0, "source"), "(label)=\n## Title"),
    (gates.myst_in_notebook, ("cells", 0, "source"), "version {{ version }}"),
    (gates.not_executed, ("cells", 2, "execution_count"), None),
    (gates.not_executed, ("cells", 2, "execution_count"), 7),
    (gates.bad_outputs, ("cells", 2, "metadata", "mystnb"), ...),
    (gates.bad_outputs, ("cells", 2, "outputs", 0, "data"), {"image/webp": ""}),
    (gates.bad_outputs, ("cells", 2, "outputs"), [{"output_type": "error", "ename": "NameError"}]),
    (gates.bad_outputs, ("cells", 2, "source"), "plt.plot(x);"),
    (gates.bad_outputs, ("metadata", "widgets"), {}),
    (gates.volatile_metadata, ("metadata", "kernelspec"), {"name": "venv"}),
    (gates.volatile_metadata, ("metadata", "language_info", "version"), "3.11.7"),
    (gates.volatile_metadata, ("cells", 2, "id"), "b"),
]


@pytest.mark.parametrize(("gate", "steps", "value"), NOTEBOOK_FAULTS)
def test_notebook_gates(gate, steps, value):
    assert gate(SOUND) == []
    assert len(gate(change(SOUND, steps, value))) == 1


LENGTHS = [((1, 8, 30), 0), ((1, 8, 31), 1), ((9, 9, 1), 1), ((31, 9), 2)]


@pytest.mark.parametrize(("lengths", "faults"), LENGTHS)
def test_long_cell_gate(lengths, faults):
    cells = [{"cell_type": "code", "source": "x = 1\n" * length} for length in lengths]
    assert len(gates.long_cells({"cells": cells})) == faults


def test_blank_gate():
    assert len(gates.executed(SOUND)) == 2
    blank = change(SOUND, ("cells", 2, "outputs"), [])
    for place in (1, 2):
        blank = change(blank, ("cells", place, "execution_count"), None)
    assert gates.executed(blank) == []


def test_compared_gate():
    cells = [{"cell_type": "code", "source": "1", "metadata": {"tags": ["nbval-skip"]}} for _ in range(3)]
    assert gates.too_little_compared({"cells": cells})
    assert not gates.too_little_compared({"cells": cells[:2]})


PAGE_FAULTS = [
    (gates.failures_shown, "<div class='cell_output'>{}</div>", "Traceback (most recent call last)", "fine"),
    (gates.failures_shown, "<div class='cell_output'>{}</div>", "NotImplementedError: later", "not done"),
    (gates.poor_alt, "<article><img {}></article>", "src='a.png'", "alt='A red circle moving'"),
    (gates.poor_alt, "<article><img {}></article>", "src='a.png' alt=''", "alt='A red circle moving'"),
    (gates.poor_alt, "<article><img {}></article>", "alt='_images/a b c.png'", "alt='A red circle moving'"),
    (gates.poor_alt, "<article><img {}></article>", "alt='clip'", "alt='A red circle moving'"),
    (gates.poor_alt, "<nav><img {}></nav>", "src='logo.svg'", "src='logo.svg' alt='Home'"),
    (gates.loads_from_elsewhere, "<script src='{}'></script>", "https://cdn.example/a.js", "_static/a.js"),
    (gates.loads_from_elsewhere, "<script src='{}'></script>", "//cdn.example/a.js", "../a.js"),
    (gates.loads_from_elsewhere, "<link rel='stylesheet' href='{}'>", "https://cdn.example/a.css", "a.css"),
    (gates.loads_from_elsewhere, "<link rel='preconnect' href='{}'>", "https://fonts.example", "/fonts"),
    (gates.loads_from_elsewhere, "<style>p {{background: url({})}}</style>", "https://e.example/a", "a.png"),
    (gates.loads_from_elsewhere, "<picture><source srcset='{}'></picture>", "https://e.example/a", "a.webp"),
    (gates.widget_state, "<script type='application/{}'></script>", "vnd.jupyter.widget-state+json", "json"),
]


@pytest.mark.parametrize(("gate", "template", "fault", "sound"), PAGE_FAULTS)
def test_page_gates(gate, template, fault, sound):
    assert len(gate(gates.parse(template.format(fault)))) == 1
    assert gate(gates.parse(template.format(sound))) == []


def test_blocking_script_gate(tmp_path):
    (tmp_path / "large.js").write_text(" " * (gates.LARGE_SCRIPT + 1))
    (tmp_path / "small.js").write_text(" ")
    for attributes, faults in (("src='large.js'", 1), ("defer src='large.js'", 0), ("src='small.js'", 0)):
        soup = gates.parse(f"<html><head><script {attributes}></script></head></html>")
        assert len(gates.blocking_scripts(soup, tmp_path)) == faults


def test_dead_link_gate(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.html").write_text("<h1 id='here'>C</h1><a href='../a.html'>a</a><a href='#'>top</a>")
    links = ["b/c.html", "b/c.html#here", "#own", "https://example.org/gone", "mailto:a@b.c", "a.html?x#own"]
    sound = "<p id='own'>" + "".join(f"<a href='{link}'>x</a>" for link in links)
    (tmp_path / "a.html").write_text(sound)
    assert gates.dead_links(tmp_path) == []
    (tmp_path / "a.html").write_text(sound + "<a href='b/d.html'>x</a><a href='b/c.html#there'>x</a>"
                                     "<a href='#gone'>x</a><img src='no.png'>")
    assert [fault.rsplit(": ")[1] for fault in gates.dead_links(tmp_path)] == [
        "no such file", "no such anchor", "no such anchor", "no such file"]


def test_colab_gate(tmp_path):
    (tmp_path / "a.ipynb").write_text("{}")
    link = "https://colab.research.google.com/github/someone/course/blob/v1.2.3/a.ipynb"
    check = lambda text: gates.wrong_colab_links(text, SLUG, VERSION, tmp_path)  # noqa: E731
    assert check(f"[x]({link}) <a href='{link}#there'>") == []
    assert len(check(link.replace("v1.2.3", "main"))) == 1
    assert len(check(link.replace("someone", "another"))) == 1
    assert len(check(link.replace("a.ipynb", "b.ipynb"))) == 1


def test_name_gate():
    assert gates.misheard_names("Saining Xie, a shining example; EXERCISE; " + "/XE/" * 20) == []
    assert len(gates.misheard_names("Shining XE")) == 2
