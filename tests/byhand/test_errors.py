"""Wrong input is told clearly: the argument, what came, what is allowed."""

import json
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand import data, rows

FILE = Path(data.__file__).with_name("exercise.json")
Z = np.ones((2, 4))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: byhand.patchify([[1, 2], [3, 4]]), ["frames", "(2, 2)", "(frames, rows, columns)"]),
        (
            lambda: byhand.encode(np.ones((3, 4)), np.ones((2, 4)), [0, 1]),
            ["X", "(3, 4)", "encode", "4 rows", "W_enc"],
        ),
        (lambda: byhand.encode(np.ones(4), np.ones((2, 4)), [0, 1]), ["X", "(4,)", "one column per token"]),
        (lambda: byhand.encode(np.ones((4, 4)), np.ones((2, 4)), [0, 1, 2]), ["b_enc", "(3,)", "(2,)"]),
        (lambda: byhand.add_noise(Z, Z.T), ["noise", "(4, 2)", "(2, 4), as L"]),
        (lambda: byhand.add_noise(Z, 0), ["noise", "()", "(2, 4)"]),
        (lambda: byhand.add_noise(Z, [[1, 2], [3]]), ["noise", "unequal length"]),
        (lambda: byhand.add_noise(..., Z), ["L", "ellipsis", "numbers"]),
        (lambda: byhand.add_noise(np.ones((0, 4)), Z), ["L", "empty"]),
        (lambda: byhand.binary_time(4), ["t", "4", "0 to 3"]),
        (lambda: byhand.binary_time(-1), ["t", "-1", "0 to 3"]),
        (lambda: byhand.binary_time(1.5), ["t", "1.5", "whole number"]),
        (lambda: byhand.make_condition([[1, 2], [3, 4]], [1, 1]), ["text", "(2, 2)"]),
        (lambda: byhand.scale_shift([1, 2, 3], np.ones((4, 5)), np.ones(4)), ["c", "(3,)", "(5,)"]),
        (lambda: byhand.scale_shift(np.ones(5), np.ones((3, 5)), np.ones(3)), ["W_ada", "3 rows", "even"]),
        (lambda: byhand.modulate(Z, [1, 2, 3], [1, 2]), ["scale", "(3,)", "(2,)"]),
        (lambda: byhand.attention_weights([[1], [1], [1]]), ["S", "column 1", "tie"]),
        (lambda: byhand.attention_weights([[1, 2]]), ["S", "1 row", "at least 2"]),
        (lambda: byhand.attention_pool(Z, np.ones((2, 4))), ["A", "(2, 4)", "one row per token"]),
        (
            lambda: byhand.predict_noise(Z.T, np.ones((2, 2)), [1, 1]),
            ["P", "(4, 2)", "predict_noise", "2 rows"],
        ),
        (lambda: byhand.bias_step([1, 2], Z.T), ["b_ff", "(2,)", "(4,)"]),
        (lambda: byhand.denoise(Z, "two"), ["E", "str", "numbers"]),
        (lambda: byhand.decode(Z.T, np.ones((4, 2)), np.ones(4)), ["D", "(4, 2)", "decode", "2 rows"]),
        (lambda: byhand.unpatchify(np.ones((5, 4))), ["Y", "5 pixels", "2 x 2 = 4"]),
        (
            lambda: rows.encode(np.ones((4, 3)), np.ones((2, 4)), [0, 1]),
            ["X", "(4, 3)", "encode", "4 columns"],
        ),
        (lambda: rows.modulate(Z, [1, 2], [1, 2]), ["scale", "(2,)", "(4,)"]),
        (lambda: rows.attention_weights([[1, 1, 1]]), ["S", "row 1", "tie"]),
        (lambda: rows.attention_weights([[1]]), ["S", "1 column", "at least 2"]),
        (lambda: rows.attention_pool(Z, np.ones((4, 4))), ["A", "(4, 4)", "one column per token"]),
        (lambda: rows.unpatchify(np.ones((4, 5))), ["Y", "5 pixels"]),
    ],
)
def test_steps(call, words):
    with pytest.raises(ValueError) as error:
        call()
    assert str(error.value).split(":")[0] == words[0]
    for word in words[1:]:
        assert word in str(error.value)


def changed(tmp_path, **changes):
    given = json.loads(FILE.read_text(encoding="utf-8"))
    for name, value in changes.items():
        if value is None:
            del given[name]
        else:
            given[name] = value
    path = tmp_path / "exercise.json"
    path.write_text(json.dumps(given), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"W_enc": None}, "missing: W_enc"),
        ({"W_encoder": [[1]]}, "unknown: W_encoder"),
        (
            {"W_enc": [[1, 0, 1], [0, 1, 0]]},
            r"W_enc: came with shape \(2, 3\); allowed: \(latent = 2, pixels = 4\)",
        ),
        ({"b_enc": [[0, 1]]}, r"b_enc: came with shape \(1, 2\)"),
        ({"frames": [[[1, 2]], [[1, 2], [3, 4]]]}, "frames: rows of unequal length"),
        ({"noise": [["a", "b"], ["c", "d"]]}, "noise: came as list of <U1; allowed: numbers"),
        ({"W_ada": [[1, 1, 0, 0]] * 4}, r"W_ada: came with shape \(4, 4\); .*condition = 5"),
        ({"text": [0, 1]}, r"W_ada: came with shape \(4, 5\); .*condition = 4"),
        ({"b_ff": [1, float("nan")]}, "b_ff: holds a value that is not finite"),
        (
            {"M": [[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1]]},
            "M: allowed: 0 and 1, with two ones",
        ),
        ({"schedule": [[1, 1, 1]]}, r"schedule: allowed: rows a, b, c with a\^2"),
        ({"frame_order": [1, 2, 3, 4]}, "frame_order: came as .*; allowed: 0 to 3"),
        ({"patch_size": [3, 2, 1]}, "patch_size: came as .*divide the video"),
        ({"prompt": " "}, "prompt: came as ' '"),
        ({"t": 4}, "t: came as 4; allowed: a whole number from 0 to 3"),
    ],
)
def test_bad_files(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        byhand.load(changed(tmp_path, **changes))


def test_other_bad_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no exercise file at .*nowhere.json"):
        byhand.load(tmp_path / "nowhere.json")
    for text, words in (("{", "broken.json: not JSON"), ("[]", "broken.json: came as list")):
        path = tmp_path / "broken.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            byhand.load(path)


def test_another_exercise_of_the_same_form(tmp_path):
    """Sizes are read from the file, not fixed: a fresh instance with other numbers solves as well."""
    exercise = byhand.load(changed(tmp_path, b_ff=[0, 0]))
    assert byhand.solve(exercise).loss == 15.5


def test_givens_cannot_be_changed_by_accident(exercise):
    with pytest.raises(ValueError, match="read-only"):
        exercise.W_ff[0, 0] = 7


def test_the_file_says_where_each_given_comes_from():
    origin = data.notes()["origin"]
    named = set(origin["source"]) | set(origin["course"])
    assert set(data.SHAPES) <= named
    assert not set(origin["source"]) & set(origin["course"])
