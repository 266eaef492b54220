"""`sensorium launch`: runs a ROS 2 YAML launch file without a ROS installation."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType

import click
from sensorium_core.errors import LaunchArgumentError
from sensorium_core.printable import printable, printable_lines

from sensorium_cli.console import Console
from sensorium_cli.launch.interpreter import declared_arguments
from sensorium_cli.launch.launcher import Launcher
from sensorium_cli.launch.output import Line

_POLL_S = 0.02
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("arguments", nargs=-1, metavar="[NAME:=VALUE]...")
@click.option("--show-args", "-s", is_flag=True, help="List the file's arguments and stop.")
@click.option("--dry-run", "-n", is_flag=True, help="Print what would be started and stop.")
@click.option(
    "--log-folder", type=click.Path(path_type=Path, file_okay=False),
    help="Where each process's log goes.  [default: a new folder under ~/.ros/log]",
)  # fmt: skip
@click.pass_context
def launch(
    ctx: click.Context,
    file: Path,
    arguments: tuple[str, ...],
    show_args: bool,
    dry_run: bool,
    log_folder: Path | None,
) -> None:
    """Start the nodes of a launch FILE as separate processes; Ctrl-C ends them all.

    FILE is in ROS 2's YAML launch format, and runs under `ros2 launch` as well.

    \b
    Example:
        sensorium launch launch/sim.launch.yaml camera_rate_hz:=15
    """
    if show_args:
        _show_arguments(file)
        return
    console = Console()
    launcher = Launcher(
        file, _parse_arguments(file, arguments), on_line=console.show, log_folder=log_folder
    )
    if dry_run:
        for process in launcher.plan.processes:
            click.echo(printable_lines(process.describe()))
        return
    console.show(Line("", f"logs in {launcher.log_folder}"))
    ctx.exit(_run(launcher, console))


def _run(launcher: Launcher, console: Console) -> int:
    """Run until all nodes have ended; each SIGINT or SIGTERM asks them to, with more force."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        received.append(number)

    before = {number: signal.signal(number, note) for number in _STOP_SIGNALS}
    try:
        with launcher:
            while (code := launcher.poll()) is None:
                while received:
                    name = signal.Signals(received.pop()).name
                    console.show(Line("", f"{name}: ending all nodes"))
                    launcher.request_stop()
                time.sleep(_POLL_S)
            return code
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parse_arguments(file: Path, words: tuple[str, ...]) -> dict[str, str]:
    """Split `name:=value` words.

    Raises:
        LaunchArgumentError: if one is not of this form.
    """
    pairs = {}
    for word in words:
        name, separator, value = word.partition(":=")
        if not separator or not name:
            names = [argument.name for argument in declared_arguments(file)]
            raise LaunchArgumentError(file, f"expected name:=value, got {word!r}", names)
        pairs[name] = value
    return pairs


def _show_arguments(file: Path) -> None:
    declared = declared_arguments(file)
    if not declared:
        click.echo(f"{file} takes no arguments.")
    for argument in declared:
        default = "must be given" if argument.default is None else f"default: {argument.default!r}"
        click.echo(f"{click.style(printable(argument.name), bold=True)}:=  ({printable(default)})")
        if argument.description:
            click.echo(f"    {printable(argument.description)}")
        if argument.choices:
            click.echo(f"    one of: {printable(', '.join(argument.choices))}")
