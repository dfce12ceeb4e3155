"""A small chapter 90, known only to these tests, so that they do not depend on the course's own exercises."""

from importlib.util import find_spec

import numpy as np
import pytest

from ditcourse.check import Exercise, Slip, choice, engine, function, values

L = np.array([[3, 0, 0, 1], [4, 3, 4, 5]])
NOISE = np.array([[-1, 1, 0, 0], [-1, 2, 1, -2]])

CHAPTER_90 = (
    Exercise(
        id="90.1",
        title="Add the noise",
        goal="add two matrices",
        difficulty=1,
        minutes=2,
        judge=values(
            lambda: L + NOISE,
            slips=(
                Slip("noise subtracted", lambda: L - NOISE, "the noise was subtracted"),
                Slip("noise forgotten", lambda: L, "the noise is missing"),
            ),
        ),
        hints=("Cell by cell.", "3 + (-1) = 2."),
    ),
    Exercise(
        id="90.2",
        title="Scale and shift",
        goal="two values at once",
        difficulty=2,
        minutes=3,
        judge=values(
            lambda: ([2, -1], [1, 5]),
            names=("scale", "shift"),
            slips=(Slip("lost double minus", lambda: ([2, -1], [-1, 5]), "(-1)(-1) is +1"),),
        ),
    ),
    Exercise(
        id="90.3",
        title="Modulate",
        goal="write a function",
        difficulty=3,
        minutes=5,
        judge=function(
            lambda z, scale, shift: z * scale[:, None] + shift[:, None],
            lambda rng: (rng.normal(size=(2, 4)), rng.normal(size=2), rng.normal(size=2)),
            slips=(
                Slip(
                    "swapped", lambda z, scale, shift: z * shift[:, None] + scale[:, None], "they are swapped"
                ),
            ),
            sheet=lambda: (L + NOISE, np.array([2, -1]), np.array([1, 5])),
        ),
    ),
    Exercise(
        id="90.4",
        title="What is first?",
        goal="predict",
        difficulty=1,
        minutes=1,
        judge=choice(
            "colour", slips={"shape": "shape needs several pixels"}, options=("colour", "shape", "speed")
        ),
    ),
    Exercise(
        id="90.5",
        title="Mean squared error",
        goal="one number",
        difficulty=1,
        minutes=1,
        judge=values(lambda: 2, slips=(Slip("not divided", lambda: 16, "the sum was not divided"),)),
    ),
    Exercise(
        id="90.6",
        title="Frames",
        goal="three axes",
        difficulty=1,
        minutes=1,
        judge=values(lambda: np.arange(16).reshape(4, 2, 2), axes=("frame", "row", "column")),
    ),
    Exercise(
        id="90.7",
        title="Build a module",
        goal="an answer that is used in its own way",
        difficulty=2,
        minutes=1,
        judge=function(
            lambda x: 3 * x,
            lambda rng: (rng.normal(size=3),),
            call=lambda build, x: build(3)(x),
            slips=(Slip("added", lambda x: 3 + x, "it was added"),),
        ),
    ),
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """These tests also run without torch; the few that need it are then skipped, each with a line."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "matplotlib", "PIL", "ipywidgets") and find_spec(error.name) is None:
            pytest.skip(f"{error.name} is not installed here")
        raise


@pytest.fixture
def course(monkeypatch):
    """`check` sees chapter 90 and nothing else; the value is {id: Exercise}."""
    monkeypatch.setattr(engine, "_chapter_numbers", lambda: [90])
    monkeypatch.setattr(engine, "_load", lambda number: CHAPTER_90)
    return {exercise.id: exercise for exercise in CHAPTER_90}
