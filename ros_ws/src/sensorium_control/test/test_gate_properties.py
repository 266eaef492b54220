"""Nothing bad reaches the arm, whatever is proposed and whatever fails: the short form.

The lives, the proposals and the oracle are those of `benchmarks/gate_fuzz.py`, which runs a
million of them; here hypothesis runs a few and shrinks what fails.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_urdf

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "benchmarks"))

from gate_fuzz_broken import BROKEN
from gate_fuzz_oracle import Oracle, Trace
from gate_fuzz_plan import EVENTS, KINDS, Plan, Report, fixed, plans
from gate_fuzz_proposals import ADVERSARIAL, VALID
from gate_fuzz_world import World, run
from sensorium_control.limits import GateConfig

_LIVES = 100
_MADE_TO_BE_REFUSED = {"policy, mad", "to the end stop", "bulging cubics"}
_NEVER_PASS = ("NaN", "infinity", "wrong lengths", "wrong names", "empty")


def quiet(*kinds: str, scale: float = 1.0) -> Plan:
    """A life in which only these proposals are made, and nothing fails."""
    events = tuple((kind, number, 0.0) for number, kind in enumerate(kinds))
    return Plan(start=0, scale=scale, delay_steps=0, jitter_ns=0, seed=3, events=events)


_AT_THE_STOP_WHEN_THE_CLOCK_STEPS = Plan(
    start=5, scale=1.0, delay_steps=0, jitter_ns=0, seed=2024,
    events=tuple(
        (kind, number, 0.0)
        for kind, number in [
            ("policy", 0), ("policy", 1), *[("policy", 0)] * 9,
            ("to the end stop", 16713131), ("policy", 788), ("clock", 1),
        ]
    ),
)  # fmt: skip
"""A brake to rest on the path passed wrist_3's stop by 17 microradians."""


@settings(
    max_examples=_LIVES, derandomize=True, database=None, deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(plans(10, 40))
@example(_AT_THE_STOP_WHEN_THE_CLOCK_STEPS)
def test_nothing_bad_reaches_the_arm(plan: Plan) -> None:
    assert run(plan).faults == []


@pytest.fixture(scope="module")
def everything() -> Report:
    """Each kind of proposal six times, each followed by some event of every kind in turn."""
    total = Report()
    for seed in range(6):
        names = [kind for pair in zip(KINDS, _cycle(EVENTS), strict=False) for kind in pair]
        events = tuple((kind, 100 * seed + i, float("nan")) for i, kind in enumerate(names))
        total.add(run(Plan(seed % 5, 1.0, 0, 0, seed, events)))
    return total


def _cycle(names: tuple[str, ...]) -> list[str]:
    return [*names, *names, *names]


def test_every_kind_of_proposal_and_event_is_made_and_judged(everything: Report) -> None:
    assert {kind for kind, _ in everything.outcomes} == set(KINDS)
    assert {kind for kind, _ in everything.events} == set(EVENTS)
    assert everything.judged == 6 * len(KINDS)


def test_what_is_broken_never_passes_and_is_called_by_its_name(everything: Report) -> None:
    passed = {kind for kind, reason in everything.outcomes if reason == "ok"}
    assert passed.isdisjoint(_NEVER_PASS)
    reasons = {reason for _, reason in run(quiet(*[*BROKEN] * 3)).outcomes}
    assert reasons >= {"not_finite", "malformed", "wrong_joints", "empty", "times_not_increasing"}


@pytest.mark.parametrize("kind", sorted({*VALID, *ADVERSARIAL} - _MADE_TO_BE_REFUSED))
def test_harmless_proposals_of_every_kind_pass_too(kind: str) -> None:
    report = run(quiet(*[kind] * 25))
    assert report.outcomes[kind, "ok"] > 0
    assert report.faults == []


def test_a_policy_that_behaves_is_not_refused() -> None:
    report = run(quiet(*["policy"] * 30))
    assert report.outcomes["policy", "ok"] >= 20


def test_lives_repeat_to_the_bit() -> None:
    plan = quiet(*KINDS, *EVENTS)
    first, second = World(plan), World(plan)
    first.run()
    second.run()
    np.testing.assert_array_equal(first.trace.setpoints, second.trace.setpoints)


def test_the_oracle_knows_the_same_robot() -> None:
    q = np.random.default_rng(1).uniform(-3, 3, (20, 6))
    places, turned = _oracle().chain.poses(q)
    poses = np.array([Kinematics(load_urdf()).fk(row) for row in q])
    np.testing.assert_allclose(places, poses[:, :3, 3], atol=1e-12)
    np.testing.assert_allclose(turned, poses[:, :3, :3], atol=1e-12)


def _oracle() -> Oracle:
    return Oracle(load_urdf(), GateConfig.from_contract(fixed().contract), JOINTS)


def _rules(rows: np.ndarray, **changes: object) -> set[str]:
    trace = Trace(setpoints=list(rows), **changes)
    return {fault.rule for fault in _oracle().motion(trace)}


def _still(n: int = 500) -> np.ndarray:
    return np.repeat(fixed().starts[0][None], n, axis=0)


def test_the_oracle_sees_no_fault_in_rest() -> None:
    assert _rules(_still(), rests=[(0, 500, "rest")]) == set()


@pytest.mark.parametrize(
    ("size", "rules"), [(0.1, {"speed", "acceleration", "jerk"}), (0.002, {"acceleration"})]
)
def test_the_oracle_sees_a_step(size: float, rules: set[str]) -> None:
    rows = _still()
    rows[250:, 5] += size
    assert _rules(rows) >= rules


def test_the_oracle_forgives_a_hard_stop_its_jerk_but_not_its_speed() -> None:
    rows = _still()
    rows[250:, 5] += 0.1
    assert _rules(rows, hard=[(200, 400)]) == {"speed"}


def test_the_oracle_sees_jerk_alone() -> None:
    t = np.arange(500) * 0.002
    rows = _still()
    rows[:, 5] += 0.043 * np.sin(2 * np.pi * 6.2 * t)
    assert _rules(rows) == {"jerk"}


def test_the_oracle_sees_a_tool_in_the_table_and_out_of_its_box() -> None:
    arm, home = fixed().arm, fixed().starts[0]
    low, high = home.copy(), home.copy()
    low[:6] = arm.ik(home[:6], np.array([0.48, 0.0, 0.005, 0.0]))
    high[:6] = arm.ik(home[:6], np.array([0.48, 0.0, 0.50, 0.0]))
    assert _rules(np.repeat(low[None], 100, axis=0)) == {"table", "workspace"}
    assert _rules(np.repeat(high[None], 100, axis=0)) == {"workspace"}


def test_the_oracle_sees_motion_when_there_must_be_rest() -> None:
    rows = _still()
    rows[:, 5] += np.linspace(0, 0.1, 500)
    assert _rules(rows, rests=[(100, 500, "stop")]) == {"rest"}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"joint_names": JOINTS[::-1]}, "joints"),
        ({"times_s": np.array([0.1, 0.1])}, "times"),
        ({"positions": np.full((2, 7), np.nan)}, "finite"),
        ({"positions": np.full((2, 7), 7.0)}, "position"),
        ({"positions": np.zeros((2, 6))}, "shape"),
        ({"stamp_ns": -1}, "stamp"),
    ],
)
def test_the_oracle_sees_a_bad_message(changes: dict[str, object], rule: str) -> None:
    good = {
        "stamp_ns": 1, "joint_names": JOINTS, "times_s": np.array([0.1, 0.2]),
        "positions": np.zeros((2, 7)),
    }  # fmt: skip
    assert _oracle().message(Trajectory(**good)) == []
    assert {fault.rule for fault in _oracle().message(Trajectory(**{**good, **changes}))} == {rule}
