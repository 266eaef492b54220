"""When an attempt is over, and how, from what the nodes report."""

from dataclasses import dataclass, field

import pytest
from sensorium_cli.attempt import (
    PATIENCE_S,
    SETTLE_S,
    Attempt,
    judge_status,
    missing_senses,
    patience_s,
)


@dataclass
class Said:
    message: str = ""
    values: dict[str, str] = field(default_factory=dict)


def reports(state="acting", instruction="go", **judge):
    judge = {
        "status": "running",
        "done": "false",
        "reason": "not done yet",
        "family": "pick",
    } | judge
    return {
        "policy": Said(values={"state": state, "instruction": instruction, "reason": "because"}),
        "sim": Said(values=judge),
    }


def test_nothing_is_over_while_the_policy_acts():
    assert Attempt("go", 0.0, 30.0).update(reports(), 1.0) is None


@pytest.mark.parametrize(("limit_s", "patience"), [("12", PATIENCE_S), ("14", 30.0), ("30", 60.0)])
def test_the_judge_is_waited_for_longer_than_the_task_allows(limit_s, patience):
    assert patience_s(reports(time_limit_s=limit_s)) == patience
    assert patience_s({}) == PATIENCE_S


def test_the_judge_has_the_last_word():
    end = Attempt("go", 0.0, 30.0).update(
        reports(done="true", success="true", reason="the red cube was lifted"), 1.0
    )
    assert (end.success, end.reason, end.refused) == (True, "the red cube was lifted", False)


def test_a_policy_at_rest_gives_the_judge_a_moment():
    attempt = Attempt("go", 0.0, 30.0)
    assert attempt.update(reports("done"), 1.0) is None
    assert attempt.update(reports("done"), 1.0 + 0.9 * SETTLE_S) is None
    end = attempt.update(reports("done"), 1.1 + SETTLE_S)
    assert not end.success


def test_a_refusal_is_told_in_the_policy_s_words():
    attempt = Attempt("go", 0.0, 30.0)
    attempt.update(reports("refused"), 0.0)
    end = attempt.update(reports("refused"), 2 * SETTLE_S)
    assert (end.refused, end.reason) == (True, "because")


def test_when_holding_still_is_the_task_the_judge_decides():
    attempt = Attempt("go", 0.0, 30.0)
    attempt.update(reports("refused", family="none"), 0.0)
    assert attempt.update(reports("refused", family="none"), 4.0) is None
    end = attempt.update(reports("refused", family="none", done="true", success="true"), 5.0)
    assert end.reason == "because"
    assert end.success
    assert end.refused


def test_what_the_policy_said_of_other_words_does_not_count():
    attempt = Attempt("go", 0.0, 30.0)
    attempt.update(reports("refused", instruction="older"), 0.0)
    assert attempt.update(reports("refused", instruction="older"), 5.0) is None


def test_a_gate_that_has_stopped_ends_it_with_the_gate_s_reason():
    stopped = reports() | {"gate": Said("stopped: 41.0 N", {"state": "stopped"})}
    end = Attempt("go", 0.0, 30.0).update(stopped, 1.0)
    assert (end.success, end.reason) == (False, "the gate stopped: 41.0 N")


def test_time_runs_out():
    end = Attempt("go", 10.0, 30.0).update(reports(), 40.1)
    assert not end.success
    assert "30 s" in end.reason


def test_senses_that_the_policy_lacks_are_named():
    values = {"valid/wrench": "false", "valid/joints": "true"}
    assert missing_senses({"policy": Said(values=values)}) == ["wrench"]
    assert missing_senses({}) == ["policy/step"]


def test_the_judge_is_heard():
    assert judge_status(reports(status="waiting")) == "waiting"
    assert judge_status({}) == ""
