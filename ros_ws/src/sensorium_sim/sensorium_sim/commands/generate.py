"""`sensorium generate`: demonstrations for training."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, TOUCH_FAMILIES

from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.generate import GenerateConfig, Made
from sensorium_sim.generate_pool import generate as generate_episodes
from sensorium_sim.generate_pool import missing_seeds, seeds_of
from sensorium_sim.grammar import SPLITS

_NOISE = DisturbanceConfig()
_SETS = {"tabletop": FAMILIES, "touch": TOUCH_FAMILIES, "all": ALL_FAMILIES}


def _families(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    """Names of families and of sets of them, each once, in the order told."""
    found: dict[str, None] = {}
    for name in filter(None, text.split(",")):
        if name not in ALL_FAMILIES and name not in _SETS:
            known = ", ".join((*ALL_FAMILIES, *_SETS))
            raise click.BadParameter(f"{name!r} is no family; choose from {known}")
        found.update(dict.fromkeys(_SETS.get(name, (name,))))
    if not found:
        raise click.BadParameter("names no family; name one or more, with commas between")
    return tuple(found)


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--episodes",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    help="How many; those that OUT holds already are kept and count.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Of the first episode; from 1000000 on, scenes are held out from training.",
)
@click.option(
    "--families",
    "--family",
    default="tabletop",
    show_default=True,
    callback=_families,
    help=f"What is done, in turn by seed: some of {', '.join(ALL_FAMILIES)}, with commas between, "
    "or tabletop (the first three), touch (the others), all.",
)
@click.option(
    "--phrasing",
    default="train",
    show_default=True,
    type=click.Choice(SPLITS),
    help="Which wordings are used.",
)
@click.option(
    "--camera-width",
    default=128,
    show_default=True,
    type=click.IntRange(16, 1920),
    help="Columns of every picture.",
)
@click.option(
    "--camera-height",
    default=96,
    show_default=True,
    type=click.IntRange(12, 1440),
    help="Rows of every picture: three quarters of the columns.",
)
@click.option(
    "--camera-rate",
    default=10.0,
    show_default=True,
    type=click.FloatRange(1, 100),
    help="Frames per second.",
)
@click.option(
    "--joint-rate",
    default="500",
    show_default=True,
    type=click.Choice(["250", "500"]),
    help="Joint states per second.",
)
@click.option("--wrist-depth", is_flag=True, help="Record the wrist camera's depth, too.")
@click.option(
    "--noise",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 5),
    help="Scales the disturbance of the expert: 4 mm a step, kicks of 2 cm.",
)
@click.option(
    "--disturbed",
    default=_NOISE.share,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Part of the episodes that are disturbed.",
)
@click.option(
    "--still",
    default=_NOISE.still_share,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Part in which nothing moves.",
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 256),
              help="Processes; one per core.")  # fmt: skip
def generate(
    out: Path,
    episodes: int,
    seed: int,
    families: tuple[str, ...],
    phrasing: str,
    camera_width: int,
    camera_height: int,
    camera_rate: float,
    joint_rate: str,
    wrist_depth: bool,
    noise: float,
    disturbed: float,
    still: float,
    workers: int,
) -> None:
    """Make demonstrations by scripted experts, each an MCAP bag OUT/ep_SEED.

    Bags hold the same topics as the live nodes. The same seed gives the same bytes. A run that was
    interrupted goes on where it stopped.
    """
    config = GenerateConfig(
        families=families,
        camera_width=camera_width,
        camera_height=camera_height,
        camera_rate_hz=camera_rate,
        joint_rate_hz=int(joint_rate),
        wrist_depth=wrist_depth,
        phrasing=phrasing,
        disturbance=_NOISE.scaled(noise, disturbed, still),
    )
    todo = missing_seeds(out, config, seeds_of(seed, episodes))
    signal.signal(signal.SIGTERM, _interrupt)
    tally = _Tally()
    console = Console(stderr=True)
    with _progress(console) as bar:
        task = bar.add_task("episodes", total=episodes, completed=episodes - len(todo), rate="")

        def count(made: Made) -> None:
            tally.add(made)
            bar.update(task, advance=1, rate=tally.rate())

        _run(lambda: generate_episodes(out, config, todo, workers, count), bar, task)
    click.echo(tally.report(out, episodes - len(todo)))


def _run(work: Callable[[], None], bar: Progress, task: TaskID) -> None:
    try:
        work()
    except KeyboardInterrupt:
        bar.update(task, rate="stopping")
        raise click.Abort from None


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}"),
        console=console,
    )


@dataclass
class _Tally:
    """Counts what was made."""

    began_s: float = field(default_factory=time.monotonic)
    tried: Counter[str] = field(default_factory=Counter)
    won: Counter[str] = field(default_factory=Counter)
    still: int = 0
    n_bytes: int = 0
    largest: int = 0

    def add(self, made: Made) -> None:
        self.n_bytes += made.n_bytes
        self.largest = max(self.largest, made.n_bytes)
        if made.success is None:
            self.still += 1
            return
        self.tried[made.family] += 1
        self.won[made.family] += made.success

    @property
    def made(self) -> int:
        return self.still + self.tried.total()

    def rate(self) -> str:
        per_hour = 3600 * self.made / max(time.monotonic() - self.began_s, 1e-3)
        return f"{per_hour:,.0f} an hour"

    def report(self, out: Path, kept: int) -> str:
        families = ", ".join(f"{f} {self.won[f]}/{self.tried[f]}" for f in sorted(self.tried))
        parts = [f"{out}: {self.made} made, {kept} kept"]
        if self.made:
            mean = self.n_bytes / self.made / 1e6
            parts.append(f"success {families or '-'}, {self.still} motionless")
            parts.append(f"{mean:.2f} MB on average, {self.largest / 1e6:.2f} at most")
            parts.append(self.rate())
        return "; ".join(parts)
