"""The demo as a person runs it, without a terminal: it ends with the right code and the truth."""

import subprocess
import sys

import pytest
from sensorium_recording.bag_reader import BagReader

pytestmark = pytest.mark.timeout(300)
SMALL = ("--camera-width", "128", "--camera-rate", "10")


def demo(*words):
    command = (sys.executable, "-m", "sensorium_cli.main", "demo", *words)
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def nodes_with(marker):
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if marker in line and "_node" in line]


@pytest.fixture(scope="module")
def refused(policy, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return demo("flibber the wug", "--policy", str(policy), "--out", str(out), *SMALL), out


def test_words_out_of_scope_end_with_code_3_and_the_reason(refused):
    ran, _ = refused
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "REFUSED: I did not understand that" in ran.stdout
    assert "the arm held still" in ran.stdout


def test_it_leaves_a_bag_a_video_and_logs(refused):
    _, out = refused
    (run,) = out.iterdir()
    assert "/policy/step" in BagReader(run / "episode").topics()
    assert (run / "episode.mp4").stat().st_size > 1000
    assert {path.stem for path in (run / "log").iterdir()} >= {"sim", "gate", "fusion", "recorder"}


def test_it_leaves_no_node(refused):
    _, out = refused
    assert nodes_with(str(out)) == []


def test_a_policy_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path):
    ran = demo("pick up the red cube", "--policy", str(tmp_path / "none.onnx"))
    assert ran.returncode == 2
    assert "make train" in ran.stderr
