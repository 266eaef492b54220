"""Package definition of sensorium_fusion."""

from setuptools import find_packages, setup

NAME = "sensorium_fusion"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=["numpy>=1.26", "sensorium_core", "sensorium_description"],
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": ["fusion_node = sensorium_fusion.nodes.fusion_node:main"],
    },
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="Observation to policy to joint trajectory.",
    license="Apache-2.0",
)
