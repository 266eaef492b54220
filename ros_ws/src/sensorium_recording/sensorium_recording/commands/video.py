"""`sensorium video`: an MP4 of a recorded episode."""

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from sensorium_recording.video import make_video


@click.command()
@click.argument("bag", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--fps", default=25, show_default=True, type=click.IntRange(1, 60), help="Frames/s.")
def video(bag: Path, output: Path | None, fps: int) -> None:
    """Draw an episode: both cameras, forces, the instruction, policy and gate.

    BAG is a rosbag2 directory or an .mcap file; OUTPUT defaults to BAG.mp4 beside it.
    """
    target = output or bag.with_name(bag.name.removesuffix(".mcap") + ".mp4")
    with Console(stderr=True).status(Text(f"drawing {bag}")):
        made = make_video(bag, target, fps)
    click.echo(f"{made.path}: {made.frames} frames, {made.duration_s:.1f} s, {made.codec}")
