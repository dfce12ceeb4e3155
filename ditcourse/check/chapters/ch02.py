"""Chapter 2, the same in code: encoder, patches and attention with tokens in rows, a training step, a floor.

Wrong functions are written out beside the right one, so that a slip reads like the line that makes it.
Square inputs are chosen on purpose where a transpose would otherwise stop with an error about shapes.
"""

import numpy as np

from ditcourse import byhand
from ditcourse.check import Exercise, Slip, function, values
from ditcourse.check.judges import Finding, Function
from ditcourse.check.reading import is_blank

GIVEN = byhand.load()
KEY = byhand.solve(GIVEN)


def _relu(x):
    return np.maximum(x, 0)


# ---- 2.1 ----


def _encoder_inputs(rng):
    """As many tokens as pixels, so that X and its transpose have the same shape."""
    n = int(rng.integers(3, 7))
    return rng.normal(size=(n, n)), rng.normal(size=(2, n)), rng.normal(size=2)


ENCODER = function(
    lambda X, W, b: _relu(X @ W.T + b),
    _encoder_inputs,
    sheet=lambda: (KEY.X.T, GIVEN.W_enc, GIVEN.b_enc),
    slips=(
        Slip("column form", lambda X, W, b: _relu(W @ X + b[:, None]),
             "this is the paper form; here a row of X is a token, so W comes second and transposed"),
        Slip("not turned back", lambda X, W, b: _relu(W @ X.T + b[:, None]),
             "the numbers are right, but each token is a column of your result; a row is wanted"),
        Slip("X transposed", lambda X, W, b: _relu(X.T @ W.T + b),
             "your X was turned round; it is square, so no error about shapes could tell you"),
        Slip("bias forgotten", lambda X, W, b: _relu(X @ W.T), "the bias is missing"),
        Slip("ReLU forgotten", lambda X, W, b: X @ W.T + b, "there is no ReLU: a latent is never below 0"),
        Slip("ReLU before the bias", lambda X, W, b: _relu(X @ W.T) + b,
             "the bias was added after the ReLU; it belongs inside"),
        Slip("bias down the tokens", lambda X, W, b: _relu(X @ W.T + np.resize(b, len(X))[:, None]),
             "the bias has one number for each latent feature, the same for every token"),
    ),
)  # fmt: skip


# ---- 2.2 ----


def _patches(frames, p, order=(0, 1, 3, 2, 4)):
    """Axes before the transpose: frame, patch row, row inside, patch column, column inside."""
    F, H, W = frames.shape
    return frames.reshape(F, H // p, p, W // p, p).transpose(order).reshape(-1, p * p)


def _frames_to_cut(rng):
    p, (F, h, w) = int(rng.integers(2, 4)), rng.permutation([2, 3, 4])
    return rng.integers(0, 100, size=(F, h * p, w * p)), p


PATCHES = function(
    _patches,
    _frames_to_cut,
    sheet=lambda: (GIVEN.frames, 2),
    slips=(
        Slip("only reshaped", lambda frames, p: frames.reshape(-1, p * p),
             "these are runs of neighbours in memory, not squares; a transpose is missing between reshapes"),
        Slip("column = token", lambda frames, p: _patches(frames, p).T,
             "each column is a token; here a row is wanted"),
        Slip("pixels column by column", lambda frames, p: _patches(frames, p, (0, 1, 3, 4, 2)),
             "inside a patch the pixels run down the columns; they are read row by row"),
        Slip("patches column by column", lambda frames, p: _patches(frames, p, (0, 3, 1, 2, 4)),
             "the patches of a frame run down the columns; they are taken row by row"),
        Slip("frame runs fastest", lambda frames, p: _patches(frames, p, (1, 3, 0, 2, 4)),
             "patches of the same place in all frames come together; all patches of frame 1 come first"),
        Slip("one frame, one token", lambda frames, p: frames.reshape(len(frames), -1),
             "so it is on the sheet, where a patch is a whole frame; here a frame holds several patches"),
    ),
)  # fmt: skip


# ---- 2.3 ----


def _softmax(S, axis):
    weights = np.exp(S - S.max(axis=axis, keepdims=True))
    return weights / weights.sum(axis=axis, keepdims=True)


def _attend(C, S, axis=1, row_max=True, keepdims=True, turned=False):
    """Right with the defaults. The exercise hands over exponentials with the row's maximum taken away (row_max)."""
    exps = np.exp(S - S.max(axis=1 if row_max else None, keepdims=True))
    A = exps / exps.sum(axis=axis, keepdims=keepdims)
    return A, (A.T if turned else A) @ C


def _unnormalised(C, S):
    A = np.exp(S - S.max(axis=1, keepdims=True))  # as the exercise hands them over
    return A, A @ C


def _no_softmax(C, S):
    return S, S @ C


def _two_largest(C, S):
    A = np.where(np.sort(S, axis=1)[:, -2:-1] <= S, 0.5, 0.0)
    return A, A @ C


def _scaled(C, S):
    return _attend(C, S / np.sqrt(C.shape[1]))


ATTENTION = function(
    _attend,
    lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(5, 5))),
    names=("weights A", "pooled P"),
    sheet=lambda: (KEY.C.T, KEY.S.T),
    slips=(
        Slip("softmax over the queries", lambda C, S: _attend(C, S, axis=0, row_max=False),
             "the columns of A sum to 1; row = query, so each row has one whole to share out"),
        Slip("sums along the wrong axis", lambda C, S: _attend(C, S, axis=0),
             "the columns of A sum to 1; row = query, so each row has one whole to share out"),
        Slip("paper form", lambda C, S: _attend(C, S, axis=0, row_max=False, turned=True),
             "this is the paper form, where columns sum to 1; with row = query the rows do, and P is A C"),
        Slip("softmax over everything", lambda C, S: _attend(C, S, axis=None),
             "you divided by the sum of all; each row has a sum of its own"),
        Slip("keepdims forgotten", lambda C, S: _attend(C, S, keepdims=False),
             "the sums have shape (n,) and were laid along the rows, so column j was divided by the sum of "
             "row j; keepdims=True keeps them as a column"),
        Slip("not normalised", _unnormalised, "A holds the exponentials, but its rows do not sum to 1 yet"),
        Slip("softmax forgotten", _no_softmax, "A holds the scores themselves; the softmax is missing"),
        Slip("two-largest rule", _two_largest,
             "this is the sheet's rule, one half for the two largest; here each score gets its share by softmax"),
        Slip("scaled again", _scaled, "the scores were divided once more; S comes ready for the softmax"),
        Slip("A transposed in the pooling", lambda C, S: _attend(C, S, turned=True),
             "A is right, but P was made with its transpose; A is square, so there is no error about shapes"),
    ),
)  # fmt: skip


# ---- 2.4: torch is imported only when this exercise is checked ----


def _toy(W_ada, b_ada, W_ff, b_ff, A):
    """The sheet's denoiser, steps 5 to 9, as a module with tokens in rows."""
    import torch
    from torch import nn

    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            self.ada, self.ff = nn.Linear(5, 4), nn.Linear(2, 2)
            with torch.no_grad():
                for parameter, given in zip(self.parameters(), (W_ada, b_ada, W_ff, b_ff), strict=True):
                    parameter.copy_(torch.tensor(given))
            self.register_buffer("A", torch.tensor(A, dtype=torch.float32))

        def forward(self, z, c):
            scale, shift = self.ada(c).chunk(2)
            return self.ff(self.A @ (z * scale + shift))

    return Toy()


def _tensors(*arrays):
    import torch

    return tuple(torch.tensor(array, dtype=torch.float32) for array in arrays)


def _sheet_step():
    model = _toy(GIVEN.W_ada, GIVEN.b_ada, GIVEN.W_ff, GIVEN.b_ff, KEY.A.T)
    return model, *_tensors(KEY.Z.T, KEY.c, KEY.N.T), 0.005


def _random_step(rng):
    A = _softmax(rng.normal(size=(4, 4)), axis=1)
    model = _toy(rng.normal(size=(4, 5)), rng.normal(size=4), rng.normal(size=(2, 2)), rng.normal(size=2), A)
    return model, *_tensors(rng.normal(size=(4, 2)), rng.normal(size=5), rng.normal(size=(4, 2))), 0.02


def _twice(step, model, z, c, noise, rate):
    """Two steps, because the second one shows whether the first one's gradients were cleared."""
    import torch

    try:
        losses = [step(model, z, c, noise, rate) for _ in range(2)]
    except RuntimeError as error:
        if "a leaf Variable" not in str(error):
            raise
        said = f"change parameters inside `with torch.no_grad():` ({error})"
        raise RuntimeError(said).with_traceback(error.__traceback__) from None
    if any(is_blank(loss) for loss in losses):
        return None
    return losses, torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])


class _TrainingStep(Function):
    """The same judge, and at the end a look at the kind of what is returned: a number is wanted."""

    def judge(self, answer):
        finding = super().judge(answer)
        if finding.state == "right" and callable(answer) and hasattr(answer(*_sheet_step()), "detach"):
            text = "All numbers are right, but the loss is still a tensor; loss.item() makes a number of it."
            return Finding("wrong", text, slip="loss still a tensor")
        return finding

    def wrong_answers(self):
        return super().wrong_answers() | {"loss still a tensor": _step_with_tensor}


def _step_with_tensor(*inputs):
    import torch

    return torch.tensor(_step(*inputs))


def _step(model, z, c, noise, rate, loss_of=None, direction=-1, clear=True, late=False, only=None):
    """A right step of gradient descent; each option is one way to get it wrong."""
    import torch

    loss_of = loss_of or torch.nn.functional.mse_loss
    if clear:
        model.zero_grad()
    loss = loss_of(model(z, c), noise)
    loss.backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if only is None or name == only:
                parameter += direction * rate * parameter.grad
        return loss_of(model(z, c), noise).item() if late else loss.item()


def _steps(**options):
    """The result of two steps with these options, as a function of the inputs."""
    return lambda *inputs: _twice(lambda *arguments: _step(*arguments, **options), *inputs)


TRAINING = function(
    _steps(),
    _random_step,
    sheet=_sheet_step,
    names=("loss before steps 1 and 2", "parameters after two steps"),
    call=_twice,
    slips=(
        Slip("gradients not cleared", _steps(clear=False),
             "the first step is right, but the second adds its gradients to those of the first"),
        Slip("uphill", _steps(direction=1), "the parameters moved along the gradient, so the loss grows"),
        Slip("nothing moved", _steps(direction=0), "the parameters are what they were before"),
        Slip("only the output bias", _steps(only="ff.bias"),
             "only the output bias moved, as on paper; here everything learns"),
        Slip("loss after the step", _steps(late=True),
             "the parameters are right; the loss wanted is the one before the step"),
        Slip("sum, not mean", _steps(loss_of=lambda E, N: (E - N).square().sum()),
             "the squares were added up; the mean has the factor 2/N in its gradient, not 2"),
        Slip("half the sum", _steps(loss_of=lambda E, N: (E - N).square().sum() / 2),
             "this is the loss whose gradient is G; that of the mean of N squares is 2/N times G"),
    ),
)  # fmt: skip
TRAINING = _TrainingStep(**vars(TRAINING))


# ---- 2.5 ----


def _floor(latent):
    return float(((byhand.decode(latent, GIVEN.W_dec, GIVEN.b_dec) - KEY.X) ** 2).mean())


PRODUCT = GIVEN.W_enc @ GIVEN.W_dec
OFFSET = GIVEN.W_enc @ GIVEN.b_dec + GIVEN.b_enc

FLOOR = values(
    lambda: (PRODUCT, OFFSET, _floor(KEY.L)),
    names=("product", "offset", "floor"),
    slips=(
        Slip("nothing lost", lambda: (PRODUCT, OFFSET, 0),
             "0 would mean that nothing was lost. Compare pixels, not latents, and let the encoder clip"),
        Slip("sum, not mean", lambda: (PRODUCT, OFFSET, 16 * _floor(KEY.L)),
             "the squares were added up; divide by the number of pixels"),
        Slip("untrained guess", lambda: (PRODUCT, OFFSET, _floor(KEY.D)),
             "this is the sheet's own guess E; a perfect denoiser knows the noise"),
        Slip("noise left in", lambda: (PRODUCT, OFFSET, _floor(KEY.Z)),
             "this decodes the noised latent; take the true noise away first"),
        Slip("wrong order", lambda: (GIVEN.W_dec @ GIVEN.W_enc, OFFSET, _floor(KEY.L)),
             "this encodes and then decodes; wanted is decoding first, and then encoding"),
        Slip("encoder bias forgotten", lambda: (PRODUCT, GIVEN.W_enc @ GIVEN.b_dec, _floor(KEY.L)),
             "the bias of the encoder is missing"),
        Slip("decoder bias forgotten", lambda: (PRODUCT, GIVEN.b_enc, _floor(KEY.L)),
             "this is b_enc alone; the decoder's bias goes through W_enc and is added too"),
    ),
)  # fmt: skip


EXERCISES = (
    Exercise(
        id="2.1",
        title="Encode, row by row",
        goal="write the encoder for tokens in rows",
        difficulty=1,
        minutes=5,
        judge=ENCODER,
        hints=(
            "Write down the shapes: X is tokens x pixels, W is rows x pixels, the result tokens x rows.",
            "Only X @ W.T fits these shapes. Then the bias, then the ReLU.",
            "np.maximum(x, 0) is the ReLU; a bias of shape (rows,) is added to every row by itself.",
        ),
    ),
    Exercise(
        id="2.2",
        title="Patches of any size",
        goal="cut frames into patches with reshape and transpose",
        difficulty=2,
        minutes=8,
        judge=PATCHES,
        hints=(
            "First split both sides of the frame: (F, H, W) becomes (F, H/p, p, W/p, p).",
            "Name the five axes: frame, patch row, row inside, patch column, column inside. "
            "Bring the two that count patches beside each other.",
            "Transpose to (0, 1, 3, 2, 4), then reshape to (tokens, p * p).",
        ),
    ),
    Exercise(
        id="2.3",
        title="Attention, row by row",
        goal="turn scores into weights along the right axis, and pool",
        difficulty=2,
        minutes=8,
        judge=ATTENTION,
        hints=(
            "A row is a query: a token that listens. It has one whole to share out among the keys.",
            "Divide the exponentials by their sums along axis 1; keepdims=True keeps the sums as a column.",
            "New token i is the sum of A[i, j] times token j, which is A @ C.",
        ),
    ),
    Exercise(
        id="2.4",
        title="One training step",
        goal="move all 30 parameters one step down the gradient",
        difficulty=2,
        minutes=10,
        judge=TRAINING,
        hints=(
            "Five lines: clear the gradients, predict, loss, backward, step.",
            "torch.optim.SGD(model.parameters(), lr=learning_rate) has zero_grad() and step(). "
            "Parameters changed by hand are changed inside `with torch.no_grad():`.",
            "Return loss.item(), the loss from before the step. Gradients add up unless they are cleared.",
        ),
    ),
    Exercise(
        id="2.5",
        title="The perfect denoiser",
        goal="find the error that is left when the noise is known exactly",
        difficulty=2,
        minutes=6,
        judge=FLOOR,
        hints=(
            "Encoding what was decoded is W_enc (W_dec z + b_dec) + b_enc. Multiply out.",
            "With E = N the denoised latent is D = Z - N, and Z is L + N.",
            "Decode L and compare with X, pixel by pixel: the mean of 16 squares.",
        ),
    ),
)
