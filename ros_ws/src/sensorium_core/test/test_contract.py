"""Contract files that are none."""

from pathlib import Path

import pytest
from sensorium_core.contract import load_contract
from sensorium_core.errors import ContractError


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"x: [", "is not YAML"),
        (b"\xff\xfe", "cannot be read"),
        (b"", "valid dictionary"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_contract_is_named(
    tmp_path: Path, data: bytes | None, words: str
) -> None:
    path = tmp_path / "contract.yaml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ContractError, match=words) as raised:
        load_contract(path)
    assert str(path) in str(raised.value)
