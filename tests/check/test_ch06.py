"""Chapter 6: other ways to be right, learners' own slips, the specs against the package, numbers of the pages."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand.extensions import spacetime_patchify
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch06
from ditcourse.check.forms import key, parts_of, values_of
from ditcourse.check.formulas import evaluate

ROOT = Path(__file__).resolve().parents[2]
CUTS = [(t, h, w) for t in (1, 2, 4) for h in (1, 2) for w in (1, 2)]


# ---- the sheet ----


def test_the_sheet_is_the_one_of_the_reference():
    zero = key("patches", values_of("patches"))
    assert zero["tokens"].tolist() == [[7, 0, 4, 3], [4, 3, 4, 0], [1, 2, 6, 3], [3, 0, 5, 1]]
    assert zero["latent"].tolist() == [[6, 0, 0, 0], [8, 4, 10, 2]]
    before = zero["W_enc"] @ zero["tokens"] + zero["b_enc"]
    assert before[0].tolist() == [6, -2, -2, 0] and (before < 0).sum() == 2


@pytest.mark.parametrize("seed", [0, 1, 7, 42])
def test_every_numbered_sheet_is_cut_as_the_extension_cuts(seed):
    found, exercise = key("patches", values_of("patches", seed)), byhand.new_exercise(seed)
    X = spacetime_patchify(exercise.frames, (2, 2, 1))
    assert np.array_equal(found["tokens"], X)
    assert np.array_equal(found["latent"], byhand.encode(X, exercise.W_enc, exercise.b_enc))
    frames = exercise.frames.astype(int)
    for token, (first, side) in enumerate([(0, 0), (0, 1), (2, 0), (2, 1)]):
        change = frames[first + 1][:, side] - frames[first][:, side]
        assert found["change"][:, token].tolist() == change.tolist()


def test_the_counts_of_the_sheet():
    found = key("patches", values_of("patches"))
    for column, patch in enumerate([(2, 4, 4), (1, 4, 4), (2, 2, 2)]):
        tokens = math.prod(side // p for side, p in zip((8, 16, 16), patch, strict=True))
        assert parts_of("patches")["counts"].columns[column] == "×".join(map(str, patch))
        assert found["counts"][0, column] == tokens and found["sizes"][0, column] == 3 * math.prod(patch)
        assert found["pairs"][0, column] * 64**2 == tokens**2
        assert tokens * 3 * math.prod(patch) == 3 * 8 * 16 * 16


def test_every_cell_is_whole():
    for seed in range(50):
        found = key("patches", values_of("patches", seed))
        assert all(np.array_equal(found[name], np.rint(found[name])) for name in parts_of("patches"))
    assert sum(part.shape[0] * part.shape[1] for part in parts_of("patches").values()) == 41
    assert "41 boxes, 12 minutes" in (ROOT / "book/06_cut.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("patch", CUTS)
def test_the_operation_cut_is_the_reference(patch):
    frames = np.random.default_rng(sum(patch)).normal(size=(4, 2, 2))
    found = evaluate(["cut", "video", *patch], {"video": frames.reshape(4, 4)})
    assert np.array_equal(found, spacetime_patchify(frames, patch))


def test_a_sheet_filled_in_a_notebook_is_right(capsys):
    sheet = Sheet(form="patches", seed=5)
    for name, value in key("patches", sheet.givens).items():
        if name in parts_of("patches"):
            setattr(sheet, name, value)
    assert check("6.1", sheet).state == "right"
    sheet.tokens = byhand.new_exercise(5).frames.reshape(4, 4).T
    assert check("6.1", sheet).slip == "whole frames"


def test_a_link_of_the_page_is_one_of_this_form():
    assert Sheet("https://example.org/book/06_cut.html#seed=3&counts=64,,").form == "patches"


# ---- the specs against the package ----


def test_the_specs_are_the_packages_own_functions():
    torch = pytest.importorskip("torch")
    from ditcourse.model.patches import patchify, token_grid, unpatchify

    dice = np.random.default_rng(11)
    for _ in range(8):
        clip, patch = ch06._clip_inputs(dice)
        wanted = patchify(torch.tensor(clip)[None], patch)[0]
        assert np.array_equal(ch06._clip()(clip, patch), wanted)
        weight = dice.normal(size=(5, 2, *patch))
        by_convolution = torch.nn.functional.conv3d(torch.tensor(clip)[None], torch.tensor(weight), stride=patch)
        matrix = weight.reshape(5, -1)
        np.testing.assert_allclose(ch06._clip()(clip, patch) @ matrix.T, by_convolution[0].flatten(1).T, atol=1e-9)
        tokens, patch, size = ch06._back_inputs(dice)
        back = unpatchify(torch.tensor(tokens)[None], patch, tuple(size), channels_last=True)[0]
        assert np.array_equal(ch06._back()(tokens, patch, size), back)
        image, p = ch06._image_inputs(dice)
        wanted = patchify(torch.tensor(image)[None, :, None], (1, p, p))[0]
        assert np.array_equal(ch06._image()(image, p), wanted)
    tokens, sizes, pairs = ch06._counts()
    for n, width, (size, C, patch) in zip(tokens, sizes, ch06.CUTS.values(), strict=True):
        assert n == math.prod(token_grid(size, patch))
        assert tuple(patchify(torch.zeros(1, C, *size), patch).shape[1:]) == (n, width)
    assert pairs == tokens[1] ** 2 / tokens[2] ** 2


# ---- other ways to be right, and slips in a learner's own words ----


def image_by_loops(image, p):
    _, H, W = image.shape
    return [image[:, r : r + p, c : c + p].ravel() for r in range(0, H, p) for c in range(0, W, p)]


def clip_by_loops(clip, patch):
    p_t, p_h, p_w = patch
    _, T, H, W = clip.shape
    return np.array([
        clip[:, t : t + p_t, r : r + p_h, c : c + p_w].flatten()
        for t in range(0, T, p_t) for r in range(0, H, p_h) for c in range(0, W, p_w)
    ])  # fmt: skip


def clip_by_images(clip, patch):
    """Cut frames first, then gather p_t of them."""
    p_t, p_h, p_w = patch
    C, T, H, W = clip.shape
    cut = clip.reshape(C, T, H // p_h, p_h, W // p_w, p_w).transpose(1, 2, 4, 0, 3, 5)
    cut = cut.reshape(T // p_t, p_t, -1, C, p_h * p_w).transpose(0, 2, 3, 1, 4)
    return cut.reshape(-1, C * p_t * p_h * p_w)


def back_by_loops(tokens, patch, size):
    p_t, p_h, p_w = patch
    clip = np.empty((tokens.size // math.prod(size), *size))
    places = [(t, r, c) for t in range(0, size[0], p_t) for r in range(0, size[1], p_h) for c in range(0, size[2], p_w)]
    for token, (t, r, c) in zip(tokens, places, strict=True):
        clip[:, t : t + p_t, r : r + p_h, c : c + p_w] = np.moveaxis(token.reshape(*patch, -1), -1, 0)
    return clip


@pytest.mark.parametrize(
    "id, answer",
    [
        ("6.2", {"tokens": [256, 4096, 1024, 120], "values": [16, 16, 64, 288], "pairs": 16.0}),
        ("6.2", (np.array([256, 4096, 1024, 120]), (16, 16, 64, 288), [16])),
        ("6.3", image_by_loops),
        ("6.4", clip_by_loops),
        ("6.4", clip_by_images),
        ("6.5", lambda weight: np.array([row.ravel() for row in weight])),
        ("6.6", back_by_loops),
        ("6.7", [4, 6, 1]),
    ],
)
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


def columns_first(image, p):
    _, H, W = image.shape
    return [image[:, r : r + p, c : c + p].ravel() for c in range(0, W, p) for r in range(0, H, p)]


def times_last(clip, patch):
    p_t, p_h, p_w = patch
    _, T, H, W = clip.shape
    return np.array([
        clip[:, t : t + p_t, r : r + p_h, c : c + p_w].flatten()
        for r in range(0, H, p_h) for c in range(0, W, p_w) for t in range(0, T, p_t)
    ])  # fmt: skip


def channels_last(clip, patch):
    p_t, p_h, p_w = patch
    _, T, H, W = clip.shape
    clip = np.moveaxis(clip, 0, -1)
    return [
        clip[t : t + p_t, r : r + p_h, c : c + p_w].ravel()
        for t in range(0, T, p_t) for r in range(0, H, p_h) for c in range(0, W, p_w)
    ]  # fmt: skip


def read_as_the_way_in(tokens, patch, size):
    clip = back_by_loops(tokens, patch, size)
    C = len(clip)
    places = [(t, r, c) for t in range(0, size[0], patch[0]) for r in range(0, size[1], patch[1])
              for c in range(0, size[2], patch[2])]  # fmt: skip
    for token, (t, r, c) in zip(tokens, places, strict=True):
        clip[:, t : t + patch[0], r : r + patch[1], c : c + patch[2]] = token.reshape(C, *patch)
    return clip


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("6.2", ([256, 4096, 1024, 120], [16, 16, 64, 288], 4), "not squared"),
        ("6.2", ([256, 256, 256, 30], [16, 16, 64, 288], 16), "time forgotten"),
        ("6.3", columns_first, "patches down the columns"),
        ("6.3", lambda image, p: np.array(image_by_loops(image, p)).T, "token in a column"),
        ("6.3", lambda image, p: image_by_loops(image.swapaxes(1, 2), p), "rows and columns mixed"),
        ("6.4", times_last, "places before times"),
        ("6.4", channels_last, "channels last"),
        ("6.4", lambda clip, patch: clip_by_loops(clip, (1, *patch[1:])), "frame by frame"),
        ("6.5", lambda weight: weight.transpose(0, 2, 3, 4, 1).reshape(len(weight), -1), "channels last"),
        ("6.6", read_as_the_way_in, "channels first"),
        ("6.6", lambda tokens, patch, size: back_by_loops(tokens, patch, size).transpose(1, 2, 3, 0), "colours last"),
        ("6.7", (6, 4, 1), "a and b changed places"),
        ("6.7", (4, 6, 2), "c: 2"),
        ("6.7", (3, 6, 1), "a: 3"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_each_wrong_cut_of_6_7_has_the_fault_that_the_answer_names():
    """The functions of the notebook, run, against slow ways to make the same fault; and no other fault fits."""
    torch = pytest.importorskip("torch")
    from ditcourse.model.patches import patchify

    code = cells("solutions/06_patches.ipynb")
    space = {}
    for name in "abc":
        exec(code[f"ex-6-7-{name}"], space)
    x = torch.randn(1, 3, 8, 16, 16)
    right = patchify(x, (2, 4, 4))
    grid = right.reshape(4, 4, 4, 96)
    faults = {
        1: right.reshape(64, 3, 32).transpose(1, 2).reshape(1, 64, 96),
        2: x.reshape(1, 64, 96),
        3: patchify(x.transpose(3, 4), (2, 4, 4)).reshape(4, 4, 4, 96).transpose(1, 2).reshape(1, 64, 96),
        4: grid.transpose(1, 2).reshape(1, 64, 96),
        5: grid.flip(0).reshape(1, 64, 96),
        6: patchify(x[:, :, [0, 4, 1, 5, 2, 6, 3, 7]], (2, 4, 4)),
        7: patchify(x[:, [1, 0, 2]], (2, 4, 4)),
    }
    wanted = dict(zip("abc", (4, 6, 1), strict=True))
    for name in "abc":
        found = space[f"cut_{name}"](x)
        assert [fault for fault, tokens in faults.items() if torch.equal(tokens, found)] == [wanted[name]]


# ---- what the pages say ----


def cells(path):
    notebook = json.loads((ROOT / path).read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


def printed(path, id):
    notebook = json.loads((ROOT / path).read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["id"] == id)
    return "".join("".join(output.get("text", "")) for output in cell["outputs"])


def test_minutes_and_number_of_exercises():
    minutes = [exercise.minutes for exercise in ch06.EXERCISES]
    assert f"Seven exercises, {sum(minutes)} minutes" in cells("book/06_patches.ipynb")["exercises"]
    assert f"{sum(minutes)} minutes; 6.1" in cells("solutions/06_patches.ipynb")["title"]
    assert len(minutes) == 7


def test_numbers_in_the_text_of_the_chapter():
    text, page = cells("book/06_patches.ipynb"), "book/06_patches.ipynb"
    assert "16 squares" in text["image"] and "48 values" in text["image"] and 16 * 3 == 48 and (16 // 4) ** 2 == 16
    assert "With 1 x 2 x 2 there are 512" in text["apart-after"] and 8 * 8 * 8 == 512
    assert "six rows of one colour" in text["wrong-text"] and 96 / 16 == 6
    assert "The paper gives the same figures" in text["cost-xl-text"]
    for figure in ("7.39", "29.05", "118.64"):  # table 4 of the paper, 2212.09748, for 8, 4, 2
        assert figure in printed(page, "cost-xl")
    told = printed(page, "latent-run")
    for number in (256 * 256 * 3, 32 * 32 * 4, 256 * 256, 32 * 32):
        assert f"{number:,}" in told
    assert "48 times" in told and "64 times" in told and "256 tokens of 16" in told and "1152 wide" in told
    assert "from 16 to 1,152" in text["told"] and "768 values" in text["latent-text"]


def test_counted_costs_in_the_text():
    pytest.importorskip("torch")
    from ditcourse.model import DiTConfig, count_macs

    text = cells("book/06_patches.ipynb")
    large = DiTConfig.preset("DiT-XL/2")

    def times(**changes):
        return count_macs(DiTConfig.preset("DiT-XL/2", **changes)) / count_macs(large)

    reached = [line.split() for line in printed("book/06_patches.ipynb", "sees-noise").splitlines()[1:]]
    for p_t, values, share in reached:
        assert int(values) == 48 * int(p_t)
        assert float(share) == pytest.approx(min(1, 128 / int(values)), abs=0.01)
    assert "some 200 times" in text["latent-text"] and 195 < times(input_size=(1, 256, 256), in_channels=3) < 215
    assert "cost no more than the latent" in text["latent-text"]
    assert times(input_size=(1, 256, 256), in_channels=3, patch_size=(1, 16, 16)) == pytest.approx(1, abs=0.01)
    longer = times(input_size=(128, 32, 32)) / times(input_size=(64, 32, 32))
    assert "more than triples" in text["cost-after"] and 3 < longer < 4
    lines = printed("book/06_patches.ipynb", "cost-clip").splitlines()
    frames, bills = zip(*[(int(line.split(":")[0]), int(line.split()[3])) for line in lines], strict=True)
    assert frames == (1, 4, 16, 64, 128) and bills[4] / bills[3] == pytest.approx(longer, abs=0.01)
    assert lines[3].endswith("pairs 70%") and longer == pytest.approx(2 * 0.3 + 4 * 0.7, abs=0.05)
    four = count_macs(large) / count_macs(DiTConfig.preset("DiT-XL/4"))
    assert "Four times as many tokens cost four times as much" in text["cost-xl-text"] and 4 < four < 4.2


def test_what_the_chapter_says_about_wrong_cuts():
    """Mixed rows and columns leave patches whole, the other in place; a reversed clip has the same single frames."""
    torch = pytest.importorskip("torch")
    from ditcourse.model.patches import patchify

    space = {"clip": torch.randn(1, 3, 8, 16, 16)}
    exec(cells("book/06_patches.ipynb")["wrong-cuts"], space)
    right = patchify(space["clip"], (2, 4, 4))
    assert torch.equal(space["cuts"]["right"], right)
    grid = space["cuts"]["rows, columns mixed"].reshape(4, 4, 4, 96)
    assert torch.equal(grid.transpose(1, 2).reshape(1, 64, 96), right)
    inside = space["cuts"]["the same inside"].reshape(64, 6, 4, 4)
    assert torch.equal(inside.transpose(2, 3).reshape(1, 64, 96), right)
    assert not torch.equal(space["cuts"]["colour last"], right)
    rows = re.findall(r"p_t = (\d):\s+(\d+) tokens,\s+(\d+) in both", printed("book/06_patches.ipynb", "sees-run"))
    assert [(p, all_ == both) for p, all_, both in rows] == [("1", True), ("2", False), ("4", False), ("8", False)]
    assert [both for _, _, both in rows[1:]] == ["1", "1", "1"]  # the sky
