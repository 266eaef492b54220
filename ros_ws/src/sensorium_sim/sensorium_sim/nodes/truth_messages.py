"""Ground truth and verdicts as standard messages, for people, bags and the evaluator."""

from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensorium_core.nodes.messages import diagnostics, ns_to_stamp
from sensorium_recording.messages import Marker as Solid
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from sensorium_sim.episode import Episode, Verdict
from sensorium_sim.scene import SceneState
from sensorium_sim.scene_markers import scene_markers

_LEVELS = {"failure": DiagnosticStatus.ERROR, "waiting": DiagnosticStatus.STALE}


def marker_array(state: SceneState, stamp_ns: int) -> MarkerArray:
    """Objects, buttons and fixtures where they truly are, in base_link; `text` names each."""
    return MarkerArray(markers=[_marker(stamp_ns, marker) for marker in scene_markers(state)])


def no_markers() -> MarkerArray:
    """Takes away what stood in the scene before."""
    return MarkerArray(markers=[Marker(action=Marker.DELETEALL)])


def outcome_message(episode: Episode, verdict: Verdict, stamp_ns: int) -> DiagnosticArray:
    """One `DiagnosticStatus` named `sim`; `status` is waiting, running, success or failure.

    `done` says whether the verdict is final; only then is there a `success`.
    """
    goal, done = episode.goal, verdict.status in ("success", "failure")
    final = {"success": str(verdict.status == "success").lower()} if done else {}
    return diagnostics(
        stamp_ns,
        "sim",
        _LEVELS.get(verdict.status, DiagnosticStatus.OK),
        f"{verdict.status}: {verdict.reason}",
        {
            "status": verdict.status,
            "done": str(done).lower(),
            **final,
            "reason": verdict.reason,
            "family": "none" if goal is None else goal.family,
            "goal": episode.goal_text,
            "seed": str(episode.seed),
            "elapsed_s": f"{verdict.elapsed_s:.3f}",
            "time_limit_s": f"{episode.time_limit_s:g}",
            "tool_travel_m": f"{verdict.travel_m:.4f}",
        },
    )


def _marker(stamp_ns: int, solid: Solid) -> Marker:
    place, turned, size = solid.position_m, solid.quat_xyzw, solid.size_m
    message = Marker(
        ns=solid.namespace, id=solid.id, type=solid.type, action=Marker.ADD, text=solid.text
    )
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = "base_link"
    message.pose = Pose(
        position=Point(**_named("xyz", place)), orientation=Quaternion(**_named("xyzw", turned))
    )
    message.scale = Vector3(**_named("xyz", size))
    message.color = ColorRGBA(**_named("rgba", solid.rgba))
    return message


def _named(names: str, values: Iterable[float]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
