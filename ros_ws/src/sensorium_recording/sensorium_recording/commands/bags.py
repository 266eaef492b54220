"""`sensorium bags`: what lies in a directory of recordings, and how well it was recorded."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from sensorium_core.contract import Contract, tabletop
from sensorium_core.printable import printable

from sensorium_recording.bag_entry import BagEntry
from sensorium_recording.index import EpisodeIndex

_COLOURS = {"success": "green", "failure": "red"}


@click.command()
@click.argument(
    "directory", default="data", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--json", "as_json", is_flag=True, help="Everything that the index holds, as JSON.")
@click.option("--namespace", default="", help="Robot whose topics are judged, such as left_arm.")
@click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(1),
    help="Processes that read new bags.",
)  # fmt: skip
def bags(directory: Path, as_json: bool, namespace: str, workers: int) -> None:
    """List the bags below DIRECTORY with their episodes and health, and sum them up.

    New and changed bags are read once, from end to end; the index lies in DIRECTORY/.sensorium.
    """
    index = _index(directory, workers)
    contract = tabletop()
    summary = summarise(index.entries)
    if as_json:
        entries = [{**e.to_json(), "problems": _problems(e, contract, namespace)}
                   for e in index.entries]  # fmt: skip
        click.echo(json.dumps({"bags": entries, "summary": asdict(summary)}, indent=1))
        return
    console = Console()
    console.print(_table(index.entries, contract, namespace))
    console.print(_sentence(summary), highlight=False, markup=False)
    if index.unsaved:
        click.echo(printable(index.unsaved), err=True)


@dataclass(frozen=True)
class Summary:
    """Totals over bags."""

    bags: int
    states: dict[str, int]
    """Bags that are whole, damaged or being recorded."""
    hours: float
    size: int
    """Bytes on disk."""
    messages: int
    episodes: int
    outcomes: dict[str, int]
    families: dict[str, tuple[int, int]]
    """Successes and episodes by family of tasks."""


def summarise(entries: list[BagEntry]) -> Summary:
    """Add up."""
    episodes = [episode for entry in entries for episode in entry.episodes]
    families: dict[str, tuple[int, int]] = {}
    for episode in episodes:
        if episode.family:
            good, all_of_it = families.get(episode.family, (0, 0))
            families[episode.family] = good + (episode.outcome == "success"), all_of_it + 1
    return Summary(
        bags=len(entries),
        states=dict(Counter(entry.state for entry in entries)),
        hours=sum(entry.duration_s for entry in entries) / 3600,
        size=sum(entry.size for entry in entries),
        messages=sum(entry.messages for entry in entries),
        episodes=len(episodes),
        outcomes=dict(Counter(episode.outcome or "unjudged" for episode in episodes)),
        families=dict(sorted(families.items())),
    )


def _index(directory: Path, workers: int) -> EpisodeIndex:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading new bags", total=None)
        return EpisodeIndex(
            directory, workers, lambda done, total: bar.update(task, completed=done, total=total)
        )


def _table(entries: list[BagEntry], contract: Contract, namespace: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("bag", overflow="fold")
    for name in ("s", "MB", "episodes"):
        table.add_column(name, justify="right")
    for name in ("instruction", "outcome", "health"):
        table.add_column(name, overflow="fold")
    for entry in entries:
        problems = _problems(entry, contract, namespace)
        words = Text(printable("; ".join(problems)) or "good", "red" if problems else "green")
        table.add_row(
            Text(printable(entry.path)), f"{entry.duration_s:.1f}", f"{entry.size / 1e6:.1f}",
            str(len(entry.episodes)), Text(printable(_instructions(entry))), _outcomes(entry),
            words,
        )  # fmt: skip
    return table


def _instructions(entry: BagEntry) -> str:
    told = [e.instruction for e in entry.episodes if e.instruction]
    more = f" (+{len(told) - 1})" if len(told) > 1 else ""
    return told[0] + more if told else ""


def _outcomes(entry: BagEntry) -> Text:
    counts = Counter(e.outcome for e in entry.episodes if e.outcome)
    words = []
    for outcome, count in counts.items():
        colour = _COLOURS.get(outcome, "yellow")
        times = f" x{count}" if count > 1 else ""
        words.append(Text(printable(outcome) + times, colour))
    return Text(", ").join(words)


def _problems(entry: BagEntry, contract: Contract, namespace: str) -> list[str]:
    if entry.state != "whole":
        return [entry.problem]
    health = entry.health(contract, namespace).values()
    return [f"{one.name} {one.problem}" for one in health if one.problem]


def _sentence(summary: Summary) -> str:
    states = ", ".join(f"{count} {state}" for state, count in summary.states.items())
    judged = ", ".join(
        f"{count} {printable(outcome)}" for outcome, count in summary.outcomes.items()
    )
    return "\n".join(
        [
            f"{summary.bags} bags ({states or 'none'}), {summary.hours:.2f} h, "
            f"{summary.size / 1e6:.1f} MB, {summary.messages} messages",
            f"{summary.episodes} episodes: {judged}" if judged else "no episodes",
            *(
                f"  {printable(family)}: {good} of {count} succeeded"
                for family, (good, count) in summary.families.items()
            ),
        ]
    )
