"""Distrusts time: stamps that disagree with this host's clock, and clocks that jump. ROS-free.

Every age is known twice: by header stamps on the node's clock, and since the receipt on the
monotonic clock. One thread, the policy loop's.
"""

import math

from sensorium_core.contract import Contract, Modality

from sensorium_fusion.config import HonestyConfig

_NS = 1_000_000_000
_IN_A_ROW = 3
"""One odd stamp is a lost message; so many in a row are a fault."""
_JUMP_S, _SIMULATED_JUMP_S = 0.1, 1.0
_SIMULATED_SILENCE_S = 1.0


class ClockWatch:
    """Judges the stamp of every message on receipt; `faults` are words by modality."""

    def __init__(self, contract: Contract, config: HonestyConfig, simulated: bool) -> None:
        self._contract, self._simulated = contract, simulated
        ahead_s = config.max_future_simulated_s if simulated else config.max_future_s
        self._ahead_ns = round(ahead_s * _NS)
        self._behind_ns = {
            m.name: round(_NS * _behind_s(m, config.max_latency_s)) for m in contract.modalities
        }
        self._last: tuple[int, float] | None = None
        self._names = {m.name: f"{m.sense} ({m.topic})" for m in contract.modalities}
        self.refused = 0
        """Messages that were thrown away for their stamps."""
        self.clear()

    def clear(self) -> None:
        """Forget every message."""
        self._bad = dict.fromkeys(self._names, 0)
        self._words: dict[str, str] = {}
        self._received: dict[str, tuple[int, float]] = {}

    def accept(self, name: str, stamp_ns: int, now_ns: int, steady_s: float) -> bool:
        """Whether a message's stamp can be believed; those that cannot are to be thrown away."""
        late_ns = now_ns - stamp_ns
        if -self._ahead_ns <= late_ns <= self._behind_ns[name]:
            self._bad[name] = 0
            self._words.pop(name, None)
            self._received[name] = stamp_ns, steady_s
            return True
        self.refused += 1
        self._bad[name] += 1
        if self._bad[name] >= _IN_A_ROW:
            self._words[name] = f"{self._names[name]} {self._disagreement(late_ns, now_ns)}"
        return False

    def _disagreement(self, late_ns: int, now_ns: int) -> str:
        if self._simulated and now_ns == 0:
            return "comes before /clock"
        side = "ahead of" if late_ns < 0 else "behind"
        return f"has stamps {abs(late_ns) / _NS:.1f} s {side} this clock"

    def received_age_s(self, name: str, steady_s: float) -> float:
        """Monotonic time since the last message that was believed; infinite before the first."""
        known = self._received.get(name)
        return math.inf if known is None else steady_s - known[1]

    def received_ages_s(self, steady_s: float) -> dict[str, float]:
        """`received_age_s` of every modality."""
        return {name: self.received_age_s(name, steady_s) for name in self._names}

    def faults(self, now_ns: int, steady_s: float) -> dict[str, str]:
        """By modality, why time says that it is not there although its newest stamp may be young.

        Silence that stamps tell as well is left to them.
        """
        found = dict(self._words)
        for modality in self._contract.modalities:
            name = modality.name
            if name in found or name not in self._received:
                continue
            stamp_ns, received_s = self._received[name]
            young = now_ns - stamp_ns <= modality.max_age_s * _NS
            least_s = _SIMULATED_SILENCE_S if self._simulated else 0.0
            if young and steady_s - received_s > max(modality.max_age_s, least_s):
                found[name] = f"{self._names[name]} is silent by the monotonic clock alone"
        return found

    def jump_s(self, now_ns: int, steady_s: float) -> float:
        """How far the node's clock jumped since the last look, against the monotonic one; 0: not.

        With simulated time, which may run at any pace, only a step back or a leap counts.
        """
        before, self._last = self._last, (now_ns, steady_s)
        if before is None or before[0] == 0:
            return 0.0
        moved_s = (now_ns - before[0]) / _NS
        if self._simulated:
            ahead_s = moved_s if moved_s < 0 else max(moved_s - _SIMULATED_JUMP_S, 0.0)
            return ahead_s if moved_s < 0 or ahead_s > steady_s - before[1] else 0.0
        apart_s = moved_s - (steady_s - before[1])
        return apart_s if abs(apart_s) > _JUMP_S else 0.0


def _behind_s(modality: Modality, max_latency_s: float) -> float:
    """How late a message may come. A step is taken at the stamp of a picture, so other senses may

    come as late as one: whether they are young enough beside it, the aligner decides.
    """
    picture = modality.kind in ("image", "depth")
    return max_latency_s if picture else max(modality.max_age_s, max_latency_s)
