"""Demonstrations: same seed, same bytes; what is in a bag; resuming; errors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_core.contract import tabletop
from sensorium_core.errors import EpisodeError, GenerateError, UnknownNameError
from sensorium_core.kinematics import GRIPPER_OPEN_M
from sensorium_core.observation import Aligner
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.episodes import read_episode
from sensorium_sim.cell import Cell
from sensorium_sim.commands.generate import generate as command
from sensorium_sim.disturbance import Disturbance, DisturbanceConfig
from sensorium_sim.episode_log import EPOCH_NS
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig, episode_path
from sensorium_sim.generate_pool import missing_seeds, seeds_of
from sensorium_sim.layout import sample_scene
from sensorium_sim.scene_json import (
    goal_from_json,
    scene_from_json,
    scene_to_json,
    state_from_json,
    state_to_json,
)
from sensorium_sim.tasks import TASKS

QUIET = DisturbanceConfig(share=0.0, still_share=0.0)
MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def generator() -> EpisodeGenerator:
    generator = EpisodeGenerator(GenerateConfig(disturbance=QUIET))
    yield generator
    generator.close()


@pytest.fixture(scope="module")
def made(generator: EpisodeGenerator, tmp_path_factory: pytest.TempPathFactory) -> list:
    directory = tmp_path_factory.mktemp("episodes")
    return [generator.make(directory, seed) for seed in range(3)]


def test_experts_succeed_and_episodes_stay_small(made: list) -> None:
    assert [(m.family, m.success) for m in made] == [
        ("pick", True), ("push", True), ("press", True)
    ]  # fmt: skip
    assert max(m.n_bytes for m in made) < MAX_BYTES


def test_an_episode_that_never_ends_is_kept_as_failed_at_half_a_megabyte_a_second(
    tmp_path: Path,
) -> None:
    wild = DisturbanceConfig(
        share=1.0, still_share=0.0, step_m=0.03, step_rad=0.3, quiet_after_s=(99.0, 99.0)
    )
    generator = EpisodeGenerator(GenerateConfig(families=("pick",), disturbance=wild))
    made = generator.make(tmp_path, 1)
    generator.close()
    assert (made.success, round(made.duration_s)) == (False, 8)
    assert made.n_bytes / made.duration_s < 500_000
    assert read_episode(made.path, tabletop()).outcome["status"] == "failure"


def test_a_seed_gives_the_same_bytes_whatever_was_made_before(
    generator: EpisodeGenerator, made: list, tmp_path: Path
) -> None:
    again = generator.make(tmp_path, 1)
    for file in sorted(made[1].path.iterdir()):
        assert (again.path / file.name).read_bytes() == file.read_bytes()


def test_topics_and_types_are_those_of_the_live_nodes(made: list) -> None:
    types = BagReader(made[0].path).topics()
    contract = {f"/{m.topic}": m.message for m in tabletop().modalities}
    assert contract.items() <= types.items()
    assert {
        "/instruction", "/command/joint_trajectory", "/arm_controller/joint_trajectory",
        "/gripper_controller/joint_trajectory", "/sim/ground_truth", "/sim/outcome", "/sim/state",
        "/camera/scene/camera_info", "/camera/wrist/camera_info", "/tf_static",
    } <= set(types)  # fmt: skip


def test_rates_and_stamps(made: list) -> None:
    episode = read_episode(made[0].path, tabletop())
    spacing = {
        name: set(np.diff(track.stamps_ns).tolist()) for name, track in episode.tracks.items()
    }
    assert spacing["wrench"] == spacing["joints"] == {2_000_000}
    assert spacing["touch_left"] == spacing["touch_right"] == {10_000_000}
    assert spacing["scene_rgb"] == spacing["scene_depth"] == spacing["wrist_rgb"] == {100_000_000}
    assert episode.tracks["wrench"].stamps_ns[0] == EPOCH_NS + 2_000_000


def test_every_frame_is_a_whole_observation(made: list) -> None:
    episode = read_episode(made[0].path, tabletop())
    aligner = Aligner(tabletop())
    aligner.set_camera(episode.camera)
    for name, track in episode.tracks.items():
        for stamp, value in zip(track.stamps_ns.tolist(), track.values, strict=True):
            if stamp <= episode.states[0][0]:
                aligner.push(name, stamp, value)
    seen = aligner.observe(episode.states[0][0])
    assert all(seen.valid.values())
    assert seen.values["cloud"][:, 6].sum() > 50


def test_states_in_the_bag_tell_the_outcome(made: list) -> None:
    for one in made:
        facts = BagReader(one.path).metadata()["episode"]
        goal = goal_from_json(facts["goal"])
        episode = read_episode(one.path, tabletop())
        states = [state_from_json(text) for _, text in episode.states]
        assert [s.time_ns for s in states] == [stamp for stamp, _ in episode.states]
        assert TASKS[goal.family].success(goal, states[0], states[-1]).success
        assert episode.outcome["status"] == "success"
        assert episode.instructions[0][1] == facts["instruction"]
        assert scene_from_json(facts["scene"]) == TASKS[goal.family].reset(one.seed)[0]


def test_commands_in_the_bag_are_what_the_arm_followed(made: list) -> None:
    episode = read_episode(made[0].path, tabletop())
    joints = episode.tracks["joints"]
    late = 60_000_000
    for before, after in zip(episode.commands, episode.commands[1:], strict=False):
        assert after.stamp_ns - before.stamp_ns == 100_000_000
        np.testing.assert_allclose(after.positions[0], before.sample(after.stamp_ns), atol=1e-9)
        row = np.searchsorted(joints.stamps_ns, after.stamp_ns + late)
        lag = joints.values[row, :6] - after.sample(after.stamp_ns + late)[:6]
        assert np.abs(lag).max() < 0.05
    assert min(c.positions[:, 6].min() for c in episode.commands) >= 0.0
    assert max(c.positions[:, 6].max() for c in episode.commands) <= GRIPPER_OPEN_M + 1e-9


def test_motionless_episodes_are_short_and_say_so(
    generator: EpisodeGenerator, tmp_path: Path
) -> None:
    config = replace(generator.config, disturbance=DisturbanceConfig(still_share=1.0))
    still = EpisodeGenerator(config)
    made = still.make(tmp_path, 4)
    still.close()
    episode = read_episode(made.path, tabletop())
    assert (made.success, episode.commands, len(episode.states)) == (None, (), 3)
    assert episode.outcome["status"] == "waiting"
    assert made.n_bytes < MAX_BYTES / 10


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_scenes_survive_json(seed: int) -> None:
    scene = sample_scene(seed)
    assert scene_from_json(scene_to_json(scene)) == scene


def test_states_survive_json_bit_for_bit() -> None:
    cell = Cell(cameras=())
    cell.reset(sample_scene(3))
    cell.step(20)
    state = cell.ground_truth()
    text = state_to_json(state)
    back = state_from_json(text)
    assert state_to_json(back) == text
    np.testing.assert_array_equal(back.objects[0].position, state.objects[0].position)
    assert back.buttons[0].colour == state.buttons[0].colour


def test_disturbance_has_the_size_it_says_and_ends() -> None:
    config = DisturbanceConfig(share=1.0, kick_odds=0.0, quiet_after_s=(2.0, 2.0))
    disturb = Disturbance(config, np.random.default_rng(0))
    noise = np.array([disturb(0.1, 0.3)[0] for _ in range(4000)])
    np.testing.assert_allclose(noise[:, :3].std(axis=0), config.step_m, rtol=0.1)
    assert not np.any(disturb(2.0, 0.3)[0])
    kicking = Disturbance(replace(config, step_m=0, step_rad=0, kick_odds=1.0), disturb._rng)
    kicks = np.array([kicking(0.1, 0.01)[0] for _ in range(200)])
    assert np.abs(kicks[:, :3]).max() <= config.kick_m
    assert kicks[:, 2].min() >= 0.0


def test_seeds_stay_in_one_split() -> None:
    assert seeds_of(999_990, 10) == range(999_990, 1_000_000)
    for first, n in ((999_990, 11), (2_000_000, 1)):
        with pytest.raises(EpisodeError, match="held-out"):
            seeds_of(first, n)


def test_a_directory_keeps_to_its_settings_and_resumes(tmp_path: Path) -> None:
    config = GenerateConfig()
    out = tmp_path / "out"
    assert missing_seeds(out, config, range(3)) == [0, 1, 2]
    episode_path(out, 1).mkdir()
    (out / "ep_0000002.partial").mkdir()
    assert missing_seeds(out, config, range(3)) == [0, 2]
    assert not (out / "ep_0000002.partial").exists()
    with pytest.raises(GenerateError, match="other settings"):
        missing_seeds(out, replace(config, camera_rate_hz=20.0), range(3))
    (tmp_path / "file").touch()
    with pytest.raises(GenerateError, match="cannot be used"):
        missing_seeds(tmp_path / "file", config, range(3))


def test_wrong_settings_raise_by_name() -> None:
    for change, name in (
        ({"families": ("juggle",)}, "family"),
        ({"phrasing": "mumbled"}, "phrasing"),
        ({"camera_width": 100}, "camera size"),
        ({"joint_rate_hz": 300}, "joint rate"),
    ):
        with pytest.raises(UnknownNameError, match=name):
            GenerateConfig(**change)


def test_workers_make_what_one_process_makes(generator: EpisodeGenerator, tmp_path: Path) -> None:
    arguments = [
        str(tmp_path / "a"),
        "--seed",
        "2",
        "--episodes",
        "2",
        "--disturbed",
        "0",
        "--still",
        "0",
    ]
    result = CliRunner().invoke(command, [*arguments, "--workers", "2"])
    assert result.exit_code == 0, result.output
    assert "2 made, 0 kept" in result.output
    made = generator.make(tmp_path / "b", 2)
    for file in sorted(made.path.iterdir()):
        assert (tmp_path / "a" / made.path.name / file.name).read_bytes() == file.read_bytes()
    again = CliRunner().invoke(command, arguments)
    assert "0 made, 2 kept" in again.output
    assert json.loads((tmp_path / "a" / "generate.json").read_text())["camera_width"] == 128
