"""From pushed messages to one observation at a time: the only alignment code, live and offline.

One `Aligner` serves one thread.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import ShapeError
from sensorium_core.geometry import Camera, Lifter, subsample
from sensorium_core.stream import Part, Push, Sample, Stream

Tensor = NDArray[np.generic]
_NS = 1_000_000_000
_PAIRING_NS = 5_000_000
"""Colour and depth closer in time than this are one exposure."""
_HISTORY_S = 1.0
"""How far behind the newest message a step may look."""


@dataclass(frozen=True)
class Observation:
    """What was known at `t_ns`: tensors by name, and validity, age and stamp by modality.

    `values` holds every modality's tensor (zeros when missing) and, for depth, `cloud`.
    `valid`, `age_s` and `stamps_ns` have one entry per modality; -1 stamps were never seen.
    """

    t_ns: int
    values: dict[str, Tensor]
    valid: dict[str, bool]
    age_s: dict[str, float]
    stamps_ns: dict[str, int]
    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    """By modality, the messages that its tensor was made of, valid or not."""

    def digest(self) -> str:
        """SHA-256 over every byte that reaches the policy, for parity checks."""
        sha = hashlib.sha256()
        for name in sorted(self.values):
            sha.update(name.encode() + bytes([self.valid.get(name, True)]))
            sha.update(np.ascontiguousarray(self.values[name]).tobytes())
        return sha.hexdigest()


class Aligner:
    """One stream per modality of a contract; `push` messages, `observe` a time."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._streams = {
            m.name: Stream(_HISTORY_S + m.window_s + m.max_age_s) for m in contract.modalities
        }
        self._specs = {m.name: m for m in contract.modalities}
        self._lifter: Lifter | None = None

    def recall(self, parts: Mapping[str, Sequence[Part]]) -> None:
        """Forget all and know just these messages: an observation of theirs comes out again."""
        self.clear()
        for name, messages in parts.items():
            for stamp_ns, value in messages:
                self._streams[name].push(stamp_ns, value)

    def set_camera(self, camera: Camera | None) -> None:
        """Tell where the depth camera is and what its intrinsics are; needed before any cloud."""
        if camera is None:
            self._lifter = None
            return
        depth = next(m for m in self.contract.modalities if m.kind == "depth")
        spec = self.contract.cloud
        rows, cols = depth.shape
        self._lifter = Lifter(
            camera.resized((rows, cols)),
            np.array(spec.crop_min_m),
            np.array(spec.crop_max_m),
            spec.points,
        )

    def push(self, name: str, stamp_ns: int, value: Tensor) -> Push:
        """Add one message of a modality; raises `ShapeError` when it cannot become its tensor.

        Images of any size at least the contract's are subsampled; vectors are one time step.
        """
        return self._streams[name].push(stamp_ns, encode_sample(self._specs[name], value))

    def newest(self, name: str) -> Part | None:
        """The newest message of a modality as its stream keeps it, or None."""
        return self._streams[name].newest

    def newest_ns(self, name: str) -> int | None:
        """Stamp of the newest message of a modality, or None."""
        return self._streams[name].newest_ns

    def clear(self) -> None:
        """Forget all messages, for a new episode."""
        for stream in self._streams.values():
            stream.clear()

    def observe(
        self,
        t_ns: int,
        drop: Container[str] = frozenset(),
        distrusted: Container[str] = frozenset(),
    ) -> Observation:
        """What was known at `t_ns`. Senses in `drop` and modalities in `distrusted` are dead.

        Of a distrusted modality stamp and age are told, of a dropped sense nothing is.
        """
        values: dict[str, Tensor] = {}
        valid: dict[str, bool] = {}
        age_s: dict[str, float] = {}
        stamps_ns: dict[str, int] = {}
        parts: dict[str, tuple[Part, ...]] = {}
        for name, spec in self._specs.items():
            sample = None if spec.sense in drop else self._sample(spec, t_ns)
            age = np.inf if sample is None else (t_ns - sample.stamp_ns) / _NS
            believed = name not in distrusted
            ok = believed and sample is not None and age <= spec.max_age_s
            ok = ok and sample is not None and _finite(sample.value)
            values[name] = (
                sample.value if ok and sample is not None else np.zeros(spec.shape, spec.dtype)
            )
            valid[name], age_s[name] = ok, age
            stamps_ns[name] = -1 if sample is None else sample.stamp_ns
            parts[name] = sample.parts if believed and sample is not None else ()
            if spec.kind == "depth":
                valid[name] = ok and self._lifter is not None
        observation = Observation(t_ns, values, valid, age_s, stamps_ns, parts)
        values["cloud"] = self._cloud(observation)
        return observation

    def observe_from(
        self, t_ns: int, stamps_ns: Mapping[str, Iterable[int]]
    ) -> Observation | None:
        """What is known at `t_ns` from messages of these stamps alone; None when one is absent."""
        parts: dict[str, tuple[Part, ...]] = {}
        for name, stream in self._streams.items():
            found = stream.find(stamps_ns.get(name, ()))
            if found is None:
                return None
            parts[name] = found
        again = Aligner(self.contract)
        again._lifter = self._lifter
        again.recall(parts)
        return again.observe(t_ns)

    def _sample(self, spec: Modality, t_ns: int) -> Sample | None:
        stream = self._streams[spec.name]
        if spec.window_s:
            return stream.window(t_ns, spec.shape[0], spec.period_s)
        if spec.kind == "joints":
            return stream.interpolate(t_ns)
        return stream.sample(t_ns)

    def _cloud(self, seen: Observation) -> Tensor:
        depth = next(m.name for m in self.contract.modalities if m.kind == "depth")
        if not seen.valid[depth] or self._lifter is None:
            return np.zeros((self.contract.cloud.points, 7), dtype=np.float32)
        colour = depth.replace("_depth", "_rgb")
        paired = seen.valid.get(colour, False) and (
            abs(seen.stamps_ns[colour] - seen.stamps_ns[depth]) < _PAIRING_NS
        )
        return self._lifter.lift(
            seen.values[depth].astype(np.uint16),
            seen.values[colour].astype(np.uint8) if paired else None,
        )


def sense_validity(contract: Contract, seen: Observation) -> NDArray[np.float32]:
    """One flag per sense `(n_senses,)`: 1 when all of its modalities are valid."""
    flags = [
        all(seen.valid[m.name] for m in contract.modalities if m.sense == sense)
        for sense in contract.senses
    ]
    return np.array(flags, dtype=np.float32)


def _finite(value: Tensor) -> bool:
    return value.dtype.kind != "f" or bool(np.isfinite(value).all())


def encode_sample(spec: Modality, value: Tensor) -> Tensor:
    """One message's array as a stream keeps it: an image subsampled, a vector of the right type.

    Raises `ShapeError` when it cannot be.
    """
    expected = spec.shape[1:] if spec.window_s else spec.shape
    if spec.kind in ("image", "depth"):
        rows, cols = spec.shape[0], spec.shape[1]
        fits = value.ndim == len(spec.shape) and value.shape[2:] == tuple(spec.shape[2:])
        if not fits or value.shape[0] < rows or value.shape[1] < cols or value.dtype != spec.dtype:
            raise ShapeError(
                spec.name,
                f"{value.dtype} {value.shape}",
                f"{spec.dtype}, at least {tuple(spec.shape)}",
            )
        return subsample(value, (rows, cols))
    if value.shape != tuple(expected):
        raise ShapeError(spec.name, f"shape {value.shape}", f"{tuple(expected)}")
    return value.astype(spec.dtype)
