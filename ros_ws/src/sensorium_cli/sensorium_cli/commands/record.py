"""`sensorium record`: what the robot senses and does, into a bag, every loss accounted for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sensorium_core.printable import printable
from sensorium_recording.recorder_config import RecorderConfig

from sensorium_cli.middleware import middleware_environment

if TYPE_CHECKING:
    from sensorium_recording.recorder import Recorder

_DEFAULT = RecorderConfig()


@click.command()
@click.argument("topics", nargs=-1)
@click.option("--output", "-o", default=_DEFAULT.output, show_default=True, help="Folder of bags.")
@click.option("--name", default=_DEFAULT.name, show_default=True, help="Name of the bag.")
@click.option(
    "--split-gb", default=_DEFAULT.split_gb, show_default=True, type=float,
    help="A new file of the bag after this much; 0: never.",
)  # fmt: skip
@click.option(
    "--split-s", default=_DEFAULT.split_s, show_default=True, type=float,
    help="A new file of the bag after this long [s]; 0: never.",
)  # fmt: skip
@click.option(
    "--min-free-gb", default=_DEFAULT.min_free_gb, show_default=True, type=float,
    help="With less room left on the disk the bag is closed.",
)  # fmt: skip
@click.option(
    "--episodes", default=_DEFAULT.episodes, show_default=True,
    type=click.Choice(["instruction", "service"]), help="What marks episodes.",
)  # fmt: skip
@click.option("--contract", default="", help="Contract (YAML) whose topics are recorded.")
@click.option("--calibration", default="", help="Folder of calibration files to put in the bag.")
@click.option("--namespace", default="", help="Of the robot, such as left.")
def record(
    topics: tuple[str, ...],
    output: str,
    name: str,
    split_gb: float,
    split_s: float,
    min_free_gb: float,
    episodes: str,
    contract: str,
    calibration: str,
    namespace: str,
) -> None:
    """Record TOPICS, or else every topic of the contract and what goes with it, until Ctrl-C.

    \b
    Examples:
        sensorium record
        sensorium record -o bags --name kitchen --split-s 600
        sensorium record wrench joint_states
    """
    config = RecorderConfig(output, name, split_gb, split_s, min_free_gb, episodes)  # type: ignore[arg-type]
    os.environ.update(middleware_environment(os.environ))
    # ROS must see the environment before it is imported.
    from sensorium_core.nodes.process import run_node
    from sensorium_recording.nodes.recorder_node import RecorderNode

    recorders: list[Recorder] = []

    def build() -> RecorderNode:
        node = RecorderNode(config, topics, contract, calibration, namespace)
        node.start_up()
        recorders.append(node.recorder)
        return node

    with Live(console=Console(stderr=True), auto_refresh=False) as live:

        def attend(node: RecorderNode) -> bool:
            if sys.stderr.isatty():
                live.update(table(node.recorder), refresh=True)
            return bool(node.recorder.problem)

        run_node(build, [], attend)
    _tell(recorders[0])


def table(recorder: Recorder) -> Table:
    """What is recorded at the moment."""
    status = recorder.status()
    made = Table(title=Text(printable(status.message)), title_justify="left")
    made.add_column("topic")
    for name in ("received", "written", "lost"):
        made.add_column(name, justify="right")
    for topic in recorder.accounts:
        counts = [status.values[f"{name}/{topic}"] for name in ("received", "written", "lost")]
        made.add_row(Text(printable(topic)), *counts, style="red" if counts[2] != "0" else "")
    if recorder.waiting:
        made.caption = Text(printable(f"nobody is heard on: {', '.join(recorder.waiting)}"))
    return made


def _tell(recorder: Recorder) -> None:
    if recorder.problem:
        click.echo(printable(f"error: {recorder.problem}"), err=True)
        sys.exit(1)
    written = sum(account.written for account in recorder.accounts.values())
    lost = {topic: account.lost for topic, account in recorder.accounts.items() if account.lost}
    where = f" ({', '.join(f'{n} of {topic}' for topic, n in lost.items())})" if lost else ""
    path = Path(str(recorder.last))
    click.echo(printable(f"{path}: {written} messages, {sum(lost.values())} lost{where}"))
    if recorder.waiting:
        unheard = ", ".join(recorder.waiting)
        click.secho(printable(f"nobody was heard on: {unheard}"), fg="yellow", err=True)
