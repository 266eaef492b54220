"""`sensorium replay`: its options and keys, and the launch file of the same name."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner
from sensorium_cli import parity
from sensorium_cli.commands.replay import replay
from sensorium_cli.keyboard import Keyboard
from sensorium_cli.launch.interpreter import interpret
from sensorium_core.cdr import wrench_layout
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.play_list import PlayerConfig, choose_topics

REPLAY = [sys.executable, "-m", "sensorium_cli.main", "replay"]
LAUNCH = Path(__file__).resolve().parents[4] / "launch/replay.launch.yaml"
WRENCH = "geometry_msgs/msg/WrenchStamped"
S = 1_000_000_000


@pytest.fixture
def bag(tmp_path):
    layout = wrench_layout("tool")
    with BagWriter(tmp_path / "bag") as writer:
        for i in range(500):
            t_ns = S + i * S // 500
            writer.write("/wrench", WRENCH, t_ns, layout.encode_one(t_ns, [float(i)] * 6))
    return writer.directory


@pytest.fixture
def environment():
    return os.environ | {"ROS_DOMAIN_ID": "183", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def run(environment, *arguments, stdin=subprocess.DEVNULL):
    return subprocess.run(
        [*REPLAY, *map(str, arguments)], stdin=stdin, capture_output=True, text=True, timeout=60,
        env=environment,
    )  # fmt: skip


def test_a_bag_is_played_from_where_it_is_told_to_its_end(environment, bag):
    done = run(environment, bag, "--rate", "2", "--start", "0.5")
    assert done.returncode == 0, done.stderr
    assert "played 0.498 s, 250 messages; timing error p50" in done.stderr


@pytest.mark.parametrize(("keys", "played"), [(b" ", 500), (b"s" * 500, 500), (b"q", 0)])
def test_keys_resume_step_and_quit_and_the_terminal_is_as_before(environment, bag, keys, played):
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    os.write(ours, keys)
    done = run(environment, bag, "--paused", stdin=theirs)
    assert done.returncode == 0, done.stderr
    assert f" {played} messages" in done.stderr
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


def test_keys_are_read_at_once_and_only_from_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    with open(theirs) as stream, Keyboard(stream) as keyboard:
        assert keyboard.pressed() == ""
        os.write(ours, b" s")
        assert keyboard.pressed() == " s"
    os.close(ours)
    (tmp_path / "file").write_text("q")
    with (tmp_path / "file").open() as stream, Keyboard(stream) as keyboard:
        assert keyboard.pressed() == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nowhere"], "bag nowhere: does not exist"),
     (["{bag}", "--topics", "lidar"], "unknown topic '/lidar'; allowed: /wrench"),
     (["{bag}", "--start", "9"], "lasts 0.998 s")],
)  # fmt: skip
def test_what_cannot_be_played_is_a_plain_error(environment, bag, arguments, words):
    done = run(environment, *(a.format(bag=bag) for a in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_hands_bag_policy_and_language_over_and_returns_its_code(bag, monkeypatch):
    asked = []
    monkeypatch.setattr(parity, "verify_command", lambda *a: asked.append(a) or 1)
    done = CliRunner().invoke(replay, [str(bag), "--verify", "--policy", "p.onnx"])
    assert (done.exit_code, asked) == (1, [(bag, Path("p.onnx"), None)])


def test_launch_file_plays_what_was_sensed_and_leaves_out_what_our_nodes_say():
    plan = interpret(LAUNCH, {"bag": "b", "rate": "2"}, dict(os.environ))
    nodes = {text.split(":")[0]: text for text in (p.describe() for p in plan.processes)}
    assert set(nodes) == {"fusion", "player"}
    assert "use_sim_time: True" in nodes["fusion"]
    assert "rate: 2.0" in nodes["player"]
    line = next(line for line in nodes["player"].splitlines() if "exclude:" in line)
    exclude = line.split(":", 1)[1].strip(" '")
    sensed = dict.fromkeys(["/wrench", "/arm_controller/joint_trajectory"])
    said = dict.fromkeys(["/command/joint_trajectory", "/policy/step", "/left/gate/status"])
    assert set(choose_topics(sensed | said, "", exclude)) == set(sensed)
    options = {line.split(":")[0].strip() for line in nodes["player"].splitlines()[1:]}
    assert options <= set(PlayerConfig.__dataclass_fields__)
