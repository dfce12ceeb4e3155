"""Chapter 1, Sora's DiT by hand: the sheet part by part, and two slips to find on a colleague's sheet."""

import re
from dataclasses import dataclass, replace

import numpy as np

from ditcourse import byhand
from ditcourse.check import Exercise, Slip, values
from ditcourse.check.judges import Finding
from ditcourse.check.reading import is_blank, name_of
from ditcourse.check.sheet import SheetPart

GIVEN = byhand.load()
KEY = byhand.solve(GIVEN)

# The colleague's sheet: two slips, and everything after them done rightly with the wrong numbers.

SIGN_SLIP = (1, 1)  # row 2, column 2 of G, counted from 0
PARTS = ("X", "L", "Z", "c", "scale", "shift", "C", "A", "P", "E", "D", "Y", "G", "loss",
         "b_ff_after", "E_after", "loss_after", "D_after", "Y_after")  # fmt: skip


def wrong_sign(G):
    """G with N - E instead of E - N in one cell: the colleague's second slip."""
    G = G.copy()
    G[SIGN_SLIP] *= -1
    return G


def colleague_key():
    """The sheet as a Key: the published shift, one wrong sign in G, and a pass after the update with both."""
    key = byhand.solve(GIVEN, shift=GIVEN.printed_shift)
    G = wrong_sign(key.G)
    b_ff = byhand.bias_step(GIVEN.b_ff, G)
    E = byhand.predict_noise(key.P, GIVEN.W_ff, b_ff)
    D = byhand.denoise(key.Z, E)
    Y = byhand.decode(D, GIVEN.W_dec, GIVEN.b_dec)
    return replace(key, G=G, b_ff_after=b_ff, E_after=E, G_after=byhand.noise_gradient(E, key.N),
                   loss_after=byhand.mse(E, key.N), D_after=D, Y_after=Y,
                   frames_after=byhand.unpatchify(Y))  # fmt: skip


def colleague():
    """{name: numbers} of a sheet on which two cells do not follow from what stands before them."""
    return parts_of(colleague_key())


def parts_of(key):
    return {name: np.asarray(getattr(key, name)) for name in PARTS}


@dataclass(frozen=True)
class Cells:
    """Names of cells in any order, each as on the sheet: "C[2,1]" is row 2, column 1; "shift[2]" its row 2.

    wanted      the cells to find
    made, true  {name: array}: the sheet to look at, and the same without slips
    """

    wanted: tuple
    made: object
    true: object

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        if isinstance(answer, str):
            answer = [answer]
        if not isinstance(answer, (list, tuple)):
            return Finding("wrong", f"A list of cells in quotes is wanted; that is {name_of(answer)}.")
        if any(is_blank(cell) for cell in answer):
            text = f"{sum(is_blank(cell) for cell in answer)} still to name."
            named = [cell for cell in answer if not is_blank(cell)]
            return Finding("not done", " ".join(filter(None, (text, self.judge(named).text if named else ""))))
        cells = []
        for cell in answer:
            found, problem = self._read(cell)
            if problem:
                return Finding("wrong", problem)
            cells.append(found)
        if len(set(cells)) < len(cells):
            return Finding("wrong", "One cell is named twice.", slip="named twice")
        if len(cells) > len(self.wanted):
            return Finding("wrong", f"{len(self.wanted)} cells are wanted; you gave {len(cells)}.")
        wanted = {self._read(cell)[0] for cell in self.wanted}
        hits = wanted & set(cells)
        if hits == wanted:
            return Finding("right")
        text = f"{len(hits)} of {len(wanted)} found."
        slip = None
        for cell in cells:
            if cell not in wanted:
                slip, says = self._explain(cell)
                text += f" {self._name(cell)} {says}."
        if len(hits) == len(cells) and hits:
            slip, text = "one missing", text + " Go on looking."
        return Finding("wrong", text, slip=slip)

    def right_answer(self):
        return list(self.wanted)

    def wrong_answers(self):
        last = self.wanted[-1]
        return {
            "follows": ["C[1,1]", last],
            "right cell": ["X[1,1]", last],
            "named twice": [last, last],
            "one missing": [last],
        }

    def _read(self, cell):
        """("G", (1, 1)) and None for "G[2,2]"; or None and what is wrong with it."""
        match = re.fullmatch(r"\s*([A-Za-z_]+)\W*(\d*)\W*(\d*)\W*", cell) if isinstance(cell, str) else None
        names = self.made()
        name = match and next((n for n in (match[1], match[1].lower(), match[1].upper()) if n in names), None)
        if not name:
            shown = repr(cell[:20]) if isinstance(cell, str) else name_of(cell)
            known = ", ".join(names)
            return None, f'{shown}: write a name and a place, such as "C[2,1]". Names: {known}.'
        place = [int(digits) for digits in match.groups()[1:] if digits]
        shape = names[name].shape
        if len(shape) == 1 and len(place) == 2 and place[1] == 1:
            place = place[:1]  # a vector is a column on paper
        fits = len(place) == len(shape)
        if not fits or any(not 1 <= at <= size for at, size in zip(place, shape, strict=True)):
            return None, f"{cell.strip()}: {name} {_places(name, shape)}."
        return (name, tuple(at - 1 for at in place)), None

    def _explain(self, cell):
        name, place = cell
        if np.isclose(self.made()[name][place], self.true()[name][place]):
            return "right cell", "is right, as on a sheet without slips"
        return "follows", "is off, but it follows from what stands before it; look further up"

    def _name(self, cell):
        name, place = cell
        return name + ("[" + ",".join(str(at + 1) for at in place) + "]" if place else "")


def _places(name, shape):
    """How the cells of a matrix, a vector or a number are written."""
    if not shape:
        return f"is one number: write {name}, without a place"
    if len(shape) == 1:
        between = "or" if shape[0] == 2 else "to"
        return f"has {shape[0]} numbers: write {name}[1] {between} {name}[{shape[0]}]"
    rows, columns = shape
    return f"has {rows} rows of {columns}: write {name}[row,column], from {name}[1,1] to {name}[{rows},{columns}]"


EXERCISES = (
    Exercise(
        id="1.1", title="Cut the video into patches", goal="write four frames as four columns",
        difficulty=1, minutes=5, judge=SheetPart(("X",)),
    ),
    Exercise(
        id="1.2", title="Shrink each patch", goal="multiply matrices by hand, add a bias, clip",
        difficulty=1, minutes=8, judge=SheetPart(("L",)),
    ),
    Exercise(
        id="1.3", title="Add noise, and write the condition",
        goal="noise a latent, and turn prompt and time into one list",
        difficulty=1, minutes=5, judge=SheetPart(("Z", "c")),
    ),
    Exercise(
        id="1.4", title="Estimate scale and shift", goal="multiply a matrix by a vector",
        difficulty=2, minutes=6, judge=SheetPart(("scale", "shift")),
    ),
    Exercise(
        id="1.5", title="Apply the condition, listen, mix", goal="condition the tokens and let attention mix them",
        difficulty=2, minutes=12, judge=SheetPart(("C", "A", "P")),
    ),
    Exercise(
        id="1.6", title="Guess the noise and take it away", goal="predict the noise and denoise the latent",
        difficulty=2, minutes=8, judge=SheetPart(("E", "D")),
    ),
    Exercise(
        id="1.7", title="Back to pixels and frames", goal="decode the latent and put the video together",
        difficulty=1, minutes=8, judge=SheetPart(("Y", "frames")),
    ),
    Exercise(
        id="1.8", title="Compare with the true noise", goal="compute gradient and loss",
        difficulty=2, minutes=6, judge=SheetPart(("G", "loss")),
    ),
    Exercise(
        id="1.9", title="Learn, and look again", goal="take one training step and redraw the frames",
        difficulty=2, minutes=15,
        judge=SheetPart(("b_ff_after", "E_after", "loss_after", "D_after", "Y_after", "frames_after")),
    ),
    Exercise(
        id="1.10",
        title="Two slips on a colleague's sheet",
        goal="find where a wrong result begins",
        difficulty=3,
        minutes=10,
        judge=Cells(("shift[1]", "G[2,2]"), colleague, lambda: parts_of(KEY)),
        hints=(
            "For one of them nothing has to be redone: is D equal to L - G, cell by cell?",
            "The other one lies before D and before G, where that test is blind. Redo the small steps first.",
            "Before attention, row 1 of C is off everywhere and row 2 nowhere. What acts on a whole row?",
        ),
    ),
    Exercise(
        id="1.11",
        title="Noise that the toy cannot see",
        goal="find what attention averages away",
        difficulty=3,
        minutes=8,
        judge=values(
            lambda: _unseen(),
            slips=(
                Slip("all alike", lambda: [1, 1, 1, 1],
                     "the mean of two equal numbers is that number again, so this comes through whole"),
                Slip("one frame", lambda: [1, 0, 0, 0],
                     "the two tokens that listen to frame 1 would see half of it"),
                Slip("halves", lambda: [1, 1, -1, -1],
                     "frames 2 and 3 cancel, but frames 1 and 2 do not"),
                Slip("ends", lambda: [1, -1, -1, 1],
                     "frames 1 and 2 cancel, but frames 2 and 3 do not"),
                Slip("first pair", lambda: [1, -1, 0, 0],
                     "frames 1 and 2 cancel, but frames 2 and 3 do not"),
            ),
        ),
        hints=(
            "A new token is the mean of two neighbours. When is the mean of two numbers 0?",
            "All four pairs have to cancel: 1 and 2, 2 and 3, 3 and 4, 4 and 1.",
            "If the first is 1, the second has to be -1.",
        ),
    ),
    Exercise(
        id="1.12", title="Backwards", goal="find what went in from what came out",
        difficulty=3, minutes=15, judge=SheetPart(form="backwards"),
    ),
    Exercise(
        id="1.13", title="Another sheet", goal="bring a sheet from the page, with other numbers",
        difficulty=2, minutes=15, judge=SheetPart(),
    ),
)  # fmt: skip


def _unseen():
    """The row v with v A = 0 that begins with 1, from the last singular vector of A."""
    left, size, _ = np.linalg.svd(KEY.A)
    assert size[-1] < 1e-12 < size[-2], "exactly one direction is lost"
    return left[:, -1] / left[0, -1]
