"""What bags say reaches the terminal as words, neither as control codes nor as markup."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sensorium_core.contract import tabletop
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.card import make_card
from sensorium_recording.commands.bags import bags
from sensorium_recording.commands.card import card
from sensorium_recording.commands.import_bag import import_command
from sensorium_recording.commands.repair import repair
from sensorium_recording.episode_marks import Mark
from sensorium_recording.messages import encode_string

STEER = "\x1b]0;owned\x07\x1b[2J\u202e"
MARKUP = "[/b][nonsense]"
S = 10**9
STRING = "std_msgs/msg/String"


@pytest.fixture
def bag(record: Callable[..., Path], tmp_path: Path) -> Path:
    path = tmp_path / "bags" / "ep"
    start = Mark("start", 0, f"push {MARKUP}{STEER}")
    end = replace(start, event="end", outcome=f"success{MARKUP}{STEER}")
    return record(path, marks=[(0.2, start), (0.8, end)])


def odd(path: Path) -> Path:
    with BagWriter(path) as writer:
        writer.write_metadata("contract", {"json": tabletop().to_json()})
        counts = {"received": STEER, "written": [1], "lost_queue": 3}
        noted = {f"/a{MARKUP}{STEER}": json.dumps(counts), "why": f"{{{MARKUP}{STEER}"}
        writer.write_metadata("recording", noted)
        writer.write(f"/a{MARKUP}{STEER}", STRING, S, encode_string("x"))
        writer.write(f"/b{MARKUP}", "geometry_msgs/msg/WrenchStamped", S, b"\x00\x01\x00\x00odd")
    return path


def said(command: click.Command, *arguments: object, columns: str = "400") -> str:
    done: Result = CliRunner().invoke(
        command, [str(argument) for argument in arguments], env={"COLUMNS": columns}
    )
    assert done.exception is None, done.exception
    assert not set(STEER) - set("]0;owned[2J") & set(done.output)
    return done.output


def test_bags_shows_instructions_and_outcomes_as_they_are(bag: Path) -> None:
    output = said(bags, bag.parent, "--workers", 1)
    assert f"push {MARKUP}\\x1b]0;owned" in output
    assert f"success{MARKUP}\\x1b" in output


def test_card_shows_topics_and_notes_as_they_are(tmp_path: Path, bag: Path) -> None:
    assert f"push {MARKUP}" in said(card, bag)
    output = said(card, odd(tmp_path / "odd"))
    assert f"/b{MARKUP}" in output
    assert f"/a{MARKUP}\\x1b" in output
    assert "3 lost" in output


def test_notes_of_the_recorder_that_are_no_counts_stay_words(tmp_path: Path) -> None:
    assert make_card(odd(tmp_path / "odd")).recorder["why"].startswith("{[/b]")


def test_repair_and_import_say_topics_as_they_are(tmp_path: Path) -> None:
    source = odd(tmp_path / "odd")
    said(repair, source)
    said(import_command, source, tmp_path / "out")


def test_a_folder_named_like_markup_is_no_markup(tmp_path: Path) -> None:
    source = odd(tmp_path / "[" / "b]")
    said(card, source)
    said(repair, source)
