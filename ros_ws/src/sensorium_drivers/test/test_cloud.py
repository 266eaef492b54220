"""Clouds: geometry, crop, voxels and colours, checked against a slow and obvious computation."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sensorium_core.errors import CloudConfigError, ShapeError
from sensorium_core.geometry import Camera
from sensorium_drivers.cloud import POINT, CloudBuilder, CloudConfig

LOOKING_DOWN = np.array(
    [[0.0, -1.0, 0.0, 0.5], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.8], [0.0, 0.0, 0.0, 1.0]]
)
SMALL = Camera((20.0, 20.0, 7.5, 5.5), (12, 16), LOOKING_DOWN)


def slow_points(camera: Camera, depth_mm: np.ndarray, config: CloudConfig) -> np.ndarray:
    """Points `(n, 3)` inside the crop, one pixel at a time."""
    fx, fy, cx, cy = camera.intrinsics
    points = []
    for v in range(camera.size[0]):
        for u in range(camera.size[1]):
            d = depth_mm[v, u] * 1e-3
            p = camera.T_base_optical @ [(u - cx) / fx * d, (v - cy) / fy * d, d, 1.0]
            if d > 0 and (p[:3] >= config.crop_min_m).all() and (p[:3] < config.crop_max_m).all():
                points.append(p[:3])
    return np.array(points).reshape(-1, 3)


def xyz(points: np.ndarray) -> np.ndarray:
    return np.stack([points["x"], points["y"], points["z"]], axis=1)


@given(arrays(np.uint16, SMALL.size, elements=st.integers(0, 1100)))
@settings(max_examples=50)
def test_every_voxel_that_holds_a_point_gives_exactly_one_of_its_points(depth_mm):
    config = CloudConfig(voxel_m=0.02, stride=1)
    rgb = np.zeros((*SMALL.size, 3), dtype=np.uint8)
    got = xyz(CloudBuilder(SMALL, config).build(depth_mm, rgb)).astype(np.float64)
    expected = slow_points(SMALL, depth_mm, config)
    assert (len(got) == 0) == (len(expected) == 0)
    if len(got):
        gaps = np.linalg.norm(got[:, None] - expected[None], axis=2)
        assert (gaps.min(axis=1) < 1e-5).all()
        assert (np.abs(got[:, None] - expected[None]).max(axis=2).min(axis=0) < 0.0201).all()
        cells = np.floor((got - config.crop_min_m) / 0.02 + 1e-4)
        assert len(np.unique(cells, axis=0)) >= 0.9 * len(got)


def test_each_point_carries_the_colour_of_its_pixel():
    config = CloudConfig(stride=1, voxel_m=1e-2, crop_min_m=(0, -1, -1), crop_max_m=(1, 1, 1))
    rgb = np.zeros((*SMALL.size, 3), dtype=np.uint8)
    depth = np.zeros(SMALL.size, dtype=np.uint16)
    depth[3, 4], rgb[3, 4] = 700, (1, 2, 250)
    points = CloudBuilder(SMALL, config).build(depth, rgb)
    assert [hex(v) for v in points["rgb"]] == ["0x102fa"]
    assert points.dtype == POINT
    assert len(points.tobytes()) == 16


def test_no_reading_and_a_far_one_give_no_point():
    builder = CloudBuilder(SMALL, CloudConfig())
    rgb = np.zeros((*SMALL.size, 3), dtype=np.uint8)
    for depth_mm in (0, 65535):
        assert len(builder.build(np.full(SMALL.size, depth_mm, np.uint16), rgb)) == 0


def test_a_stride_takes_fewer_pixels_and_the_same_rays():
    depth = np.full(SMALL.size, 790, dtype=np.uint16)
    rgb = np.zeros((*SMALL.size, 3), dtype=np.uint8)
    fine = xyz(CloudBuilder(SMALL, CloudConfig(voxel_m=0.002, stride=1)).build(depth, rgb))
    coarse = xyz(CloudBuilder(SMALL, CloudConfig(voxel_m=0.002, stride=2)).build(depth, rgb))
    assert 0 < len(coarse) < len(fine)
    assert {tuple(p) for p in coarse} <= {tuple(p) for p in fine}


def test_the_same_images_give_the_same_bytes_twice():
    random = np.random.default_rng(0)
    depth = random.integers(500, 1000, SMALL.size).astype(np.uint16)
    rgb = random.integers(0, 255, (*SMALL.size, 3)).astype(np.uint8)
    builder = CloudBuilder(SMALL, CloudConfig(voxel_m=0.05))
    assert builder.build(depth, rgb).tobytes() == builder.build(depth, rgb).tobytes()


def test_images_of_another_size_are_refused_with_the_sizes():
    builder = CloudBuilder(SMALL, CloudConfig())
    with pytest.raises(ShapeError, match=r"\(12, 16\)"):
        builder.build(np.zeros((6, 8), np.uint16), np.zeros((6, 8, 3), np.uint8))


def test_settings_out_of_range_name_the_field():
    with pytest.raises(CloudConfigError, match="voxel_m"):
        CloudConfig(voxel_m=0.0)
    with pytest.raises(CloudConfigError, match="cells"):
        CloudConfig(voxel_m=1e-4)
    with pytest.raises(CloudConfigError, match="stride"):
        CloudConfig(stride=0)
    with pytest.raises(CloudConfigError, match="crop_min_m"):
        CloudConfig(crop_min_m=(9.0, 0.0, 0.0))


def test_a_vga_image_takes_less_than_a_frame():
    camera = Camera((600.0, 600.0, 319.5, 239.5), (480, 640), LOOKING_DOWN)
    builder = CloudBuilder(camera, CloudConfig())
    depth = np.full(camera.size, 780, dtype=np.uint16)
    rgb = np.zeros((*camera.size, 3), dtype=np.uint8)
    durations_s = []
    for _ in range(5):
        began_s = time.thread_time()
        builder.build(depth, rgb)
        durations_s.append(time.thread_time() - began_s)
    assert min(durations_s) < 0.033
