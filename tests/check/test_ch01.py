"""Chapter 1: the specs against literals of the reference, the colleague's sheet, the page's own numbers."""

import copy
import importlib.util
import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.check import check
from ditcourse.check.chapters import ch01
from ditcourse.check.chapters.ch00 import EXERCISES as CHAPTER_0
from ditcourse.check.chapters.ch01 import EXERCISES, GIVEN, KEY
from ditcourse.check.forms import parts_of, values_of
from ditcourse.check.sheet import SheetPart
from ditcourse.exercises import read, text_of

ROOT = Path(__file__).parents[2]
BY_ID = {exercise.id: exercise for exercise in EXERCISES}
NUMBERS = [exercise for exercise in EXERCISES if exercise.id != "1.10"]
SHEETS = [exercise for exercise in EXERCISES if isinstance(exercise.judge, SheetPart) and exercise.id != "1.13"]
SLIPS = [(exercise.id, name) for exercise in EXERCISES for name in exercise.judge.wrong_answers()]


def listed(answer):
    """The answer as a learner types it: nested lists of plain numbers."""
    if isinstance(answer, tuple):
        return tuple(listed(part) for part in answer)
    return np.asarray(answer).tolist()


def cells_of(answer):
    """The place of every number in nested lists."""
    if not isinstance(answer, (list, tuple)):
        return [()]
    return [(i, *rest) for i, part in enumerate(answer) for rest in cells_of(part)]


def changed(answer, place, change):
    """The answer with the cell at `place` changed."""
    if not place:
        return change(answer)
    parts = list(copy.deepcopy(answer))
    parts[place[0]] = changed(parts[place[0]], place[1:], change)
    return type(answer)(parts)


# Every exercise: right, blank, each slip by its own name, each single cell


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_right_and_blank(exercise):
    answer = exercise.judge.right_answer()
    assert check(exercise.id, answer).state == "right"
    assert check(exercise.id, answer if exercise.id == "1.10" else listed(answer)).state == "right"
    assert check(exercise.id, ...).state == "not done"
    assert len(exercise.hints_for(...)) >= 2 and 5 <= exercise.minutes <= 15


@pytest.mark.parametrize("id, name", SLIPS)
def test_each_slip_is_found_under_its_own_name(id, name):
    answer = BY_ID[id].judge.wrong_answers()[name]
    for given in (answer, answer if id == "1.10" else listed(answer)):
        verdict = check(id, given)
        assert (verdict.state, verdict.slip) == ("wrong", name)


def printed(exercise, place):
    """The text's numbers in c stand on every sheet: they need not be written again."""
    return exercise.id == "1.3" and place[0] == 1 and place[1] < 3


@pytest.mark.parametrize("exercise", [*SHEETS, BY_ID["1.11"]], ids=lambda exercise: exercise.id)
def test_any_single_cell_off_is_wrong_and_any_cell_left_is_not_done(exercise):
    answer = listed(exercise.judge.right_answer())
    several = len(exercise.judge.names) > 1 if exercise in SHEETS else bool(exercise.judge.names)
    for place in cells_of(answer):
        verdict = check(exercise.id, changed(answer, place, lambda cell: cell + 40))
        assert verdict.state == "wrong"
        assert (verdict.cell or ()) == (place[1:] if several else place)
        left = check(exercise.id, changed(answer, place, lambda cell: ...))
        assert left.state == ("right" if printed(exercise, place) else "not done")


# The values of the slips, as the reference has them


LOSSES = {  # first loss, and where the reference has it the loss after the bias step
    ("shift", "lost double minus"): (6, 1),
    ("P", "attention skipped"): (3.5, 2.5),
    ("A", "attention transposed"): (4, 3),
    ("L", "encoder ReLU forgotten"): (3, 2),
    ("L", "encoder bias forgotten"): (5.5, None),
    ("A", "attention not halved"): (27.5, None),
    ("E", "W_ff transposed"): (6.5, None),
    ("E", "output bias forgotten"): (15.5, None),
    ("E", "ReLU on the guess"): (1.25, None),
}


def sheet_with(part, slip):
    """{name: matrix} of the whole sheet with one slip, and after it what follows."""
    return SheetPart((part,)).with_slip(slip, values_of("sora"))


@pytest.mark.parametrize("slip", LOSSES, ids=lambda slip: slip[1])
def test_loss_by_slip(slip):
    made, (first, after) = sheet_with(*slip), LOSSES[slip]
    assert made["loss"] == first
    assert after is None or made["loss_after"] == after


@pytest.mark.parametrize(
    "part, name, wanted",
    [
        ("L", "patches transposed", [[3, 0, 0, 3], [8, 6, 9, 2]]),
        ("L", "encoder ReLU forgotten", [[3, -2, 0, 1], [4, 3, 4, 5]]),
        ("shift", "lost double minus", [[-1], [5]]),
        ("scale", "read in pairs", [[2], [1]]),
        ("P", "A read along its rows", [[4, 4, 2, 2], [2, 1, 0, 1]]),
        ("P", "P not halved", [[8, 4, 4, 8], [2, 0, 2, 4]]),
        ("A", "marked by size", [[0.5, 0.5, 0.5, 0.5], [0.5, 0, 0.5, 0], [0, 0, 0, 0], [0, 0.5, 0, 0.5]]),
        ("Y", "decoder ReLU forgotten", [[9, 5, 5, 9], [-2, 2, 6, 2], [4, 4, 6, 6], [5, 1, -1, 3]]),
        ("G", "turned round", [[2, 1, -1, 2], [0, 1, 2, 1]]),
        ("loss", "sum, not mean", [[16]]),
        ("c", "t not in binary, after a 0", [[0], [1], [-1], [0], [3]]),
        ("D", "subtracted from C", [[8, 3, 0, 5], [3, -1, 1, 5]]),
        ("b_ff_after", "wrong way", [[3], [0]]),
    ],
)
def test_values_of_slips(part, name, wanted):
    assert sheet_with(part, name)[part].tolist() == wanted


def test_a_lost_double_minus_goes_all_the_way_down():
    made = sheet_with("shift", "lost double minus")
    assert made["C"].tolist() == [[3, 1, -1, 1], [2, 0, 0, 2]]
    assert made["E"].tolist() == [[1, 4, 5, 2], [-1, 1, -1, -3]]
    assert made["G"].tolist() == [[2, 3, 5, 2], [0, -1, -2, -1]]
    assert made["D"].tolist() == [[1, -3, -5, -1], [4, 4, 6, 6]]
    assert made["b_ff_after"].tolist() == [[1], [2]]


def test_one_wrong_sign_in_the_gradient():
    """Erratum 2: N - E for E - N in one cell; the bias and the loss after it are those of the reference."""
    G = listed(ch01.wrong_sign(KEY.G))
    verdict = check("1.8", (G, ...))
    assert (verdict.cell, verdict.slip) == ((1, 1), "turned round in a cell")
    assert ch01.colleague_key().b_ff_after.tolist()[1] == 1.5
    E = byhand.predict_noise(KEY.P, GIVEN.W_ff, byhand.bias_step(GIVEN.b_ff, ch01.wrong_sign(KEY.G)))
    assert byhand.mse(E, GIVEN.noise) == 9 / 8


def test_subtracting_from_the_conditioned_latent_fails_even_with_the_true_noise():
    assert (KEY.Z - KEY.N == KEY.L).all()
    assert (KEY.C - KEY.N).tolist() == [[6, 2, 1, 3], [3, -2, -1, 4]]


# Half-filled answers


BLANK = [[..., ..., ..., ...], [..., ..., ..., ...]]
PARTLY = {
    "right so far": ("1.3", ([[2, 1, 0, 1], BLANK[0]], ...), None,
                     "6 of 10 cells left. Those filled are right so far."),
    "one cell": ("1.2", [[9, ..., ..., ...], BLANK[0]], None,
                 "7 of 8 cells left.\n  In L, row 1, F1: you have 9. 1 of 8 cells is wrong."),
    "with its slip": ("1.5", ([[3, 1, -1, 1], BLANK[0]], BLANK + BLANK, BLANK), "lost double minus",
                      "28 of 32 cells left.\n  In C, row 1, F1: you have 3. 4 of 8 cells are wrong. "
                      "Probably: it began earlier, in shift: a minus got lost"),
    "bias": ("1.9", ([3, 0], ..., ..., ..., ..., ...), "wrong way",
             "49 of 51 cells left.\n  In b_ff_after, row 1: you have 3. 2 of 2 cells are wrong. Probably: the row"),
    "time as one number": ("1.3", (BLANK, [0, 1, -1, 3]), "t not in binary",
                           "8 of 10 cells left.\n  c has 4 numbers, 5 are wanted. Probably: t stands"),
    "time after a 0": ("1.3", (BLANK, [0, 1, -1, 0, 3]), "t not in binary, after a 0", "8 of 10 cells left.\n  In "
                       "c, time 1: you have 0. 2 of 2 cells are wrong. Probably: t stands there as one"),
    "sum": ("1.8", (BLANK, 16), "sum, not mean", "8 of 9 cells left.\n  In loss: you have 16. Probably: "),
    "frames": ("1.7", (..., [[[9, 0], [4, 5]], [[5, 2], [4, 1]]]), None,
               "16 of 32 cells left.\n  frames has 2 frames of 2 x 2, 4 frames of 2 x 2 are wanted."),
}


@pytest.mark.parametrize("name", PARTLY)
def test_half_filled_answers_are_judged_as_far_as_they_go(name):
    id, answer, slip, says = PARTLY[name]
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("not done", slip)
    assert f"{BY_ID[id].title}: not done. {says}" in verdict.message


@pytest.mark.parametrize("exercise", SHEETS, ids=lambda exercise: exercise.id)
def test_any_cell_left_and_another_wrong_is_named(exercise):
    """Whatever cell is left: the others are right so far, or the one that is not is named."""
    answer = listed(exercise.judge.right_answer())
    places = [place for place in cells_of(answer) if not printed(exercise, place)]
    for left, wrong in itertools.pairwise([*places, places[0]]):
        open_ = changed(answer, left, lambda cell: ...)
        assert "Those filled are right so far." in check(exercise.id, open_).message
        verdict = check(exercise.id, changed(open_, wrong, lambda cell: cell + 40))
        assert verdict.state == "not done" and ": you have" in verdict.message
        assert verdict.cell == (wrong[1:] if len(exercise.judge.names) > 1 else wrong)


def test_minutes_of_the_notebooks_are_the_sums_of_their_exercises():
    def minutes(first, last):
        return sum(BY_ID[f"1.{number}"].minutes for number in range(first, last + 1))

    title = read_notebook("01_by_hand")["cells"][0]
    assert f"1.1 to 1.8 are the sheet itself, {minutes(1, 8)} minutes;" in text_of(title)
    assert f"1.9 to 1.13 take {minutes(9, 13)} minutes more" in text_of(title)
    title = read_notebook("00_the_idea")["cells"][0]
    assert f"**Time and hardware**: {sum(e.minutes for e in CHAPTER_0)} minutes;" in text_of(title)


def read_notebook(name):
    return read(ROOT / "solutions" / f"{name}.ipynb")


# The colleague's sheet


def test_exactly_two_of_the_colleagues_cells_do_not_follow_from_what_stands_before():
    made, g = ch01.colleague_key(), GIVEN
    scale, shift = byhand.scale_shift(made.c, g.W_ada, g.b_ada)
    follows = {
        "X": byhand.patchify(g.frames),
        "L": byhand.encode(made.X, g.W_enc, g.b_enc),
        "Z": made.L + g.noise,
        "c": np.concatenate([g.text, g.time]),
        "scale": scale,
        "shift": shift,
        "C": byhand.modulate(made.Z, made.scale, made.shift),
        "A": g.M / 2,
        "P": made.C @ made.A,
        "E": byhand.predict_noise(made.P, g.W_ff, g.b_ff),
        "D": made.Z - made.E,
        "Y": byhand.decode(made.D, g.W_dec, g.b_dec),
        "G": made.E - g.noise,
        "loss": (made.G**2).mean(),
        "b_ff_after": byhand.bias_step(g.b_ff, made.G),
        "E_after": byhand.predict_noise(made.P, g.W_ff, made.b_ff_after),
        "loss_after": ((made.E_after - g.noise) ** 2).mean(),
        "D_after": made.Z - made.E_after,
        "Y_after": byhand.decode(made.D_after, g.W_dec, g.b_dec),
    }
    assert set(follows) == set(ch01.PARTS)
    found = {
        (name, *place)
        for name, wanted in follows.items()
        for place in np.argwhere(np.asarray(getattr(made, name)) != wanted).tolist()
        for place in [tuple(place)]
    }
    assert found == {("shift", 0), ("G", 1, 1)}
    assert np.argwhere(made.D != made.L - made.G).tolist() == [[1, 1]]  # only the sign


@pytest.mark.parametrize(
    "answer",
    [
        ["shift[1]", "G[2,2]"],
        ["G[2, 2]", "Shift[1]"],
        ("g 2 2", "shift 1"),
        ["shift[1,1]", "G(2;2)"],
        np.array(["shift[1]", "G[2,2]"]).tolist(),
    ],
)
def test_two_cells_in_many_spellings(answer):
    assert check("1.10", answer).state == "right"


@pytest.mark.parametrize(
    "answer, state, says",
    [
        ([..., "G[2,2]"], "not done", "1 still to name. 1 of 2 found."),
        (["shift[1]"], "wrong", "1 of 2 found. Go on looking."),
        ("shift[1]", "wrong", "1 of 2 found"),
        (["shift[1]", "G[2,2]", "C[1,1]"], "wrong", "2 cells are wanted; you gave 3"),
        (["D[2,2]", "shift[1]"], "wrong", "D[2,2] is right"),
        (["C[1,4]", "loss"], "wrong", "C[1,4] is off, but it follows"),
        (["c[1]", "G[2,2]"], "wrong", "c[1] is right"),
        (["G[3,2]", "shift[1]"], "wrong", "G has 2 rows of 4: write G[row,column], from G[1,1] to G[2,4]."),
        (["shift", "G"], "wrong", "shift: shift has 2 numbers: write shift[1] or shift[2]."),
        (["c[0]", "G"], "wrong", "c[0]: c has 5 numbers: write c[1] to c[5]."),
        (["loss[1]", "G"], "wrong", "loss[1]: loss is one number: write loss, without a place."),
        ([..., "C[1,4]"], "not done", "1 still to name. 0 of 2 found. C[1,4] is off, but it follows"),
        ([..., ...], "not done", "2 still to name."),
        (["H[1,1]", "shift[1]"], "wrong", "Names: X, L, Z"),
        ([1, 2], "wrong", "write a name and a place"),
        ({"shift[1]"}, "wrong", "A list of cells"),
        ([["G", 2, 2]], "wrong", "write a name"),
    ],
)
def test_two_cells_not_yet(answer, state, says):
    verdict = check("1.10", answer)
    assert verdict.state == state and says in verdict.message


def test_unseen_noise_is_the_only_one():
    rows = [row for row in itertools.product(range(-3, 4), repeat=4) if row[0] == 1]
    unseen = [row for row in rows if not np.any(np.array(row) @ KEY.A)]
    assert unseen == [(1, -1, 1, -1)]
    assert np.allclose(ch01._unseen(), unseen[0])
    moved = byhand.solve(replace(GIVEN, noise=GIVEN.noise + 7 * np.outer([1, 0], unseen[0])))
    assert not np.array_equal(moved.Z, KEY.Z) and np.array_equal(moved.E, KEY.E)


# The page: whatever number it says is computed here


PAGE = (ROOT / "book" / "01_by_hand.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())
WORDS = {2: "two", 4: "four", 7: "seven", 8: "eight", 16: "sixteen"}
PLACES = ("top left", "top right", "bottom left", "bottom right")


def minus(number):
    return f"{number:g}".replace("-", "−")


def fresh_noise(b_ff):
    """The exact mean of the loss over N(0, 1) noise: the error is affine in the noise, attention is held."""

    def error(noise):
        return byhand.solve(replace(GIVEN, noise=noise, b_ff=b_ff)).G

    still = error(np.zeros((2, 4)))
    unit = [np.eye(8)[i].reshape(2, 4) for i in range(8)]
    return (np.sum(still**2) + sum(np.sum((error(noise) - still) ** 2) for noise in unit)) / 8


def latent_and_pixels(D):
    Y = byhand.decode(D, GIVEN.W_dec, GIVEN.b_dec)
    return f"| {np.mean((D - KEY.L) ** 2):g} | {np.mean((Y - KEY.X) ** 2):g} |"


def pixels_right(frames):
    return int((frames == GIVEN.frames).sum())


def losses_of_slips():
    """The slips up to the guess that change it: those with a lower first loss, those with a higher one."""
    lower, higher = [], []
    for part in ("X", "L", "Z", "c", "scale", "shift", "C", "A", "P", "E"):
        for slip in parts_of("sora")[part].slips:
            made = sheet_with(part, slip.name)
            if made and made[part].shape == parts_of("sora")[part].shape and not np.array_equal(made["E"], KEY.E):
                assert made["loss"] != KEY.loss
                (lower if made["loss"] < KEY.loss else higher).append(slip.name)
    return lower, higher


def facts():
    """Every sentence of the page that holds a computed number, written anew from the key."""
    one_pass = ("X", "L", "Z", "c", "scale", "shift", "C", "P", "E", "G", "D", "Y", "frames", "loss",
                "b_ff_after")  # fmt: skip
    second = ("E_after", "loss_after", "D_after", "Y_after", "frames_after")
    given_half = ("X", "Y", "frames")

    def count(names):
        return sum(np.size(getattr(KEY, name)) for name in names)

    biggest = max(np.max(np.abs(getattr(KEY, name))) for name in (*one_pass, *second, "A", "S"))
    halves = int((KEY.A == 0.5).sum())
    encoder, X = KEY.pre_encoder, KEY.X
    clipped = encoder[encoder < 0]
    perfect = byhand.decode(KEY.L, GIVEN.W_dec, GIVEN.b_dec)
    lost = np.argwhere(perfect != X)
    assert len(lost) == 1 and len(clipped) == 1
    (pixel, frame), scores = lost[0], np.sort(KEY.S, axis=0)[::-1]
    assert (scores[0] == scores[1]).all() and len(set((scores[1] - scores[2:]).ravel().tolist())) == 1
    soft = np.sort(byhand.extensions.softmax(KEY.S)[:, 0])[::-1]
    worse = np.argwhere((KEY.Y == X) & (KEY.Y_after != X))
    assert len(worse) == 1
    spoiled, spoiled_frame = worse[0]
    printed = byhand.solve(GIVEN, shift=GIVEN.printed_shift)
    assert np.array_equal(printed.frames_after, KEY.frames_after) and printed.G[1, 1] == KEY.G[1, 1]
    first = {slip: sheet_with(part, slip)["loss"][0, 0] for part, slip in LOSSES}
    lower, higher = losses_of_slips()
    assert lower == ["ReLU on the guess"]
    grown = KEY.b_ff_after - GIVEN.b_ff
    assert grown[0] == grown[1] and (KEY.E_after - KEY.E == grown[0]).all()
    squares = (KEY.G**2).sum()
    assert squares / KEY.G.size == KEY.loss

    yield f"whole numbers and {WORDS[halves]} halves. No box holds more than {biggest:g}."
    boxes = count(one_pass) - GIVEN.text.size + KEY.A.size  # the prompt's numbers stand in c already
    yield (f"One pass is {boxes} boxes, {WORDS[KEY.A.size]} of them halves and zeros. "
           f"The second look, after learning, is {count(second)} more.")  # fmt: skip
    yield (f"steps 1, 12 and 13 are filled in. That saves {count(given_half)}, "
           f"and {count(('Y_after', 'frames_after'))} more after learning.")  # fmt: skip
    yield f"t = {GIVEN.t}, and has to guess"
    yield f"For frame 1 that is ${X[0, 0]} - {X[2, 0]} = {encoder[0, 0]}$."
    yield (f"Row 2 is (0, 1, 0, 1) with bias {GIVEN.b_enc[1]}, so ${X[1, 0]} + {X[3, 0]} + {GIVEN.b_enc[1]} "
           f"= {encoder[1, 0]}$.")  # fmt: skip
    yield f"row 1 is ({', '.join(minus(w) for w in GIVEN.W_enc[0])}), so take pixel 1 and subtract pixel 3."
    yield f"The prompt has been turned into ({', '.join(minus(x) for x in GIVEN.text)}):"
    terms = " + ".join(f"{w}·{minus(x) if x >= 0 else f'({minus(x)})'}"
                       for w, x in zip(GIVEN.W_ada[0], KEY.c, strict=True))
    yield f"The first is {terms} + {GIVEN.b_ada[0]} = {KEY.scale[0]}."
    (first_w, second_w), (first_p, second_p) = GIVEN.W_ff[0], KEY.P[:, 0]
    yield (f"The first cell is {minus(first_w)}·{first_p:g} + {second_w}·{second_p:g} + {GIVEN.b_ff[0]} "
           f"= {minus(KEY.E[0, 0])}.")  # fmt: skip
    yield f"the other two are {scores[1, 0] - scores[2, 0]} smaller."
    yield f"Softmax would give {soft[0]:.2f}, {soft[1]:.2f}, {soft[2]:.2f} and {soft[3]:.2f}"
    yield f"Clip what falls below 0; {WORDS[int((KEY.pre_decoder < 0).sum())]} pixels do."
    yield f"{WORDS[pixels_right(KEY.frames)].capitalize()} pixels of {WORDS[X.size]} are as they were."
    yield f"square all {WORDS[KEY.G.size]} cells, add, divide by {KEY.G.size}"
    yield f"{WORDS[pixels_right(KEY.frames_after)].capitalize()} of {WORDS[X.size]} pixels are right now."
    yield (f"one pixel that was right, {PLACES[spoiled]} in F{spoiled_frame + 1}, is now off by "
           f"{abs(KEY.Y_after[spoiled, spoiled_frame] - X[spoiled, spoiled_frame]):g}.")  # fmt: skip
    yield f"| leave the noise in: decode *Z* as it is {latent_and_pixels(KEY.Z)}"
    yield f"| the model before learning {latent_and_pixels(KEY.D)}"
    yield f"| after one step {latent_and_pixels(KEY.D_after)}"
    yield f"| a perfect guess, *E* = *N* {latent_and_pixels(KEY.Z - KEY.N)}"
    yield (f"on average the model scores {fresh_noise(GIVEN.b_ff):g} before the step and "
           f"{fresh_noise(KEY.b_ff_after):g} after")  # fmt: skip
    yield f'the answer "there is no noise" scores {np.mean(np.ones((2, 4))):g}.'  # the variance of N(0, 1)
    yield f"Because of the {minus(clipped[0])} that the encoder clipped."
    yield (f"One pixel, {PLACES[pixel]} in F{frame + 1}, comes back as {perfect[pixel, frame]:g} instead of "
           f"{X[pixel, frame]}: an error of {(perfect - X)[pixel, frame] ** 2:g}, spread over "
           f"{WORDS[X.size]} pixels, is {np.mean((perfect - X) ** 2):g}.")  # fmt: skip
    yield f"the first loss would be {first['ReLU on the guess']:g} instead of {KEY.loss:g}: lower, and wrong."
    yield f"The other {len(higher)} slips up to there that the check knows, such as a forgotten bias"
    yield (f"columns swapped gives {first['attention transposed']:g}, "
           f"no mixing at all {first['attention skipped']:g}.")  # fmt: skip
    yield f"is {minus(ch01.colleague_key().G[1, 1])} and should be {minus(KEY.G[1, 1])}"
    guess, noise = KEY.E[1, 1], KEY.N[1, 1]
    yield f"the guess is {guess:g}, the noise is {noise}, and {guess:g} − {noise} = {minus(guess - noise)}."
    yield f"**Shift 1** is {minus(printed.shift[0])} and should be {KEY.shift[0]}"
    yield f"Its shift is printed as ({', '.join(minus(x) for x in GIVEN.printed_shift)})."
    yield f"row 2, element 2 is {minus(KEY.G[1, 1])}."
    yield f"On our sheet it is {minus(printed.G[1, 1])} with either shift."
    yield f"The first loss is {printed.loss:g} instead of {KEY.loss:g}"
    yield f"the same guess, frames and loss, {printed.loss_after:g}:"
    yield (f"before learning, with {pixels_right(KEY.frames)} of 16 pixels as in the training video; "
           f"after one step, with {pixels_right(KEY.frames_after)}; with a perfect guess of the noise, with "
           f"{int((perfect == X).sum())}, the {PLACES[pixel]} pixel of F{frame + 1} being "
           f"{perfect[pixel, frame]:g} instead of {X[pixel, frame]}.")  # fmt: skip
    for number, (upper, lower) in enumerate(GIVEN.frames, start=1):
        yield f"F{number}: {upper[0]}, {upper[1]} above {lower[0]}, {lower[1]}."


@pytest.mark.parametrize("fact", list(facts()))
def test_the_page_says_what_is_computed(fact):
    assert fact in FLAT


def test_alt_text_of_who_listens_to_whom():
    alt = re.search(r"01_listen\.svg :alt: (.*?) :class:", FLAT)[1]
    found = re.findall(r"new F(\d) to F(\d) and F(\d)", alt)
    lines = {int(new): {int(one), int(other)} for new, one, other in found}
    assert lines == {j + 1: {i + 1 for i in range(4) if KEY.A[i, j] > 0} for j in range(4)}


def test_recomputed_attention_would_change_with_the_printed_shift():
    C = byhand.modulate(KEY.Z, KEY.scale, GIVEN.printed_shift)
    _, S = byhand.extensions.query_key(C, GIVEN.W_Q, GIVEN.b_Q)
    assert not np.array_equal(byhand.extensions.mark_largest(S), GIVEN.M)


def test_steps_stand_in_their_order_with_both_numbers_and_their_solved_matrices():
    steps = {step.key: step for step in byhand.STEPS}
    order = ["given", "patches", "encoder", "noise", "condition", "scale_shift", "modulate", "attention",
             "pooling", "feedforward", "denoise", "decode", "video", "gradient", "update"]  # fmt: skip
    headings = [f"### {steps[key].label} {steps[key].name}" for key in order]
    assert re.findall(r"^### .*$", PAGE, re.MULTILINE) == headings
    parts = re.split(r"^##+ .*$", PAGE, flags=re.MULTILINE)
    for key in set(order) - {"given"}:
        at = PAGE.index(f"### {steps[key].label} ")
        assert f"{{include}} generated/step_{key}.md" in PAGE[at:].split("\n##")[0], key
    assert any("{include} generated/step_after.md" in part for part in parts)


def test_every_claim_that_the_page_names_is_a_row_of_the_claims_page():
    claims = (ROOT / "book" / "claims.md").read_text(encoding="utf-8")
    named = re.findall(r"\[C(\d+)\]\(#c(\d+)\)", PAGE)
    assert len(named) > 20 and all(text == target for text, target in named)
    assert not [number for number, _ in named if f"(c{number})=" not in claims]


def test_pictures_are_up_to_date():
    for name, svg in load_tool("make_images_01").files().items():
        assert (ROOT / "book" / "images" / name).read_text(encoding="utf-8") == svg, name


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
