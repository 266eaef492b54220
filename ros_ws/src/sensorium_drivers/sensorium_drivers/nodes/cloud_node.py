"""Publishes the coloured cloud of one RGB-D camera, for people and other programs.

Images are received as bytes and only those of a cloud are looked at; with nobody listening, none
is. One thread, the events executor's.
"""

from array import array
from pathlib import Path

from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2, PointField
from sensorium_core.calibration import load_camera_calibration
from sensorium_core.errors import MessageDecodeError
from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.messages import ns_to_stamp
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.process import run_node
from sensorium_core.nodes.raw import read_image, read_stamp

from sensorium_drivers.cloud import POINT, CloudBuilder, CloudConfig
from sensorium_drivers.pairing import ExposurePairer

_WARN_EVERY_S = 5.0
_RELIABLE = QoSProfile(depth=2)
"""What RViz asks for when told nothing else."""


class CloudNode(ManagedNode):
    """`camera/<name>/image_raw` and `depth/image_rect_raw` to `camera/<name>/points`."""

    def __init__(self) -> None:
        super().__init__("cloud")

    def configure(self) -> None:
        """Read the calibration, and offer the cloud."""
        camera = self.declare_parameter("camera", "scene").value
        folder = Path(self.declare_parameter("calibration", "calibration/ur5e_cell").value)
        rate_hz = self.declare_parameter("rate_hz", 5.0).value
        self._config = declare_config(self, CloudConfig())
        calibration = load_camera_calibration(folder / f"{camera}_camera.yaml")
        self._camera = calibration.camera()
        self._builder: CloudBuilder | None = None
        self._pairer: ExposurePairer[bytes, bytes] = ExposurePairer(rate_hz)
        self._cloud = _empty_cloud(calibration.pose.parent)
        self._topic = f"camera/{camera}"
        self._points = self.create_publisher(PointCloud2, f"{self._topic}/points", _RELIABLE)

    def activate(self) -> None:
        """Listen to the camera."""
        qos, topic = qos_profile_sensor_data, self._topic
        self.create_subscription(Image, f"{topic}/image_raw", self._on_colour, qos, raw=True)
        self.create_subscription(
            Image, f"{topic}/depth/image_rect_raw", self._on_depth, qos, raw=True
        )

    def _on_colour(self, payload: bytes) -> None:
        if self._points.get_subscription_count():
            self._publish(self._pairer.push_colour(read_stamp(payload), payload))

    def _on_depth(self, payload: bytes) -> None:
        if self._points.get_subscription_count():
            self._publish(self._pairer.push_depth(read_stamp(payload), payload))

    def _publish(self, pair: tuple[bytes, bytes] | None) -> None:
        if pair is None:
            return
        try:
            colour, depth = read_image(pair[0], "rgb8"), read_image(pair[1], "16UC1")
        except MessageDecodeError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_WARN_EVERY_S)
            return
        if colour.shape[:2] != depth.shape:
            self.get_logger().warning(
                f"colour is {colour.shape[:2]} and depth {depth.shape}; they must agree",
                throttle_duration_sec=_WARN_EVERY_S,
            )
            return
        points = self._builder_for(depth.shape).build(depth, colour)
        cloud = self._cloud
        cloud.header.stamp = ns_to_stamp(read_stamp(pair[1]))
        cloud.width = len(points)
        cloud.row_step = len(points) * POINT.itemsize
        cloud.data = array("B", points.tobytes())
        self._points.publish(cloud)

    def _builder_for(self, size: tuple[int, int]) -> CloudBuilder:
        """The builder for images of a size; made anew when the stream's size changes."""
        if self._builder is None or self._builder.size != size:
            self._builder = CloudBuilder(self._camera.resized(size), self._config)
        return self._builder


def _empty_cloud(frame_id: str) -> PointCloud2:
    cloud = PointCloud2(height=1, point_step=POINT.itemsize, is_bigendian=False, is_dense=True)
    cloud.header.frame_id = frame_id
    cloud.fields = [
        PointField(name=name, offset=POINT.fields[name][1], datatype=PointField.FLOAT32, count=1)
        for name in ("x", "y", "z", "rgb")
    ]
    return cloud


def main(args: list[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM."""
    run_node(CloudNode, args)


if __name__ == "__main__":
    main()
