"""Where episodes begin and end in a recording, as messages in the recording itself.

Marks come by service or by themselves: an instruction begins an episode; the next one, an empty
one, a verdict or the policy's own end closes it. Written at once: they survive a power cut.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sensorium_core.errors import SensoriumError

from sensorium_recording.messages import (
    Status,
    decode_string,
    diagnostic_values,
    encode_diagnostics,
)

MARKS = "recorder/episode"
"""Topic of the marks, a `DiagnosticArray` each."""
VERDICTS = ("success", "failure")
"""Of a judge that has decided."""
_ENDED = ("done", "refused")
_GRACE_NS = 1_000_000_000
"""After the policy says that it is done, a judge has this long to agree."""

Mode = Literal["instruction", "service"]


@dataclass(frozen=True)
class Mark:
    """Start or end of one episode."""

    event: Literal["start", "end"]
    number: int
    instruction: str
    outcome: str = ""
    """Success, failure, done (the policy says so), refused, or empty when nobody judged."""
    reason: str = ""

    def encode(self, stamp_ns: int) -> bytes:
        """The mark as a message."""
        values = {
            "number": str(self.number),
            "instruction": self.instruction,
            "outcome": self.outcome,
            "reason": self.reason,
        }
        return encode_diagnostics(stamp_ns, [Status("episode", 0, self.event, values)])


class EpisodeMarks:
    """Follows what is said and judged; hands marks with their times to `emit`."""

    def __init__(self, mode: Mode, emit: Callable[[int, Mark], None]) -> None:
        self._mode, self._emit = mode, emit
        self._number = -1
        self._said = ""
        self.current: Mark | None = None
        self._undecided = False
        self._claim: tuple[int, str, str] | None = None
        self.takes = {
            "instruction": self._instruction,
            "sim/outcome": self._judged,
            "policy/step": self._stepped,
        }
        """What to call with the messages of a topic: `(time_ns, payload)`."""

    def restart(self) -> None:
        """Count anew, for a new bag."""
        self._number, self.current, self._claim = -1, None, None

    def start(self, time_ns: int, instruction: str | None = None) -> Mark:
        """Begin an episode, ending one that is open."""
        self.end(time_ns, "", "another episode began")
        self._number += 1
        text = self._said if instruction is None else instruction
        self.current = Mark("start", self._number, text)
        self._undecided, self._claim = False, None
        self._emit(time_ns, self.current)
        return self.current

    def end(self, time_ns: int, outcome: str, reason: str) -> Mark | None:
        """End the open episode, if one is."""
        if self.current is None:
            return None
        mark = Mark("end", self._number, self.current.instruction, outcome, reason)
        self.current, self._claim = None, None
        self._emit(time_ns, mark)
        return mark

    def tick(self, time_ns: int) -> None:
        """End an episode that the policy called done and nobody judged."""
        if self._claim is not None and time_ns - self._claim[0] > _GRACE_NS:
            self.end(time_ns, self._claim[1], self._claim[2])

    def _instruction(self, time_ns: int, payload: bytes) -> None:
        try:
            self._said = decode_string(payload)
        except SensoriumError:
            return
        if self._mode == "service":
            return
        if self._said.strip():
            self.start(time_ns, self._said)
        else:
            self.end(time_ns, "", "told to stop")

    def _judged(self, time_ns: int, payload: bytes) -> None:
        if self.current is None:
            return
        values = _values(payload)
        verdict = values.get("status", "")
        if verdict not in VERDICTS:
            self._undecided = True
        elif self._undecided:
            self.end(time_ns, verdict, values.get("reason", ""))

    def _stepped(self, time_ns: int, payload: bytes) -> None:
        if self.current is None or self._claim is not None or self._mode == "service":
            return
        values = _values(payload)
        mine = values.get("instruction", "") == self.current.instruction
        if mine and values.get("state") in _ENDED:
            self._claim = (time_ns, values["state"], f"policy: {values.get('reason', '')}")


def _values(payload: bytes) -> dict[str, str]:
    try:
        return diagnostic_values(payload)[1]
    except SensoriumError:
        return {}
