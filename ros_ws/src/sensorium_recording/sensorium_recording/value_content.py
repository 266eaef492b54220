"""What wrenches and joint states say: entropy and plateaus, channel by channel. Fixed memory."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sensorium_core.cdr import decode_joint_states, decode_wrenches
from sensorium_core.errors import MessageDecodeError

from sensorium_recording.content import ContentSummary
from sensorium_recording.statistics import Flags, Histogram, Integers, entropy_bits

Array = NDArray[np.float64]

_FOLD = 4096
"""Rounded values are counted modulo this, which bounds memory and hides nothing that moves."""
_FORCE_STEP_N, _TORQUE_STEP_NM, _JOINT_STEP = 0.01, 0.001, 1e-4
_WRENCH_STEPS = np.array([_FORCE_STEP_N] * 3 + [_TORQUE_STEP_NM] * 3)
_LARGE = 1e12
_PLATEAU_LEAST = 5
_PLATEAU_LEVEL = 0.5


class ValueContent:
    """Wrenches, or positions and velocities of joints."""

    def __init__(self, kind: Literal["wrench", "joints"], channels: int | None = None) -> None:
        """Of a wrench the first `channels` count: a pad may feel no torque."""
        self.undecodable = 0
        self._kind, self._channels = kind, channels
        self._counts: Histogram = np.empty(0, np.int64)
        self._samples = self._not_finite = 0
        self._last: Array | None = None
        self._top, self._bottom = _Plateau(), _Plateau()

    def add(self, payloads: Sequence[bytes]) -> Flags:
        """Take in messages; those that cannot be read, or change their channels, are counted."""
        try:
            return self._take(self._rows(payloads))
        except MessageDecodeError:
            return np.array([self._one(payload) for payload in payloads], bool)

    def _one(self, payload: bytes) -> bool:
        try:
            return bool(self._take(self._rows([payload]))[0])
        except MessageDecodeError:
            self.undecodable += 1
            return False

    def _rows(self, payloads: Sequence[bytes]) -> Array:
        """Values `(n, channels)`."""
        if self._kind == "wrench":
            rows = decode_wrenches(payloads)[1][:, : self._channels]
        else:
            _, _, positions, velocities = decode_joint_states(payloads)
            moving = not bool(np.isnan(velocities).all())
            rows = np.hstack([positions, velocities]) if moving else positions
        if self._last is not None and rows.shape[1] != len(self._last):
            got = f"has {rows.shape[1]} values"
            raise MessageDecodeError(self._kind, got, f"{len(self._last)} as before")
        return rows

    def _take(self, rows: Array) -> Flags:
        none = np.full((1, rows.shape[1]), np.nan)
        before = none if self._last is None else self._last[None]
        repeats: Flags = (rows == np.concatenate([before, rows[:-1]])).all(axis=1)
        self._last = rows[-1].copy()
        finite = np.isfinite(rows)
        self._samples += len(rows)
        self._not_finite += rows.size - int(finite.sum())
        rows = np.where(finite, rows, np.nan)
        self._top.add(rows)
        self._bottom.add(-rows)
        self._count(np.nan_to_num(rows))
        return repeats

    def _count(self, rows: Array) -> None:
        channels = rows.shape[1]
        steps = (
            _WRENCH_STEPS[:channels] if self._kind == "wrench" else np.full(channels, _JOINT_STEP)
        )
        rounded = np.floor(np.clip(rows, -_LARGE, _LARGE) / steps).astype(np.int64) % _FOLD
        places = rounded + _FOLD * np.arange(channels)
        counts = np.bincount(places.reshape(-1), minlength=_FOLD * channels)
        self._counts = counts if not self._counts.size else self._counts + counts

    def summary(self) -> ContentSummary | None:
        """What is known so far; entropy is the mean of the channels'."""
        channels = len(self._counts) // _FOLD
        if not self._samples or not channels:
            return None
        bits = [entropy_bits(counts) for counts in self._counts.reshape(channels, _FOLD)]
        scale = np.fmax(np.abs(self._top.level), np.abs(self._bottom.level))
        constant = self._top.level == -self._bottom.level
        scale[constant] = np.inf
        wrench = self._kind == "wrench"
        return ContentSummary(
            unit="value",
            entropy_bits=float(np.mean(bits)),
            at_low=self._bottom.share(scale, self._samples) if wrench else 0.0,
            at_high=self._top.share(scale, self._samples) if wrench else 0.0,
            not_finite=self._not_finite / (self._samples * channels),
            channels=channels,
            constant_channels=int(constant.sum()),
        )


class _Plateau:
    """How often each channel stays at its highest value for more than one sample."""

    def __init__(self) -> None:
        self.level: Array = np.empty(0)
        self._hits: Integers = np.empty(0, np.int64)
        self._last: Array = np.empty((0, 0))

    def add(self, rows: Array) -> None:
        """Rows `(n, channels)` in order; NaN where there is no value."""
        if not self.level.size:
            channels = rows.shape[1]
            self.level, self._hits = np.full(channels, np.nan), np.zeros(channels, np.int64)
            self._last = np.full((1, channels), np.nan)
        level = np.fmax(self.level, np.fmax.reduce(rows, axis=0))
        at_level = np.concatenate([self._last, rows]) == level
        kept = np.where(level == self.level, self._hits, 0)
        self._hits = kept + (at_level[1:] & at_level[:-1]).sum(axis=0)
        self.level, self._last = level, rows[-1:].copy()

    def share(self, scale: Array, samples: int) -> float:
        """Largest share of one channel's samples that lie on its plateau.

        A sensor at rest lies near zero, so that a plateau below half the largest reading `scale`
        of its channel is none.
        """
        high = (np.abs(self.level) >= _PLATEAU_LEVEL * scale) & (self._hits >= _PLATEAU_LEAST)
        return float(np.max(self._hits * high, initial=0)) / samples
