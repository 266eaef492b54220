"""Episodes on disk: which there are, and one of them as arrays, ready for the aligner.

The arrays hold exactly what the live nodes push: same topics, same units, header stamps.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core import image_cdr
from sensorium_core.cdr import Stamps, decode_joint_states, decode_wrenches
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import BagError
from sensorium_core.geometry import Camera
from sensorium_core.trajectory import Trajectory

from sensorium_recording import messages
from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.geometry_messages import decode_transforms

Values = NDArray[np.generic]

INSTRUCTION = "instruction"
ARM_COMMAND = "arm_controller/joint_trajectory"
GRIPPER_COMMAND = "gripper_controller/joint_trajectory"
OUTCOME = "sim/outcome"
STATE = "sim/state"
STATIC_TRANSFORMS = "tf_static"


@dataclass(frozen=True)
class Track:
    """One modality over an episode: stamps `(n,)` [ns] and one value per stamp."""

    stamps_ns: Stamps
    values: Values


@dataclass(frozen=True)
class Episode:
    """One recorded episode."""

    path: Path
    tracks: dict[str, Track]
    """By modality name of the contract; a modality without messages has an empty track."""
    instructions: tuple[tuple[int, str], ...]
    """`(stamp_ns, text)`, by the time of recording."""
    commands: tuple[Trajectory, ...]
    """Commanded trajectories of all joints in the contract's order, by time."""
    camera: Camera | None
    """The depth camera, when the bag holds its intrinsics and its pose."""
    states: tuple[tuple[int, str], ...]
    """`(stamp_ns, JSON)` of the simulator's ground truth; empty for real robots."""
    outcome: dict[str, str]
    """What the judge said last; empty when nobody judged."""


def episodes(directory: Path) -> list[Path]:
    """Complete episode bags in a directory, by name. Raises `BagError` when there are none."""
    if not directory.is_dir():
        raise BagError(directory, "is no directory", "generate or record episodes first")
    found = sorted(path.parent for path in directory.glob("*/metadata.yaml"))
    if not found:
        raise BagError(directory, "holds no episodes", "run `sensorium generate` or record some")
    return found


def read_episode(path: Path, contract: Contract, namespace: str = "") -> Episode:
    """Everything that the contract senses, and what was said, commanded and judged.

    Args:
        namespace: of the robot in the bag, such as `left_arm`, without slashes at the ends.

    Raises:
        BagError: no message of any modality, or a damaged file.
        MessageDecodeError: a payload that is not what its topic promises.
    """
    prefix = f"/{namespace}/" if namespace else "/"
    depth = next(m for m in contract.modalities if m.kind == "depth")
    info_topic = camera_info_topic(depth)
    extra = (
        INSTRUCTION, ARM_COMMAND, GRIPPER_COMMAND, OUTCOME, STATE, STATIC_TRANSFORMS, info_topic
    )  # fmt: skip
    wanted = {prefix + t for t in (*(m.topic for m in contract.modalities), *extra)}
    wanted.add("/" + STATIC_TRANSFORMS)
    raw: dict[str, list[RawMessage]] = {}
    for message in BagReader(path).messages(wanted):
        raw.setdefault(message.topic.removeprefix(prefix).lstrip("/"), []).append(message)
    tracks = {
        m.name: decode_track(m, [r.payload for r in raw.get(m.topic, [])], contract.action.joints)
        for m in contract.modalities
    }
    if not any(len(track.stamps_ns) for track in tracks.values()):
        known = ", ".join(m.topic for m in contract.modalities)
        raise BagError(path, "holds no topic of the contract", f"it senses: {known}")
    return Episode(
        path=path,
        tracks=tracks,
        instructions=_texts(raw.get(INSTRUCTION, [])),
        commands=_commands(raw, contract.action.joints),
        camera=depth_camera(raw.get(info_topic, []), raw.get(STATIC_TRANSFORMS, []), depth.frame),
        states=_texts(raw.get(STATE, [])),
        outcome=_outcome(raw.get(OUTCOME, [])),
    )


def decode_track(modality: Modality, payloads: list[bytes], joints: tuple[str, ...]) -> Track:
    """Messages of one modality as arrays; joints in the given order."""
    if modality.kind in ("image", "depth"):
        return Track(*image_cdr.decode_images(payloads))
    if modality.kind == "joints":
        return _joint_track(payloads, joints)
    stamps, values = decode_wrenches(payloads)
    return Track(stamps, values[:, : modality.shape[-1]])


def _joint_track(payloads: list[bytes], joints: tuple[str, ...]) -> Track:
    """Positions then velocities `(n, 2 * n_joints)` in the contract's joint order."""
    stamps, names, positions, velocities = decode_joint_states(payloads)
    if not payloads:
        return Track(stamps, np.empty((0, 2 * len(joints))))
    absent = [j for j in joints if j not in names]
    if absent:
        raise BagError("joint_states", f"lacks {absent}", f"it has: {', '.join(names)}")
    order = [names.index(j) for j in joints]
    return Track(stamps, np.hstack([positions[:, order], velocities[:, order]]))


def _texts(raw: list[RawMessage]) -> tuple[tuple[int, str], ...]:
    return tuple((r.log_time_ns, messages.decode_string(r.payload)) for r in raw)


def _commands(raw: dict[str, list[RawMessage]], joints: tuple[str, ...]) -> tuple[Trajectory, ...]:
    """Arm and gripper of one stamp joined; a half without the other is left out."""
    arms, grippers = _by_stamp(raw.get(ARM_COMMAND, [])), _by_stamp(raw.get(GRIPPER_COMMAND, []))
    pairs = [(arm, grippers[stamp]) for stamp, arm in arms.items() if stamp in grippers]
    return tuple(c for a, g in pairs if (c := joined_command(a, g, joints)) is not None)


def _by_stamp(raw: list[RawMessage]) -> dict[int, Trajectory]:
    decoded = [messages.decode_trajectory(r.payload) for r in raw]
    return {t.stamp_ns: t for t in decoded}


def joined_command(
    arm: Trajectory, gripper: Trajectory, joints: tuple[str, ...]
) -> Trajectory | None:
    """Arm and gripper of one stamp as one trajectory, or None when their times differ."""
    if not np.array_equal(arm.times_s, gripper.times_s):
        return None
    moving = arm.velocities is not None and gripper.velocities is not None
    return Trajectory(
        arm.stamp_ns,
        (*arm.joint_names, *gripper.joint_names),
        arm.times_s,
        np.hstack([arm.positions, gripper.positions]),
        np.hstack([arm.velocities, gripper.velocities]) if moving else None,  # type: ignore[list-item]
    ).select(joints)


def camera_info_topic(depth: Modality) -> str:
    """Where the intrinsics of a depth camera are told."""
    return depth.topic.split("/depth/")[0] + "/camera_info"


def depth_camera(info: list[RawMessage], static: list[RawMessage], frame: str) -> Camera | None:
    """Intrinsics of the first camera info and pose of the latest static transforms, if both."""
    poses = {c: p for r in static for c, p in decode_transforms(r.payload).items()}
    if not info or frame not in poses:
        return None
    return posed_camera(info[0], poses[frame][1])


def posed_camera(info: RawMessage, T_base_optical: NDArray[np.float64]) -> Camera:
    """The camera of a CameraInfo at a pose."""
    _, _, size, k = messages.decode_camera_info(info.payload)
    intrinsics = (float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]))
    return Camera(intrinsics, size, T_base_optical)


def _outcome(raw: list[RawMessage]) -> dict[str, str]:
    if not raw:
        return {}
    return messages.diagnostic_values(raw[-1].payload)[1]
