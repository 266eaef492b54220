"""`sensorium record` as a person uses it: a process that Ctrl-C ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sensorium_recording.bag_reader import BagReader

pytest.importorskip("rclpy")
_ENVIRONMENT = {**os.environ, "ROS_DOMAIN_ID": "74", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def start(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sensorium_cli.main", "record", *options]
    return subprocess.Popen(
        command, env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_closes_a_valid_bag_and_says_what_is_in_it(tmp_path: Path) -> None:
    process = start("--output", str(tmp_path), "--name", "run", "--min-free-gb", "0.1")
    while not (tmp_path / "run.partial").is_dir():
        assert process.poll() is None
    assert process.stderr is not None
    while "recording to" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"{tmp_path / 'run'}: " in output
    assert "0 lost" in output
    assert {"contract", "recording"} <= BagReader(tmp_path / "run").metadata().keys()


def test_without_room_nothing_is_begun(tmp_path: Path) -> None:
    process = start("--output", str(tmp_path), "--min-free-gb", "900000")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "GB left" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
