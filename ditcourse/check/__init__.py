"""Checks every exercise of the course: `check("1.3", answer)` says not done, right or wrong, and why.

    >>> from ditcourse.check import check
    >>> verdict = check("1.3", Z)           # prints one readable message and returns a Verdict
    >>> verdict = check("1.3", Z, hint=1)   # the same, with the first hint

It reads the learner's value and nothing else, and never raises because of that value.

How to write a spec
-------------------
One file for each chapter, `ditcourse/check/chapters/chNN.py`, with one tuple, `EXERCISES`:

    import numpy as np
    from ditcourse import byhand
    from ditcourse.check import Exercise, Slip, choice, function, values

    GIVEN = byhand.load()
    KEY = byhand.solve(GIVEN)

    EXERCISES = (
        Exercise(
            id="1.3", title="Add the noise", goal="noise a latent by hand", difficulty=1, minutes=3,
            judge=values(
                lambda: KEY.Z,
                slips=(
                    Slip("noise subtracted", lambda: KEY.L - GIVEN.noise,
                         "it looks as if the noise was subtracted; this step adds it"),
                ),
            ),
            hints=("Work cell by cell.", "Row 1, column 1 is 3 + (-1)."),
        ),
        Exercise(
            id="2.4", title="Modulate", goal="write scale and shift as a function", difficulty=2, minutes=5,
            judge=function(
                lambda Z, scale, shift: Z * scale[:, None] + shift[:, None],        # the reference
                lambda rng: (rng.normal(size=(2, 4)), rng.normal(size=2), rng.normal(size=2)),
                slips=(Slip("swapped", lambda Z, scale, shift: Z * shift[:, None] + scale[:, None],
                            "scale and shift have changed places"),),
            ),
        ),
        Exercise(
            id="3.1", title="What comes first?", goal="predict what is learned first", difficulty=1,
            minutes=2,
            judge=choice("colour", slips={"shape": "a shape needs several pixels to agree"}),
        ),
    )

A slip's second part is the wrong value that this slip leads to (for `function`: a wrong function). Its
message says what happened, as the end of a sentence, without the right answer. A transposed matrix is known
without a slip. `tests/check/test_exercises_all.py` runs over every spec: each blank must be "not done", each
solution "right", and each slip must get its own name.

The learner hands over `...` (not done yet), a number, a list, an array, a tensor; for several values in one
exercise use `values(lambda: (scale, shift), names=("scale", "shift"))` and `check("1.5", (scale, shift))`.
For `function` the learner hands over a function, or anything callable such as a torch module; inputs and
results may be tensors. See `judges.py` for the other options (tolerance, axes, trials, sheet, call) and for
the three methods of a judge: an object of your own that has them is a judge too.
"""

from ditcourse.check.engine import Exercise, Verdict, all_exercises, check, find
from ditcourse.check.judges import Slip, choice, function, values
from ditcourse.check.sheet import Sheet

__all__ = ["Exercise", "Sheet", "Slip", "Verdict", "all_exercises", "check", "choice", "find", "function", "values"]
