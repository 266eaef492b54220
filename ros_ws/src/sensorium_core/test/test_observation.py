"""Observations: resolution parity, missing as a value, colours paired by exposure."""

import numpy as np
import pytest
from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import ContractError, ShapeError
from sensorium_core.geometry import Camera, subsample
from sensorium_core.inputs import CommandHistory, Memory, press_force_n
from sensorium_core.observation import Aligner, sense_validity
from sensorium_core.trajectory import Trajectory

MS = 1_000_000


def looking_down() -> Camera:
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    pose[:3, 3] = [0.5, 0.0, 0.8]
    return Camera((100.0, 100.0, 63.5, 47.5), (96, 128), pose)


def seeing(t: int = 1000 * MS, rgb_at: int | None = None) -> Aligner:
    aligner = Aligner(tabletop())
    aligner.set_camera(looking_down())
    colour = np.full((96, 128, 3), 255, dtype=np.uint8)
    aligner.push("scene_rgb", t if rgb_at is None else rgb_at, colour)
    aligner.push("scene_depth", t, np.full((96, 128), 760, dtype=np.uint16))
    return aligner


def test_native_resolution_subsamples_to_the_pixels_of_a_small_camera() -> None:
    big = np.arange(480 * 640).reshape(480, 640)
    np.testing.assert_array_equal(subsample(big, (96, 128)), big[2::5, 2::5])


def test_cloud_lies_where_the_depth_says() -> None:
    seen = seeing().observe(1000 * MS)
    cloud = seen.values["cloud"]
    points = cloud[cloud[:, 6] > 0]
    assert len(points) == 512
    np.testing.assert_allclose(points[:, 2], 0.04, atol=1e-5)
    assert points[:, 3:6].min() == 1.0


def test_colour_of_another_exposure_is_not_painted_on_the_depth() -> None:
    cloud = seeing(rgb_at=900 * MS).observe(1000 * MS).values["cloud"]
    assert set(cloud[cloud[:, 6] > 0][:, 3:6].ravel()) == {0.5}


def test_stale_never_seen_dropped_and_nan_senses_are_invalid_and_zero() -> None:
    aligner = seeing()
    aligner.push("wrench", 1000 * MS, np.array([np.nan, 0, 0, 0, 0, 0]))
    aligner.push("joints", 100 * MS, np.ones(14))
    seen = aligner.observe(1000 * MS, frozenset({"scene_rgb"}))
    assert seen.valid["scene_depth"]
    for name in ("scene_rgb", "wrist_rgb", "wrench", "joints", "touch_left"):
        assert not seen.valid[name], name
        assert not seen.values[name].any(), name
    assert np.isinf(seen.age_s["wrist_rgb"])
    assert sense_validity(tabletop(), seen).tolist() == [0, 1, 0, 0, 0, 0]


def test_bytes_of_a_stale_sense_do_not_reach_the_digest() -> None:
    digests = set()
    for value in (0.0, 5.0):
        aligner = seeing()
        aligner.push("joints", 100 * MS, np.full(14, value))
        digests.add(aligner.observe(1000 * MS).digest())
    assert len(digests) == 1


def test_wrong_shapes_are_refused_with_what_was_got_and_expected() -> None:
    aligner = Aligner(tabletop())
    with pytest.raises(ShapeError, match=r"scene_rgb.*\(48, 64, 3\).*\(96, 128, 3\)"):
        aligner.push("scene_rgb", 1, np.zeros((48, 64, 3), dtype=np.uint8))
    with pytest.raises(ShapeError, match="wrench"):
        aligner.push("wrench", 1, np.zeros(3))


def test_contract_survives_json_and_rejects_unknown_keys() -> None:
    contract = tabletop()
    assert Contract.from_json(contract.to_json()) == contract
    with pytest.raises(ContractError, match=r"colour_space.*legal top-level keys"):
        Contract.parse({**contract.model_dump(), "colour_space": "rgb"}, "test")
    with pytest.raises(ContractError, match="smell"):
        Contract.parse({**contract.model_dump(), "required": ["smell"]}, "test")
    with pytest.raises(ContractError, match="known: scene_rgb"):
        contract.modality("smell")


def test_arm_and_gripper_setpoints_are_remembered_apart() -> None:
    history = CommandHistory(("a", "b"))
    assert history.sample(5) is None
    times, ones = np.array([0.0, 1.0]), np.array([[0.0], [1.0]])
    history.push(Trajectory(0, ("a",), times, ones))
    assert history.sample(0) is None
    history.push(Trajectory(0, ("b",), times, 2 * ones))
    setpoint = history.sample(500 * MS)
    assert setpoint is not None
    np.testing.assert_allclose(setpoint, [0.5, 1.0])


def test_a_press_is_remembered_for_the_instruction() -> None:
    window = np.zeros((32, 6))
    window[10:20, 2] = -9.0
    assert press_force_n(window) == pytest.approx(9.0)
    aligner, memory = seeing(), Memory()
    for i in range(40):
        aligner.push("wrench", (600 + 10 * i) * MS, np.array([0, 0, -8.0, 0, 0, 0]))
    memory.feel(aligner.observe(1000 * MS))
    assert memory.peak_press_n == pytest.approx(8.0)
    memory.feel(seeing().observe(1000 * MS))
    assert memory.vector()[4] == pytest.approx(0.4)
