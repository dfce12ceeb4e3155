"""The figure of chapter 5: errors, size, what each tile of its pictures holds, and its handles."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from ditcourse.figures.sampling import estimate_errors, sampling_explorer  # noqa: E402


def run(start, steps=4):
    """Even clips: the grid gets darker, the estimate nears its end by halves."""
    clip = torch.ones(3, 8, 16, 16)
    made = [(1 - i / steps, clip * start * (1 - i / steps), clip * 0.5**i) for i in range(steps)]
    return [*made, (0.0, 0 * clip, 0 * clip)]


def page(runs):
    return sampling_explorer(runs, "A <title>").data


def picture(text, name):
    data = re.search(rf"\.{name} {{background-image: url\(data:image/webp;base64,([\w+/=]+)\)", text)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def test_errors_are_against_the_end_of_the_same_run():
    assert estimate_errors(run(1.0)) == pytest.approx([1, 0.5, 0.25, 0.125, 0])


def test_the_data_are_those_of_the_runs():
    data = json.loads(re.search(r"data = (\{.*?\}), last = 4;", page({"0": run(1.0), "2": run(-1.0)}))[1])
    assert data == {"guidance": ["0", "2"], "t": 2 * [[1, 0.75, 0.5, 0.25, 0]], "error": 2 * [[1, 0.5, 0.25, 0.125, 0]]}


def test_each_tile_holds_its_step():
    text = page({"0": run(1.0), "2": run(-1.0)})
    grid, estimate = picture(text, "grid"), picture(text, "estimate")
    assert grid.shape == estimate.shape == (2 * 5 * 16, 8 * 16, 3)
    rows = grid.reshape(10, 16, -1).mean(axis=(1, 2))
    wanted = [255, 223, 191, 159, 127.5, 0, 32, 64, 96, 127.5]  # (x + 1) / 2 * 255, top to bottom
    assert np.abs(rows - wanted).max() < 6
    assert np.abs(estimate.reshape(10, 16, -1).mean(axis=(1, 2)) - 2 * [255, 191, 159, 143, 127.5]).max() < 6


def test_it_has_handles_words_and_nothing_from_elsewhere():
    text = page({"0": run(1.0), "2": run(-1.0)})
    for name in ("sampling-step", "sampling-guidance"):
        assert f'<label for="{name}">' in text and f'type="range" id="{name}"' in text
    assert 'max="4"' in text and 'max="1"' in text and "aria-valuetext" in text and 'aria-live="polite"' in text
    assert "A &lt;title&gt;" in text and "prefers-reduced-motion" in text
    assert "http" not in text and "@" not in re.sub(r"@(keyframes|media)", "", text)


def test_runs_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"same number of steps, got \[5, 4\]"):
        sampling_explorer({"0": run(1.0), "2": run(1.0, 3)})
    with pytest.raises(ValueError, match=r"got \[\]"):
        sampling_explorer({})


def test_live_handles_run_the_model_and_say_what_is_wrong():
    from ditcourse import pipeline
    from ditcourse.figures.sampling import live_sampling, record_run

    words, seed, guidance, step, screen = live_sampling().children
    assert all(handle.description for handle in (words, seed, guidance, step))
    step.value = 25
    end, at_end = screen.value, "error of the estimate 0.00"
    assert at_end in end and "t = 0.00" in end and end.count("data:image/webp") == 4
    guidance.value = 0.0
    assert at_end in screen.value and screen.value != end  # another run, seen at the same step
    guidance.value = 2.0
    assert screen.value == end
    step.value = 3
    run = record_run(pipeline.load("mini"), words.value)
    assert len(run) == 26 and f"error of the estimate {estimate_errors(run)[3]:.2f}" in screen.value
    words.value = "a red dragon"
    assert "unknown word" in screen.value and "data:" not in screen.value
    step.value = 4  # nothing to show, and nothing breaks
    words.value = "a red circle"
    assert "data:" in screen.value
