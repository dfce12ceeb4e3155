"""Fresh sheets of the hand exercise: `new_exercise(seed)`, each as pleasant by hand as the one of chapter 1.

What holds for every sheet (tests/byhand/test_instances.py tries a thousand of them):

- No number of the pass, before and after the update, has more than one digit, and all are whole; scores are at most
  30. Both losses are whole or halves; learning makes the loss smaller, but not 0. No row of the pass is all zero.
- ReLU clips one or two numbers in the encoder, and one to four in the decoder.
- W_enc W_dec = I and W_enc b_dec + b_enc = 0; decoding L gives the video back, but for what the encoder clipped.
- What is given can be found back from what it makes: scale and shift from Z and C, t from scale and shift, the
  attention from C and P, W_ff and b_ff from P and E; and P from E.
- The two largest scores of each column are clear, M is not symmetric, and every token is listened to.
- The first loss is a check of the sheet: a slip in steps 1 to 9 that changes the guess changes the loss too.
- The printed shift is the one of somebody who loses a double minus, as in the published article.
"""

import math
import random
from dataclasses import replace
from functools import partial
from itertools import permutations, product

import numpy as np

from ditcourse.byhand.data import TIME_BITS, load
from ditcourse.byhand.steps import binary_time, make_condition

LARGEST_SEED = 10**9 - 1
LARGEST, LARGEST_IN_C, LARGEST_SCORE, LARGEST_SQUARES = 9, 6, 30, 32  # squares: summed over a row of G
LATENTS = np.array(list(product(range(-3, 8), repeat=2))).T
NOISE = (-2, -1, -1, 0, 0, 1, 1, 2)  # small ones more often, as in real noise
SHIFTS = np.array([*range(-6, 0), *range(1, 7)])
MEANS = np.array([-2, -1, 1, 2])  # of a row of G: what the update takes away
ROWS = np.array([row for row in product(range(-2, 3), repeat=2) if any(row)])  # of W_ff and of W_Q
QUERIES = np.array([(*row, bias) for row in ROWS for bias in range(-4, 5)])  # rows of W_Q with their b_Q
BEFORE_E = ("X", "L", "Z", "c", "scale", "shift", "C", "A", "P")  # parts of a sheet
ORDERS = {size: [list(order) for order in permutations(range(size))] for size in (3, 4)}


def new_exercise(seed):
    """An exercise of the same form as that of chapter 1; the same seed gives the same one on every machine.

    seed  a whole number from 0 to 999999999; 0 is the exercise of chapter 1 itself. TypeError or ValueError for
          anything else.
    """
    check_seed(seed)
    first = load()
    if seed == 0:
        return first
    pick = partial(_pick, random.Random(int(seed)).random)
    for _ in range(2000):  # about a dozen are needed, a hundred at worst
        exercise = _attempt(pick, first)
        if exercise:
            return exercise
    raise RuntimeError(f"seed {seed}: no exercise was found; this is a fault of the course, please report it")


def check_seed(seed):
    """TypeError or ValueError for anything but a whole number from 0 to LARGEST_SEED."""
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= LARGEST_SEED:
        wrong = ValueError if whole else TypeError
        raise wrong(f"seed: came as {seed!r}; allowed: a whole number from 0 to {LARGEST_SEED}")


def _pick(draw, options, *shape):
    """One of the options, or an array of this shape of them.

    Only random() is drawn: the one method that Python promises to keep for a seed. NumPy promises none.
    """
    chosen = [options[int(draw() * len(options))] for _ in range(math.prod(shape))]
    return np.array(chosen).reshape(shape) if shape else chosen[0]


def _attempt(pick, first):
    """An exercise or None, stage by stage: each adds to what is made, or gives None and is tried again."""
    made = {}
    for stage in (_coders, _video, _noised, _condition, _attention):
        new = next(filter(None, (stage(pick, **made) for _ in range(5))), None)
        if not new:
            return None
        made |= new
    exercise = replace(first, **{name: value for name, value in made.items() if hasattr(first, name)})
    loss_tells = _loss_check(exercise)
    guesses = (pick(made["guesses"]) for _ in range(20))
    return next((replace(exercise, **guess) for guess in guesses if loss_tells(**guess)), None)


def _coders(pick):
    """Encoder and decoder. Each latent number has two pixels of its own, which makes W_enc W_dec = I easy to reach."""
    W_enc, W_dec, b_dec = np.zeros((2, 4), dtype=int), np.zeros((4, 2), dtype=int), pick((-1, 0, 0, 1), 4)
    pixels = pick(ORDERS[4])
    for row, (one, other) in enumerate((pixels[:2], pixels[2:])):
        sign, weight = pick(((1, -1), (1, -1), (1, 1), (1, -2), (1, 2), (-1, 2)))
        W_enc[row, [one, other]] = sign, weight
        W_dec[other] = pick(((0, 1), (1, 0), (1, 1), (1, -1), (-1, 1)))
        W_dec[one] = sign * (np.eye(2, dtype=int)[row] - weight * W_dec[other])
    b_enc = -W_enc @ b_dec
    if np.abs(W_dec).max() > 2 or len({(0, 0), *map(tuple, W_dec.tolist())}) < 5 or not b_enc.any():
        return None
    video = W_dec @ LATENTS + b_dec[:, None]
    fits, below = ((video >= 0) & (video <= 9)).all(axis=0), (LATENTS < 0).sum(axis=0)
    plain, clipped = (np.flatnonzero(fits & (below == count)).tolist() for count in (0, 1))
    if len(plain) < 12 or len(clipped) < 3:
        return None
    return dict(W_enc=W_enc, b_enc=b_enc, W_dec=W_dec, b_dec=b_dec, video=video, plain=plain, clipped=clipped)


def _video(pick, video, plain, clipped, **made):
    """Four frames that are decoded latents; one or two of these have a number below 0, which ReLU will clip."""
    clips = pick((1, 2))
    tokens = [pick(clipped if place < clips else plain) for place in pick(ORDERS[4])]
    X, L = video[:, tokens], np.maximum(LATENTS[:, tokens], 0)
    fits = len(set(tokens)) == 4 and X.any(axis=1).all() and L.any(axis=1).all()
    return dict(frames=X.T.reshape(4, 2, 2), L=L) if fits else None


def _noised(pick, L, **made):
    """Noise, and a scale and shift that keep C small and the mean of any two tokens whole."""
    scale, noise = pick((2, 2, -2, -1, -1, 3), 2), pick(NOISE, 2, 4)
    uneven = (scale % 2 == 1)[:, None] & ((L + noise - (L + noise)[:, :1]) % 2 == 1)
    noise = noise + np.where(uneven, np.where(noise > 0, -1, 1), 0)  # an odd scale wants a row all even or all odd
    scaled, ordered = scale[:, None] * (L + noise), np.sort(L + noise, axis=1)
    moved = scaled[:, None] + SHIFTS[:, None]
    small = (np.abs(moved).max(axis=2) <= LARGEST_IN_C) & ((moved < 0).sum(axis=2) <= 1)
    dull = (ordered[:, :2] == ordered[:, 2:]).any() or (noise == noise[:, :1]).all(axis=1).any()  # 3 in a row of Z
    if dull or not small.any(axis=1).all():
        return None
    shift = np.array([pick(SHIFTS[row].tolist()) for row in small])
    C = scaled + shift[:, None]
    fits = len(set(map(tuple, C.T.tolist()))) == 4 and (scale != shift).any()
    return dict(noise=noise, scale=scale, shift=shift, C=C) if fits else None


def _condition(pick, scale, shift, **made):
    """Text and t, and the weights that make scale and shift of them, with a double minus in a shift."""
    t = pick((1, 2, 3))  # not 0: at level 0 of a schedule there is no noise
    text = np.array([-1, pick((1, 2)), pick((-2, -1, 0, 1))])[pick(ORDERS[3])]
    c, wanted = make_condition(text, binary_time(t, TIME_BITS)), np.concatenate([scale, shift])
    rows = pick((0, 0, 0, 0, 1, 1, -1, 2), 40, 5)
    lost = -2 * (rows * c * ((rows < 0) & (c < 0))).sum(axis=1)  # what it adds to lose every double minus
    near = (np.abs(wanted[:, None] - rows @ c) <= 3) & ((rows != 0).sum(axis=1) > 1)
    near[pick((2, 3))] &= lost < 0
    if not near.any(axis=1).all():
        return None
    chosen = [pick(np.flatnonzero(row).tolist()) for row in near]
    W_ada = rows[chosen]
    by_time = {tuple(W_ada[:, 3:] @ binary_time(other, TIME_BITS)) for other in range(4)}
    steps = [step * place for step in (2, -2) for place in np.eye(3, dtype=int)]  # even ones keep P whole
    moves = [(step, W_ada[:2, :3] @ step) for step in steps if np.abs(text + step).max() <= 2]
    others = [text + step for step, move in moves if move.any() and (scale + move).all()]
    if len(by_time) < 4 or len(set(map(tuple, W_ada.tolist()))) < 4 or not others:
        return None
    return dict(t=t, text=text, W_ada=W_ada, b_ada=wanted - W_ada @ c, other_text=pick(others),
                printed_shift=shift + lost[chosen[2:]])  # fmt: skip


def _attention(pick, C, **made):
    """Query weights with two clear largest scores in every column, and all guesses that can be made from them."""
    Q_rows = QUERIES @ np.vstack([C, np.ones((1, 4), dtype=int)])
    smallest = np.argsort(np.abs(Q_rows).max(axis=1), kind="stable")[:50].tolist()
    pairs = pick(smallest, 60, 2)
    S = C.T @ Q_rows[pairs]
    ranked = np.sort(S, axis=1)
    M = (S >= ranked[:, 2:3]).astype(int)
    clear = (ranked[:, 1] < ranked[:, 2]).all(axis=1) & (np.abs(S).max(axis=(1, 2)) <= LARGEST_SCORE)
    clear &= M.any(axis=2).all(axis=1) & (M != M.transpose(0, 2, 1)).any(axis=(1, 2))
    chosen = np.argmin(np.where(clear, np.abs(S).max(axis=(1, 2)), np.inf))
    W_Q, b_Q, M = QUERIES[pairs[chosen], :2], QUERIES[pairs[chosen], 2], M[chosen]
    P = C @ M // 2
    square = (P - P[:, :1]) @ (P - P[:, :1]).T
    if not clear[chosen] or square[0, 0] * square[1, 1] == square[0, 1] ** 2:
        return None  # if the tokens of P lie on a line, many W_ff give the same E
    guesses = _guesses(P, **made)
    return dict(W_Q=W_Q, b_Q=b_Q, M=M, guesses=guesses) if guesses else None


def _guesses(P, noise, L, W_dec, b_dec, **made):
    """Every W_ff and b_ff with a guess near the noise, row sums of G that 4 divides, and small pixels."""
    options = []
    for row in noise:
        off = ROWS @ P - row
        whole = off.sum(axis=1) % 4 == 0
        weights, off = (each[whole].repeat(len(MEANS), axis=0) for each in (ROWS, off))
        bias = np.resize(MEANS, len(off)) - off.sum(axis=1) // 4
        small = ((off + bias[:, None]) ** 2).sum(axis=1) <= LARGEST_SQUARES
        options.append((weights[small], bias[small], (off + bias[:, None])[small]))
    places = np.indices([len(bias) for _, bias, _ in options]).reshape(2, -1)  # every row 1 with every row 2
    W_ff, b_ff, G = (np.stack([one[places[0]], other[places[1]]], axis=1) for one, other in zip(*options, strict=True))
    b_after = b_ff - G.sum(axis=2) // 4
    G_after = G + (b_after - b_ff)[:, :, None]
    E, D, D_after = noise + G, L - G, L - G_after
    Y, Y_after = W_dec @ D + b_dec[:, None], W_dec @ D_after + b_dec[:, None]
    fits = (W_ff[:, 0, 1] != W_ff[:, 1, 0]) & (W_ff[:, 0, 0] * W_ff[:, 1, 1] != W_ff[:, 0, 1] * W_ff[:, 1, 0])
    fits &= ((G**2).sum(axis=(1, 2)) % 4 == 0) & ((Y < 0).sum(axis=(1, 2)) <= 4)
    for numbers in (E, noise + G_after, D, D_after, Y, Y_after, b_ff[:, None], b_after[:, None]):
        fits &= (np.abs(numbers) <= LARGEST).all(axis=(1, 2))
    for wanted in (E < 0, Y < 0, W_ff < 0, b_ff[:, None] != 0, G_after != 0):
        fits &= wanted.any(axis=(1, 2))
    for rows in (E != 0, D != 0, Y > 0):
        fits &= rows.any(axis=2).all(axis=1)
    return [dict(W_ff=W_ff[place], b_ff=b_ff[place]) for place in np.flatnonzero(fits)]


def _loss_check(exercise):
    """Makes loss_tells(W_ff, b_ff): does each slip up to the guess that changes the guess change the loss as well?"""
    from ditcourse.check.forms import givens, parts_of  # here, not above: check is made of byhand
    from ditcourse.check.formulas import evaluate, names_in

    parts, right, wrong_P = parts_of("sora"), givens(exercise), []
    uses = {name: names_in(parts[name].formula) for name in BEFORE_E}
    for name in BEFORE_E:
        right[name] = evaluate(parts[name].formula, right)
    slips = [{name: slip.formula} for name in BEFORE_E for slip in parts[name].slips]
    scale, shift = ({slip.name: slip.formula for slip in parts[name].slips} for name in ("scale", "shift"))
    slips += [{"scale": scale[name], "shift": shift[name]} for name in scale if name in shift]  # made in both
    for slip in slips:
        have, changed = dict(right), set()
        for name in BEFORE_E:
            if name in slip or uses[name] & changed:
                have[name] = evaluate(slip.get(name, parts[name].formula), have)
                changed.add(name)
                if have[name].shape != right[name].shape:
                    break
        else:
            wrong_P.append(have["P"])

    def loss_tells(W_ff, b_ff):
        have, N = right | dict(W_ff=W_ff, b_ff=b_ff[:, None]), right["N"]
        E = evaluate(parts["E"].formula, have)
        wrong = [evaluate(slip.formula, have) for slip in parts["E"].slips]
        wrong = [guess for guess in wrong if guess.shape == E.shape]
        wrong += list(evaluate(parts["E"].formula, have | {"P": np.array(wrong_P)}))  # all at once
        changed = (np.array(wrong) != E).any(axis=(1, 2))
        return not (changed & (((wrong - N) ** 2).sum(axis=(1, 2)) == ((E - N) ** 2).sum())).any()

    return loss_tells
