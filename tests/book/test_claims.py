"""The claims page: 49 rows, each with source, correction and settlement; names are kept to the appendix."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "book" / "claims.md").read_text(encoding="utf-8")

# Typed from the research behind the page: who said it, and which papers settle it.
SOURCES = {
    1: "AV, Yeh", 2: "Dey", 3: "Yeh", 4: "Yeh, Dey, AV", 5: "AV", 6: "Yeh, Dey, AV", 7: "Dey, Yeh, News",
    8: "Dey", 9: "AV", 10: "AV", 11: "all", 12: "AV", 13: "AV", 14: "AV", 15: "AV", 16: "AV",
    17: "Dey, Yeh", 18: "Yeh, Dey, AV", 19: "Dey", 20: "Dey", 21: "Yeh, Dey, AV", 22: "AV", 23: "AV",
    24: "AV", 25: "Dey, Yeh", 26: "Yeh, Dey, AV", 27: "Dey against Yeh", 28: "Dey", 29: "Yeh, Dey, AV",
    30: "all", 31: "Yeh", 32: "Dey, Yeh", 33: "Dey", 34: "Dey, News", 35: "Dey", 36: "Yeh, Dey, AV",
    37: "Dey; AV, Yeh, News (names)", 38: "News", 39: "News", 40: "News", 41: "News", 42: "AV",
    43: "Dey, News", 44: "Dey", 45: "News", 46: "AV", 47: "Dey", 48: "Dey", 49: "AV",
}  # fmt: skip
PAPERS = {
    1: {"2006.11239", "2210.02747"}, 2: {"2006.11239"}, 4: {"2006.11239"}, 5: {"2006.11239"},
    6: {"2006.11239", "2010.02502"}, 9: {"2006.11239", "2102.09672", "2112.10752"},
    11: {"2511.13720", "2202.00512"}, 12: {"2212.09748", "2310.00426"}, 13: {"2112.10752"},
    16: {"2205.07460"}, 17: {"2112.10752"}, 18: {"2212.09748"}, 21: {"1312.6114", "2112.10752"},
    25: {"1709.07871"}, 27: {"1706.03762"}, 28: {"2212.09748", "2010.11929"}, 34: {"1503.03585"},
    35: {"2006.11239"}, 36: {"1810.04805"}, 37: {"2212.09748"}, 40: {"2006.11239"},
    41: {"2212.09748", "2307.06304"}, 42: {"1706.03762", "2212.09748"}, 43: {"2212.09748", "1505.04597"},
    45: {"2401.12945"}, 49: {"2112.10752"},
}  # fmt: skip
KINDS = ("Sora report", "DiT code", "Arithmetic", "arithmetic", "Usage of the words", "Press", "](https://")


def _rows():
    table = re.search(r"^```\{list-table\}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE).group(1)
    rows = []
    for part in re.split(r"^\* - ", table, flags=re.MULTILINE)[2:]:  # what comes before, and the head
        head, *cells = re.split(r"^  - ", part, flags=re.MULTILINE)
        anchor, number, source = re.fullmatch(r"\((c\d+)\)=\n\s+\*\*C(\d+)\*\* (.+)\n", head).groups()
        rows.append((int(number), anchor, source, [cell.strip() for cell in cells]))
    return rows


ROWS = _rows()


def test_every_claim_stands_once_and_in_order():
    assert [number for number, *_ in ROWS] == list(range(1, 50))


@pytest.mark.parametrize("number, anchor, source, cells", ROWS, ids=[f"C{row[0]}" for row in ROWS])
def test_a_row_has_anchor_source_claim_correction_and_settlement(number, anchor, source, cells):
    assert anchor == f"c{number}"
    assert source == SOURCES[number]
    claim, correction, settled = cells
    assert len(claim) > 10 and len(correction) > 10 and claim != correction
    assert len(claim) + len(correction) < 420, "rows are meant to be short"
    assert any(kind in settled for kind in KINDS), settled
    assert set(re.findall(r"arxiv\.org/abs/([\d.]+)", settled)) == PAPERS.get(number, set())


def test_the_year_beside_a_name_is_the_year_of_the_arxiv_number():
    links = re.findall(r"\[\w[\w-]* (\d{4})\]\(https://arxiv\.org/abs/(\d\d)\d\d\.\d+\)", PAGE)
    assert len(links) > 30
    assert all(year == f"20{prefix}" for year, prefix in links)


def test_the_filter_has_a_label_and_says_how_many_are_left():
    assert re.search(r'<label for="claim-filter">.+</label>', PAGE)
    assert re.search(r'<input id="claim-filter" type="search"', PAGE)
    assert re.search(r'<p id="claim-count" role="status">', PAGE)


def _pages():
    """Every text that learners read: {path: text}; of notebooks the sources of all cells."""
    texts = {}
    for path in [*ROOT.glob("book/*.md"), *ROOT.glob("book/generated/*.md")]:
        texts[path] = path.read_text(encoding="utf-8")
    notebooks = [path for room in ("book", "solutions", "exercises") for path in ROOT.glob(f"{room}/*.ipynb")]
    for path in notebooks:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts[path] = "\n".join("".join(cell["source"]) for cell in cells)
    return texts


PAGES = _pages()
APPENDIX = {"claims.md", "credits.md"}
HAND_EXERCISE = ("01_by_hand", "02_in_code")  # its credit stands where its numbers are, the sheet included


def _name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_wording_is_neutral_outside_the_appendix(path):
    if path.name in APPENDIX or path.stem.startswith(HAND_EXERCISE) or path.parent.name == "generated":
        return
    names = re.findall(r"Analytics Vidhya|Towards Data Science|\bYeh\b|\bDey\b|\bSrijanie\b", PAGES[path])
    assert not names


def test_the_appendix_names_the_four_sources():
    for name in ("Tom Yeh", "Srijanie Dey", "Analytics Vidhya", "newspaper explainer"):
        assert name in PAGE
    credits = (ROOT / "book" / "credits.md").read_text(encoding="utf-8")
    assert "Tom Yeh" in credits and "Srijanie Dey" in credits


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_people_are_spelled_right(path):
    text = PAGES[path] if path.name != "claims.md" else PAGES[path].replace('not "Shining" or "XE"', "")
    assert not re.search(r"\bShining\b|\bXE\b|Sranjie|\bYe[ah] Tom\b", text)


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_links_to_claims_lead_to_a_row(path):
    for label, anchor in re.findall(r"\[(C\d+)\]\((?:[./\w]*claims\.md)?#(\w+)\)", PAGES[path]):
        assert anchor == label.lower()
        assert int(anchor[1:]) in range(1, 50)
