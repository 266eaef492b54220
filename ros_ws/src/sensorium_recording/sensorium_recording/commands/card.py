"""`sensorium card`: what a bag holds and how good each stream is."""

from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sensorium_core.printable import printable

from sensorium_recording.card import Card, make_card
from sensorium_recording.health import Health

_LEAST_WIDTH = 200
"""Rather long lines than numbers cut short."""
_STYLES = {"ok": "green", "note": "yellow", "fault": "bold red"}
_LOSSES = ("received", "written", "lost_transport", "lost_reader", "lost_queue", "lost_write")


@click.command()
@click.argument("bag", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="All of it, for programs.")
def card(bag: Path, as_json: bool) -> None:
    """Show what BAG holds and how good each stream is.

    Rate, jitter, gaps, age, entropy and saturation by stream; then a verdict in words.
    """
    with Console(stderr=True).status(Text(f"reading {bag}")):
        made = make_card(bag)
    if as_json:
        click.echo(made.to_json())
        return
    console = Console(highlight=False)
    if console.width < _LEAST_WIDTH:
        console = Console(highlight=False, width=_LEAST_WIDTH)
    show(made, console)


def show(made: Card, console: Console) -> None:
    """Print a card."""
    console.print(_facts(made), soft_wrap=True, markup=False)
    console.print(_times(made))
    console.print(_contents(made))
    if made.loss:
        _show_losses(made, console)
    for name, verdict in made.verdicts.items():
        words = Text.assemble(
            (printable(f"{name}: "), ""), (printable(verdict.words), _STYLES[verdict.level])
        )
        console.print(words, soft_wrap=True)


def _facts(made: Card) -> str:
    lines = [
        f"{made.path}: {made.duration_s:.1f} s, {made.messages:,} messages, "
        f"{made.size_bytes / 1e6:.2f} MB in {made.files} file{'s' * (made.files > 1)}, "
        f"compressed {made.compression_ratio:.2f} times",
        f"contract {made.contract or 'none'}"
        + (f", policy {made.policy_sha256[:12]}" if made.policy_sha256 else ""),
    ]
    if made.recorder:
        noted = (f"{name.replace('_', ' ')} {text}" for name, text in made.recorder.items())
        lines.append("recorder: " + ", ".join(noted))
    for episode in made.episodes:
        end = "" if episode.end_ns is None else f" to +{_since(made, episode.end_ns)}"
        verdict = f"{episode.outcome} ({episode.reason})" if episode.reason else episode.outcome
        lines.append(
            f"episode {episode.number}, +{_since(made, episode.start_ns)}{end}: "
            f"{episode.instruction!r}: {verdict or 'not judged'}"
        )
    return "\n".join(printable(line) for line in lines)


def _times(made: Card) -> Table:
    ages = ("age p50", "age p99", "age max")
    columns = ("n", "Hz", "jitter", "p99", "gaps", "longest", *ages, "dup", "odd")
    table = _table("times [ms]", ("stream", "type", *columns))
    for h in made.streams:
        t = h.timing
        table.add_row(
            _cell(h.topic),
            _cell(h.type_name.split("/")[-1]),
            f"{h.count:,}",
            _rate(h),
            *(_number(v) for v in (t.jitter_std_ms, t.interval_p99_ms)),
            str(t.gaps),
            _longest(made, h) if t.gaps or t.stale else "",
            *(_number(v) for v in (t.age_p50_ms, t.age_p99_ms, t.age_max_ms)),
            str(t.duplicates),
            str(t.backwards + t.bad_stamps + t.unstamped),
        )
    return table


def _contents(made: Card) -> Table:
    columns = ("entropy", "per", "at min", "at max", "NaN", "repeats", "unread", "looked at")
    table = _table("contents, entropy in bits", ("stream", *columns))
    for h in made.streams:
        if h.content is None:
            continue
        c = h.content
        table.add_row(
            _cell(h.topic),
            f"{c.entropy_bits:.2f}",
            c.unit,
            *(f"{share:.2%}" for share in (c.at_low, c.at_high, c.not_finite)),
            f"{h.repeats / h.count:.2%}",
            str(h.undecodable),
            f"{c.sampled:.1%}",
        )
    return table


def _show_losses(made: Card, console: Console) -> None:
    """The sums, and a table of the topics that lost something."""
    sums = {name: sum(_count(v, name) for v in made.loss.values()) for name in _LOSSES}
    lost = sum(sums[name] for name in _LOSSES[2:])
    console.print(
        f"the recorder counted {sums['received']:,} received, {sums['written']:,} written, "
        f"{lost:,} lost"
    )
    if not lost:
        return
    names = (name.replace("_", " ") for name in _LOSSES)
    table = _table("lost messages", ("stream", *names))
    for topic, values in made.loss.items():
        if any(_count(values, name) for name in _LOSSES[2:]):
            table.add_row(_cell(topic), *(str(_count(values, name)) for name in _LOSSES))
    console.print(table)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        left = column in ("stream", "type")
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    return table


def _cell(text: str) -> Text:
    return Text(printable(text))


def _count(values: dict[str, object], name: str) -> int:
    """What the recorder counted; zero where a bag says nonsense."""
    found = values.get(name, 0)
    return found if isinstance(found, int) else 0


def _longest(made: Card, health: Health) -> str:
    timing = health.timing
    at_ns = timing.longest_gap_at_ns or made.start_ns
    return f"{_number(timing.longest_gap_ms)} at +{_since(made, at_ns)}"


def _rate(health: Health) -> str:
    rate, expected = health.timing.rate_hz, health.expected_rate_hz
    shown = "" if rate is None else f"{rate:.1f}"
    return shown if expected is None else f"{shown} of {expected:.0f}"


def _number(value: float | None) -> str:
    return (
        ""
        if value is None
        else f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"
    )


def _since(made: Card, t_ns: int) -> str:
    return f"{(t_ns - made.start_ns) / 1e9:.2f} s"
