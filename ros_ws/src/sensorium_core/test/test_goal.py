"""One vocabulary: what a goal of each family may say, must say and cannot say."""

import pytest
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import (
    ALL_FAMILIES,
    FAMILIES,
    NEEDED,
    QUALITIES,
    TOUCH_FAMILIES,
    Goal,
    missing,
    touch_goal,
)

WHOLE = {
    "insert": Goal("insert", quality="round"),
    "hold": Goal("hold", "red", manner="gently"),
    "give": Goal("give", quality="heavier"),
    "feel": Goal("feel", quality="hard"),
    "put": Goal("put", "red", "cube", onto_colour="blue"),
    "stack": Goal("stack", "red", "cube", onto_colour="blue", onto_shape="ball"),
}


def test_the_families_of_the_tabletop_are_still_three():
    assert FAMILIES == ("pick", "push", "press")
    assert ALL_FAMILIES == FAMILIES + TOUCH_FAMILIES
    assert set(NEEDED) == set(TOUCH_FAMILIES) > set(QUALITIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tabletop_goal_may_leave_out_anything_and_has_no_words_of_touch(family):
    assert Goal(family).words == family
    assert Goal(family, "red", None, "left").words == f"{family} red left"
    for field in ("quality", "manner", "onto_colour", "onto_shape"):
        with pytest.raises(UnknownNameError, match=f"{field} of {family}.*nothing"):
            Goal(family, "red", **{field: "red"})
    with pytest.raises(UnknownNameError, match="unknown colour 'pink'; allowed: red"):
        Goal(family, "pink")


@pytest.mark.parametrize("goal", WHOLE.values(), ids=WHOLE)
def test_a_goal_of_touch_needs_exactly_its_words(goal):
    said = {name: value for name, value in vars(goal).items() if value and name != "family"}
    assert tuple(sorted(said)) == tuple(sorted(NEEDED[goal.family]))
    for name in said:
        with pytest.raises(UnknownNameError, match=f"{name} of {goal.family} None"):
            Goal(goal.family, **{**said, name: None})
        with pytest.raises(UnknownNameError, match="'pink'"):
            Goal(goal.family, **{**said, name: "pink"})
    for name in {*vars(goal)} - {*said, "family"}:
        with pytest.raises(UnknownNameError, match="nothing"):
            Goal(goal.family, **{**said, name: "left"})


@pytest.mark.parametrize("goal", WHOLE.values(), ids=WHOLE)
def test_words_and_plain_text_say_all_of_it(goal):
    family, *words = goal.words.split()
    assert touch_goal(family, words) == goal
    assert all(word in goal.text for word in words)
    assert missing(family, vars(goal)) == ()
    assert missing(family, {}) == NEEDED[family]
    for wrong in (words[1:], [*words, "red"]):
        with pytest.raises(UnknownNameError, match=f"words of {family}"):
            touch_goal(family, wrong)


def test_plain_text_of_the_tabletop():
    assert Goal("pick", "red", "cube").text == "pick up the red cube"
    assert Goal("push", "blue", None, "left").text == "push the blue one to the left"
    assert Goal("press", "green").text == "press the green button"


def test_an_unknown_family_is_named():
    with pytest.raises(UnknownNameError, match=r"unknown family 'throw'.*pick.*stack"):
        Goal("throw")
    with pytest.raises(UnknownNameError, match=r"unknown family 'pick'.*insert"):
        touch_goal("pick", ["red"])
