"""Rows of bags as pretraining needs them: several of an episode, each with its next step.

Alignment is the loader's. Beside what the policy senses there are the step after each row in the
same episode, what was commanded and how the tool moved in between, and the words as tokens.
Several processes draw the same rows and take a share each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import LoaderError
from sensorium_core.kinematics import Kinematics
from sensorium_core.policy import TOKENS
from sensorium_recording.loader import Items
from sensorium_recording.row_layout import Array
from torch import Tensor

from sensorium_training.fusion.interface import SENSES
from sensorium_training.pretraining.config import Needs

Numbers = NDArray[np.int64]
Speak = Callable[[Sequence[str]], NDArray[np.float32]]
"""Tokens `(n, 7, 32)` of instructions."""
ACTION_UNIT = (0.02, 0.02, 0.02, 0.1, 0.25)
"""One unit of the action: m, m, m, rad, open fraction; as in the policy's losses."""
ACTION, MOTION = 5, 4
"""Numbers of the commanded change of the tool, and of its measured one."""
_NEAR_ENOUGH = 0.3
"""The next step may be early or late by this share of a step."""


class RowData(Protocol):
    """Where rows come from: an `EpisodeDataset`, or arrays in a test."""

    def __len__(self) -> int:
        """Number of rows; those of an episode stand together, in the order of time."""

    def batch(self, indices: NDArray[np.integer]) -> Items:
        """Rows by name of array: senses, `valid`, `tool`."""

    def field(self, name: str, indices: NDArray[np.integer]) -> Array:
        """One stored array of rows; `t_ns` among them."""

    def episode_of(self, indices: NDArray[np.integer]) -> Numbers:
        """A number for each row's episode."""

    def instructions(self, indices: NDArray[np.integer]) -> list[str]:
        """What was asked for in each row; empty where nothing was."""


@dataclass(frozen=True)
class Rows:
    """Some rows, batch first. Invalid senses are zeros, whatever stood there."""

    samples: Mapping[str, Tensor]
    """What the encoders take, by sense."""
    valid: Mapping[str, Tensor]
    """`(b,)` bool by sense; of `instruction` whether anything was said."""
    later: Mapping[str, Tensor]
    """Samples one step later, of the senses that are asked about."""
    later_valid: Mapping[str, Tensor]
    there: Tensor
    """`(b,)` bool: the episode went on, and command and joints are known at both times."""
    action: Tensor
    """`(b, 5)` commanded change of the tool until then, in `ACTION_UNIT`."""
    motion: Tensor
    """`(b, 4)` measured x, y, z, yaw of the tool then, less those now [m, rad]."""
    words: Tensor
    """`(b, 7, 32)` tokens of the instruction."""
    instruction: Tensor
    """`(b,)` a number for each wording."""
    episode: Tensor
    time_s: Tensor
    """`(b,)` since the episode's first row."""
    drawn: Tensor
    """`(b,)` indices of the rows."""

    def to(self, device: torch.device, dtype: torch.dtype = torch.float32) -> "Rows":
        """The same on a device; what are no whole numbers in this precision."""

        def moved(x: Tensor) -> Tensor:
            return x.to(device, dtype) if x.is_floating_point() else x.to(device)

        found = {}
        for one in fields(self):
            value = getattr(self, one.name)
            is_tensor = isinstance(value, Tensor)
            found[one.name] = (
                moved(value) if is_tensor else {k: moved(v) for k, v in value.items()}
            )
        return Rows(**found)


class _Ahead(TypedDict):
    """What `Rows` says of the step after each row."""

    later: Mapping[str, Tensor]
    later_valid: Mapping[str, Tensor]
    there: Tensor
    action: Tensor
    motion: Tensor


def following(episode: Numbers, t_ns: Numbers, step_ns: int) -> Numbers:
    """For each row the one of its episode a step later `(n,)`; -1 where there is none near."""
    found = np.full(len(t_ns), -1, np.int64)
    starts = np.flatnonzero(np.diff(episode, prepend=-1))
    for first, end in zip(starts, [*starts, len(episode)][1:], strict=True):
        times = t_ns[first:end]
        wanted = times + step_ns
        after = np.searchsorted(times, wanted).clip(max=len(times) - 1)
        before = (after - 1).clip(min=0)
        nearer = np.abs(times[before] - wanted) < np.abs(times[after] - wanted)
        at = np.where(nearer, before, after)
        good = np.abs(times[at] - wanted) <= _NEAR_ENOUGH * step_ns
        found[first:end][good] = first + at[good]
    return found


class PretrainRows:
    """Draws rows and takes them."""

    def __init__(
        self,
        data: RowData,
        contract: Contract,
        needs: Needs,
        arm: Callable[[int], Kinematics],
        speak: Speak | None = None,
        data_hash: str = "",
    ) -> None:
        """Look at the times and words of all rows.

        Args:
            arm: kinematics of the robot of an episode.
            speak: tokens of instructions; asked only when an objective needs words.
            data_hash: says which rows these are.
        """
        self._data, self._needs, self._arm, self.data_hash = data, needs, arm, data_hash
        every = np.arange(len(data))
        self._episode = data.episode_of(every)
        self._t_ns = np.asarray(data.field("t_ns", every), np.int64)
        step_ns = round(contract.action.step_s * 1e9)
        self.next = following(self._episode, self._t_ns, step_ns)
        """Index of each row's next step; -1 where the episode ends."""
        self._first = np.searchsorted(self._episode, self._episode)
        """Of the episode of each row."""
        self._end = np.searchsorted(self._episode, self._episode, side="right")
        texts = data.instructions(every)
        distinct = sorted(set(texts))
        number = {text: i for i, text in enumerate(distinct)}
        self._told = np.array([number[text] for text in texts], np.int64)
        self._silent = np.array([not text.strip() for text in distinct], bool)
        self._words = np.zeros((len(distinct), *TOKENS), np.float32)
        if needs.words and speak is not None and not self._silent.all():
            said = [text for text in distinct if text.strip()]
            self._words[~self._silent] = speak(said)

    def __len__(self) -> int:
        return len(self._data)

    def require(self, batch: int, what: str) -> None:
        """Raise `LoaderError` where there are fewer rows than a batch, or none has a next."""
        if len(self) < batch:
            raise LoaderError(
                f"{len(self)} rows for {what}",
                f"at least the {batch} of a batch; record or generate more, or set --batch",
            )
        if self._needs.future and not (self.next >= 0).any():
            raise LoaderError(
                f"{what} without one row whose next step is there too",
                "episodes of several frames, a policy step apart",
            )

    def draw(self, size: int, each: int, generator: torch.Generator) -> Numbers:
        """`size` different rows, `each` of an episode next to each other where it has as many."""
        taken: dict[int, None] = {}
        for anchor in torch.randperm(len(self), generator=generator).numpy():
            if len(taken) >= size:
                break
            if int(anchor) in taken:
                continue
            first, count = int(self._first[anchor]), int(self._end[anchor] - self._first[anchor])
            mates = first + torch.randperm(count, generator=generator).numpy()
            free = [m for m in mates.tolist() if m != anchor and m not in taken]
            taken.update(dict.fromkeys([int(anchor), *free[: each - 1]]))
        return np.array(list(taken)[:size], np.int64)

    def take(self, indices: Numbers) -> Rows:
        """These rows, in this order."""
        now = self._sensed(indices)
        samples, valid = _senses(now, (*self._needs.senses, *self._needs.samples))
        told = self._told[indices]
        valid["instruction"] = torch.from_numpy(~self._silent[told])
        return Rows(
            samples, valid, **self._future(indices, now),
            words=torch.from_numpy(self._words[told]),
            instruction=torch.from_numpy(told),
            episode=torch.from_numpy(self._episode[indices].astype(np.int64)),
            time_s=self._times(indices),
            drawn=torch.from_numpy(indices),
        )  # fmt: skip

    def _sensed(self, indices: Numbers) -> Items:
        """Rows as the loader gives them, of a window of joints the newest alone, as encoded."""
        rows = dict(self._data.batch(indices))
        if rows["joints"].ndim > 2:
            rows["joints"] = rows["joints"][:, -1]
        return rows

    def _times(self, indices: Numbers) -> Tensor:
        since = self._t_ns[indices] - self._t_ns[self._first[indices]]
        return torch.from_numpy((since * 1e-9).astype(np.float32))

    def _future(self, indices: Numbers, now: Items) -> _Ahead:
        size = len(indices)
        action, motion = np.zeros((size, ACTION)), np.zeros((size, MOTION))
        there = np.zeros(size, bool)
        samples: dict[str, Tensor] = {}
        valid: dict[str, Tensor] = {}
        if self._needs.future:
            ahead = self.next[indices]
            later = self._sensed(np.where(ahead < 0, indices, ahead))
            samples, valid = _senses(later, self._needs.later)
            felt = SENSES.index("joints")
            there = (ahead >= 0) & _is_there(now, felt) & _is_there(later, felt)
            action = _turned(later["tool"].astype(float) - now["tool"]) / ACTION_UNIT
            there &= np.isfinite(action).all(1)
            action[~there] = 0.0
            motion[there] = _turned(
                self._poses(indices[there], later["joints"][there])
                - self._poses(indices[there], now["joints"][there])
            )
        return {
            "later": samples,
            "later_valid": valid,
            "there": torch.from_numpy(there),
            "action": torch.from_numpy(action.astype(np.float32)),
            "motion": torch.from_numpy(motion.astype(np.float32)),
        }

    def _poses(self, indices: Numbers, joints: Array) -> NDArray[np.float64]:
        """Measured tool `(n, 4)`: x, y, z, yaw."""
        episodes = self._episode[indices].tolist()
        poses = [
            self._arm(number).tool_pose(q)
            for number, q in zip(episodes, joints[:, :6].astype(float), strict=True)
        ]
        return np.array(poses).reshape(len(indices), MOTION)


def _turned(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences `(n, 4 or more)` whose yaw goes the short way round."""
    difference[:, 3] = (difference[:, 3] + np.pi) % (2 * np.pi) - np.pi
    return difference


def _is_there(rows: Items, sense: int) -> NDArray[np.bool_]:
    """In which rows `(b,)` this sense, by its place in `SENSES`, is valid."""
    return np.asarray(rows["valid"], np.float32)[:, sense] > 0.5


def _senses(rows: Items, names: tuple[str, ...]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Samples by sense, zeros where invalid, and validity of all senses."""
    valid = {sense: torch.from_numpy(_is_there(rows, i)) for i, sense in enumerate(SENSES)}
    samples: dict[str, Tensor] = {}
    for name in names:
        both = ("touch_left", "touch_right")
        array = np.concatenate([rows[p] for p in both], -1) if name == "pads" else rows[name]
        sample = torch.from_numpy(np.ascontiguousarray(array))
        here = valid[name].reshape(-1, *([1] * (sample.dim() - 1)))
        samples[name] = torch.where(here, sample, torch.zeros_like(sample))
    return samples, valid
