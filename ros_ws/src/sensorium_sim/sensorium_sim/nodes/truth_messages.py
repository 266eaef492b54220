"""Ground truth and verdicts as standard messages, for people, bags and the evaluator."""

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensorium_core.nodes.messages import diagnostics, ns_to_stamp
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from sensorium_sim.episode import Episode, Verdict
from sensorium_sim.scene import RGB, SceneState
from sensorium_sim.scene_markers import button_middle, button_size, object_size

_TYPES = {"cube": Marker.CUBE, "cylinder": Marker.CYLINDER, "ball": Marker.SPHERE}
_LEVELS = {"failure": DiagnosticStatus.ERROR, "waiting": DiagnosticStatus.STALE}


def marker_array(state: SceneState, stamp_ns: int) -> MarkerArray:
    """Every object and button where it truly is, in base_link; `text` names it."""
    markers = [
        _marker(stamp_ns, "objects", index, _TYPES[item.shape], f"{item.colour} {item.shape}")
        for index, item in enumerate(state.objects)
    ]
    for index, (marker, item) in enumerate(zip(markers, state.objects, strict=True)):
        marker.pose = _pose(item.position, item.quat_xyzw)
        marker.scale = _vector(object_size(state, index))
        marker.color = _colour(item.colour)
    for index, button in enumerate(state.buttons):
        name = f"{button.colour} button"
        marker = _marker(stamp_ns, "buttons", index, Marker.CYLINDER, name)
        marker.pose = _pose(button_middle(button), np.array([0.0, 0.0, 0.0, 1.0]))
        marker.scale = _vector(button_size(button))
        marker.color = _colour(button.colour)
        markers.append(marker)
    return MarkerArray(markers=markers)


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


def _marker(stamp_ns: int, namespace: str, index: int, kind: int, text: str) -> Marker:
    marker = Marker(ns=namespace, id=index, type=kind, action=Marker.ADD, text=text)
    marker.header.stamp = ns_to_stamp(stamp_ns)
    marker.header.frame_id = "base_link"
    return marker


def _pose(position_m: np.ndarray, quat_xyzw: np.ndarray) -> Pose:
    x, y, z = (float(v) for v in position_m)
    qx, qy, qz, qw = (float(v) for v in quat_xyzw)
    return Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))


def _vector(size_m: np.ndarray) -> Vector3:
    x, y, z = (float(v) for v in size_m)
    return Vector3(x=x, y=y, z=z)


def _colour(name: str) -> ColorRGBA:
    r, g, b = RGB[name]
    return ColorRGBA(r=r, g=g, b=b, a=1.0)
