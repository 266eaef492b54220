"""Runs one self-describing ONNX policy: named tensors in, a chunk of tool motions out.

One `Policy` serves one thread; ONNX Runtime is told to use one thread and not to spin.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium_core.bounded import one_line
from sensorium_core.codebook import SLOTS, TABLETOP_SLOTS, TOKEN_SIZE
from sensorium_core.contract import Contract
from sensorium_core.errors import PolicyFileError
from sensorium_core.goal import ALL_FAMILIES, FAMILIES
from sensorium_core.memory import memory_width
from sensorium_core.onnx_session import RUN_FAULTS, misfit, open_session

METADATA_KEY = "sensorium.contract"
UNHEARD_KEY = "sensorium.unheard"
"""Senses with commas between; a file that hears all of them has no such entry."""
TOKENS = (len(SLOTS), TOKEN_SIZE)
"""Shape of an instruction's tokens. A policy takes all, or those of the first four slots."""
OUTPUTS = ("chunk", "target", "present", "done", "weights")
"""Of contract version 1; version 2 adds `INTENT`."""
INTENT = "intent"


@dataclass(frozen=True)
class PolicyOutput:
    """One step's answer.

    `chunk` `(horizon, 5)`: cumulative dx, dy, dz [m], dyaw [rad] in the yaw frame of the commanded
    tool, and the open fraction. `target` `(3,)`: the point meant, base_link [m]. `present` and
    `done`: probabilities. `weights` `(n_senses,)`: share of each sense in the fused token, sum 1.
    `intent` `(2,)`, of contract version 2: what is to be felt until the next answer, as force
    downwards [N] and how readily to give way sideways 0..1, for the fast half; None in version 1.
    """

    chunk: NDArray[np.float32]
    target: NDArray[np.float32]
    present: float
    done: float
    weights: NDArray[np.float32]
    intent: NDArray[np.float32] | None = None


class Policy:
    """A loaded policy file and the contract inside it."""

    def __init__(self, path: Path, sha256: str = "") -> None:
        """Load the file. Raises `PolicyFileError`; also when its hash is not the pinned one."""
        if path.is_dir():
            path = path / "policy.onnx"
        if not path.is_file():
            raise PolicyFileError(path, "does not exist", "run `make train` or name another file")
        self.path = path
        self._session, self.sha256, metadata = open_session(path, unreadable_policy, sha256)
        if METADATA_KEY not in metadata:
            raise PolicyFileError(path, "carries no contract", "write it with `sensorium export`")
        self.contract = Contract.from_json(metadata[METADATA_KEY], str(path))
        self.unheard = self._unheard(metadata.get(UNHEARD_KEY, ""))
        """Senses of the contract that nothing in the file listens to: trained without them."""
        self._outputs = output_names(self.contract)
        self.input_names = tuple(i.name for i in self._session.get_inputs())
        self._words = self._count_words()
        self._require_fit()

    @property
    def families(self) -> tuple[str, ...]:
        """What it can be told to do, as far as the tokens that it takes can say it."""
        return FAMILIES if self._words < len(SLOTS) else ALL_FAMILIES

    def _unheard(self, told: str) -> frozenset[str]:
        """The senses told. Raises `PolicyFileError` for what is no sense of the contract."""
        senses = frozenset(told.split(",")) if told else frozenset()
        for name in sorted(senses.difference(self.contract.senses)):
            problem = f"says that it does not hear {name!r}, which its contract does not know"
            raise PolicyFileError(self.path, problem, "export it anew")
        return senses

    def _count_words(self) -> int:
        """How many tokens the file takes: four, or one for every slot."""
        shapes = {i.name: i.shape for i in self._session.get_inputs()}
        declared = shapes.get("text", [1, *TOKENS])
        short = len(declared) == 3 and declared[1] == len(TABLETOP_SLOTS)
        return len(TABLETOP_SLOTS) if short else len(SLOTS)

    def _require_fit(self) -> None:
        """Inputs and outputs are those that the contract asks for, as far as the file declares."""
        takes, gives = input_shapes(self.contract, self._words), output_shapes(self.contract)
        problem = misfit(self._session, takes, gives)
        if problem is not None:
            raise PolicyFileError(self.path, *problem)

    def run(self, tensors: dict[str, NDArray[np.generic]]) -> PolicyOutput:
        """One step over the tensors of `policy_inputs`, of whose tokens it takes the first."""
        feed = {name: tensors[name] for name in self.input_names}
        if "text" in feed:
            feed["text"] = feed["text"][:, : self._words]
        try:
            outputs = self._session.run(list(self._outputs), feed)
        except RUN_FAULTS as fault:
            words = f"cannot be run ({one_line(fault)})"
            raise PolicyFileError(self.path, words, "export it anew") from None
        shapes = output_shapes(self.contract)
        for name, value in zip(self._outputs, outputs, strict=True):
            if getattr(value, "shape", None) != shapes[name]:
                got = f"answers {name} of shape {getattr(value, 'shape', None)}"
                raise PolicyFileError(self.path, got, f"its contract says {shapes[name]}")
        chunk, target, present, done, weights, *more = outputs
        intent = more[0][0] if more else None
        answer = chunk[0], target[0], float(present[0]), float(done[0]), weights[0]
        return PolicyOutput(*answer, intent)


def unreadable_policy(path: Path, problem: str) -> PolicyFileError:
    """The error of a policy file that ONNX Runtime cannot read."""
    return PolicyFileError(path, problem, "name the file that was meant, or export it anew")


def input_shapes(
    contract: Contract, words: int = len(SLOTS)
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """ONNX type and shape, with its batch axis of 1, of all that a step can give to a policy.

    `words` is how many of the instruction's tokens it takes.
    """
    seen = {
        m.name: ("tensor(uint8)" if m.kind == "image" else "tensor(float)", (1, *m.shape))
        for m in contract.modalities
        if m.kind in ("image", "vector", "joints")
    }
    told = {
        "cloud": (contract.cloud.points, 7),
        "reference": (5,),
        "memory": (memory_width(contract),),
        "text": (words, TOKEN_SIZE),
        "valid": (len(contract.senses),),
    }
    return {**seen, **{name: ("tensor(float)", (1, *shape)) for name, shape in told.items()}}


def output_shapes(contract: Contract) -> dict[str, tuple[int, ...]]:
    """Shape, with its batch axis of 1, of what a policy answers."""
    shapes: dict[str, tuple[int, ...]] = {
        "chunk": (1, contract.action.horizon, 5),
        "target": (1, 3),
        "present": (1,),
        "done": (1,),
        "weights": (1, len(contract.senses)),
        INTENT: (1, 2),
    }
    return {name: shapes[name] for name in output_names(contract)}


def output_names(contract: Contract) -> tuple[str, ...]:
    """What a policy of this contract answers, in order."""
    return OUTPUTS if contract.version == 1 else (*OUTPUTS, INTENT)
