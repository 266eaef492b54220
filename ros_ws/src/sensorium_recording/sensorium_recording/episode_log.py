"""The episodes that a bag tells of, from its messages in one pass. Not thread safe.

The recorder's own marks count where there are any; else each instruction begins an episode, which
the next or an empty one ends, and the last verdict within it is its outcome.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from sensorium_core.errors import SensoriumError

from sensorium_recording.episode_marks import MARKS
from sensorium_recording.messages import decode_diagnostics, decode_string

INSTRUCTION, OUTCOME = "instruction", "sim/outcome"
_VERDICTS = ("success", "failure")
_JUDGE_NS = 2_000_000_000
"""A judge that reports all the time does so more often than this."""


@dataclass(frozen=True)
class EpisodeFacts:
    """One episode of a bag; times are log times."""

    number: int
    instruction: str
    start_ns: int
    end_ns: int | None = None
    """None: it goes on to the end of the bag."""
    outcome: str = ""
    """Empty when nobody judged."""
    reason: str = ""


class EpisodeLog:
    """Follows what is marked, said and judged."""

    def __init__(self) -> None:
        self._marked: list[EpisodeFacts] = []
        self._said: list[EpisodeFacts] = []
        self.undecodable = 0
        self._judged_ns: int | None = None
        self._outdated = False

    def take(self, topic: str, t_ns: int, payload: bytes) -> None:
        """Take in any message of a bag; only those of a few topics count."""
        try:
            if is_topic(topic, INSTRUCTION):
                self._instruct(t_ns, decode_string(payload))
            elif is_topic(topic, MARKS):
                self._mark(t_ns, _values(payload))
            elif is_topic(topic, OUTCOME):
                self._judge(t_ns, _values(payload))
        except SensoriumError:
            self.undecodable += 1

    def episodes(self) -> tuple[EpisodeFacts, ...]:
        """All so far."""
        return tuple(self._marked or self._said)

    def _instruct(self, t_ns: int, text: str) -> None:
        said = self._said
        if said and said[-1].end_ns is None:
            said[-1] = replace(said[-1], end_ns=t_ns)
        if text.strip():
            said.append(EpisodeFacts(len(said), text, t_ns))
            self._outdated = self._judged_ns is not None

    def _mark(self, t_ns: int, values: dict[str, str]) -> None:
        marked, outcome = self._marked, values.get("outcome", "")
        if values.get("event") == "start":
            marked.append(EpisodeFacts(len(marked), values.get("instruction", ""), t_ns))
        elif marked:
            reason = values.get("reason", "")
            marked[-1] = replace(marked[-1], end_ns=t_ns, outcome=outcome, reason=reason)

    def _judge(self, t_ns: int, values: dict[str, str]) -> None:
        # A judge that reports all the time goes on with its last verdict until it begins anew.
        verdict, reason = values.get("status", ""), values.get("reason", "")
        before_ns, self._judged_ns = self._judged_ns, t_ns if verdict in _VERDICTS else None
        goes_on = before_ns is not None and t_ns - before_ns < _JUDGE_NS
        self._outdated = self._outdated and goes_on and self._judged_ns is not None
        if self._said and self._judged_ns is not None and not self._outdated:
            self._said[-1] = replace(self._said[-1], outcome=verdict, reason=reason)


@lru_cache(maxsize=4096)
def is_topic(topic: str, relative: str) -> bool:
    """Whether a bag's topic is the relative one, in whatever namespace."""
    return ("/" + topic.lstrip("/")).endswith("/" + relative)


def _values(payload: bytes) -> dict[str, str]:
    statuses = decode_diagnostics(payload)[1]
    event = statuses[-1].message if statuses else ""
    return {"event": event} | {k: v for status in statuses for k, v in status.values.items()}
