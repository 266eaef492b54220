"""What a recorder puts into every bag so that it explains itself: contract, calibration, robot."""

from collections.abc import Mapping
from pathlib import Path

from sensorium_core.contract import Contract
from sensorium_core.errors import CalibrationError
from sensorium_core.hashes import text_sha256
from sensorium_description import load_urdf

_CONTRACT, _CALIBRATION, _ROBOT = "contract", "calibration", "robot_description"
Metadata = Mapping[str, Mapping[str, str]]


def bag_facts(contract: Contract, calibration: str, urdf_xml: str) -> dict[str, dict[str, str]]:
    """Metadata records.

    Args:
        contract: what is sensed.
        calibration: a folder of YAML files, or empty.
        urdf_xml: the robot; empty: the reference cell.

    Raises:
        CalibrationError: the folder is none or holds no YAML.
    """
    xml = urdf_xml or load_urdf()
    facts = {
        _CONTRACT: {"json": contract.to_json()},
        _ROBOT: {"urdf": xml, "sha256": text_sha256(xml)},
    }
    if calibration:
        facts[_CALIBRATION] = _texts(Path(calibration))
    return facts


def contract_in(metadata: Metadata) -> Contract | None:
    """The contract inside a bag; None without. Raises `ContractError` when it cannot be read."""
    text = metadata.get(_CONTRACT, {}).get("json")
    return None if text is None else Contract.from_json(text, "in the bag")


def urdf_in(metadata: Metadata) -> str:
    """The robot description inside a bag; empty without."""
    return metadata.get(_ROBOT, {}).get("urdf", "")


def _texts(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not files:
        raise CalibrationError(folder, "holds no .yaml file", "name a folder of calibration/")
    return {file.name: file.read_text(encoding="utf-8") for file in files}
