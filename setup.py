"""Package definition of sensorium: bringup files only, no code.

The Python packages live under ros_ws/src and are built beside this one (colcon_defaults.yaml).
"""

from pathlib import Path

from setuptools import setup

NAME = "sensorium"
INSTALLED = ("launch", "config", "calibration", "models")


def data_files() -> list[tuple[str, list[str]]]:
    """Every file under the installed folders, keyed by its folder below share/."""
    by_folder: dict[str, list[str]] = {}
    for top in INSTALLED:
        for path in sorted(Path(top).rglob("*")):
            if path.is_file():
                by_folder.setdefault(f"share/{NAME}/{path.parent}", []).append(str(path))
    return sorted(by_folder.items())


setup(
    name=NAME,
    version="0.1.0",
    packages=[],
    py_modules=[],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
        *data_files(),
    ],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="Bringup of Sensorium: launch files, middleware profile, calibration and models.",
    license="Apache-2.0",
)
