"""Package definition of sensorium_training."""

from setuptools import find_packages, setup

NAME = "sensorium_training"

setup(
    name=NAME,
    version="0.1.0",
    packages=find_packages(include=[NAME, NAME + ".*"]),
    package_data={NAME: ["pretraining/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + NAME]),
        ("share/" + NAME, ["package.xml"]),
    ],
    install_requires=[
        "sensorium_core",
        "sensorium_control",
        "sensorium_fusion",
        "sensorium_recording",
        "sensorium_sim",
        "click>=8",
        "rich>=13",
    ],
    extras_require={
        "test": ["pytest"],
        "torch": ["torch>=2.6", "onnx", "onnxscript", "safetensors"],
    },
    zip_safe=False,
    maintainer="Sensorium developers",
    maintainer_email="dev@sensorium.invalid",
    description="Encoders, fusion, training, export, evaluation.",
    license="Apache-2.0",
    entry_points={
        "sensorium.commands": [
            "pretrain = sensorium_training.commands.pretrain:pretrain",
            "train = sensorium_training.commands.train:train",
            "export = sensorium_training.commands.export:export",
        ],
    },
)
