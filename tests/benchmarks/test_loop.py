"""The race of training steps in the small: everyone takes real steps, and the share is what it says."""

import sys
from dataclasses import replace

import pytest

from tests.benchmarks.test_race import SMALL as IMAGE
from tests.benchmarks.test_race import load

SMALL = replace(IMAGE, learn_sigma=False)


@pytest.fixture(scope="module")
def loop():
    before = list(sys.path)
    load("race")
    yield load("loop")
    sys.path[:] = before


def test_every_contender_trains(loop):
    steps = loop.contenders(SMALL, 2, "float32", False, "cpu")
    assert list(steps)[:2] == ["ours", "bare model"]
    for step in steps.values():
        step(), step()
    trainer = steps["ours"].__self__
    assert trainer.step == 2 and len(trainer.losses) == 2 and trainer.losses[0] > 0.5


def test_the_share_is_what_the_loop_takes_beyond_the_bare_model(loop):
    result = loop.run(SMALL, 2, "float32", 3, False, "cpu")
    ours, bare = (result["contenders"][name] for name in ("ours", "bare model"))
    assert result["own_share"] == pytest.approx(1 - bare["median"] / ours["median"])
    assert ours["clips_per_s"] == pytest.approx(2 / ours["median"]) and ours["mfu"] > 0
    assert "| bare model |" in load("table").loop_table(result | {"command": "x", "preset": "y"})
