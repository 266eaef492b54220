"""Weights of a whole policy network as a file: what a run ends with, and another may go on from.

A safetensors file, the network's configuration in its metadata as JSON, and which senses it was
trained without, if any.
"""

from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from sensorium_core.bounded import parse_json
from sensorium_core.errors import SensoriumError, WeightsError

from sensorium_training.encoders import NetConfig
from sensorium_training.network import PolicyNet

DEAD = "dead"
"""Of the metadata: senses with commas between."""
_REMEDY = "name the weights.safetensors of a run or a released policy"


def take_weights(net: PolicyNet, path: Path, dead: tuple[str, ...] = ()) -> None:
    """Put the weights of a file into a network of the same make.

    Args:
        net: the network.
        path: of the file.
        dead: senses that this network is trained without; the other was, too.

    Raises:
        WeightsError: the file cannot be read, or is of a network of another make.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        theirs = asdict(NetConfig.of(parse_json(metadata.get("config", "{}"))))
    except (OSError, SafetensorError, SensoriumError, TypeError, ValueError) as error:
        raise WeightsError(path, f"cannot be read ({error})", _REMEDY) from None
    ours = asdict(net.config)
    other = [f"{k} {theirs[k]}, here {ours[k]}" for k in ours if ours[k] != theirs[k]]
    if other:
        raise WeightsError(
            path, f"of another network: {'; '.join(other)}",
            "train with --contract, --fusion and --imputation as the file was",
        )  # fmt: skip
    before = metadata.get(DEAD, "")
    if before != ",".join(dead):
        here = ",".join(dead) or "none"
        raise WeightsError(
            path, f"trained without {before or 'no sense'}, here without {here}",
            "train with --only as the file was",
        )  # fmt: skip
    known = net.state_dict()
    odd = sorted(
        name for name in known.keys() | weights.keys()
        if name not in known or name not in weights or known[name].shape != weights[name].shape
    )  # fmt: skip
    if odd:
        raise WeightsError(path, f"{odd[0]} is not the network's", _REMEDY)
    net.load_state_dict(weights)
