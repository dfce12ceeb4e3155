"""Chapter 8: other ways to be right, learners' own slips, specs against the package, numbers of the pages."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand.extensions import predict_with_query_key, query_key, reorder, softmax
from ditcourse.check import Sheet, check
from ditcourse.check.board import judge
from ditcourse.check.chapters import ch08
from ditcourse.check.forms import key, parts_of, values_of
from ditcourse.check.reading import Reading
from ditcourse.check.sheet import SheetPart

BOOK = Path(__file__).parents[2] / "book"


# ---- the sheet ----


def test_the_sheet_is_extension_a():
    """Scores and marks are those of byhand, for every instance, and the result is the guess of the first sheet."""
    for seed in range(60):
        exercise = byhand.new_exercise(seed)
        found, solved = key("look", values_of("look", seed)), byhand.solve(exercise)
        Q, S = query_key(solved.C, exercise.W_Q, exercise.b_Q)
        assert np.array_equal(found["Q"], Q) and np.array_equal(found["S"], S)
        assert np.array_equal(found["A"], solved.A) and np.array_equal(found["out"], solved.E), seed
        assert np.array_equal(found["V"] @ found["A"], exercise.W_ff @ solved.P + exercise.b_ff[:, None])
        for name, part in parts_of("look").items():
            assert found[name].shape == part.shape and np.array_equal(2 * found[name], np.rint(2 * found[name]))
            assert np.abs(found[name]).max() <= 30
    first = key("look", values_of("look"))
    assert first["S"].tolist() == [[6, -4, -6, 4], [6, 0, -6, 0], [2, 0, -2, 0], [2, -4, -2, 4]]


@pytest.mark.parametrize("name", parts_of("look"))
def test_every_slip_of_the_sheet_is_named_and_what_comes_after_it_follows(name):
    for slip in parts_of("look")[name].slips:
        shown = 0
        for seed in range(5):
            values = values_of("look", seed)
            have = SheetPart((name,), "look").with_slip(slip.name, values)
            if have is None:
                continue  # on this sheet it changes nothing
            shown += 1
            filled = {part: Reading(have[part], np.zeros(have[part].shape, dtype=bool)) for part in parts_of("look")}
            reports = judge(parts_of("look"), values, filled)
            assert [part for part, report in reports.items() if report.state != "right"] == [name]
            assert slip.says in reports[name].text
        assert shown, slip.name


def test_a_sheet_filled_in_a_notebook(capsys):
    sheet = Sheet("https://example.org/book/08_look.html#seed=4")
    assert (sheet.form, sheet.seed) == ("look", 4)
    for name, value in key("look", sheet.givens).items():
        if name in parts_of("look"):
            setattr(sheet, name, value)
    assert check("8.1", sheet).state == "right"
    sheet.S = np.array(key("look", sheet.givens)["S"]).T  # A and out still as they should be
    verdict = check("8.1", sheet)
    assert (verdict.state, verdict.slip) == ("wrong", "scores transposed")


def test_the_pages_numbers():
    """What 08_look.md says of the softmax, the size of the sheet, and the order of the frames."""
    page = (BOOK / "08_look.md").read_text(encoding="utf-8")
    exercise = byhand.load()
    solved = byhand.solve(exercise)
    weights = softmax(solved.S)
    assert {f"{w:.3f}" for w in weights[solved.A > 0]} == {re.search(r"each marked token (0\.\d+)", page)[1]}
    assert {f"{w:.3f}" for w in weights[solved.A == 0]} == {re.search(r"each other one (0\.\d+)", page)[1]}
    boxes = sum(np.prod(part.shape) for part in parts_of("look").values())
    assert f"{boxes} boxes" in page
    moved = predict_with_query_key(exercise, reorder(solved.Z, [3, 1, 0, 2]))
    assert np.array_equal(moved, solved.E[:, [3, 1, 0, 2]])


# ---- the specs against the package ----


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def rng():
    return np.random.default_rng()


def test_one_head_is_that_of_torch(torch, rng):
    x, *weights = ch08._attention_inputs(rng)
    q, k, v = (torch.from_numpy(x @ W)[None] for W in weights)
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v)[0]
    np.testing.assert_allclose(ch08._attention()(x, *weights), wanted.numpy(), atol=1e-12)


def test_split_is_that_of_the_layer(torch, rng):
    from ditcourse.model.attention import Attention

    layer, x = Attention(12, 3), torch.randn(1, 5, 12)
    with torch.no_grad():
        q, k, v = layer.heads(x)
        each = layer.qkv(x)[0].numpy().reshape(5, 3, 12).transpose(1, 0, 2)
        for part, wanted in zip(each, (q, k, v), strict=True):
            np.testing.assert_allclose(ch08.split(part, 3), wanted[0].numpy())


def test_the_mask_is_that_of_the_layer(torch, rng):
    from ditcourse.model.attention import Attention

    layer, x, known = Attention(8, 1), torch.randn(1, 6, 8), torch.tensor([True, False, True, True, False, True])
    with torch.no_grad():
        q, k, _ = layer.heads(x)
        scores = (q @ k.transpose(-1, -2) / 8**0.5)[0, 0].double().numpy()
        wanted = layer.weights(x, mask=known[None])[0, 0].numpy()
    np.testing.assert_allclose(ch08._masked(scores, known.numpy()), wanted, atol=1e-6)


def test_turning_is_that_of_rope(torch, rng):
    from ditcourse.model.positions import rope_3d, rotate

    rope = rope_3d(12, 2, 3, 2)
    x = torch.from_numpy(rng.normal(size=(12, 12)))
    angles = torch.atan2(rope[1], rope[0]).numpy()
    np.testing.assert_allclose(ch08.turn(x.numpy(), angles), rotate(x, rope).numpy(), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_of_the_order(torch, seed):
    """The six cases of 8.5, tried on layers of other sizes than in the notebook."""
    from ditcourse.model.attention import Attention
    from ditcourse.model.positions import rope_3d, sincos_1d

    torch.manual_seed(seed)
    layer, x = Attention(24, 3).double(), torch.randn(1, 7, 24, dtype=torch.float64)
    back, table, ropes = x.flip(1), sincos_1d(24, torch.arange(20)), rope_3d(8, 20, 1, 1)

    def case(before, after):
        if torch.allclose(before, after):
            return 1
        return 2 if torch.allclose(before.flip(1), after) else 3

    with torch.no_grad():
        found = (
            case(layer(x), layer(back)),
            case(layer(x + table[:7]), layer(back + table[:7])),
            case(layer(x).mean(1), layer(back).mean(1)),
            case(layer(x, ropes[:, :7]), layer(back, ropes[:, :7])),
            case(layer(x, ropes[:, :7]), layer(x, ropes[:, 10:17])),
            case(layer(x + table[:7]), layer(x + table[10:17])),
        )
    assert check("8.5", found).state == "right"


def test_the_three_maps_are_as_the_statements_say(torch):
    from ditcourse import pipeline, world
    from ditcourse.figures.attention import attention_of, token_distances

    pipe, captions, dice = pipeline.load("mini"), world.captions(), torch.Generator().manual_seed(5)
    clips = world.render(captions, dice)
    x = 0.1 * clips + 0.9 * torch.randn(clips.shape, generator=dice)
    weights = attention_of(pipe.model, x, 0.9, pipe.tokenizer(captions)).mean(1)[..., 10, :]
    time, space = (apart[10] for apart in token_distances((4, 4, 4)))
    a, b, c = weights[0, 2], weights[1, 0], weights[0, 3]
    assert a[time >= 2].sum() > 0.8  # 5: frames of another time
    assert b[space < 1.5].sum() > 0.75 and all(0.15 < b[time == t].sum() < 0.35 for t in range(4))  # 2
    assert c[time == 0].sum() > 0.5 and c[space <= 1].sum() < 0.2  # 3
    assert all(w[10] < w.max() for w in (a, b, c))  # none looks most at itself
    # what MAP_SAYS tells whoever chose another one
    assert a[time == 0].max() < 0.05 * a.max() and c[10] < 0.1 * c.max() and b[10] > 0.5 * b.max()
    assert all(b[(space == 0) & (time == t)] > 0.5 * b.max() for t in range(4))
    edge = torch.arange(64) % 4 == 0
    assert edge[c.argmax()] and (c < c.max() / 3).float().mean() > 0.9
    rim = torch.zeros(4, 4, 4, dtype=bool).index_fill_(1, torch.tensor([0, 3]), True)
    rim[:, :, [0, 3]] = True
    assert all(b[rim.flatten() & (time == t)].max() < 0.35 * b.max() for t in range(4))


# ---- learners' own words ----


def sums(x, W_q, W_k, W_v):
    """Right, with loops."""
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    out = []
    for one in q:
        weights = [np.exp(one @ other / np.sqrt(len(one))) for other in k]
        out.append(sum(w * value for w, value in zip(weights, v, strict=True)) / sum(weights))
    return out


def pieces(x, heads):
    return np.stack(np.split(x, heads, axis=1))


def large_and_negative(scores, known):
    weights = np.exp(scores + np.where(known, 0, -1e9)[None])
    return weights / weights.sum(1, keepdims=True)


def renormalised(scores, known):
    weights = np.exp(scores) * known
    return weights / weights.sum(1)[:, None]


def loops_over_queries(scores, known):
    weights = np.zeros_like(scores)
    for row, one in zip(weights, scores, strict=True):
        row[known] = np.exp(one[known] - one[known].max())
        row /= row.sum()
    return weights


def complex_numbers(x, angles):
    turned = (x[:, ::2] + 1j * x[:, 1::2]) * np.exp(1j * angles)
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


@pytest.mark.parametrize(
    "id, answer",
    [
        ("8.2", sums), ("8.3", pieces), ("8.4", large_and_negative), ("8.4", renormalised),
        ("8.4", loops_over_queries), ("8.5", [2, 3, 1, 3, 1, 3]),
        ("8.6", complex_numbers), ("8.7", {"a": 5, "b": 2, "c": 3}),
    ],
)  # fmt: skip
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


def columns(x, W_q, W_k, W_v):
    scores = (x @ W_q) @ (x @ W_k).T / 2
    return np.exp(scores) / np.exp(scores).sum(0) @ (x @ W_v)


def no_keys(x, W_q, W_k, W_v):
    scores = (x @ W_q) @ x.T / 2
    weights = np.exp(scores)
    return weights / weights.sum(1, keepdims=True) @ (x @ W_v)


def view(x, heads):
    return x.reshape(heads, x.shape[0], x.shape[1] // heads)


def put_in(number, rows_too=False):
    def mask(scores, known):
        weights = np.exp(np.where(known & known[:, None] if rows_too else known, scores, number))
        with np.errstate(invalid="ignore"):
            return weights / weights.sum(1, keepdims=True)

    return mask


def in_place(x, angles):
    x, c, s = x.copy(), np.cos(angles), np.sin(angles)
    x[:, ::2] = x[:, ::2] * c - x[:, 1::2] * s
    x[:, 1::2] = x[:, ::2] * s + x[:, 1::2] * c
    return x


@pytest.mark.parametrize(
    "id, answer, slip",
    [
        ("8.2", columns, "wrong axis"),
        ("8.2", no_keys, "keys forgotten"),
        ("8.2", lambda x, W_q, W_k, W_v: x @ W_v, None),
        ("8.3", view, "reshaped at once"),
        ("8.4", lambda scores, known: (np.exp(scores.T) / np.exp(scores).sum(1)).T * known, "taken away after"),
        ("8.4", put_in(-10), "not low enough"),
        ("8.4", put_in(-30), "not low enough"),
        ("8.4", put_in(0), "scores set to 0"),
        ("8.4", put_in(-np.inf, rows_too=True), "both masked"),
        ("8.4", lambda scores, known: np.nan_to_num(put_in(-np.inf, rows_too=True)(scores, known)),
         "rows of padding emptied"),
        ("8.5", (1, 3, 1, 3, 1, 3), "a: 1"),
        ("8.5", (2, 2, 1, 3, 1, 3), "b: 2"),
        ("8.6", in_place, "second from the first"),
        ("8.6", lambda x, angles: x, None),
        ("8.7", (3, 2, 5), "a and c changed places"),
    ],
)  # fmt: skip
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


# ---- what the chapter says beside its numbers ----


def outputs():
    notebook = json.loads((BOOK / "08_attention.ipynb").read_text(encoding="utf-8"))
    return {cell["id"]: "".join(output.get("text", "") if isinstance(output.get("text"), str)
                                else "".join(output.get("text", [])) for output in cell.get("outputs", []))
            for cell in notebook["cells"]}  # fmt: skip


def texts():
    notebook = json.loads((BOOK / "08_attention.ipynb").read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


def test_why_scores_start_higher_with_the_norm(torch):
    """Untrained queries and keys are smaller than 1; and without a bias, larger weights change nothing at all."""
    from ditcourse.model.attention import Attention

    x = torch.randn(1, 64, 128)
    with torch.no_grad():
        q, k, _ = Attention(128, 4).heads(x)
        assert all(0.5 < part.square().mean().sqrt() < 0.65 for part in (q, k))
        layer = Attention(128, 4, qk_norm=True)
        layer.qkv.bias.zero_()
        before = layer.heads(x)[:2]
        layer.qkv.weight *= 100
        for one, other in zip(before, layer.heads(x)[:2], strict=True):
            assert one.square().mean().sqrt().item() == pytest.approx(1, abs=1e-3)
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
    assert "about 0.6" in texts()["norm-text"]


def test_first_frames_keep_the_table_of_an_image_and_only_differences_count_when_turned(torch):
    from ditcourse.model.positions import rope_3d, rotate, sincos_2d, sincos_3d

    table = sincos_3d(128, 4, 4, 4).reshape(4, 16, 128)
    torch.testing.assert_close(table[0], sincos_2d(128, 4, 4))
    added = table - table[:1]
    torch.testing.assert_close(added, added[:, :1].expand(4, 16, 128))  # the same at all places
    q, k = torch.randn(2, 1, 32, dtype=torch.float64)
    rope = rope_3d(32, 4, 4, 4)
    scores = (rotate(q.expand(64, 32), rope) @ rotate(k.expand(64, 32), rope).T)[::16, ::16]
    assert scores[0, 1].item() == pytest.approx(scores[2, 3].item(), abs=1e-4)
    assert abs(scores[0, 1] - scores[1, 0]) > 1e-3  # which comes first counts, too


def numbers(text):
    return [float(word) for word in re.findall(r"-?\d+\.\d+", text)]


def test_the_chapters_words_fit_its_numbers():
    printed = outputs()
    lines = [numbers(line) for line in printed["far-run"].splitlines()]
    time, space, even = np.array(lines[1:5]), np.array(lines[7:11]), lines[5][0]
    assert (np.diff(space, axis=0) < 0).all()  # nearer the deeper the block
    assert (np.abs(time[1:, 0] - even) <= 0.06).all()  # almost evenly under much noise
    assert (time[1:, 2] < time[1:, 0] - 0.1).all()  # nearer when nearly clean
    heads = np.array([numbers(line) for line in printed["far-heads"].splitlines()])
    assert (heads[0, [0, 2]] > 1.25).all() and (heads[0, [1, 3]] < 1.25).all()  # block 1, time
    assert (heads[5, :2] < 2).all() and (heads[5, 2:] > 2.01).all()  # block 2, space
    root = np.array([numbers(line) for line in printed["root-run"].splitlines()[2:]])
    np.testing.assert_allclose(root[:, 0], [2, 4, 8, 16], rtol=0.03)
    assert (np.diff(root[:, 1]) > 0).all() and root[-1, 1] > 0.85 and np.ptp(root[:, 2]) < 0.02
    scores = [[float(word) for word in line.split()] for line in printed["norm-run"].splitlines()[2:5]]
    assert all(row[3] < 32**0.5 for row in scores) and scores[2][2] > 0.99 and scores[2][1] > 1e4
    text = texts()
    assert "from 3.42 to 3.30" in text["norm-text"] and [row[3] for row in scores] == [3.42, 3.30, 3.30]
    assert "64 of 64" in printed["mixes-run"] and " 1 of 64" in printed["mixes-run"]
    for cell in ("order-mini", "rope-shift"):
        assert re.findall("True|False", printed[cell]) == ["True", "False"]
    near = [numbers(line) for line in printed["inside-share"].splitlines()[:3]]
    assert near[1][0] > 0.5 and near[2][0] < 0.25 < near[0][0]


def test_the_cost_of_a_layer_by_the_flop_counter(torch):
    """12 N D^2 and 2 N^2 D for a block, so that they meet at N = 6 D; and the table of the chapter."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from ditcourse.model.dit import DiTBlock

    D = 32
    with torch.device("meta"):
        block = DiTBlock(D, 4)

    def macs(N):
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            block(torch.empty(1, N, D, device="meta"), torch.empty(1, D, device="meta"))
        return counter.get_total_flops() // 2

    for N in (7, 6 * D):
        assert macs(N) == 12 * N * D**2 + 2 * N**2 * D + 6 * D**2
    assert 12 * (6 * D) * D**2 == 2 * (6 * D) ** 2 * D
    assert 4 * (2 * 128) * 128**2 == 2 * (2 * 128) ** 2 * 128  # the layer alone, at the page's width
    assert "$N = 2 D$, here 256" in texts()["cost"] and "Up to 256 tokens" in texts()["cost-text"]
    lines = outputs()["cost-factorised"].splitlines()
    for line, of_scores in [*((line, True) for line in lines[1:5]), *((line, False) for line in lines[6:10])]:
        T, S, joint, factorised = (int(word.replace(",", "")) for word in re.findall(r"[\d,]+", line))
        N = T * S
        if of_scores:
            assert joint == N**2 and 2 * factorised == N * S + N * T
        else:
            assert joint == round((8 * N * 128**2 + 4 * N**2 * 128) / 1e6)
            assert factorised == round((8 * N * 128**2 + 2 * N * (S + T) * 128) / 1e6)
