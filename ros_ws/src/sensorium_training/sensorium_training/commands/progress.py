"""The progress bar of long commands: what, how far, time spent, time left, a note."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_SPEED_OVER_S = 3600.0
"""What is left is told by the speed of this time: one training of a study takes many minutes."""


def progress_bar(shown: bool = True) -> Progress:
    """A bar on the error stream; tasks have a field `note`."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        disable=not shown,
        speed_estimate_period=_SPEED_OVER_S,
    )
