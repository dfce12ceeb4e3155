"""The pictures of the front page and of chapter 0: described, beside a still, and as the tool draws them."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from ditcourse.check import all_exercises

ROOT = Path(__file__).parents[2]
IMAGE = re.compile(
    r"^```\{image\} (?P<file>images/\S+)\n:alt: (?P<alt>.+)\n(?::class: (?P<classes>.+)\n)?```", re.MULTILINE
)
USES = [(page, *match.group("file", "alt", "classes"))
        for page in ("index.md", "00_the_idea.md")
        for match in IMAGE.finditer((ROOT / "book" / page).read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(ROOT / "tools"))
    import make_images

    yield make_images
    sys.path.remove(str(ROOT / "tools"))


def test_every_picture_on_the_two_pages_is_read_by_this_test():
    for page in ("index.md", "00_the_idea.md"):
        text = (ROOT / "book" / page).read_text(encoding="utf-8")
        assert text.count("```{image}") == sum(use[0] == page for use in USES)


@pytest.mark.parametrize("page, file, alt, classes", USES, ids=[use[1] for use in USES])
def test_a_picture_exists_is_described_and_can_be_held_still(page, file, alt, classes):
    assert (ROOT / "book" / file).is_file()
    assert alt.count(" ") >= 5 and alt.endswith(".")
    names = {use[1]: use[3] or "" for use in USES if use[0] == page}
    if "moving" in (classes or ""):
        assert "still" in names[file.replace(".webp", "_still.webp")]


@pytest.mark.parametrize("name", ["dissolve", "average", "patches"])
def test_what_needs_no_model_is_drawn_alike(tool, name):
    frames = tool.PICTURES[name]()
    assert tool.differs(tool.FOLDER / f"{name}.webp", frames) is None


def test_a_changed_picture_is_found(tool, tmp_path):
    frames = tool.average()
    path = tmp_path / "average.webp"
    assert "missing" in tool.differs(path, frames)
    path.write_bytes(tool.encode(frames))
    assert tool.differs(path, frames) is None
    assert "differs" in tool.differs(path, frames[::-1])
    assert "frames" in tool.differs(path, frames[:1])


def test_encoding_is_lossless_and_the_same_each_time(tool, tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    path = tmp_path / "x.webp"
    path.write_bytes(tool.encode(frames))
    assert np.array_equal(tool.decode(path), frames)
    assert path.read_bytes() == tool.encode(frames)


def test_the_front_page_says_of_the_model_what_its_run_recorded():
    text = " ".join((ROOT / "book" / "index.md").read_text(encoding="utf-8").split())
    run = json.loads((ROOT / "ditcourse" / "weights" / "mini" / "run.json").read_text(encoding="utf-8"))
    said = re.search(r"has ([\d.]+) million weights and was trained in (\d+) minutes", text)
    millions, minutes = said.groups()
    clips, right = map(int, re.search(r"Of (\d+) clips that it was asked for, (\d+) showed", text).groups())
    assert millions == f"{run['parameters'] / 1e6:.1f}"
    assert int(minutes) == round(run["training_seconds"] / 60)
    assert clips == run["shipped"]["clips"]
    assert right == round(clips * run["shipped"]["right"]["all"])


def test_the_front_page_counts_the_minutes_of_the_exercises_as_their_specs_do():
    text = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d+) .+?\| \d+ \| (\d+) \|", text, re.MULTILINE)
    assert [chapter for chapter, _ in rows] == [str(chapter) for chapter in range(13)]
    for chapter, minutes in rows:
        specs = [exercise.minutes for id, exercise in all_exercises().items() if id.startswith(f"{chapter}.")]
        assert abs(sum(specs) - int(minutes)) <= 5, chapter  # the page rounds
