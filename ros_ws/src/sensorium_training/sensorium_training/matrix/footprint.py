"""What a policy file costs: bytes, parameters, and the time of a step on one thread."""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.policy import Policy, input_shapes

_WARM_UP = 30


@dataclass(frozen=True)
class Footprint:
    """Of one policy file."""

    p50_ms: float
    p99_ms: float
    steps: int
    """That were timed."""
    parameters: int | None
    """As the file tells; None: it does not."""
    n_bytes: int
    load: float
    """Of the machine while it was timed: processes that wanted a core."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def footprint(path: Path, steps: int = 400) -> Footprint:
    """Measure a policy file; what else runs on this machine shows in p99."""
    policy = Policy(path)
    tensors, spent, load = example(policy.contract), [], os.getloadavg()[0]
    for _ in range(_WARM_UP + steps):
        began = time.perf_counter()
        policy.run(tensors)
        spent.append(1e3 * (time.perf_counter() - began))
    p50, p99 = np.percentile(spent[_WARM_UP:], [50, 99])
    told = policy.contract.provenance.get("parameters")
    parameters = told if isinstance(told, int) else None
    return Footprint(float(p50), float(p99), steps, parameters, policy.path.stat().st_size, load)


def example(contract: Contract) -> dict[str, NDArray[np.generic]]:
    """Tensors of a contract's shapes with every sense there and a full cloud."""
    rng = np.random.default_rng(0)
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, (kind, shape) in input_shapes(contract).items():
        if kind == "tensor(uint8)":
            tensors[name] = rng.integers(0, 256, shape, dtype=np.uint8)
        else:
            tensors[name] = rng.uniform(0.0, 0.5, shape).astype(np.float32)
    cloud = tensors["cloud"].copy()
    cloud[..., 6] = 1.0
    return {**tensors, "cloud": cloud, "valid": np.ones_like(tensors["valid"])}
