"""The arm of the robot that a bag was recorded on."""

from functools import lru_cache
from pathlib import Path

from sensorium_core.errors import BagError, KinematicsError
from sensorium_core.kinematics import Kinematics
from sensorium_description import load_urdf

from sensorium_recording.bag_facts import urdf_in
from sensorium_recording.bag_reader import BagReader


def arm_of(bag: Path) -> Kinematics:
    """The arm that the bag describes; the reference cell's where it describes none.

    Raises `BagError` on a description that is no such arm.
    """
    try:
        urdf = urdf_in(BagReader(bag).metadata())
    except OSError as error:
        raise BagError(bag, f"cannot be read ({error})", "check the disk") from error
    try:
        return _arm(urdf or load_urdf())
    except KinematicsError as error:
        what = f"holds a robot_description that cannot be read ({error})"
        raise BagError(bag, what, "record it with a URDF that is whole") from None


@lru_cache(maxsize=8)
def _arm(urdf: str) -> Kinematics:
    """Built once a process and URDF; parts are made by its main thread."""
    return Kinematics(urdf)
