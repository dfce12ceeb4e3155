"""Train Skyworld's oracle on painted clips, and measure it on clips that it has not seen.

    python experiments/train_oracle.py --out ditcourse/weights/oracle

One clip in ten is an empty sky (the answer is "nothing"). Half of the clips are made worse on purpose, with noise, blur
and light, so that the oracle is not thrown by a generator's small flaws.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from tqdm.auto import tqdm

from ditcourse import environment
from ditcourse.world import sky, sky_words
from ditcourse.world.sky_oracle import ANSWERS, FRAMES, Oracle, read

UNSEEN = 2_000_000  # seed of the measurement
COLUMNS = {name: k for k, name in enumerate(ANSWERS)}


def draw(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clips of 8 frames, the right answers (count, 4), and where the subject is, (count, 8, 16, 16), shares of pixels.

    All compositions, a tenth of them with no subject. Where the subject is: where the same dice paint something else
    without it.
    """
    picks = sky_words.random_picks(count, generator, "all")
    picks[torch.rand(count, generator=generator) < 0.1, 0] = -1
    again = torch.Generator()
    again.set_state(generator.get_state())
    clips = sky.paint(picks, generator, (FRAMES, 64, 64))
    nobody = torch.tensor([-1, 0, 0, 0])
    empty = sky.paint(torch.where(nobody < 0, nobody, picks), again, (FRAMES, 64, 64))
    where = F.avg_pool3d(((clips - empty).abs().amax(1) > 0.1).float(), (1, 4, 4))
    for column, name in ((2, "motion"), (1, "colour"), (0, "subject")):
        picks[picks[:, 0] < 0, column] = len(ANSWERS[name]) - 1
    return clips, picks, where


def worsen(clips: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Noise, blur, brightness and contrast, each on some of the clips."""
    dice = torch.rand(len(clips), 4, generator=generator)
    rows = (dice[:, 0] < 0.3).nonzero().squeeze(1)
    small = F.avg_pool3d(clips[rows], (1, 2, 2))
    clips[rows] = F.interpolate(small, scale_factor=(1, 2, 2), mode="trilinear", align_corners=False)
    amount = (0.25 * (dice[:, 1] - 0.5).clamp(min=0) * 2)[:, None, None, None, None]
    clips = clips + amount * torch.randn(clips.shape, generator=generator)
    contrast, light = (0.85 + 0.3 * dice[:, 2]), 0.2 * (dice[:, 3] - 0.5)
    return (clips * contrast[:, None, None, None, None] + light[:, None, None, None, None]).clamp(-1, 1)


@torch.no_grad()
def measure(oracle: Oracle, count: int, split: str, seed: int) -> dict:
    """Share of right answers by attribute and for all four, and the confusion matrices, on clips of 16 frames."""
    generator = torch.Generator().manual_seed(seed)
    picks = sky_words.random_picks(count, generator, split)
    answers = torch.tensor([
        [ANSWERS[name].index(reading.values[name]) for name in ANSWERS]
        for part in picks.split(64) for reading in read(sky.paint(part, generator), oracle)
    ])  # fmt: skip
    right = answers == picks
    result = {name: round(float(right[:, k].float().mean()), 5) for k, name in enumerate(ANSWERS)}
    result["all"] = round(float(right.all(1).float().mean()), 5)
    confusion = {}
    for k, name in enumerate(ANSWERS):
        matrix = torch.zeros(len(sky_words.ATTRIBUTES[name]), len(ANSWERS[name]), dtype=torch.long)
        matrix.index_put_((picks[:, k], answers[:, k]), torch.tensor(1), accumulate=True)
        confusion[name] = matrix.tolist()
    return {"clips": count, "right": result, "confusion": confusion}


def stage(oracle: Oracle, parameters: list, steps: int, seed: int, options, closer: bool) -> None:
    """Train some of the weights: first where the subject is, its colour, the sky; then (closer) what it is."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, steps, pct_start=0.1)
    for step in (bar := tqdm(range(steps))):
        clips, answers, where = draw(options.batch_size, generator)
        clips = worsen(clips, generator)
        seen, track, everywhere, heat = oracle.look(clips)
        scores = {"colour": oracle.colour(seen), "sky": oracle.sky(everywhere)}
        if closer:
            scores = {"subject": oracle.look_closer(clips, track)}
        loss = sum(F.cross_entropy(score, answers[:, COLUMNS[name]]) for name, score in scores.items())
        if not closer:
            loss = loss + 5 * F.binary_cross_entropy_with_logits(heat, where)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 49:
            right = [f"{name} {(score.argmax(1) == answers[:, COLUMNS[name]]).float().mean():.2f}"
                     for name, score in scores.items()]  # fmt: skip
            bar.write(f"{step + 1} loss {loss.item():.3f} right: {' '.join(right)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/oracle"))
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--closer-steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--clips", type=int, default=2048, help="clips of each measurement")
    options = parser.parse_args()

    start = time.perf_counter()
    torch.manual_seed(options.seed)
    oracle = Oracle()
    first = [value for name, value in oracle.named_parameters() if not name.startswith("closer")]
    stage(oracle, first, options.steps, options.seed, options, closer=False)
    for value in first:  # what finds the subject is done; what looks closer comes after it
        value.requires_grad_(False)
    stage(oracle, list(oracle.closer.parameters()), options.closer_steps, options.seed + 1, options, closer=True)
    oracle.eval()
    options.out.mkdir(parents=True, exist_ok=True)
    save_file(oracle.half().state_dict(), options.out / "model.safetensors")
    (options.out / "config.json").write_text(json.dumps({"width": oracle.width}) + "\n")
    oracle.float()  # what is measured is what was saved
    record = {
        "command": f"python experiments/train_oracle.py --steps {options.steps} --closer-steps {options.closer_steps} "
        f"--batch-size {options.batch_size} "
        f"--learning-rate {options.learning_rate} --seed {options.seed}",
        "parameters": sum(p.numel() for p in oracle.parameters()),
        "seconds": round(time.perf_counter() - start),
        **{split: measure(oracle, options.clips, split, UNSEEN) for split in ("train", "held-out")},
        "environment": environment.info().split("\n"),
    }
    (options.out / "run.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({split: record[split]["right"] for split in ("train", "held-out")}))


if __name__ == "__main__":
    main()
