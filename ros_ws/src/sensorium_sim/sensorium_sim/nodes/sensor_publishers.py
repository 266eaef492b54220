"""Publishes readings as the messages that real drivers would send.

Messages are reused: only the stamp and the values of each change from one to the next.
"""

from array import array

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from sensorium_core.nodes.messages import ns_to_stamp

from sensorium_sim.faults import Reading

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
        self._publish = {"joint_states": self._joint_state(joints)}
        for sensor, (topic, frame) in _WRENCHES.items():
            self._publish[sensor] = self._wrench(topic, frame)
        for camera, matrix in intrinsics.items():
            frame, prefix = f"camera_{camera}_optical_frame", f"camera/{camera}"
            info = self._camera_info(prefix, _camera_info(frame, matrix, size))
            colour = self._image(f"{prefix}/image_raw", frame, "rgb8")
            self._publish[f"{camera}_rgb"] = _both(colour, info)
            if camera in depth:
                topic = f"{prefix}/depth/image_rect_raw"
                self._publish[f"{camera}_depth"] = self._image(topic, frame, "16UC1")

    def publish(self, reading: Reading) -> None:
        """Send one reading."""
        self._publish[reading.sensor](reading)

    def _publisher(self, message: type, topic: str):  # noqa: ANN202 - rclpy's type is generic
        return self._node.create_publisher(message, topic, qos_profile_sensor_data).publish

    def _joint_state(self, joints: tuple[str, ...]):  # noqa: ANN202
        publish = self._publisher(JointState, "joint_states")
        message = JointState(name=list(joints))
        message.header.frame_id = "base_link"
        n = len(joints)

        def send(reading: Reading) -> None:
            values = array("d", np.ascontiguousarray(reading.value, np.float64).tobytes())
            message.header.stamp = ns_to_stamp(reading.stamp_ns)
            message.position, message.velocity = values[:n], values[n:]
            publish(message)

        return send

    def _wrench(self, topic: str, frame: str):  # noqa: ANN202
        publish = self._publisher(WrenchStamped, topic)
        message = WrenchStamped()
        message.header.frame_id = frame
        force, torque = message.wrench.force, message.wrench.torque

        def send(reading: Reading) -> None:
            values = reading.value.tolist()
            message.header.stamp = ns_to_stamp(reading.stamp_ns)
            force.x, force.y, force.z = values[:3]
            if len(values) == 6:
                torque.x, torque.y, torque.z = values[3:]
            publish(message)

        return send

    def _image(self, topic: str, frame: str, encoding: str):  # noqa: ANN202
        publish = self._publisher(Image, topic)
        message = Image(encoding=encoding)
        message.header.frame_id = frame

        def send(reading: Reading) -> None:
            image = reading.value
            message.header.stamp = ns_to_stamp(reading.stamp_ns)
            message.height, message.width = image.shape[:2]
            message.step = image.strides[0]
            message.data = array("B", image.tobytes())
            publish(message)

        return send

    def _camera_info(self, prefix: str, message: CameraInfo):  # noqa: ANN202
        publish = self._publisher(CameraInfo, f"{prefix}/camera_info")

        def send(reading: Reading) -> None:
            message.header.stamp = ns_to_stamp(reading.stamp_ns)
            publish(message)

        return send


def _both(first, second):  # noqa: ANN001, ANN202
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
