"""Demonstrations of the touch tasks: same seed, same bytes; what is in a bag; what it tells."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sensorium_core.contract import Contract, tabletop, touch
from sensorium_core.errors import MessageDecodeError, UnknownNameError
from sensorium_core.goal import ALL_FAMILIES, TOUCH_FAMILIES, Goal
from sensorium_recording.alignment import aligned_frames
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.episodes import read_episode
from sensorium_recording.messages import decode_string
from sensorium_sim.commands.generate import generate as command
from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.expert_note import ExpertNote
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig, Made
from sensorium_sim.scene_json import goal_from_json
from sensorium_sim.scene_markers import scene_markers
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_disturbance import TouchDisturbance, care_of
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_episode import make_expert
from sensorium_sim.touch_json import (
    any_scene_from_json,
    any_state_from_json,
    touch_state_from_json,
)
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_sight import Sight, sight_of
from sensorium_sim.touch_tasks import judge

DISTURBED = DisturbanceConfig(share=1.0, still_share=0.0)


@pytest.fixture(scope="module")
def generator() -> EpisodeGenerator:
    families = ("hold", "put", "feel", "pick")
    generator = EpisodeGenerator(GenerateConfig(families=families, disturbance=DISTURBED))
    yield generator
    generator.close()


@pytest.fixture(scope="module")
def made(generator: EpisodeGenerator, tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    directory = tmp_path_factory.mktemp("episodes")
    return [generator.make(directory, seed) for seed in range(4, 8)]


def notes_of(path: Path) -> dict[int, ExpertNote]:
    return {
        message.log_time_ns: ExpertNote.from_json(decode_string(message.payload))
        for message in BagReader(path).messages({"/sim/expert"})
    }


def test_disturbed_experts_reach_their_goals(made: list[Made]) -> None:
    assert [m.family for m in made] == ["hold", "put", "feel", "pick"]
    assert all(m.success for m in made)


def test_a_seed_gives_the_same_bytes_whatever_was_made_before(
    generator: EpisodeGenerator, made: list[Made], tmp_path: Path
) -> None:
    again = generator.make(tmp_path, 4)
    for file in sorted(made[0].path.iterdir()):
        assert (again.path / file.name).read_bytes() == file.read_bytes()


def test_topics_are_those_of_tabletop_episodes_and_the_expert(made: list[Made]) -> None:
    *touched, picked = [BagReader(m.path).topics() for m in made]
    for topics in touched:
        assert topics == {**picked, "/sim/expert": "std_msgs/msg/String"}
    contract = {f"/{m.topic}": m.message for m in tabletop().modalities}
    assert contract.items() <= picked.items()


def test_metadata_tells_contract_goal_and_scene(made: list[Made]) -> None:
    for one in made:
        facts = BagReader(one.path).metadata()
        assert Contract.from_json(facts["contract"]["json"]) == touch()
        goal = goal_from_json(facts["episode"]["goal"])
        assert goal.family == one.family
        if goal.family in TOUCH_FAMILIES:
            assert (any_scene_from_json(facts["episode"]["scene"]), goal) == touch_scene(
                one.family, one.seed
            )


def test_commands_come_at_the_rate_and_in_the_form_that_the_arm_got(made: list[Made]) -> None:
    episode = read_episode(made[0].path, touch())
    stamps = np.array([c.stamp_ns for c in episode.commands])
    assert set(np.diff(stamps)) == {10_000_000}
    joints = episode.tracks["joints"]
    for one in episode.commands[20::40]:
        row = np.searchsorted(joints.stamps_ns, one.stamp_ns + 60_000_000)
        later = min(int(np.searchsorted(stamps, one.stamp_ns + 50_000_000)), len(stamps) - 1)
        lag = joints.values[row, :6] - episode.commands[later].positions[0, :6]
        assert np.abs(lag).max() < 0.05


def test_every_frame_has_its_state_and_its_decision(made: list[Made]) -> None:
    for one in made[:3]:
        notes = notes_of(one.path)
        frames = list(aligned_frames(one.path, touch()))
        assert [f.t_ns for f in frames] == sorted(notes)
        for frame in frames:
            assert frame.state is not None
            assert all(frame.observation.valid.values())
            assert notes[frame.t_ns].family == one.family


def test_a_noted_decision_comes_out_again_from_the_bag_alone(made: list[Made]) -> None:
    for one in made[:3]:
        facts = BagReader(one.path).metadata()["episode"]
        goal, notes = goal_from_json(facts["goal"]), notes_of(one.path)
        states = dict(read_episode(one.path, touch()).states)
        for t_ns, note in notes.items():
            expert = make_expert(goal, feels=True)
            expert.memory = note.memory
            sight = Sight(touch_state_from_json(states[t_ns]), np.array(note.tool), note.felt)
            move = expert.decide(sight)
            np.testing.assert_array_equal(move.dxyz, note.move.dxyz)
            assert (move.dyaw, move.grip, move.intent) == (
                note.move.dyaw, note.move.grip, note.move.intent,
            )  # fmt: skip


def test_intent_is_told_while_the_expert_feels_its_way(made: list[Made]) -> None:
    hold, put = notes_of(made[0].path), notes_of(made[1].path)
    pressing = [n.move.intent for n in hold.values() if n.move.intent is not None]
    assert len(pressing) >= 10
    assert len({i.press_n for i in pressing}) == 1
    assert all(n.move.intent is None for n in put.values())


def test_states_in_the_bag_are_judged_as_the_bag_says(made: list[Made]) -> None:
    for one in made[:3]:
        facts = BagReader(one.path).metadata()["episode"]
        states = [touch_state_from_json(s) for _, s in read_episode(one.path, touch()).states]
        goal = goal_from_json(facts["goal"])
        assert judge(goal, states[0], states[-1]).success is True


def test_notes_that_are_none_are_refused() -> None:
    for text in ("", "{}", '{"family": "hold"}', "[1]"):
        with pytest.raises(MessageDecodeError, match="sim/expert"):
            ExpertNote.from_json(text)
    for read in (goal_from_json, any_scene_from_json, any_state_from_json):
        with pytest.raises(MessageDecodeError):
            read("[]")


def test_motionless_episodes_show_the_first_decision(tmp_path: Path) -> None:
    still = DisturbanceConfig(still_share=1.0)
    generator = EpisodeGenerator(GenerateConfig(families=("give",), disturbance=still))
    one = generator.make(tmp_path, 3)
    generator.close()
    episode = read_episode(one.path, touch())
    assert (one.success, episode.commands, len(episode.states)) == (None, (), 3)
    assert len(notes_of(one.path)) == 3


def test_noise_is_smaller_where_force_matters_and_ends(touch_cell: TouchCell) -> None:
    scene, _ = touch_scene("insert", 1)
    touch_cell.reset(scene)
    pose = np.array([0.5, 0.0, 0.2, 0.0])
    sight = sight_of(touch_cell.ground_truth(), pose, None)
    expert = make_expert(Goal("insert", quality="round"), feels=True)
    free = expert.decide(sight)
    config = replace(DISTURBED, kick_odds=0.0, flip_odds=0.0)
    disturb = TouchDisturbance(config, "insert", 30.0, np.random.default_rng(0))
    noise = np.array([disturb(0.1, free, sight).dxyz - free.dxyz for _ in range(2000)])
    np.testing.assert_allclose(noise.std(axis=0), config.step_m, rtol=0.1)
    assert disturb(30.0, free, sight) is free
    note = ExpertNote.from_json(
        '{"family":"insert","tool":[0.5,0,0.08,0],"felt":{"opening_m":0.01,"force_n":[0,0,9],'
        '"squeeze_n":14},"memory":null,"dxyz":[0,0,0],"dyaw":0,"grip":0,"intent":[8,1]}'
    )
    feeling = [disturb(0.1, note.move, sight) for _ in range(500)]
    assert all(move.dxyz[2] == 0.0 and move.grip == 0.0 for move in feeling)
    assert np.array([move.dxyz for move in feeling]).std() < 0.0005
    assert care_of("insert", note.move, sight).kick == 0.0


def test_markers_are_as_high_as_what_they_stand_for(touch_cell: TouchCell) -> None:
    scene, _ = touch_scene("hold", 5)
    touch_cell.reset(scene)
    state = touch_cell.ground_truth()
    buttons = [m for m in scene_markers(state) if m.namespace == "buttons"]
    for marker, traits in zip(buttons, scene.button_traits, strict=True):
        top = marker.position_m[2] + marker.size_m[2] / 2
        assert top == pytest.approx(traits.top_m, abs=1e-3)
    touch_cell.reset(touch_scene("insert", 5)[0])
    markers = scene_markers(touch_cell.ground_truth())
    pegs = [m for m in markers if m.namespace == "objects"]
    assert [m.size_m[2] for m in pegs] == [0.07, 0.07]
    assert [m.text for m in markers if m.namespace == "fixtures"] == ["block"]


def test_families_are_named_singly_or_in_sets(tmp_path: Path) -> None:
    quiet = ["--episodes", "2", "--seed", "3", "--disturbed", "0", "--still", "0"]
    out = tmp_path / "a"
    result = CliRunner().invoke(
        command, [str(out), *quiet, "--families", "hold,stack", "--workers", "2"]
    )
    assert result.exit_code == 0, result.output
    assert "success hold 1/1, stack 1/1" in result.output
    config = GenerateConfig(families=("hold", "stack"), disturbance=replace(DISTURBED, share=0.0))
    alone = EpisodeGenerator(config)
    one = alone.make(tmp_path / "b", 4)
    alone.close()
    for file in sorted(one.path.iterdir()):
        assert (out / one.path.name / file.name).read_bytes() == file.read_bytes()
    wrong = CliRunner().invoke(command, [str(out), "--families", "juggle"])
    assert wrong.exit_code != 0
    assert "choose from pick, push, press, insert" in wrong.output
    assert ALL_FAMILIES[3:] == TOUCH_FAMILIES
    with pytest.raises(UnknownNameError, match="family"):
        GenerateConfig(families=("juggle",))


def test_the_move_that_is_noted_is_the_one_before_the_noise(made: list[Made]) -> None:
    """Labels must not teach the noise: what was noted is smaller than what was commanded."""
    notes = list(notes_of(made[1].path).values())
    pairs = pairwise(notes)
    gone = [np.subtract(b.tool, a.tool)[:3] - a.move.dxyz for a, b in pairs]
    assert np.abs(gone).max() > 0.003
    assert isinstance(notes[0].move, Move)
