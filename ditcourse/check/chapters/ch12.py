"""Chapter 12, latent space: squeezing by hand, sizes of a latent, PCA, PSNR, the divergence, broken latent spaces."""

import numpy as np

from ditcourse.check import Exercise, Slip, function
from ditcourse.check.judges import letters, read_parts
from ditcourse.check.reading import Unreadable, is_blank
from ditcourse.check.sheet import SheetPart

# ---- 12.2: the sizes of a latent ----


def _sizes_inputs(rng):
    factors = int(rng.choice([2, 4])), int(rng.choice([4, 8]))
    patch = int(rng.choice([2, 4]))
    channels = int(rng.choice([5, 7, 10, 14, 20]))  # so that `times fewer` is never a whole number
    sides = [int(factors[1] * patch * rng.integers(2, 6)) for _ in range(2)]
    return (int(factors[0] * rng.integers(3, 7)), *sides), factors, channels, patch


def _tell_sizes(size, factors, channels, patch):
    return f"With size={size}, factors={factors}, channels={channels}, patch={patch}"


def sizes(size, factors, channels, patch, grid=lambda size, f: (size[0] // f[0], size[1] // f[1], size[2] // f[1]),
          values=lambda places, channels: places * channels, cut=lambda T, H, W, p: T * (H // p) * (W // p),
          each=lambda channels, p: channels * p**2, fewer=None):  # fmt: skip
    """(values, tokens, values in a token, times fewer); a slip changes one, and what a learner computes from it."""
    small = grid(size, factors)
    made = values(np.prod(small), channels)
    ratio = (fewer or (lambda size, factors, channels, made: 3 * np.prod(size) / made))(size, factors, channels, made)
    return made, cut(*small, patch), each(channels, patch), ratio


def _right_ratio(size, factors, channels, made):
    return 3 * factors[0] * factors[1] ** 2 / channels


def _sizes(**change):
    return lambda *given: sizes(*given, **change)


def _both(name, message, **change):
    """The slip where the ratio is computed from the wrong values, and where it is not."""
    return (Slip(name, _sizes(**change), message),
            Slip(f"{name}, ratio right", _sizes(**change, fewer=_right_ratio), message))  # fmt: skip


def _channels_as_tokens(size, factors, channels, patch, **change):
    values, tokens, each, fewer = sizes(size, factors, channels, patch, **change)
    return values, tokens * channels, each, fewer


_IN_TIME = {"cut": lambda T, H, W, p: (T // p) * (H // p) * (W // p)}
_ALL_CUT = {"cut": lambda T, H, W, p: T * H * W // p**3}
SIZES_SLIPS = (
    *_both("time kept", "the frames were not divided by the first factor", grid=lambda s, f: (
        s[0], s[1] // f[1], s[2] // f[1])),
    *_both("first factor for all", "the first factor was used for rows and columns, too; theirs is the second",
           grid=lambda s, f: (s[0] // f[0], s[1] // f[0], s[2] // f[0])),
    *_both("second factor for all", "the second factor was used for the frames, too; theirs is the first",
           grid=lambda s, f: (s[0] // f[1], s[1] // f[1], s[2] // f[1])),
    *_both("one side", "rows or columns were not divided; the second factor divides both",
           grid=lambda s, f: (s[0] // f[0], s[1] // f[1], s[2]), cut=lambda T, H, W, p: T * H * W // p**2),
    *_both("channels forgotten", "those are the places of the latent; at each of them stand `channels` values",
           values=lambda places, channels: places),
    *_both("colours for channels", "three values were counted at each place; a latent has `channels` of them",
           values=lambda places, channels: places * 3),
    Slip("ratio one side", _sizes(fewer=lambda s, f, c, made: 3 * f[0] * f[1] / c),
         "for `times fewer` the second factor was counted once; it divides rows and columns"),
    Slip("no colours", _sizes(fewer=lambda s, f, c, made: np.prod(s) / made),
         "for `times fewer` the three colours of a pixel were forgotten"),
    Slip("places", _sizes(fewer=lambda s, f, c, made: f[0] * f[1] ** 2),
         "`times fewer` counts places; a pixel has 3 values, and a place of the latent its channels"),
    Slip("ratio upside down", _sizes(fewer=lambda s, f, c, made: made / (3 * np.prod(s))),
         "the ratio is upside down: the clip has more values than its latent"),
    Slip("whole numbers only", _sizes(fewer=lambda s, f, c, made: 3 * np.prod(s) // made),
         "`times fewer` was cut to a whole number by `//`; it need not be one"),
    Slip("rounded", _sizes(fewer=lambda s, f, c, made: round(3 * np.prod(s) / made)),
         "`times fewer` was rounded; it need not be a whole number"),
    Slip("channels as tokens", lambda *given: _channels_as_tokens(*given, each=lambda c, p: p**2),
         "the channels were counted as tokens; they are values within a token"),
    Slip("channels in both", lambda *given: _channels_as_tokens(*given),
         "the channels were counted as tokens; they are values within a token"),
    Slip("token without channels", _sizes(each=lambda c, p: p**2),
         "those are the places in a token; each brings all its channels"),
    Slip("patch once", _sizes(cut=lambda T, H, W, p: T * H * W // p, each=lambda c, p: c * p),
         "the patch was counted once; it is as wide as it is high"),
    Slip("patch once, tokens", _sizes(cut=lambda T, H, W, p: T * H * W // p),
         "for the tokens the patch was counted once; it is as wide as it is high"),
    Slip("patch once, values", _sizes(each=lambda c, p: c * p),
         "for the values in a token the patch was counted once; it is as wide as it is high"),
    *(Slip(f"patch in time{also}", _sizes(**cut, **more),
           "the patch was applied to the frames, too; a token is one latent frame deep")
      for cut, kind in ((_IN_TIME, ""), (_ALL_CUT, ", all at once"))
      for more, also in (({}, kind), ({"each": lambda c, p: c * p**3}, f"{kind}, in both"))),
    Slip("patch in time, values", _sizes(each=lambda c, p: c * p**3),
         "the patch was applied to the frames, too; a token is one latent frame deep"),
)  # fmt: skip


# ---- 12.3: PCA ----


def _pca_inputs(rng):
    D = 6
    mix, middle = rng.normal(size=(D, D)) * [3, 2.5, 2, 0.6, 0.4, 0.2], 3 + 4 * rng.random(D)
    rows = lambda count: rng.normal(size=(count, D)) @ mix.T + middle  # noqa: E731
    return rows(200), int(rng.integers(2, 4)), rows(5)


def _tell_pca(x, k, new):
    return f"With x of shape {x.shape} and k = {k}"


def fit(x, k, centre=lambda x: x.mean(axis=0), away=lambda x, mean: x - mean,
        choose=lambda values, columns, k: columns[:, ::-1].T[:k], mean=None):  # fmt: skip
    """The mean and the k directions, a row for each; right with the defaults."""
    off = away(x, centre(x))
    return (mean or centre)(x), choose(*np.linalg.eigh(off.T @ off / len(x)), k)


PCA_NAMES = ("the mean", "the lengths of the directions (each to be 1)", "fresh rows rebuilt with your directions")


def _rebuilt(fitted, x, k, new):
    """The mean, the directions' lengths, and new rows squeezed and rebuilt: the same for every sign and order."""
    result = fitted(x, k)
    if is_blank(result):
        return result
    if not isinstance(result, (tuple, list, dict)):
        raise Unreadable("two results are wanted, (mean, directions)")
    mean, directions = read_parts(result, ("mean", "directions"))
    if any(part is None or part.blank.any() for part in (mean, directions)):
        return None
    D, mean, directions = x.shape[1], mean.numbers, directions.numbers
    if mean.size == 1:
        mean = np.full(D, mean.item())  # one for all columns
    if mean.size != D:
        hint = "; take it over the rows, axis=0" if mean.size == len(x) else ""
        raise Unreadable(f"mean came as {mean.shape}; a number for each column is wanted, {(D,)}{hint}")
    if directions.shape != (k, D):
        raise Unreadable(f"directions came as {directions.shape}; a row for each direction is wanted, {(k, D)}")
    mean = mean.reshape(D)
    with np.errstate(all="ignore"):
        lengths = np.sqrt((directions**2).sum(axis=1))
        return mean, lengths, mean + (new - mean) @ directions.T @ directions


def _pca(**change):
    return lambda x, k, new: _rebuilt(lambda x, k: fit(x, k, **change), x, k, new)


def _widest(columns, k):
    return columns[:, ::-1].T[:k]


# ---- 12.4: PSNR ----


def _psnr_inputs(rng):
    """Clips that stay clear of -1 and of 1; what is rebuilt goes beyond one of the two, in all of them the same."""
    side = rng.choice([-1, 1])
    x = side * rng.uniform(-0.5, 0.9, size=(3, 3, 2, 4, 4))
    off = rng.uniform(-0.45, 0.45, size=x.shape) * rng.uniform(0.3, 1, size=(3, 1, 1, 1, 1))
    off[:, 0, 0, 0, 0] = 0.4 * side
    x[:, 0, 0, 0, 0] = 0.9 * side  # one pixel at least that has to be cut off
    return x + off, x


def psnr(rebuilt, x, peak=lambda rebuilt, x: 4.0, factor=10, log=np.log10, axes=(1, 2, 3, 4),
         cut=lambda x: np.clip(x, -1, 1), sign=1, error=np.square, end=np.mean):  # fmt: skip
    """The PSNR of each clip; right with the defaults."""
    rebuilt = cut(rebuilt)
    return sign * factor * log(peak(rebuilt, x) / end(error(rebuilt - x), axis=axes))


def _psnr(**change):
    return lambda rebuilt, x: psnr(rebuilt, x, **change)


def _each_clip(find):
    return lambda x: find(x.reshape(len(x), -1), axis=1)


MEASURED_SAYS = ("the range was measured in these clips; it is that of all pixels there can be, from -1 to 1, however "
                 "dark or bright a clip is")  # fmt: skip
_MEASURED = {  # the range as somebody finds it who looks into the data for it
    "range of x": lambda rebuilt, x: np.ptp(x) ** 2,
    "range of each x": lambda rebuilt, x: _each_clip(np.ptp)(x) ** 2,
    "range of what is rebuilt": lambda rebuilt, x: np.ptp(rebuilt) ** 2,
    "range of each rebuilt clip": lambda rebuilt, x: _each_clip(np.ptp)(rebuilt) ** 2,
    "largest of x": lambda rebuilt, x: np.max(x) ** 2,
    "largest of each x": lambda rebuilt, x: _each_clip(np.max)(x) ** 2,
}


# ---- 12.5: the divergence ----


def _divergence_inputs(rng):
    shape = (2, 4, 2, 3, 3)  # clips, channels, latent frames, rows, columns
    return rng.normal(size=shape), rng.uniform(-3, 1, size=shape)


def divergence(mean, log_variance, variance=np.exp, log=lambda v: v, one=1, half=0.5, square=np.square, end=np.mean):
    """KL of N(mean, variance) from N(0, 1), the mean over all numbers; right with the defaults."""
    with np.errstate(all="ignore"):
        return end(half * (square(mean) + variance(log_variance) - one - log(log_variance)))


def _divergence(**change):
    return lambda mean, log_variance: divergence(mean, log_variance, **change)


# ---- 12.6: broken latent spaces ----

BROKEN_SAYS = {
    "a": {
        1: "its channels come out alike, so each has a number of its own; where does that number come from?",
        2: "its decoder brings the codes back; compare the clips together with the clips one by one",
        4: "clips that come together are rebuilt well, so the blocks are in order",
        5: "PCA's encode takes the mean away here as in the right one; look at what the codes are divided by",
        6: "nothing learns in it; look at what the codes are divided by",
    },
    "b": {
        1: "its encoder is the right one, with a deviation for each channel; look at how the rows become a clip",
        2: "its decoder multiplies by the deviation; look at how the rows become a clip",
        3: "its encoder is the right one, with stored numbers; look at how the rows become a clip",
        5: "PCA's decode puts the mean back; look at how the rows become a clip",
        6: "nothing learns in it, and its loss is that of the right one",
    },
    "c": {
        1: "its encoder is the right one, with a deviation for each channel; compare the two lines",
        3: "its encoder is the right one, with stored numbers; compare the two lines",
        4: "its rows become a clip as in the right one; what happens to the codes before that?",
        5: "PCA's decode puts the mean back; what happens to the codes before that?",
        6: "nothing learns in it, and its loss is that of the right one",
    },
    "d": {
        1: "its codes are far too small in every channel; why would they be?",
        2: "its decoder was fitted to just these codes, as small as they are; why are they so small?",
        3: "it has no numbers of a batch in it; look at what its optimizer holds",
        4: "clips are rebuilt, if less well, so the blocks are in order",
        5: "a bias takes the mean away in it; look at what its optimizer holds",
    },
}

EXERCISES = (
    Exercise(
        id="12.1", title="Squeezing by hand", goal="encode, decode, and find the better direction on paper",
        difficulty=1, minutes=15, judge=SheetPart(form="squeeze"),
    ),
    Exercise(
        id="12.2",
        title="The sizes of a latent",
        goal="count values and tokens for any autoencoder of this kind",
        difficulty=1,
        minutes=6,
        judge=function(
            sizes,
            _sizes_inputs,
            names=("values", "tokens", "values in a token", "times fewer"),
            slips=SIZES_SLIPS,
            inputs_as=_tell_sizes,
        ),
        hints=(
            "The latent has T / factors[0] frames, H / factors[1] rows and W / factors[1] columns, and its channels.",
            "A token is a square of patch times patch places, one latent frame deep, with all its channels.",
            "times fewer = 3 * T * H * W / values",
        ),
    ),
    Exercise(
        id="12.3",
        title="PCA",
        goal="find the directions of closest fit in a few lines",
        difficulty=3,
        minutes=12,
        judge=function(
            _pca(),
            _pca_inputs,
            call=_rebuilt,
            names=PCA_NAMES,
            inputs_as=_tell_pca,
            gives="there is",
            slips=(
                Slip("not centred", _pca(centre=lambda x: 0 * x[0]),
                     "the mean was not taken away, so that the first direction points at the mean"),
                Slip("mean returned, not taken away", _pca(away=lambda x, mean: x),
                     "the right mean is returned, but it was not taken away before the directions were looked for"),
                Slip("mean taken away, not returned", _pca(mean=lambda x: 0 * x[0]),
                     "the mean was taken away, but it is not what is returned; decoding puts it back"),
                Slip("one mean for all", _pca(centre=lambda x: 0 * x[0] + x.mean()),
                     "one mean was taken over all numbers; each column has its own"),
                Slip("one mean returned", _pca(mean=lambda x: 0 * x[0] + x.mean()),
                     "one mean was taken over all numbers; each column has its own"),
                Slip("smallest", _pca(choose=lambda values, columns, k: columns.T[:k]),
                     "those are the directions with the smallest variance; `eigh` sorts from small to large"),
                Slip("rows for columns", _pca(choose=lambda values, columns, k: columns[::-1][:k]),
                     "the eigenvectors that `eigh` gives are columns, and rows were taken"),
                Slip("rows for columns, small", _pca(choose=lambda values, columns, k: columns[:k]),
                     "the eigenvectors that `eigh` gives are columns, and rows were taken"),
                Slip("one too late", _pca(choose=lambda values, columns, k: columns[:, ::-1].T[1 : k + 1]),
                     "the direction with the largest variance was left out"),
                Slip("stretched", _pca(choose=lambda values, columns, k:
                                       _widest(columns, k) * np.sqrt(values[::-1][:k, None])),
                     "the directions were made as long as the deviation along them; each has length 1"),
                Slip("times the variance", _pca(choose=lambda values, columns, k:
                                                _widest(columns, k) * values[::-1][:k, None]),
                     "the directions were multiplied by their variances; each has length 1"),
                Slip("scaled to deviation 1", _pca(choose=lambda values, columns, k:
                                                   _widest(columns, k) / np.sqrt(values[::-1][:k, None])),
                     "the directions were divided by the deviation along them; each has length 1"),
                Slip("largest number 1", _pca(choose=lambda values, columns, k:
                                              _widest(columns, k) / np.abs(_widest(columns, k)).max(1)[:, None]),
                     "each direction was divided by its largest number; divide by its length, so that that is 1"),
            ),
        ),
        hints=(
            "Take the mean of each column away; the covariance is away.T @ away / len(x).",
            "np.linalg.eigh gives the eigenvalues from small to large, and the eigenvectors as columns.",
            "columns[:, -k:].T are k directions, a row for each.",
        ),
    ),
    Exercise(
        id="12.4",
        title="PSNR",
        goal="give an error in decibels",
        difficulty=1,
        minutes=5,
        judge=function(
            psnr,
            _psnr_inputs,
            slips=(
                Slip("peak 1", _psnr(peak=lambda rebuilt, x: 1),
                     "the range was taken as 1; from -1 to 1 it is twice as much, and it is squared"),
                Slip("range not squared", _psnr(peak=lambda rebuilt, x: 2),
                     "the range was not squared, and the error is"),
                Slip("peak 255", _psnr(peak=lambda rebuilt, x: 255**2),
                     "255 is the range of pixels from 0 to 255; these run from -1 to 1"),
                *(Slip(name, _psnr(peak=peak), MEASURED_SAYS) for name, peak in _MEASURED.items()),
                Slip("one for all", lambda rebuilt, x: np.full(len(x), psnr(rebuilt, x, axes=None)),
                     "the error was averaged over all clips before the logarithm; each clip has its own PSNR"),
                Slip("sum, not mean", _psnr(end=np.sum), "the squares were added up; the mean of them is wanted"),
                Slip("not cut off", _psnr(cut=lambda x: x), "what is rebuilt beyond -1 and 1 is to be cut off first"),
                Slip("cut above only", _psnr(cut=lambda x: np.minimum(x, 1)),
                     "what is rebuilt was cut off at 1 only; below -1 there is nothing either"),
                Slip("cut below only", _psnr(cut=lambda x: np.maximum(x, -1)),
                     "what is rebuilt was cut off at -1 only; above 1 there is nothing either"),
                Slip("cut at 0", _psnr(cut=lambda x: np.clip(x, 0, 1)),
                     "what is rebuilt was cut off at 0; pixels run from -1"),
                Slip("natural logarithm", _psnr(log=np.log),
                     "that is the natural logarithm; decibels count in powers of ten"),
                Slip("twenty", _psnr(factor=20),
                     "the factor 20 belongs to the root of the error; for its square it is ten"),
                Slip("upside down", _psnr(sign=-1), "the fraction is upside down: a small error has a high PSNR"),
                Slip("absolute error", _psnr(error=np.abs), "that is the mean absolute error; square it"),
            ),
            axes=("clip",),
        ),
        hints=(
            "Cut off at -1 and 1, subtract, square, take the mean over everything but the clips.",
            "The range from -1 to 1 is 2, its square 4.",
            "10 * np.log10(4 / error)",
        ),
    ),
    Exercise(
        id="12.5",
        title="The price of a latent",
        goal="write the KL divergence of a VAE's posterior",
        difficulty=2,
        minutes=6,
        judge=function(
            divergence,
            _divergence_inputs,
            slips=(
                Slip("logarithm as variance", _divergence(variance=lambda v: v),
                     "the same thing stands for the variance and for its logarithm; np.exp makes a variance of it"),
                Slip("deviation", _divergence(variance=lambda v: np.exp(v / 2)),
                     "the standard deviation stands where the variance belongs"),
                Slip("variance squared", _divergence(variance=lambda v: np.exp(2 * v)),
                     "the variance was squared, as if it were a deviation"),
                Slip("logarithm twice", _divergence(log=np.log),
                     "a logarithm or a root of log_variance was taken; it is a logarithm already, and may be below 0"),
                Slip("no logarithm", _divergence(log=lambda v: 0 * v),
                     "the last term was forgotten: the logarithm of the variance is taken away"),
                Slip("logarithm added", _divergence(log=lambda v: -v),
                     "the logarithm of the variance was added; it is taken away"),
                Slip("one forgotten", _divergence(one=0),
                     "the 1 was forgotten; at mean 0 and variance 1 nothing is to pay"),
                Slip("half forgotten", _divergence(half=1), "the half was forgotten"),
                Slip("mean not squared", _divergence(square=lambda m: m), "the mean was not squared"),
                Slip("size of the mean", _divergence(square=np.abs), "the mean was made positive, and not squared"),
                Slip("sign", _divergence(half=-0.5), "the sign is turned round; a divergence is never below 0"),
                Slip("added up", _divergence(end=np.sum),
                     "the numbers were added up; here the mean over them is wanted"),
                Slip("mean left out", _divergence(end=lambda each: each),
                     "the mean over all numbers is missing"),
                Slip("a number for each clip", _divergence(end=lambda each: each.mean(axis=(1, 2, 3, 4))),
                     "there is a mean for each clip; take it over the clips, too"),
                Slip("added up for each clip", _divergence(end=lambda each: each.sum(axis=(1, 2, 3, 4))),
                     "the numbers of each clip were added up; take the mean over all of them"),
            ),
        ),
        hints=(
            "The encoder gives the logarithm, and the variance is np.exp(log_variance).",
            "mean**2 + np.exp(log_variance) - 1 - log_variance is an array of the same shape: a term for each number.",
            "Then half of their mean: np.mean(...) / 2",
        ),
    ),
    Exercise(
        id="12.6",
        title="Four broken latent spaces",
        goal="find the fault from the code and from what it does",
        difficulty=2,
        minutes=12,
        judge=letters(
            lambda: (3, 4, 2, 6),
            BROKEN_SAYS,
            swapped={"bc": "one of the two makes the codes smaller, the other changes the order of the pixels"},
        ),
        hints=(
            "Which one does well with many clips and badly with a single one?",
            "Which one has the best loss of all, and codes so small that a little noise hides them?",
            "The other two have the right encoder; compare their decoders with the right one, word by word.",
        ),
    ),
)  # fmt: skip
