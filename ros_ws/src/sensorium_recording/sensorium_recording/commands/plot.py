"""`sensorium plot`: an episode as one picture."""

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sensorium_recording.plot import plot_bag


@click.command()
@click.argument("bag", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A PNG; BAG.png beside the bag by default.",
)
@click.option("--episode", type=click.IntRange(0), help="One episode of a long bag, from 0.")
def plot(bag: Path, output: Path | None, episode: int | None) -> None:
    """Draw BAG: cameras, forces, motion, policy and gaps on one time axis."""
    target = output or bag.with_name(bag.name.removesuffix(".mcap") + ".png")
    with Console(stderr=True).status(Text(f"drawing {bag}")):
        made = plot_bag(bag, target, episode)
    click.echo(f"{made.path}: {made.duration_s:.1f} s")
    if made.undecodable:
        click.echo(f"{made.undecodable} messages could not be read and are not shown", err=True)
