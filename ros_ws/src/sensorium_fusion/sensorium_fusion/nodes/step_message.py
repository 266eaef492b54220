"""One policy step as a diagnostic message: what was seen, how old it was, what was decided."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensorium_core.contract import Contract
from sensorium_core.nodes.messages import diagnostics
from sensorium_core.used_messages import tell_used

from sensorium_fusion.carried import tell_commands
from sensorium_fusion.step import State, Step

_LEVELS = {
    State.HOLDING: DiagnosticStatus.WARN,
    State.REFUSED: DiagnosticStatus.WARN,
}


def step_message(
    step: Step,
    contract: Contract,
    instruction: str,
    problems: Mapping[str, str],
    received_s: Mapping[str, float] = MappingProxyType({}),
) -> DiagnosticArray:
    """One `DiagnosticStatus` named `policy`, stamped with the step's capture time.

    Keys: state, reason, instruction, planned, digest; by modality `stamp_ns/`, `age_s/` by header
    stamps, `received_s/` since its receipt by the monotonic clock, `valid/`, `fault/` (why it is
    not believed although messages come), `problem/` (of the last message); by sense `weight/`; by
    stage `latency_s/`; when the policy ran target_m, present, done, and intent where it has one
    (N downwards, yielding 0..1); with a fast half `fast/`, see `FastReport`. To take the step
    again from a bag: carried, commanded, action, and by modality `used/` (see `used_messages`).
    """
    values = {**_decision(step, instruction), **_senses(step, contract)}
    values |= {f"received_s/{name}": _seconds(age) for name, age in received_s.items()}
    values |= {f"problem/{name}": text for name, text in problems.items()}
    values |= {} if step.fast is None else step.fast.values()
    values |= {f"latency_s/{stage}": f"{s:.6f}" for stage, s in step.stages_s.items()}
    level = _LEVELS.get(step.state, DiagnosticStatus.OK)
    return diagnostics(step.t_ns, "policy", level, f"{step.state.value}: {step.reason}", values)


def _decision(step: Step, instruction: str) -> dict[str, str]:
    values = {
        "state": step.state.value,
        "reason": step.reason,
        "instruction": instruction,
        "planned": str(step.trajectory is not None).lower(),
        "digest": step.observation.digest(),
        "action": step.trajectory.fingerprint() if step.trajectory is not None else "",
        "commanded": tell_commands(step.commanded),
    }
    if step.before is not None:
        values["carried"] = step.before.to_json()
        values |= {f"fault/{name}": text for name, text in step.before.faults.items()}
    values |= tell_used(step.observation)
    if step.output is not None:
        values["target_m"] = " ".join(f"{v:.4f}" for v in step.output.target.tolist())
        values["present"] = f"{step.output.present:.3f}"
        values["done"] = f"{step.output.done:.3f}"
        if step.output.intent is not None:
            values["intent"] = " ".join(f"{v:.3f}" for v in step.output.intent.tolist())
    return values


def _senses(step: Step, contract: Contract) -> dict[str, str]:
    seen = step.observation
    values = {}
    for modality in contract.modalities:
        name, age = modality.name, seen.age_s[modality.name]
        values[f"stamp_ns/{name}"] = str(seen.stamps_ns[name])
        values[f"age_s/{name}"] = _seconds(age)
        values[f"valid/{name}"] = str(bool(seen.valid[name])).lower()
    if step.output is not None:
        weights = zip(contract.senses, step.output.weights.tolist(), strict=False)
        values |= {f"weight/{sense}": f"{weight:.3f}" for sense, weight in weights}
    return values


def _seconds(age_s: float) -> str:
    return f"{age_s:.4f}" if math.isfinite(age_s) else "inf"
