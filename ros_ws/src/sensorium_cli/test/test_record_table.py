"""The table of `sensorium record` and errors show names as they are, whatever they hold."""

from io import StringIO
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console
from sensorium_cli.commands.record import table
from sensorium_cli.main import Failure
from sensorium_recording.recorder import Recorder

STEER = "\x1b[2J\u202e"


def test_topics_and_notices_cannot_steer_the_terminal() -> None:
    status = SimpleNamespace(
        message=f"[/b]{STEER}",
        values=dict.fromkeys((f"{n}/[/b]{STEER}" for n in ("received", "written", "lost")), "0"),
    )
    recorder = SimpleNamespace(
        status=lambda: status, accounts={f"[/b]{STEER}": None}, waiting=[f"[/c]{STEER}"]
    )
    shown = StringIO()
    console = Console(width=100, file=shown, highlight=False)
    console.print(table(cast("Recorder", recorder)))
    assert "[/b]\\x1b[2J\\u202e" in shown.getvalue()
    assert "[/c]" in shown.getvalue()
    assert not set("\x1b\u202e") & set(shown.getvalue())


def test_an_error_keeps_its_lines_and_nothing_that_steers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Failure(f"topic {STEER}\nname another").show()
    told = capsys.readouterr().err
    assert "topic \\x1b[2J\\u202e\nname another\n" in told
