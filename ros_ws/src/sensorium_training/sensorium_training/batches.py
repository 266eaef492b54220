"""From the loader's rows to augmented training batches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sensorium_core.codebook import CLASSES, SLOTS, TOKEN_SIZE, slot_codes
from sensorium_core.memory import SHORT_WIDTH
from sensorium_recording.loader import Items
from torch import Tensor

from sensorium_training.dataset import TENSORS, RowSource
from sensorium_training.forgetting import TELLING, forget, silenced
from sensorium_training.labels import GOALS
from sensorium_training.losses import Labels
from sensorium_training.past import earlier_rows
from sensorium_training.recipe import senses_of

SENSES = ("scene_rgb", "cloud", "wrist_rgb", "wrench", "pads", "joints")


@dataclass(frozen=True)
class Augmentation:
    """How training data is made harder, in physical units."""

    drop: tuple[tuple[str, float], ...] = (
        ("scene_rgb", 0.08), ("wrist_rgb", 0.12), ("wrench", 0.1), ("pads", 0.1),
        ("wrench+pads", 0.06),
    )  # fmt: skip
    """Probability that a sense is dead in a row, or several together, with + between them."""
    anchor_m: float = 0.004
    """Standard deviation of the remembered place of the target."""
    point_m: float = 0.001
    brightness: float = 0.12
    forget: float = 0.5
    """Share of the rows in which a sense is dead that remember nothing by it either: it has been
    dead from the start. Of memories of contract version 2."""
    token: float = 0.08
    """Largest share of a slot's token that goes to a random other class."""

    def dropping(self, odds: Mapping[str, float]) -> "Augmentation":
        """The same with these odds for some senses, or some together; 0 drops them never."""
        named = {"+".join(sorted(senses_of(k), key=SENSES.index)): v for k, v in odds.items()}
        return replace(self, drop=tuple({**dict(self.drop), **named}.items()))


class Batches:
    """Random rows as `(inputs, labels)`; every row draws one of its goals.

    Senses that are `dead` are so in every row, augmented or not, and nothing is remembered by
    them. A share `felt` of the rows is drawn among those in which the expert says what to feel,
    most with the goal that it feels for: of all rows they are few, and what forces mean is learnt
    there. Where they are very few the share is smaller, so that none comes back too often.
    """

    def __init__(
        self, rows: RowSource, seed: int, dead: tuple[str, ...] = (), felt: float = 0.0
    ) -> None:
        self._rows, self._dead, self._share = rows, dead, felt
        self._rng = np.random.default_rng(seed)
        self._felt = _felt_rows(rows) if felt else np.zeros(0, dtype=np.int64)
        self._last = np.zeros(0, dtype=np.int64)
        self._valid = torch.zeros(0, len(SENSES))
        self._augmentation: Augmentation | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, size: int, augment: Augmentation | None) -> tuple[dict[str, Tensor], Labels]:
        """`size` random rows."""
        drawn = self._rng.integers(len(self._rows), size=size)
        goal = self._rng.choice(GOALS, size, p=_GOAL_ODDS)
        if len(self._felt):
            most = _MORE_OFTEN * len(self._felt) / len(self._rows)
            more = round(min(self._share, most) * size)
            drawn[:more] = self._rng.choice(self._felt, more)
            goal[:more][self._rng.random(more) < _OWN_WHERE_FELT] = 0
        order = np.argsort(drawn)
        self._last, self._augmentation = drawn[order], augment
        rows, goal = self._rows.batch(self._last), goal[order]
        each = np.arange(size)
        inputs = {name: torch.from_numpy(rows[name]) for name in (*TENSORS, "valid")}
        inputs["reference"] = torch.from_numpy(rows["tool"])
        inputs["memory"] = torch.from_numpy(rows["memory"][each, goal])
        inputs["text"] = self._tokens(rows["goal"][each, goal].astype(np.int64), augment)
        inputs = silenced(inputs, self._dead)
        if augment is not None:
            self._augment(inputs, augment)
        self._valid = inputs["valid"]
        return inputs, _labels(rows, goal)

    def earlier(self, rows: Tensor, seconds: Tensor) -> dict[str, Tensor]:
        """The senses of rows `(n,)` of the batch drawn last as they were so many seconds before.

        From their episodes; where one is younger, its first row. `valid` is that of then, and
        clouds are grey where the scene picture is dead in the batch.
        """
        before = earlier_rows(self._rows, self._last[rows.numpy()], seconds.numpy())
        taken = self._rows.batch(before)
        inputs = {name: torch.from_numpy(taken[name]) for name in (*TENSORS, "valid")}
        if self._augmentation is not None:
            self._disturb(inputs["cloud"], self._augmentation)
        _grey(inputs["cloud"], self._valid[rows])
        return inputs

    def _tokens(self, classes: NDArray[np.int64], augment: Augmentation | None) -> Tensor:
        """Command tokens `(b, n, 32)`, a little uncertain as a real encoder's are.

        `classes` `(b, n)` are those of the first `n` slots.
        """
        tokens = np.empty((*classes.shape, TOKEN_SIZE), dtype=np.float32)
        for i, slot in enumerate(SLOTS[: classes.shape[1]]):
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
        for group, odds in augment.drop:
            here = torch.from_numpy(rng.random(size) >= odds)
            for sense in senses_of(group):
                valid[:, SENSES.index(sense)] *= here
        self._disturb(cloud, augment)
        _grey(cloud, valid)
        memory = inputs["memory"]
        if memory.shape[1] > SHORT_WIDTH:
            self._forget(memory, valid, augment)
        shift = torch.from_numpy(
            (rng.standard_normal((size, 3)) * augment.anchor_m).astype(np.float32)
        )
        memory[:, :3] += shift * memory[:, 3:4]

    def _disturb(self, cloud: Tensor, augment: Augmentation) -> None:
        """Move the points of clouds `(b, n, 7)` a little, and change their light."""
        rng = self._rng
        jitter = rng.standard_normal((*cloud.shape[:2], 3), dtype=np.float32) * augment.point_m
        cloud[..., :3] += torch.from_numpy(jitter) * cloud[..., 6:]
        gain = rng.uniform(1 - augment.brightness, 1 + augment.brightness, (len(cloud), 1, 3))
        cloud[..., 3:6] = (cloud[..., 3:6] * torch.from_numpy(gain.astype(np.float32))).clamp(0, 1)

    def _forget(self, memory: Tensor, valid: Tensor, augment: Augmentation) -> None:
        """Wipe what dead senses would have told; of those that are dropped, in a share of rows."""
        from_start = torch.from_numpy(self._rng.random(len(valid)) < augment.forget)
        for sense in sorted({sense for group, _ in augment.drop for sense in senses_of(group)}):
            if sense in TELLING:
                forget(memory, sense, (valid[:, SENSES.index(sense)] < 0.5) & from_start)


_GOAL_ODDS = np.array([0.3, 0.16, 0.16, 0.16, 0.11, 0.11])
"""The episode's own goal, three others in the scene, two absent ones."""
_OWN_WHERE_FELT = 0.85
"""At least so often the own goal, in rows that are drawn because something is felt for it."""
_MORE_OFTEN = 4
"""At most so many times as often as by chance rows are drawn because something is felt."""


def _grey(cloud: Tensor, valid: Tensor) -> None:
    """Take the colours from clouds `(b, n, 7)` whose scene picture is dead, in place."""
    blind = valid[:, SENSES.index("scene_rgb")] < 0.5
    cloud[..., 3:6][blind] = 0.5 * cloud[..., 6:][blind]


def _felt_rows(rows: RowSource) -> NDArray[np.int64]:
    """Rows `(n,)` in which the expert of the own goal says what to feel."""
    intent = np.asarray(rows.field("intent", np.arange(len(rows))))
    return np.flatnonzero(intent[:, 0, 0] > 0)


def _labels(rows: Items, goal: NDArray[np.int64]) -> Labels:
    """What is right for the goal that each row drew."""
    each = np.arange(len(goal))
    target, flags, chunk, heading = (
        torch.from_numpy(rows[name][each, goal])
        for name in ("target", "flags", "chunk", "heading")
    )
    return Labels(
        chunk=chunk,
        target=target[:, :3],
        extent=target[:, 3],
        present=flags[:, 0],
        done=flags[:, 1],
        heading=heading,
        things=torch.from_numpy(rows["things"]),
        classes=torch.from_numpy(rows["classes"].astype(np.int64)),
        intent=torch.from_numpy(rows["intent"][each, goal]) if "intent" in rows else None,
    )
