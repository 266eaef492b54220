"""Normal running: the shipped policy acts, nothing is wrong, and nothing may trip."""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from itertools import pairwise
from typing import NamedTuple

from fault_stack import stand_for_hardware
from results_page import commit, table
from running_cell import Acting
from sensorium_cli.over_ros import RosCell
from sensorium_control.limits import GateConfig
from sensorium_core.contract import tabletop

_KEPT = 1000
"""Two seconds of the wrist sensor."""
_BEFORE_S, _AFTER_S = 0.5, 0.2


class Felt(NamedTuple):
    """One sample of the wrist sensor."""

    stamp_s: float
    force_n: float


class Trip(NamedTuple):
    """A hold or a stop that nobody asked for."""

    reason: str
    cause: str
    """What was really wrong; empty for a false trip."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.cause}" if self.cause else self.reason


def normal(minutes: float) -> dict[str, object]:
    """Episode after episode for a while; counts what the gate did that it had no reason to do."""
    with RosCell({"record": "false"}) as cell:
        stand_for_hardware(cell.launcher.running["sim"])
        watch = _Watch(cell)
        acting = Acting(cell)
        acting.act(60.0 * minutes)
        accepted = len(acting.plans_s)
    watch.conclude()
    false = [trip.reason for trip in watch.trips if not trip.cause]
    true = [str(trip) for trip in watch.trips if trip.cause]
    rows = [
        ["false: nothing was wrong", _counted(false), "0"],
        ["true, by the sensor's own readings", _counted(true), ""],
        [
            "refused proposals",
            ", ".join(f"{k} ({n})" for k, n in watch.refused.items()) or "-",
            "",
        ],
        ["trajectories that reached the arm", str(accepted), ""],
    ]
    text = f"### Normal running\n\n{minutes:g} minutes of episodes with the shipped policy. "
    text += "The simulator stands for hardware and is scheduled as such.\n\n"
    return {
        "key": "normal", "number": 99, "title": "Normal running", "loaded": False,
        "commit": commit(), "cores": os.cpu_count(), "minutes": minutes,
        "accepted": accepted, "refused": dict(watch.refused), "said": watch.said,
        "holds_and_stops": [trip._asdict() for trip in watch.trips],
        "failures": [f"false trips: {false}"] if false else [],
        "text": text + table(["holds and stops", "measured", "bar"], rows),
    }  # fmt: skip


def _counted(words: list[str]) -> str:
    return "; ".join(f"{k} ({n})" for k, n in Counter(words).items()) or "0"


class _Watch:
    """Every change of the gate's state that nobody asked for, and whether something was wrong."""

    def __init__(self, cell: RosCell) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import WrenchStamped

        self.trips: list[Trip] = []
        self.said: list[str] = []
        self.refused: Counter[str] = Counter()
        self._last, self._count = ("disarmed", "not_armed"), 0
        self._felt: deque[Felt] = deque(maxlen=_KEPT)
        self._open: tuple[float, str] | None = None
        cell.client.listen(DiagnosticArray, "gate/status", self._on_status)
        cell.client.listen(WrenchStamped, "wrench", self._on_wrench, _KEPT)

    def _on_wrench(self, message: object) -> None:
        stamp, force = message.header.stamp, message.wrench.force  # type: ignore[attr-defined]
        stamp_s = stamp.sec + stamp.nanosec * 1e-9
        self._felt.append(Felt(stamp_s, math.hypot(force.x, force.y, force.z)))
        if self._open is not None and stamp_s > self._open[0] + _AFTER_S:
            self.conclude()

    def conclude(self) -> None:
        """Judge the trip that is open, if any, by what the wrist sensor really measured."""
        if self._open is not None:
            at_s, reason = self._open
            near = [felt for felt in self._felt if abs(felt.stamp_s - at_s) < _BEFORE_S]
            self.trips.append(Trip(reason, cause_of(reason, near)))
            self._open = None

    def _on_status(self, message: object) -> None:
        values = {v.key: v.value for v in message.status[0].values}  # type: ignore[attr-defined]
        now = (values["state"], values["reason"])
        if now != self._last and now[0] in ("holding", "stopped"):
            self.conclude()
            self._open = (time.time(), " ".join(now))
            self.said.append(message.status[0].message)  # type: ignore[attr-defined]
        self._last = now
        refused = int(values["refused"])
        if refused > self._count and values["last_refusal"] not in ("", "not_armed"):
            self.refused[values["last_refusal"]] += refused - self._count
        self._count = refused


def cause_of(reason: str, felt: list[Felt]) -> str:
    """What was really wrong when the gate tripped, in words; empty for a false trip.

    A force is one that the simulated sensor measured, for no fault is injected: the tool hit
    something. A silence is one of the stamps: the simulator itself paused.
    """
    limits = GateConfig()
    peak_n = max((f.force_n for f in felt), default=0.0)
    pause_s = max((b.stamp_s - a.stamp_s for a, b in pairwise(felt)), default=0.0)
    if reason.endswith("force_spike") and peak_n > limits.force_peak_n:
        return f"the tool hit something with {peak_n:.0f} N"
    if reason.endswith("force_limit") and peak_n > limits.force_limit_n:
        return f"the tool pressed with {peak_n:.0f} N"
    if reason.endswith("sense_silent") and pause_s > tabletop().modality("wrench").max_age_s:
        return f"the simulator paused for {pause_s:.2f} s"
    return ""
