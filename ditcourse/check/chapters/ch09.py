"""Chapter 9, the block and the whole model: a block by hand, counts, a block of one's own, missing rungs, a budget.

torch is loaded only when an exercise needs it.
"""

from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from importlib.util import find_spec
from unittest.mock import patch

from ditcourse.check import Exercise, Slip
from ditcourse.check.judges import Finding, Function, _call, _Ours, _probably, _sentence, letters
from ditcourse.check.reading import describe, is_blank, name_of
from ditcourse.check.sheet import SheetPart

# Counting: an image DiT as the published ones, 4 channels in, 8 out, 1,000 labels


def parameters(depth, width, patch, *, qkv=3, biases=1, null=1, modulation=6, maps=None, mlp=2, last=2, out=8, norms=0,
               table=0):  # fmt: skip
    """Trainable numbers; with other keywords than the usual, what somebody counts who makes a slip."""
    D, b = width, biases * width
    block = (qkv + 1) * (D * D + b) + norms * 4 * D
    block += 2 * 4 * D * D + 5 * b if mlp == 2 else D * D + b
    one_map = modulation * (D * D + b)
    blocks = depth * block + (depth if maps is None else maps) * one_map
    patches = 4 * patch**2 * D + b
    time = 256 * D + b + D * D + b
    labels = (1000 + null) * D
    final = last * (D * D + b) + out * patch**2 * (D + biases)
    return blocks + patches + time + labels + final + table * (32 // patch) ** 2 * D


def macs(depth, width, tokens, patch, *, projections=4, mixing=2, square=True, times=1, modulated=1, mlp=8,
         scored=None, ends=1, last=2, timed=1):  # fmt: skip
    """Multiply-accumulates of one forward pass, without the norms; other keywords are slips."""
    D, T = width, tokens
    scores = (depth if scored is None else scored) * mixing * (T * T * D if square else T * D)
    maps = depth * (projections + mlp) * T * D * D
    condition = depth * 6 * D * D * (T if modulated == "tokens" else modulated)
    patches, time = T * 4 * patch**2 * D, timed * (256 * D + D * D)
    final = last * D * D + T * D * 8 * patch**2
    return times * (scores + maps + condition + ends * (patches + time + final))


def _sizes(rng):
    return int(rng.integers(1, 5)), int(rng.integers(1, 5)) * 4, int(rng.choice([2, 4, 8]))


def _mac_sizes(rng):
    return int(rng.integers(1, 5)), int(rng.integers(1, 6)) * 4, int(rng.integers(5, 40)), int(rng.choice([2, 4, 8]))


@dataclass(frozen=True)
class Count(Function):
    """Judges a function of sizes that counts: a wrong count is told with its sizes, and how far it is off."""

    sizes: tuple = ()

    def judge(self, answer):
        found = super().judge(answer)
        if found.state != "wrong" or found.cell is None:
            return found
        own = answer.function if type(answer) is _Ours else answer
        for inputs in list(self._all_inputs())[: 1 + self.trials]:  # those that are the same for everybody
            result, problem = _call(own, None, inputs)
            try:
                given, wanted = float(result), self.reference(*inputs)
            except (TypeError, ValueError):
                return found
            if problem or abs(given) == float("inf") or given != given:
                return found
            if given != wanted:
                break
        else:
            return found
        gap = abs(given - wanted)
        off = f"{gap:,.0f} too {'many' if given > wanted else 'few'}" if 0.5 <= gap < wanted / 2 else ""
        if gap >= wanted / 2:
            off = f"{given / wanted:.3g} times as many as there are"
        sizes = ", ".join(f"{name} {size}" for name, size in zip(self.sizes, inputs, strict=True))
        text = f"With {sizes}: your function gives {given:,.0f}" + (f", {off}." if off else ".")
        slip = next((slip for slip in self.slips if slip.name == found.slip), None)
        return Finding("wrong", f"{text} {_probably(slip)}".strip(), found.cell, found.slip)


def count(reference, make_inputs, first, sizes, slips):
    """Judge a count exactly. first: the sizes to try first; sizes: their names."""
    return Count(reference, make_inputs, tuple(slips), 1e-12, 3, (), (), lambda: first, None, tuple(sizes))


# A block in plain code, right and wrong: the judge's own, and independent of the package's


def block(w, x, c, heads, *, one=1, gate="h", skip="x", order=range(6), eps=1e-6, curve="tanh", mlp_first=False,
          silu=True, norm=True, parallel=False, root=True, cut=False,
          lost=False):  # fmt: skip
    """A DiT block. w {official name: tensor}, x (B, N, D), c (B, D) -> (B, N, D)."""
    import torch

    def linear(name, h):
        return h @ w[name + ".weight"].T + w[name + ".bias"]

    def normalised(h):
        if not norm:
            return h
        away = h - h.mean(-1, keepdim=True)
        return away / (away.square().mean(-1, keepdim=True) + eps).sqrt()

    def attention(h):
        B, N, D = h.shape
        q, k, v = linear("attn.qkv", h).reshape(B, N, 3, heads, D // heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / ((D // heads) ** 0.5 if root else 1)
        return linear("attn.proj", (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, N, D))

    def mlp(h):
        h = linear("mlp.fc1", h)
        if curve == "tanh":
            h = h / 2 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (h + 0.044715 * h**3)))
        else:
            h = h.relu() if curve == "relu" else h / 2 * (1 + torch.erf(h / 2**0.5))
        return linear("mlp.fc2", h)

    def half(x, layer, seen, came, shift, scale, gate_):
        h = layer(normalised(seen) * (one + scale) + shift)
        h = h.detach() if cut else h
        h = {"h": gate_ * h, "none": h, "both": gate_ * h}[gate]
        kept = {"x": came, "none": 0 * x, "norm": normalised(x)}[skip]
        return (gate_ * kept if gate == "both" else kept) + h

    ada = linear("adaLN_modulation.1", c * c.sigmoid() if silu else c).unsqueeze(1).chunk(6, dim=-1)
    ada = [ada[i] for i in order]
    halves = [(attention, ada[:3]), (mlp, ada[3:])]
    start = x
    for layer, three in halves[::-1] if mlp_first else halves:
        x = half(x, layer, start if parallel else x, start if lost else x, *three)
    return x


@dataclass(frozen=True)
class Variant:
    """A slip in a block: its name, the keywords of `block` that make it, what to say."""

    name: str
    options: dict
    message: str


def _module(affine=False, zero=True, **options):
    """A class of blocks with the official names of the parameters, whose forward is `block` with these options."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, dim, num_heads):
            super().__init__()
            self.heads = num_heads
            self.attn, self.mlp = nn.Module(), nn.Module()
            self.attn.qkv, self.attn.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.mlp.fc1, self.mlp.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
            if affine:
                self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
            if zero:
                nn.init.zeros_(self.adaLN_modulation[1].weight)
                nn.init.zeros_(self.adaLN_modulation[1].bias)

        def forward(self, x, c):
            return block(dict(self.named_parameters()), x, c, self.heads, **options)

    return Block


def _wanted(dim):
    """{official name: shape} of a block's parameters."""
    shapes = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim), "mlp.fc1": (4 * dim, dim), "mlp.fc2": (dim, 4 * dim),
              "adaLN_modulation.1": (6 * dim, dim)}  # fmt: skip
    return {f"{name}.{kind}": shape if kind == "weight" else shape[:1]
            for name, shape in shapes.items() for kind in ("weight", "bias")}  # fmt: skip


@dataclass(frozen=True)
class BlockParity:
    """Judges a class of DiT blocks: the same random weights, then outputs and every gradient beside `block`."""

    slips: tuple
    dim: int = 12
    heads: int = 3

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        import torch  # noqa: F401  (here, so that its absence is not laid to the learner's block)

        try:
            return self._judge(answer)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (it is their object)
            return Finding("wrong", _sentence(f"your block stopped with {describe(error)}"))

    def _judge(self, answer):
        import torch

        if not (isinstance(answer, type) and issubclass(answer, torch.nn.Module)):
            text = "The class itself is wanted, a torch.nn.Module (its name, without brackets)"
            return Finding("wrong", _sentence(f"{text}; that is {name_of(answer)}"))
        fresh, problem = _call(answer, None, (self.dim, self.heads))
        if problem:
            return problem
        problem = self._names(fresh)
        if problem:
            return problem
        runs = []
        for seed in (0, 1, 2, None):  # None: fresh ones, that nobody can know
            weights, x, c = self._draw(seed)
            module = answer(self.dim, self.heads).double().eval()
            module.load_state_dict(weights)
            result, problem = _call(module, None, (x.clone(), c.clone()))
            problem = problem or self._shape(result, x)
            if problem:
                return problem
            runs.append((result, weights, x, c))
        if not self._explains({}, runs):
            slip = next((slip for slip in self.slips if self._explains(slip.options, runs)), None)
            off = max((result - block(*given, self.heads)).abs().max().item() for result, *given in runs)
            text = f"With random weights and inputs the output is off by up to {off:.2g}."
            if slip:
                return Finding("wrong", f"{text} Probably: {slip.message}.", slip=slip.name)
            return Finding("wrong", text)
        problem = self._gradients(module, weights, x, c) or self._start(fresh.double().eval(), x, c)
        if problem:
            return problem
        return Finding("right", "Outputs and all gradients are those of the reference, and it starts as the identity.")

    def _names(self, module):
        """What is wrong with the names and shapes of the parameters, if anything."""
        has = {name: tuple(parameter.shape) for name, parameter in module.state_dict().items()}
        wanted = _wanted(self.dim)
        if not has:
            return Finding("not done", "It has no parameters yet.")
        more, less = sorted(has.keys() - wanted.keys()), sorted(wanted.keys() - has.keys())
        if more and all(name.startswith("norm") for name in more):
            text = f"There is {more[0]}, so this LayerNorm learns numbers of its own. Here the condition has that part."
            return Finding("wrong", text, slip="norm that learns")
        if more or less:
            said = [f"there is no {name}" for name in less[:1]]
            said += [f"{name} is not one of the official names" for name in more[:1]]
            return Finding("wrong", _sentence("; ".join(said)), slip="other names")
        for name, shape in wanted.items():
            if has[name] != shape:
                text = f"the shape of {name} is {has[name]}; with dim = {self.dim} it is to be {shape}"
                return Finding("wrong", _sentence(text), slip="other shapes")
        return None

    def _explains(self, options, runs):
        """Is every result that of a block with these options?"""
        import torch

        return all(
            torch.allclose(result, block(*given, self.heads, **options), rtol=1e-8, atol=1e-10)
            for result, *given in runs
        )

    def _shape(self, result, x):
        import torch

        if result is None:
            return Finding("not done", "`forward` does not return a result yet.")
        tensor = isinstance(result, torch.Tensor)
        if tensor and result.shape == x.shape:
            return None
        has = f"of shape {tuple(result.shape)}" if tensor else name_of(result)
        return Finding("wrong", f"A tensor like x is wanted, of shape {tuple(x.shape)}; it is {has}.")

    def _draw(self, seed):
        import torch

        dice = torch.Generator()
        dice.seed() if seed is None else dice.manual_seed(seed)

        def few(*shape):
            return torch.randn(*shape, generator=dice, dtype=torch.float64)

        weights = {name: few(*shape) / (shape[-1] ** 0.5 if len(shape) > 1 else 2)
                   for name, shape in _wanted(self.dim).items()}  # fmt: skip
        x = few(2, 5, self.dim)
        x[:, 0] *= 0.003  # one small token: there the norm's eps counts
        return weights, x, few(2, self.dim)

    def _gradients(self, module, weights, x, c):
        import torch

        pull = torch.randn(x.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
        own = {name: parameter.detach().clone().requires_grad_() for name, parameter in weights.items()}
        (block(own, x, c, self.heads) * pull).sum().backward()
        module.zero_grad()
        out = module(x.clone(), c.clone())
        if out.requires_grad:
            (out * pull).sum().backward()
        for name, parameter in module.named_parameters():
            if parameter.grad is None or not torch.allclose(parameter.grad, own[name].grad, rtol=1e-6, atol=1e-9):
                what = "gets no gradient" if parameter.grad is None else "gets another gradient than the reference's"
                text = f"The outputs are right, but {name} {what}: somewhere the way back is cut"
                return Finding("wrong", text + ".", slip="gradient cut")
        return None

    def _start(self, fresh, x, c):
        """Does a block with which nothing has been done yet give back x, to the last bit?"""
        out, problem = _call(fresh, None, (x.clone(), c.clone()))
        if problem or bool((out == x).all()):
            return problem
        off = (out - x).abs().max().item()
        named = dict(fresh.named_parameters())
        kinds = [kind for kind in ("weight", "bias") if named[f"adaLN_modulation.1.{kind}"].any()]
        text = (f"Outputs and gradients are right, but a fresh block changes x, by up to {off:.2g}: the "
                f"{' and the '.join(kinds)} of adaLN_modulation[1] must start at zero.")  # fmt: skip
        return Finding("wrong", text, slip="not started at zero")

    def right_answer(self):
        return _module()

    def wrong_answers(self):
        options = {slip.name: slip.options for slip in self.slips}
        options |= {"norm that learns": {"affine": True}, "gradient cut": {"cut": True}}
        options |= {"not started at zero": {"zero": False}}
        if find_spec("torch") is None:  # no module can be made, and none is judged
            return dict.fromkeys(options, object)
        return {name: _module(**chosen) for name, chosen in options.items()}


# Which rung is missing?

RUNGS_TO_MISS = ("normalise", "1 + scale", "softmax", "residual and gate", "two-layer MLP", "positions")
MISSING = {"a": "softmax", "b": "positions", "c": "normalise", "d": "residual and gate"}


def mystery(letter):
    """A model of two blocks with random weights, of which one rung is missing: (x (B, N, 8), c (B, 6)) -> (B, N, 8).

    letter: "a" to "d", or "whole". Raises ValueError for another.
    """
    import torch

    from ditcourse.model.ladder import Ladder, LadderBlock

    if letter not in (*MISSING, "whole"):
        raise ValueError(f"letter must be one of a, b, c, d or whole, got {letter!r}")
    missing = MISSING.get(letter)
    out = {missing, "values", "heads"} if missing == "softmax" else {missing}  # these two come with a softmax

    def has(self, name):
        return name not in out

    with patch.multiple(LadderBlock, has=has), patch.multiple(Ladder, has=has):
        model = Ladder("depth", 8, 6, num_heads=2, depth=2)
    for part in (model, *model.blocks):
        part.has = partial(has, part)
    dice = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=dice) / parameter.shape[-1] ** 0.5)
    return model


_ONLY = {
    "a": "in a only the queries' line differs from `whole`",
    "b": "in b only the line of the shuffled tokens differs from `whole`",
    "c": "in c only the line of what is added differs from `whole`",
    "d": "in d two lines differ from `whole`",
}
RUNG_SAYS = {
    "a": {
        1: f"{_ONLY['a']}; without the norm what is added would grow",
        2: f"{_ONLY['a']}; scale in place of 1 + scale would leave the queries their slope",
        4: f"{_ONLY['a']}; it gives x back when the condition layer is at zero",
        5: f"{_ONLY['a']}; without the second layer of the MLP queries would still get a slope",
        6: f"{_ONLY['a']}; it does know the order of the tokens",
    },
    "b": {
        1: f"{_ONLY['b']}; without the norm what is added would grow",
        2: f"{_ONLY['b']}; a scale is the same for all tokens, in whatever order",
        3: f"{_ONLY['b']}; its queries do get a slope",
        4: f"{_ONLY['b']}; it gives x back when the condition layer is at zero",
        5: f"{_ONLY['b']}; b cannot know the order, and no MLP could tell it",
    },
    "c": {
        2: f"{_ONLY['c']}; with scale in place of 1 + scale the tokens would still be brought to one size first",
        3: f"{_ONLY['c']}; its queries do get a slope",
        4: f"{_ONLY['c']}; it gives x back when the condition layer is at zero",
        5: f"{_ONLY['c']}; whatever the MLP, behind a norm it does not see how large the tokens are",
        6: f"{_ONLY['c']}; it does know the order of the tokens",
    },
    "d": {
        1: f"{_ONLY['d']}; c and d both grow, but only one of the two also loses x",
        2: f"{_ONLY['d']}; gates at zero would give x back, whatever is done to the scale; d loses x",
        3: f"{_ONLY['d']}; its queries do get a slope",
        5: f"{_ONLY['d']}; behind a gate at zero no MLP could take x away; d loses x",
        6: f"{_ONLY['d']}; it does know the order of the tokens",
    },
}


def _missing():
    """The numbers of the list for a to d."""
    return tuple(RUNGS_TO_MISS.index(name) + 1 for name in MISSING.values())


# A config under a budget

CLIP, TOKENS, HEAD = (16, 32, 32), 512, 64
PARAMETERS, LEAST, MACS = 10_000_000, 8_000_000, 5_000_000_000


@dataclass(frozen=True)
class Budget:
    """Judges a `DiTConfig` by what it costs; many are right."""

    def judge(self, answer):
        if is_blank(answer):
            return Finding("not done")
        from ditcourse.model.config import DiTConfig
        from ditcourse.model.counts import count_macs, count_parameters

        try:
            config = DiTConfig.from_dict(answer if type(answer) is dict else _fields(answer))
        except (ValueError, TypeError) as error:
            return Finding("wrong", _sentence(f"a DiTConfig is wanted: {error}"), slip="no config")
        if config.input_size != CLIP or config.in_channels != 3 or config.vocabulary_size != 13:
            text = f"The clips are {CLIP} with 3 channels and 13 words; yours are {config.input_size} with"
            text = f"{text} {config.in_channels} channels and {config.vocabulary_size} words."
            return Finding("wrong", text, slip="other clips")
        if config.num_tokens < TOKENS:
            text = f"The patches are too large: {config.num_tokens} tokens, at least {TOKENS} are wanted."
            return Finding("wrong", text, slip="too few tokens")
        width = config.hidden_size // config.num_heads
        if width != HEAD:
            text = f"The heads are {config.hidden_size} / {config.num_heads} = {width} wide; {HEAD} is wanted."
            return Finding("wrong", text, slip="heads of another width")
        numbers, cost = count_parameters(config), count_macs(config)
        has = f"It has {numbers:,} parameters and takes {cost / 1e9:.2f} thousand million MACs a pass"
        if numbers > PARAMETERS:
            return Finding("wrong", f"{has}: too many parameters.", slip="too many parameters")
        if cost > MACS:
            return Finding("wrong", f"{has}: too many MACs.", slip="too many MACs")
        if numbers < LEAST:
            return Finding("wrong", f"{has}: it can be larger than that.", slip="too small")
        return Finding("right", f"{has}.")

    def right_answer(self):
        return _config()

    def wrong_answers(self):
        return {
            "other clips": _config(input_size=(8, 16, 16)),
            "too few tokens": _config(patch_size=(4, 4, 4)),
            "heads of another width": _config(num_heads=8),
            "too many parameters": _config(depth=9),
            "too many MACs": _config(patch_size=(2, 2, 2)),
            "too small": _config(depth=4),
            "no config": {"width": 256},
        }


def _config(**changes):
    wanted = {"input_size": CLIP, "patch_size": (2, 4, 4), "hidden_size": 256, "depth": 8, "num_heads": 4,
              "vocabulary_size": 13}  # fmt: skip
    return wanted | changes


def _fields(answer):
    if not is_dataclass(answer) or isinstance(answer, type):
        raise ValueError(f"that is {name_of(answer)}")
    return asdict(answer)


EXERCISES = (
    Exercise(
        id="9.1", title="One block by hand", goal="take three tokens through a whole DiT block on paper",
        difficulty=1, minutes=20, judge=SheetPart(form="block"),
    ),
    Exercise(
        id="9.2",
        title="Count the parameters",
        goal="count every trainable number of a published DiT from three sizes",
        difficulty=2,
        minutes=12,
        judge=count(
            parameters,
            _sizes,
            first=(12, 384, 2),
            sizes=("depth", "width", "patch"),
            slips=(
                Slip("weights of the blocks alone", lambda depth, width, patch: 18 * depth * width**2,
                     "only the weights of the blocks (18 D^2): biases and both ends are missing"),
                Slip("biases forgotten", partial(parameters, biases=0),
                     "these are the weights alone; every linear map has a bias too"),
                Slip("null label forgotten", partial(parameters, null=0),
                     "the labels have one row more, for no label at all"),
                Slip("attention without output map", partial(parameters, qkv=2),
                     "attention has four maps: queries, keys, values, and one that brings the heads together"),
                Slip("one modulation for all blocks", partial(parameters, maps=1),
                     "the map of the condition was counted once; here every block has its own"),
                Slip("two maps short", partial(parameters, modulation=4),
                     "in each block two square maps are missing: queries, keys and values are three, and two gates "
                     "are made beside shift and scale"),
                Slip("modulation for one half", partial(parameters, modulation=3),
                     "shift, scale and gate are needed for attention and again for the MLP"),
                Slip("one-layer MLP", partial(parameters, mlp=1),
                     "the MLP was counted as one square map; it widens four times and narrows again"),
                Slip("final modulation forgotten", partial(parameters, last=0),
                     "the final layer has a modulation of its own: shift and scale, no gate"),
                Slip("noise alone comes out", partial(parameters, out=4),
                     "twice as many channels come out: the noise, and a variance"),
                Slip("norms that learn", partial(parameters, norms=1),
                     "the norms of a block have no numbers of their own: scale and shift come from the condition"),
                Slip("positions counted", partial(parameters, table=1),
                     "the table of positions is fixed, not trained"),
            ),
        ),
        hints=(
            "A linear map from n to m numbers has n m weights and m biases. List the maps of one block first.",
            "A block: four maps of attention, two of the MLP (to 4 width and back), one from width to 6 width.",
            "Around the blocks: patches (4 patch^2 -> width), time (256 -> width -> width), 1,001 rows of labels, and "
            "the final layer (width -> 2 width, and width -> 8 patch^2).",
        ),
    ),
    Exercise(
        id="9.3",
        title="Count the MACs",
        goal="count the multiplications of a whole model, and see what the square of the tokens does",
        difficulty=2,
        minutes=8,
        judge=count(
            macs,
            _mac_sizes,
            first=(12, 384, 256, 2),
            sizes=("depth", "width", "tokens", "patch"),
            slips=(
                Slip("blocks alone", partial(macs, ends=0),
                     "these are the blocks; patches, time and the final layer are missing"),
                Slip("final modulation forgotten", partial(macs, last=0),
                     "the final layer has a map of the condition too, to shift and scale, once a clip"),
                Slip("time forgotten", partial(macs, timed=0), "the two maps of the time are missing"),
                Slip("scores in one block", partial(macs, scored=1), "scores counted in one block only"),
                Slip("18 for every token", partial(macs, modulated="tokens", mixing=0),
                     "18 D^2 for every token: the map of the condition works once a clip, and scores and mixing "
                     "are missing"),
                Slip("FLOPs", partial(macs, times=2),
                     "these are FLOPs; a multiplication and its addition count as one MAC"),
                Slip("no square", partial(macs, square=False),
                     "each token looks at every other: scores and mixing grow with the square of the tokens"),
                Slip("scores alone", partial(macs, mixing=1),
                     "the scores are there; mixing the values by them costs as much again"),
                Slip("scores forgotten", partial(macs, mixing=0),
                     "these are the linear maps; the scores and the mixing of attention are missing"),
                Slip("modulation for each token", partial(macs, modulated="tokens"),
                     "18 D^2 for every token: the map of the condition works once a clip"),
                Slip("modulation forgotten", partial(macs, modulated=0),
                     "the maps of the condition in the blocks are missing"),
                Slip("three maps of attention", partial(macs, projections=3),
                     "attention has a fourth map, the one after the heads"),
                Slip("MLP that does not widen", partial(macs, mlp=2),
                     "the MLP goes to four times the width and back"),
                Slip("MLP one way", partial(macs, mlp=4), "the MLP widens and narrows: two maps"),
                Slip("one block", lambda depth, *others: macs(1, *others),
                     "one block was counted; there are `depth` of them"),
            ),
        ),
        hints=(
            "A map from n to m numbers costs n m MACs for each token that goes through it.",
            "Scores: tokens x tokens pairs, `width` MACs each (all heads together). Mixing: the same again.",
            "The condition goes through its maps once, whatever the number of tokens: 6 width^2 a block, 2 width^2 in "
            "the final layer. So does the time: 256 -> width -> width.",
        ),
    ),
    Exercise(
        id="9.4",
        title="A DiT block of your own",
        goal="write the block, and hold it against a reference with the same weights, forwards and backwards",
        difficulty=3,
        minutes=25,
        judge=BlockParity(
            slips=(
                Variant("scale without 1 +", {"one": 0}, "the factor is scale; DiT takes 1 + scale"),
                Variant("gate forgotten", {"gate": "none"}, "the gates are missing"),
                Variant("residual forgotten", {"skip": "none"},
                        "x is not added to what a layer says: the residual is missing"),
                Variant("gate on both", {"gate": "both"}, "the gate goes over x too; x passes by it"),
                Variant("normalised tokens added", {"skip": "norm"},
                        "the normalised tokens are added; add x as it came in"),
                Variant("shift and scale swapped", {"order": (1, 0, 2, 4, 3, 5)},
                        "shift and scale have changed places: shift comes first in the chunks"),
                Variant("halves swapped", {"order": (3, 4, 5, 0, 1, 2)},
                        "the first three chunks are for attention, the last three for the MLP"),
                Variant("chunks in pairs", {"order": (0, 2, 4, 1, 3, 5)},
                        "the chunks are taken in pairs; they come in threes: shift, scale, gate, and again"),
                Variant("another eps", {"eps": 1e-5},
                        "the norms add 1e-5 before the root, as torch does unless told; DiT adds 1e-6"),
                Variant("norm forgotten", {"norm": False}, "the tokens are not normalised"),
                Variant("exact GELU", {"curve": "erf"}, "this is the exact GELU; DiT has the one with tanh"),
                Variant("ReLU", {"curve": "relu"}, "the curve of the MLP is ReLU; it is GELU, the one with tanh"),
                Variant("MLP before attention", {"mlp_first": True}, "the MLP comes first; it is attention's turn"),
                Variant("first half lost", {"lost": True},
                        "the MLP's answer was added to x as it came in; add x1, or what attention said is lost"),
                Variant("side by side", {"parallel": True},
                        "the MLP looks at the tokens from before attention; it comes after it"),
                Variant("SiLU forgotten", {"silu": False}, "the SiLU before the map of the condition is missing"),
                Variant("scores not divided", {"root": False},
                        "the scores of attention are not divided by the root of a head's width"),
            ),
        ),
        hints=(
            "In __init__: norm1, attn, norm2, mlp with fc1 and fc2, and adaLN_modulation, a SiLU and a linear map.",
            "LayerNorm(dim, elementwise_affine=False, eps=1e-6), twice. GELU(approximate='tanh'). The map of the "
            "condition is Linear(dim, 6 * dim); nn.init.zeros_ sets its weight and its bias to zero.",
            "In forward: adaLN_modulation(c).chunk(6, dim=1) gives shift, scale, gate for attention, then for the MLP. "
            "Each is (B, D): unsqueeze(1) makes it fit the tokens.",
            "x = x + gate * attn(norm1(x) * (1 + scale) + shift), and the same again with norm2, mlp and the other "
            "three.",
        ),
    ),
    Exercise(
        id="9.5",
        title="Which rung is missing?",
        goal="find out what a model lacks by what it does",
        difficulty=2,
        minutes=8,
        judge=letters(
            _missing,
            RUNG_SAYS,
            swapped={
                "ab": "a and b have changed places: shuffled tokens and slopes are two questions",
                "cd": "c and d have changed places: which of them only grows, which one also loses x?",
            },
        ),
        hints=(
            "Compare each letter with the whole model: in which lines does it differ?",
            "A block at zero gives x back because x is added to what closed gates let through.",
            "What is marked, not weighed, has no slope. What has no place cannot know an order.",
        ),
    ),
    Exercise(
        id="9.6",
        title="A model for a budget",
        goal="choose width, depth, heads and patch for clips of a given size and a budget",
        difficulty=2,
        minutes=10,
        judge=Budget(),
        hints=(
            "Begin with the patch: it alone decides how many tokens there are. 16 x 32 x 32 cut into (2, 4, 4) is 512.",
            "A block has about 18 width^2 parameters. Heads of 64 leave the widths 64, 128, 192, 256, 320 ...",
            "Too many MACs and few parameters: fewer tokens. Print count_parameters and count_macs while you try.",
        ),
    ),
)  # fmt: skip
