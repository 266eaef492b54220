"""Publishes readings as the messages that real drivers would send.

Messages are encoded here and published as bytes: at 1200 messages and 90 pictures a second,
filling ROS messages in Python costs more than simulating the arm does.
"""

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from sensorium_core.cdr import PackedLayout, joint_state_layout, wrench_layout
from sensorium_core.image_cdr import encode_image
from sensorium_core.nodes.messages import ns_to_stamp

from sensorium_sim.faults import Reading

Send = Callable[[Reading], None]

_WRENCHES = {
    "wrench": ("wrench", "tool"),
    "touch_left": ("touch/left", "pad_left"),
    "touch_right": ("touch/right", "pad_right"),
}


class SensorPublishers:
    """One publisher for every sensor of the cell.

    Args:
        node: that publishes.
        joints: names in the order of the readings.
        intrinsics: pinhole matrix `(3, 3)` of each camera [px].
        size: rows and columns of every picture.
        depth: cameras with a depth stream.
    """

    def __init__(
        self,
        node: Node,
        joints: tuple[str, ...],
        intrinsics: dict[str, np.ndarray],
        size: tuple[int, int],
        depth: frozenset[str],
    ) -> None:
        self._node = node
        self.counts: dict[str, int] = {}
        """Messages published, by sensor."""
        layout = joint_state_layout(joints, "base_link")
        self._send = {"joint_states": self._packed(JointState, "joint_states", layout)}
        for sensor, (topic, frame) in _WRENCHES.items():
            self._send[sensor] = self._packed(WrenchStamped, topic, wrench_layout(frame))
        for camera, matrix in intrinsics.items():
            frame, prefix = f"camera_{camera}_optical_frame", f"camera/{camera}"
            info = self._camera_info(prefix, _camera_info(frame, matrix, size))
            colour = self._image(f"{prefix}/image_raw", frame, "rgb8")
            self._send[f"{camera}_rgb"] = _both(colour, info)
            if camera in depth:
                topic = f"{prefix}/depth/image_rect_raw"
                self._send[f"{camera}_depth"] = self._image(topic, frame, "16UC1")

    def publish(self, reading: Reading) -> None:
        """Send one reading."""
        self._send[reading.sensor](reading)
        self.counts[reading.sensor] = self.counts.get(reading.sensor, 0) + 1

    def _publisher(self, message: type, topic: str) -> Callable[[object], None]:
        return self._node.create_publisher(message, topic, qos_profile_sensor_data).publish

    def _packed(self, message: type, topic: str, layout: PackedLayout) -> Send:
        publish, width = self._publisher(message, topic), layout.width

        def send(reading: Reading) -> None:
            values = np.zeros(width)
            values[: len(reading.value)] = reading.value
            publish(layout.encode_one(reading.stamp_ns, values))

        return send

    def _image(self, topic: str, frame: str, encoding: str) -> Send:
        publish = self._publisher(Image, topic)

        def send(reading: Reading) -> None:
            publish(encode_image(reading.stamp_ns, frame, reading.value, encoding))

        return send

    def _camera_info(self, prefix: str, message: CameraInfo) -> Send:
        publish = self._publisher(CameraInfo, f"{prefix}/camera_info")

        def send(reading: Reading) -> None:
            message.header.stamp = ns_to_stamp(reading.stamp_ns)
            publish(message)

        return send


def _both(first: Send, second: Send) -> Send:
    def send(reading: Reading) -> None:
        first(reading)
        second(reading)

    return send


def _camera_info(frame: str, matrix: np.ndarray, size: tuple[int, int]) -> CameraInfo:
    message = CameraInfo(height=size[0], width=size[1], distortion_model="plumb_bob")
    message.header.frame_id = frame
    message.d = [0.0] * 5
    message.k = [float(v) for v in matrix.reshape(9)]
    message.r = [float(v) for v in np.eye(3).reshape(9)]
    message.p = [float(v) for v in np.column_stack([matrix, np.zeros(3)]).reshape(12)]
    return message
