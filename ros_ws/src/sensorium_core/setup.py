"""Package definition of sensorium_core."""

from setuptools import find_packages, setup

NAME = "sensorium_core"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=["numpy>=1.26", "pydantic>=2.7", "pyyaml>=6", "pin>=3", "onnxruntime>=1.20"],
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": ["bringup_node = sensorium_core.nodes.bringup_node:main"],
    },
    package_data={NAME: ["contracts/*.yaml"]},
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="Contract, streams, observation, policy runtime, kinematics, errors.",
    license="Apache-2.0",
)
