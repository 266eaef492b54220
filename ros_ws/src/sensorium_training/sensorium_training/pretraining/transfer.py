"""Pretrained encoders as a file, and their way into a policy network.

A safetensors file with the weights of the trained encoders only, under their names in `PolicyNet`;
its metadata say what they are of, in JSON under one name, so that the same run gives the same
bytes. Nothing else of a network is touched.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sensorium_core.bounded import parse_json
from sensorium_core.errors import WeightsError
from sensorium_core.hashes import file_sha256
from torch import Tensor

from sensorium_training.encoders import NetConfig, contract_of
from sensorium_training.fusion.interface import SENSES
from sensorium_training.network import PolicyNet
from sensorium_training.pretraining.encoding import SenseEncoders
from sensorium_training.weights import DEAD

FORMAT = "sensorium-encoders-1"
_CONFIG = "config"
"""Of the metadata of a whole policy's weights: what the network is made of."""


@dataclass(frozen=True)
class Taken:
    """What a network took from a file."""

    senses: tuple[str, ...]
    parameters: tuple[str, ...]
    """Their names in `PolicyNet`."""
    told: Mapping[str, Any]
    """The file's metadata."""
    sha256: str
    """Of the file."""

    def in_words(self) -> str:
        """One line for a person: parameters by sense, and which senses start from scratch."""
        counts = [
            f"{sense} ({sum(name.startswith(sense + '.') for name in self.parameters)})"
            for sense in self.senses
        ]
        rest = [sense for sense in SENSES if sense not in self.senses]
        scratch = f"; from scratch: {', '.join([*rest, 'all that is no encoder'])}"
        return f"parameters taken: {', '.join(counts)}{scratch}"

    def as_facts(self) -> dict[str, object]:
        """What to write down of it: names taken, and what the file says of itself."""
        names = list(self.parameters)
        return {"sha256": self.sha256, "parameters": names, "file": dict(self.told)}


def save_encoders(
    encoders: SenseEncoders, senses: tuple[str, ...], path: Path, facts: Mapping[str, object]
) -> None:
    """Write the encoders of these senses, whole or not at all."""
    weights = {
        name: value.detach().cpu().float().contiguous()
        for name, value in encoders.state_dict().items()
        if name.split(".")[0] in senses
    }
    told = json.dumps({"senses": senses, **facts}, sort_keys=True)
    partial = path.with_suffix(".part")
    save_file(weights, partial, metadata={FORMAT: told})
    partial.replace(path)


def take_encoders(net: PolicyNet, path: Path) -> Taken:
    """Put the encoders of a file into a network; the rest of it stays as it is.

    The file is one of `save_encoders`, or the weights of a trained policy, whatever its fusion
    operator and head: of those the encoders of senses that it did hear are taken.

    Raises:
        WeightsError: the file cannot be read, is no encoders, is of another contract, or does not
            fit the network.
    """
    weights, told = _read(path)
    _require_contract(path, told, net.config)
    known = net.state_dict()
    senses = tuple(sense for sense in SENSES if any(_of(sense, name) for name in weights))
    wanted = {name for name in known if any(_of(sense, name) for sense in senses)}
    odd = sorted(weights.keys() ^ wanted)
    if odd or not senses:
        what = (
            f"{'holds' if odd and odd[0] in weights else 'lacks'} {odd[0] if odd else 'weights'}"
        )
        raise WeightsError(
            path, f"{what}, unlike the policy's encoders {', '.join(SENSES)}",
            "make it anew with `sensorium pretrain`",
        )  # fmt: skip
    for name, value in weights.items():
        if value.shape != known[name].shape or value.dtype != known[name].dtype:
            raise WeightsError(
                path, f"{name} is {tuple(value.shape)}, here {tuple(known[name].shape)}",
                "pretrain with the network's width, or train with the file's",
            )  # fmt: skip
    net.load_state_dict(weights, strict=False)
    parameters = tuple(name for name, _ in net.named_parameters() if name in weights)
    return Taken(senses, parameters, told, file_sha256(path))


def _require_contract(path: Path, told: Mapping[str, Any], net: NetConfig) -> None:
    """The shapes of both contracts' encoders are the same, but not what they were shown.

    A file that does not say its contract's version is from before there were two.
    """
    settings = told.get("config")
    version = settings.get("version", 1) if isinstance(settings, dict) else 1
    if version != net.version:
        theirs, ours = (contract_of(NetConfig(version=v)).name for v in (version, net.version))
        raise WeightsError(
            path, f"pretrained for the contract {theirs}, and this network is for {ours}",
            f"train with `--contract {theirs}`, or pretrain with `--contract {ours}`",
        )  # fmt: skip


def _of(sense: str, name: str) -> bool:
    return name.startswith(sense + ".")


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            path, f"cannot be read ({error})", "name the encoders.safetensors of a run"
        ) from None
    if FORMAT not in told and _CONFIG not in told:
        raise WeightsError(
            path, f"its metadata say neither {FORMAT!r} nor {_CONFIG!r}",
            "name the encoders.safetensors that `sensorium pretrain` wrote, or the "
            "weights.safetensors of a trained policy",
        )  # fmt: skip
    for name, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise WeightsError(path, f"{name} is not finite", "pretrain anew with a lower rate")
    facts = parse_json(told.get(FORMAT, "{}"))
    if FORMAT not in told:
        facts = {_CONFIG: parse_json(told[_CONFIG]), "of": "a trained policy"}
        taught = [sense for sense in SENSES if sense not in told.get(DEAD, "").split(",")]
        weights = {name: v for name, v in weights.items() if any(_of(s, name) for s in taught)}
    if not isinstance(facts, dict):
        raise WeightsError(path, "its metadata are no facts", "pretrain anew")
    return weights, facts
