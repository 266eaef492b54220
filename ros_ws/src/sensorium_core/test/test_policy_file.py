"""A policy file that cannot be used says what is wrong and what to do next."""

from pathlib import Path

import pytest
from sensorium_core.errors import PolicyFileError
from sensorium_core.policy import Policy

RELEASED = Path(__file__).parents[4] / "models" / "tabletop" / "policy.onnx"


def test_a_missing_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="does not exist; run `make train`"):
        Policy(tmp_path / "nothing")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_policy_is_refused(tmp_path: Path, share: float) -> None:
    data = RELEASED.read_bytes()
    broken = tmp_path / "policy.onnx"
    broken.write_bytes(data[: int(share * len(data))])
    with pytest.raises(PolicyFileError, match="not a readable ONNX file"):
        Policy(broken)


def test_the_language_encoder_is_no_policy() -> None:
    with pytest.raises(PolicyFileError, match="carries no contract"):
        Policy(RELEASED.parents[1] / "language" / "encoder.onnx")


def test_the_released_policy_carries_its_contract_and_provenance() -> None:
    contract = Policy(RELEASED).contract
    assert contract.required == ("joints", "cloud", "scene_rgb")
    assert contract.provenance["git_commit"]
