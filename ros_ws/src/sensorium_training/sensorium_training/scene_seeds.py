"""Which scenes are for what, by seed: nothing that judges a policy may have taught it.

Scenes are divided here; within the scenes of training, `sensorium_recording.splits` divides
episodes into those that teach and those that watch. No torch.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sensorium_core.errors import EpisodeError, LoaderError
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_search import find_bags
from sensorium_sim.layout import HELDOUT_SEEDS, TRAIN_SEEDS

DEMONSTRATIONS = range(TRAIN_SEEDS.start, TRAIN_SEEDS.start + 200_000)
"""Of `sensorium generate`, some of whose episodes are kept aside for validation."""
TRAIN_TRIALS = range(DEMONSTRATIONS.stop, TRAIN_SEEDS.start + 500_000)
"""Closed-loop evaluation on the training split; no demonstration shows them."""
ROLLOUTS = range(TRAIN_TRIALS.stop, TRAIN_SEEDS.start + 700_000)
"""Driven by a policy and labelled by the expert (DAgger)."""
FAST_HEAD = range(ROLLOUTS.stop, TRAIN_SEEDS.stop)
"""Contacts that the fast half learns from, by rounds, and those kept aside for its errors."""
DEVELOPMENT = range(HELDOUT_SEEDS.start, HELDOUT_SEEDS.start + 200_000)
"""Experts and judges are tried out on these."""
TRIALS = range(DEVELOPMENT.stop, DEVELOPMENT.stop + 100_000)
"""Closed-loop evaluation."""
OFFLINE = range(TRIALS.stop, TRIALS.stop + 100_000)
"""Held-out demonstrations, on which the offline action error is measured."""
USES = {
    "demonstrations": DEMONSTRATIONS,
    "trials on training scenes": TRAIN_TRIALS,
    "rollouts": ROLLOUTS,
    "fast head": FAST_HEAD,
    "development": DEVELOPMENT,
    "trials": TRIALS,
    "offline": OFFLINE,
}
_ROLLOUTS_OF_A_SEED = 10_000


def rollout_seeds(training_seed: int, n: int) -> range:
    """Scenes of `n` rollouts of a run, its own for each training seed.

    Raises `EpisodeError` where they would reach those of another run, or held-out ones.
    """
    first = ROLLOUTS.start + _ROLLOUTS_OF_A_SEED * training_seed
    if n > _ROLLOUTS_OF_A_SEED or first + _ROLLOUTS_OF_A_SEED > ROLLOUTS.stop:
        most = len(ROLLOUTS) // _ROLLOUTS_OF_A_SEED - 1
        raise EpisodeError(
            f"{n} rollouts of training seed {training_seed}",
            f"at most {_ROLLOUTS_OF_A_SEED} of a seed from 0 to {most}: "
            "beyond lie scenes that judge",
        )
    return range(first, first + n)


def scenes_of(directories: Sequence[Path]) -> dict[int, Path]:
    """Scene seed of every bag below some directories that tells one, and the bag.

    Bags are found as the loader finds them, behind links too. Raises `LoaderError` where a
    directory has none that tells its scene: to compare with nothing would always succeed.
    """
    found: dict[int, Path] = {}
    for directory in directories:
        if not directory.is_dir():
            raise LoaderError(f"no directory {directory}", "one with bags below it")
        told = dict(_told_scenes(directory))
        if not told:
            raise LoaderError(
                f"no bag below {directory} tells the scene that it shows",
                "bags of `sensorium generate` or of a training run",
            )
        found |= told
    return found


def _told_scenes(directory: Path) -> Iterator[tuple[int, Path]]:
    for bag in find_bags(directory):
        if not bag.recording:
            told = BagReader(directory / bag.path).metadata().get("episode", {})
            if "seed" in told:
                yield int(told["seed"]), directory / bag.path


def require_unseen(seeds: Iterable[int], trained_on: Sequence[Path]) -> int:
    """How many scenes the bags of a training show; `LoaderError` when one of `seeds` is shown."""
    shown = scenes_of(trained_on)
    leaked = sorted(set(seeds) & shown.keys())
    if leaked:
        raise LoaderError(
            f"{len(leaked)} scenes judge and teach, such as {leaked[0]} in {shown[leaked[0]]}",
            f"scenes of trials only, {TRIALS.start} to {TRIALS.stop - 1}, "
            "in no bag that a policy was trained on",
        )
    return len(shown)
