"""Package definition of sensorium_control."""

from setuptools import find_packages, setup

NAME = "sensorium_control"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=["numpy>=1.26", "ruckig>=0.14", "sensorium_core", "sensorium_description"],
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": ["gate_node = sensorium_control.nodes.gate_node:main"],
    },
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="The gate between any command and the arm.",
    license="Apache-2.0",
)
