"""The sixteen classes of faults, in the order of the issue that asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import fault_commands
import fault_processes
import fault_senses
from fault_case import Case
from fault_policy import write_circle_policy
from fault_proposer import Proposer, SimulatedClock
from fault_stack import Setup
from fault_world import World

JOINTS_TIMEOUT_S = 0.5
"""As launch/sim.launch.yaml has it: a busy machine may pause a simulation."""

SetupOf = Callable[[Path], Setup]
CasesOf = Callable[[], list[Case]]


@dataclass(frozen=True)
class Group:
    """Cases that are tried in one running stack."""

    setup: SetupOf
    """From the folder that takes what the stack writes."""
    cases: CasesOf
    propose: Callable[[World], Any] | None = None
    """Makes a proposer where no policy runs, or a clock."""


@dataclass(frozen=True)
class FaultClass:
    """One class: its name, its number in the issue, and how it is tried."""

    key: str
    number: int
    title: str
    groups: tuple[Group, ...] = ()

    @property
    def is_timed(self) -> bool:
        """Whether timing matters in any of its cases; only these are tried with loaded cores."""
        return any(case.timed for group in self.groups for case in group.cases())


def moving(small: bool = False) -> SetupOf:
    """Simulator, gate and policy; the tool goes round in a circle."""

    def setup(folder: Path) -> Setup:
        policy = write_circle_policy(folder.parent / "circle.onnx")
        arguments = {"policy": str(policy), "joints_timeout_s": str(JOINTS_TIMEOUT_S)}
        if small:
            arguments |= {"camera_width": "128", "camera_height": "96", "camera_rate_hz": "15.0"}
        return Setup(arguments=arguments)

    return setup


def _with(base: SetupOf, **changes: Any) -> SetupOf:
    """The same stack, changed; `record` is a launch argument."""

    def setup(folder: Path) -> Setup:
        made = base(folder)
        if "recorder" in changes.get("nodes", ()):
            bags = folder / "bags"
            bags.mkdir(parents=True, exist_ok=True)
            recorded = {"record": "true", "output": str(bags), "min_free_gb": "0.0"}
            made = replace(made, arguments={**made.arguments, **recorded})
            if changes.get("disk_mb"):
                made = replace(made, private_disk_mb={"recorder": (bags, changes["disk_mb"])})
        return replace(made, **{k: v for k, v in changes.items() if k != "disk_mb"})

    return setup


_ALL = ("sim", "gate", "fusion", "recorder")
_SIMULATED = {"use_sim_time": True}


def classes(small: bool = False) -> list[FaultClass]:
    """All of them; `small` has small pictures, for tests."""
    base = moving(small)

    def plain(key: str, number: int, title: str, cases: CasesOf, **more: Any) -> FaultClass:
        return FaultClass(key, number, title, (Group(base, cases, **more),))

    def raising(label: str) -> Group:
        wrapped = {label: ("--raising",)}
        nodes = _ALL if label == "recorder" else _ALL[:3]
        return Group(_with(base, wrapped=wrapped, nodes=nodes),
                     partial(fault_processes.exceptions, label))  # fmt: skip

    alone = _with(base, nodes=("sim", "gate"))
    on_clock = _with(base, parameters={"gate": _SIMULATED, "fusion": _SIMULATED})
    slow = _with(base, wrapped={"fusion": ("--slow", "0.3")})
    small_disk = _with(base, nodes=_ALL, disk_mb=150)
    return [
        plain("silent", 1, "Each sensor silent", lambda: fault_senses.silent(JOINTS_TIMEOUT_S)),
        plain("slow", 2, "Rate at 50 % and 20 %", fault_senses.slow),
        plain("frozen", 3, "Frozen payload, advancing stamps", fault_senses.frozen),
        FaultClass("stamps", 4, "Stamps ±5 s, /clock jumping, duplicates", (
            Group(base, fault_senses.stamps),
            Group(on_clock, fault_commands.clock, SimulatedClock),
        )),
        plain("delivery", 5, "200 ms late, 30 % lost, out of order", fault_senses.delivery),
        plain("killed", 6, "Policy process killed", fault_processes.killed),
        FaultClass("stopped", 7, "Policy stopped, inference slowed to 300 ms", (
            Group(base, fault_processes.stopped),
            Group(slow, fault_processes.inference_slow),
        )),
        plain("gate", 8, "Gate starved, stopped, killed", fault_processes.gate),
        FaultClass("nonsense", 9, "Trajectories that are none",
                   (Group(alone, fault_commands.trajectories, Proposer),)),
        plain("force", 10, "Wrench spike, slow ramp, saturated", fault_senses.force),
        FaultClass("exceptions", 11, "An exception inside every callback",
                   tuple(raising(label) for label in ("gate", "fusion", "sim", "recorder"))),
        plain("rogues", 12, "A second publisher", fault_commands.rogues),
        plain("bytes", 13, "Malformed and oversized messages", fault_commands.bytes_of_all_kinds),
        FaultClass("recorder", 14, "Recorder killed, disk full", (
            Group(_with(base, nodes=_ALL), fault_processes.recorder),
            Group(small_disk, fault_processes.disk_full),
        )),
        FaultClass("cycles", 15, "Starts and stops beside stale shared memory"),
        plain("floods", 16, "Instructions: a flood, contradictions", fault_commands.floods),
    ]  # fmt: skip
