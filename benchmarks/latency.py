"""Latency from camera stamp to commanded trajectory, over real nodes with every sensor native.

    .venv/bin/python benchmarks/latency.py --seconds 60

Launches the simulation (640x480 colour and depth at 30 Hz, wrist colour at 30 Hz, wrench and
joints at 500 Hz, pads at 100 Hz), keeps the policy acting, and times every plan: the stamp of a
trajectory is that of the camera frame it answers.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import click
import numpy as np
from results_page import ROOT, commit, table, write_section
from running_cell import EPISODE_S, cpu_seconds, run_episode
from sensorium_cli.over_ros import RosCell

_BAR_MS = {"p50": 20.0, "p99": 45.0}
STAGES = {
    "arrive": "exposure to policy: render, publish, transport, pairing",
    "observe": "align senses, lift the cloud",
    "policy": "ONNX Runtime, one thread",
    "plan": "inverse kinematics, smoothing",
    "send": "rest of the fusion node's callback",
    "gate": "transport, every check, transport to the arm",
    "total": "camera stamp to commanded trajectory",
}


class Probe:
    """Collects, per plan, the stages that the nodes tell and the time at which the arm hears."""

    def __init__(self, cell: RosCell) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from trajectory_msgs.msg import JointTrajectory

        self._heard: dict[int, int] = {}
        self._told: dict[int, dict[str, float]] = {}
        self.frame_delays_s: list[float] = []
        self.factors: list[float] = []
        listen = cell.client.listen
        listen(JointTrajectory, "arm_controller/joint_trajectory", self._on_commanded)
        listen(DiagnosticArray, "policy/step", self._on_step)
        listen(DiagnosticArray, "diagnostics", self._on_health)

    def _on_commanded(self, message: object) -> None:
        self._heard.setdefault(_stamp_ns(message), time.time_ns())

    def _on_step(self, message: object) -> None:
        values = {v.key: v.value for v in message.status[0].values}
        if values["planned"] == "true" and values["state"] == "acting":
            self._told[_stamp_ns(message)] = {
                key.removeprefix("latency_s/"): float(value)
                for key, value in values.items()
                if key.startswith("latency_s/")
            }

    def _on_health(self, message: object) -> None:
        for status in message.status:
            if status.name == "sim":
                values = {v.key: float(v.value) for v in status.values if "fault" not in v.key}
                self.factors.append(values["real_time_factor"])
                self.frame_delays_s.append(values["frame_published_after_s"])

    def plans(self) -> list[dict[str, float]]:
        """Seconds by stage, of every plan that reached the arm."""
        return [
            _stages(told, (self._heard[stamp] - stamp) * 1e-9)
            for stamp, told in sorted(self._told.items())
            if stamp in self._heard
        ]


def _stamp_ns(message: object) -> int:
    stamp = message.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def _stages(told: dict[str, float], total_s: float) -> dict[str, float]:
    known = {stage: told.get(stage, 0.0) for stage in ("arrive", "observe", "policy", "plan")}
    sent_s = told["total"]
    return {**known, "send": sent_s - sum(known.values()), "gate": total_s - sent_s,
            "total": total_s}  # fmt: skip


def measure(arguments: dict[str, str], seconds: float) -> dict[str, object]:
    """Run episodes for a while and summarise."""
    with RosCell(arguments) as cell:
        probe = Probe(cell)
        seed = 0
        run_episode(cell, seed, 2.0)
        probe.factors.clear()
        probe.frame_delays_s.clear()
        begun_s, used = time.monotonic(), _cpu(cell)
        while time.monotonic() - begun_s < seconds:
            seed += 1
            left_s = begun_s + seconds - time.monotonic()
            run_episode(cell, seed, min(EPISODE_S, left_s))
        wall_s = time.monotonic() - begun_s
        cpu = {k: (v - used[k]) / wall_s for k, v in _cpu(cell).items()}
        plans = probe.plans()
        return {
            "plans": len(plans),
            "seconds": wall_s,
            "stages_ms": {s: _percentiles([1e3 * p[s] for p in plans]) for s in STAGES},
            "frame_published_after_ms": 1e3 * float(np.median(probe.frame_delays_s or [0.0])),
            "cpu_of_a_core": cpu,
            "real_time_factor": float(np.mean(probe.factors or [0.0])),
        }


def _cpu(cell: RosCell) -> dict[str, float]:
    return {label: cpu_seconds(pid) for label, pid in cell.launcher.running.items()}


def _percentiles(values: list[float]) -> dict[str, float]:
    names = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
    return {name: float(np.percentile(values, q)) if values else 0.0 for name, q in names.items()}


def page(result: dict[str, object], command: str) -> str:
    """The section of docs/results.md."""
    stages: dict[str, dict[str, float]] = result["stages_ms"]
    rows = [
        [stage, STAGES[stage], *(f"{stages[stage][q]:.1f}" for q in ("p50", "p90", "p99", "max"))]
        for stage in STAGES
    ]
    cpu = ", ".join(f"{k} {100 * v:.0f} %" for k, v in result["cpu_of_a_core"].items())
    total = stages["total"]
    met = all(total[q] <= bar for q, bar in _BAR_MS.items())
    return "\n\n".join([
        "## Latency",
        f"`{command}`, commit {commit()}, {os.cpu_count()} cores, {result['plans']} plans in "
        f"{result['seconds']:.0f} s. Milliseconds; the bar is 20 at p50 and 45 at p99: "
        f"{'met' if met else 'not met'}.",
        table(["stage", "what", "p50", "p90", "p99", "max"], rows),
        f"The simulator publishes a frame {result['frame_published_after_ms']:.1f} ms after its "
        f"stamp (median; rendering is in it) and runs at {result['real_time_factor']:.3f} of real "
        f"time. CPU, of one core: {cpu}.",
    ])  # fmt: skip


@click.command()
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1.0))
@click.option("--policy", type=click.Path(path_type=Path), help="Policy file.")
@click.option("--record", is_flag=True, help="Record a bag meanwhile.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers.")
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
def main(
    seconds: float, policy: Path | None, record: bool, json_path: Path | None, write: bool
) -> None:
    """Measure latency by stage."""
    arguments = {"record": str(record).lower(), "output": str(ROOT / "out" / "latency")}
    if policy is not None:
        arguments["policy"] = str(policy.resolve())
    result = measure(arguments, seconds)
    command = "benchmarks/latency.py --seconds {:g}{}".format(seconds, " --record" * record)
    text = page(result, command)
    print(text)
    if json_path is not None:
        record_of = {"command": command, "commit": commit(), **result}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(record_of, indent=2) + "\n", encoding="utf-8")
    if write:
        write_section("latency", text)


if __name__ == "__main__":
    main()
