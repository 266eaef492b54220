"""A cache of made-up rows for tests of pretraining: episodes in which touch follows what is seen.

Run as a script this file is one process of a run, started by torchrun: folder of the run, steps,
and the checkpoint to go on from, if any.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from sensorium_core.contract import Contract, tabletop
from sensorium_core.kinematics import Kinematics
from sensorium_core.policy import TOKENS
from sensorium_description import load_urdf
from sensorium_training.objectives.compose import parse
from sensorium_training.pretraining.config import PretrainConfig, needs
from sensorium_training.pretraining.processes import processes
from sensorium_training.pretraining.rows import PretrainRows
from sensorium_training.pretraining.trainer import Pretrainer

EPISODES, LENGTH = 8, 6
OBJECTIVES = {
    "touch": {"objective": "infonce", "pairs": [["scene_rgb", "wrench"]]},
    "hidden": {"objective": "masked", "sense": "pads", "fingers": 2},
    "moment": {"objective": "alignment", "pair": ["scene_rgb", "wrench"], "least_s": 0.1},
    "ahead": {"objective": "contact", "senses": ["wrench", "joints"], "touch": "wrench"},
    "motion": {"objective": "motion", "senses": ["joints"], "scale": [0.1, 0.1, 0.1, 0.5]},
}


class Made:
    """Rows as the loader gives them, in memory."""

    def __init__(
        self, episodes: int = EPISODES, seed: int = 0, contract: Contract | None = None
    ) -> None:
        rng, rows = np.random.default_rng(seed), episodes * LENGTH
        strength = rng.random(rows).astype(np.float32)
        fields = {m.name: (m.shape, m.dtype) for m in (contract or tabletop()).modalities}
        fields |= {"cloud": ((512, 7), "float32"), "tool": ((5,), "float32")}
        self.arrays = {
            name: (rng.random((rows, *shape)) * (255 if dtype == "uint8" else 0.3)).astype(dtype)
            for name, (shape, dtype) in fields.items()
            if name != "scene_depth"
        }
        self.arrays["scene_rgb"][:, 40:56, 50:70, 0] = (255 * strength)[:, None, None]
        self.arrays["wrench"][..., :3] += 2 * strength[:, None, None]
        self.arrays["cloud"][..., 6] = 1.0
        self.arrays["valid"] = (rng.random((rows, 6)) > 0.1).astype(np.float32)
        self.episode = np.repeat(np.arange(episodes), LENGTH)
        self.arrays["t_ns"] = np.tile(np.arange(LENGTH) * 100_000_000, episodes)

    def __len__(self) -> int:
        return len(self.episode)

    def batch(self, indices):
        return {name: array[indices] for name, array in self.arrays.items()}

    def field(self, name, indices):
        return self.arrays[name][indices]

    def episode_of(self, indices):
        return self.episode[indices]

    def instructions(self, indices):
        return [f"do {number % 3}" for number in self.episode[indices]]


def speak(texts):
    """Words as tokens that differ."""
    return np.stack([np.full(TOKENS, len(text) + ord(text[-1]), np.float32) for text in texts])


def rows_of(data, objectives=OBJECTIVES):
    """Rows for pretraining from rows in memory."""
    arm = Kinematics(load_urdf())
    asked = needs(parse(objectives))
    return PretrainRows(data, tabletop(), asked, lambda number: arm, speak, data_hash="made")


def config(**settings):
    """A small run."""
    plain = {
        "objectives": OBJECTIVES, "steps": 4, "batch": 16, "rows_per_episode": 3,
        "warm_up": 2, "log_steps": 1, "checkpoint_steps": 2, "validation_batches": 1,
    }  # fmt: skip
    return PretrainConfig(**{**plain, **settings})


class Noting(PretrainRows):
    """Rows that remember which were taken."""

    taken: list[list[int]]

    def take(self, indices):
        self.taken.append(indices.tolist())
        return super().take(indices)


def one_process(folder: Path, steps: int, resume: Path | None = None) -> None:
    """Train, and leave which rows this process took."""
    torch.set_num_threads(1)
    with processes("cpu") as here:
        train, watch = rows_of(Made()), rows_of(Made(4, seed=1))
        train.__class__, train.taken = Noting, []
        made = Pretrainer(train, watch, folder, config(steps=steps), here, resume)
        made.run(lambda *told: None)
    (folder.parent / f"rank{here.rank}.json").write_text(json.dumps(train.taken))


if __name__ == "__main__":
    one_process(Path(sys.argv[1]), int(sys.argv[2]), *map(Path, sys.argv[3:]))
