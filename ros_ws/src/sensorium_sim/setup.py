"""Package definition of sensorium_sim."""

from setuptools import find_packages, setup

NAME = "sensorium_sim"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    package_data={NAME: ["phrases/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=[
        "sensorium_core",
        "sensorium_description",
        "sensorium_recording",
        "click>=8",
        "mujoco",
        "rich>=13",
    ],
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": ["sim_node = sensorium_sim.nodes.sim_node:main"],
        "sensorium.commands": ["generate = sensorium_sim.commands.generate:generate"],
    },
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="MuJoCo cell, tasks, scripted experts, episode generator.",
    license="Apache-2.0",
)
