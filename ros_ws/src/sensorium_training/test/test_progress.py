"""The bar of long commands says what is done, how far it is and how long it will take."""

from rich.console import Console
from sensorium_training.commands.progress import progress_bar


def test_a_bar_tells_the_time_spent_and_the_time_left() -> None:
    bar, now_s = progress_bar(), [0.0]
    bar.get_time = lambda: now_s[0]
    task = bar.add_task("train", total=1000, note="chunk 0.3")
    bar.start_task(task)
    for step in range(1, 11):
        now_s[0] = 60.0 * step
        bar.update(task, completed=10 * step)
    console = Console(width=100, color_system=None)
    with console.capture() as told:
        console.print(bar.get_renderable())
    line = told.get()
    assert "train" in line
    assert "0:10:00 left 1:30:00" in line, "900 of 1000 to go, 10 a minute"
    assert "chunk 0.3" in line
