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
    install_requires=[
        "sensorium_core",
        "av",
        "lz4",
        "matplotlib>=3.8",
        "mcap",
        "numpy>=1.26",
        "pillow>=10.1",
        "pyyaml>=6",
        "rich>=13",
        "rosbags>=0.11",
        "zstandard>=0.22",
    ],
    extras_require={"lerobot": ["pyarrow"], "test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "player_node = sensorium_recording.nodes.player_node:main",
            "recorder_node = sensorium_recording.nodes.recorder_node:main",
        ],
        "sensorium.commands": [
            "bags = sensorium_recording.commands.bags:bags",
            "card = sensorium_recording.commands.card:card",
            "export-lerobot = sensorium_recording.commands.export_lerobot:export_lerobot",
            "import = sensorium_recording.commands.import_bag:import_command",
            "plot = sensorium_recording.commands.plot:plot",
            "repair = sensorium_recording.commands.repair:repair",
            "video = sensorium_recording.commands.video:video",
        ],
    },
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="MCAP recorder, reader and episode video.",
    license="Apache-2.0",
)
