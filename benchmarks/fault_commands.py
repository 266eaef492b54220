"""Classes 4 (/clock), 9, 12, 13 and 16: what somebody else may send."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fault_case import Case
from fault_proposer import Proposer
from fault_world import WORDS, World

_SAFE = (
    "armed", "policy holding", "holding sense_silent", "holding sense_slow",
    "holding command_silent", "holding proposer_silent", "holding second_proposer",
    "stopped joints_silent", "stopped force_spike", "stopped force_limit",
    "stopped sense_saturated", "stopped torque_limit",
)  # fmt: skip
_MOST_GROWTH_MB = 300.0
_FLOOD_HZ, _FLOOD_S = 1000, 3.0
_TRAJECTORY = "trajectory_msgs.msg:JointTrajectory"
_ROGUE, _PIPE, _JOINS_S = Path(__file__).with_name("fault_rogue.py"), subprocess.PIPE, 10.0
_FLOOD = ("pick up the red cube", "push the blue cube to the left", "press the green button")


def _nothing(_: World) -> None:
    return None


def trajectories() -> list[Case]:
    """Class 9: the only proposer, which the gate has trusted so far, sends nonsense once."""
    return [_refused(name, reason, spoil) for name, (reason, spoil) in _NONSENSE.items()]


def _refused(name: str, reason: str, spoil: Callable[[Any], None]) -> Case:
    def inject(world: World) -> None:
        from sensorium_core.nodes.messages import trajectory_to_message

        proposer: Proposer = world.kept["proposer"]
        message = trajectory_to_message(proposer.trajectory())
        spoil(message)
        proposer.publisher.publish(message)

    expected = tuple(f"refused {r}" for r in reason.split("|"))
    return Case(name, inject, _nothing, expected, by="refusal")


def _each(value: float, field: str = "positions") -> Callable[[Any], None]:
    def spoil(message: Any) -> None:
        row = list(getattr(message.points[3], field))
        row[1] = value
        setattr(message.points[3], field, row)

    return spoil


def _shorten(message: Any) -> None:
    message.points[2].positions = list(message.points[2].positions)[:-1]


def _rename(message: Any) -> None:
    message.joint_names = [*message.joint_names[:-1], "tail_joint"]


def _leap(message: Any) -> None:
    for point in message.points:
        point.positions = [10.0 * p for p in point.positions]


def _empty(message: Any) -> None:
    message.points = []


def _backwards(message: Any) -> None:
    message.points[4].time_from_start, message.points[5].time_from_start = (
        message.points[5].time_from_start, message.points[4].time_from_start,
    )  # fmt: skip


def _shift(seconds: int) -> Callable[[Any], None]:
    def spoil(message: Any) -> None:
        message.header.stamp.sec += seconds

    return spoil


_NONSENSE: dict[str, tuple[str, Callable[[Any], None]]] = {
    "NaN": ("not_finite", _each(float("nan"))),
    "+inf": ("not_finite", _each(float("inf"))),
    "-inf": ("not_finite", _each(float("-inf"))),
    "NaN speed": ("not_finite", _each(float("nan"), "velocities")),
    "wrong length": ("malformed", _shorten),
    "wrong names": ("wrong_joints", _rename),
    "10x jump": ("position_limit|speed_limit|not_continuous|acceleration_limit", _leap),
    "empty": ("empty", _empty),
    "times going back": ("times_not_increasing", _backwards),
    "stamped 5 s ahead": ("stamp_future", _shift(5)),
    "stamped 5 s ago": ("stamp_old|stamp_not_monotonic", _shift(-5)),
}


def clock() -> list[Case]:
    """Class 4: the stack runs on /clock, which jumps and stands still."""

    def jump(seconds: float) -> Callable[[World], None]:
        def act(world: World) -> None:
            world.kept["proposer"].shift_s += seconds

        return act

    def stand(still: bool) -> Callable[[World], None]:
        def act(world: World) -> None:
            world.kept["proposer"].stands = still

        return act

    wrong = ("stopped clock_backward", "stopped clock_disagrees")
    return [
        Case("/clock jumps back 5 s", jump(-5.0), jump(5.0), wrong, by="gate"),
        Case("/clock jumps ahead 5 s", jump(5.0), jump(-5.0),
             (*wrong, "stopped joints_silent"), by="gate"),
        Case("/clock stands still", stand(True), stand(False),
             (*wrong, "stopped joints_silent", "holding proposer_silent"), by="gate", watch_s=3.0),
    ]  # fmt: skip


def _join(world: World, topic: str, kind: str, what: str) -> int:
    """Have a process join that publishes what it should not; returns when it began to [ns]."""
    env = {**os.environ, "ROS_DOMAIN_ID": str(world.stack.domain)}
    command = [sys.executable, str(_ROGUE), topic, kind, what]
    rogue = subprocess.Popen(command, env=env, stdin=_PIPE, stdout=_PIPE)
    world.kept["rogue"] = rogue
    assert rogue.stdout is not None
    pipe = rogue.stdout
    world.until(lambda: bool(select.select([pipe], [], [], 0)[0]), _JOINS_S)
    return int(pipe.readline())


def _leave(world: World) -> None:
    world.kept.pop("rogue").communicate()
    world.listen(0.5)


def rogues() -> list[Case]:
    """Class 12: a second publisher on either topic."""
    return [
        _second("command/joint_trajectory", "holding second_proposer"),
        _second("arm_controller/joint_trajectory", "stopped second_commander"),
        _second("gripper_controller/joint_trajectory", "stopped second_commander"),
    ]


def _second(topic: str, expected: str) -> Case:
    def inject(world: World) -> int:
        proposes = topic.startswith("command")
        what = json.dumps(world.joints().tolist()) if proposes else "silent"
        return _join(world, topic, _TRAJECTORY, what)

    return Case(f"on {topic}", inject, _leave, (expected,), by="gate", watch_s=3.0)


def bytes_of_all_kinds() -> list[Case]:
    """Class 13: messages that are none, and far too large ones, on every topic that is heard."""
    topics = {
        "wrench": "geometry_msgs.msg:WrenchStamped",
        "joint_states": "sensor_msgs.msg:JointState",
        "camera/scene/image_raw": "sensor_msgs.msg:Image",
        "camera/scene/depth/image_rect_raw": "sensor_msgs.msg:Image",
        "camera/scene/camera_info": "sensor_msgs.msg:CameraInfo",
        "arm_controller/joint_trajectory": _TRAJECTORY,
    }
    return [_malformed(topic, kind) for topic, kind in topics.items()] + [
        _said("10 MB", "pick up " * (10 * 1024 * 1024 // 8)),
        _said("control characters", "pick up\x00\x1b[2J\x07 the red cube"),
        _said("right to left", "\u202eebuc der eht pu kcip\u202c التقط المكعب الأحمر"),
    ]


def _malformed(topic: str, kind: str) -> Case:
    def inject(world: World) -> int:
        _weigh(world)
        return _join(world, topic, kind, "garbage")

    expected = ("stopped second_commander",) if topic.startswith("arm_") else _SAFE
    return Case(f"no messages on {topic}", inject, _leave, expected, watch_s=2.0, check=_unharmed)


def _said(name: str, text: str) -> Case:
    def inject(world: World) -> None:
        _weigh(world)
        world.client.say(text)

    return Case(f"instruction: {name}", inject, lambda world: world.client.say(WORDS), _SAFE,
                by="state", watch_s=2.0, check=_unharmed)  # fmt: skip


def _weigh(world: World) -> None:
    world.kept["memory"] = {label: world.stack.memory_mb(label) for label in world.setup.nodes}


def _unharmed(world: World, _: int) -> str:
    """No process has ended or grown."""
    dead = sorted(world.died)
    world.died.clear()
    if dead:
        return f"ended: {dead}"
    grown = {
        label: f"{world.stack.memory_mb(label) - before:.0f} MB"
        for label, before in world.kept["memory"].items()
        if world.stack.memory_mb(label) - before > _MOST_GROWTH_MB
    }
    return f"grew: {grown}" if grown else ""


def floods() -> list[Case]:
    """Class 16: the last instruction wins and the arm keeps its rate."""

    def flood(rate_hz: int, last: str) -> Callable[[World], None]:
        def act(world: World) -> None:
            _weigh(world)
            begun_s, sent = time.monotonic(), 0
            while (spent_s := time.monotonic() - begun_s) < _FLOOD_S:
                while sent < spent_s * rate_hz:
                    world.client.say(_FLOOD[sent % len(_FLOOD)])
                    sent += 1
                world.listen(0.0)
                time.sleep(0.001)
            world.client.say(last)
            world.kept["flood"] = (begun_s, time.monotonic(), last)

        return act

    return [
        Case(f"{_FLOOD_HZ} instructions/s", flood(_FLOOD_HZ, _FLOOD[1]), _nothing, ("armed",),
             by="state", watch_s=1.0, check=_last_won),
        Case("ten contradictions/s", flood(10, _FLOOD[2]), _nothing, ("armed",), by="state",
             watch_s=1.0, check=_last_won),
    ]  # fmt: skip


def _last_won(world: World, injected_ns: int) -> str:
    begun_s, over_s, last = world.kept["flood"]
    now = world.seen.steps[-1][1]["instruction"]
    if now != last:
        return f"follows {now!r}, not the last one, {last!r}"
    heard = [c.times.heard_ns * 1e-9 for c in world.seen.commands]
    during = sum(begun_s <= t <= over_s for t in heard) / (over_s - begun_s)
    before = sum(begun_s - _FLOOD_S <= t < begun_s for t in heard) / _FLOOD_S
    tripped = [s for s in world.seen.since(world.seen.statuses, injected_ns) if s.state != "armed"]
    if tripped or during < 0.5 * before:
        holds = sorted({str(s) for s in tripped})
        return f"{before:.1f} commands/s before, {during:.1f} during; {holds}"
    return _unharmed(world, injected_ns)
