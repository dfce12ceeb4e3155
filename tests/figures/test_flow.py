"""The picture of the whole flow: what is drawn is what the key says, in its place, and large enough."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Circle

from ditcourse import byhand
from ditcourse.figures.flow import draw_flow, draw_frames

EXERCISE = byhand.load()
OTHER = byhand.extensions.other_prompt(EXERCISE)
VARIANTS = {
    "sheet": (EXERCISE, byhand.solve(EXERCISE)),
    "printed": (EXERCISE, byhand.solve(EXERCISE, shift=EXERCISE.printed_shift)),
    "other prompt": (OTHER, byhand.solve(OTHER)),
}
IN_KEY = ("X", "L", "N", "Z", "scale", "shift", "C", "A", "P", "E", "G", "D", "Y", "b_ff_after")
IN_EXERCISE = ("W_enc", "b_enc", "W_ada", "b_ada", "W_ff", "b_ff", "W_dec", "b_dec")
PHONE = 350  # pixels that a page of 390 leaves for a picture


@pytest.fixture(scope="module", params=VARIANTS)
def drawn(request):
    exercise, key = VARIANTS[request.param]
    figure = draw_flow(exercise, key)
    yield figure, exercise, key
    plt.close(figure)


@pytest.fixture(scope="module")
def sheet():
    figure = draw_flow(*VARIANTS["sheet"])
    yield figure
    plt.close(figure)


def texts(figure):
    return [text for text in figure.axes[0].texts if text.get_text().strip()]


def numbers(figure, name):
    """The numbers with this name, as a matrix in the order in which the eye finds them."""
    found = [text for text in texts(figure) if text.get_gid() == name]
    lines = {}
    for text in found:
        x, y = text.get_position()
        lines.setdefault(round(y, 3), []).append((x, _value(text.get_text())))
    return np.array([[value for _, value in sorted(lines[y])] for y in sorted(lines)])


def _value(text):
    return float(text.replace("−", "-").replace("½", "0.5"))


def _upright(values):
    values = np.asarray(values)
    return values[:, None] if values.ndim == 1 else values


def test_every_matrix_shows_the_key(drawn):
    figure, exercise, key = drawn
    for name in IN_KEY:
        np.testing.assert_array_equal(numbers(figure, name), _upright(getattr(key, name)), err_msg=name)
    for name in IN_EXERCISE:
        np.testing.assert_array_equal(numbers(figure, name), _upright(getattr(exercise, name)), err_msg=name)
    np.testing.assert_array_equal(numbers(figure, "c"), key.c[None])


def test_frames_stand_side_by_side(drawn):
    figure, exercise, key = drawn
    shown = {"frames": exercise.frames, "frames_out": key.frames, "frames_after": key.frames_after}
    for name, frames in shown.items():
        wanted = np.concatenate(list(frames), axis=1)
        np.testing.assert_array_equal(numbers(figure, name), wanted, err_msg=name)


def test_literals_of_the_sheet(sheet):
    np.testing.assert_array_equal(numbers(sheet, "E"), [[-3, 0, 1, -2], [-1, 1, -1, -3]])
    np.testing.assert_array_equal(numbers(sheet, "b_ff_after"), [[5], [2]])
    frames = [[9, 0, 5, 2, 5, 6, 9, 2], [4, 5, 4, 1, 6, 0, 6, 3]]
    np.testing.assert_array_equal(numbers(sheet, "frames_out"), frames)
    shown = "\n".join(text.get_text() for text in texts(sheet))
    assert "MSE 2:" in shown and "latent\nloss 2" in shown and "latent\nloss 1" in shown
    assert "= (5, 2)" in shown and "sora is sky" in shown


def test_nothing_is_painted_on():
    """Another key gives another picture, so no number is part of the drawing itself."""
    exercise, key = VARIANTS["sheet"]
    rng = np.random.default_rng(0)
    other = {name: rng.integers(-9, 9, size=np.shape(getattr(key, name))) for name in IN_KEY}
    figure = draw_flow(exercise, replace(key, **other))
    for name, values in other.items():
        np.testing.assert_array_equal(numbers(figure, name), _upright(values), err_msg=name)
    plt.close(figure)


def test_both_numbers_and_the_name_of_every_step(sheet):
    shown = [text.get_text().replace("\n", " ") for text in texts(sheet)]
    for step in byhand.STEPS:
        assert shown.count(f"{step.label} {step.name}") == 1, step.key


def test_rings_mark_what_the_relu_clipped(drawn):
    figure, _, key = drawn
    rings = {tuple(np.round(patch.center, 3)) for patch in figure.axes[0].patches
             if isinstance(patch, Circle) and not patch.get_fill()}  # fmt: skip
    for name, before in (("L", key.pre_encoder), ("Y", key.pre_decoder)):
        cells = sorted(text.get_position()[::-1] for text in texts(figure) if text.get_gid() == name)
        ringed = [any(abs(x - rx) < 0.3 and abs(y - ry) < 0.3 for rx, ry in rings) for y, x in cells]
        np.testing.assert_array_equal(np.reshape(ringed, before.shape), before < 0, err_msg=name)
    assert len(rings) == (key.pre_encoder < 0).sum() + (key.pre_decoder < 0).sum()


def test_texts_keep_apart_and_inside(drawn):
    figure, _, _ = drawn
    renderer = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]
    width, height = figure.canvas.get_width_height()
    for name, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, f"{name!r} is cut off"
    for i, (name, box) in enumerate(boxes):
        for other_name, other in boxes[i + 1 :]:
            apart = box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0
            assert apart, f"{name!r} and {other_name!r} overlap"


def test_readable_on_a_telephone_and_in_the_dark(sheet):
    pixels_per_point = PHONE / sheet.get_size_inches()[0] / 72
    assert min(text.get_fontsize() for text in texts(sheet) if text.get_gid()) * pixels_per_point >= 10
    assert min(text.get_fontsize() for text in texts(sheet)) * pixels_per_point >= 9.5
    assert sheet.get_facecolor() == (1, 1, 1, 1)


def test_another_size_is_refused_by_name():
    exercise, key = VARIANTS["sheet"]
    with pytest.raises(ValueError, match=r"L: came with shape \(3, 4\)"):
        draw_flow(exercise, replace(key, L=np.ones((3, 4))))


def test_frames_in_rows():
    exercise, key = VARIANTS["sheet"]
    figure = draw_frames({"original": exercise.frames, "after": key.frames_after})
    for name, frames in (("original", exercise.frames), ("after", key.frames_after)):
        np.testing.assert_array_equal(numbers(figure, name), np.concatenate(list(frames), axis=1))
    top = {text.get_text(): text.get_position()[1] for text in texts(figure) if not text.get_gid()}
    assert list(top) == ["original", "after"] and top["original"] < top["after"]
    plt.close(figure)


def test_frames_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="the same for all"):
        draw_frames({"a": np.ones((4, 2, 2)), "b": np.ones((3, 2, 2))})
    with pytest.raises(ValueError, match="the same for all"):
        draw_frames({"a": np.ones((2, 2))})
