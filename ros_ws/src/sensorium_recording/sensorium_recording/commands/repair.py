"""`sensorium repair`: a whole bag out of what a crash or a bad disk has left."""

from pathlib import Path

import click
from rich.console import Console
from rich.text import Text
from sensorium_core.printable import printable

from sensorium_recording.repair import Repair
from sensorium_recording.repair import repair as repair_bag

_NS = 1e9


@click.command()
@click.argument("bag", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--output", type=click.Path(path_type=Path),
    help="Where to write; NAME.partial becomes NAME, anything else NAME_repaired.",
)  # fmt: skip
def repair(bag: Path, output: Path | None) -> None:
    """Recover every complete chunk of BAG, a folder or an .mcap file, and say what is missing.

    BAG stays as it is.
    """
    with Console(stderr=True).status(Text(f"reading {bag}")):
        result = repair_bag(bag, output)
    _tell(result)


def _tell(result: Repair) -> None:
    span_s = (result.last_ns - result.first_ns) / _NS
    click.echo(f"{result.bag}: {result.messages} messages over {span_s:.3f} s")
    for file, damage in result.damages:
        place = f"byte {damage.offset}, {damage.length} bytes lost"
        click.echo(printable(f"  {file.name}, {place}: {damage.problem}"))
    for topic, count in sorted(result.missing.items()):
        click.echo(printable(f"  {topic}: {count} missing in between"))
    for (topic, why), count in sorted(result.left_out.items()):
        click.echo(printable(f"  {topic}: {count} left out: {why}"))
    for note in result.notes:
        click.echo(printable(f"  {note}"))
    if not (result.damages or result.missing or result.left_out):
        click.echo("  nothing is missing")
    click.echo(f"  what was received after {result.last_ns / _NS:.3f} s is not in {result.source}")
