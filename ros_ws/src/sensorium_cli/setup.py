"""Package definition of sensorium_cli."""

from setuptools import find_packages, setup

NAME = "sensorium_cli"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=[
        "sensorium_core",
        "sensorium_recording",
        "click>=8",
        "pyyaml>=6",
        "rich>=13",
    ],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="The sensorium command: launch, say, demo, doctor.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": ["sensorium = sensorium_cli.main:main"],
        "sensorium.commands": [
            "completion = sensorium_cli.commands.completion:completion",
            "demo = sensorium_cli.demo:demo",
            "doctor = sensorium_cli.commands.doctor:doctor",
            "evaluate = sensorium_cli.commands.evaluate:evaluate",
            "launch = sensorium_cli.commands.launch:launch",
            "record = sensorium_cli.commands.record:record",
            "replay = sensorium_cli.commands.replay:replay",
            "say = sensorium_cli.commands.say:say",
        ],
    },
)
