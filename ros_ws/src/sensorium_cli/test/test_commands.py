"""The command line as its user meets it."""

import subprocess
import sys
import time
from importlib import metadata

import click
import pytest
from click.testing import CliRunner
from sensorium_cli import main as main_module
from sensorium_cli.main import GROUP, cli
from sensorium_core.errors import SensoriumError


@pytest.fixture
def invoke():
    def _invoke(*words: str):
        return CliRunner().invoke(cli, list(words), prog_name="sensorium")

    return _invoke


def test_help_lists_every_command_without_importing_one(invoke):
    script = (
        "import sys; from click.testing import CliRunner; from sensorium_cli.main import cli;"
        "result = CliRunner().invoke(cli, ['--help']); print(result.output);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'mujoco', 'rclpy', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for point in metadata.entry_points(group=GROUP):
        assert f"  {point.name}" in done.stdout


def test_help_is_quick():
    times_s = []
    for _ in range(3):
        start_s = time.process_time(), time.perf_counter()
        subprocess.run([sys.executable, "-m", "sensorium_cli.main", "--help"], capture_output=True)
        times_s.append(time.perf_counter() - start_s[1])
    assert min(times_s) < 1.0  # 0.25 s on an idle machine; tests share theirs.


def test_unknown_command_suggests_the_nearest(invoke):
    result = invoke("lanch")
    assert result.exit_code == 2
    assert "Did you mean `sensorium launch`?" in result.output


def test_deliberate_errors_come_without_a_traceback(invoke, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("launch:\n- nod: {}")
    result = invoke("launch", str(path))
    assert result.exit_code == 2
    assert "error:" in result.output
    assert "did you mean 'node'?" in result.output
    assert "Traceback" not in result.output


class FakePoint:
    module, attr, value, name = "json", "fake", "json:fake", "fake"

    def __init__(self, load):
        self.load = load


def test_a_command_whose_library_is_missing_says_what_to_install(invoke, monkeypatch):
    def load() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(main_module, "_entry_points", lambda: {"fake": FakePoint(load)})
    result = invoke("fake")
    assert result.exit_code == 2
    assert "`sensorium fake` needs 'torch'" in result.output
    assert "scripts/setup dev" in result.output


def test_a_deliberate_error_in_any_command_is_exit_code_two(invoke, monkeypatch):
    @click.command()
    def fake() -> None:
        raise SensoriumError("the cube is gone; put it back")

    monkeypatch.setattr(main_module, "_entry_points", lambda: {"fake": FakePoint(lambda: fake)})
    result = invoke("fake")
    assert (result.exit_code, result.output) == (2, "error: the cube is gone; put it back\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_each_shell(invoke, shell):
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert "_SENSORIUM_COMPLETE" in result.output


def test_completion_offers_commands_without_importing_them(monkeypatch):
    monkeypatch.setattr(main_module, "_entry_points", lambda: {"fake": FakePoint(None)})
    items = cli.shell_complete(click.Context(cli), "fa")
    assert [item.value for item in items] == ["fake"]


def test_launch_lists_arguments_and_refuses_malformed_ones(invoke, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("launch:\n- arg: {name: rate, default: '30', description: how often}")
    shown = invoke("launch", str(path), "--show-args").output
    assert "rate:=  (default: '30')" in shown
    assert "how often" in shown
    result = invoke("launch", str(path), "rate=5")
    assert result.exit_code == 2
    assert "expected name:=value, got 'rate=5'" in result.output


def test_launch_dry_run_starts_nothing(invoke, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"launch:\n- executable: {{cmd: 'touch {tmp_path}/made', name: t}}")
    result = invoke("launch", str(path), "--dry-run")
    assert result.output == f"t: touch {tmp_path}/made\n"
    assert not (tmp_path / "made").exists()
