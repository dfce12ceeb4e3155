"""The `ditcourse` command: `ditcourse sample "a red circle moves left"`, `ditcourse info`, ..."""

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
    help="Where to write the clip: .webp, .gif or .png (animated).",
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
    from ditcourse import pipeline, world
    from ditcourse.figures import save_clip

    try:
        named = world.parse(prompt)
        clip = pipeline.load(model)([prompt], seed, num_inference_steps, guidance_scale)
        save_clip(clip[0], out)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    reading = world.read(clip)[0]
    follows = all(getattr(reading, attribute) == value for attribute, value in named.items())
    click.echo(
        f"{out}: the oracle reads a {reading.colour} {reading.shape} that moves {reading.direction}; "
        f"the prompt is {'followed' if follows else 'NOT followed'}."
    )


@main.command()
def info() -> None:
    """Versions and hardware, as the bug form asks for them."""
    click.echo(ditcourse.info())


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
