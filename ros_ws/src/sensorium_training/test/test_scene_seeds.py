"""No scene that judges a policy has taught it: by range, by run, and by what bags show."""

import hashlib
import itertools

import pytest
from sensorium_core.errors import EpisodeError, LoaderError
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.splits import SPLITS, Shares
from sensorium_sim.generate import episode_path
from sensorium_sim.layout import HELDOUT_SEEDS, TRAIN_SEEDS, sample_scene
from sensorium_training.commands.train import DAGGER_FIRST_SEED
from sensorium_training.evaluation import first_seed, task_cases
from sensorium_training.fast.runs import scene_seeds
from sensorium_training.matrix.measured import Plan
from sensorium_training.scene_seeds import (
    FAST_HEAD,
    OFFLINE,
    ROLLOUTS,
    TRAIN_TRIALS,
    TRIALS,
    USES,
    require_unseen,
    rollout_seeds,
    scenes_of,
)


def bag(directory, seed):
    path = episode_path(directory, seed)
    with BagWriter(path, "zstd") as writer:
        writer.write_metadata("episode", {"seed": str(seed)})
    return path


def test_uses_share_no_scene_and_only_training_ones_teach():
    for one, other in itertools.combinations(USES.values(), 2):
        assert one.stop <= other.start or other.stop <= one.start
    teaching = ("demonstrations", "rollouts", "fast head", "trials on training scenes")
    for name, seeds in USES.items():
        home = TRAIN_SEEDS if name in teaching else HELDOUT_SEEDS
        assert seeds[0] in home
        assert seeds[-1] in home


def test_evaluation_of_either_split_begins_where_its_scenes_do():
    assert first_seed("heldout") == TRIALS.start
    assert first_seed("train") == TRAIN_TRIALS.start
    assert ROLLOUTS.start == DAGGER_FIRST_SEED


def test_rollouts_of_training_seeds_are_apart_and_never_held_out():
    runs = [rollout_seeds(seed, 400) for seed in range(20)]
    assert len(set(itertools.chain(*runs))) == 20 * 400
    assert all(seeds[-1] in ROLLOUTS for seeds in runs)


def test_the_fast_head_learns_from_scenes_of_its_own():
    used = [
        seeds
        for round_ in range(len(FAST_HEAD) // 10_000)
        for seeds in (scene_seeds(round_, 9_000), scene_seeds(round_, 1_000, aside=True))
    ]
    assert sorted(itertools.chain(*used)) == list(FAST_HEAD)
    with pytest.raises(LoaderError, match="rounds 0 to 29"):
        scene_seeds(len(FAST_HEAD) // 10_000, 1)
    last = rollout_seeds(19, 10_000)
    assert last.stop == ROLLOUTS.stop == FAST_HEAD.start


@pytest.mark.parametrize(("seed", "n"), [(20, 1), (70, 240), (0, 10_001)])
def test_a_training_seed_that_would_learn_from_scenes_that_judge_is_refused(seed, n):
    with pytest.raises(EpisodeError, match="scenes that judge"):
        rollout_seeds(seed, n)


@pytest.mark.parametrize("tasks", [("tabletop",), ("touch", "touch-hard")])
def test_the_scenes_of_a_matrix_are_those_of_trials(tasks, tmp_path):
    plan = Plan((), tasks, 4, tmp_path)
    seeds = {trial.seed for trials in plan.trials.values() for trial in trials}
    assert seeds == set(range(TRIALS.start, TRIALS.start + 4))
    assert not seeds & set(OFFLINE)


def test_scenes_that_are_skipped_are_in_no_trial(tmp_path):
    plan = Plan((), ("touch",), 4, tmp_path, skip=100)
    seeds = {trial.seed for trials in plan.trials.values() for trial in trials}
    assert seeds == set(range(TRIALS.start + 100, TRIALS.start + 104))


def test_a_matrix_does_not_reach_into_the_scenes_of_the_offline_error(tmp_path):
    with pytest.raises(LoaderError, match="trials a family"):
        _ = Plan((), ("tabletop",), len(TRIALS) + 1, tmp_path).trials
    with pytest.raises(LoaderError, match=r"10 trials a family, \d+ skipped; expected 1 to \d+"):
        _ = Plan((), ("tabletop",), 10, tmp_path, skip=len(TRIALS) - 9).trials


def test_neighbouring_seeds_show_different_scenes():
    scenes = [sample_scene(seed) for seed in (TRIALS.start, OFFLINE.start, ROLLOUTS.start)]
    assert len({scene.objects for scene in scenes}) == 3
    cases = task_cases("push", 3, "heldout", "train")
    assert len({case.seed for case in cases}) == 3


def test_every_episode_is_of_one_split_whatever_else_there_is():
    shares, found = Shares(0.8, 0.1, 0.1), []
    for number in range(400):
        sha256 = hashlib.sha256(f"bag {number}".encode()).hexdigest()
        found.append(shares.split_of(sha256, 0))
        assert shares.split_of(sha256, 0) == found[-1]
    counts = {name: found.count(name) for name in SPLITS[:3]}
    assert sum(counts.values()) == 400
    assert min(counts.values()) > 20


def test_scenes_that_bags_of_a_training_show_may_not_judge(tmp_path):
    shown = bag(tmp_path / "demos", 3)
    bag(tmp_path / "dagger", TRIALS.start + 1)
    both = (tmp_path / "demos", tmp_path / "dagger")
    assert scenes_of(both).keys() == {3, TRIALS.start + 1}
    assert scenes_of(both)[3] == shown
    assert require_unseen([TRIALS.start], both) == 2
    with pytest.raises(LoaderError, match=f"judge and teach, such as {TRIALS.start + 1}"):
        require_unseen(TRIALS[:5], both)
    with pytest.raises(LoaderError, match="no directory"):
        require_unseen([], (tmp_path / "absent",))


def test_bags_behind_a_link_count_and_a_folder_without_any_is_no_proof(tmp_path):
    shown = bag(tmp_path / "demos", TRIALS.start)
    for name in ("linked", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked" / "one").symlink_to(shown)
    with pytest.raises(LoaderError, match="judge and teach"):
        require_unseen(TRIALS[:5], (tmp_path / "linked",))
    with pytest.raises(LoaderError, match="tells the scene"):
        require_unseen(TRIALS[:5], (tmp_path / "empty",))
