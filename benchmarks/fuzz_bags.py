"""Small bags, made at run time: seeds for fuzzing what reads recordings, and bags around payloads.

`around` puts fuzzed payloads into a file that is otherwise whole, past every CRC.
"""

from __future__ import annotations

import io
import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
from mcap.writer import CompressionType, Writer
from sensorium_core.cdr import NS, joint_state_layout, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.image_cdr import TYPE as IMAGE
from sensorium_core.image_cdr import encode_image
from sensorium_core.trajectory import Trajectory
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.messages import (
    CAMERA_INFO,
    DIAGNOSTICS,
    STRING,
    TRAJECTORY,
    Status,
    encode_camera_info,
    encode_diagnostics,
    encode_string,
    encode_trajectory,
)
from sensorium_recording.typestore import schema_text

_JOINTS = tabletop().action.joints
WRENCH, JOINT_STATE = "geometry_msgs/msg/WrenchStamped", "sensor_msgs/msg/JointState"


def payloads() -> dict[str, tuple[str, bytes]]:
    """By topic, type and a valid payload of every message that a bag of ours may hold."""
    positions = np.zeros((2, len(_JOINTS)))
    command = Trajectory(NS, _JOINTS, np.array([0.0, 1.0]), positions)
    colour, depth = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8), np.uint16)
    metres = np.zeros((6, 8), np.float32)
    told = encode_diagnostics(NS, [Status("policy", 0, "acting", {"state": "acting"})])
    judged = encode_diagnostics(NS, [Status("sim", 0, "success", {"success": "true"})])
    camera = encode_camera_info(NS, "camera", (6, 8), np.eye(3))
    joints = joint_state_layout(_JOINTS, "base_link").encode_one(NS, np.zeros(14))
    return {
        "/wrench": (WRENCH, wrench_layout("tool").encode_one(NS, np.zeros(6))),
        "/joint_states": (JOINT_STATE, joints),
        "/camera/scene/image_raw": (IMAGE, encode_image(NS, "f", colour, "rgb8")),
        "/camera/scene/depth/image_rect_raw": (IMAGE, encode_image(NS, "f", depth, "16UC1")),
        "/camera/other/image_raw": (IMAGE, encode_image(NS, "f", metres, "32FC1")),
        "/camera/scene/camera_info": (CAMERA_INFO, camera),
        "/instruction": (STRING, encode_string("pick up the red cube")),
        "/recorder/episode": (DIAGNOSTICS, told),
        "/policy/step": (DIAGNOSTICS, told),
        "/sim/outcome": (DIAGNOSTICS, judged),
        "/arm_controller/joint_trajectory": (TRAJECTORY, encode_trajectory(command)),
    }


def ours(compression: str) -> bytes:
    """The MCAP file of a bag as our recorder writes it."""
    folder = Path(tempfile.mkdtemp(prefix="sensorium_fuzz_"))
    with BagWriter(folder / "bag", compression) as bag:  # type: ignore[arg-type]
        bag.write_metadata("episode", {"goal": '{"family": "pick"}'})
        for step in range(3):
            for topic, (kind, payload) in payloads().items():
                bag.write(topic, kind, NS + step * 10_000_000, payload)
    data = next((folder / "bag").glob("*.mcap")).read_bytes()
    shutil.rmtree(folder)
    return data


def around(parts: list[tuple[str, str, bytes]], facts: dict[str, dict[str, str]]) -> bytes:
    """An MCAP file, whole and without compression, of messages `(topic, type, payload)`."""
    stream = io.BytesIO()
    writer = Writer(stream, compression=CompressionType.NONE)
    writer.start(profile="ros2", library="fuzz")
    channels: dict[str, int] = {}
    for at, (topic, kind, payload) in enumerate(parts):
        if topic not in channels:
            schema = writer.register_schema(kind, "ros2msg", schema_text(kind).encode())
            channels[topic] = writer.register_channel(topic, "cdr", schema)
        time_ns = NS + at * 10_000_000
        writer.add_message(channels[topic], time_ns, payload, time_ns)
    for name, values in facts.items():
        writer.add_metadata(name, values)
    writer.finish()
    return stream.getvalue()


def sqlite_bag() -> bytes:
    """A rosbag2 file of the sqlite3 kind."""
    folder = Path(tempfile.mkdtemp(prefix="sensorium_fuzz_"))
    with sqlite3.connect(folder / "bag.db3") as base:
        base.executescript(
            "CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);"
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,"
            " serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,"
            " type_description_hash TEXT NOT NULL);"
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,"
            " timestamp INTEGER NOT NULL, data BLOB NOT NULL);"
            "CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL,"
            " encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL,"
            " type_description_hash TEXT NOT NULL);"
            "INSERT INTO schema VALUES(4, 'jazzy');"
        )
        for at, (topic, (kind, payload)) in enumerate(payloads().items()):
            row = (at, topic, kind, "cdr", "", "")
            base.execute("INSERT INTO topics VALUES(?, ?, ?, ?, ?, ?)", row)
            base.execute("INSERT INTO messages VALUES(?, ?, ?, ?)", (at, at, NS + at, payload))
    base.close()
    data = (folder / "bag.db3").read_bytes()
    shutil.rmtree(folder)
    return data
