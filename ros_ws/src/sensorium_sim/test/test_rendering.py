"""Pictures show the scene, and depth agrees with geometry."""

import gc

import numpy as np
import pytest
from sensorium_sim.cell import Cell
from sensorium_sim.layout import sample_scene
from sensorium_sim.rendering import free_context
from sensorium_sim.scene import RGB, ButtonSpec, ObjectSpec, Scene
from sensorium_sim.tasks import TASKS

SCENE = Scene(
    1,
    (
        ObjectSpec("red", "cube", 0.042, 0.42, -0.12, 0.0),
        ObjectSpec("green", "cylinder", 0.044, 0.56, 0.10, 0.0),
        ObjectSpec("blue", "ball", 0.040, 0.50, -0.02, 0.0),
        ObjectSpec("yellow", "cube", 0.038, 0.38, 0.15, 0.7),
        ObjectSpec("purple", "ball", 0.045, 0.60, -0.18, 0.0),
    ),
    (ButtonSpec("orange", 0.36, 0.33), ButtonSpec("red", 0.60, -0.33)),
    start_pose=(0.40, 0.0, 0.35, 0.0),
)


def project(cell: Cell, name: str, point: np.ndarray) -> tuple[int, int]:
    """Nearest pixel (row, column) of a point in base_link."""
    matrix, pose = cell.camera_info(name)
    x, y, z = matrix @ (pose[:3, :3].T @ (point - pose[:3, 3]))
    return round(y / z), round(x / z)


def lift(cell: Cell, name: str, depth_mm: np.ndarray) -> np.ndarray:
    """Points in base_link `(h, w, 3)` of a depth picture."""
    matrix, pose = cell.camera_info(name)
    rows, columns = np.indices(depth_mm.shape)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(matrix).T
    return rays * (1e-3 * depth_mm[..., None]) @ pose[:3, :3].T + pose[:3, 3]


def test_every_object_and_button_shows_its_colour_in_the_scene_picture(cell: Cell) -> None:
    cell.reset(SCENE)
    rgb, _ = cell.render("scene")
    tops = [np.array([o.x, o.y, 0.9 * o.size_m]) for o in SCENE.objects]
    tops += [np.array([b.x, b.y, 0.036]) for b in SCENE.buttons]
    names = [o.colour for o in SCENE.objects] + [b.colour for b in SCENE.buttons]
    for top, name in zip(tops, names, strict=True):
        row, column = project(cell, "scene", top)
        seen = rgb[row, column].astype(float)
        nearest = min(RGB, key=lambda c: angle(seen, np.array(RGB[c])))
        assert nearest == name


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.arccos(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))


def test_depth_agrees_with_geometry(cell: Cell) -> None:
    cell.reset(SCENE)
    cell.step(100)
    _, depth = cell.render("scene")
    points = lift(cell, "scene", depth)
    for item in (SCENE.objects[0], SCENE.objects[3]):
        flat = np.hypot(points[..., 0] - item.x, points[..., 1] - item.y) < 0.4 * item.size_m
        top = flat & (points[..., 2] > 0.8 * item.size_m)
        assert top.sum() >= 5
        assert np.median(points[top][:, 2]) == pytest.approx(item.size_m, abs=0.003)
        middle = np.median(points[top], axis=0)[:2]
        np.testing.assert_allclose(middle, (item.x, item.y), atol=0.006)
    table = points[(np.abs(points[..., 0] - 0.7) < 0.02) & (np.abs(points[..., 1]) < 0.2)]
    assert np.median(table[:, 2]) == pytest.approx(0.0, abs=0.003)


def test_wrist_camera_sees_the_object_between_the_fingers(cell: Cell) -> None:
    blue = SCENE.objects[2]
    cell.reset(Scene(1, SCENE.objects, SCENE.buttons, start_pose=(blue.x, blue.y, 0.06, 0.3)))
    rgb, _ = cell.render("wrist")
    pixels = rgb.reshape(-1, 3).astype(int)
    blueish = (pixels[:, 2] > 90) & (pixels[:, 2] > 2 * pixels[:, 0])
    assert blueish.mean() > 0.01


def test_small_pictures_are_every_fifth_pixel_of_large_ones(cell: Cell) -> None:
    large = Cell(640, 480)
    for each in (cell, large):
        each.reset(SCENE)
    for name in ("scene", "wrist"):
        small_rgb, small_depth = cell.render(name)
        large_rgb, large_depth = large.render(name)
        picked = large_depth[2::5, 2::5].astype(int)
        both = (small_depth > 0) & (picked > 0)
        error = np.abs(small_depth.astype(int) - picked)[both]
        assert np.median(error) <= 2
        assert (error > 8).mean() < 0.01
        colours = np.abs(small_rgb.astype(int) - large_rgb[2::5, 2::5].astype(int)).max(-1)
        assert (colours > 30).mean() < 0.02
        np.testing.assert_allclose(cell.camera_info(name)[1], large.camera_info(name)[1])
    large.close()


def test_noise_of_pictures_is_small_and_some_depth_is_missing(cell: Cell) -> None:
    cell.reset(sample_scene(4))
    rgb, depth = cell.render("scene")
    cell.step(2)
    again, deeper = cell.render("scene")
    assert 1.0 < (rgb.astype(int) - again.astype(int)).std() < 6.0
    assert 0.0 < (depth == 0).mean() < 0.01
    both = (depth > 0) & (deeper > 0)
    assert np.median(np.abs(depth.astype(int) - deeper.astype(int))[both]) <= 2


class Recorded:
    """Stands in for what OpenGL frees; writes down in which order."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self._name, self._calls = name, calls

    def make_current(self) -> None:
        self._calls.append(f"make {self._name} current")

    def free(self) -> None:
        self._calls.append(f"free {self._name}")


def test_a_rig_frees_its_pictures_in_its_own_opengl_context() -> None:
    """In that of another rig, which rendered last, it would free the other one's meshes."""
    calls: list[str] = []
    free_context(Recorded("window", calls), Recorded("pictures", calls))
    assert calls == ["make window current", "free pictures", "free window"]


@pytest.mark.parametrize("goes", ["closed", "dropped"])
def test_a_cell_that_goes_frees_once_and_leaves_the_pictures_of_another_alone(goes: str) -> None:
    scene, _ = TASKS["push"].reset(1_200_000)
    stays, other = Cell(), Cell()
    for cell in (other, stays):
        cell.reset(scene)
        cell.render("scene")
    before = [picture.copy() for picture in stays.render("scene")]
    assert other._rig is not None
    end = other._rig._end
    if goes == "closed":
        other.close()
        assert not end.alive
    del other, cell
    gc.collect()
    assert not end.alive
    for picture, same in zip(before, stays.render("scene"), strict=True):
        np.testing.assert_array_equal(picture, same)
    stays.close()
