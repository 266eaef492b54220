"""What experts of the touch tasks are foreseen to do, and what else could be asked of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.goal import QUALITIES, Goal
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.messages import decode_string
from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.expert_note import EXPERT_TOPIC, ExpertNote
from sensorium_sim.feel_expert import FeelMemory
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_sim.give_expert import WeighMemory, held_index
from sensorium_sim.hold_expert import HoldMemory
from sensorium_sim.insert_expert import SearchMemory
from sensorium_sim.scene_json import goal_from_json
from sensorium_sim.touch_asked import absent_here, goals_here, may_ask, meant, memory_for
from sensorium_sim.touch_json import touch_state_from_json
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_rollout import HORIZON, touch_rollout
from sensorium_sim.touch_scene import hole_position
from sensorium_sim.touch_sight import Sight
from sensorium_sim.touch_tasks import peg_tip

FAMILIES = ("insert", "hold", "give", "feel", "put", "stack")
Decision = tuple[ExpertNote, Sight]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Goal, list[Decision]]]:
    directory = tmp_path_factory.mktemp("episodes")
    quiet = DisturbanceConfig(share=0.0, still_share=0.0)
    generator = EpisodeGenerator(GenerateConfig(families=FAMILIES, disturbance=quiet))
    paths = [generator.make(directory, seed).path for seed in range(6)]
    generator.close()
    return {goal.family: (goal, decisions) for goal, decisions in map(read, paths)}


def read(path: Path) -> tuple[Goal, list[Decision]]:
    bag = BagReader(path)
    goal = goal_from_json(bag.metadata()["episode"]["goal"])
    states = {m.log_time_ns: decode_string(m.payload) for m in bag.messages({"/sim/state"})}
    decisions = []
    for message in bag.messages({EXPERT_TOPIC}):
        note = ExpertNote.from_json(decode_string(message.payload))
        state = touch_state_from_json(states[message.log_time_ns])
        decisions.append((note, Sight(state, np.array(note.tool), note.felt)))
    return goal, decisions


def searches(note: ExpertNote) -> bool:
    """Whether the expert looks for a well by force: one to learn from goes straight there."""
    intent, pressing = note.move.intent, note.felt.force_n[2] >= 2.0
    searching = intent is not None and intent.press_n < 14.0
    return isinstance(note.memory, SearchMemory) and pressing and searching


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_foreseen_is_what_came_to_pass(told: dict, family: str) -> None:
    goal, decisions = told[family]
    tools = np.array([note.tool for note, _ in decisions])
    misses = []
    for i, (note, sight) in enumerate(decisions[:-HORIZON]):
        chunk = touch_rollout(goal, sight, note.memory).chunk
        c, s = np.cos(tools[i, 3]), np.sin(tools[i, 3])
        chunk[:, :2] = chunk[:, :2] @ np.array([[c, s], [-s, c]])
        misses.append(np.abs(chunk[:, :3] - (tools[i + 1 : i + 1 + HORIZON, :3] - tools[i, :3])))
    miss_m = np.median(np.max(misses, axis=2), axis=0)
    assert miss_m[0] < 0.0005
    assert miss_m[-1] < 0.002


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_move_is_the_one_noted_and_the_memory_stays(told: dict, family: str) -> None:
    goal, decisions = told[family]
    for note, sight in decisions:
        before = repr(note.memory)
        first = touch_rollout(goal, sight, note.memory).first
        told = slice(2 if searches(note) else 0, 3)
        np.testing.assert_array_equal(first.dxyz[told], note.move.dxyz[told])
        assert (first.grip, first.intent) == (note.move.grip, note.move.intent)
        assert repr(note.memory) == before


def test_what_is_learnt_of_a_press_leads_to_where_the_well_is(told: dict) -> None:
    goal, decisions = told["insert"]
    pressing = [(note, sight) for note, sight in decisions if searches(note)]
    assert len(pressing) > 3
    for note, sight in pressing:
        block, held = sight.state.scene.block, held_index(sight)
        assert block is not None
        assert held is not None
        away = hole_position(block, goal.quality, seen=False)[:2] - peg_tip(sight.state, held)[:2]
        chunk, yaw = touch_rollout(goal, sight, note.memory).chunk, sight.tool[3]
        c, s = np.cos(yaw), np.sin(yaw)
        left = away - np.array([[c, -s], [s, c]]) @ chunk[-1, :2]
        assert np.hypot(*left) < max(0.5 * np.hypot(*away), 0.0005)


def test_hidden_weights_and_hardness_do_not_change_what_is_foreseen(told: dict) -> None:
    for family in ("give", "feel"):
        goal, decisions = told[family]
        for note, sight in decisions[::5]:
            scene = sight.state.scene
            swapped = replace(
                scene, traits=scene.traits[::-1],
                objects=tuple(replace(o, mass_kg=0.5 - o.mass_kg) for o in scene.objects),
            )  # fmt: skip
            other = replace(sight, state=replace(sight.state, scene=swapped))
            chunks = [touch_rollout(goal, s, note.memory).chunk for s in (sight, other)]
            np.testing.assert_array_equal(*chunks)


@pytest.mark.parametrize("family", FAMILIES)
def test_other_goals_are_there_and_absent_ones_are_not(family: str) -> None:
    for seed in range(8):
        scene, goal = touch_scene(family, seed)
        here, absent = goals_here(goal, scene), absent_here(goal, scene)
        assert here[0] == goal
        assert len(set(here)) == len(here) > 1
        assert not set(here) & set(absent)
        assert len(absent) > 10


@pytest.mark.parametrize("family", ["insert", "put", "stack"])
def test_nothing_is_asked_that_would_drop_what_is_held(told: dict, family: str) -> None:
    goal, decisions = told[family]
    holding = 0
    for _, sight in decisions:
        held = held_index(sight)
        for other in goals_here(goal, sight.state.scene)[1:]:
            if held is None or not may_ask(other, goal, sight):
                continue
            assert touch_rollout(other, sight, None).first.grip == 0.0
        holding += held is not None
    assert holding > 5


def test_the_second_thing_is_meant_once_the_first_is_held(told: dict) -> None:
    for family in ("insert", "put", "stack"):
        goal, decisions = told[family]
        places = [(held_index(s), meant(goal, s, n.memory)[0]) for n, s in decisions]
        before = next(place for held, place in places if held is None)
        after = next(place for held, place in places if held is not None)
        assert np.hypot(*(after - before)[:2]) > 0.05


def test_what_was_found_out_for_one_goal_is_known_for_the_other() -> None:
    soft, hard = (Goal("feel", quality=quality) for quality in QUALITIES["feel"])
    memory = FeelMemory(0.02, True, None)
    assert memory_for(hard, soft, memory) == FeelMemory(0.02, False, None)
    assert memory_for(hard, soft, FeelMemory(None, None, 1)) == FeelMemory(None, None, 0)
    heavier, lighter = (Goal("give", quality=quality) for quality in QUALITIES["give"])
    weighed = WeighMemory([1.0, None])
    assert memory_for(lighter, heavier, weighed) == weighed
    gently, firmly = (Goal("hold", "red", manner=manner) for manner in ("gently", "firmly"))
    assert memory_for(firmly, gently, HoldMemory(1.0, True)) == HoldMemory()
    assert memory_for(gently, gently, HoldMemory(1.0, True)) == HoldMemory(1.0, True)
