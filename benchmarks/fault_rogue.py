"""A process of somebody else: joins, publishes on one topic what it should not, and leaves.

    fault_rogue.py TOPIC MODULE:MESSAGE garbage|silent|POSITIONS

Publishes every payload of `payloads`, nothing, or one trajectory that rests at positions in JSON.
Says when its publisher was made, on the monotonic clock [ns]; ends with its standard input.
"""

from __future__ import annotations

import importlib
import json
import struct
import sys
import time
from typing import Any

import numpy as np

_MATCHED_S, _PAUSE_S = 2.0, 0.01
_ROUNDS = 4


def payloads(kind: Any) -> list[bytes]:
    """Nothing, a header alone, noise, half a message, sizes beyond all reason."""
    from rclpy.serialization import serialize_message

    whole = serialize_message(kind())
    noise = np.random.default_rng(0).integers(0, 256, 512, np.uint8).tobytes()
    huge = bytearray(whole + bytes(64))
    for at in range(12, len(huge) - 4, 4):
        struct.pack_into("<I", huge, at, 0x7FFFFFFF)
    return [b"\x00\x01\x00\x00", b"\x00\x01", noise, whole[: len(whole) // 2], bytes(huge)]


def resting(positions: list[float]) -> Any:
    """A trajectory that stays where the joints are."""
    from sensorium_core.kinematics import JOINTS
    from sensorium_core.nodes.messages import trajectory_to_message
    from sensorium_core.trajectory import Trajectory

    rows = np.array([positions])
    still = Trajectory(time.time_ns(), JOINTS, np.array([0.5]), rows, np.zeros_like(rows))
    return trajectory_to_message(still)


def _messages(kind: Any, what: str) -> list[Any]:
    if what == "silent":
        return []
    return payloads(kind) * _ROUNDS if what == "garbage" else [resting(json.loads(what))]


def main(topic: str, kind: str, what: str) -> None:
    """Join, publish, wait, leave."""
    import rclpy
    from rclpy.qos import QoSProfile

    module, name = kind.split(":")
    message = getattr(importlib.import_module(module), name)
    rclpy.init()
    node = rclpy.create_node("rogue")
    made_ns = time.monotonic_ns()
    publisher = node.create_publisher(message, topic, QoSProfile(depth=50))
    end_s = time.monotonic() + _MATCHED_S
    while publisher.get_subscription_count() == 0 and time.monotonic() < end_s:
        time.sleep(_PAUSE_S)
    for one in _messages(message, what):
        publisher.publish(one)
        time.sleep(_PAUSE_S)
    print(made_ns, flush=True)
    sys.stdin.read()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
