import pytest

from ditcourse import byhand


@pytest.fixture(scope="session")
def exercise():
    return byhand.load()


@pytest.fixture(scope="session")
def key(exercise):
    return byhand.solve(exercise)


@pytest.fixture(scope="session")
def printed(exercise):
    return byhand.solve(exercise, shift=exercise.printed_shift)
