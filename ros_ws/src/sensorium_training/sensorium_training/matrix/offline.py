"""Error of a policy's chunks on held-out demonstrations: what is measured without acting.

Rows are those that policies of a contract are trained on, from bags of `scene_seeds.OFFLINE`;
right is the expert's chunk for the episode's goal, computed from the ground truth. The policy is
told where the target was at the start and what was said, and remembers what was felt by senses
that are not dead. It answers also where it would hold still for a missing required sense, so that
a row with `required` lifted has the same error as the one without.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import LoaderError
from sensorium_core.geometry import GREY
from sensorium_core.kinematics import GRIPPER_OPEN_M
from sensorium_core.language import LanguageEncoder
from sensorium_core.memory import TOLD_BY
from sensorium_core.policy import Policy
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.loader import EpisodeDataset, Items

from sensorium_training.dataset import TENSORS, load
from sensorium_training.matrix.baselines import repeated, still
from sensorium_training.matrix.rows import Condition
from sensorium_training.scene_seeds import OFFLINE

Array = NDArray[np.float64]
Predict = Callable[[int], Array]
"""Chunk `(n, 5)` of a row."""

UNITS = ("mm", "mm", "mm", "mrad", "mm")
_IN_UNITS = np.array([1e3, 1e3, 1e3, 1e3, 1e3 * GRIPPER_OPEN_M])
SCALE = (0.02, 0.02, 0.02, 0.1, 0.25)
"""An error of this size costs one in training: m, m, m, rad, open fraction."""
MOST_ROWS = 600
_AT_ONCE = 256
"""Rows in memory while looking for usable ones."""
_NAMED = 3


@dataclass(frozen=True)
class OfflineError:
    """Mean absolute error over rows and steps of the chunk."""

    scaled: float
    """Mean over the dimensions, each in units of `SCALE`, as the loss weighs them."""
    by_dimension: tuple[float, ...]
    """dx, dy, dz [mm], dyaw [mrad], travel of a finger [mm]."""
    rows: int
    families: Mapping[str, int] = field(default_factory=dict)
    """Rows of each task family."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "OfflineError":
        """Read what `as_json` gave."""
        return cls(data["scaled"], tuple(data["by_dimension"]), data["rows"], data["families"])

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


class HeldOut:
    """Rows of held-out demonstrations, in memory: at most 600, evenly spread over all of them.

    They are those of one contract: version 1 knows the tabletop families alone.
    """

    def __init__(
        self,
        directory: Path,
        language: LanguageEncoder,
        contract: Contract,
        workers: int = 1,
        most: int = MOST_ROWS,
    ) -> None:
        """Load them.

        Raises:
            LoaderError: bags without usable rows, or of scenes that are for something else.
        """
        data = load(directory, "all", 0.0, workers=workers, contract=rows_contract(contract))
        _require_offline(data, directory)
        known = _after_a_step(data)
        _require_rows(data, known, directory)
        index = known[np.linspace(0, len(known) - 1, min(most, len(known))).astype(np.int64)]
        self.rows: Items = data.batch(index)
        self.data_hash = data.data_hash
        self.before = data.batch(index - 1)["tool"].astype(np.float64)
        """Commanded tool `(n, 5)` a step of the chunk earlier."""
        self._tool = self.rows["tool"].astype(np.float64)
        self._right = self.rows["chunk"][:, 0].astype(np.float64)
        texts = data.instructions(index)
        self._tokens = {text: language.encode(text).tokens for text in dict.fromkeys(texts)}
        self._texts = texts
        families = (data.episodes[number].family for number in data.episode_of(index).tolist())
        self.families = dict(sorted(Counter(families).items()))
        """Rows of each task family."""

    def __len__(self) -> int:
        return len(self._texts)

    def error(self, predict: Predict) -> OfflineError:
        """Of whatever predicts a row's chunk."""
        found = np.stack([predict(i) for i in range(len(self))])
        apart = np.abs(found - self._right).mean((0, 1))
        scaled = float((apart / np.array(SCALE)).mean())
        units = tuple((apart * _IN_UNITS).tolist())
        return OfflineError(scaled, units, len(self), self.families)

    def try_out(self, policy: Policy) -> None:
        """Run a policy file on one row; raises `PolicyFileError` when it does not take it."""
        policy.run(self._step(0, policy.contract, (), self._texts[0]))

    def policy(self, policy: Policy, condition: Condition) -> OfflineError:
        """Of a policy file, with what a condition does to senses and words."""
        drop, words = condition.drop, self._words(condition.shuffled)

        def predict(i: int) -> Array:
            feed = self._step(i, policy.contract, drop, words[i])
            return policy.run(feed).chunk.astype(np.float64)

        return self.error(predict)

    def persistence(self) -> OfflineError:
        """Of the commanded motion of the last step, repeated."""
        horizon = self._right.shape[1]
        return self.error(lambda i: repeated(self.before[i], self._tool[i], horizon))

    def hold_still(self) -> OfflineError:
        """Of no motion."""
        horizon = self._right.shape[1]
        return self.error(lambda i: still(self._tool[i], horizon))

    def _words(self, shuffled: bool) -> list[str]:
        """What is said in each row; shuffled: in another episode, of another goal."""
        if not shuffled:
            return self._texts
        goals = [tuple(row) for row in self.rows["goal"][:, 0].tolist()]
        n = len(self)
        return [
            next(
                (self._texts[(i + k) % n] for k in range(1, n) if goals[(i + k) % n] != goals[i]),
                self._texts[i],
            )
            for i in range(n)
        ]

    def _step(
        self, i: int, contract: Contract, drop: tuple[str, ...], words: str
    ) -> dict[str, NDArray[np.generic]]:
        return {**self._feed(i, contract, drop), "text": self._tokens[words][None]}

    def _feed(
        self, i: int, contract: Contract, drop: tuple[str, ...]
    ) -> dict[str, NDArray[np.generic]]:
        """One row as the aligner would give it with some senses dead; all but the text."""
        sense = {m.name: m.sense for m in contract.modalities} | {"cloud": "cloud"}
        feed: dict[str, NDArray[np.generic]] = {
            name: np.zeros_like(self.rows[name][i]) if sense[name] in drop else self.rows[name][i]
            for name in TENSORS
        }
        if "scene_rgb" in drop and "cloud" not in drop:
            cloud = self.rows["cloud"][i].copy()
            cloud[:, 3:6] = GREY * cloud[:, 6:]
            feed["cloud"] = cloud
        dead = np.array([name in drop for name in contract.senses])
        feed["valid"] = np.where(dead, np.float32(0.0), self.rows["valid"][i])
        feed["reference"] = self.rows["tool"][i].astype(np.float32)
        feed["memory"] = _remembered(self.rows["memory"][i, 0], drop)
        return {name: tensor[None] for name, tensor in feed.items()}


def rows_contract(contract: Contract) -> Contract:
    """What of a contract decides its rows: policies that differ in the rest share them."""
    return contract.model_copy(update={"provenance": {}})


def _remembered(memory: NDArray[np.generic], drop: tuple[str, ...]) -> NDArray[np.generic]:
    """A policy's memory without what senses that have always been dead would have told."""
    kept = memory.copy()
    for sense in drop:
        kept[[place for place in TOLD_BY.get(sense, ()) if place < len(kept)]] = 0
    return kept


def _require_offline(data: EpisodeDataset, directory: Path) -> None:
    for bag in dict.fromkeys(episode.bag for episode in data.episodes):
        seed = int(BagReader(directory / bag).metadata().get("episode", {}).get("seed", -1))
        if seed not in OFFLINE:
            raise LoaderError(
                f"{directory / bag} shows scene {seed}",
                f"held-out scenes {OFFLINE.start} to {OFFLINE.stop - 1}: "
                f"sensorium generate DIR --seed {OFFLINE.start} --phrasing heldout",
            )


def _require_rows(data: EpisodeDataset, known: NDArray[np.int64], directory: Path) -> None:
    """Raise `LoaderError` when a bag would be left out without a word."""
    episodes = data.episodes
    found = {episodes[number].bag for number in np.unique(data.episode_of(known)).tolist()}
    families = {episode.bag: episode.family for episode in episodes}
    left = sorted({*families, *data.problems} - found)
    if not left and found:
        return
    version = data.contract.version
    sets = "tabletop" if version == 1 else "all"
    named = [f"{bag} ({data.problems.get(bag) or families[bag]})" for bag in left[:_NAMED]]
    lacking = (
        f"{len(left)} bags that have no usable row for policies of contract version {version}, "
        f"such as {', '.join(named)}"
    )
    raise LoaderError(
        f"{directory} with {lacking if left else 'no bags'}",
        f"bags of: sensorium generate DIR --seed {OFFLINE.start} --phrasing heldout "
        f"--still 0 --families {sets}",
    )


def _after_a_step(data: EpisodeDataset) -> NDArray[np.int64]:
    """Items whose commanded tool is known, and that of one step of the chunk earlier too."""
    every = np.arange(len(data), dtype=np.int64)
    if not len(every):
        return every
    step_ns = round(data.contract.action.step_s * 1e9)
    at_ns, episode = data.field("t_ns", every), data.episode_of(every)
    parts = np.array_split(every, -(-len(every) // _AT_ONCE))
    known = np.concatenate([np.isfinite(data.batch(part)["tool"]).all(1) for part in parts])
    apart = np.diff(at_ns.astype(np.int64)) == step_ns
    follows = apart & (np.diff(episode) == 0) & known[1:] & known[:-1]
    return every[1:][follows]
