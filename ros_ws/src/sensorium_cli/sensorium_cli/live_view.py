"""What a person sees while the demo runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sensorium_cli.attempt import Reports

_STYLES = {
    "acting": "cyan", "done": "green", "refused": "yellow", "holding": "yellow",
    "armed": "green", "stopped": "red", "success": "green", "failure": "red",
}  # fmt: skip


class LiveView:
    """`with LiveView(console, text) as view: view.show(reports)`."""

    def __init__(self, console: Console, text: str) -> None:
        """Show on `console` what becomes of the instruction `text`."""
        self._console, self._text = console, text
        self._live = Live(console=console, refresh_per_second=5, transient=False)
        self._last: dict[str, str] = {}
        self.note = "starting the nodes"
        """What the demo itself is doing."""

    def __enter__(self) -> LiveView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def say(self, note: str) -> None:
        """Tell what the demo is doing now."""
        if note != self.note:
            self.note = note
            if not self._console.is_terminal:
                self._print(f"demo: {note}")

    def show(self, reports: Reports) -> None:
        """Bring the display up to date."""
        if self._console.is_terminal:
            self._live.update(render(self._text, self.note, reports))
            return
        for name in ("policy", "gate", "sim"):
            message = reports[name].message if name in reports else ""
            if message and self._last.get(name) != message:
                self._last[name] = message
                self._print(f"{name}: {message}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def render(text: str, note: str, reports: Reports) -> Panel:
    """One picture of the status."""
    head = Table.grid(padding=(0, 2))
    head.add_column(style="dim")
    head.add_column()
    head.add_row("told", Text(text, style="bold"))
    head.add_row("demo", note)
    for label, name in (("policy", "policy"), ("gate", "gate"), ("judge", "sim")):
        message = reports[name].message if name in reports else "-"
        head.add_row(label, Text(message, style=_STYLES.get(message.partition(":")[0], "")))
    head.add_row("pace", pace_words(reports))
    return Panel(Group(head, senses_table(reports)), title="sensorium demo", title_align="left")


def pace_words(reports: Reports) -> str:
    """Latency of the last plan and the simulator's pace, in words."""
    values = reports["policy"].values if "policy" in reports else {}
    words = []
    if values.get("planned") == "true":
        words.append(f"camera to proposal {1e3 * float(values['latency_s/total']):.1f} ms")
    if "latency_s/policy" in values:
        words.append(f"policy {1e3 * float(values['latency_s/policy']):.1f} ms")
    if "sim health" in reports:
        factor = reports["sim health"].values.get("real_time_factor", "?")
        words.append(f"simulation at {factor} x real time")
    return ", ".join(words) or "-"


def senses_table(reports: Reports) -> Table:
    """Age, validity and weight of every sense."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("sense", "age", "valid", "weight"):
        table.add_column(column, justify="left" if column == "sense" else "right")
    values = reports["policy"].values if "policy" in reports else {}
    for key in (key for key in values if key.startswith("age_s/")):
        name = key.removeprefix("age_s/")
        valid = values.get(f"valid/{name}") == "true"
        age = values[key]
        table.add_row(
            name,
            "never" if age == "inf" else f"{1e3 * float(age):.0f} ms",
            Text("yes" if valid else "no", style="green" if valid else "red"),
            _weight(values, name),
        )
    return table


def _weight(values: dict[str, str], modality: str) -> str:
    """The weight of the sense that a modality belongs to."""
    senses = {"scene_depth": "cloud", "touch_left": "pads", "touch_right": "pads"}
    weight = values.get(f"weight/{senses.get(modality, modality)}")
    return f"{100 * float(weight):.0f} %" if weight is not None else "-"
