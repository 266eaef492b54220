"""What a recorder puts into every bag so that it explains itself: contract, calibration, robot."""

import hashlib
from pathlib import Path

from sensorium_core.contract import Contract
from sensorium_core.errors import CalibrationError
from sensorium_description import load_urdf

CONTRACT, CALIBRATION, ROBOT = "contract", "calibration", "robot_description"


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
        CONTRACT: {"json": contract.to_json()},
        ROBOT: {"urdf": xml, "sha256": hashlib.sha256(xml.encode()).hexdigest()},
    }
    if calibration:
        facts[CALIBRATION] = _texts(Path(calibration))
    return facts


def _texts(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not files:
        raise CalibrationError(folder, "holds no .yaml file", "name a folder of calibration/")
    return {file.name: file.read_text(encoding="utf-8") for file in files}
