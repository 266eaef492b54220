"""The episodes that a bag tells of, from its messages in one pass. Not thread safe.

The recorder's own marks count where there are any; else each instruction begins an episode, which
the next or an empty one ends; a bag without instructions is one episode. The last verdict within
an episode is its outcome, unless its mark tells another.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from sensorium_core.errors import SensoriumError

from sensorium_recording.episode_marks import MARKS, VERDICTS
from sensorium_recording.messages import decode_diagnostics, decode_string

INSTRUCTION, OUTCOME = "instruction", "sim/outcome"
_JUDGE_NS = 2_000_000_000
"""A judge that reports all the time does so more often than this."""


@dataclass(frozen=True)
class EpisodeFacts:
    """One episode of a bag; times are those that `EpisodeLog.take` was told."""

    number: int
    instruction: str
    start_ns: int
    end_ns: int | None = None
    """None: it goes on to the end of the bag."""
    outcome: str = ""
    """Empty when nobody judged."""
    reason: str = ""
    family: str = ""
    """Of the task, where the judge names it."""


class EpisodeLog:
    """Follows what is marked, said and judged."""

    def __init__(self) -> None:
        self._marked: list[EpisodeFacts] = []
        self._said: list[EpisodeFacts] = []
        self._whole: list[EpisodeFacts] = []
        self.undecodable = 0
        self._judged_ns: int | None = None
        self._outdated = False

    def take(self, topic: str, t_ns: int, payload: bytes) -> None:
        """Take in any message of a bag and its time; only the first and a few topics count."""
        if not self._whole:
            self._whole.append(EpisodeFacts(0, "", t_ns))
        if not tells(topic):
            return
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
        return tuple(self._marked or self._said or self._whole)

    def _instruct(self, t_ns: int, text: str) -> None:
        said = self._said
        _close(said, t_ns)
        if text.strip():
            said.append(EpisodeFacts(len(said), text, t_ns))
            self._outdated = self._judged_ns is not None

    def _mark(self, t_ns: int, values: dict[str, str]) -> None:
        marked, outcome = self._marked, values.get("outcome", "")
        if values.get("event") == "start":
            _close(marked, t_ns)
            text = values.get("number", "")
            number = int(text) if text.isdecimal() else len(marked)
            marked.append(EpisodeFacts(number, values.get("instruction", ""), t_ns))
            self._outdated = self._judged_ns is not None
        elif marked and marked[-1].end_ns is None:
            _close(marked, t_ns)
            if outcome or not marked[-1].outcome:
                reason = values.get("reason", "")
                marked[-1] = replace(marked[-1], outcome=outcome, reason=reason)

    def _judge(self, t_ns: int, values: dict[str, str]) -> None:
        # A judge that reports all the time goes on with its last verdict until it begins anew.
        verdict, reason = values.get("status", ""), values.get("reason", "")
        before_ns, self._judged_ns = self._judged_ns, t_ns if verdict in VERDICTS else None
        goes_on = before_ns is not None and t_ns - before_ns < _JUDGE_NS
        self._outdated = self._outdated and goes_on and self._judged_ns is not None
        if self._outdated:
            return
        open_marked = self._marked if self._marked and self._marked[-1].end_ns is None else []
        for episodes in (open_marked, self._said, self._whole):
            if episodes:
                one = episodes[-1]
                one = replace(one, family=values.get("family", "") or one.family)
                decided = self._judged_ns is not None
                episodes[-1] = replace(one, outcome=verdict, reason=reason) if decided else one


def _close(episodes: list[EpisodeFacts], t_ns: int) -> None:
    if episodes and episodes[-1].end_ns is None:
        episodes[-1] = replace(episodes[-1], end_ns=t_ns)


@lru_cache(maxsize=4096)
def tells(topic: str) -> bool:
    """Whether episodes are told on this topic."""
    return any(is_topic(topic, relative) for relative in (INSTRUCTION, MARKS, OUTCOME))


@lru_cache(maxsize=4096)
def is_topic(topic: str, relative: str) -> bool:
    """Whether a bag's topic is the relative one, in whatever namespace."""
    return ("/" + topic.lstrip("/")).endswith("/" + relative)


def _values(payload: bytes) -> dict[str, str]:
    statuses = decode_diagnostics(payload)[1]
    event = statuses[-1].message if statuses else ""
    return {"event": event} | {k: v for status in statuses for k, v in status.values.items()}
