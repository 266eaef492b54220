"""Runs one self-describing ONNX policy: named tensors in, a chunk of tool motions out.

One `Policy` serves one thread; ONNX Runtime is told to use one thread and not to spin.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium_core.contract import Contract
from sensorium_core.errors import PolicyFileError
from sensorium_core.hashes import file_sha256
from sensorium_core.onnx_session import open_session

METADATA_KEY = "sensorium.contract"
OUTPUTS = ("chunk", "target", "present", "done", "weights")


@dataclass(frozen=True)
class PolicyOutput:
    """One step's answer.

    `chunk` `(horizon, 5)`: cumulative dx, dy, dz [m], dyaw [rad] in the yaw frame of the commanded
    tool, and the open fraction. `target` `(3,)`: the point meant, base_link [m]. `present` and
    `done`: probabilities. `weights` `(n_senses,)`: share of each sense in the fused token, sum 1.
    """

    chunk: NDArray[np.float32]
    target: NDArray[np.float32]
    present: float
    done: float
    weights: NDArray[np.float32]


class Policy:
    """A loaded policy file and the contract inside it."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            path = path / "policy.onnx"
        if not path.is_file():
            raise PolicyFileError(path, "does not exist", "run `make train` or name another file")
        self.path = path
        self._session = open_session(path, unreadable_policy)
        metadata = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise PolicyFileError(path, "carries no contract", "write it with `sensorium export`")
        self.contract = Contract.from_json(metadata[METADATA_KEY], str(path))
        absent = set(OUTPUTS) - {o.name for o in self._session.get_outputs()}
        if absent:
            raise PolicyFileError(path, f"lacks the outputs {sorted(absent)}", "export it anew")
        self.input_names = tuple(i.name for i in self._session.get_inputs())

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, for provenance."""
        return file_sha256(self.path)

    def run(self, tensors: dict[str, NDArray[np.generic]]) -> PolicyOutput:
        """One step over the tensors of `policy_inputs`."""
        feed = {name: tensors[name] for name in self.input_names}
        chunk, target, present, done, weights = self._session.run(list(OUTPUTS), feed)
        return PolicyOutput(chunk[0], target[0], float(present[0]), float(done[0]), weights[0])


def unreadable_policy(path: Path, problem: str) -> PolicyFileError:
    """The error of a policy file that ONNX Runtime cannot read."""
    return PolicyFileError(path, f"is {problem}", "export it anew")
