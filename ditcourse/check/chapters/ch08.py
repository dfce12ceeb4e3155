"""Chapter 8, attention: the box by hand, one head, heads, a mask, what is known of the order, turning, reading maps.

Tokens are rows, as in PyTorch. Square weights are chosen on purpose, so that a transpose raises no error.
"""

import numpy as np

from ditcourse.check import Exercise, Slip, function
from ditcourse.check.judges import letters
from ditcourse.check.sheet import SheetPart


def _softmax(scores, axis=-1):
    """A softmax along an axis; a row in which nothing may be looked at becomes NaN, as in PyTorch."""
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


# ---- 8.2: one head ----


def _attention_inputs(rng):
    n = int(rng.integers(5, 8))
    return rng.normal(size=(n, 4)), *(rng.normal(size=(4, 4)) for _ in range(3))


def _attention(divide=lambda scores, d: scores / d**0.5, turned=False, axis=-1, mix=lambda w, v, x: w @ v,
               query=lambda x, W: x @ W, key=lambda x, W: x @ W, value=lambda x, W: x @ W):  # fmt: skip
    """One head, right with the defaults; each slip changes one of its lines."""

    def attention(x, W_q, W_k, W_v):
        q, k, v = query(x, W_q), key(x, W_k), value(x, W_v)
        scores = divide(k @ q.T if turned else q @ k.T, x.shape[1])
        return mix(_softmax(scores, axis), v, x)

    return attention


def _transposed(x, W):
    return x @ W.T


# ---- 8.3: heads ----


def _split_inputs(rng):
    n, heads, d = int(rng.integers(3, 7)), int(rng.integers(2, 4)), int(rng.integers(2, 5))
    return rng.normal(size=(n, heads * d)), heads


def split(x, heads):
    """(tokens, width) -> (heads, tokens, width / heads)."""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


# ---- 8.4: a mask ----


def _mask_inputs(rng):
    n = int(rng.integers(4, 7))
    known = np.arange(n) < rng.integers(2, n)  # at least one is padding, and two are not
    scores = rng.normal(size=(n, n)).clip(-1)  # so that exp(-10) stays below the tolerance beside them
    scores[rng.integers(n)] -= 50  # the same weights, but -10 or -30 in place of minus infinity is not low enough
    return scores, known[rng.permutation(n)]


def _masked(scores, known, put=-np.inf, axis=-1):
    return _softmax(np.where(known, scores, put), axis)


def _by_queries(scores, known):
    return _softmax(np.where(known[:, None], scores, -np.inf))


def _by_both(scores, known, put=-np.inf):
    return _softmax(np.where(known & known[:, None], scores, put))


# ---- 8.6: turning ----


def _turn_inputs(rng):
    n, pairs = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    return rng.normal(size=(n, 2 * pairs)), rng.uniform(0.2, 3, size=(n, pairs))


def turn(x, angles, to_a=lambda a, b, c, s: a * c - b * s, to_b=lambda a, b, c, s: a * s + b * c):
    """x (tokens, d), angles (tokens, d / 2): each pair of neighbours turned by its angle."""
    a, b, c, s = x[:, 0::2], x[:, 1::2], np.cos(angles), np.sin(angles)
    return np.stack([to_a(a, b, c, s), to_b(a, b, c, s)], axis=-1).reshape(x.shape)


def _halves(x, angles):
    a, b = np.split(x, 2, axis=1)
    c, s = np.cos(angles), np.sin(angles)
    return np.concatenate([a * c - b * s, a * s + b * c], axis=1)


def _not_woven(x, angles):
    turned = turn(x, angles)
    return np.concatenate([turned[:, 0::2], turned[:, 1::2]], axis=1)


# ---- 8.5 and 8.7: what is known of the order, and reading maps ----

ORDER_SAYS = {
    "a": {
        1: "the numbers go with their tokens, and these have moved",
        3: "nothing tells this layer where a token stands; a sum does not ask for the order of its terms",
    },
    "b": {
        1: "the tokens have moved, and the table has not: which token meets its first row now?",
        2: "the table stays where it is: the token that comes first now gets its first row, not the row it had before",
    },
    "c": {
        2: "a mean over all tokens has no places any more that could be in another order",
        3: "only the order is another one, and a mean does not ask for the order of its terms",
    },
    "d": {
        1: "the tokens have moved, so what comes out in a place belongs to another token now",
        2: "turning knows how far, and also in which direction: ahead is not back",
    },
    "e": {
        2: "the tokens stay where they are, so there is nothing to move along with",
        3: "queries and keys are turned further by the same angle, and differences stay",
    },
    "f": {
        1: "other rows of the table are added, so other tokens come in; only turning looks at differences",
        2: "the tokens stay where they are, so there is nothing to move along with",
    },
}
_NOTHING_BEHIND = "the token stands in the first frames, so nothing is behind it in time"
MAP_SAYS = {
    "a": {
        1: "in a the framed token itself is dark",
        2: "in a all of frames 1 to 2 is dark, the framed token's own place too",
        3: "the framed token stands in frames 1 to 2, and all of a is dark there",
        4: "in a compare the picture of frames 7 to 8 with that of frames 1 to 2: one is bright, one dark",
        6: _NOTHING_BEHIND,
    },
    "b": {
        1: "b is bright in other frames, too",
        3: "the framed token's own place is bright in b, in other frames too",
        4: "the edges of b are dark in every frame",
        5: "b is as bright in the token's own frames as in the others",
        6: _NOTHING_BEHIND,
    },
    "c": {
        1: "in c the framed token itself is dark",
        2: "c is brightest at the left edge, away from the framed token",
        4: "most squares of c are dark",
        5: "compare once more in which frames c is bright and in which the framed token stands",
        6: _NOTHING_BEHIND,
    },
}


EXERCISES = (
    Exercise(
        id="8.1", title="The Query-Key box by hand", goal="make queries, scores, marks and values, and mix, on paper",
        difficulty=1, minutes=15, judge=SheetPart(form="look"),
    ),
    Exercise(
        id="8.2",
        title="One head",
        goal="write attention with queries, keys and values",
        difficulty=2,
        minutes=8,
        judge=function(
            _attention(),
            _attention_inputs,
            slips=(
                Slip("not divided", _attention(divide=lambda scores, d: scores),
                     "the scores were not divided by the root of d"),
                Slip("divided by d", _attention(divide=lambda scores, d: scores / d),
                     "the scores were divided by d itself; its root is wanted"),
                Slip("root of the tokens", _attention(divide=lambda scores, d: scores / len(scores) ** 0.5),
                     "the scores were divided by the root of the number of tokens; d is the width of a query"),
                Slip("multiplied", _attention(divide=lambda scores, d: scores * d**0.5),
                     "the scores were multiplied by the root of d; divide"),
                Slip("wrong axis", _attention(axis=0),
                     "the softmax ran down the columns; the weights of one query stand in a row, and these sum to 1"),
                Slip("scores transposed", _attention(turned=True),
                     "rows and columns of the scores have changed places, so each key looks for a query"),
                Slip("weights transposed", _attention(mix=lambda w, v, x: w.T @ v),
                     "the weights were transposed before the mixing; they are square, so no error could tell you"),
                Slip("values forgotten", _attention(mix=lambda w, v, x: w @ x),
                     "the tokens themselves were mixed; what is mixed are the values"),
                Slip("not mixed", _attention(mix=lambda w, v, x: w),
                     "those are the weights; the values are still to be mixed with them"),
                Slip("keys forgotten", _attention(key=lambda x, W: x),
                     "the tokens themselves were taken as keys, as in 8.1; here keys have weights of their own"),
                Slip("paper weights", _attention(query=_transposed, key=_transposed, value=_transposed),
                     "the weights were transposed as in nn.Linear; here it is x @ W"),
            ),
            axes=("token", "number"),
        ),
        hints=(
            "Three maps first: q = x @ W_q, and likewise k and v.",
            "Scores: every query with every key, so a square with a row for each query. Divide by the root of d.",
            "Softmax along each row (axis=-1), then the weights times v.",
        ),
    ),
    Exercise(
        id="8.3",
        title="Split into heads",
        goal="cut the width into heads without mixing up tokens",
        difficulty=2,
        minutes=5,
        judge=function(
            split,
            _split_inputs,
            slips=(
                Slip("reshaped at once", lambda x, heads: x.reshape(heads, len(x), -1),
                     "the shape is right and the numbers are not: this cuts the tokens, not the width; "
                     "reshape to (tokens, heads, d) first"),
                Slip("heads in the middle", lambda x, heads: x.reshape(len(x), heads, -1),
                     "each token has its heads now; the heads are still to come first"),
                Slip("every so many numbers", lambda x, heads: x.reshape(len(x), -1, heads).transpose(2, 0, 1),
                     "each head got every so many-th number; a head is a piece of neighbours"),
                Slip("tokens last", lambda x, heads: split(x, heads).transpose(0, 2, 1),
                     "inside each head tokens and numbers have changed places"),
                Slip("heads reversed", lambda x, heads: split(x, heads)[::-1],
                     "the heads stand in reverse order"),
                Slip("one head", lambda x, heads: x[None], "that is one head of the whole width"),
            ),
            axes=("head", "token", "number"),
        ),
        hints=(
            "A token's numbers are cut into `heads` pieces of neighbours: first a reshape of each row.",
            "After that the shape is (tokens, heads, d). Which axes change places?",
            "x.reshape(len(x), heads, -1).transpose(1, 0, 2), with NumPy.",
        ),
    ),
    Exercise(
        id="8.4",
        title="A mask",
        goal="let nobody look at tokens that are only padding",
        difficulty=2,
        minutes=6,
        judge=function(
            _masked,
            _mask_inputs,
            slips=(
                Slip("mask left out", lambda scores, known: _softmax(scores), "padding is still looked at"),
                Slip("taken away after", lambda scores, known: _softmax(scores) * known,
                     "the weights of padding were set to 0 after the softmax, so the rest no longer sums to 1"),
                Slip("scores set to 0", lambda scores, known: _masked(scores, known, put=0.0),
                     "a score of 0 is a score like any other; what nobody may look at needs minus infinity"),
                Slip("other way round", lambda scores, known: _masked(scores, ~known),
                     "now only padding is looked at"),
                Slip("queries masked", _by_queries,
                     "the rows of padding were masked; a row is a query, and it is keys that nobody may look at"),
                Slip("both masked", _by_both,
                     "the rows of padding were masked as well, and such a row has nothing left to look at; "
                     "mask the columns only"),
                Slip("both masked, large number", lambda scores, known: _by_both(scores, known, put=-1e9),
                     "the rows of padding were masked as well, so that in them all scores are equal; "
                     "mask the columns only"),
                Slip("rows of padding emptied", lambda scores, known: _masked(scores, known) * known[:, None],
                     "the rows of padding were set to 0; they, too, keep weights that sum to 1, over the real tokens"),
                Slip("not low enough", lambda scores, known: _masked(scores, known, put=-10.0),
                     "the number put in for padding is not low enough: a real score can be lower; "
                     "minus infinity cannot be undercut"),
                Slip("wrong axis", lambda scores, known: _masked(scores, known, axis=0),
                     "the softmax ran down the columns; the weights of one query stand in a row"),
                Slip("still scores", lambda scores, known: np.where(known, scores, -np.inf),
                     "those are the masked scores; the softmax is still to come"),
            ),
            axes=("query", "key"),
        ),
        hints=(
            "Which weight must a padding key have, in every row? And what must each row sum to?",
            "Change the scores before the softmax, not the weights after it.",
            "np.where(known, scores, -np.inf): `known` has one entry for each column. Then a softmax along the rows.",
        ),
    ),
    Exercise(
        id="8.5",
        title="Is the order known?",
        goal="predict what a change of places does, then see it",
        difficulty=2,
        minutes=6,
        judge=letters(lambda: (2, 3, 1, 3, 1, 3), ORDER_SAYS),
        hints=(
            "Two questions for each: does the layer learn where a token stands? And does that change here?",
            "Without positions the same tokens give the same sums, in whatever order they come.",
            "A table is fixed to places. Turning only counts differences of places, with their sign.",
        ),
    ),
    Exercise(
        id="8.6",
        title="Turn a query",
        goal="write the turning of RoPE",
        difficulty=2,
        minutes=8,
        judge=function(
            turn,
            _turn_inputs,
            slips=(
                Slip("turned back", lambda x, angles: turn(x, -angles),
                     "turned by the angle backwards; look at the two signs"),
                Slip("sine and cosine", lambda x, angles: turn(x, np.pi / 2 - angles),
                     "sine and cosine have changed places"),
                Slip("two plus signs", lambda x, angles: turn(x, angles, to_a=lambda a, b, c, s: a * c + b * s),
                     "with two plus signs a pair is not turned: its length changes; one of the signs is a minus"),
                Slip("halves", _halves,
                     "the first half was paired with the second; here a pair is two neighbours "
                     "(some libraries do it your way, with weights that belong to it)"),
                Slip("not woven", _not_woven,
                     "the pairs are turned rightly, but all first numbers come before all second ones; weave them"),
                Slip("second from the first", lambda x, angles: turn(
                    np.stack([turn(x, angles)[:, 0::2], x[:, 1::2]], -1).reshape(x.shape), angles,
                    to_a=lambda a, b, c, s: a),
                     "the second number was made with the new first number; both need the old ones"),
                Slip("degrees", lambda x, angles: turn(x, np.radians(angles)),
                     "the angles were taken as degrees; they are radians, as np.cos wants them"),
                Slip("one angle", lambda x, angles: turn(x, np.repeat(angles[:, :1], angles.shape[1], axis=1)),
                     "every pair was turned by the first angle; each has its own"),
            ),
            axes=("token", "number"),
        ),
        hints=(
            "The first numbers of the pairs are x[:, 0::2], the second ones x[:, 1::2].",
            "A point (a, b) turned by an angle: (a cos - b sin, a sin + b cos).",
            "Make an empty array like x, and put the two results into [:, 0::2] and [:, 1::2].",
        ),
    ),
    Exercise(
        id="8.7",
        title="Read three maps",
        goal="say in words what an attention map shows",
        difficulty=1,
        minutes=4,
        judge=letters(
            lambda: (5, 2, 3),
            MAP_SAYS,
            swapped={"ac": "the times are the other way round: the framed token is in the first frames"},
        ),
        hints=(
            "First look for the framed token: at which time and place is it?",
            "In which of the four frames is a map bright? That is time.",
            "Where in the frames is it bright, compared with the framed token? That is space.",
        ),
    ),
)  # fmt: skip
