"""The bars of benchmarks/senses.py: each verdict from lines made up for it."""

import sys
from pathlib import Path

import pytest
from sensorium_training.matrix.measured import Line
from sensorium_training.matrix.rows import ALL, POLICY, Condition, Row
from sensorium_training.matrix.store import Result

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
FORCE = ("wrench", "pads")


@pytest.fixture(scope="module")
def bars():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        from senses import bars

        yield bars
    finally:
        sys.path.remove(str(BENCHMARKS))


def line(label, drop=(), seeds=3, **successes):
    """A line whose policy files have so many successes of 100 in each family."""
    results = {
        family: (tuple(Result(i < k, "", "acting", 1.0, 0.1, 1.0, 0) for i in range(100)),) * seeds
        for family, k in successes.items()
    }
    return Line(Row(label, POLICY, (Path("p"),) * seeds, Condition(drop)), results, (), ())


def verdicts(bars, *lines):
    return {bar[0]: bar[3] for bar in bars(list(lines))}


def test_tasks_and_their_mean_have_bars_of_their_own(bars):
    found = verdicts(bars, line(ALL, pick=94, insert=85))
    assert found == {
        f"{ALL}, pick": "not met",
        f"{ALL}, insert": "met",
        f"{ALL}, mean of tasks": "not met",
    }


@pytest.mark.parametrize(
    ("ours", "blind", "verdict"), [(90, 40, "met"), (90, 51, "not met"), (84, 10, "not met")]
)
def test_insertion_needs_force(bars, ours, blind, verdict):
    lines = line(ALL, insert=ours), line("all but wrench + pads", FORCE, insert=blind)
    assert verdicts(bars, *lines)["insertion, all senses against no force"] == verdict


@pytest.mark.parametrize(("right", "verdict"), [(50, "met"), (54, "met"), (70, "not met")])
def test_without_touch_the_twins_are_told_apart_at_chance_only(bars, right, verdict):
    blind = line("all but wrench + pads + joints", (*FORCE, "joints"), give=right)
    found = verdicts(bars, line(ALL, give=95), blind)
    assert found["all but wrench + pads + joints, give"] == verdict


def test_all_senses_beat_the_best_single_one_and_concatenation_only_with_intervals_apart(bars):
    found = verdicts(
        bars,
        line(ALL, pick=90),
        line("cloud alone", pick=60),
        line("joints alone", pick=10),
        line("concatenation", pick=87),
    )
    assert found["all senses against cloud alone"] == "met"
    assert found["all senses against concatenation"] == "not met"
    assert "all senses against joints alone" not in found


def test_a_verdict_on_too_few_training_seeds_says_so(bars):
    found = verdicts(bars, line(ALL, pick=99, seeds=2), line("cloud alone", pick=10))
    assert set(found.values()) == {"met, under 3 seeds"}


def test_without_the_row_of_all_senses_there_is_nothing_to_judge(bars):
    assert bars([line("cloud alone", pick=60)]) == []
