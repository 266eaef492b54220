"""A trip in normal running counts as false unless the sensor itself shows what was wrong."""

import importlib
import sys
from pathlib import Path

import pytest

CALM = [(10.0 + 0.002 * i, 1.5) for i in range(250)]
HIT = [*CALM, (10.5, 188.0)]
PRESS = [*CALM, (10.5, 70.0)]
PAUSE = [*CALM, (10.62, 1.5)]


@pytest.fixture
def cause_of(monkeypatch):
    """What the benchmark says was wrong, of a reason and samples `(stamp, force)`."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "benchmarks"), *sys.path])
    normal = importlib.import_module("fault_normal")
    return lambda reason, felt: normal.cause_of(reason, [normal.Felt(*sample) for sample in felt])


@pytest.mark.parametrize(
    ("reason", "felt", "words"),
    [
        ("stopped force_spike", HIT, "the tool hit something with 188 N"),
        ("stopped force_limit", PRESS, "the tool pressed with 70 N"),
        ("holding sense_silent", PAUSE, "the simulator paused for 0.12 s"),
    ],
)
def test_what_the_sensor_shows_is_the_cause(cause_of, reason, felt, words):
    assert cause_of(reason, felt) == words


@pytest.mark.parametrize(
    "reason",
    ["stopped force_spike", "stopped force_limit", "holding sense_silent", "holding sense_slow",
     "stopped tracking_error", "holding command_silent"],
)  # fmt: skip
@pytest.mark.parametrize("felt", [CALM, []])
def test_without_it_the_trip_is_false(cause_of, reason, felt):
    assert cause_of(reason, felt) == ""


@pytest.mark.parametrize("felt", [HIT, PRESS, PAUSE])
def test_a_force_excuses_no_other_trip(cause_of, felt):
    assert cause_of("stopped tracking_error", felt) == ""
    assert cause_of("holding command_silent", felt) == ""
