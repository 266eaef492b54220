"""Package definition of sensorium_recording."""

from setuptools import find_packages, setup

NAME = "sensorium_recording"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=["sensorium_core", "mcap", "lz4"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="MCAP recorder, reader and episode video.",
    license="Apache-2.0",
)
