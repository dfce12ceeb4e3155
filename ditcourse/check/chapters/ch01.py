"""Chapter 1, Sora's DiT by hand: the sheet part by part, and two slips to find on a colleague's sheet."""

import re
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from ditcourse import byhand
from ditcourse.check import Exercise, Slip, values
from ditcourse.check.judges import Finding
from ditcourse.check.reading import is_blank, name_of

GIVEN = byhand.load()
KEY = byhand.solve(GIVEN)


# What a slip leads to. Nothing here is typed in: each wrong value is computed from the givens.


def sheet(given=GIVEN, L=None, shift=None, A=KEY.A, finish=lambda E: E):
    """The sheet with one thing done wrong, and everything after it done right with the wrong numbers."""
    L = byhand.encode(KEY.X, given.W_enc, given.b_enc) if L is None else L
    Z = byhand.add_noise(L, given.noise)
    shift = KEY.shift if shift is None else shift
    C = byhand.modulate(Z, KEY.scale, shift)
    P = byhand.attention_pool(C, A)
    E = finish(byhand.predict_noise(P, given.W_ff, given.b_ff))
    G = byhand.noise_gradient(E, given.noise)
    b_after = byhand.bias_step(given.b_ff, G)
    E_after = finish(byhand.predict_noise(P, given.W_ff, b_after))
    D, D_after = byhand.denoise(Z, E), byhand.denoise(Z, E_after)
    Y, Y_after = (byhand.decode(latent, given.W_dec, given.b_dec) for latent in (D, D_after))
    return SimpleNamespace(
        L=L, Z=Z, shift=shift, C=C, A=A, P=P, E=E, D=D, Y=Y, frames=byhand.unpatchify(Y), G=G,
        loss=byhand.mse(E, given.noise), b_after=b_after, E_after=E_after,
        loss_after=byhand.mse(E_after, given.noise), frames_after=byhand.unpatchify(Y_after),
    )  # fmt: skip


def relu(values):
    return np.maximum(values, 0)


# Slips that show in every step below them: name -> (the sheet that they lead to, what to say).
CARRIED = {
    "encoder ReLU forgotten": (
        lambda: sheet(L=KEY.pre_encoder),
        "this comes out when the -2 in the latent is not clipped to 0",
    ),
    "encoder bias forgotten": (
        lambda: sheet(replace(GIVEN, b_enc=0 * GIVEN.b_enc)),
        "this comes out when the encoder's bias is not added",
    ),
    "lost double minus": (
        lambda: sheet(shift=GIVEN.printed_shift),
        "this comes out when the first shift has lost a minus: look at (-1)(-1) there",
    ),
    "attention skipped": (
        lambda: sheet(A=np.eye(4)),
        "this comes out when the tokens are not mixed: use P, not C",
    ),
    "attention transposed": (
        lambda: sheet(A=KEY.A.T),
        "this comes out when A is read along its rows; a column of A says what one new token is made of",
    ),
    "attention not halved": (
        lambda: sheet(A=GIVEN.M),
        "this comes out when the two tokens are added; the weights are one half each",
    ),
    "W_ff transposed": (
        lambda: sheet(replace(GIVEN, W_ff=GIVEN.W_ff.T)),
        "this comes out when the rows and columns of W_ff have changed places",
    ),
    "output bias forgotten": (
        lambda: sheet(replace(GIVEN, b_ff=0 * GIVEN.b_ff)),
        "this comes out when b_ff is not added",
    ),
    "ReLU on the guess": (
        lambda: sheet(finish=relu),
        "there is no ReLU in this step, because noise may be negative",
    ),
}
TO_THE_LATENT = ("encoder ReLU forgotten", "encoder bias forgotten")
TO_THE_SHIFT = (*TO_THE_LATENT, "lost double minus")
TO_ATTENTION = (*TO_THE_SHIFT, "attention skipped", "attention transposed", "attention not halved")


def carried(names, *parts):
    """The carried slips as they show in these parts of the sheet."""
    return tuple(Slip(name, _parts_of(CARRIED[name][0], parts), CARRIED[name][1]) for name in names)


def _parts_of(make, parts):
    def value():
        made = make()
        found = tuple(getattr(made, part) for part in parts)
        return found[0] if len(found) == 1 else found

    return value


def encoded(X):
    return byhand.encode(X, GIVEN.W_enc, GIVEN.b_enc)


def decoded(D):
    Y = byhand.decode(D, GIVEN.W_dec, GIVEN.b_dec)
    return Y, byhand.unpatchify(Y)


def learned(b_after):
    """(bias, loss, frames) after a step to this bias."""
    E = byhand.predict_noise(KEY.P, GIVEN.W_ff, b_after)
    _, frames = decoded(byhand.denoise(KEY.Z, E))
    return b_after, byhand.mse(E, GIVEN.noise), frames


def estimate(c=KEY.c, b_ada=GIVEN.b_ada):
    return byhand.scale_shift(c, GIVEN.W_ada, b_ada)


def attention_by(scores):
    """(C, A, P) if these scores were marked."""
    A = byhand.attention_weights(scores)
    return KEY.C, A, byhand.attention_pool(KEY.C, A)


def sizes_in(columns):
    """S with the signs dropped in some of its columns."""
    S = KEY.S.copy()
    S[:, columns] = abs(S[:, columns])
    return S


def read_by_columns(frames):
    """Patches of the frames, each read down its columns instead of along its rows."""
    return byhand.patchify(frames.transpose(0, 2, 1))


def wrong_sign(G):
    """G with N - E instead of E - N in one cell: the colleague's second slip."""
    G = G.copy()
    G[SIGN_SLIP] *= -1
    return G


# The colleague's sheet: two slips, and everything after them done rightly with the wrong numbers.

SIGN_SLIP = (1, 1)  # row 2, column 2 of G, counted from 0
PARTS = ("X", "L", "Z", "c", "scale", "shift", "C", "A", "P", "E", "D", "Y", "G", "loss",
         "b_ff_after", "E_after", "loss_after", "D_after", "Y_after")  # fmt: skip


def colleague_key():
    """The sheet as a Key: the published shift, one wrong sign in G, and a pass after the update with both."""
    key = byhand.solve(GIVEN, shift=GIVEN.printed_shift)
    G = wrong_sign(key.G)
    b_ff = byhand.bias_step(GIVEN.b_ff, G)
    E = byhand.predict_noise(key.P, GIVEN.W_ff, b_ff)
    D = byhand.denoise(key.Z, E)
    Y, frames = decoded(D)
    return replace(key, G=G, b_ff_after=b_ff, E_after=E, G_after=byhand.noise_gradient(E, key.N),
                   loss_after=byhand.mse(E, key.N), D_after=D, Y_after=Y, frames_after=frames)  # fmt: skip


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
            return Finding("not done", _joined(text, self.judge(named).text if named else ""))
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
        id="1.1",
        title="Cut the video into patches",
        goal="write four frames as four columns",
        difficulty=1,
        minutes=5,
        judge=values(
            lambda: KEY.X,
            slips=(
                Slip("frames as rows", lambda: KEY.X.T,
                     "each frame has become a row; on this sheet a frame is a column"),
                Slip("read by columns", lambda: read_by_columns(GIVEN.frames),
                     "the frames were read downwards; read each one along its rows, as you read a text"),
                Slip("columns into rows", lambda: read_by_columns(GIVEN.frames).T,
                     "the frames were read downwards, and became rows; read along the rows, write a column"),
                Slip("frames side by side", lambda: np.vstack([np.hstack(GIVEN.frames[:2]),
                                                               np.hstack(GIVEN.frames[2:])]),
                     "the frames stand side by side as pictures; each wants a column of its own"),
            ),
        ),
        hints=(
            "The first column is frame 1, and nothing but frame 1.",
            "Order in a column: top left, top right, bottom left, bottom right.",
            "Column 1 is 7, 0, 4, 3. So row 1 begins with 7, and ends with the top left pixel of frame 4.",
        ),
    ),
    Exercise(
        id="1.2",
        title="Shrink each patch",
        goal="multiply matrices by hand, add a bias, clip",
        difficulty=1,
        minutes=8,
        judge=values(
            lambda: KEY.L,
            slips=(
                *carried(TO_THE_LATENT, "L"),
                Slip("patches transposed", lambda: encoded(KEY.X.T),
                     "the patches were taken along the rows of X; a token is a column"),
                Slip("bias on the wrong row", lambda: byhand.encode(KEY.X, GIVEN.W_enc, GIVEN.b_enc[::-1]),
                     "the two numbers of the bias have changed places"),
                Slip("minus sign dropped", lambda: abs(KEY.pre_encoder),
                     "a negative number lost its sign; ReLU writes 0 for it"),
                Slip("minus in W forgotten", lambda: byhand.encode(KEY.X, abs(GIVEN.W_enc), GIVEN.b_enc),
                     "the -1 in W_enc was taken as 1; row 1 subtracts the third pixel"),
            ),
        ),
        hints=(
            "Work column by column: each token alone.",
            "Row 1 is pixel 1 minus pixel 3. Row 2 is pixel 2 plus pixel 4, plus the bias 1.",
            "Last of all ReLU: whatever is below 0 becomes 0. It happens in one cell.",
        ),
    ),
    Exercise(
        id="1.3",
        title="Add noise, and write the condition",
        goal="noise a latent, and turn prompt and time into one list",
        difficulty=1,
        minutes=5,
        judge=values(
            lambda: (KEY.Z, KEY.c),
            names=("Z", "c"),
            slips=(
                *(Slip(slip.name, lambda slip=slip: (slip.value_fn(), KEY.c), slip.message)
                  for slip in carried(TO_THE_LATENT, "Z")),
                Slip("noise subtracted", lambda: (KEY.L - GIVEN.noise, KEY.c),
                     "the noise was subtracted; this step adds it"),
                Slip("noise multiplied", lambda: (KEY.L * GIVEN.noise, KEY.c),
                     "latent and noise were multiplied; this step adds them"),
                Slip("noise times t", lambda: (KEY.L + GIVEN.t * GIVEN.noise, KEY.c),
                     "the noise was multiplied by t; a real schedule scales it, this sheet does not"),
                Slip("t not in binary", lambda: (KEY.Z, np.append(GIVEN.text, GIVEN.t)),
                     "t stands there as one number; write it as two binary digits"),
                Slip("t not in binary, after a 0", lambda: (KEY.Z, np.concatenate([GIVEN.text, [0, GIVEN.t]])),
                     "t stands there as one number after a 0; a binary digit is 0 or 1"),
                Slip("time first", lambda: (KEY.Z, np.concatenate([GIVEN.time, GIVEN.text])),
                     "the time stands before the text; the text comes first"),
                Slip("time left out", lambda: (KEY.Z, GIVEN.text),
                     "the time is missing; its digits follow the text"),
            ),
        ),
        hints=(
            "Z: cell by cell, eight small sums.",
            "c has five numbers: three of the text, then two for the time.",
            "In binary, 3 is one two and one one.",
        ),
    ),
    Exercise(
        id="1.4",
        title="Estimate scale and shift",
        goal="multiply a matrix by a vector",
        difficulty=2,
        minutes=6,
        judge=values(
            lambda: (KEY.scale, KEY.shift),
            names=("scale", "shift"),
            slips=(
                Slip("lost double minus", lambda: (KEY.scale, GIVEN.printed_shift),
                     "a minus got lost in row 3: minus one times minus one"),
                Slip("read in pairs", lambda: tuple(np.concatenate([KEY.scale, KEY.shift]).reshape(2, 2).T),
                     "the same comes out in two ways: the four results were read by turns (scale, shift, "
                     "scale, shift), or the -1 in c was taken as 1"),
                Slip("swapped", lambda: (KEY.shift, KEY.scale), "scale and shift have changed places"),
                Slip("bias forgotten", lambda: estimate(b_ada=0 * GIVEN.b_ada), "b_ada was not added"),
                Slip("time left out", lambda: estimate(c=KEY.c * (np.arange(5) < 3)),
                     "the last two numbers of c were left out; the time counts too"),
                Slip("text left out", lambda: estimate(c=KEY.c * (np.arange(5) >= 3)),
                     "the first three numbers of c were left out; the prompt counts too"),
            ),
        ),
        hints=(
            "One row of W_ada at a time. Where c has a 0, that column does not matter.",
            "Label the four results before you go on: scale 1, scale 2, shift 1, shift 2.",
            "Row 3: the only products that are not 0 have -1 on both sides.",
        ),
    ),
    Exercise(
        id="1.5",
        title="Apply the condition, listen, mix",
        goal="condition the tokens and let attention mix them",
        difficulty=2,
        minutes=12,
        judge=values(
            lambda: (KEY.C, KEY.A, KEY.P),
            names=("C", "A", "P"),
            slips=(
                *carried(TO_THE_SHIFT, "C", "A", "P"),
                *(Slip(name, lambda C=C: (C(), KEY.A, byhand.attention_pool(C(), KEY.A)), message)
                  for name, C, message in (
                    ("scale forgotten", lambda: byhand.modulate(KEY.Z, [1, 1], KEY.shift),
                     "only the shift was applied; multiply by the scale first"),
                    ("shift forgotten", lambda: byhand.modulate(KEY.Z, KEY.scale, [0, 0]),
                     "only the scale was applied; the shift is to be added"),
                    ("swapped", lambda: byhand.modulate(KEY.Z, KEY.shift, KEY.scale),
                     "scale and shift have changed places"),
                    ("shift before scale", lambda: (KEY.Z + KEY.shift[:, None]) * KEY.scale[:, None],
                     "the shift was added first; multiply first, then add"),
                    ("one plus scale", lambda: byhand.modulate(KEY.Z, 1 + KEY.scale, KEY.shift),
                     "that multiplies by 1 + scale, as the real model does; the sheet takes the scale alone"),
                  )),
                Slip("attention transposed", lambda: (KEY.C, KEY.A.T, byhand.attention_pool(KEY.C, KEY.A.T)),
                     "rows and columns of A have changed places; mark the two largest of each column of S"),
                Slip("A read along its rows", lambda: (KEY.C, KEY.A, byhand.attention_pool(KEY.C, KEY.A.T)),
                     "A is right, but P was made along its rows; column 1 of A makes column 1 of P"),
                Slip("attention not halved", lambda: (KEY.C, GIVEN.M, byhand.attention_pool(KEY.C, GIVEN.M)),
                     "the marks are 1 each; two marks share one whole, so each is one half"),
                Slip("marked by size", lambda: attention_by(abs(KEY.S)),
                     "columns 2 and 3 of S were marked as if they had no signs; 0 is larger than -4, and -2 is "
                     "larger than -6"),
                Slip("marked by size in column 3", lambda: attention_by(sizes_in([2])),
                     "column 3 of S was marked as if it had no signs; -2 is larger than -6"),
                Slip("P not halved", lambda: (KEY.C, KEY.A, 2 * KEY.P),
                     "the tokens were added in P, without the halves; each counts one half"),
                Slip("attention skipped", lambda: (KEY.C, KEY.A, KEY.C),
                     "P is still C; each new token is the mean of two"),
            ),
        ),
        hints=(
            "C: row 1 of Z times the first scale plus the first shift; row 2 with the second pair.",
            "A: go down each column of S, mark the two largest, write 1/2 for each and 0 elsewhere.",
            "P: column 1 of A marks frames 1 and 2, so column 1 of P is the mean of columns 1 and 2 of C.",
        ),
    ),
    Exercise(
        id="1.6",
        title="Guess the noise and take it away",
        goal="predict the noise and denoise the latent",
        difficulty=2,
        minutes=8,
        judge=values(
            lambda: (KEY.E, KEY.D),
            names=("E", "D"),
            slips=(
                *carried((*TO_ATTENTION, "W_ff transposed", "output bias forgotten", "ReLU on the guess"),
                         "E", "D"),
                Slip("subtracted from C", lambda: (KEY.E, KEY.C - KEY.E),
                     "the guess was taken from the conditioned latent C; it is to be taken from Z"),
                Slip("subtracted from L", lambda: (KEY.E, KEY.L - KEY.E),
                     "the guess was taken from L, which a model never sees; it is to be taken from Z"),
                Slip("true noise subtracted", lambda: (KEY.E, KEY.Z - GIVEN.noise),
                     "the true noise was taken away; the model has only its guess E"),
                Slip("noise added again", lambda: (KEY.E, KEY.Z + KEY.E),
                     "the guess was added; take it away"),
                Slip("turned round", lambda: (KEY.E, KEY.E - KEY.Z),
                     "that is E minus Z; Z minus E is wanted"),
            ),
        ),
        hints=(
            "E: column by column, W_ff times the column of P, plus b_ff. No ReLU.",
            "Row 1 of E: minus two times the upper number, plus the lower one, plus 4.",
            "D: cell by cell. Minus a negative number is plus.",
        ),
    ),
    Exercise(
        id="1.7",
        title="Back to pixels and frames",
        goal="decode the latent and put the video together",
        difficulty=1,
        minutes=8,
        judge=values(
            lambda: (KEY.Y, KEY.frames),
            names=("Y", "frames"),
            slips=(
                *carried(("lost double minus", "attention skipped", "attention transposed"), "Y", "frames"),
                Slip("decoder ReLU forgotten", lambda: (KEY.pre_decoder, byhand.unpatchify(KEY.pre_decoder)),
                     "a pixel is below 0; ReLU writes 0 for it"),
                Slip("decoder bias forgotten", lambda: _decoded_without_bias(),
                     "b_dec was not added; it matters for the second pixel"),
                Slip("noised latent decoded", lambda: decoded(KEY.Z), "Z was decoded; decode D"),
                Slip("clean latent decoded", lambda: decoded(KEY.L), "L was decoded; decode D"),
                Slip("frames by columns", lambda: (KEY.Y, KEY.frames.transpose(0, 2, 1)),
                     "the pixels were written downwards into the frames; write them along the rows"),
                Slip("frames from rows", lambda: (KEY.Y, byhand.unpatchify(KEY.Y.T)),
                     "each frame was made of a row of Y; a frame is a column"),
            ),
        ),
        hints=(
            "Column by column: four pixels from the two numbers of D.",
            "Pixel 1 is the sum of the two. Pixel 2 is the lower minus the upper, minus 1. "
            "Pixel 3 is the lower, pixel 4 the upper.",
            "Then ReLU: two of the sixteen become 0. Frame 1 is column 1, written in two rows.",
        ),
    ),
    Exercise(
        id="1.8",
        title="Compare with the true noise",
        goal="compute gradient and loss",
        difficulty=2,
        minutes=6,
        judge=values(
            lambda: (KEY.G, KEY.loss),
            names=("G", "loss"),
            slips=(
                *carried((*TO_ATTENTION, "W_ff transposed", "output bias forgotten", "ReLU on the guess"),
                         "G", "loss"),
                Slip("turned round", lambda: (-KEY.G, KEY.loss), "that is N minus E; E minus N is wanted"),
                Slip("one sign", lambda: (wrong_sign(KEY.G), KEY.loss),
                     "one cell has the wrong sign; D = L - G shows which"),
                Slip("signs dropped", lambda: (abs(KEY.G), KEY.loss),
                     "the signs are missing; a gradient needs them"),
                Slip("sum, not mean", lambda: (KEY.G, (KEY.G**2).sum()),
                     "that is the sum of the squares; divide it by the number of cells"),
                Slip("divided by tokens", lambda: (KEY.G, (KEY.G**2).sum() / 4),
                     "the sum was divided by the number of tokens; divide it by the number of cells"),
                Slip("root taken", lambda: (KEY.G, KEY.loss**0.5), "a root was taken; the mean is enough"),
                Slip("not squared", lambda: (KEY.G, abs(KEY.G).mean()), "the differences were not squared"),
                Slip("mean of G", lambda: (KEY.G, KEY.G.mean()),
                     "the differences were averaged without squaring, so that they cancel"),
                Slip("noise added", lambda: (KEY.E + GIVEN.noise, ((KEY.E + GIVEN.noise) ** 2).mean()),
                     "the noise was added; subtract it"),
            ),
        ),
        hints=(
            "G: guess minus truth, cell by cell.",
            "Check yourself without redoing it: L - G has to be D, in every cell.",
            "The loss: square all eight cells, add, divide by 8.",
        ),
    ),
    Exercise(
        id="1.9",
        title="Learn, and look again",
        goal="take one training step and redraw the frames",
        difficulty=2,
        minutes=15,
        judge=values(
            lambda: (KEY.b_ff_after, KEY.loss_after, KEY.frames_after),
            names=("b_new", "loss_after", "frames_after"),
            slips=(
                *carried((*TO_ATTENTION, "W_ff transposed", "ReLU on the guess"),
                         "b_after", "loss_after", "frames_after"),
                Slip("wrong way", lambda: learned(GIVEN.b_ff + KEY.G.mean(axis=1)),
                     "the row means were added; learning goes against the gradient"),
                Slip("wrong way, the rest from elsewhere",
                     lambda: (GIVEN.b_ff + KEY.G.mean(axis=1), KEY.loss_after, KEY.frames_after),
                     "the row means were added to the bias; learning goes against the gradient"),
                Slip("sum, not mean", lambda: learned(GIVEN.b_ff - KEY.G.sum(axis=1)),
                     "the row sums were taken; take the means of the four cells"),
                Slip("one sign", lambda: learned(byhand.bias_step(GIVEN.b_ff, wrong_sign(KEY.G))),
                     "one cell of G has the wrong sign; D = L - G shows which"),
                Slip("old loss and frames", lambda: (KEY.b_ff_after, KEY.loss, KEY.frames),
                     "the bias is new, loss and frames are still the old ones; go through E, D and Y again"),
                Slip("old frames", lambda: (KEY.b_ff_after, KEY.loss_after, KEY.frames),
                     "the frames are still those from before learning"),
                Slip("decoder ReLU forgotten", lambda: (KEY.b_ff_after, KEY.loss_after,
                                                        byhand.unpatchify(KEY.pre_decoder_after)),
                     "a pixel is below 0; ReLU writes 0 for it"),
            ),
        ),
        hints=(
            "Each number of b_ff minus the mean of its row of G.",
            "Both numbers of the bias grow by 1, so every cell of E grows by 1 too.",
            "And every cell of D falls by 1. Then decode as before, with ReLU.",
        ),
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
)  # fmt: skip


def _joined(*texts):
    return " ".join(text for text in texts if text)


def _decoded_without_bias():
    Y = byhand.decode(KEY.D, GIVEN.W_dec, 0 * GIVEN.b_dec)
    return Y, byhand.unpatchify(Y)


def _unseen():
    """The row v with v A = 0 that begins with 1, from the last singular vector of A."""
    left, size, _ = np.linalg.svd(KEY.A)
    assert size[-1] < 1e-12 < size[-2], "exactly one direction is lost"
    return left[:, -1] / left[0, -1]
