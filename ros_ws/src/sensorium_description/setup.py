"""Package definition of sensorium_description."""

from setuptools import find_packages, setup

NAME = "sensorium_description"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
        ("share/" + NAME + "/urdf", [NAME + "/urdf/cell.urdf.xacro"]),
        ("share/" + NAME + "/config", [NAME + "/config/cell.yaml"]),
    ],
    package_data={NAME: ["urdf/*.xacro", "config/*.yaml"]},
    install_requires=["xacro", "pyyaml"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="URDF (xacro) of the reference arm and cell.",
    license="Apache-2.0",
)
