"""Bags on disk as rows for pretraining: the loader and its cache, without a label.

The rows have a cache of their own beside that of `sensorium train`, because bags without ground
truth, of real robots, serve here as well.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import BagError
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import LanguageEncoder
from sensorium_recording.cache_build import Progress
from sensorium_recording.loader import EpisodeDataset
from sensorium_recording.row_arm import arm_of
from sensorium_recording.splits import Shares, Split

from sensorium_training.dataset import TENSORS
from sensorium_training.pretraining.config import Needs
from sensorium_training.pretraining.rows import PretrainRows, Speak


def load_rows(
    directory: Path,
    split: Split,
    contract: Contract,
    needs: Needs,
    validation_share: float,
    *,
    language: Path | None = None,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[PretrainRows, EpisodeDataset]:
    """The rows of a split of the bags below a directory; new bags are taken in first.

    Args:
        directory: of bags, at any depth.
        validation_share: of episodes, kept aside by a hash of each, as in `dataset.load`.
        language: the encoder file that speaks words; needed only where objectives want them.
        cache: where rows are kept; in the directory by default.
        progress: called with how many new bags are done, of how many.

    Raises:
        BagError: there is no bag with an episode.
    """
    shares = Shares(1.0 - validation_share, validation_share, 0.0)
    data = EpisodeDataset(
        directory, contract, split, horizon=1, shares=shares, tensors=TENSORS,
        cache=cache, workers=workers, progress=progress,
    )  # fmt: skip
    if not len(data.index.entries):
        raise BagError(directory, "holds no bag", "record some, or `sensorium generate`")
    speak = speaker(language) if needs.words and language is not None else None
    rows = PretrainRows(data, contract, needs, arms(data), speak, data.data_hash)
    return rows, data


def speaker(path: Path) -> Speak:
    """Tokens of instructions by an encoder file; raises `LanguageFileError`."""
    encoder = LanguageEncoder(path)

    def speak(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([encoder.encode(text).tokens for text in texts])

    return speak


def arms(data: EpisodeDataset) -> Callable[[int], Kinematics]:
    """Kinematics of the robot of each episode; a bag's description is read once."""
    known: dict[int, Kinematics] = {}

    def arm(number: int) -> Kinematics:
        if number not in known:
            known[number] = arm_of(data.index.directory / data.episodes[number].bag)
        return known[number]

    return arm
