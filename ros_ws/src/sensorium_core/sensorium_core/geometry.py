"""Pinhole geometry: image sampling and lifting depth to a coloured cloud. Pure functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]

GREY = 0.5
"""Colour of a point when no colour image of its stamp is known."""


@dataclass(frozen=True)
class Camera:
    """Intrinsics `(fx, fy, cx, cy)` [px] of an image of `size` (rows, cols), and its pose.

    `T_base_optical` is `(4, 4)`: optical frame (x right, y down, z ahead) in base_link.
    """

    intrinsics: tuple[float, float, float, float]
    size: tuple[int, int]
    T_base_optical: Array

    def resized(self, size: tuple[int, int]) -> "Camera":
        """The camera of an image resampled to `size`; pixel centres stay on their rays."""
        fx, fy, cx, cy = self.intrinsics
        sy, sx = size[0] / self.size[0], size[1] / self.size[1]
        scaled = (fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5)
        return Camera(scaled, size, self.T_base_optical)

    def rays(self) -> Float32:
        """Viewing directions in base_link per metre of depth `(rows * cols, 3)`."""
        fx, fy, cx, cy = self.intrinsics
        v, u = np.mgrid[0 : self.size[0], 0 : self.size[1]]
        optical = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones_like(u, dtype=float)], axis=-1)
        rays: Float32 = (optical.reshape(-1, 3) @ self.T_base_optical[:3, :3].T).astype(np.float32)
        return rays


def subsample(image: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Nearest pixel of each target pixel's centre, `(rows, cols, ...)`; a copy.

    Nearest keeps depth edges clean and gives a 640x480 stream exactly the rays of a native
    128x96 one. The size must not exceed the image's.
    """
    rows, cols = image.shape[:2]
    if (rows, cols) == size:
        return image.copy()
    v = ((np.arange(size[0]) + 0.5) * rows / size[0]).astype(int)
    u = ((np.arange(size[1]) + 0.5) * cols / size[1]).astype(int)
    return image[v[:, None], u[None, :]]


class Lifter:
    """Turns a depth image and its colours into a fixed number of coloured points in base_link."""

    def __init__(self, camera: Camera, crop_min_m: Array, crop_max_m: Array, points: int) -> None:
        self._rays = camera.rays()
        self._origin = camera.T_base_optical[:3, 3].astype(np.float32)
        self._low = np.asarray(crop_min_m, dtype=np.float32)
        self._high = np.asarray(crop_max_m, dtype=np.float32)
        self._points = points

    def lift(self, depth_mm: NDArray[np.uint16], rgb: NDArray[np.uint8] | None) -> Float32:
        """Cloud `(points, 7)`: x, y, z [m], r, g, b in 0..1, mask 1 where the row is a point.

        Points outside the crop or without a reading are left out; when more remain than fit, an
        even stride over them stays, so the result depends on nothing but the images.
        """
        flat = depth_mm.reshape(-1)
        xyz = self._rays * (flat.astype(np.float32) * np.float32(1e-3))[:, None] + self._origin
        inside = (flat > 0) & (xyz > self._low).all(axis=1) & (xyz < self._high).all(axis=1)
        rows = np.flatnonzero(inside)
        if len(rows) > self._points:
            rows = rows[np.arange(self._points) * len(rows) // self._points]
        cloud = np.zeros((self._points, 7), dtype=np.float32)
        n = len(rows)
        cloud[:n, :3] = xyz[rows]
        cloud[:n, 3:6] = GREY if rgb is None else rgb.reshape(-1, 3)[rows] * np.float32(1 / 255)
        cloud[:n, 6] = 1.0
        return cloud
