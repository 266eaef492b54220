"""Which policies may be told to touch, and which cell of the simulator each of them acts in."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sensorium_cli.commands.evaluate import evaluate
from sensorium_cli.playable import cell_of, families_of, require_playable, staged_goal
from sensorium_core.errors import EpisodeError
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, Goal
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy


@pytest.fixture(scope="module")
def first(policy):
    return Policy(policy)


@pytest.fixture(scope="module")
def second(pressing_policy):
    return Policy(pressing_policy)


@pytest.fixture(scope="module")
def language():
    return LanguageEncoder(Path("models/language/encoder.onnx"))


def test_the_version_of_the_contract_decides_on_cell_and_families(first, second):
    assert (cell_of(first), cell_of(second)) == ("tabletop", "touch")
    assert (families_of(first), families_of(second)) == (FAMILIES, ALL_FAMILIES)


def test_only_a_policy_of_version_2_may_be_asked_for_touch(first, second):
    require_playable(first, FAMILIES)
    require_playable(second, ALL_FAMILIES)
    with pytest.raises(EpisodeError, match=r"of hold, stack for .*version 1; expected pick, push"):
        require_playable(first, ["stack", "pick", "hold"])


@pytest.mark.parametrize("how", [(), ("--over-ros",)])
def test_evaluation_says_so_before_anything_starts(policy, how):
    words = [str(policy), "--family", "touch", "--episodes", "1", *how]
    ran = CliRunner().invoke(evaluate, words)
    assert isinstance(ran.exception, EpisodeError)
    assert "contract version 1" in str(ran.exception)


def test_a_scene_is_set_for_what_the_policy_can_do(first, second, language):
    pick, hold = Goal("pick", "red", "cube"), Goal("hold", "red", manner="gently")
    words = ("pick up the red cube", "press the red button gently", "flibber the wug")
    told = [language.encode(text) for text in words]
    assert [staged_goal(command, first, 0) for command in told] == [pick, None, None]
    assert [staged_goal(command, second, 0) for command in told] == [pick, hold, None]


def test_what_no_scene_has_is_refused_before_anything_starts(second, language, monkeypatch):
    monkeypatch.setattr("sensorium_sim.episode._TOUCH_TRIES", 20)
    with pytest.raises(EpisodeError, match="fits no scene"):
        staged_goal(language.encode("stack the red cube on the blue ball"), second, 0)
