"""From the memory-mapped cache to augmented training batches."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sensorium_core.codebook import CLASSES, SLOTS, slot_codes
from torch import Tensor

from sensorium_training.cache import GOALS, Cache
from sensorium_training.losses import Labels

SENSES = ("scene_rgb", "cloud", "wrist_rgb", "wrench", "pads", "joints")
_TENSORS = (
    "scene_rgb", "wrist_rgb", "cloud", "wrench", "touch_left", "touch_right",
    "joints", "reference",
)  # fmt: skip


@dataclass(frozen=True)
class Augmentation:
    """How training data is made harder, in physical units."""

    drop: tuple[tuple[str, float], ...] = (
        ("scene_rgb", 0.08), ("wrist_rgb", 0.12), ("wrench", 0.1), ("pads", 0.1),
    )  # fmt: skip
    """Probability that a sense is dead in a row."""
    anchor_m: float = 0.004
    """Standard deviation of the remembered place of the target."""
    point_m: float = 0.001
    brightness: float = 0.12
    token: float = 0.08
    """Largest share of a slot's token that goes to a random other class."""


class Batches:
    """Random rows of a cache as `(inputs, labels)`; every row draws one of its goals."""

    def __init__(self, path: Path, episodes: NDArray[np.bool_] | None, seed: int) -> None:
        self._cache = Cache(path)
        rows = np.arange(len(self._cache))
        if episodes is not None:
            rows = rows[episodes[self._cache["episode"][:]]]
        self._rows = rows
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, size: int, augment: Augmentation | None) -> tuple[dict[str, Tensor], Labels]:
        """`size` random rows."""
        rows = np.sort(self._rng.choice(self._rows, size))
        goal = self._rng.choice(GOALS, size, p=_GOAL_ODDS)
        inputs = {name: torch.from_numpy(self._cache[name][rows]) for name in _TENSORS}
        labels = self._labels(rows, goal)
        inputs["memory"] = self._pick("memory", rows, goal)
        inputs["text"] = self._tokens(self._cache["goal"][rows, goal], augment)
        inputs["valid"] = torch.from_numpy(self._cache["valid"][rows])
        if augment is not None:
            self._augment(inputs, augment)
        return inputs, labels

    def _pick(self, name: str, rows: NDArray[np.int64], goal: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._cache[name][rows, goal])

    def _labels(self, rows: NDArray[np.int64], goal: NDArray[np.int64]) -> Labels:
        target = self._pick("target", rows, goal)
        flags = self._pick("flags", rows, goal)
        return Labels(
            chunk=self._pick("chunk", rows, goal),
            target=target[:, :3],
            extent=target[:, 3],
            present=flags[:, 0],
            done=flags[:, 1],
            heading=self._pick("heading", rows, goal),
            things=torch.from_numpy(self._cache["things"][rows]),
            classes=torch.from_numpy(self._cache["classes"][rows].astype(np.int64)),
        )

    def _tokens(self, classes: NDArray[np.int8], augment: Augmentation | None) -> Tensor:
        """Command tokens `(b, 4, 32)`, a little uncertain as a real encoder's are."""
        tokens = np.empty((len(classes), 4, 32), dtype=np.float32)
        for i, slot in enumerate(SLOTS):
            codes = slot_codes(slot)
            tokens[:, i] = codes[classes[:, i]]
            if augment is not None:
                share = self._rng.uniform(0, augment.token, (len(classes), 1)).astype(np.float32)
                other = codes[self._rng.integers(len(CLASSES[slot]), size=len(classes))]
                tokens[:, i] = (1 - share) * tokens[:, i] + share * other
        return torch.from_numpy(tokens)

    def _augment(self, inputs: dict[str, Tensor], augment: Augmentation) -> None:
        rng, size = self._rng, len(inputs["valid"])
        cloud, valid = inputs["cloud"], inputs["valid"]
        for sense, odds in augment.drop:
            valid[:, SENSES.index(sense)] *= torch.from_numpy(rng.random(size) >= odds)
        jitter = rng.standard_normal((*cloud.shape[:2], 3), dtype=np.float32) * augment.point_m
        cloud[..., :3] += torch.from_numpy(jitter) * cloud[..., 6:]
        gain = rng.uniform(1 - augment.brightness, 1 + augment.brightness, (size, 1, 3))
        cloud[..., 3:6] = (cloud[..., 3:6] * torch.from_numpy(gain.astype(np.float32))).clamp(0, 1)
        blind = valid[:, 0] < 0.5
        cloud[..., 3:6][blind] = 0.5 * cloud[..., 6:][blind]
        memory = inputs["memory"]
        shift = torch.from_numpy(
            (rng.standard_normal((size, 3)) * augment.anchor_m).astype(np.float32)
        )
        memory[:, :3] += shift * memory[:, 3:4]


_GOAL_ODDS = np.array([0.3, 0.16, 0.16, 0.16, 0.11, 0.11])
"""The episode's own goal, three others in the scene, two absent ones."""
