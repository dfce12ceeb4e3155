"""Whatever is handed over, `check` returns a verdict: it never raises because of the learner's answer."""

import random
import weakref
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest

from ditcourse.check import Verdict, all_exercises, check, judges

ERRORS = (
    ValueError,
    TypeError,
    RecursionError,
    MemoryError,
    AttributeError,
    StopIteration,
    SystemExit,
    BaseException,
)


def trap(error):
    """An object of which nearly every use raises."""

    def stop(*_, **__):
        raise error("a trap")

    names = """eq ne lt le gt ge hash repr str len iter getitem contains bool float int complex index array
    call add radd sub mul matmul neg abs round trunc array_ufunc array_function array_interface next format
    getattr deepcopy copy reduce_ex reduce""".split()
    return type("Trap", (), {f"__{name}__": stop for name in names})()


def property_trap(error):
    class Trap:
        @property
        def __class__(self):
            raise error("a trap")

        @property
        def detach(self):
            raise error("a trap")

        shape = dtype = ndim = __array__ = __len__ = __call__ = detach

    return Trap()


def getattribute_trap(error):
    class Trap:
        def __getattribute__(self, name):
            raise error("a trap")

    return Trap()


def subclass_trap(base, error):
    """A list, a float ... whose own methods raise."""

    def stop(*_, **__):
        raise error("a trap")

    names = (
        """len iter getitem eq float int repr str array array_finalize index abs bool get hash lt""".split()
    )
    kind = type("Trap", (base,), {f"__{name}__": stop for name in names} | {"get": stop, "strip": stop})
    try:
        return base.__new__(kind)
    except BaseException:
        return kind


class EvilMeta(type):
    @property
    def __name__(cls):
        raise SystemExit("a trap")

    def __instancecheck__(cls, thing):
        raise ValueError("a trap")

    def __subclasscheck__(cls, thing):
        raise ValueError("a trap")

    def __hash__(cls):
        raise ValueError("a trap")

    def __eq__(cls, other):
        raise ValueError("a trap")


class Evil(metaclass=EvilMeta):
    pass


class UnprintableError(Exception):
    def __str__(self):
        raise ValueError("not even the error can be printed")

    __repr__ = __str__


class FakeTensor:
    shape = (2, 4)

    def __init__(self, stage):
        self.stage = stage

    def __getattr__(self, name):
        if name == self.stage:
            raise UnprintableError
        return lambda: self if name != "numpy" else object()


class FakeArray:
    def __init__(self, result):
        self.result = result

    def __array__(self, *args, **kwargs):
        return self.result


def endless():
    while True:
        yield []


class EndlessList(list):
    def __len__(self):
        return 3

    def __iter__(self):
        return endless()


def deep(levels):
    x = 1
    for _ in range(levels):
        x = [x]
    return x


def wide(levels):
    """2 to the power of `levels` cells in a handful of lists."""
    x = 1
    for _ in range(levels):
        x = [x, x]
    return x


def itself():
    x = [1]
    x.append(x)
    return x


def array_in_itself():
    x = np.empty(2, dtype=object)
    x[:] = [1, x]
    return x


def unprintable(*_):
    raise UnprintableError


def nasty():
    things = {
        "object": object(), "type": Evil, "evil metaclass": Evil(), "module": random, "class": int,
        "NotImplemented": NotImplemented, "lambda": lambda: 1, "unprintable error": unprintable,
        "generator": endless(), "iterator": iter([1]), "map": map(int, "12"),
        "set": {1}, "dict": {"a": 1}, "keys": {1: 2}.keys(), "bytes": b"\xff", "bytearray": bytearray(3),
        "memoryview": memoryview(b"abc"), "surrogate": "\ud800", "emoji": "🙂" * 10**5, "null": "\0",
        "huge int": 10**5000, "int text": "9" * 10**5, "nan": float("nan"), "-inf": -np.inf,
        "decimal nan": Decimal("sNaN"), "decimals": [Decimal("Infinity")] * 4, "fraction": Fraction(1, 3),
        "longdouble": np.longdouble("1e4000"), "void": np.void(b"ab"), "datetime": np.datetime64("NaT"),
        "deep": deep(3000), "wide": wide(40), "itself": itself(), "array in itself": array_in_itself(),
        "endless": EndlessList(), "wide of empty": [[]] * 10, "empty": [], "nested empty": [[[]], []],
        "objects": np.array([[object()] * 4] * 2), "ragged": [[1, [2]], 3], "zero cells": np.zeros((0, 4)),
        "huge view": np.broadcast_to(1, (10**9, 10**9)), "huge range": range(10**30),
        "records": np.zeros(3, "i4,f8"), "texts": np.array(["a", "..."]), "33 axes": np.zeros((1,) * 33),
        "masked": np.ma.masked_array([1, 2], [True, False]), "read only": np.broadcast_to(2, (2, 4)),
        "float range": np.full((2, 4), 1.7e308), "mixed": [np.array("a"), np.array(1), np.datetime64("2020")],
        "weakref": weakref.ref(random), "super": super(Evil, Evil), "slice": slice(1), "error": ValueError(),
    }  # fmt: skip
    for error in ERRORS:
        things[f"trap {error.__name__}"] = trap(error)
        things[f"list of traps {error.__name__}"] = [[trap(error)] * 4] * 2
        things[f"property trap {error.__name__}"] = property_trap(error)
        things[f"getattribute trap {error.__name__}"] = getattribute_trap(error)
        for base in (list, tuple, dict, float, int, str, set, complex, Fraction):
            things[f"{base.__name__} trap {error.__name__}"] = subclass_trap(base, error)
        things[f"in an array {error.__name__}"] = np.array([trap_in_cell(error)], dtype=object)
    for stage in ("detach", "cpu", "numpy", "float", "none of them"):
        things[f"fake tensor {stage}"] = FakeTensor(stage)
    for name, result in {
        "text": "no array",
        "none": None,
        "records": np.zeros(2, "i4,i4"),
        "ok": np.eye(2),
    }.items():
        things[f"fake array {name}"] = FakeArray(result)
    return things


def trap_in_cell(error):
    class Cell:
        def __float__(self):
            raise error("a trap")

        __repr__ = __str__ = __eq__ = __float__
        __hash__ = None

    return Cell()


NASTY = nasty()


def judged(id, answer):
    verdict = check(id, answer)
    assert isinstance(verdict, Verdict)
    assert verdict.state in ("not done", "right", "wrong")
    assert len(verdict.message) < 2000
    return verdict


@pytest.mark.parametrize("name", NASTY)
def test_nasty_objects_as_answers(course, name, capsys):
    for id in course:
        assert judged(id, NASTY[name]).state == "wrong"
        judged(id, [NASTY[name], NASTY[name]])
        judged(id, (NASTY[name],))
        judged(id, {"scale": NASTY[name]})
    capsys.readouterr().out.encode("utf-8")  # everything that was printed can be printed


@pytest.mark.parametrize("name", NASTY)
def test_nasty_objects_as_results(course, name):
    for id in ("90.3", "90.7"):
        assert judged(id, lambda *inputs: NASTY[name]).state == "wrong"
        judged(id, lambda *inputs: lambda x: NASTY[name])


def test_nasty_objects_in_every_exercise_of_the_course():
    exercises = all_exercises()
    assert exercises
    for id in list(exercises)[:: 1 if find_spec("torch") else 4]:  # all of them once; without torch every fourth
        for name, answer in NASTY.items():
            if name == "endless" and type(exercises[id].judge).__module__ != judges.__name__:
                continue  # an endless list is more than a chapter's own judge needs to stand
            assert judged(id, answer).state != "right"


def random_answer(rng, depth=0):
    """A nest of lists and arrays such as nobody means to hand over."""
    kind = rng.random()
    if depth < 4 and kind < 0.45:
        return rng.choice([list, tuple])(random_answer(rng, depth + 1) for _ in range(rng.randrange(5)))
    if kind < 0.6:
        shape = tuple(rng.randrange(4) for _ in range(rng.randrange(4)))
        return np.zeros(shape, dtype=rng.choice(["f4", "i8", "?", "c8", "O", "U3", "M8[s]", "f2", "u1"]))
    return rng.choice(
        [1, -2.5, ..., None, "x", "...", True, 1j, {}, object(), float("nan"), b"", Fraction(1, 2)]
    )


def test_random_nests(course):
    rng = random.Random(2024)
    for _ in range(3000):
        answer = random_answer(rng)
        judged(rng.choice(list(course)), answer)


def test_no_warning_reaches_the_learner(course, recwarn):
    for answer in (np.full((2, 4), 1.7e308), np.full((2, 4), np.longdouble("1e4000")), [[10**400] * 4] * 2):
        check("90.1", answer)
    assert not recwarn.list
