"""`sensorium import`: a foreign rosbag2 recording as a bag of ours."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sensorium_core.contract import load_contract
from sensorium_core.printable import printable

from sensorium_recording.importer import ImportReport, import_bag
from sensorium_recording.topic_map import parse_map

_EVERY = 256
_COLOURS = {"present": "green", "missing": "yellow", "wrong": "red"}


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--map", "pairs", multiple=True, metavar="FROM=TO", help="Rename a topic; may be repeated."
)
@click.option(
    "--map-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML lines FROM: TO; --map comes before it.",
)
@click.option(
    "--contract",
    "contract_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Goes into the bag; tabletop by default.",
)
def import_command(
    source: Path,
    output: Path,
    pairs: tuple[str, ...],
    map_file: Path | None,
    contract_file: Path | None,
) -> None:
    """Bring in SOURCE, a rosbag2 directory, .db3 or .mcap, as the bag OUT.

    Topics are renamed by the map; types, payloads and times stay as they are.
    """
    topic_map = parse_map(pairs, map_file)
    contract = load_contract(contract_file)
    with _progress() as progress:
        task, done = progress.add_task(f"importing {source.name}"), 0

        def advance(total: int) -> None:
            nonlocal done
            done += 1
            if done % _EVERY == 0:
                progress.update(task, completed=done, total=total)

        report = import_bag(source, output, topic_map, contract, advance)
    _show(report, contract.name)


def _show(report: ImportReport, contract_name: str) -> None:
    total = sum(report.counts.values())
    click.echo(f"{report.path}: {total:,} messages of {len(report.counts)} topics")
    for fit in report.fits:
        state = click.style(fit.state, fg=_COLOURS[fit.state])
        words = f": {fit.words}" if fit.words else ""
        what = printable(f"{fit.topic}{words}")
        click.echo(f"  {printable(contract_name)} {printable(fit.modality)}: {state}, {what}")
    for topic, (count, why) in report.skipped.items():
        words = printable(f"left out {topic}, {count:,} messages: {why}")
        click.secho(words, fg="yellow", err=True)
    for note in report.notes:
        click.secho(printable(note), fg="yellow", err=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
