"""Classes 1 to 5 and 10: what may be wrong with a sense, by the simulator's fault parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fault_case import Case
from fault_world import World
from sensorium_control.limits import GateConfig
from sensorium_core.contract import tabletop

SPIKE_N = 300.0
RAMP_N_S = 40.0
SATURATED_N = 1000.0
_SENSED = {
    "wrench": "wrench", "joint_states": "joints", "scene_rgb": "scene_rgb",
    "scene_depth": "scene_depth", "wrist_rgb": "wrist_rgb", "touch_left": "touch_left",
    "touch_right": "touch_right",
}  # fmt: skip
"""The contract's modality of each simulated sensor."""
_OPTIONAL = ("wrist_rgb", "touch_left", "touch_right")
_SCENE = ("scene_rgb", "scene_depth")


def faulty(sensors: Iterable[str], fault: str) -> Callable[[World], None]:
    """Sets a fault of the simulator on all of some sensors."""
    names = tuple(sensors)
    return lambda world: world.client.set_simulation({f"fault.{name}": fault for name in names})


def _case(
    name: str, sensors: str | tuple[str, ...], fault: str, *expected: str, **more: Any
) -> Case:
    names = (sensors,) if isinstance(sensors, str) else sensors
    return Case(name, faulty(names, fault), faulty(names, "none"), expected, **more)


def _age_s(sensor: str) -> float:
    return tabletop().modality(_SENSED[sensor]).max_age_s


def _last_stamp(topic: str, deadline_s: float) -> Callable[[World, int, int], int]:
    """When the last message before a reaction grew too old."""

    def instant(world: World, injected_ns: int, reaction_ns: int) -> int:
        samples = world.seen.senses[topic]
        last = max((s.stamp_ns for s in samples if s.times.sent_ns <= reaction_ns), default=0)
        return last + round(deadline_s * 1e9)

    return instant


def _last_picture(name: str, deadline_s: float) -> Callable[[World, int, int], int]:
    """When the last picture grew too old, by the stamp of it in the step that held.

    The observer takes no pictures: it would disturb what it watches.
    """

    def instant(world: World, injected_ns: int, reaction_ns: int) -> int:
        for times, values in world.seen.since(world.seen.steps, injected_ns):
            if values["state"] == "holding":
                before_s = float(values["latency_s/total"]) + float(values[f"age_s/{name}"])
                return int(times.sent_ns - round((before_s - deadline_s) * 1e9))
        return reaction_ns

    return instant


def _spiked(world: World, injected_ns: int, _: int) -> int:
    """When the first wrench that is far too large was written."""
    samples = world.seen.since(world.seen.senses["wrench"], injected_ns)
    return next((s.times.sent_ns for s in samples if s.size > SPIKE_N / 2), injected_ns)


def silent(joints_timeout_s: float) -> list[Case]:
    """Class 1."""
    bar: dict[str, Any] = {"timed": True, "bar_ms": 20.0}
    cases = [
        _case(
            "wrench", "wrench", "silence", "holding sense_silent", by="gate",
            counts_from=_last_stamp("wrench", _age_s("wrench")), **bar,
        ),
        _case(
            "joint_states", "joint_states", "silence", "stopped joints_silent", by="gate",
            counts_from=_last_stamp("joint_states", joints_timeout_s), share=0.5, **bar,
        ),
    ]  # fmt: skip
    for sensor in _SCENE:
        instant = _last_picture(_SENSED[sensor], _age_s(sensor))
        cases.append(
            _case(
                sensor,
                sensor,
                "silence",
                "policy holding",
                by="policy",
                counts_from=instant,
                share=0.25,
                **bar,
            )
        )
    cases += [_case(f"{s} (not required)", s, "silence", "armed") for s in _OPTIONAL]
    return cases


def slow() -> list[Case]:
    """Class 2: at half the rate, and at a fifth."""
    cases = []
    for share in (0.5, 0.2):
        expected = "holding sense_slow" if share < GateConfig().min_rate_share else "armed"
        by = f"rate:{share}"
        cases += [
            _case(f"{name} at {100 * share:.0f} %", name, by, expected, watch_s=2.5)
            for name in ("wrench", "joint_states")
        ]
        name = f"scene camera at {100 * share:.0f} %"
        cases.append(_case(name, _SCENE, by, "armed", "policy holding", watch_s=2.0))
    return cases


def frozen() -> list[Case]:
    """Class 3: the same bytes again and again, with advancing stamps."""
    return [
        _case("wrench", "wrench", "freeze", "holding sense_frozen"),
        _case("joint_states", "joint_states", "freeze", "stopped joints_frozen",
              "stopped tracking_error", by="gate", watch_s=3.0),
        _case("scene_rgb", "scene_rgb", "freeze", "policy holding", watch_s=3.0),
        _case("scene_depth", "scene_depth", "freeze", "policy holding", watch_s=3.0),
        _case("wrist_rgb (not required)", "wrist_rgb", "freeze", "armed"),
        _case("touch_left (not required)", "touch_left", "freeze", "armed"),
    ]  # fmt: skip


def stamps() -> list[Case]:
    """Class 4, without /clock."""
    silent_or_clock = ("holding sense_silent", "stopped clock_disagrees")
    cases = []
    for shift in ("5", "-5"):
        by = f"stamp:{shift}"
        cases += [
            _case(f"wrench stamped {shift} s", "wrench", by, *silent_or_clock),
            _case(f"joint_states stamped {shift} s", "joint_states", by, "stopped joints_silent",
                  "stopped clock_disagrees", by="gate"),
            _case(f"scene camera stamped {shift} s", _SCENE, by, "policy holding",
                  "holding command_silent"),
        ]  # fmt: skip
    cases += [
        _case(f"every {s} twice", s, "duplicate", "armed") for s in ("wrench", "joint_states")
    ]
    return cases


def delivery() -> list[Case]:
    """Class 5: late, lossy, out of order."""
    everything = tuple(_SENSED)
    half = ("holding sense_slow", "armed")  # What comes after a later one is dropped.
    return [
        _case("wrench 200 ms late", "wrench", "delay:0.2", "holding sense_silent"),
        _case("joint_states 200 ms late", "joint_states", "delay:0.2", "policy holding",
              "holding sense_silent", "stopped tracking_error", "stopped joints_silent"),
        _case("scene camera 200 ms late", _SCENE, "delay:0.2", "armed", "policy holding"),
        _case("30 % of everything lost", everything, "loss:0.3", "armed", watch_s=4.0),
        _case("wrench out of order", "wrench", "reorder", *half, watch_s=3.0),
        _case("joint_states out of order", "joint_states", "reorder", *half, watch_s=3.0),
    ]  # fmt: skip


def force() -> list[Case]:
    """Class 10: one wrench that is far too large, a slow rise, the end of the range."""
    force_n = GateConfig().force_limit_n

    def at_limit(world: World, injected_ns: int, _: int) -> int:
        samples = world.seen.since(world.seen.senses["wrench"], injected_ns)
        over = (s.times.sent_ns for s in samples if s.size * 3**0.5 > force_n)
        return next(over, injected_ns)

    too_much = ("stopped force_spike", "stopped force_limit", "stopped torque_limit")
    return [
        _case(f"one wrench of {SPIKE_N:g} N", "wrench", f"spike:{SPIKE_N:g}",
              "stopped force_spike", by="gate", counts_from=_spiked, timed=True, bar_ms=10.0),
        _case(f"rises by {RAMP_N_S:g} N/s on each axis", "wrench", f"ramp:{RAMP_N_S:g}",
              "stopped force_limit", by="gate", counts_from=at_limit, watch_s=4.0),
        _case("at the end of its range", "wrench", f"saturate:{SATURATED_N:g}",
              "stopped sense_saturated", *too_much, by="gate"),
    ]  # fmt: skip
