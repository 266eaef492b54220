"""Experts reach every goal from anywhere, gently, and the model of rollouts is a fair one."""

import numpy as np
import pytest
from sensorium_core.goal import Goal
from sensorium_sim.cell import Cell
from sensorium_sim.driving import MOVE_S, ToolDriver, attempt, disturbance
from sensorium_sim.expert_view import ExpertView, stack, take, view_of
from sensorium_sim.experts import TRAVEL_M, expert, grasp_yaw
from sensorium_sim.layout import feasible_goals, heldout_seed
from sensorium_sim.rollout import rollout, rollout_batch
from sensorium_sim.tasks import TASKS

FAMILIES = sorted(TASKS)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("disturbed", [False, True])
def test_experts_reach_their_goals(cell: Cell, family: str, disturbed: bool) -> None:
    for index in range(6):
        seed = heldout_seed(index)
        noise = disturbance(seed) if disturbed else None
        outcome, end = attempt(cell, *TASKS[family].reset(seed), noise)
        assert outcome.success, outcome.reason
        assert end.peak_button_force_n < 18.0
        assert end.time_ns < (10e9 if disturbed else 5e9)


def test_a_new_goal_in_the_middle_of_another_is_reached(cell: Cell) -> None:
    """Holding one object, press; then pick another."""
    scene, goal = TASKS["pick"].reset(heldout_seed(4))
    attempt(cell, scene, goal)
    other = next(g for g in feasible_goals(scene, "pick") if g != goal)
    for now_goal in (Goal("press", scene.buttons[0].colour), other):
        driver, start = ToolDriver(cell), cell.ground_truth()
        outcome = None
        for _ in range(90):
            now = cell.ground_truth()
            outcome = TASKS[now_goal.family].success(now_goal, start, now)
            if outcome.success is not None:
                break
            motion = expert(view_of(now_goal, start, now, driver.pose), now_goal)
            driver.move(motion.dxyz[0], motion.dyaw[0], motion.grip[0])
        assert outcome is not None
        assert outcome.success, outcome.reason


def random_views(family: str, n: int) -> ExpertView:
    """Views of a real scene with the tool anywhere."""
    rng = np.random.default_rng(0)
    cell = Cell(cameras=())
    scene, goal = TASKS[family].reset(0)
    cell.reset(scene)
    state = cell.ground_truth()
    poses = rng.uniform((0.25, -0.35, 0.018, -1), (0.75, 0.35, 0.4, 1), (n, 4))
    return stack([view_of(goal, state, state, pose) for pose in poses])


@pytest.mark.parametrize("family", FAMILIES)
def test_motions_keep_the_speed_limit_and_stay_above_the_table(family: str) -> None:
    view = random_views(family, 300)
    motion = expert(view, Goal(family))
    assert np.linalg.norm(motion.dxyz, axis=1).max() <= TRAVEL_M + 1e-9
    assert np.abs(motion.dyaw).max() <= 1.6 * MOVE_S + 1e-9
    assert (view.tool[:, 2] + motion.dxyz[:, 2]).min() >= 0.0179
    assert set(np.unique(motion.grip)) <= {0.0, 1.0}


def test_grasp_yaw_is_continuous_and_follows_the_sides_of_a_cube() -> None:
    view = random_views("pick", 2000)
    view.target_yaw = np.linspace(-4, 4, 2000)
    view.square[:] = True
    yaw = grasp_yaw(view)
    assert np.abs(np.diff(yaw)).max() < 0.05
    assert np.abs(yaw).max() < np.radians(41)
    aligned = np.abs(np.abs(view.target_yaw) % (np.pi / 2) - np.pi / 4) > np.radians(6)
    misfit = (yaw - view.target_yaw)[aligned] % (np.pi / 2)
    assert np.minimum(misfit, np.pi / 2 - misfit).max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_rollouts_foretell_what_the_expert_will_do(cell: Cell, family: str) -> None:
    scene, goal = TASKS[family].reset(heldout_seed(1))
    cell.reset(scene)
    driver, start = ToolDriver(cell), cell.ground_truth()
    poses, chunks = [], []
    while TASKS[family].success(goal, start, cell.ground_truth()).success is None:
        view = view_of(goal, start, cell.ground_truth(), driver.pose)
        poses.append(driver.pose)
        chunks.append(rollout(view, goal))
        motion = expert(view, goal)
        driver.move(motion.dxyz[0], motion.dyaw[0], motion.grip[0])
    for k in range(len(poses) - 3):
        yaw = poses[k][3]
        way = (poses[k + 3] - poses[k])[:3]
        ahead = np.cos(yaw) * way[0] + np.sin(yaw) * way[1]
        aside = np.cos(yaw) * way[1] - np.sin(yaw) * way[0]
        np.testing.assert_allclose(chunks[k][2, :3], (ahead, aside, way[2]), atol=0.004)


def test_a_batch_of_rollouts_equals_single_ones() -> None:
    goals = [Goal(family) for family in FAMILIES for _ in range(4)]
    views = [random_views(family, 4) for family in FAMILIES]
    rows = [_row(view, i) for view in views for i in range(4)]
    batch = rollout_batch(rows, goals)
    single = np.stack([rollout(v, g) for v, g in zip(rows, goals, strict=True)])
    np.testing.assert_allclose(batch, single, atol=1e-12)
    assert batch.shape == (12, 8, 5)


def _row(view: ExpertView, i: int) -> ExpertView:
    return take(view, np.array([i]))
