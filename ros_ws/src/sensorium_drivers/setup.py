"""Package definition of sensorium_drivers."""

from setuptools import find_packages, setup

NAME = "sensorium_drivers"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=["numpy>=1.26", "sensorium_core"],
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "cloud_node = sensorium_drivers.nodes.cloud_node:main",
            "instruction_node = sensorium_drivers.nodes.instruction_node:main",
        ],
    },
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="Camera, depth to cloud, force and language drivers.",
    license="Apache-2.0",
)
