"""Normal running: the shipped policy acts, nothing is wrong, and nothing may trip."""

from __future__ import annotations

import os
from collections import Counter

from fault_stack import stand_for_hardware
from results_page import commit, table
from running_cell import Acting
from sensorium_cli.over_ros import RosCell


def normal(minutes: float) -> dict[str, object]:
    """Episode after episode for a while; counts what the gate did that it had no reason to do."""
    with RosCell({"record": "false"}) as cell:
        stand_for_hardware(cell.launcher.running["sim"])
        watch = _Watch(cell)
        acting = Acting(cell)
        acting.act(60.0 * minutes)
        accepted = len(acting.plans_s)
    trips = [str(t) for t in watch.trips]
    rows = [
        ["holds and stops", str(len(trips)), "0"],
        ["what they were", ", ".join(f"{k} ({n})" for k, n in Counter(trips).items()) or "-", ""],
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
        "failures": [f"false trips: {trips}"] if trips else [],
        "text": text + table(["false trips", "measured", "bar"], rows),
    }  # fmt: skip


class _Watch:
    """Every change of the gate's state that nobody asked for."""

    def __init__(self, cell: RosCell) -> None:
        from diagnostic_msgs.msg import DiagnosticArray

        self.trips: list[str] = []
        self.said: list[str] = []
        self.refused: Counter[str] = Counter()
        self._last, self._count = ("disarmed", "not_armed"), 0
        cell.client.listen(DiagnosticArray, "gate/status", self._on_status)

    def _on_status(self, message: object) -> None:
        values = {v.key: v.value for v in message.status[0].values}  # type: ignore[attr-defined]
        now = (values["state"], values["reason"])
        if now != self._last and now[0] in ("holding", "stopped"):
            self.trips.append(" ".join(now))
            self.said.append(message.status[0].message)  # type: ignore[attr-defined]
        self._last = now
        refused = int(values["refused"])
        if refused > self._count and values["last_refusal"] not in ("", "not_armed"):
            self.refused[values["last_refusal"]] += refused - self._count
        self._count = refused
