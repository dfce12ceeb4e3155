"""Chapter 0: its quiz while half of it is judged, and the confusions that a reader ran into."""

import pytest

from ditcourse.check import check


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"a": "wrong", "b": "right"}, "not done. Still to judge: c, d, e, f, g, h. Those judged agree so far."),
        ({"a": "wrong", "b": "wrong"}, "Of those judged, look again at b: when does learning happen"),
        ({"f": "right"}, "not done. Still to judge: a, b, c, d, e, g, h. Of those judged, look again at f: to which"),
        ({}, "not done. Still to judge: a, b, c, d, e, f, g, h."),
    ],
)
def test_half_a_quiz(answer, says):
    verdict = check("0.2", answer)
    assert verdict.state == "not done" and says in verdict.message
    assert answer or verdict.message.endswith(says)


@pytest.mark.parametrize(
    ("id", "answer", "slip", "says"),
    [
        ("0.1", (64, 512, 262144), "pairs not compared", "In pairs you have 262144. Probably: these are all the"),
        ("0.1", (128, 512, 64), "coarse frames counted singly", "In coarse you have 128. Probably: a coarse patch is"),
        ("0.1", (128, 512, 262144), "frames counted singly, pairs not compared", "In coarse you have 128. Probably:"),
        ("0.3", [1, 3, 6, 4], "looks before there is a grid", "Position 1: you have 1. 2 of 4 positions are wrong."),
        ("0.3", [2, 0, 5, 3], "counted from 0", "4 of 4 positions are wrong. Probably: the steps were counted from 0"),
        ("0.3", [2, 1, 4, 3], "places for numbers", "Probably: that is the place of each step"),
        ("0.3", [3, 1, 6], None, "wrong. You have 3 numbers, 4 are wanted."),
    ],
)
def test_what_readers_typed(id, answer, slip, says):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)
    assert says in verdict.message
