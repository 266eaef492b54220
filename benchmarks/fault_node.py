"""Starts a real node of the stack with something wrong inside.

    fault_node.py fusion --slow 0.3 --ros-args ...      each inference takes 0.3 s longer
    fault_node.py gate --raising --ros-args ...         callbacks raise when told on fault/raise

`fault/raise` (`std_msgs/String`) names the one callback that raises from now on; empty: none.
"""

from __future__ import annotations

import functools
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

NODES = {
    "sim": ("sensorium_sim.nodes.sim_node", "SimNode"),
    "gate": ("sensorium_control.nodes.gate_node", "GateNode"),
    "fusion": ("sensorium_fusion.nodes.fusion_node", "FusionNode"),
    "recorder": ("sensorium_recording.nodes.recorder_node", "RecorderNode"),
}
TOPIC = "fault/raise"
_ALSO = ("_report", "_take", "_tick", "_discover", "_watch", "_publish_truth")
"""Callbacks whose names do not begin with `_on_`."""


def callbacks(label: str) -> list[str]:
    """Names of a node's callbacks, those of its bases in our packages included."""
    module, name = NODES[label]
    cls = getattr(importlib.import_module(module), name)
    ours = [base for base in cls.__mro__ if base.__module__.startswith("sensorium_")]
    names = {attribute for base in ours for attribute in vars(base)}
    return sorted(n for n in names if n.startswith("_on_") or n in _ALSO)


def make_raising(label: str) -> None:
    """Have the node's callbacks raise while their name is the one last heard on `fault/raise`."""
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String

    module, name = NODES[label]
    cls = getattr(importlib.import_module(module), name)
    told = {"": ""}

    def hear(message: String) -> None:
        told[""] = message.data

    def build(self: Any, *args: Any, **options: Any) -> None:
        begin(self, *args, **options)
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, TOPIC, hear, qos)

    begin = cls.__init__
    cls.__init__ = build
    for callback in callbacks(label):
        setattr(cls, callback, _raising(callback, getattr(cls, callback), told))


def _raising(name: str, method: Callable[..., Any], told: dict[str, str]) -> Callable[..., Any]:
    @functools.wraps(method)
    def maybe(*args: Any, **options: Any) -> Any:
        if told[""] == name:
            raise RuntimeError(f"injected into {name}")
        return method(*args, **options)

    return maybe


def make_slow(seconds: float) -> None:
    """Have every inference take longer."""
    from sensorium_core.policy import Policy

    run = Policy.run

    def slow(self: Policy, tensors: Any) -> Any:
        time.sleep(seconds)
        return run(self, tensors)

    Policy.run = slow  # type: ignore[method-assign]


def main(label: str, *rest: str) -> None:
    """Prepare, then run the node as its own program would."""
    arguments = list(rest)
    module = importlib.import_module(NODES[label][0])
    if "--raising" in arguments:
        arguments.remove("--raising")
        make_raising(label)
    if "--slow" in arguments:
        at = arguments.index("--slow")
        make_slow(float(arguments[at + 1]))
        del arguments[at : at + 2]
    sys.argv = [label, *arguments]
    module.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
