"""Chapter 9: the block's sheet against a real block, learners' own blocks, counts by other ways, the page's numbers."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ditcourse.byhand.block import LARGEST, forward, layer_norm, new_block
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch09
from ditcourse.check.forms import key, parts_of, values_of

ROOT = Path(__file__).parents[2]


# ---- the sheet ----


def by_hand(x, ada, A, W_1, b_1, W_2, b_2):
    """The whole block in fractions, one number after the other: {part: {(row, token): number}}."""
    three, shift, scale, gate = range(3), {}, {}, {}
    for half, start in (("msa", 0), ("mlp", 6)):
        for row in (0, 1):
            shift[half, row], scale[half, row], gate[half, row] = (ada[start + 2 * i + row] for i in range(3))
    made = {name: {} for name in parts_of("block")}
    now = {(row, token): x[row][token] for row in (0, 1) for token in three}
    for half, norm, mod, said, after in (("msa", "norm1", "mod1", "attn", "x1"), ("mlp", "norm2", "mod2", "mlp", "x2")):
        for token in three:
            larger = 0 if now[0, token] > now[1, token] else 1
            for row in (0, 1):
                made[norm][row, token] = Fraction(1 if row == larger else -1)
                made[mod][row, token] = (1 + scale[half, row]) * made[norm][row, token] + shift[half, row]
        for token in three:
            if half == "mlp":
                for k in three:
                    total = b_1[k] + W_1[k][0] * made[mod][0, token] + W_1[k][1] * made[mod][1, token]
                    made["hidden"][k, token] = max(total, Fraction(0))
            for row in (0, 1):
                if half == "msa":
                    made[said][row, token] = sum(made[mod][row, other] * A[other][token] for other in three)
                else:
                    made[said][row, token] = b_2[row] + sum(W_2[row][k] * made["hidden"][k, token] for k in three)
                made[after][row, token] = now[row, token] + gate[half, row] * made[said][row, token]
        now = made[after]
    return made


@pytest.mark.parametrize("seed", range(40))
def test_the_sheet_is_the_block_in_fractions(seed):
    block, found = new_block(seed), key("block", values_of("block", seed))

    def exact(values):
        return [[Fraction(x) for x in row] if np.ndim(row) else Fraction(row) for row in np.asarray(values).tolist()]

    wanted = by_hand(*(exact(getattr(block, name)) for name in ("x", "ada", "A", "W_1", "b_1", "W_2", "b_2")))
    for name, cells in wanted.items():
        assert cells == {cell: Fraction(found[name][cell]) for cell in np.ndindex(found[name].shape)}, name
        assert np.array_equal(found[name], forward(block)[name])


@pytest.mark.parametrize("seed", range(60))
def test_every_sheet_is_pleasant(seed):
    found = key("block", values_of("block", seed))
    parts = {name: found[name] for name in parts_of("block")}
    for name, numbers in parts.items():
        assert np.array_equal(2 * numbers, np.rint(2 * numbers)) and np.abs(numbers).max() <= LARGEST, name
    for name in ("norm1", "mod1", "attn", "norm2", "mod2", "hidden", "mlp"):
        assert np.array_equal(parts[name], np.rint(parts[name])), name
    for name in ("norm1", "norm2"):
        assert set(np.abs(parts[name]).ravel()) == {1} and (parts[name].sum(axis=0) == 0).all()
    assert (parts["norm1"] != parts["norm2"]).any()


def test_seeds_are_told_apart_and_stay():
    assert len({new_block(seed).x.tobytes() + new_block(seed).ada.tobytes() for seed in range(100)}) == 100
    assert np.array_equal(new_block(7).ada, new_block(7).ada)
    with pytest.raises(ValueError, match="seed"):
        new_block(-1)


def test_boxes_as_the_page_says():
    boxes = sum(np.prod(part.shape) for part in parts_of("block").values())
    assert f"{boxes} boxes" in (ROOT / "book" / "09_block.md").read_text(encoding="utf-8")


def test_the_sheet_is_the_packages_block():
    """`DiTBlock` with the sheet's numbers: heads that mix by A, and ReLU in place of GELU."""
    torch = pytest.importorskip("torch")
    from torch import nn

    from ditcourse.model.dit import DiTBlock

    class Given(nn.Module):
        def __init__(self, A):
            super().__init__()
            self.A = A

        def forward(self, x, rope=None, mask=None):
            return self.A @ x

    for seed in (0, 1, 2):
        block, found = new_block(seed), forward(new_block(seed))

        def tensor(values):
            return torch.tensor(values, dtype=torch.float64)

        real = DiTBlock(2, 1, mlp_ratio=1.5).double()
        real.attn, real.mlp.act = Given(tensor(block.A.T)), nn.ReLU()
        real.norm1.eps = real.norm2.eps = 0
        real.modulation = lambda c, ada=block.ada: tensor(ada.reshape(6, 1, 2)).unbind(0)
        real.mlp.load_state_dict({"fc1.weight": tensor(block.W_1), "fc1.bias": tensor(block.b_1),
                                  "fc2.weight": tensor(block.W_2), "fc2.bias": tensor(block.b_2)})  # fmt: skip
        out = real(tensor(block.x.T)[None], torch.zeros(1, 2, dtype=torch.float64))
        np.testing.assert_allclose(out[0].detach().numpy().T, found["x2"])


def test_layer_norm_is_torchs():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng().normal(size=(7, 5))
    wanted = torch.nn.functional.layer_norm(torch.tensor(x.T), (7,), eps=0).numpy().T
    np.testing.assert_allclose(layer_norm(x), wanted)
    assert not layer_norm(np.ones((2, 3))).any()


def test_a_sheet_filled_in_a_notebook_is_right(capsys):
    sheet = Sheet(form="block", seed=4)
    for name, value in key("block", sheet.givens).items():
        if name in parts_of("block"):
            setattr(sheet, name, value)
    assert check("9.1", sheet).state == "right"
    x, ada = sheet.givens["x"], sheet.givens["ada"]
    sheet.x1 = x + sheet.attn
    verdict = check("9.1", sheet)
    assert (verdict.state, verdict.slip) == ("wrong", "gate forgotten"), ada


# ---- the counts ----


def test_counts_are_those_of_the_package(capsys):
    pytest.importorskip("torch")
    from ditcourse.model import DiTConfig, count_parameters
    from ditcourse.model.counts import macs_by_part

    for name in ("S/2", "B/4", "L/8", "XL/2"):
        config = DiTConfig.preset(f"DiT-{name}")
        found = ch09.parameters(config.depth, config.hidden_size, config.patch_size[1])
        assert found == count_parameters(config)
        parts = macs_by_part(config, layer_norms=False)
        sizes = config.depth, config.hidden_size, config.num_tokens, config.patch_size[1]
        assert ch09.macs(*sizes) == sum(parts.values())
        blocks = sum(parts[part] for part in parts if part not in ("patches", "time", "final layer"))
        assert ch09.macs(*sizes, ends=0) == blocks
    assert ch09.parameters(12, 384, 2) == 32_865_056
    assert ch09.macs(12, 384, 6 * 384, 2, modulated=0, ends=0) == 24 * 12 * 6 * 384 * 384**2  # the square catches up


def closed_form(depth, width, patch):
    D, p = width, patch * patch
    return (
        depth * (18 * D * D + 15 * D)
        + (4 * p * D + D)
        + (D * D + 258 * D)
        + 1001 * D
        + 2 * D * D
        + 2 * D
        + 8 * p * (D + 1)
    )


def blocks(L, D, N):
    return 2 * L * D * (6 * N * D + N**2 + 3 * D)


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("9.2", closed_form),
        ("9.3", lambda L, D, N, p: blocks(L, D, N) + 3 * D * D + 256 * D + 12 * N * p * p * D),
        ("9.5", [3, 6, 1, 4]),
        ("9.6", {**ch09._config(), "hidden_size": 320, "depth": 5, "num_heads": 5}),
        ("9.6", {**ch09._config(), "patch_size": (1, 8, 4), "positions": "rope", "qk_norm": True}),
    ],
)
def test_other_ways_to_be_right(id, answer, capsys):
    pytest.importorskip("torch")
    assert check(id, answer).state == "right"


def whole(L, D, N, p):
    return blocks(L, D, N) + 3 * D * D + 256 * D + 12 * N * p * p * D


@pytest.mark.parametrize(
    ("id", "answer", "slip"),
    [
        ("9.2", lambda L, D, p: closed_form(L, D, p) - D, "null label forgotten"),
        ("9.2", lambda L, D, p: closed_form(L, D, p) + (32 // p) ** 2 * D, "positions counted"),
        ("9.2", lambda L, D, p: 18 * D * D * L, "weights of the blocks alone"),
        ("9.3", lambda L, D, N, p: blocks(L, D, N), "blocks alone"),
        ("9.3", lambda *s: whole(*s) + 6 * s[0] * s[1] ** 2 * (s[2] - 1), "modulation for each token"),
        ("9.3", lambda L, D, N, p: whole(L, D, N, p) - 2 * (L - 1) * N * N * D, "scores in one block"),
        ("9.3", lambda L, D, N, p: 18 * L * N * D * D + whole(0, D, N, p), "18 for every token"),
        ("9.3", lambda *sizes: 2 * whole(*sizes), "FLOPs"),
        ("9.5", (5, 6, 1, 4), "a: 5"),
        ("9.5", (3, 6, 5, 4), "c: 5"),
        ("9.5", (6, 3, 1, 4), "a and b changed places"),
        ("9.6", {**ch09._config(), "patch_size": (2, 4, 2)}, "too many MACs"),
        ("9.6", {**ch09._config(), "hidden_size": 192, "num_heads": 3}, "too small"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    pytest.importorskip("torch")
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_a_wrong_count_is_told_with_its_sizes_and_the_gap(capsys):
    said = check("9.2", lambda L, D, p: 18 * D * D * L).message
    assert "With depth 12, width 384, patch 2: your function gives 31,850,496, 1,014,560 too few." in said
    assert 32_865_056 - 31_850_496 == 1_014_560 and "only the weights of the blocks (18 D^2)" in said
    said = check("9.3", lambda *sizes: 2 * whole(*sizes)).message
    assert "With depth 12, width 384, tokens 256, patch 2: your" in said and "2 times as many as there are." in said
    assert f"{whole(12, 384, 256, 2):,}" not in said  # the right number is not given away
    said = check("9.3", lambda L, D, N, p: whole(L, D, N, p) + (D != 384)).message  # wrong at other sizes alone
    assert said.count(", 1 too many.") == 1 and "With depth 12," not in said
    for wrong in (lambda *sizes: float("nan"), lambda *sizes: "many", lambda *sizes: [1, 2], lambda: 3):
        assert check("9.2", wrong).state == "wrong"


def test_the_lines_in_which_a_mystery_differs_are_those_that_the_check_names():
    """The table of exercise 9.5 is computed in the notebook; here is what the sentences take from it."""
    notebook = json.loads((ROOT / "solutions" / "09_the_model.ipynb").read_text(encoding="utf-8"))
    table = next("".join(output["text"]) for cell in notebook["cells"] for output in cell.get("outputs", ())
                 if "shuffled tokens come out" in "".join(output.get("text", "")))  # fmt: skip
    lines = [line[36:].split() for line in table.splitlines()[1:]]
    differs = {letter: [i for i, line in enumerate(lines) if line[j] != line[0]] for j, letter in enumerate("abcd", 1)}
    assert differs == {"a": [2], "b": [0], "c": [1], "d": [1, 3]}


def test_a_config_that_is_refused_is_told_why(capsys):
    pytest.importorskip("torch")
    assert "patch" in check("9.6", {**ch09._config(), "patch_size": (2, 5, 4)}).message
    assert check("9.6", 3).state == "wrong"


# ---- a block of one's own ----


def learners(**change):
    """A block as a learner might write it, in one of many wrong ways: {what: code in its place}."""
    torch = pytest.importorskip("torch")
    import torch.nn.functional as F
    from torch import nn

    from ditcourse.model.attention import Attention

    class Mine(nn.Module):
        def __init__(self, dim, num_heads):
            super().__init__()
            self.attn = Attention(dim, num_heads)
            self.mlp = nn.ModuleDict({"fc1": nn.Linear(dim, 4 * dim), "fc2": nn.Linear(4 * dim, dim)})
            self.adaLN_modulation = nn.ModuleList([nn.SiLU(), nn.Linear(dim, 6 * dim)])
            for kind in change.get("zero", ("weight", "bias")):
                nn.init.zeros_(getattr(self.adaLN_modulation[1], kind))

        def norm(self, x):
            return F.layer_norm(x, x.shape[-1:], eps=change.get("eps", 1e-6))

        def forward(self, x, c):
            silu, last = self.adaLN_modulation
            a, b, g, d, e, h = last(silu(c))[:, None].split(x.shape[-1], dim=-1)
            plus, came = change.get("plus", 1), x
            x = change.get("first", lambda x, g, y: x + g * y)(x, g, self.attn(self.norm(x) * (plus + b) + a))
            y = F.gelu(self.mlp["fc1"](self.norm(x) * (plus + e) + d), approximate=change.get("gelu", "tanh"))
            y = self.mlp["fc2"](y)
            return torch.addcmul(came if change.get("lost") else x, h, y.detach() if change.get("cut") else y)

    return Mine


@pytest.mark.parametrize(
    ("change", "slip"),
    [
        ({}, None),
        ({"plus": 0}, "scale without 1 +"),
        ({"eps": 1e-5}, "another eps"),
        ({"gelu": "none"}, "exact GELU"),
        ({"cut": True}, "gradient cut"),
        ({"lost": True}, "first half lost"),
        ({"zero": ()}, "not started at zero"),
        ({"zero": ("weight",)}, "not started at zero"),
    ],
)
def test_a_learners_block(change, slip, capsys):
    verdict = check("9.4", learners(**change))
    assert (verdict.state, verdict.slip) == ("wrong" if slip else "right", slip), verdict


def test_a_block_with_one_half_wrong_is_wrong_without_a_name(capsys):
    verdict = check("9.4", learners(first=lambda x, g, y: x + y))
    assert (verdict.state, verdict.slip) == ("wrong", None)


def test_the_packages_block_is_right_and_its_sizes_are_asked_for(capsys):
    pytest.importorskip("torch")
    from torch import nn

    from ditcourse.model import DiTBlock

    class Zero(DiTBlock):
        def __init__(self, dim, num_heads):
            super().__init__(dim, num_heads)
            nn.init.zeros_(self.adaLN_modulation[1].weight)
            nn.init.zeros_(self.adaLN_modulation[1].bias)

    assert check("9.4", Zero).state == "right"
    verdict = check("9.4", DiTBlock)  # zeroed by the whole model, not by the block
    assert verdict.slip == "not started at zero" and "the weight and the bias of" in verdict.message

    class Narrow(DiTBlock):
        def __init__(self, dim, num_heads):
            super().__init__(dim, num_heads, mlp_ratio=2.0)

    verdict = check("9.4", Narrow)
    assert verdict.slip == "other shapes" and "mlp.fc1.weight" in verdict.message

    class Named(DiTBlock):
        def __init__(self, dim, num_heads):
            super().__init__(dim, num_heads)
            self.modulate = self.adaLN_modulation
            del self.adaLN_modulation

    assert check("9.4", Named).slip == "other names"
    assert check("9.4", DiTBlock(12, 3)).state == "wrong"  # an object, not the class
    assert check("9.4", lambda dim, heads: DiTBlock(dim, heads)).state == "wrong"
    assert (
        check("9.4", type("Empty", (nn.Module,), {"__init__": lambda s, d, h: nn.Module.__init__(s)})).state
        == "not done"
    )


def test_the_reference_shares_nothing_with_the_package_and_agrees():
    """`ch09.block` against `DiTBlock` and every gradient, on fresh weights and inputs of other sizes."""
    torch = pytest.importorskip("torch")
    from ditcourse.model import DiTBlock

    real = DiTBlock(16, 2).double()
    weights = {n: torch.randn_like(p).requires_grad_() for n, p in real.named_parameters()}
    real.load_state_dict(weights)
    x, c = torch.randn(3, 7, 16, dtype=torch.float64), torch.randn(3, 16, dtype=torch.float64)
    pull = torch.randn_like(x)
    (real(x, c) * pull).sum().backward()
    out = ch09.block(weights, x, c, 2)
    torch.testing.assert_close(out, real(x, c), rtol=1e-9, atol=1e-9)
    (out * pull).sum().backward()
    for name, parameter in real.named_parameters():
        torch.testing.assert_close(weights[name].grad, parameter.grad, rtol=1e-7, atol=1e-7)


def test_a_learners_block_fits_into_the_packages_model_as_the_exercises_end_says():
    torch = pytest.importorskip("torch")
    from ditcourse.model import DiT, DiTConfig

    notebook = json.loads((ROOT / "solutions" / "09_the_model.ipynb").read_text(encoding="utf-8"))
    texts = ["".join(cell["source"]) for cell in notebook["cells"]]
    block = next(text for text in texts if "class MyDiTBlock" in text)
    names = {}
    exec("import torch\nfrom torch import nn\nfrom ditcourse.model.attention import Attention", names)
    exec(block.replace("def forward(self, x, c)", "def forward(self, x, c, *rest)"), names)
    assert "`def forward(self, x, c, *rest)`" in texts[-1]
    names["config"] = config = DiTConfig(
        input_size=(4, 8, 8), vocabulary_size=13, patch_size=(2, 4, 4), hidden_size=48, depth=2, num_heads=4
    )
    exec(texts[-1].split("```python\n")[1].split("```")[0], names)
    model, clips, words = names["model"], torch.randn(2, 3, 4, 8, 8), torch.tensor([[1, 2], [3, 0]])
    assert all(type(part).__name__ == "MyDiTBlock" for part in model.blocks)
    assert not model(clips, torch.rand(2), words).any()  # the last map is zero
    x, c = torch.randn(2, 8, 48), torch.randn(2, 48)
    assert torch.equal(model.blocks[0](x, c), x)
    torch.nn.init.normal_(model.blocks[0].adaLN_modulation[1].weight)
    assert not torch.equal(model.blocks[0](x, c), x) and not model(clips, torch.rand(2), words).any()
    # and with the same weights everywhere it is the package's model
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    real = DiT(config)
    real.load_state_dict(model.state_dict())
    t = torch.rand(2)
    torch.testing.assert_close(model(clips, t, words), real(clips, t, words), rtol=1e-4, atol=1e-4)


def test_mysteries_lack_what_they_should():
    torch = pytest.importorskip("torch")
    for letter, missing in {**ch09.MISSING, "whole": None}.items():
        model = ch09.mystery(letter)
        x, c = torch.randn(1, 5, 8), torch.randn(1, 6)
        assert torch.equal(model(x, c), ch09.mystery(letter)(x, c))
        assert [name for name in ch09.RUNGS_TO_MISS if not model.has(name)] == [missing] * (missing is not None)
    with pytest.raises(ValueError, match="letter"):
        ch09.mystery("e")


# ---- the numbers of the page ----


def test_the_shipped_record_is_the_experiments():
    wanted = json.loads((ROOT / "experiments" / "results" / "ladder.json").read_text(encoding="utf-8"))
    found = json.loads((ROOT / "ditcourse" / "figures" / "ladder.json").read_text(encoding="utf-8"))
    assert found == wanted and wanted["command"].startswith("python experiments/ladder.py --steps 2000")


def test_what_the_page_says_of_the_record():
    from ditcourse.model.ladder import NAMES

    record = json.loads((ROOT / "experiments" / "results" / "ladder.json").read_text(encoding="utf-8"))
    rows = {row["rung"]: row for row in record["rungs"]}
    assert tuple(rows) == NAMES
    error = {name: row["median"] for name, row in rows.items()}
    first = [error[name] for name in NAMES[:4]]
    assert max(first) - min(first) < 0.005 and error["queries and keys"] > 1.3 * max(first)
    assert error["softmax"] < 0.5 * min(first) and abs(error["values"] - error["softmax"]) < 0.005
    gains = {name: error[before] / error[name] for before, name in zip(NAMES[4:], NAMES[5:], strict=False)}
    assert gains["two-layer MLP"] == max(gain for name, gain in gains.items() if name != "softmax")
    assert min(rows["positions"]["losses"]) > max(rows["two-layer MLP"]["losses"])
    assert error["depth"] < error["positions"] and error["depth"] > 5 * record["exact"]
    assert 2.8 < rows["depth"]["parameters"] / rows["positions"]["parameters"] < 3
    assert all(len(row["losses"]) == 3 for row in [*record["rungs"], *record["left_out"]])
    worse = {row["left out"]: row["median"] / error["depth"] for row in record["left_out"]}
    assert worse["residual and gate"] * error["depth"] > 3 * error["residual and gate"]
    assert 1.9 < worse["two-layer MLP"] < 2.3 and abs(worse["curve on the condition"] - 1) < 0.02
    assert all(1.02 < worse[name] < 1.1 for name in ("normalise", "1 + scale")) and 0.9 < worse["positions"] < 0.97


def test_the_floor_of_the_record_is_found_another_way():
    """The exact denoiser's error by hand: weigh all 64 clips, on draws of the experiment's own."""
    torch = pytest.importorskip("torch")
    import importlib.util

    spec = importlib.util.spec_from_file_location("experiments_ladder", ROOT / "experiments" / "ladder.py")
    ladder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ladder)
    x, t, label, noise = ladder.draw(4096, torch.Generator().manual_seed(7))
    clips, labels = ladder.world()
    assert len(clips) == 64 and (clips.sum((1, 2)) == 8 * (1 - 15)).all() and len({*map(str, clips.tolist())}) == 64
    x, t, noise = x.double(), t.double().reshape(-1, 1, 1), noise.double()
    away = ((x[:, None] - (1 - t)[:, None] * clips) / t[:, None]).square().sum((2, 3)) / 2
    away = away.masked_fill(label[:, None] != labels, torch.inf)
    guess = torch.einsum("bn,nfp->bfp", (-away).softmax(1), clips.double())
    error = ((x - (1 - t) * guess) / t - noise).square().mean().item()
    record = json.loads((ROOT / "experiments" / "results" / "ladder.json").read_text(encoding="utf-8"))
    assert abs(error - record["exact"]) < 2e-4 and abs(noise.square().mean().item() - record["zero"]) < 2e-4


def test_texts_about_sizes():
    pytest.importorskip("torch")
    from ditcourse.model import DiTConfig, count_macs, count_parameters
    from ditcourse.model.counts import macs_by_part, parameters_by_part

    for name in ("DiT-S/2", "DiT-XL/2"):
        config = DiTConfig.preset(name)
        parts = parameters_by_part(config)
        share = {part: n / sum(parts.values()) for part, n in parts.items()}
        assert 0.4 < share["mlp"] < 0.46 and 0.3 < share["modulation"] < 0.35 and 0.2 < share["attention"] < 0.24
    b, s = (DiTConfig.preset(f"DiT-{name}") for name in ("B/4", "S/2"))
    assert 3.9 < count_parameters(b) / count_parameters(s) < 4.1 and 0.9 < count_macs(b) / count_macs(s) < 1.1
    parts = macs_by_part(DiTConfig.preset("DiT-XL/2", input_size=(27, 32, 32)))  # 6,912 tokens
    assert 27 * 256 == 6 * 1152
    assert parts["attention: scores and mixing"] == parts["attention: projections"] + parts["mlp"]
