"""What the fusion node loads because a parameter says so. Used while the node configures."""

from pathlib import Path
from typing import Any

import numpy as np
from rclpy.node import Node
from sensorium_core.calibration import load_camera_calibration
from sensorium_core.contract import Contract
from sensorium_core.errors import ContractError
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.hashes import text_sha256
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy
from sensorium_core.policy_description import PolicyDescription
from sensorium_description import load_urdf


def urdf_of(node: Node) -> str:
    """`robot_description`, or else the reference cell's."""
    return str(_parameter(node, "robot_description", "") or load_urdf())


def policy_of(node: Node) -> Policy:
    """The file named by `policy`, pinned by `policy_sha256` where that is given."""
    path = Path(_parameter(node, "policy", "models/tabletop"))
    return Policy(path, _parameter(node, "policy_sha256", ""))


def language_of(node: Node) -> LanguageEncoder:
    """The file named by `language`, pinned by `language_sha256` where that is given."""
    path = Path(_parameter(node, "language", ""))
    return LanguageEncoder(path, _parameter(node, "language_sha256", ""))


def fast_policy_of(node: Node) -> FastPolicy | None:
    """The file named by `fast_policy`, pinned by `fast_policy_sha256` where that is given.

    None where no file is named.
    """
    path = _parameter(node, "fast_policy", "")
    sha256 = _parameter(node, "fast_policy_sha256", "")
    return FastPolicy(Path(path), sha256) if path else None


def dropped_senses(node: Node, contract: Contract) -> frozenset[str]:
    """`drop`, such as `wrench,pads`. Raises `ContractError` on one that the contract lacks."""
    drop = frozenset(name for name in _parameter(node, "drop", "").split(",") if name)
    unknown = sorted(drop - set(contract.senses))
    if unknown:
        raise ContractError(contract.name, f"has no senses {unknown}", f"known: {contract.senses}")
    return drop


def camera_pose(node: Node, urdf_xml: str, frame: str) -> np.ndarray:
    """`T_base_optical` from the file `camera_calibration`, or else from the description."""
    path = _parameter(node, "camera_calibration", "")
    if path:
        return load_camera_calibration(Path(path)).pose.matrix
    return Kinematics(urdf_xml, tool_frame=frame).fk(np.zeros(6))


def description_of(
    policy: Policy,
    language: LanguageEncoder,
    urdf_xml: str,
    drop: frozenset[str],
    T_base_optical: np.ndarray,
    fast_sha256: str,
) -> PolicyDescription:
    """What the policy is made of, for who wants to take its steps again."""
    return PolicyDescription(
        policy.sha256,
        language.sha256,
        text_sha256(urdf_xml),
        tuple(sorted(drop)),
        tuple(T_base_optical.ravel().tolist()),
        fast_sha256,
    )


def _parameter(node: Node, name: str, default: object) -> Any:
    return node.declare_parameter(name, default).value
