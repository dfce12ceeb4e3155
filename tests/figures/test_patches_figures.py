"""The figures of chapter 6: gaps where patches meet, costs as counted, the picture and the handles of the explorer."""

import base64
import io
import json
import math
import re

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from ditcourse.figures.patches import patch_costs, patch_explorer, with_gaps  # noqa: E402
from ditcourse.model import DiTConfig, count_macs  # noqa: E402


@pytest.mark.parametrize(("patch", "gap"), [((1, 4, 4), 1), ((2, 2, 8), 2), ((8, 16, 16), 3)])
def test_gaps_lie_between_patches_and_nothing_is_lost(patch, gap):
    clip = torch.rand(3, 8, 16, 16) - 1
    wide = with_gaps(clip, patch, gap)
    _, p_h, p_w = patch
    rows, columns = 16 // p_h, 16 // p_w
    assert wide.shape == (3, 8, 16 + gap * (rows - 1), 16 + gap * (columns - 1))
    for i in range(rows):
        for j in range(columns):
            top, left = i * (p_h + gap), j * (p_w + gap)
            piece = clip[:, :, i * p_h : (i + 1) * p_h, j * p_w : (j + 1) * p_w]
            assert torch.equal(wide[:, :, top : top + p_h, left : left + p_w], piece)
    assert (wide == 1).sum() == wide.numel() - clip.numel()


def test_gaps_of_a_patch_that_does_not_fit_are_refused():
    with pytest.raises(ValueError, match="height = 16"):
        with_gaps(torch.zeros(3, 8, 16, 16), (1, 3, 4))


def test_costs_are_those_of_the_miniature():
    costs = patch_costs((8, 16, 16))
    assert len(costs) == 4 * 4 * 4
    for patch in ((1, 2, 2), (2, 4, 4), (8, 16, 16), (4, 2, 16)):
        config = DiTConfig.preset("mini", patch_size=patch)
        macs, share = costs[",".join(map(str, patch))]
        pairs = config.depth * 2 * config.num_tokens**2 * config.hidden_size
        assert macs == count_macs(config) and share == pytest.approx(pairs / macs, abs=1e-4)


def page():
    return patch_explorer(torch.linspace(-1, 1, 3 * 8 * 16 * 16).reshape(3, 8, 16, 16), "A <title>").data


def test_the_picture_holds_the_frames_side_by_side():
    data = re.search(r"background-image: url\(data:image/webp;base64,([\w+/=]+)\)", page())[1]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
    assert picture.shape == (16, 128, 3)
    clip = torch.linspace(-1, 1, 3 * 8 * 16 * 16).reshape(3, 8, 16, 16)
    wanted = ((clip.numpy() + 1) * 127.5).transpose(2, 1, 3, 0).reshape(16, 128, 3)
    assert np.abs(picture - wanted).max() <= 1


def test_the_data_and_the_handles():
    text = page()
    costs = json.loads(re.search(r"costs = (\{.*?\});", text)[1])
    assert costs == patch_costs((8, 16, 16))
    for name in ("patch-t", "patch-h", "patch-w", "patch-apart"):
        assert f'<label for="{name}">' in text and f'type="range" id="{name}"' in text
    assert "A &lt;title&gt;" in text and "prefers-reduced-motion" in text and 'aria-live="polite"' in text
    assert "http" not in text and "@" not in re.sub(r"@(keyframes|media)", "", text)
    handles = re.findall(r'id="patch-(\w)" min="(\d)" max="(\d)"', text)
    patches = [[2**k for k in range(int(low), int(high) + 1)] for _, low, high in handles]
    assert math.prod(map(len, patches)) == len(costs) and "1,2,2" in costs and "8,16,16" in costs


def test_clips_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"got \(3, 8, 16, 8\)"):
        patch_explorer(torch.zeros(3, 8, 16, 8))
