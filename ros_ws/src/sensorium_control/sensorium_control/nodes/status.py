"""The gate's status as a diagnostic message."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensorium_core.nodes.messages import diagnostics

from sensorium_control.reasons import GateState, GateStatus

_LEVELS = {
    GateState.ARMED: DiagnosticStatus.OK,
    GateState.DISARMED: DiagnosticStatus.WARN,
    GateState.HOLDING: DiagnosticStatus.WARN,
    GateState.STOPPED: DiagnosticStatus.ERROR,
}


def status_message(status: GateStatus, now_ns: int) -> DiagnosticArray:
    """One `DiagnosticStatus` named `gate`; ages are keyed `age_s/<name>`."""
    last = status.last_refusal
    values = {
        "state": status.state.value,
        "reason": status.reason.value,
        "accepted": str(status.accepted),
        "refused": str(status.refused),
        "dropped": str(status.dropped),
        "last_refusal": "" if last is None else last.reason.value,
        "last_refusal_detail": "" if last is None else last.detail,
        "force_n": f"{status.force_n:.2f}",
        **{f"age_s/{name}": f"{age:.3f}" for name, age in status.ages_s},
    }
    text = f"{status.state.value}: {status.detail}"
    return diagnostics(now_ns, "gate", _LEVELS[status.state], text, values)
