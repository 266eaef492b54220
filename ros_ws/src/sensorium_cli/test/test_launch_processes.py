"""Real processes: their output, their end, and that nothing is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sensorium_cli.launch.launcher import Launcher
from sensorium_cli.launch.output import Line
from sensorium_cli.launch.warden import is_alive

PATIENCE_S = 20.0


def wait_for(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


class Run:
    """A launcher with everything it showed."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.lines: list[Line] = []
        self.launcher = Launcher(path, on_line=self.lines.append, log_folder=folder)

    def texts(self, label: str) -> list[str]:
        return [line.text for line in self.lines if line.label == label]

    def finish(self) -> int:
        wait_for(lambda: self.launcher.poll() is not None)
        return self.launcher.poll() or 0


@pytest.fixture
def run(write, tmp_path):
    def _run(text: str) -> Run:
        return Run(write(text), tmp_path / "log")

    return _run


def test_output_is_shown_with_its_sender_and_kept_in_files(run, tmp_path):
    it = run("""
        launch:
        - executable:
            cmd: "sh -c 'echo one; echo two >&2; printf three'"
            name: a
            output: screen
        - executable: {cmd: "sh -c 'echo quiet; echo loud >&2'", name: b, output: log}
    """)
    with it.launcher:
        assert it.finish() == 0
    assert sorted(it.texts("a")) == ["one", "three", "two"]
    assert it.texts("b") == ["loud"]
    assert [line.is_error for line in it.lines if line.text in ("two", "loud")] == [True, True]
    assert (tmp_path / "log/b.log").read_text() == "quiet\nloud\n"


def test_failure_of_one_is_the_exit_code_and_a_silent_one_shows_its_last_lines(run):
    it = run("""
        launch:
        - executable: {cmd: "sh -c 'echo clue; exit 3'", name: a}
        - executable: {cmd: "true", name: b}
    """)
    with it.launcher:
        assert it.finish() == 1
    assert it.texts("a") == ["clue"]
    assert "a ended: exit code 3" in it.texts("")


def test_a_command_that_does_not_exist_fails_in_words(run):
    it = run("launch:\n- executable: {cmd: /nowhere/at/all, name: a}")
    with it.launcher:
        assert it.finish() == 1
    assert "a cannot start" in it.texts("")[0]


def test_respawn_starts_again_at_most_as_often_as_told(run):
    it = run("""
        launch:
        - executable:
            cmd: "sh -c 'echo up; exit 1'"
            name: a
            output: screen
            respawn: "true"
            respawn_delay: 0.05
            respawn_max_retries: 2
    """)
    with it.launcher:
        assert it.finish() == 1
    assert it.texts("a") == ["up", "up", "up"]
    assert it.texts("")[-1] == "failed: a ended: exit code 1, after 2 restarts: up"


def test_a_process_that_fails_after_its_last_restart_ends_the_others(run):
    it = run("""
        launch:
        - executable:
            {cmd: "sh -c 'kill -9 $$'", name: a, respawn: "true", respawn_max_retries: 3}
        - executable: {cmd: "sleep 100", name: other}
    """)
    with it.launcher:
        assert it.finish() == 1
    assert it.texts("")[-1] == "failed: a ended: killed by SIGKILL, after 3 restarts"


def test_on_exit_shutdown_comes_before_respawn_as_in_ros(run):
    it = run("""
        launch:
        - executable:
            {cmd: "sh -c 'echo up; exit 1'", name: a, output: screen, respawn: "true",
             on_exit: shutdown}
        - executable: {cmd: "sleep 100", name: other}
    """)
    with it.launcher:
        assert it.finish() == 1
    assert it.texts("a") == ["up"]
    assert it.texts("")[-1] == "failed: a ended: exit code 1: up"


def test_what_waits_to_start_again_does_not_when_all_end(run):
    it = run("""
        launch:
        - executable:
            {cmd: "sh -c 'echo up; exit 1'", name: a, output: screen, respawn: "true",
             respawn_delay: 3600.0}
        - executable: {cmd: "sh -c 'sleep 0.2; exit 4'", name: b, on_exit: shutdown}
    """)
    with it.launcher:
        assert it.finish() == 1
    assert it.texts("a") == ["up"]
    assert it.texts("")[-1] == "failed: b ended: exit code 4"


def test_on_exit_shutdown_ends_the_others(run):
    it = run("""
        launch:
        - executable: {cmd: "sleep 0.1", name: first, on_exit: shutdown}
        - executable: {cmd: "sleep 100", name: other}
    """)
    with it.launcher:
        pid = it.launcher.running["other"]
        assert it.finish() == 0
    assert not is_alive(pid)


STUBBORN = """
    launch:
    - executable:
        cmd: "sh -c 'trap \\"\\" INT TERM; echo ready; sleep 100 & sleep 100'"
        name: stubborn
        output: screen
        sigterm_timeout: 0.1
        sigkill_timeout: 0.1
"""


def test_stop_kills_what_ignores_signals_with_its_children(run):
    it = run(STUBBORN)
    with it.launcher:
        wait_for(lambda: it.texts("stubborn") == ["ready"])
        group = it.launcher.running["stubborn"]
        assert it.launcher.stop() == 0
    assert not is_alive(group)
    assert "stubborn did not end by itself and was killed" in it.texts("")


def test_a_child_left_by_a_process_that_ended_is_ended_too(run):
    it = run("""
        launch:
        - executable: {cmd: "sh -c 'sleep 100 &'", name: parent, sigterm_timeout: 0.1}
    """)
    with it.launcher:
        group = it.launcher.running["parent"]
        assert it.finish() == 0
    assert not is_alive(group)


SLEEPER = """
    launch:
    - executable: {cmd: "sh -c 'echo $$; exec sleep 100'", output: screen, name: a}
"""


def start_cli(path: Path, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """`sensorium launch` in a process of its own, and the process group of its node."""
    launcher = subprocess.Popen(
        [sys.executable, "-m", "sensorium_cli.main", "launch", path, "--log-folder", folder],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    lines = iter(launcher.stdout.readline, "")
    return launcher, next(int(line.split()[-1]) for line in lines if line.startswith("a "))


def test_nothing_survives_when_the_launcher_is_killed(write, tmp_path):
    launcher, group = start_cli(write(SLEEPER), tmp_path)
    assert is_alive(group)
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate()
    wait_for(lambda: not is_alive(group))


def test_interrupt_ends_the_nodes_and_says_so(write, tmp_path):
    launcher, group = start_cli(write(SLEEPER), tmp_path)
    launcher.send_signal(signal.SIGINT)
    rest, _ = launcher.communicate()
    assert launcher.returncode == 0
    assert "SIGINT: ending all nodes" in rest
    assert not is_alive(group)


def test_environment_has_what_ros_needs_and_keeps_what_the_user_set(write):
    path = write("launch:\n- executable: {cmd: a}")
    base = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "PATH": "/bin"}
    (process,) = Launcher(path, environment=base).plan.processes
    assert process.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert process.environment["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert Path(process.environment["FASTRTPS_DEFAULT_PROFILES_FILE"]).is_file()
