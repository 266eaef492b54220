"""Cases are the same in every run and on unseen scenes; intervals are those of the textbook."""

import pytest
from sensorium_core.goal import FAMILIES
from sensorium_sim.episode import goal_text
from sensorium_sim.layout import HELDOUT_SEEDS, TRAIN_SEEDS, feasible_goals, sample_scene
from sensorium_training.commands.train import DAGGER_FIRST_SEED
from sensorium_training.evaluation import (
    Case,
    Outcome,
    by_family,
    first_seed,
    refusal_cases,
    task_cases,
    wilson,
    wrong_cases,
)

N = 6


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (50, 100, 0.404, 0.596), (0, 0, 0.0, 1.0)],
)
def test_wilson_intervals_have_their_known_values(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-4)


def test_wilson_intervals_shrink_with_more_cases_and_hold_the_share():
    widths = []
    for n in (10, 100, 1000):
        low, high = wilson(9 * n // 10, n)
        assert low < 0.9 < high
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_task_cases_are_the_same_in_every_run(family):
    cases = task_cases(family, N, "heldout", "heldout")
    assert cases == task_cases(family, N, "heldout", "heldout")
    assert len(cases) == len({case.seed for case in cases}) == N
    assert {case.goal.family for case in cases} == {family}


def test_evaluation_scenes_of_the_splits_are_disjoint_and_train_on_none_of_them():
    train = {case.seed for case in task_cases("pick", N, "train", "train")}
    heldout = {case.seed for case in task_cases("pick", N, "heldout", "train")}
    assert not train & heldout
    assert all(seed in TRAIN_SEEDS for seed in train)
    assert all(seed in HELDOUT_SEEDS for seed in heldout)
    assert max(train) < DAGGER_FIRST_SEED
    assert DAGGER_FIRST_SEED not in HELDOUT_SEEDS


def test_wrong_cases_never_tell_the_judged_goal():
    cases = wrong_cases(3 * N, "heldout")
    assert cases == wrong_cases(3 * N, "heldout")
    assert {case.family for case in cases} == set(FAMILIES)
    for case in cases:
        scene = sample_scene(case.seed)
        assert scene.index_of(case.goal) is not None
        others = [g for g in feasible_goals(scene, case.family) if g != case.goal]
        assert others, "a scene with one choice cannot tell another"


def test_what_wrong_cases_tell_is_another_thing_of_the_same_scene(monkeypatch):
    told = []

    def remember(goal, rng, **_options):
        told.append(goal)
        return goal_text(goal)

    monkeypatch.setattr("sensorium_training.evaluation.phrases", remember)
    cases = wrong_cases(3 * N, "train")
    assert len(told) == len(cases)
    for case, goal in zip(cases, told, strict=True):
        assert (goal.colour, goal.shape) != (case.goal.colour, case.goal.shape)
        assert goal in feasible_goals(sample_scene(case.seed), case.family)


def test_refusal_cases_ask_for_nothing_and_begin_where_the_split_does():
    cases = refusal_cases(N, "heldout")
    assert all(case.goal is None and case.text for case in cases)
    assert [case.seed for case in cases] == list(range(first_seed("heldout"), cases[-1].seed + 1))


def test_families_are_counted_apart_and_together():
    def outcome(family, success):
        return Outcome(Case(0, family, None, ""), success, "", "", 1.0, 0.0)

    outcomes = [outcome("pick", True), outcome("pick", False), outcome("press", True)]
    assert list(by_family(outcomes)) == [("pick", 1, 2), ("press", 1, 1), ("all", 2, 3)]
