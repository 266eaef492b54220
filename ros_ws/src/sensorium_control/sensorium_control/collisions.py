"""Whether links of the arm would touch each other or the table, by Pinocchio and Coal.

Uses the collision shapes of the URDF: cylinders, boxes, spheres and, where it has them, meshes.
Fingertips and table are another check's business: they are meant to come close.
"""

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray
from sensorium_core.errors import KinematicsError
from sensorium_core.kinematics import ARM_JOINTS

Array = NDArray[np.float64]
_NEIGHBOURS = 1
_SAMPLES = 200
_SEED = 0


class Collisions:
    """Checks arm configurations; not thread safe.

    Left out are pairs on the same or neighbouring joints, and pairs that touch in every one of 200
    random configurations, as MoveIt's setup assistant does: they are drawn into each other.

    Args:
        margin_m: nearer than this counts as touching; negative turns the check off.
    """

    def __init__(self, urdf_xml: str, margin_m: float) -> None:
        full = pin.buildModelFromXML(urdf_xml)
        try:
            shapes = pin.buildGeomFromUrdfString(full, urdf_xml, pin.GeometryType.COLLISION)
        except ValueError as error:
            problem = f"the URDF's collision shapes cannot be read ({error})"
            raise KinematicsError(problem, "give shapes or meshes that exist") from None
        arm = {full.getJointId(name) for name in ARM_JOINTS}
        beyond = {s.name for s in shapes.geometryObjects if s.parentJoint not in arm | {0}}
        lock = [i for i in range(1, full.njoints) if i not in arm]
        self._model, self._shapes = pin.buildReducedModel(full, shapes, lock, pin.neutral(full))
        self._shapes.removeAllCollisionPairs()
        self._data = self._model.createData()
        if margin_m >= 0.0:
            self._add_pairs(beyond)
        self._state = pin.GeometryData(self._shapes)
        self._drop_constant_pairs()
        for request in self._state.collisionRequests:
            request.security_margin = margin_m

    @property
    def n_pairs(self) -> int:
        """How many pairs of shapes are looked at."""
        return len(self._shapes.collisionPairs)

    def touching(self, q: Array) -> frozenset[str]:
        """The pairs of links that touch at arm joints `(6,)` [rad]; empty when none does."""
        if not self.n_pairs or not pin.computeCollisions(
            self._model, self._data, self._shapes, self._state, np.ascontiguousarray(q), True
        ):
            return frozenset()
        return frozenset(self._touching_now(q))

    def first_new(self, path: Array) -> str | None:
        """The first pair that touches on a path `(m, 6)` and not at its start; None if none."""
        ignored = self.touching(path[0])
        for q in path[1:]:
            new = self.touching(q) - ignored
            if new:
                return min(new)
        return None

    def _touching_now(self, q: Array) -> list[str]:
        """All pairs, not only the first."""
        pin.computeCollisions(self._model, self._data, self._shapes, self._state, q, False)
        pairs = zip(self._shapes.collisionPairs, self._state.collisionResults, strict=True)
        return [self._words(pair) for pair, result in pairs if result.isCollision()]

    def _words(self, pair: pin.CollisionPair) -> str:
        first, second = (self._shapes.geometryObjects[i] for i in (pair.first, pair.second))
        return " and ".join(s.name.rpartition("_")[0] or s.name for s in (first, second))

    def _add_pairs(self, beyond: set[str]) -> None:
        shapes = list(self._shapes.geometryObjects)
        for i, first in enumerate(shapes):
            for j, second in enumerate(shapes[:i]):
                apart = abs(first.parentJoint - second.parentJoint)
                low, high = sorted((first, second), key=lambda s: s.parentJoint)
                fingers_and_table = low.parentJoint == 0 and high.name in beyond
                if apart > _NEIGHBOURS and not fingers_and_table:
                    self._shapes.addCollisionPair(pin.CollisionPair(j, i))

    def _drop_constant_pairs(self) -> None:
        if not self.n_pairs:
            return
        rng = np.random.default_rng(_SEED)
        low, high = self._model.lowerPositionLimit, self._model.upperPositionLimit
        touching = np.ones(self.n_pairs, dtype=bool)
        for q in rng.uniform(low, high, (_SAMPLES, len(low))):
            pin.computeCollisions(self._model, self._data, self._shapes, self._state, q, False)
            touching &= [r.isCollision() for r in self._state.collisionResults]
            if not touching.any():
                return
        for pair, always in zip(list(self._shapes.collisionPairs), touching, strict=True):
            if always:
                self._shapes.removeCollisionPair(pair)
        self._state = pin.GeometryData(self._shapes)
