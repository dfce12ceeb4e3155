"""The `ditcourse` command: `ditcourse sample "a red circle moves left"`, `ditcourse info`, ..."""

import json
import re
import sys
from pathlib import Path

import click

import ditcourse


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(ditcourse.__version__)
def main() -> None:
    """From a pencil-and-paper diffusion transformer to a small text-to-video DiT."""


@main.command()
@click.argument("prompt")
@click.option(
    "--out",
    default="clip.webp",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the clip: .webp, .gif or .png (animated), or .mp4 (with PyAV).",
)
@click.option("--model", default="mini", show_default=True, help="Which weights.")
@click.option("--seed", default=0, show_default=True, help="Same prompt and seed, same clip.")
@click.option(
    "--steps",
    "num_inference_steps",
    default=25,
    show_default=True,
    type=click.IntRange(min=1),
    help="Sampling steps from noise to clip.",
)
@click.option(
    "--guidance",
    "guidance_scale",
    default=2.0,
    show_default=True,
    help="How hard the prompt pulls; 1 is no guidance.",
)
def sample(
    prompt: str, out: Path, model: str, seed: int, num_inference_steps: int, guidance_scale: float
) -> None:
    """Make a clip from PROMPT, for instance "a red circle moves left"."""
    from ditcourse import pipeline
    from ditcourse.figures import save_clip

    try:
        pipe = pipeline.load(model)
        named = pipe.world.parse(prompt)
        clip = pipe([prompt], seed, num_inference_steps, guidance_scale)
        save_clip(clip[0], out)
    except (ValueError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    read = pipe.world.read(clip)[0].values
    follows = all(read[attribute] == value for attribute, value in named.items())
    click.echo(
        f"{out}: the oracle reads {', '.join(f'{name} {value}' for name, value in read.items())}; "
        f"the prompt is {'followed' if follows else 'NOT followed'}."
    )


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--rung", type=click.Choice(["mini", "cpu", "t4", "big"]), help="Which recipe. [default: by hardware]")
@click.option(
    "--config",
    "recipe",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The recipe of another run instead: its run.json.",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in FOLDER.")
@click.option("--steps", type=click.IntRange(min=1), help="Train for this many steps instead of the recipe's.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Clips in a step, over all processes.")
@click.option("--learning-rate", type=float)
@click.option("--optimizer", type=click.Choice(["adamw", "muon"]), help="Muon: for the matrices inside the blocks.")
@click.option("--prediction-type", type=click.Choice(["velocity", "epsilon", "x0"]), help="What the model predicts.")
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16", "float16"]))
@click.option("--compile/--no-compile", "compile_", default=None, help="Compile the blocks: slow start, faster after.")
@click.option("--seed", type=click.IntRange(min=0))
@click.option("--clips", type=click.IntRange(min=1), help="Encode so many clips of Skyworld (not for rung mini).")
@click.option("--device", help="cpu, cuda or cuda:1. [default: a GPU if there is one]")
@click.option("--shard", is_flag=True, help="Split the weights among the processes of torchrun (FSDP2).")
def train(
    folder: Path,
    rung: str | None,
    recipe: Path | None,
    resume: bool,
    clips: int | None,
    device: str | None,
    shard: bool,
    compile_: bool | None,
    **changes,
) -> None:
    """Train a small video DiT into FOLDER: weights, checkpoints, metrics.jsonl, and clips on the way.

    The rung mini is the miniature of the first chapters; cpu, t4 and big are the small Sora of Skyworld.

    \b
    ditcourse train runs/first --rung mini --steps 500     a first look
    ditcourse train runs/first --rung mini --steps 500 --resume    after a stop: goes on where it was
    torchrun --nproc-per-node 2 -m ditcourse train runs/two    on two GPUs
    """
    from dataclasses import replace

    from ditcourse import environment
    from ditcourse.figures import save_clip, side_by_side
    from ditcourse.training import RunConfig, fit
    from ditcourse.training.checkpoint import last_checkpoint
    from ditcourse.training.distributed import is_main

    def keep(path: Path, clips, prompts) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_clip(side_by_side(clips), path.with_suffix(".webp"), scale=max(1, 64 // clips.shape[-1]))

    given = {"compile": compile_} | changes
    try:
        if rung and recipe:
            raise ValueError("--rung and --config both name a recipe; give one of them")
        name = f"Recipe {recipe}" if recipe else f"Rung {rung or environment.rung()}"
        config = RunConfig.read(recipe) if recipe else RunConfig.preset(rung or environment.rung())
        changes = {name: value for name, value in given.items() if value is not None}
        config = replace(config, train=replace(config.train, **changes), clips=clips or config.clips)
        if is_main():
            click.echo(f"{name}: {config.train.steps} steps of {config.train.batch_size} clips into {folder}.")
        found = last_checkpoint(folder) if resume else None
        done = found is not None and found.stem == f"step-{config.train.steps:06d}"
        trainer = fit(config, folder, device, resume, shard=shard, on_clips=keep)
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        longer = "steps = " in str(error)  # --resume with another --steps
        more = ". A run keeps its length: its learning rate is planned for it. Name another folder for a longer one."
        raise click.ClickException(str(error) + more * longer) from error
    if done and is_main():
        click.echo(f"{folder}: this run was done already, all {trainer.step} steps of it; nothing was left to train.")
    recent = trainer.losses[-50:]
    click.echo(f"{folder}: step {trainer.step}, loss {sum(recent) / len(recent):.3f}, {trainer.seconds:.0f} s.")


@main.command()
@click.option("--model", default="mini", show_default=True, help="Which weights: a name, or a folder of `train`.")
@click.option("--clips", "count", default=96, show_default=True, type=click.IntRange(min=2), help="How many clips.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
@click.option("--steps", "num_inference_steps", default=25, show_default=True, type=click.IntRange(min=1))
@click.option("--guidance", "guidance_scale", default=2.0, show_default=True)
@click.option(
    "--training-clips",
    "trained",
    default=1024,
    show_default=True,
    type=click.IntRange(min=0),
    help="Compare with so many of the clips that a model of Skyworld was trained on; 0: do not.",
)
@click.option("--device", help="cpu, cuda or cuda:1. [default: a GPU if there is one]")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write every figure into this JSON file.")
def evaluate(
    model: str, count: int, seed: int, trained: int, device: str | None, out: Path | None, **options
) -> None:
    """Make clips for captions in turn, and measure: is the prompt followed, how sharp, how smooth, how near to real.

    In brackets: 95 % of other draws of as many clips would lie between these (bootstrap).
    """
    from ditcourse import pipeline
    from ditcourse.evaluate import measure
    from ditcourse.training.hardware import choose_device

    try:
        pipe = pipeline.load(model).to(choose_device(device))
        seen = pipe.training_latents(trained) if trained and pipe.autoencoder is not None else None
        report = measure(pipe, count, seed, seen, progress=True, **options)
        if out is not None:
            out.write_text(json.dumps(report, indent=1) + "\n")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    steps, guidance = options["num_inference_steps"], options["guidance_scale"]
    click.echo(f"{count} clips of each split, {steps} steps, guidance {guidance}, seed {seed}:")
    for split in pipe.world.splits:
        click.echo(f"prompts of the split {split!r}")
        for kind, table in report[split].pop("prompt following").items():
            shares = (f"{name} {share:.3f} [{low:.2f}, {high:.2f}]" for name, (share, low, high) in table.items())
            click.echo(f"  {kind}: {'  '.join(shares)}")
        means = report[split].pop("mean") | {k: v for k, v in report[split].items() if k != "confusion"}
        for name, table in means.items():
            click.echo(f"  {name}: " + "  ".join(f"{kind} {value:.4g}" for kind, value in table.items()))


@main.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--model", default="mini", show_default=True, help="Which weights: a name, or a folder of `train`.")
def export(out: Path, model: str) -> None:
    """Write the denoiser as an ONNX program, OUT, for runtimes without PyTorch (needs onnxscript)."""
    from ditcourse import pipeline
    from ditcourse.export import export_denoiser

    try:
        difference = export_denoiser(pipeline.load(model).model, out)
    except (ValueError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {out.stat().st_size / 2**20:.1f} MB; differs from PyTorch by {difference:.1e} of its size.")


@main.command()
def info() -> None:
    """Versions and hardware, as the bug form asks for them."""
    click.echo(ditcourse.info())


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--form",
    default="sora",
    show_default=True,
    type=click.Choice(["sora", "counting"]),
    help="Chapter 1's sheet, or the second one, the best guess by counting.",
)
@click.option("--numbers", default="1-30", show_default=True, help="Which sheets: 1-30, or 3,5,8. 0 is the book's.")
@click.option("--paper", default="a4", show_default=True, type=click.Choice(["a4", "letter"]))
@click.option("--half", is_flag=True, help="Half sheets of chapter 1: patches, pixels and frames are filled in.")
def sheets(folder: Path, form: str, numbers: str, paper: str, half: bool) -> None:
    """Print hand sheets with other numbers for a class: FOLDER/sheets.pdf, and FOLDER/keys.pdf for the teacher."""
    from ditcourse.byhand import new_counting, new_exercise
    from ditcourse.figures.counting_paper import save_countings
    from ditcourse.figures.paper import save_sheets

    new, save, pages = (new_counting, save_countings, 1) if form == "counting" else (new_exercise, save_sheets, 2)
    try:
        if half and form != "sora":
            raise ValueError(f"--half: came with --form {form}; allowed: with --form sora only")
        chosen = [(new(number), f"sheet {number}") for number in _numbers(numbers)]
        folder.mkdir(parents=True, exist_ok=True)
        for name, kind in (("sheets.pdf", "half" if half else "blank"), ("keys.pdf", "key")):
            path = save(folder / name, chosen, kind, paper)
            click.echo(f"{path}: {len(chosen)} sheets, {pages * len(chosen)} pages")
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _numbers(text: str) -> list[int]:
    """"1-3,8" -> [1, 2, 3, 8]."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise ValueError(f"--numbers: came as {text!r}; allowed: numbers and ranges, such as 1-30 or 3,5,8")
        found += range(first, min(last, first + 200) + 1)
    if len(found) > 200:
        raise ValueError(f"--numbers: came as {text!r}; allowed: at most 200 sheets at a time")
    return found


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    default="marks.csv",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write the table.",
)
@click.option("--force", is_flag=True, help="Write over a table that is there already.")
@click.option(
    "--run",
    is_flag=True,
    help="Execute notebooks with answers that reading cannot tell, such as functions. That is submitted code with "
    "your rights, and it can fake its marks: for the code of strangers use a container.",
)
@click.option(
    "--timeout",
    default=120,
    show_default=True,
    type=click.IntRange(min=1),
    help="Seconds for each notebook that --run executes.",
)
def grade(folder: Path, out: Path, force: bool, run: bool, timeout: int) -> None:
    """Mark the notebooks and sheet links in FOLDER: a table with each exercise and its first slip.

    Links are taken from .txt, .md, .url and .webloc files. Nothing submitted is executed unless you add --run.
    """
    from ditcourse import grade as grading

    try:
        grading.check_free(out, force)
        rows, skipped = grading.grade(folder, run, timeout)
        if not rows:
            raise ValueError(f"{folder}: there is no notebook and no link of a sheet in it")
        grading.write(rows, out, force)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for line in grading.summary(rows, skipped):
        click.echo(line.encode(sys.stdout.encoding or "utf-8", "replace").decode(sys.stdout.encoding or "utf-8"))
    done = "Notebooks were executed (--run)." if run else "Nothing submitted was executed."
    click.echo(f"\n{out}: {len(rows)} rows. {done}")


@main.group()
def exercises() -> None:
    """Exercise notebooks."""


@exercises.command()
@click.argument("mine", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("newer", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def update(mine: Path, newer: Path) -> None:
    """Bring the half-done notebook MINE up to the template NEWER, keeping every cell that you have changed."""
    from ditcourse.exercises import BadNotebook
    from ditcourse.exercises import update as bring_up_to_date

    try:
        for line in bring_up_to_date(mine, newer):
            click.echo(line)
    except (BadNotebook, OSError) as error:
        raise click.ClickException(str(error)) from error
