"""Runs a fast correction: one ONNX file, stepped a hundred times a second, between policy steps.

It adds a small displacement to the motion of the slow half, from force alone (Reactive Diffusion
Policy, Xue et al. 2025). What it remembers is of one contact: without contact the correction is
exactly zero and nothing is remembered. The file has that in its graph; as a file is untrusted, it
is held to it here as well. One object serves one thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium_core.bounded import one_line
from sensorium_core.errors import PolicyFileError, ShapeError
from sensorium_core.fast_contract import FastContract
from sensorium_core.onnx_session import RUN_FAULTS, misfit, open_session

Array = NDArray[np.float64]

FAST_METADATA_KEY = "sensorium.fast_contract"
FAST_BYTES = 4 << 20
"""Largest file: what is larger is not stepped in a fraction of 10 ms."""
OUTPUTS = ("correction", "next_state")
_ABSURD = 1e4
"""What is larger [N, Nm] is no reading and no wish."""
_EXPORT = "export it anew with `python -m sensorium_training.fast.make`"


class FastIntent(Protocol):
    """What the slow half wants to be felt."""

    @property
    def press_n(self) -> float:
        """Force with which the tool shall press downwards [N]."""

    @property
    def yield_(self) -> float:
        """How readily it gives way sideways, 0 to 1."""


class FastSenses(Protocol):
    """The newest readings of the fast senses, oldest first; at least as many as the contract's."""

    @property
    def wrench(self) -> Array:
        """`(n, 6)`, tool frame [N, Nm]."""

    @property
    def touch(self) -> Array:
        """`(n, 2, 3)`, pad frames [N]."""

    @property
    def joints(self) -> Array:
        """`(n, 14)`, positions and velocities [rad, gripper m; per second]."""

    @property
    def intent(self) -> FastIntent:
        """What to feel."""


class FastPolicy:
    """A loaded fast correction and the contract inside it; a `FastCorrection` of the simulator."""

    def __init__(self, path: Path, sha256: str = "") -> None:
        """Load the file and try it. Raises `PolicyFileError`; also for a hash not pinned."""
        if path.is_dir():
            path = path / "correction.onnx"
        if not path.is_file():
            raise PolicyFileError(path, "does not exist", "name another file, or " + _EXPORT)
        if path.stat().st_size > FAST_BYTES:
            problem = f"has {path.stat().st_size} bytes"
            raise PolicyFileError(path, problem, f"a fast correction has at most {FAST_BYTES}")
        self.path = path
        self._session, self.sha256, metadata = open_session(path, _unreadable, sha256)
        if FAST_METADATA_KEY not in metadata:
            raise PolicyFileError(path, "carries no contract of a fast correction", _EXPORT)
        self.contract = FastContract.from_json(metadata[FAST_METADATA_KEY], str(path))
        problems = misfit(self._session, *tensor_shapes(self.contract))
        if problems is not None:
            raise PolicyFileError(path, *problems)
        self._takes = {i.name for i in self._session.get_inputs()}
        self._n = self.contract.contact_samples
        self._contact_sum_n = self.contract.contact_n * self._n
        self.rejected = 0
        """Ticks whose readings or intent were not finite."""
        self.reset()
        self._try_out()

    def reset(self) -> None:
        """Forget everything, for a new episode."""
        self._state = np.zeros((1, self.contract.state), np.float32)

    def __call__(self, given: FastSenses) -> Array:
        """Displacement `(3,)` [m] to add until the next tick, yaw frame of the tool.

        Exactly 0 without contact, and where anything given is not finite. Raises `ShapeError` when
        fewer readings are given than the contract says, and `PolicyFileError` when the file fails.
        """
        feed = self._feed(given)
        if feed is None:
            self.rejected += 1
        if feed is None or not self._in_contact(given.wrench):
            self._state[:] = 0.0
            return np.zeros(3)
        return self._stepped(feed)

    def _in_contact(self, wrench: Array) -> bool:
        total = np.add.reduce(wrench[-self._n :, :3])
        return bool(np.abs(total).max() >= self._contact_sum_n)

    def _feed(self, given: FastSenses) -> dict[str, NDArray[np.float32]] | None:
        """The tensors of one step without the state; None where one is not finite, or absurd."""
        with np.errstate(over="ignore"):
            intent = np.array([[given.intent.press_n, given.intent.yield_]]).astype(np.float32)
        feed = {"intent": intent}
        for sense in self.contract.senses:
            rows = getattr(given, sense.name)[-sense.shape[0] :]
            if rows.shape != sense.shape:
                raise ShapeError(sense.name, rows.shape, sense.shape)
            with np.errstate(over="ignore"):
                feed[sense.name] = rows[None].astype(np.float32)
        return feed if all((np.abs(value) < _ABSURD).all() for value in feed.values()) else None

    def _stepped(self, feed: dict[str, NDArray[np.float32]]) -> Array:
        """Run the file; what it answers is cut to the largest correction."""
        correction, state = self._run({**feed, "state": self._state})
        if not (np.isfinite(correction).all() and np.isfinite(state).all()):
            raise PolicyFileError(self.path, "answers what is not finite", _EXPORT)
        self._state = state
        largest_m = self.contract.largest_m
        return np.clip(correction[0].astype(np.float64), -largest_m, largest_m)

    def _run(
        self, feed: dict[str, NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        try:
            correction, state = self._session.run(
                list(OUTPUTS), {name: feed[name] for name in self._takes}
            )
        except RUN_FAULTS as fault:
            problem = f"cannot be run ({one_line(fault)})"
            raise PolicyFileError(self.path, problem, _EXPORT) from None
        if correction.shape != (1, 3) or state.shape != self._state.shape:
            problem = f"answers {correction.shape} and {state.shape}"
            expected = f"its contract says (1, 3) and {self._state.shape}"
            raise PolicyFileError(self.path, problem, expected)
        return correction, state

    def _try_out(self) -> None:
        """Step the file itself, without what guards it, where its answer is known.

        Raises `PolicyFileError` when it does anything without contact or on readings that are no
        numbers, or goes further than its contract says.
        """
        contract, rng = self.contract, np.random.default_rng(0)
        quiet = contract.contact_n * 0.9
        for n_newtons in (0.0, quiet, np.nan, 50.0, 500.0):
            noise = {s.name: rng.uniform(-1.0, 1.0, (1, *s.shape)) for s in contract.senses}
            feed = {name: (n_newtons * value).astype(np.float32) for name, value in noise.items()}
            feed["intent"] = np.array([[contract.largest_press_n, 1.0]], np.float32)
            feed["state"] = rng.uniform(-1.0, 1.0, self._state.shape).astype(np.float32)
            correction, state = self._run(feed)
            asleep = not n_newtons > quiet
            if asleep and (correction.any() or state.any()):
                problem = f"moves by {correction[0]} where {n_newtons:g} N are felt"
                raise PolicyFileError(self.path, problem, "the gate must be in its graph")
            if not np.abs(correction).max() <= contract.largest_m * (1 + 1e-6):
                problem = f"moves by {correction[0]} m"
                stated = f"its contract says at most {contract.largest_m}"
                raise PolicyFileError(self.path, problem, stated)


def tensor_shapes(
    contract: FastContract,
) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, tuple[int, ...]]]:
    """ONNX type and shape of every input, and shape of every output, batch axis of 1 in front."""
    takes = {sense.name: (1, *sense.shape) for sense in contract.senses}
    takes |= {"intent": (1, 2), "state": (1, contract.state)}
    gives: dict[str, tuple[int, ...]] = {"correction": (1, 3), "next_state": (1, contract.state)}
    return {name: ("tensor(float)", shape) for name, shape in takes.items()}, gives


def _unreadable(path: Path, problem: str) -> PolicyFileError:
    return PolicyFileError(path, problem, "name the file that was meant, or " + _EXPORT)
