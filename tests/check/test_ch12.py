"""Chapter 12: other ways to be right, learners' own slips, specs against the package, and what the pages say."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ditcourse import byhand
from ditcourse.byhand.squeeze import new_squeeze
from ditcourse.check import Sheet, check
from ditcourse.check.chapters import ch12
from ditcourse.check.forms import key, parts_of, values_of

ROOT = Path(__file__).resolve().parents[2]
RUN = json.loads((ROOT / "ditcourse" / "weights" / "vae" / "run.json").read_text(encoding="utf-8"))


def page(path):
    """The text of a notebook or of a page, on one line."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return " ".join(text.split())


def printed(path, id):
    """What a cell of a notebook has printed."""
    cells = json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]
    return "".join("".join(out.get("text", "")) for cell in cells if cell["id"] == id for out in cell["outputs"])


def ran(path, *ids):
    """The names that these code cells of a notebook leave behind."""
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads((ROOT / path).read_text("utf-8"))["cells"]}
    names = {}
    for id in ids:
        exec(cells[id], names)
    return names


CHAPTER, SHEET, SOLUTIONS = "book/12_latent.ipynb", "book/12_squeeze.md", "solutions/12_latent.ipynb"


# ---- the sheet ----


def squared(differences):
    return sum(x * x for x in differences)


@pytest.mark.parametrize("seed", [0, 1, 8, 17, 60, 200])
def test_the_sheet_pixel_by_pixel(seed):
    """All of it once more, with loops and without the formulas."""
    given, found = new_squeeze(seed), key("squeeze", values_of("squeeze", seed))
    for frame in (0, 1):
        pixels = given.X[:, frame].tolist()
        means = [(pixels[i] + pixels[k]) / 2 for i, k in given.pairs]
        back = [means[0 if i in given.pairs[0] else 1] for i in range(4)]
        assert found["code"][:, frame].tolist() == means and found["rebuilt"][:, frame].tolist() == back
        assert found["lost"][0, frame] == squared(p - b for p, b in zip(pixels, back, strict=True))
    for name, sign in zip("ab", given.signs, strict=True):
        for patch in range(4):
            one, two = given.P[:, patch].tolist()
            code = (one + sign * two) / 2
            assert found[f"code_{name}"][0, patch] == code
            assert found[f"lost_{name}"][0, patch] == squared((one - code, two - sign * code))
            if name == "a":
                cut = max(code, 0)
                assert found["lost_relu"][0, patch] == squared((one - cut, two - sign * cut))
    totals = [found[f"lost_{name}"].sum() for name in "ab"]
    assert found["total"][0].tolist() == totals and sum(totals) == (given.P**2).sum()
    T, H, W = (side // 4 for side in given.size)
    assert found["sides"][:, 0].tolist() == [T, H, W] and found["values"][0, 0] == 4 * T * H * W
    assert found["fewer"][0, 0] == 3 * np.prod(given.size) / found["values"][0, 0] == 48
    assert found["tokens"][0, 0] * found["each"][0, 0] == found["values"][0, 0] and found["each"][0, 0] == 16


def test_sheets_are_small_and_whole_and_one_direction_is_pcas():
    torch = pytest.importorskip("torch")
    from ditcourse.model.linear import pca

    seen = set()
    for seed in range(201):
        given, found = new_squeeze(seed), key("squeeze", values_of("squeeze", seed))
        for name in parts_of("squeeze"):
            assert np.array_equal(found[name], np.rint(found[name])), (seed, name)
        assert given.X.min() >= 0 and given.X.max() <= 9 and np.abs(given.P).max() <= 9
        assert not given.P.sum(axis=1).any() and found["lost"][0, 0] < found["lost"][0, 1]
        totals = found["total"][0]
        assert max(totals) > 2 * min(totals) > 0
        direction = pca(torch.tensor(given.P.T, dtype=torch.float64), 1).directions[0]
        better = found["V_a" if totals[0] < totals[1] else "V_b"][:, 0] / 2**0.5
        assert abs(abs(float(direction @ torch.tensor(better))) - 1) < 1e-9
        seen.add((given.P.tobytes(), given.X.tobytes()))
        assert all(side % step == 0 for side, step in zip(given.size, (4, 8, 8), strict=True))
    assert len(seen) == 201 and {new_squeeze(seed).signs for seed in range(20)} == {(1, -1), (-1, 1)}
    again = new_squeeze(5)
    assert np.array_equal(again.P, new_squeeze(5).P)
    with pytest.raises(ValueError, match="seed"):
        new_squeeze(-1)


def test_a_sheet_filled_in_a_notebook_is_right(capsys):
    sheet = Sheet(form="squeeze", seed=4)
    for name, value in key("squeeze", sheet.givens).items():
        if name in parts_of("squeeze"):
            setattr(sheet, name, value)
    assert check("12.1", sheet).state == "right"
    sheet.fewer = 64
    verdict = check("12.1", sheet)
    assert (verdict.state, verdict.slip) == ("wrong", "places")
    assert Sheet("https://example.org/book/12_squeeze.html#seed=3").form == "squeeze"


def test_what_the_page_says_of_sheet_0():
    found, text = key("squeeze", values_of("squeeze")), page(SHEET)
    boxes = sum(part.shape[0] * part.shape[1] for part in parts_of("squeeze").values())
    assert f"{boxes} boxes" in text
    a, b = found["total"][0].astype(int)
    assert f"direction a loses {a} and direction b loses {b}" in text and f"together make {a + b}, the sum" in text
    assert f"On sheet 0 direction a alone loses {a}. With ReLU it is {int(found['lost_relu'].sum())}" in text
    ways = [(found["code_a"] < 0).sum(), (found["code_a"] >= 0).sum()]
    assert ways == [2, 2]  # "two of the four patches", in the solution
    totals = [key("squeeze", values_of("squeeze", seed))["total"][0] for seed in range(201)]
    assert f"on {sum(b < a for a, b in totals)} of the 201 sheets it is b" in text
    assert new_squeeze(0).size == (16, 64, 64) and f"{int(found['tokens'][0, 0])} tokens of 16 values" in text


@pytest.mark.parametrize(
    ("cells", "slip", "says"),
    [
        ({"code_b": [-2, 2, -1, 1]}, "turned round", "2 of 4 cells are wrong. Probably: there the sign is"),
        ({"code_b": [-2, 2, 1, -5]}, "double minus", "minus times minus is plus"),
        ({"lost_relu": [8, 8, 0, 0]}, "nothing to lose", "nothing was counted as lost"),
        ({"lost_relu": [8, 8, 10, 52]}, "sign dropped", "the minus was dropped"),
        ({"lost_relu": [8, 8, 2, 50]}, "only what was kept", "what a loses anyway comes on top"),
        ({"rebuilt": [[6, 4], [2, 2], [6, 4], [2, 2]]}, "codes by turns", "written by turns"),
        ({"sides": [4, 4, 16]}, "channels first", "the channels were written first"),
        ({"values": 12288}, "colours as well", "the three colours were counted as well"),
        ({"tokens": 64}, "frames forgotten", "one latent frame was counted"),
        ({"each": 4}, "channels forgotten", "the number of places in a token, and of the channels"),
    ],
)
def test_slips_on_sheet_0(cells, slip, says, capsys):
    sheet = Sheet(form="squeeze", seed=0)
    for name, value in cells.items():
        setattr(sheet, name, value)
    verdict = check("12.1", sheet)
    assert (verdict.state, verdict.slip) == ("not done", slip) and says in verdict.message


def test_codes_twice_each_are_wrong_where_the_pairs_are_columns(capsys):
    seed = next(seed for seed in range(1, 201) if new_squeeze(seed).pairs[0] == (0, 2))
    sheet = Sheet(form="squeeze", seed=seed)
    sheet.code = code = key("squeeze", sheet.givens)["code"]
    sheet.rebuilt = code[[0, 1, 0, 1]]
    assert check("12.1", sheet).slip is None and "right so far" in check("12.1", sheet).message
    sheet.rebuilt = code[[0, 0, 1, 1]]
    assert check("12.1", sheet).slip == "codes twice each"


def test_where_earlier_numbers_are_needed_they_stand_there_again():
    parts = parts_of("squeeze")
    wanted = {"rebuilt": {"code"}, "lost": {"rebuilt"}, "lost_a": {"code_a"}, "lost_b": {"code_b"},
              "total": {"lost_a", "lost_b"}, "lost_relu": {"code_a"}, "values": {"sides"},
              "tokens": {"sides"}}  # fmt: skip
    for name, part in parts.items():
        assert set(part.shows) & set(parts) == wanted.get(name, set()), name
    assert [*values_of("squeeze")] == ["X", "W_enc", "W_dec", "P", "W_a", "V_a", "W_b", "V_b", "size"]  # order of use


# ---- A11: 48 and 64, from shapes ----


def test_forty_eight_and_sixty_four_come_from_the_shapes_of_the_models():
    """The paper's picture through an autoencoder of factor 8, and the course's clip through its own."""
    torch = pytest.importorskip("torch")
    from ditcourse.model import DiTConfig
    from ditcourse.model.autoencoder import Autoencoder, AutoencoderConfig
    from ditcourse.world import SKY

    picture, latent = (3, 256, 256), (4, 256 // 8, 256 // 8)
    C, *clip = SKY.clip_size
    small = Autoencoder(AutoencoderConfig(width=4)).encode(torch.zeros(1, C, *clip)).shape[1:]
    assert tuple(small) == (4, 4, 16, 16)
    for large, code in ((picture, latent), (SKY.clip_size, tuple(small))):
        assert np.prod(large) == 196_608 and np.prod(code) == 4_096 and np.prod(large) / np.prod(code) == 48
        assert np.prod(large[1:]) / np.prod(code[1:]) == 64
    dit2 = DiTConfig.preset("DiT-S/2")
    ours = DiTConfig(input_size=tuple(small[1:]), patch_size=(1, 2, 2), in_channels=4, vocabulary_size=1)
    for config in (dit2, ours):
        assert config.num_tokens == 256 and np.prod(config.patch_size) * config.in_channels == 16
    text = page(CHAPTER)
    assert "196,608 values (not pixels: three of them are one pixel), 4,096, 48 times fewer, 256 tokens of 16" in text
    assert "In the DiT paper the autoencoder is that of Stable Diffusion, frozen" in text
    said = printed(CHAPTER, "first-count")
    assert said.count("48 times fewer values, 64 times fewer places") == 2 == said.count("256 tokens of 16 values")
    assert said.count("196,608 -> 4,096") == 2


# ---- A12: frozen ----


def test_training_a_denoiser_leaves_encoder_and_decoder_as_they_are():
    torch = pytest.importorskip("torch")
    from ditcourse.model import DiT, DiTConfig
    from ditcourse.pipeline import load_autoencoder
    from ditcourse.training import TrainConfig, Trainer
    from ditcourse.training.data import sky_latents
    from ditcourse.world import SKY

    autoencoder = load_autoencoder()

    def fingerprints():
        return [
            hashlib.sha256(b"".join(value.numpy().tobytes() for value in part.state_dict().values())).hexdigest()
            for part in (autoencoder.encoder, autoencoder.decoder, autoencoder)
        ]

    before = fingerprints()
    torch.manual_seed(0)
    config = DiTConfig(input_size=(4, 16, 16), patch_size=(1, 2, 2), in_channels=4, hidden_size=32, depth=1,
                       num_heads=2, vocabulary_size=len(SKY.vocabulary))  # fmt: skip
    trainer = Trainer(DiT(config), sky_latents(autoencoder, 8), TrainConfig(steps=3, batch_size=4))
    start = [p.detach().clone() for p in trainer.model.parameters()]
    trainer.run(progress=False)
    assert fingerprints() == before
    assert any(not torch.equal(a, b) for a, b in zip(start, trainer.model.parameters(), strict=True))
    held = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    assert not held & {id(p) for p in autoencoder.parameters()}
    assert all(not p.requires_grad and p.grad is None for p in autoencoder.parameters())
    assert "unchanged, bit for bit: True" in printed(CHAPTER, "frozen-run")
    assert "the score of clips that were only encoded and decoded stands beside it" in page(CHAPTER)


# ---- what the chapter says ----


def test_what_the_chapter_says_of_the_first_sheet():
    exercise, solved = byhand.load(), byhand.solve(byhand.load())
    before = exercise.W_enc @ solved.X + exercise.b_enc[:, None]
    assert (before < 0).sum() == 1 and before.min() == -2  # "ReLU cut off a -2"
    back = byhand.decode(solved.L, exercise.W_dec, exercise.b_dec)
    assert (back != solved.X).sum() == 1 and "One pixel of 16 is lost" in page(CHAPTER)
    said = [line.split(" by ")[-1] for line in printed(CHAPTER, "sheet-decode").splitlines()[1:]]
    own, any_frames, grey = (float(words.split()[0]) for words in said)
    assert own < 0.2 and any_frames > 2 * grey - 0.1 and "a larger error than a plain grey of 3.5" in page(CHAPTER)


def test_pearson_is_cited_with_date_and_title():
    text = page(CHAPTER)
    for part in ("PCA, 1901", "Karl Pearson", "On lines and planes of closest fit to systems of points in space",
                 "Philosophical Magazine 2(11), pages 559-572", "doi.org/10.1080/14786440109462720"):  # fmt: skip
        assert part in text


def clips_of(count, seed, **more):
    torch = pytest.importorskip("torch")
    from ditcourse.world import SKY

    return SKY.random_clips(count, torch.Generator().manual_seed(seed), **more)[0]


def test_what_the_four_directions_show():
    """Brightness, warm against cold, change, green against the rest; and none of them says where."""
    pytest.importorskip("torch")
    from ditcourse.model.linear import pca
    from ditcourse.model.patches import patchify

    found = pca(patchify(clips_of(24, 0), (4, 4, 4)).flatten(0, 1), 4)
    ways = found.directions.view(4, 3, 4, 4, 4)  # direction, colour, frame, row, column
    colours, frames = ways.mean((2, 3, 4)), ways.mean((1, 3, 4))
    assert (colours[0] > 0).all() or (colours[0] < 0).all()
    red, _, blue = colours[1]
    assert red < -0.05 and blue > 0.05  # the figure's alt text says: blue
    assert frames[2, 0] > 0 > frames[2, 3] and (frames[2].diff() < 0).all()  # from light to dark
    assert colours[2].abs().max() < 0.1 * frames[2].abs().max()
    red, green, blue = colours[3]
    assert green > 0 > max(red, blue)
    where = ways - ways.mean((3, 4), keepdim=True)
    assert (where.square().sum((1, 2, 3, 4)) < 0.1).all()  # of 1, the square of the length


def test_what_the_record_says_is_what_the_chapter_says():
    """Where new weights were trained, this says which sentence of the chapter no longer holds."""
    text, psnr = page(CHAPTER), RUN["psnr"]
    assert abs(psnr["train"]["mean"] - psnr["held-out"]["mean"]) < 1  # "about as well"
    from ditcourse.world.sky_words import ATTRIBUTES, compositions

    skies = {sky: psnr["train"][sky] + psnr["held-out"][sky] for sky in ATTRIBUTES["sky"]}
    assert max(skies, key=skies.get) in ("dusk", "noon", "sunset") and "A smooth sky is the easiest to rebuild" in text
    assert min(skies, key=skies.get) == "storm" and "in a storm rain falls in thin lines, and lightning" in text
    from ditcourse.world import sky as painter

    assert "slant" in Path(painter.__file__).read_text(encoding="utf-8")  # the rain
    splits = len(compositions("train")), len(compositions("held-out"))
    assert "trained on {} compositions. The other {} are held out".format(*splits) in text
    assert RUN["training"]["kl_weight"] == 1e-5 and "one in a hundred thousand" in text
    table = printed(CHAPTER, "shipped-table")
    for name in ("mean", "noon", "moon"):
        row = next(line.split() for line in table.splitlines() if line.startswith(name))
        assert row == [name, f"{psnr['train'][name]:.1f}", f"{psnr['held-out'][name]:.1f}"]
    assert f"{RUN['training']['steps']} steps" in printed(CHAPTER, "shipped-record")


def test_the_line_of_pca_is_measured_on_the_clips_of_the_curve():
    """The chapter paints the very clips that the run was measured with."""
    torch = pytest.importorskip("torch")
    from ditcourse.pipeline import load_autoencoder
    from ditcourse.training.autoencoder import psnr
    from ditcourse.world import sky, sky_words

    generator = torch.Generator().manual_seed(3)
    parts = sky_words.random_picks(32, generator).split(8)
    measured = torch.cat([sky.paint(part, generator) for part in parts])
    autoencoder = load_autoencoder()
    with torch.no_grad():
        found = psnr(autoencoder.decode(autoencoder.encode(measured)), measured).mean().item()
    assert found == pytest.approx(RUN["curve"][-1]["psnr"], abs=0.05)


def test_the_chapters_own_measurements_came_out_as_its_text_says():
    for id, wanted in (("pca-run", 2), ("live-says", 1), ("frozen-run", 2), ("vae-normalised", 1)):
        said = printed(CHAPTER, id)
        assert said.count("True") == wanted and "False" not in said, id
    lines = [line.split() for line in printed(CHAPTER, "beside-compare").splitlines()[1:]]
    assert [line[-1] for line in lines] == ["False", "False", "True"]
    weights = [int(line[-3].replace(",", "")) for line in lines]
    assert weights[0] < weights[2] <= weights[1] < 1.01 * weights[2]  # "so that it has as many weights"
    values = [float(line.split()[-2]) for line in printed(CHAPTER, "first-error").splitlines()]
    assert values == sorted(values, reverse=True) and values[0] - values[-1] >= 2
    values = [float(line.split()[-2]) for line in printed(CHAPTER, "vae-shake").splitlines()]
    assert values == sorted(values, reverse=True) and values[1] - values[3] >= 10
    mixed, apart = (float(line.split()[-2]) for line in printed(CHAPTER, "walk-number").splitlines())
    assert mixed > apart + 6  # "much like mixing pixels"


def test_the_two_clips_of_the_walk_are_what_the_text_says():
    torch = pytest.importorskip("torch")
    from ditcourse.world import SKY

    _, words = SKY.random_clips(12, torch.Generator().manual_seed(1), "held-out")
    assert "golden moon" in words[3] and "red star" in words[4] and all("night" in word for word in words[3:5])
    assert "bird" in words[0]  # the latent that is looked at


BESIDE = ("imports", "helpers", "clips", "small-pca", "small-codes", "beside")


def test_what_the_small_decoders_see_and_begin_with():
    """How far a place's pixels depend on the places around it, measured; both begin as PCA, and so does the encoder."""
    torch = pytest.importorskip("torch")
    names = ran(CHAPTER, *BESIDE, "live-model")
    for reach, wanted in ((0, [1, 1, 1]), (1, [3, 5, 5])):
        model = names["Beside"](reach)
        z = torch.randn(1, 4, 5, 7, 7, requires_grad=True)
        assert torch.equal(model(z), names["decode"](z))
        torch.nn.init.normal_(model.net[-1].weight)
        model.net(z)[0, :, 2, 3, 3].square().sum().backward()
        seen = z.grad[0].abs().sum(0) > 0
        places = seen.nonzero()
        assert (places.amax(0) - places.amin(0) + 1).tolist() == wanted and seen.sum() == np.prod(wanted)
    assert "3 x 5 x 5 together" in page(CHAPTER)
    x = torch.rand(2, 3, 8, 16, 16)
    mean, log_variance = names["SmallEncoder"]()(x)
    assert torch.equal(mean, names["encode"](x)) and (log_variance == -6).all()


def test_without_pca_the_small_ones_are_two_decibels_below_it():
    """The recorded sentence: the live run once more, from random weights."""
    pytest.importorskip("torch")
    names = ran(CHAPTER, *BESIDE, "live-model")
    unfold, fold = names["unfold"], names["fold"]

    class Encoder(names["SmallEncoder"]):
        def __init__(self):
            super().__init__()
            self.net[-1].reset_parameters()

        def forward(self, x):
            mean, log_variance = self.net(fold(x, (4, 4, 4))).chunk(2, dim=1)
            return mean, log_variance - 6

    class Decoder(names["Beside"]):
        def __init__(self):
            super().__init__(1)
            self.net[-1].reset_parameters()

        def forward(self, z):
            return unfold(self.net(z), (4, 4, 4))

    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads((ROOT / CHAPTER).read_text("utf-8"))["cells"]}
    code = cells["live-train"] + "\n" + cells["live-says"]
    assert code.count("SmallEncoder(), Beside(1)") == 1
    names |= {"Encoder": Encoder, "Decoder": Decoder}
    exec(code.replace("SmallEncoder(), Beside(1)", "Encoder(), Decoder()"), names)
    assert -2.8 < names["gain"] < -1.5 and "are still about 2 dB below it after as many steps" in page(CHAPTER)


# ---- the package ----


def test_sizes_are_those_of_the_autoencoder_and_of_patchify():
    torch = pytest.importorskip("torch")
    from ditcourse.model.autoencoder import Autoencoder, AutoencoderConfig
    from ditcourse.model.patches import patchify

    model = Autoencoder(AutoencoderConfig(width=4, latent_channels=6))
    for size in ((4, 16, 32), (12, 24, 8)):
        z = model.encode(torch.randn(1, 3, *size))
        for patch in (1, 2):
            tokens = patchify(z, (1, patch, patch))
            values, count, each, fewer = ch12.sizes(size, (4, 4), 6, patch)
            assert (values, count, each) == (z.numel(), tokens.shape[1], tokens.shape[2])
            assert fewer == pytest.approx(3 * np.prod(size) / z.numel())


def test_psnr_and_divergence_are_those_of_the_package_and_of_torch():
    torch = pytest.importorskip("torch")
    from torch.distributions import Normal, kl_divergence

    from ditcourse.training.autoencoder import autoencoder_loss, psnr

    rng = np.random.default_rng()
    rebuilt, x = ch12._psnr_inputs(rng)
    np.testing.assert_allclose(ch12.psnr(rebuilt, x), psnr(torch.from_numpy(rebuilt), torch.from_numpy(x)).numpy())
    mean, log_variance = map(torch.from_numpy, ch12._divergence_inputs(rng))
    wanted = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).mean().item()
    assert ch12.divergence(mean.numpy(), log_variance.numpy()) == pytest.approx(wanted)

    class Fixed:
        """A model whose posterior is known: what the loss adds per unit of weight is the divergence."""

        def posterior(self, x):
            return mean, log_variance

        def decoder(self, z):
            return z

    noise = torch.zeros_like(mean)
    low, high = (autoencoder_loss(Fixed(), mean, noise, weight)[0].item() for weight in (0.0, 1.0))
    assert high - low == pytest.approx(wanted)


def test_prices_that_the_solution_names():
    text = page(SOLUTIONS)
    assert ch12.divergence(np.array(2.0), np.array(0.0)) == 2 and "A mean of 2 costs 2" in text
    for deviation, said in ((0.1, "1.8"), (0.01, "4.1")):
        assert f"{ch12.divergence(np.array(0.0), np.array(2 * np.log(deviation))):.1f}" == said and said in text


def test_fit_is_the_packages_pca():
    torch = pytest.importorskip("torch")
    from ditcourse.model.linear import pca

    x, k, new = ch12._pca_inputs(np.random.default_rng())
    found = pca(torch.from_numpy(x), k)
    wanted = found.decode(found.encode(torch.from_numpy(new))).numpy()
    mean, lengths, rebuilt = ch12._rebuilt(ch12.fit, x, k, new)
    np.testing.assert_allclose(rebuilt, wanted)
    np.testing.assert_allclose(lengths, np.ones(k))
    np.testing.assert_allclose(mean, found.mean.numpy())


def test_the_clips_of_psnr_stay_clear_of_both_ends_and_what_is_rebuilt_goes_beyond_either():
    """So that the range cannot be read from them, nor from what is rebuilt after it was cut off."""
    sides = set()
    for seed in (0, 1, 2):
        rebuilt, x = ch12._psnr_inputs(np.random.default_rng(seed))
        assert np.abs(x).max() <= 0.9 and (np.abs(rebuilt) > 1).any(axis=(1, 2, 3, 4)).all()
        assert np.ptp(np.clip(rebuilt, -1, 1)) < 1.97
        sides |= {int(np.sign(rebuilt[np.abs(rebuilt) > 1]).min()), int(np.sign(rebuilt[np.abs(rebuilt) > 1]).max())}
    assert sides == {-1, 1}


# ---- right and wrong answers as a learner would write them ----


def sizes_by_division(size, factors, channels, patch):
    T, H, W = size[0] / factors[0], size[1] / factors[1], size[2] / factors[1]
    return T * H * W * channels, T * (H / patch) * (W / patch), patch * patch * channels, 3 * (
        factors[0] * factors[1] * factors[1]) / channels  # fmt: skip


def fit_by_svd(x, k):
    mean = x.mean(0)
    return mean, np.linalg.svd(x - mean, full_matrices=False)[2][:k]


def fit_turned(x, k):
    """The same plane, other axes and signs in it: as right as any."""
    mean, directions = ch12.fit(x, k)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(k, k)))[0]
    return mean, -(turn @ directions)


def fit_uncentred(x, k):
    return np.zeros(x.shape[1]), np.linalg.svd(x, full_matrices=False)[2][:k]


def fit_first(x, k):
    return x.mean(0), np.linalg.eigh(np.cov(x.T))[1][:, :k].T


def psnr_in_a_loop(rebuilt, x):
    values = []
    for one, other in zip(rebuilt, x, strict=True):
        mse = ((np.minimum(np.maximum(one, -1), 1) - other) ** 2).mean()
        values.append(20 * np.log10(2 / np.sqrt(mse)))
    return values


def psnr_of_0_to_1(rebuilt, x):
    return -10 * np.log10(((np.clip(rebuilt, -1, 1) - x) ** 2).mean((1, 2, 3, 4)))


def quiet(function, x):
    with np.errstate(all="ignore"):
        return function(x)


def fit_off(take_away, give, directions=lambda x: np.linalg.svd(x, full_matrices=False)[2]):
    return lambda x, k: (give(x), directions(x - take_away(x))[:k])


def nothing(x):
    return np.zeros(x.shape[1])


def mean(x):
    return x.mean(0)


def sizes_of(values=None, tokens=None, each=None, fewer=None):
    """A learner's `sizes` in which some lines are other ones; every line sees what stands above it."""

    def answer(size, factors, channels, patch):
        T, H, W = size
        t, h, w = T // factors[0], H // factors[1], W // factors[1]
        found = {"T": T, "H": H, "W": W, "t": t, "h": h, "w": w, "f": factors, "c": channels, "p": patch}
        lines = {"values": values or "t * h * w * c", "tokens": tokens or "t * (h // p) * (w // p)",
                 "each": each or "c * p**2", "fewer": fewer or "3 * T * H * W / values"}  # fmt: skip
        for name, line in lines.items():
            found[name] = eval(line, {}, found)
        return tuple(found[name] for name in lines)

    return answer


def decibels(peak="4", cut="np.clip(rebuilt, -1, 1)", end="mean"):
    def answer(rebuilt, x):
        found = {"rebuilt": rebuilt, "x": x, "np": np}
        error = (eval(cut, found) - x) ** 2
        return 10 * np.log10(eval(peak, found) / getattr(error, end)((1, 2, 3, 4)))

    return answer


def divergence_by_deviation(mean, log_variance):
    sigma = np.exp(log_variance / 2)
    return np.mean(-np.log(sigma) + (sigma**2 + mean**2) / 2 - 0.5)


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("12.2", sizes_by_division),
        ("12.2", sizes_of()),
        ("12.3", fit_by_svd),
        ("12.3", lambda x, k: {"mean": x.mean(0, keepdims=True), "directions": fit_by_svd(x, k)[1].tolist()}),
        ("12.3", fit_turned),
        ("12.4", psnr_in_a_loop),
        ("12.4", decibels()),
        ("12.5", divergence_by_deviation),
        ("12.6", [3, 4, 2, 6]),
    ],
)
def test_other_ways_to_be_right(id, answer, capsys):
    assert check(id, answer).state == "right"


@pytest.mark.parametrize(
    ("id", "answer", "slip"),
    [
        ("12.2", lambda s, f, c, p: (*ch12.sizes(s, f, c, p)[:3], f[0] * f[1] ** 2), "places"),
        ("12.2", sizes_of(tokens="(t // p) * (h // p) * (w // p)"), "patch in time"),
        ("12.2", sizes_of(tokens="t * h * w // p**3", each="c * p**3"), "patch in time, all at once, in both"),
        ("12.2", sizes_of(values="T // f[0] * (H // f[0]) * (W // f[0]) * c",
                          tokens="T // f[0] * (H // f[0] // p) * (W // f[0] // p)"), "first factor for all"),
        ("12.2", sizes_of(values="t * (H * W // f[1]) * c", tokens="t * (H * W // f[1]) // p**2"), "one side"),
        ("12.2", sizes_of(values="t * h * w"), "channels forgotten"),
        ("12.2", sizes_of(fewer="values / (3 * T * H * W)"), "ratio upside down"),
        ("12.2", sizes_of(fewer="3 * T * H * W // values"), "whole numbers only"),
        ("12.2", sizes_of(fewer="round(3 * T * H * W / values)"), "rounded"),
        ("12.3", fit_uncentred, "not centred"),
        ("12.3", fit_first, "smallest"),
        ("12.3", fit_off(nothing, mean), "mean returned, not taken away"),
        ("12.3", fit_off(mean, nothing), "mean taken away, not returned"),
        ("12.3", fit_off(np.mean, np.mean), "one mean for all"),
        ("12.3", fit_off(mean, np.mean), "one mean returned"),
        ("12.3", lambda x, k: (x.mean(0), 3 * fit_by_svd(x, k)[1]), None),
        ("12.4", decibels("(x.max() - x.min()) ** 2"), "range of x"),
        ("12.4", decibels("np.ptp(np.clip(rebuilt, -1, 1)) ** 2"), "range of what is rebuilt"),
        ("12.4", decibels(end="sum"), "sum, not mean"),
        ("12.4", decibels(cut="np.minimum(rebuilt, 1)"), "cut above only"),
        ("12.4", psnr_of_0_to_1, "peak 1"),
        ("12.4", lambda rebuilt, x: 10 * np.log10(4 / ((rebuilt - x) ** 2).mean((1, 2, 3, 4))), "not cut off"),
        ("12.5", lambda m, v: np.mean(m**2 + np.exp(v) - 1 - v), "half forgotten"),
        ("12.5", lambda m, v: np.mean(m**2 + v - 1 - np.log(np.abs(v))) / 2, None),
        ("12.5", lambda m, v: (m**2 + np.exp(v) - 1 - v) / 2, "mean left out"),
        ("12.5", lambda m, v: np.mean(m**2 + np.exp(v) - 1 + v) / 2, "logarithm added"),
        ("12.5", lambda m, v: np.mean(m + np.exp(v) - 1 - v) / 2, "mean not squared"),
        ("12.5", lambda m, v: np.mean(m**2 + np.exp(v) - 1 - quiet(np.log, v)) / 2, "logarithm twice"),
        ("12.5", lambda m, v: np.mean(m**2 + np.exp(v) - 1 - quiet(np.sqrt, v)) / 2, "logarithm twice"),
        ("12.6", (3, 2, 4, 6), "b and c changed places"),
        ("12.6", (3, 4, 1, 6), "c: 1"),
    ],
)
def test_slips_in_a_learners_own_words(id, answer, slip, capsys):
    verdict = check(id, answer)
    assert (verdict.state, verdict.slip) == ("wrong", slip)


def test_what_cannot_be_used_is_said(capsys):
    """It did not stop: what it returned is refused, and the message says which part and what is wanted."""
    cannot = "What your function returns cannot be used: "
    for answer, why in (
        (lambda x, k: x.mean(0)[:1], "two results are wanted"),
        (lambda x, k: iter(lambda: 1, 2), "two results are wanted"),  # without end
        (lambda x, k: (x.mean(0),), "2 values are wanted: (mean, directions); you gave 1"),
        (lambda x, k: (x.mean(0), np.eye(6)[:, :k]), "directions came as (6, "),
        (lambda x, k: (x.mean(1), np.eye(6)[:k]), "mean came as (200,); a number for each column is wanted, (6,); "),
        (lambda x, k: (x.mean(0)[:5], np.eye(6)[:k]), "mean came as (5,); a number for each column is wanted, (6,)."),
        (lambda x, k: (x.mean(0), "rows"), "in directions: that is a text"),
    ):
        verdict = check("12.3", answer)
        assert verdict.state == "wrong" and cannot + why in verdict.message, verdict.message
    assert "stopped" in check("12.3", lambda x, k: x @ x).message
    assert "A function is wanted here" in check("12.3", (np.zeros(6), np.eye(6)[:2])).message
    for blank in (lambda x, k: None, lambda x, k: (..., ...), lambda x, k: (x.mean(0), ...),
                  lambda x, k: (x.mean(0), [..., [1] * 6])):  # fmt: skip
        assert check("12.3", blank).state in ("not done", "wrong") and "stopped" not in check("12.3", blank).message


def test_messages_name_what_the_learners_function_got_and_what_was_made_of_it(capsys):
    said = check("12.3", fit_off(nothing, mean)).message
    assert "With x of shape (200, 6) and k = " in said and "(5, 6)" not in said
    assert "in fresh rows rebuilt with your directions, row 1" in said and "your function gives" not in said
    said = check("12.3", lambda x, k: (x.mean(0), 3 * fit_by_svd(x, k)[1])).message
    assert "in the lengths of the directions (each to be 1), entry 1: there is 3." in said
    said = check("12.2", lambda *given: (1, 2, 3, 4)).message
    for word in ("With size=(", ", factors=(", ", channels=", ", patch=", ": in values your function gives 1"):
        assert word in said
    said = check("12.2", sizes_of(fewer="1")).message
    assert "in times fewer your function gives 1" in said
    said = check("12.5", lambda m, v: (m**2 + np.exp(v) - 1 - v) / 2).message
    assert "an array of 2 x 4 x 2 x 3 x 3, one number is wanted. Probably: the mean over all numbers is missing" in said


def test_times_fewer_is_never_whole():
    for _ in range(50):
        given = ch12._sizes_inputs(np.random.default_rng())
        values, tokens, each, fewer = ch12.sizes(*given)
        assert abs(fewer - round(fewer)) > 0.02 and tokens * each == values


# ---- broken latent spaces ----


def test_the_table_of_the_broken_ones_shows_what_the_reasons_say():
    lines = [line.split() for line in printed(SOLUTIONS, "e6-table").splitlines()[1:]]
    table = {line[0]: [float(x) for x in (line[1], line[3], *line[4:])] for line in lines}
    assert [*table] == ["right", "a", "b", "c", "d"]
    low, high, loss, together, alone, shaken = table["right"]
    assert 0.8 <= low <= high <= 1.2 and together == alone and together - shaken <= 2
    assert table["a"][3] >= together - 1 and table["a"][4] < alone - 5  # well together, badly alone
    for name in "bc":
        assert table[name][:3] == table["right"][:3] and table[name][3] < together - 5
    assert table["d"][2] == min(row[2] for row in table.values()) and table["d"][1] < 0.1
    assert table["d"][3] > table["d"][5] + 10
    low, high, *_ = table["d"]
    assert 0 < low <= high < 0.1  # "shrunk to a few hundredths": two digits, or the table would say 0.0
    text = page(SOLUTIONS)
    assert f"{table['d'][3]:.0f} dB, where the right one has {together:.0f}" in text
    for path in (CHAPTER, SOLUTIONS):
        assert "would say nothing" not in page(path)
    assert "the encoder would shrink its codes until noise drowns them" in page(CHAPTER)


def test_the_broken_ones_differ_from_the_right_one_where_the_solution_says():
    cells = {cell["id"]: "".join(cell["source"]) for cell in json.loads((ROOT / SOLUTIONS).read_text("utf-8"))["cells"]}
    code = cells["e6-abc"]
    assert "z / z.std((0, 1))" in code and "channels_last=True" in code and "found.decode(z)," in code
    assert "encode_b, encode_c = encode_right, encode_right" in code and "decode_a = decode_right" in code
    assert "*others]" in cells["e6-denoiser"] and "layer.parameters()" in cells["e6-d"]


def test_minutes_add_up():
    total = sum(exercise.minutes for exercise in ch12.EXERCISES)
    assert f"{total} minutes" in page(SOLUTIONS) and len(ch12.EXERCISES) == 6
    assert f"Six exercises, {total} minutes" in page(CHAPTER)
