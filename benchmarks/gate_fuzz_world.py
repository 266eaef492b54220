"""One fuzzed life of a gate: an arm that follows it, senses that fail, a clock that jumps.

A `Plan` is plain data that hypothesis draws; `run` plays it and returns what was proposed, what
came of it and every fault that the oracle found.
"""

from __future__ import annotations

import numpy as np
from gate_fuzz_oracle import Fault, Oracle, Trace
from gate_fuzz_plan import KINDS, Plan, Report, fixed
from gate_fuzz_proposals import Moment
from numpy.typing import NDArray
from sensorium_control.gate import Gate
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import GateState, Reason
from sensorium_core.inputs import CommandHistory
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory
from sensorium_sim.controller import TrajectoryController

Array = NDArray[np.float64]
MS = 1_000_000
STEP_NS = 2 * MS
START_NS = 1_000_000_000_000
REST_BOUND_S = 1.0
"""After a hold, a stop or a disarming the setpoint must not move any more from then on."""
HARD_BOUND_S = 0.1
"""For so long after a stop that is meant to be hard, jerk and acceleration are not judged."""
HARD = {
    "force_limit",
    "torque_limit",
    "force_spike",
    "sense_saturated",
}
"""Stops whose point is to be faster than the jerk limit allows: they rest where measured."""
ELSEWHERE = {"tracking_error", "second_commander"}
"""Stops of an arm that is not on its path: within every limit to where it is measured."""
_WAITS_MS = (0, 2, 10, 20, 34, 60, 100, 100, 200)
_NOISE_RAD = 1e-3
"""An arm measured further than this from its command was moved, or its joints are frozen."""
_PATIENCE = 3
"""So many events pass before an operator mends and arms a gate that lets nothing through."""


class World:
    """The gate, its arm, and whatever befalls them. One thread; time only moves by `advance`."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.fixed = plan, fixed()
        self.config = GateConfig.from_contract(self.fixed.contract, scale=plan.scale)
        self.gate = Gate(self.config, self.fixed.urdf)
        self.oracle = Oracle(self.fixed.urdf, self.config, JOINTS)
        self.arm = TrajectoryController(JOINTS, STEP_NS, np.zeros(7))
        self.arm.reset(self.fixed.starts[plan.start])
        self.report, self.trace = Report(), Trace()
        self.history = CommandHistory()
        self._controls = self.fixed.starts[plan.start].copy()
        self._measured = self._controls.copy()
        self._row, self._offset_ns, self._noise_row = 0, plan.jitter_ns, plan.seed % 509
        self._until: dict[str, int] = {}
        self._deviation, self._force = np.zeros(7), np.zeros(6)
        self._pending: list[tuple[int, int, Trajectory]] = []
        self._may_move = False
        self._resting: tuple[int, str] | None = (0, "not armed")
        self._idle = 0
        self._last_stamp_ns = 0
        self._graph = [1, 1, 1]

    def run(self) -> Report:
        """Play the plan and judge it."""
        self.advance(50)
        self._arm()
        for index, (kind, seed, value) in enumerate(self.plan.events):
            rng = np.random.default_rng((self.plan.seed, index, seed))
            if kind in KINDS:
                self._propose(kind, rng, value)
            else:
                getattr(self, "_on_" + kind.replace(" ", "_"))(rng)
                status = self.gate.status(self.now_ns)
                self.report.events[kind, f"{status.state.value}: {status.reason.value}"] += 1
            self._operate()
        self.advance(100)
        self._note_rest(closing=True)
        self.report.setpoints = len(self.trace.setpoints)
        self.report.faults += self.oracle.motion(self.trace)
        return self.report

    @property
    def now_ns(self) -> int:
        """The gate's clock."""
        return START_NS + self._row * STEP_NS + self._offset_ns

    def _active(self, what: str) -> bool:
        return self._until.get(what, -1) > self._row

    def advance(self, steps: int) -> None:
        """Let time pass: the arm moves, the senses report, the gate ticks every 10 ms."""
        for _ in range(steps):
            self._row += 1
            self._deliver()
            self.arm.advance(self._controls)
            self.trace.setpoints.append(self._controls.copy())
            self._sense()
            if self._row % 5 == 0 and not self._active("late tick"):
                self._tick()

    def _tick(self) -> None:
        self._observe_others()
        self.gate.tick(self.now_ns, START_NS + self._row * STEP_NS)
        self._react()

    def _observe_others(self) -> None:
        """The graph and the proposer's heartbeat, for a gate that watches them."""
        if self._row % 50 == 0:
            self.gate.observe_graph(*self._graph)
        if not self._active("heartbeat"):
            self.gate.observe_heartbeat(self.now_ns)

    def _sense(self) -> None:
        noise = self.fixed.noise[(self._row + self._noise_row) % 509]
        now_ns = self.now_ns
        if not self._active("joints silent"):
            if not self._active("frozen"):
                self._measured = self._controls + 2e-5 * noise[:7]
                if self._active("deviation"):
                    self._measured += self._deviation
                    self._excuse(self._measured)
            self.gate.observe_joints(now_ns, self._measured, noise[7:] * 1e-3, now_ns)
        if not self._active("wrench silent"):
            force = self._force if self._active("force") else 0.0
            self.gate.observe_wrench(now_ns, 0.05 * noise[:6] + force, now_ns)
            self._react()

    def _excuse(self, measured: Array) -> None:
        """The tool may be where it was measured to be, or on its way: a stop leaves it there.

        Or as near to it as the joints' limits let the command be.
        """
        trace = self.trace
        within = np.clip(measured, self.oracle.lower, self.oracle.upper)
        for place in (self.oracle.place(measured), self.oracle.place(within)):
            low, high = trace.excused_low, trace.excused_high
            trace.excused_low = place if low is None else np.minimum(low, place)
            trace.excused_high = place if high is None else np.maximum(high, place)

    def _react(self) -> None:
        reaction = self.gate.pop_reaction()
        self._note_rest()
        if reaction is None:
            return
        reason = self.gate.cause.reason.value
        self.report.reactions[reason] += 1
        if self.gate.state is GateState.ARMED and np.ptp(reaction.positions, axis=0).max() > 0:
            self._faulty("reaction", f"moves the arm while armed ({reason})")
        if reason in HARD:
            last = (reaction.end_ns - self.now_ns) // STEP_NS
            end = self._row + max(last, round(HARD_BOUND_S / 0.002))
            self.trace.hard.append((self._row - 1, end))
        if self.trace.led and self._row < self.trace.led[-1][1]:
            self._excuse(reaction.positions[-1])  # It rests on its way to where it was measured.
        if reason in ELSEWHERE and self._resting is not None:
            end = self._row + (reaction.end_ns - self.now_ns) // STEP_NS
            self.trace.led.append((self._row, end))
            self._resting = (end, reason)
        self._send(reaction)

    def _note_rest(self, closing: bool = False) -> None:
        """Notes since when the gate lets nothing move, and until when."""
        armed = self.gate.state is GateState.ARMED
        if self._resting is None and not armed:
            self._resting = (self._row, self.gate.cause.reason.value)
        elif self._resting is not None and (armed or closing):
            begin, why = self._resting
            bound = round(REST_BOUND_S / 0.002)
            self.trace.rests.append((begin + bound, self._row, why))
            self._resting = None

    def _send(self, trajectory: Trajectory) -> None:
        faults = self.oracle.message(trajectory)
        self.report.faults += faults
        if not faults:
            self.history.push(trajectory)
            due = self._row + self.plan.delay_steps
            self._pending.append((due, self._offset_ns, trajectory))
            if not self.plan.delay_steps:
                self._deliver()

    def _deliver(self) -> None:
        """What was on its way when the clock stepped may lie in the past: a stop follows it."""
        while self._pending and self._pending[0][0] <= self._row:
            _, offset_ns, sent = self._pending.pop(0)
            arm_ns = START_NS + self._row * STEP_NS
            moved = Trajectory(
                sent.stamp_ns - self._offset_ns, JOINTS, sent.times_s, sent.positions,
                sent.velocities,
            )  # fmt: skip
            if not self.arm.command(moved, arm_ns) and offset_ns == self._offset_ns:
                self._faulty("past", "every waypoint had passed when it reached the arm")

    def _propose(self, kind: str, rng: np.random.Generator, value: float) -> None:
        proposal = KINDS[kind](self._moment(rng), rng, value)
        allowed = self._may_move
        decision = self.gate.propose(proposal, self.now_ns)
        self._react()
        self.report.judged += 1
        self.report.outcomes[kind, decision.reason.value] += 1
        if decision.accepted is not (decision.trajectory is not None):
            self._faulty("decision", f"{decision.accepted} with {decision.trajectory}")
        if decision.trajectory is not None:
            if not allowed or self.gate.state is not GateState.ARMED:
                self._faulty("passed", f"{kind} while {self.gate.state.value}")
            self._last_stamp_ns = proposal.stamp_ns
            self._send(decision.trajectory)
        self.advance(int(rng.choice(_WAITS_MS)) // 2)

    def _moment(self, rng: np.random.Generator) -> Moment:
        """What a proposer knew when it looked, a little while ago."""
        seen_ns = self.now_ns - int(rng.choice([0, 0, 15, 20, 40])) * MS
        now, soon = self.history.sample(seen_ns), self.history.sample(seen_ns + 10 * MS)
        if now is None or soon is None:
            now = soon = self._controls.copy()
        velocity = (soon - now) * 100.0
        velocity[6] = 0.0
        speed = self.oracle.speed * self.config.scale
        return Moment(
            seen_ns, now, velocity, self._measured, self._last_stamp_ns,
            self.fixed.contract.action, self.fixed.arm, speed,
            self.config.acceleration_rad_s2 * self.config.scale,
        )  # fmt: skip

    def _operate(self) -> None:
        """An operator who waits a little, mends what is broken and arms again."""
        self._idle = 0 if self.gate.state is GateState.ARMED else self._idle + 1
        if self._idle > _PATIENCE:
            self._until.clear()
            self._graph = [1, 1, 1]
            self.advance(150)
            if self.gate.state is not GateState.ARMED:
                self._arm()

    def _faulty(self, rule: str, detail: str) -> None:
        self.report.faults.append(Fault(rule, detail, self._row))

    def _arm(self) -> None:
        if np.abs(self._measured - self._controls)[:-1].max() > _NOISE_RAD:
            self.trace.elsewhere.append((self._row - 1, self._row + round(HARD_BOUND_S / 0.002)))
        if self.gate.arm(self.now_ns).accepted:
            self._may_move = True
        self._react()

    def _for(self, what: str, rng: np.random.Generator, choices: tuple[float, ...]) -> None:
        self._until[what] = self._row + max(1, round(float(rng.choice(choices)) / 0.002))

    def _on_wait(self, rng: np.random.Generator) -> None:
        self.advance(int(rng.choice([5, 50, 150, 400])))

    def _on_wrench(self, rng: np.random.Generator) -> None:
        size = rng.choice([20.0, 49.0, 60.0, 150.0, 1000.0])
        self._force = np.zeros(6)
        axis = int(rng.integers(6))
        self._force[axis] = size * rng.choice([-1, 1]) * (1.0 if axis < 3 else 0.1)
        self._for("force", rng, (0.002, 0.02, 0.1))
        self.advance(10)

    def _on_silence(self, rng: np.random.Generator) -> None:
        self._for(str(rng.choice(["joints silent", "wrench silent"])), rng, (0.05, 0.12, 0.3))
        self.advance(int(rng.choice([1, 60])))

    def _on_deviation(self, rng: np.random.Generator) -> None:
        self._deviation = rng.normal(size=7) * rng.choice([0.002, 0.02, 0.1, 0.5])
        self._for("deviation", rng, (0.01, 0.1, 0.4))
        self.advance(int(rng.choice([1, 30])))

    def _on_frozen_joints(self, rng: np.random.Generator) -> None:
        self._for("frozen", rng, (0.05, 0.3, 1.0))
        self.advance(1)

    def _on_bad_joints(self, rng: np.random.Generator) -> None:
        bad = self._measured.copy()
        bad[int(rng.integers(7))] = rng.choice([np.nan, np.inf, -np.inf])
        row = (bad, self._measured[:6], np.zeros((7, 1)), np.zeros(0))[int(rng.integers(4))]
        self.gate.observe_joints(self.now_ns, row, np.zeros(7), self.now_ns)
        self._react()

    def _on_bad_wrench(self, rng: np.random.Generator) -> None:
        bad = np.zeros(6)
        bad[int(rng.integers(6))] = rng.choice([np.nan, np.inf, -np.inf, 1e308])
        rows = (bad, np.zeros(3), np.zeros(0))
        self.gate.observe_wrench(self.now_ns, rows[int(rng.integers(3))], self.now_ns)
        self._react()
        self.advance(1)

    def _on_clock(self, rng: np.random.Generator) -> None:
        self._offset_ns += int(rng.choice([-100_000, -5000, -30, 300, 5000])) * MS
        self._tick()
        self.advance(5)

    def _on_stop(self, _: np.random.Generator) -> None:
        self.gate.stop(self.now_ns, Reason.OPERATOR_STOP, "the fuzzer")
        self._may_move = False
        self._react()

    def _on_disarm(self, _: np.random.Generator) -> None:
        self.gate.disarm(self.now_ns)
        self._may_move = False
        self._react()

    def _on_arm(self, rng: np.random.Generator) -> None:
        self._arm()

    def _on_graph(self, rng: np.random.Generator) -> None:
        self._graph = [int(rng.choice([0, 1, 1, 2])) for _ in range(3)]
        self.advance(60)

    def _on_heartbeat(self, rng: np.random.Generator) -> None:
        self._for("heartbeat", rng, (0.03, 0.06, 0.3))

    def _on_malformed(self, rng: np.random.Generator) -> None:
        self.gate.refuse_malformed("the fuzzer")
        self._react()

    def _on_late_tick(self, rng: np.random.Generator) -> None:
        self._for("late tick", rng, (0.05, 0.3))
        self.advance(int(rng.choice([1, 100])))


def run(plan: Plan) -> Report:
    """Play one plan."""
    return World(plan).run()
