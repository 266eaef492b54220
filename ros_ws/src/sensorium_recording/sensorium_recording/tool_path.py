"""Where the tool was, from thinned joint angles of the reference arm."""

from collections.abc import Mapping

import numpy as np
from sensorium_core.errors import KinematicsError
from sensorium_core.kinematics import ARM_JOINTS, Kinematics
from sensorium_description import load_urdf

from sensorium_recording.series import Series

_LIMIT = 1000


def tool_path(joints: Mapping[str, Series], urdf: str = "") -> Series | None:
    """Tool x, y, z in base_link [m]; None where the arm is another one.

    Args:
        joints: one series by joint name.
        urdf: of the robot; empty: the reference cell's.
    """
    if not set(ARM_JOINTS) <= joints.keys():
        return None
    try:
        kinematics = Kinematics(urdf or load_urdf())
    except (KinematicsError, ValueError):
        return None
    times = joints[ARM_JOINTS[0]].points.t_ns
    times = times[:: max(len(times) // _LIMIT, 1)]
    columns = [_at(joints[name], times) for name in ARM_JOINTS]
    rows = np.column_stack(columns)
    path = Series(3)
    path.add(times, np.array([kinematics.fk(row)[:3, 3] for row in rows]).reshape(-1, 3))
    return path


def _at(series: Series, times: np.ndarray) -> np.ndarray:
    points = series.points
    rows = np.clip(np.searchsorted(points.t_ns, times, side="right") - 1, 0, None)
    return points.middle[rows, 0]
