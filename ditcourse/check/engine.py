"""Exercises, verdicts, and `check`, which joins them."""

import difflib
import importlib
import pkgutil
import re
from dataclasses import dataclass

from ditcourse.check import chapters
from ditcourse.check.judges import Finding
from ditcourse.check.reading import describe, name_of


@dataclass(frozen=True)
class Verdict:
    """What `check` found: state "not done", "right" or "wrong"; cell (counted from 0); the slip's name."""

    state: str
    message: str
    cell: tuple | None = None
    slip: str | None = None

    def _ipython_display_(self):
        """Show nothing: the message has been printed already."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of the course: what its heading says, how it is judged, its hints from gentle to plain."""

    id: str
    title: str
    goal: str
    difficulty: int
    minutes: int
    judge: object
    hints: tuple = ()

    def __post_init__(self):
        if not re.fullmatch(r"\d+\.\d+", self.id):
            raise ValueError(f"exercise id {self.id!r}: chapter.number is wanted, such as '1.3'")
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"exercise {self.id}: difficulty is 1, 2 or 3")
        if not (isinstance(self.minutes, int) and self.minutes > 0):
            raise ValueError(f"exercise {self.id}: minutes is a whole number above 0")
        if isinstance(self.hints, str):
            raise TypeError(
                f"exercise {self.id}: hints is a tuple of texts; a comma is missing after the only one"
            )
        for method in ("judge", "right_answer", "wrong_answers"):
            if not hasattr(self.judge, method):
                raise ValueError(
                    f"exercise {self.id}: judge is made by values(...), function(...) or choice(...)"
                )

    @property
    def heading(self):
        """The heading of the exercise's Markdown cell."""
        return f"## Exercise {self.id}: {self.title}"

    def hints_for(self, answer):
        """The hints, from gentle to plain: the exercise's own, or those that its judge finds for this answer."""
        return self.hints or (self.judge.hints(answer) if hasattr(self.judge, "hints") else ())

    @property
    def facts(self):
        """The line under the heading."""
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        return f"Goal: {self.goal} · Difficulty: {stars} · Minutes: {self.minutes}"


def check(id, answer, hint=0):
    """Judge the answer to an exercise, print what there is to say, and return it as a Verdict.

    id    the exercise's number as a text, such as "1.3"
    hint  how many hints to add: 1 for the first, 2 for the first two ...
    """
    exercise = find(id)
    finding = _judge(exercise.judge, answer)
    parts = [f"{exercise.id} {exercise.title}: {finding.state}."]
    if finding.text:
        parts.append(finding.text)
    elif finding.state == "not done":
        parts.append("Replace each `...` and run the cell again.")
    hints = exercise.hints_for(answer)
    if finding.state != "right" and hints:
        given = min(max(int(hint), 0), len(hints))
        parts += [f"\n  Hint {i + 1}: {text}" for i, text in enumerate(hints[:given])]
        if (finding.state == "wrong" or finding.cell is not None) and given < len(hints):
            parts.append(f"\n  For {'a' if given == 0 else 'another'} hint add hint={given + 1}.")
    message = " ".join(parts).replace(" \n", "\n").encode("utf-8", "backslashreplace").decode("utf-8")
    verdict = Verdict(finding.state, message, finding.cell, finding.slip)
    print(verdict.message)
    return verdict


def _judge(judge, answer):
    """The judge's finding. Should the answer still make it stop, say so; a fault of the spec is raised."""
    try:
        return judge.judge(answer)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 (a check never stops the notebook)
        judge.judge(judge.right_answer())
        text = f"This answer ({name_of(answer)}) cannot be judged; looking at it gave {describe(error)}."
        return Finding("wrong", text)


def find(id):
    """The exercise with this id; a ValueError that names the nearest if there is none."""
    if not isinstance(id, str):
        raise TypeError(f'write the exercise\'s number in quotes: check("{id}", ...)')
    chapter = id.split(".")[0]
    if chapter.isdigit() and int(chapter) in _chapter_numbers():
        for exercise in _load(int(chapter)):
            if exercise.id == id:
                return exercise
    known = all_exercises()
    near = difflib.get_close_matches(id, known, n=1, cutoff=0.0)
    raise ValueError(f"there is no exercise {id!r}" + (f"; the nearest is {near[0]!r}" if near else ""))


def all_exercises():
    """Every exercise of every chapter, {id: Exercise}, in the order of the course."""
    return {exercise.id: exercise for number in _chapter_numbers() for exercise in _load(number)}


def _chapter_numbers():
    names = (module.name for module in pkgutil.iter_modules(chapters.__path__))
    return sorted(int(name[2:]) for name in names if re.fullmatch(r"ch\d\d", name))


def _load(number):
    return importlib.import_module(f"{chapters.__name__}.ch{number:02d}").EXERCISES
