"""Raw force/torque readings to what the world does to the tool: bias and weight taken out.

Sign: force exerted by the world on the tool, in the frame that the calibration publishes in.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.calibration import WrenchCalibration
from sensorium_core.errors import CalibrationDataError

Array = NDArray[np.float64]
GRAVITY_M_S2 = 9.80665
_MIN_ORIENTATIONS = 3


class WrenchTare:
    """Removes bias and the payload's weight, and moves the wrench to the published frame."""

    def __init__(self, calibration: WrenchCalibration) -> None:
        self._bias = np.array(calibration.bias)
        self._mass_kg = calibration.payload_mass_kg
        self._com_m = np.array(calibration.payload_com_m)
        T_tool_sensor = calibration.pose.matrix
        self._rotation, self._offset_m = T_tool_sensor[:3, :3], T_tool_sensor[:3, 3]

    def compensate(self, raw: Array, R_base_sensor: Array) -> Array:
        """Wrench `(6,)` in the published frame [N, Nm] of a raw one in the sensor's frame.

        `R_base_sensor` `(3, 3)` is the sensor's orientation in a base whose z axis points up.
        """
        contact = raw - self._bias - self._weight(R_base_sensor)
        force = self._rotation @ contact[:3]
        torque = self._rotation @ contact[3:] + np.cross(self._offset_m, force)
        return np.concatenate([force, torque])

    def _weight(self, R_base_sensor: Array) -> Array:
        force = -self._mass_kg * GRAVITY_M_S2 * R_base_sensor[2]
        return np.concatenate([force, np.cross(self._com_m, force)])


def fit_payload(readings: Array, orientations: Array) -> tuple[Array, float, Array]:
    """Bias `(6,)`, mass [kg] and centre of mass `(3,)` [m] from readings without contact.

    `readings` `(n, 6)` in the sensor's frame while it rests at `orientations` `(n, 3, 3)`, at
    least three that differ clearly. Least squares; raises `CalibrationDataError` when they do not
    determine the answer.
    """
    n = len(readings)
    if n < _MIN_ORIENTATIONS or orientations.shape != (n, 3, 3) or readings.shape != (n, 6):
        got = f"readings {readings.shape}, orientations {orientations.shape}"
        raise CalibrationDataError(got, "(n, 6) and (n, 3, 3), n of 3 or more")
    down = -GRAVITY_M_S2 * orientations[:, 2]
    mass, force_bias = _fit_force(readings[:, :3], down)
    com, torque_bias = _fit_torque(readings[:, 3:], mass * down)
    return np.concatenate([force_bias, torque_bias]), mass, com


def _fit_force(forces: Array, down: Array) -> tuple[float, Array]:
    """`forces = mass * down + bias`."""
    system = np.concatenate([down.reshape(-1, 1), np.tile(np.eye(3), (len(down), 1))], axis=1)
    solution = _solve(system, forces.reshape(-1))
    return float(solution[0]), solution[1:]


def _fit_torque(torques: Array, weights: Array) -> tuple[Array, Array]:
    """`torques = com x weight + bias`, and `com x w = -[w]x com`."""
    x, y, z = weights.T
    o = np.zeros_like(x)
    crosses = np.array([[o, z, -y], [-z, o, x], [y, -x, o]]).transpose(2, 0, 1)
    system = np.concatenate([crosses.reshape(-1, 3), np.tile(np.eye(3), (len(x), 1))], axis=1)
    solution = _solve(system, torques.reshape(-1))
    return solution[:3], solution[3:]


def _solve(system: Array, target: Array) -> Array:
    solution, _, rank, _ = np.linalg.lstsq(system, target, rcond=1e-6)
    if rank < system.shape[1]:
        raise CalibrationDataError(
            f"orientations that leave {system.shape[1] - rank} unknowns open",
            "readings with the tool pointing down, up and sideways",
        )
    return np.asarray(solution)
