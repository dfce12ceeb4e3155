"""Chapter 6, spacetime patches: one cut by hand, counting, patchify and unpatchify, a convolution's weight, wrong cuts.

Everything is NumPy; the reference functions are written out axis by axis, so that a slip reads like its line.
"""

import numpy as np

from ditcourse.check import Exercise, Slip, function, values
from ditcourse.check.judges import letters
from ditcourse.check.sheet import SheetPart

# 6.2: counts for three clips, by one function, so that a slip is another function

CUTS = {  # size (T, H, W), channels, patch
    "latent image": ((1, 32, 32), 4, (1, 2, 2)),
    "latent clip": ((16, 32, 32), 4, (1, 2, 2)),
    "the same, deeper patch": ((16, 32, 32), 4, (4, 2, 2)),
    "wide clip": ((12, 24, 40), 3, (3, 4, 8)),
}


def tokens_of(size, patch):
    return int(np.prod([side // p for side, p in zip(size, patch, strict=True)]))


def _counts(count=tokens_of, values_in=lambda C, patch: C * int(np.prod(patch)), pairs=lambda more: more**2):
    """(tokens, values in a token, pairs of the second cut as a multiple of the first's)."""
    tokens = [count(size, patch) for size, _, patch in CUTS.values()]
    return tokens, [values_in(C, patch) for _, C, patch in CUTS.values()], pairs(tokens[1] / tokens[2])


# 6.3 to 6.6: cutting, with the axes as a table


def _distinct(rng, count):
    """Numbers of pieces that differ, so that no wrong order of axes looks right."""
    return [int(n) for n in rng.permutation([2, 3, 4, 5])[:count]]


def _image_inputs(rng):
    (h, w), p = _distinct(rng, 2), int(rng.integers(2, 4))
    return rng.integers(0, 100, size=(3, h * p, w * p)).astype(float), p


def _image(order=(1, 3, 0, 2, 4), turned=False):
    """Axes before the transpose: channel, patch row, row inside, patch column, column inside."""

    def patchify(image, p):
        C, H, W = image.shape
        cut = image.reshape(C, H // p, p, W // p, p).transpose(order).reshape(-1, C * p * p)
        return cut.T if turned else cut

    return patchify


def _every_pth(image, p):
    C, H, W = image.shape
    return image.reshape(C, p, H // p, p, W // p).transpose(2, 4, 0, 1, 3).reshape(-1, C * p * p)


def _channels_apart(image, p):
    C, H, W = image.shape
    return image.reshape(C, H // p, p, W // p, p).transpose(0, 1, 3, 2, 4).reshape(-1, p * p)


def _clip_inputs(rng):
    patch = [int(p) for p in rng.permutation([2, 2, 3])]
    grid = _distinct(rng, 3)
    size = [n * p for n, p in zip(grid, patch, strict=True)]
    return rng.integers(0, 100, size=(2, *size)).astype(float), tuple(patch)


def _clip(order=(1, 3, 5, 0, 2, 4, 6), turned=False):
    """Axes before the transpose: 0 channel, 1 t, 2 p_t, 3 h, 4 p_h, 5 w, 6 p_w."""

    def patchify(clip, patch):
        C, T, H, W = clip.shape
        p_t, p_h, p_w = patch
        cut = clip.reshape(C, T // p_t, p_t, H // p_h, p_h, W // p_w, p_w).transpose(order)
        cut = cut.reshape(-1, C * p_t * p_h * p_w)
        return cut.T if turned else cut

    return patchify


def _frame_by_frame(clip, patch):
    return _clip()(clip, (1, patch[1], patch[2]))


def _frames_apart(clip, patch):
    """A token takes frames that are T / p_t apart."""
    C, T, H, W = clip.shape
    p_t, p_h, p_w = patch
    cut = clip.reshape(C, p_t, T // p_t, H // p_h, p_h, W // p_w, p_w)
    return cut.transpose(2, 3, 5, 0, 1, 4, 6).reshape(-1, C * p_t * p_h * p_w)


def _weight_inputs(rng):
    return (rng.normal(size=(6, 2, *rng.permutation([2, 2, 3]))),)


def _back_inputs(rng):
    clip, patch = _clip_inputs(rng)
    tokens = _clip((1, 3, 5, 2, 4, 6, 0))(clip, patch)  # p_t, p_h, p_w, c
    return tokens, patch, clip.shape[1:]


def _back(split="t h w p_t p_h p_w c", order="c t p_t h p_h w p_w"):
    """Split the numbers into axes with these names, bring them into that order, and join them to a clip."""

    def unpatchify(tokens, patch, size):
        names = ("p_t", "p_h", "p_w", "t", "h", "w")
        sides = dict(zip(names, (*patch, *(s // p for s, p in zip(size, patch, strict=True))), strict=True))
        sides["c"] = tokens.size // int(np.prod(size))
        before = split.split()
        cut = tokens.reshape([sides[name] for name in before])
        return cut.transpose([before.index(name) for name in order.split()]).reshape(sides["c"], *size)

    return unpatchify


def _colours_last(tokens, patch, size):
    return np.moveaxis(_back()(tokens, patch, size), 0, -1)


# 6.7: three wrong cuts

CUT_SAYS = {
    "a": {
        1: "in a the channel still comes before the pixels of a token; look at the axes that stand before it",
        2: "a does permute its axes; look at which of them count patches",
        3: "inside a patch all is whole in a; it is the patches that lie elsewhere",
        5: "a moves in the right order; it is its single frames that are wrong",
        6: "the two frames of a token follow each other in a; it is its single frames that are wrong",
        7: "the colours of a are right; look where they lie",
    },
    "b": {
        1: "in b the channel still comes before the pixels of a token, and every single frame is right",
        2: "there is a permute in b, and every single frame is right",
        3: "every single frame of b is right, inside its patches too",
        4: "every single frame of b is right, so each patch lies where it should in its frame",
        5: "backwards the steps would be as small as before; in b they are large",
        7: "the colours of b are right; its times are not",
    },
    "c": {
        2: "there is a permute in c; follow its axes one by one",
        3: "then the colours of c would be right; look at them",
        4: "patches that lie elsewhere would keep their colours; look at those of c",
        5: "pieces of time in reverse order would keep their colours; look at those of c",
        6: "c cuts the time as it should, into pieces of two frames; look at its colours",
        7: "then every pixel of c would only have another colour; in c the small squares have patterns",
    },
}


EXERCISES = (
    Exercise(
        id="6.1", title="One cut by hand", goal="cut a clip into patches that span time, on paper", difficulty=1,
        minutes=12, judge=SheetPart(form="patches"),
    ),
    Exercise(
        id="6.2",
        title="Count before you cut",
        goal="predict the number of tokens, the values in each, and what attention pays",
        difficulty=1,
        minutes=5,
        judge=values(
            _counts,
            names=("tokens", "values", "pairs"),
            slips=(
                Slip("time forgotten", lambda: _counts(count=lambda size, patch: tokens_of(size[1:], patch[1:])),
                     "those are the tokens of one frame; a clip is cut along the time as well"),
                Slip("pieces added", lambda: _counts(count=lambda size, patch: sum(
                    side // p for side, p in zip(size, patch, strict=True))),
                     "the pieces along the three sides were added; they multiply"),
                Slip("pixels counted", lambda: _counts(count=lambda size, patch: int(np.prod(size))),
                     "those are positions; a token takes a whole patch of them"),
                Slip("frame by frame", lambda: _counts(count=lambda size, patch: tokens_of(size, (1, *patch[1:]))),
                     "every frame was cut by itself; a patch that is several frames deep makes fewer tokens"),
                Slip("channels forgotten", lambda: _counts(values_in=lambda C, patch: int(np.prod(patch))),
                     "those are positions in a patch; at each there is a value for every channel"),
                Slip("patch without time", lambda: _counts(values_in=lambda C, patch: C * int(np.prod(patch[1:]))),
                     "in a token stand all frames of its patch, not one"),
                Slip("not squared", lambda: _counts(pairs=lambda more: more),
                     "the pairs grow with the square of the tokens"),
                Slip("turned over", lambda: _counts(pairs=lambda more: 1 / more**2),
                     "the other way round: how many times as many does the second cut have?"),
            ),
        ),
        hints=(
            "Divide each side by the patch's, and multiply the three results.",
            "In a token: the number of channels, times the three sides of the patch.",
            "How many times as many tokens has the second cut? Pairs are the square of that.",
        ),
    ),
    Exercise(
        id="6.3",
        title="Cut an image",
        goal="write patchify for one image with channels",
        difficulty=2,
        minutes=8,
        judge=function(
            _image(),
            _image_inputs,
            slips=(
                Slip("only reshaped", lambda image, p: image.reshape(-1, image.shape[0] * p * p),
                     "these are runs of neighbours in memory, not squares; a transpose between reshapes is missing"),
                Slip("channels last", _image((1, 3, 2, 4, 0)),
                     "inside a token the channel runs fastest; here all of the first channel comes first"),
                Slip("patches down the columns", _image((3, 1, 0, 2, 4)),
                     "the patches were taken down the columns; take them along the rows, as you read"),
                Slip("pixels down the columns", _image((1, 3, 0, 4, 2)),
                     "inside a patch the pixels run down the columns; read them along the rows"),
                Slip("rows and columns mixed", _image((3, 1, 0, 4, 2)),
                     "rows and columns are mixed: everything runs down the columns, the patches and what is in them"),
                Slip("every p-th pixel", _every_pth,
                     "a token took pixels far apart; when H is split into two, the second number runs faster, so p is "
                     "the second"),
                Slip("channels apart", _channels_apart,
                     "each channel made tokens of its own; a token holds all channels of its square"),
                Slip("token in a column", _image(turned=True), "each column is a token; here a row is wanted"),
            ),
        ),
        hints=(
            "Split H into (H/p, p) and W into (W/p, p): five axes, C, h, p, w, p.",
            "Bring the two that count the patches to the front, and leave the rest in its order.",
            "image.reshape(C, H // p, p, W // p, p).transpose(1, 3, 0, 2, 4), then reshape to rows.",
        ),
    ),
    Exercise(
        id="6.4",
        title="Cut a clip",
        goal="write patchify for a clip, with patches that span time",
        difficulty=2,
        minutes=8,
        judge=function(
            _clip(),
            _clip_inputs,
            slips=(
                Slip("only reshaped", lambda clip, patch: clip.reshape(-1, clip.shape[0] * int(np.prod(patch))),
                     "these are runs of neighbours in memory, not blocks; a transpose between two reshapes is missing"),
                Slip("places before times", _clip((3, 5, 1, 0, 2, 4, 6)),
                     "one place at all times comes first; all places of the first piece of time come first"),
                Slip("columns before rows", _clip((1, 5, 3, 0, 2, 4, 6)),
                     "within a piece of time the patches run down the columns; take them along the rows"),
                Slip("channels last", _clip((1, 3, 5, 2, 4, 6, 0)),
                     "inside a token the channel runs fastest; that is the order of the way out"),
                Slip("time runs fastest", _clip((1, 3, 5, 0, 4, 6, 2)),
                     "inside a token a pixel comes at all its times, then the next pixel; a frame comes whole"),
                Slip("pixels down the columns", _clip((1, 3, 5, 0, 2, 6, 4)),
                     "inside a token the pixels run down the columns; read them along the rows"),
                Slip("time before channels", _clip((1, 3, 5, 2, 0, 4, 6)),
                     "inside a token the first frame comes with all its channels; here the first channel comes with "
                     "all its frames"),
                Slip("frame by frame", _frame_by_frame,
                     "every frame was cut by itself: p_t was not used, and there are p_t times too many tokens"),
                Slip("frames far apart", _frames_apart,
                     "a token took frames far apart; when T is split into two, p_t is the second number"),
                Slip("token in a column", _clip(turned=True), "each column is a token; here a row is wanted"),
            ),
        ),
        hints=(
            "The same as for the image, with one side more: seven axes.",
            "To the front those that count patches, in the order time, row, column. Then channel, time, row, column.",
            "With the axes C, t, p_t, h, p_h, w, p_w the order is (1, 3, 5, 0, 2, 4, 6).",
        ),
    ),
    Exercise(
        id="6.5",
        title="From a convolution to a linear map",
        goal="turn the weight of a patch convolution into a matrix for tokens",
        difficulty=1,
        minutes=3,
        judge=function(
            lambda weight: weight.reshape(len(weight), -1),
            _weight_inputs,
            slips=(
                Slip("turned", lambda weight: weight.reshape(len(weight), -1).T,
                     "it is turned: a linear layer's weight has a row for each number that comes out"),
                Slip("channels last", lambda weight: np.moveaxis(weight, 1, -1).reshape(len(weight), -1),
                     "the channel was moved to the end; the tokens of the way in have it first"),
                Slip("columns before rows", lambda weight: weight.swapaxes(-1, -2).reshape(len(weight), -1),
                     "rows and columns of the kernel have changed places"),
                Slip("time last", lambda weight: np.moveaxis(weight, 2, -1).reshape(len(weight), -1),
                     "the time was moved to the end; in a token it comes before rows and columns"),
                Slip("kernel turned round", lambda weight: weight[..., ::-1, ::-1, ::-1].reshape(len(weight), -1),
                     "the kernel was turned round; what is called a convolution here does not do that"),
            ),
        ),
        hints=(
            "The order of the values in a token was chosen so that this is easy.",
            "Nothing has to be moved: keep the first axis and join all others.",
        ),
    ),
    Exercise(
        id="6.6",
        title="Put it together again",
        goal="write unpatchify for the order in which DiT's last layer writes",
        difficulty=3,
        minutes=10,
        judge=function(
            _back(),
            _back_inputs,
            slips=(
                Slip("only reshaped", lambda tokens, patch, size: tokens.reshape(-1, *size),
                     "the numbers were only put into another shape, in the order in which they lie in memory"),
                Slip("channels first", _back("t h w c p_t p_h p_w"),
                     "the tokens were read with the channel first, the order of the way in; here it comes last"),
                Slip("columns before rows", _back("t w h p_t p_h p_w c"),
                     "the tokens were laid down the columns; they run along the rows"),
                Slip("pixels down the columns", _back("t h w p_t p_w p_h c"),
                     "inside a token rows and columns have changed places"),
                Slip("time in the wrong place", _back("h w t p_t p_h p_w c"),
                     "the tokens were read as if time ran fastest; it runs slowest"),
                Slip("inside outside", _back(order="c p_t t p_h h p_w w"),
                     "neighbours from one patch were laid far apart: t comes before p_t, h before p_h, w before p_w"),
                Slip("colours last", _colours_last,
                     "the numbers are right, but the channel is the last axis; it comes first in a clip"),
            ),
        ),
        hints=(
            "First split: tokens.reshape(t, h, w, p_t, p_h, p_w, C). Which sizes are these?",
            "Then bring together what belongs together: C, t p_t, h p_h, w p_w.",
            "The order is transpose(6, 0, 3, 1, 4, 2, 5).",
        ),
    ),
    Exercise(
        id="6.7",
        title="Three wrong cuts",
        goal="find the bug from the clips and the code",
        difficulty=2,
        minutes=6,
        judge=letters(
            lambda: (4, 6, 1),
            CUT_SAYS,
            swapped={
                "ab": "in a every frame is wrong, in b their order is: change the two",
                "bc": "b keeps its colours, and c its order in time",
            },
        ),
        hints=(
            "Look at the clips first: in which is a single frame wrong, in which only their order?",
            "Name the axes after the reshape, then read the permute number by number.",
            "The right permute is (0, 2, 4, 6, 1, 3, 5, 7), after a reshape to (B, C, t, p_t, h, p_h, w, p_w).",
        ),
    ),
)  # fmt: skip
