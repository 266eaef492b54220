"""Weights of a whole policy network as a file: what a run ends with, and another may go on from.

A safetensors file, the network's configuration in its metadata as JSON, and which senses it was
trained without, if any.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from sensorium_core.bounded import parse_json
from sensorium_core.errors import SensoriumError, WeightsError
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.network import PolicyNet

DEAD = "dead"
"""Of the metadata: senses with commas between."""
_REMEDY = "name the weights.safetensors of a run or a released policy"
_OTHER_VERSION = "train anew, or use the version of Sensorium that its card or run names"


def config_of(path: Path) -> NetConfig:
    """What the network of a weights file is made of. Raises `WeightsError` when it is none."""
    return _read(path)[0]


def _read(path: Path) -> tuple[NetConfig, dict[str, str], dict[str, Tensor]]:
    """Configuration, metadata and tensors of a file."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return NetConfig.of(parse_json(metadata.get("config", "{}"))), metadata, weights
    except (OSError, SafetensorError, SensoriumError, TypeError, ValueError) as error:
        raise WeightsError(path, f"cannot be read ({error})", _REMEDY) from None


def take_weights(net: PolicyNet, path: Path, dead: tuple[str, ...] = ()) -> None:
    """Put the weights of a file into a network of the same make.

    Args:
        net: the network.
        path: of the file.
        dead: senses that this network is trained without; the other was, too.

    Raises:
        WeightsError: the file cannot be read, or is of a network of another make.
    """
    config, metadata, weights = _read(path)
    theirs, ours = asdict(config), asdict(net.config)
    other = [f"{k} {theirs[k]}, here {ours[k]}" for k in ours if ours[k] != theirs[k]]
    if other:
        raise WeightsError(
            path, f"of another network: {'; '.join(other)}",
            "train with --contract, --fusion, --imputation and --head as the file was",
        )  # fmt: skip
    before = metadata.get(DEAD, "")
    if before != ",".join(dead):
        here = ",".join(dead) or "none"
        raise WeightsError(
            path, f"trained without {before or 'no sense'}, here without {here}",
            "train with --only as the file was",
        )  # fmt: skip
    put(net, weights, path)


def put(net: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a network the weights of a file, all of them.

    Raises `WeightsError` when they are of another version of the network.
    """
    known = net.state_dict()
    for name in sorted(known.keys() | weights.keys()):
        theirs, ours = (_shape(some.get(name)) for some in (weights, known))
        if theirs != ours:
            problem = f"{name} is {theirs}, here {ours}: of another version of the network"
            raise WeightsError(path, problem, _OTHER_VERSION)
    net.load_state_dict(dict(weights))


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else str(tuple(tensor.shape))
