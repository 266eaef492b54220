"""Depth and colour to a cropped, voxelised, coloured cloud, for people and other programs.

The policy lifts its own cloud from depth (`sensorium_core.geometry.Lifter`); this one is for
RViz, Foxglove and planners. ROS-free; one `CloudBuilder` serves one thread.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import CloudConfigError, ShapeError
from sensorium_core.geometry import Camera

Float32 = NDArray[np.float32]
_MAX_CELLS = 64_000_000

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
"""One packed point: metres, and 0x00RRGGBB as PCL and RViz read it."""


@dataclass(frozen=True)
class CloudConfig:
    """What part of the depth image becomes points, and how densely."""

    crop_min_m: tuple[float, float, float] = (0.15, -0.50, -0.02)
    """Lowest corner of the box that is kept, in the frame of the camera's calibration."""
    crop_max_m: tuple[float, float, float] = (0.85, 0.50, 0.60)
    """Highest corner of the box that is kept."""
    voxel_m: float = 0.005
    """Edge of the cubes of which each gives at most one point."""
    stride: int = 2
    """Take every n-th pixel of every n-th row."""

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip(self.crop_min_m, self.crop_max_m, strict=True)):
            raise CloudConfigError("crop_min_m", self.crop_min_m, "below crop_max_m")
        if self.stride < 1:
            raise CloudConfigError("stride", self.stride, "1 or more")
        if not self.voxel_m > 0:
            raise CloudConfigError("voxel_m", self.voxel_m, "a positive length")
        if int(np.prod(self.grid, dtype=np.int64)) > _MAX_CELLS:
            raise CloudConfigError(
                "voxel_m", self.voxel_m, f"a grid of at most {_MAX_CELLS} cells"
            )

    @property
    def grid(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        pairs = zip(self.crop_min_m, self.crop_max_m, strict=True)
        nx, ny, nz = (int(np.ceil((b - a) / self.voxel_m)) + 1 for a, b in pairs)
        return nx, ny, nz


class CloudBuilder:
    """Builds clouds from the images of one camera of one size."""

    def __init__(self, camera: Camera, config: CloudConfig) -> None:
        self.size = camera.size
        self._step = (slice(None, None, config.stride),) * 2
        rays = camera.rays().reshape(*camera.size, 3)[self._step].reshape(-1, 3)
        self._rays = np.ascontiguousarray(rays.T * np.float32(1e-3))
        self._origin = camera.T_base_optical[:3, 3].astype(np.float32)
        self._bounds = np.array([config.crop_min_m, config.crop_max_m], dtype=np.float32).T
        self._grid = config.grid
        self._per_m = np.float32(1.0 / config.voxel_m)
        self._owner = np.empty(int(np.prod(config.grid)), dtype=np.int32)

    def build(self, depth_mm: NDArray[np.uint16], rgb: NDArray[np.uint8]) -> NDArray[np.void]:
        """Points `(n,)` of dtype `POINT`, at most one a voxel, in the frame of the calibration.

        `depth_mm` is `(rows, cols)`, 0 where there is no reading; `rgb` `(rows, cols, 3)`.
        """
        if depth_mm.shape != self.size or rgb.shape != (*self.size, 3):
            got = f"depth {depth_mm.shape}, colour {rgb.shape}"
            raise ShapeError("cloud", got, f"{self.size} and {(*self.size, 3)}")
        depth = depth_mm[self._step].reshape(-1)
        pixels = np.flatnonzero(depth)
        depth = depth[pixels].astype(np.float32)
        xyz: list[Float32] = []
        for axis in (2, 0, 1):
            low, high = self._bounds[axis]
            values = self._rays[axis][pixels] * depth + self._origin[axis]
            inside = np.flatnonzero((values >= low) & (values < high))
            pixels, depth = pixels[inside], depth[inside]
            xyz = [*(v[inside] for v in xyz), values[inside]]
        z, x, y = xyz
        chosen = self._one_per_voxel(x, y, z)
        colours = rgb[self._step].reshape(-1, 3)[pixels[chosen]].astype(np.uint32)
        points = np.empty(len(chosen), dtype=POINT)
        points["x"], points["y"], points["z"] = x[chosen], y[chosen], z[chosen]
        points["rgb"] = colours[:, 0] << 16 | colours[:, 1] << 8 | colours[:, 2]
        return points

    def _one_per_voxel(self, x: Float32, y: Float32, z: Float32) -> NDArray[np.intp]:
        """Indices of the point that owns each voxel: the last one written to it."""
        (x0, y0, z0), (_, ny, nz) = self._bounds[:, 0], self._grid
        cells = ((x - x0) * self._per_m).astype(np.int32)
        cells *= ny
        cells += ((y - y0) * self._per_m).astype(np.int32)
        cells *= nz
        cells += ((z - z0) * self._per_m).astype(np.int32)
        order = np.arange(len(cells), dtype=np.int32)
        self._owner[cells] = order
        return np.flatnonzero(self._owner[cells] == order)
