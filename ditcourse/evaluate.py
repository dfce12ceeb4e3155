"""Figures of merit: does the clip show what the prompt says, and does it look and move like a clip of the world?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ditcourse.world import MINI, Reading, World

if TYPE_CHECKING:
    from ditcourse.pipeline import Pipeline


def prompt_following(clips: Tensor, prompts: list[str], world: World = MINI) -> dict[str, float]:
    """Share of clips whose pixels show what the prompt names, by attribute and for all that it names at once.

    {"shape": 0.98, "colour": 1.0, "direction": 1.0, "all": 0.98}; an attribute that no prompt names is left out.
    """
    if len(clips) != len(prompts):
        raise ValueError(f"clips and prompts must pair up, got {len(clips)} clips and {len(prompts)} prompts")
    return {name: sum(right) / len(right) for name, right in hits(world.read(clips), prompts, world).items()}


def hits(readings: list[Reading], prompts: list[str], world: World = MINI) -> dict[str, list[bool]]:
    """For each attribute whether it is as the prompt says, for the prompts that name it; "all": everything named is."""
    right: dict[str, list[bool]] = {name: [] for name in (*world.attributes, "all")}
    for reading, prompt in zip(readings, prompts, strict=True):
        named = world.parse(prompt)
        found = {attribute: reading.values[attribute] == value for attribute, value in named.items()}
        for attribute, hit in {**found, "all": all(found.values())}.items():
            right[attribute].append(hit)
    return {name: values for name, values in right.items() if values}


def interval(right: list[bool], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """Bootstrap interval of a share (Efron 1979): the middle 95 % of what other clips, drawn from these, would give."""
    values = torch.tensor(right, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    shares = values[torch.randint(len(values), (draws, len(values)), generator=generator)].mean(1)
    low, high = shares.quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high


def confusion(readings: list[Reading], prompts: list[str], attribute: str, world: World = MINI) -> dict:
    """{asked: {read: how often}} for one attribute, over the prompts that name it."""
    table: dict[str, dict[str, int]] = {}
    for reading, prompt in zip(readings, prompts, strict=True):
        asked = world.parse(prompt).get(attribute)
        if asked is not None:
            row, read = table.setdefault(asked, {}), reading.values[attribute]
            row[read] = row.get(read, 0) + 1
    return table


def sharpness(clips: Tensor) -> Tensor:
    """How much neighbouring pixels differ, (B,): the root mean square of the steps across and down.

    clips (B, C, T, H, W). Of squares, since blur turns one large step into several small ones of the same sum.
    """
    across, down = clips.diff(dim=4).square(), clips.diff(dim=3).square()
    return ((across.flatten(1).mean(1) + down.flatten(1).mean(1)) / 2).sqrt()


def frame_distance(frames: Tensor) -> Tensor:
    """How far a clip goes from frame to frame, (B,): mean distance of neighbouring frames' features (B, T, ...)."""
    return frames.diff(dim=1).flatten(2).norm(dim=2).mean(1)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """How far two sets of feature vectors (N, D) and (M, D) lie apart: 0 if mean and covariance agree.

    Each feature counts in standard deviations of b, the real one (a tenth of the median one at least, lest a feature
    that hardly varies decides). Between normal distributions this is the Fréchet
    distance |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Dowson & Landau 1982), as in FID (Heusel and others
    2017, 1706.08500). With few clips it is above 0 even for two real sets: that is the floor to compare with.
    """
    for name, values in (("a", a), ("b", b)):
        if values.dim() != 2 or len(values) < 2 or values.shape[1] != b.shape[1]:
            raise ValueError(f"{name} must be two or more rows of {b.shape[1]} features, got {tuple(values.shape)}")
    scale = b.double().std(0)
    scale = scale.clamp(min=max(0.1 * scale.median().item(), 1e-6))
    a, b = a.double() / scale, b.double() / scale
    mean, (Ca, Cb) = a.mean(0) - b.mean(0), (torch.cov(x.T) for x in (a, b))
    roots = torch.linalg.eigvals(Ca @ Cb).real.clamp(min=0).sqrt()  # of a product of covariances: real, not negative
    return (mean @ mean + Ca.trace() + Cb.trace() - 2 * roots.sum()).item()


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """Distance of each row of a (N, ...) to the nearest row of b (M, ...), (N,)."""
    return torch.cdist(a.flatten(1), b.flatten(1)).amin(1)


# --- all of it

PART = 32  # clips at a time


class _Clips:
    """What is kept of a set of clips while it goes by in parts: readings and numbers, not the pixels."""

    def __init__(self, world: World):
        self.world, self.readings, self.numbers = world, [], {}

    def add(self, clips: Tensor) -> None:
        self.readings += self.world.read(clips)
        found = {"sharpness": sharpness(clips)}
        if self.world.oracle is not None:
            oracle = self.world.oracle()
            found["features"] = oracle.describe(clips)
            found["frame distance"] = frame_distance(oracle.describe_frames(clips))
        for name, values in found.items():
            self.numbers.setdefault(name, []).append(values)

    def __getitem__(self, name: str) -> Tensor:
        return torch.cat(self.numbers[name])

    def follows(self, prompts: list[str]) -> dict:
        """{attribute: [share, low, high]}, with the bootstrap interval."""
        table = hits(self.readings, prompts, self.world)
        return {name: [sum(right) / len(right), *interval(right)] for name, right in table.items()}


def measure(
    pipe: Pipeline, count: int = 256, seed: int = 0, trained: Tensor | None = None, progress: bool = False, **options
) -> dict:
    """Every figure of a model from `count` clips of each of its world's splits: a table of tables, ready for JSON.

    options are those of the pipeline. Beside what is made of a prompt stand a clip painted for the same prompt, and
    that clip encoded and decoded: what the oracle misses there no model can be blamed for. trained: latents of the
    clips that it was trained on, (N, ...), for the check against memorising.
    """
    world, report = pipe.world, {"clips": count, "seed": seed, **options}
    for k, split in enumerate(world.splits):
        generator = torch.Generator().manual_seed(1000 * seed + k)
        captions = world.captions(split)
        rounds = [torch.randperm(len(captions), generator=generator) for _ in range(-(-count // len(captions)))]
        prompts = [captions[row] for row in torch.cat(rounds)[:count].tolist()]
        made, painted, again, rebuilt = (_Clips(world) for _ in range(4))
        distances: dict[str, list[Tensor]] = {"made": [], "painted": []}
        for start in tqdm(range(0, count, PART), desc=f"{split} prompts", disable=not progress):
            part = prompts[start : start + PART]
            clips = pipe(part, seed=int(torch.randint(2**31, (), generator=generator)), **options)
            real = world.render(part, generator)
            made.add(clips)
            painted.add(real)
            again.add(world.render(part, generator))
            if pipe.autoencoder is not None:
                latents = {name: pipe.encode(x) for name, x in (("made", clips), ("painted", real))}
                rebuilt.add(pipe.decode(latents["painted"]))
                if trained is not None:
                    for name, values in latents.items():
                        distances[name].append(nearest(values, trained))
        sets = {"made": made, "painted": painted} | ({"rebuilt": rebuilt} if rebuilt.readings else {})
        table = {name: clips.follows(prompts) for name, clips in sets.items()}
        table["made, another's prompt"] = made.follows(prompts[1:] + prompts[:1])
        report[split] = {"prompt following": table, "confusion": {
            name: confusion(made.readings, prompts, name, world) for name in world.attributes
        }}  # fmt: skip
        report[split]["mean"] = {
            name: {kind: clips[name].mean().item() for kind, clips in sets.items()}
            for name in made.numbers if name != "features"
        }  # fmt: skip
        if "features" in made.numbers and count > 1:
            real = painted["features"]
            report[split]["frechet distance"] = {
                kind: frechet_distance(clips["features"], real)
                for kind, clips in (sets | {"painted": again}).items()
            }
        if distances["made"]:
            report[split]["nearest training clip"] = {
                kind: torch.cat(values).median().item() for kind, values in distances.items()
            }
    return report
