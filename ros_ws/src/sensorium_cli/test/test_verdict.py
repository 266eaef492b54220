"""When an instruction counts as done."""

from dataclasses import dataclass, field

import pytest
from sensorium_cli.verdict import Verdict


@dataclass
class FakeReport:
    topic: str
    message: str
    values: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize("success", ["true", "false"])
def test_the_judge_decides(success):
    verdict = Verdict("press")
    line = verdict.update(FakeReport("sim/outcome", "clicked", {"success": success}))
    assert (verdict.success, verdict.reason) == (success == "true", "clicked")
    assert line == "sim/outcome: clicked"


@pytest.mark.parametrize(
    "report",
    [
        FakeReport("sim/outcome", "running", {"success": "false", "done": "false"}),
        FakeReport("sim/outcome", "old", {"success": "true", "instruction": "other words"}),
        FakeReport("policy/step", "fine", {"success": "true"}),
        FakeReport("sim/outcome", "no word on success"),
    ],
)
def test_nothing_else_decides(report):
    verdict = Verdict("press")
    verdict.update(report)
    assert verdict.success is None


def test_the_same_message_is_told_once():
    verdict = Verdict("press")
    lines = [verdict.update(FakeReport("policy/step", word)) for word in ("a", "a", "b")]
    assert lines == ["policy/step: a", None, "policy/step: b"]
