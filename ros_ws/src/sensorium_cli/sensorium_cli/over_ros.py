"""Runs evaluation episodes over real nodes: one launched graph, one reset an episode.

with RosCell(arguments) as cell:
    results = [cell.run(case) for case in cases]
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError, NodeUnavailableError
from sensorium_core.goal import Goal

from sensorium_cli.attempt import Attempt, judge_status, missing_senses, patience_s
from sensorium_cli.domain import free_domain
from sensorium_cli.launch.launcher import Launcher
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.packages import BRINGUP, package_share

if TYPE_CHECKING:
    from sensorium_cli.nodes.cell_client import CellClient

READY_S = 60.0
_POLL_S = 0.05
_RECORDER = "recorder health"
_ACTIONS = (
    "command/joint_trajectory", "arm_controller/joint_trajectory",
    "gripper_controller/joint_trajectory", "policy/step",
)  # fmt: skip
"""What a recording needs besides the senses, to take the policy's steps again."""
_SETTLE_S = 0.5
"""From the report of the recorder until windows are full."""


@dataclass(frozen=True)
class Case:
    """One episode to run. `goal` is what the simulator judges; None: to hold still is success."""

    seed: int
    goal: Goal | None
    text: str

    @property
    def goal_text(self) -> str:
        """The goal as the simulator's parameter `episode.goal`."""
        return "none" if self.goal is None else self.goal.words


@dataclass(frozen=True)
class Result:
    """How one episode went."""

    success: bool
    reason: str
    state: str
    """The policy's last state."""
    seconds: float
    moved_m: float
    """Largest distance of the tool from where it was when it was told."""


class RosCell:
    """A launched simulation that runs any number of episodes. Use from one thread."""

    def __init__(
        self, arguments: Mapping[str, str] | None = None, log_folder: Path | None = None
    ) -> None:
        """Prepare; `arguments` are those of `launch/sim.launch.yaml`."""
        self._arguments = {"arm_on_start": "false", **(arguments or {})}
        self._log_folder = log_folder
        self._stack = ExitStack()

    def __enter__(self) -> RosCell:
        domain = free_domain()
        environment = middleware_environment({**os.environ, "ROS_DOMAIN_ID": str(domain)})
        file = package_share(BRINGUP, environment) / "launch" / "sim.launch.yaml"
        os.environ.update(environment)
        from sensorium_cli.nodes.cell_client import CellClient  # ROS reads the environment first.

        with ExitStack() as stack:
            self._launcher = stack.enter_context(
                Launcher(file, self._arguments, environment, log_folder=self._log_folder)
            )
            self._client = stack.enter_context(CellClient(domain))
            self._await(lambda: self._client.is_heard, "instruction", READY_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def client(self) -> CellClient:
        """The connection to the nodes."""
        return self._client

    @property
    def launcher(self) -> Launcher:
        """The running nodes."""
        return self._launcher

    def run(self, case: Case) -> Result:
        """Reset, say the words, and follow until the judge, the policy or time ends it."""
        client = self._client
        self.prepare(case)
        client.say(case.text)
        said_s = time.monotonic()
        attempt = Attempt(case.text, said_s, patience_s(client.reports))
        while (end := attempt.update(client.reports, time.monotonic())) is None:
            self._spin("sim/outcome")
        policy, sim = client.reports["policy"].values, client.reports["sim"].values
        return Result(
            end.success, end.reason, policy["state"], time.monotonic() - said_s,
            float(sim["tool_travel_m"]),
        )  # fmt: skip

    def prepare(self, case: Case) -> None:
        """Reset everything to the case's scene and arm the gate; nothing is said yet."""
        client = self._client
        client.say("")
        client.arm(False)
        client.set_episode(case.seed, case.goal_text)
        client.forget()
        client.reports.clear()
        self._await(self._is_ready, "policy/step with every sense", READY_S)
        self._await(lambda: client.arm(True)[0], "gate/arm", READY_S)

    def record(self) -> str:
        """Begin a bag as soon as the recorder hears senses and commands; returns the bag's path.

        The recorder must be launched with `autostart` false.
        """
        self._client.reports.pop(_RECORDER, None)
        self._await(self._is_heard_by_recorder, "diagnostics of a recorder", READY_S)
        self._client.spin(_SETTLE_S)
        started, words = self._client.record()
        if not started:
            raise BagError(words, "was not begun", "look at the recorder's diagnostics")
        return words

    def _is_heard_by_recorder(self) -> bool:
        report = self._client.reports.get(_RECORDER)
        wanted = {"/" + topic for topic in (*(m.topic for m in tabletop().modalities), *_ACTIONS)}
        return report is not None and not wanted & set(report.values["waiting"].split())

    def _is_ready(self) -> bool:
        reports = self._client.reports
        dropped = {name for name in self._arguments.get("drop", "").split(",") if name}
        return judge_status(reports) == "waiting" and (
            not missing_senses(reports) or (bool(dropped) and "policy" in reports)
        )

    def _await(self, condition: object, what: str, limit_s: float) -> None:
        end_s = time.monotonic() + limit_s
        while not condition():  # type: ignore[operator]
            self._spin(what)
            if time.monotonic() > end_s:
                raise NodeUnavailableError(what, limit_s)

    def _spin(self, what: str) -> None:
        self._client.spin(_POLL_S)
        if self._launcher.poll() is not None:
            raise NodeUnavailableError(what, 0.0)


def run_over_ros(
    cases: Iterable[Case], arguments: Mapping[str, str] | None = None
) -> Iterator[Result]:
    """Run the cases one after another on one launched graph; results come as they are made.

    Args:
        cases: what to run.
        arguments: of `launch/sim.launch.yaml`, such as `{"policy": ..., "drop": "wrench,pads"}`.

    Raises:
        NodeUnavailableError: a node ended or stays silent.
    """
    with RosCell(arguments) as cell:
        for case in cases:
            yield cell.run(case)
