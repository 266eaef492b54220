"""Follows what policy, gate and judge report after an instruction, until there is a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

OUTCOME_TOPIC = "sim/outcome"
STATE_TOPICS = ("policy/step", "gate/status")


class Reported(Protocol):
    """One status, wherever it came from."""

    @property
    def topic(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def values(self) -> dict[str, str]: ...


@dataclass
class Verdict:
    """What is known so far."""

    instruction: str
    """What was said; a verdict on other words does not count."""
    success: bool | None = None
    """None until the judge has decided."""
    reason: str = ""
    _last: dict[str, str] = field(default_factory=dict)

    def update(self, report: Reported) -> str | None:
        """Take one report.

        Returns:
            A line for people, when the report says something new.
        """
        values = report.values
        is_verdict = report.topic == OUTCOME_TOPIC and "success" in values
        is_ours = values.get("instruction", self.instruction) == self.instruction
        if is_verdict and is_ours and values.get("done", "true") == "true":
            self.success = values["success"] == "true"
            self.reason = report.message
        if self._last.get(report.topic) == report.message:
            return None
        self._last[report.topic] = report.message
        return f"{report.topic}: {report.message}"
