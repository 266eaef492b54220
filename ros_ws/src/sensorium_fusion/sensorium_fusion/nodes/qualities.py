"""Qualities of service of what the policy hears and tells."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensorium_core.contract import Modality

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CAMERA_INFO = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def sensor_qos(modality: Modality) -> QoSProfile:
    """Of a sense: a tenth of a second may wait."""
    depth = max(2, round(modality.rate_hz * 0.1))
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
