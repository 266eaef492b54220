"""Classes 6, 7, 8, 11 and 14: processes killed, stopped, starved, slowed, and raising inside."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

from fault_case import Case
from fault_node import TOPIC, callbacks
from fault_world import World

_SILENT = ("holding proposer_silent",)
_AT_REST_RAD_S = 0.02
_REST_S = 2.0
_RATE_SHARE = 0.7
_SAFE = (
    "armed", "policy holding", "holding proposer_silent", "holding command_silent",
    "holding sense_silent", "holding sense_slow",
)  # fmt: skip


def killed() -> list[Case]:
    """Class 6."""

    def again(world: World) -> None:
        world.stack.start("fusion")

    return [
        Case("SIGKILL", lambda world: world.stack.kill("fusion"), again, _SILENT, by="gate",
             timed=True, share=0.35, bar_ms=60.0),
    ]  # fmt: skip


def stopped() -> list[Case]:
    """Class 7, first half."""
    return [
        Case("SIGSTOP", lambda world: world.stack.send("fusion", signal.SIGSTOP),
             lambda world: world.stack.send("fusion", signal.SIGCONT), _SILENT, by="gate",
             timed=True, bar_ms=60.0),
    ]  # fmt: skip


def inference_slow() -> list[Case]:
    """Class 7, second half; the stack runs a policy that takes 300 ms longer."""
    return [
        Case("inference takes 300 ms longer", _nothing, _nothing, _SAFE, by="state", watch_s=6.0,
             moving=False, check=_ended_at_rest),
    ]  # fmt: skip


def gate() -> list[Case]:
    """Class 8."""

    def starve(world: World) -> None:
        world.stack.load(8, -5, longest_s=6.0)

    return [
        Case("eight busy processes of priority", starve, lambda world: world.stack.unload(),
             _SAFE, by="state", watch_s=5.0, check=_ended_at_rest),
        Case("SIGSTOP for two seconds", lambda world: world.stack.send("gate", signal.SIGSTOP),
             _continue_gate, ("gate silent",), by="state", watch_s=_REST_S, check=_came_to_rest,
             measure=_rest_after_ms),
        Case("SIGKILL", lambda world: world.stack.kill("gate"), _restart_gate,
             ("gate silent",), by="state", watch_s=_REST_S, check=_came_to_rest,
             measure=_rest_after_ms),
    ]  # fmt: skip


def _nothing(_: World) -> None:
    return None


def _continue_gate(world: World) -> None:
    world.stack.send("gate", signal.SIGCONT)
    world.listen(0.5)


def _restart_gate(world: World) -> None:
    seen = len(world.seen.statuses)
    world.stack.start("gate")
    world.until(lambda: len(world.seen.statuses) > seen, 10.0)


def _ended_at_rest(world: World, injected_ns: int) -> str:
    """Whatever reached the arm ends at rest, so that an arm left alone stops."""
    moving = [c for c in world.seen.since(world.seen.commands, injected_ns) if not c.ends_at_rest]
    return f"{len(moving)} commands do not end at rest" if moving else ""


def _rest_after_ms(world: World, injected_ns: int) -> float:
    """When the arm moved last."""
    samples = world.seen.since(world.seen.senses["joint_states"], injected_ns)
    moving = [s.times.heard_ns for s in samples if s.size > _AT_REST_RAD_S]
    return (max(moving, default=injected_ns) - injected_ns) * 1e-6


def _came_to_rest(world: World, injected_ns: int) -> str:
    """The arm itself rests at the end of the watch, and what it was last told ends at rest."""
    until_ns = injected_ns + round(_REST_S * 1e9)
    samples = [
        s for s in world.seen.since(world.seen.senses["joint_states"], until_ns - 300_000_000)
        if s.times.heard_ns < until_ns
    ]  # fmt: skip
    speed = max((s.size for s in samples), default=float("inf"))
    words = _ended_at_rest(world, injected_ns - 1_000_000_000)
    return words or (f"still moves at {speed:.2f} rad/s" if speed > _AT_REST_RAD_S else "")


def exceptions(label: str) -> list[Case]:
    """Class 11: every callback of one node raises, one after the other."""
    return [_raising(label, name) for name in callbacks(label)]


def _raising(label: str, name: str) -> Case:
    """The gate stops and lives on, the policy holds or goes on and lives on.

    The simulator stands for hardware and may end; so may the recorder, which the launcher starts
    again. Neither may take the arm with it.
    """
    expected: tuple[str, ...] = _SAFE
    if label == "gate":
        expected = ("stopped internal_error",)
    if name == "_report" and label == "gate":
        expected = (*expected, "gate silent")  # Nothing tells of it, but the process lives.
    if label == "sim":
        expected = (*_SAFE, "stopped joints_silent", "stopped controller_gone",
                    "stopped joints_frozen", "stopped tracking_error")  # fmt: skip

    def inject(world: World) -> None:
        _tell(world, name)
        _provoke(world, name)

    def heal(world: World) -> None:
        _tell(world, "")
        world.listen(0.3)
        if not world.stack.alive(label):
            world.stack.end(label)
            world.stack.start(label)
            again_ns = time.monotonic_ns()
            joints = world.seen.senses["joint_states"]
            world.until(lambda: joints[-1].times.sent_ns > again_ns, 10.0)
            world.listen(1.0)

    by = "gate" if label in ("gate", "sim") else "any"
    check = _lives(label) if label in ("gate", "fusion") else _nothing_more
    return Case(f"{label}: {name}", inject, heal, expected, by=by, check=check)


def _nothing_more(world: World, _: int) -> str:
    world.died.clear()
    return ""


def _tell(world: World, name: str) -> None:
    from rclpy.duration import Duration
    from rclpy.qos import DurabilityPolicy, QoSProfile
    from std_msgs.msg import String

    publisher = world.kept.get(TOPIC)
    if publisher is None:
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = world.kept[TOPIC] = world.seen.node.create_publisher(String, TOPIC, qos)
        world.until(lambda: publisher.get_subscription_count() > 0, 5.0)
    publisher.publish(String(data=name))
    publisher.wait_for_all_acked(Duration(seconds=2))
    world.listen(0.1)


def _provoke(world: World, name: str) -> None:
    """Have a callback called that nobody calls by itself."""
    client: Any = world.client
    calls: dict[str, Callable[[], object]] = {
        "_on_arm": lambda: client.arm(True),
        "_on_stop": lambda: world.call_stop(),
        "_on_reset": lambda: client.forget(),
        "_on_instruction": lambda: client.say("push the blue cube to the left"),
    }
    if name in calls:
        calls[name]()


def _lives(label: str) -> Callable[[World, int], str]:
    def check(world: World, injected_ns: int) -> str:
        died = world.died.pop(label, "")
        return f"the process of {label} ended: {died}" if died else ""

    return check


def recorder() -> list[Case]:
    """Class 14, first half: the recorder is killed."""
    return [
        Case("recorder killed", lambda world: world.stack.kill("recorder"),
             lambda world: world.stack.start("recorder"), ("armed",), watch_s=4.0,
             check=_keeps_its_rate),
    ]  # fmt: skip


def disk_full() -> list[Case]:
    """Class 14, second half: the recorder fills a small disk of its own."""

    def said(world: World) -> str:
        report = world.client.reports.get("recorder health")
        return "" if report is None else report.message

    def fills(world: World) -> None:
        end_s = time.monotonic() + 60.0
        while "No space left" not in said(world) and time.monotonic() < end_s:
            world.client.spin(0.2)
            world.seen.take()

    def check(world: World, injected_ns: int) -> str:
        if "No space left" not in said(world):
            return f"the recorder does not say so: {said(world)!r}"
        return _keeps_its_rate(world, injected_ns)

    return [Case("disk full", fills, _nothing, ("armed",), watch_s=4.0, check=check)]


def _keeps_its_rate(world: World, injected_ns: int) -> str:
    """Commands come as often after the fault as before it."""
    span_ns = 4_000_000_000
    heard = [c.times.heard_ns for c in world.seen.commands]
    before = sum(injected_ns - span_ns <= t < injected_ns for t in heard)
    after = sum(injected_ns <= t < injected_ns + span_ns for t in heard)
    return "" if after >= _RATE_SHARE * before else f"{before} commands before, {after} after"
