"""What the tests across packages share."""

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.contract import Contract, tabletop, touch
from sensorium_core.policy import METADATA_KEY


@pytest.fixture(scope="session")
def policy(tmp_path_factory):
    """A policy file that sees its object in everything, and drifts away for ever."""
    return _constant(tabletop(), 0.004, tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def pressing_policy(tmp_path_factory):
    """One of contract version 2 that stands still and wants 8 N to be pressed."""
    more = {"intent": np.array([[8.0, 0.0]], np.float32)}
    return _constant(touch(), 0.0, tmp_path_factory.mktemp("pressing"), more)


def _constant(
    contract: Contract, drift_m: float, folder: Path, more: dict[str, np.ndarray] | None = None
) -> Path:
    """A policy file that always answers the same."""
    chunk = np.zeros((1, contract.action.horizon, 5), np.float32)
    chunk[0, :, 0] = drift_m * np.arange(1, contract.action.horizon + 1)
    n = len(contract.senses)
    answers = {
        "chunk": chunk,
        "target": np.array([[0.5, 0.0, 0.02]], np.float32),
        "present": np.ones(1, np.float32),
        "done": np.zeros(1, np.float32),
        "weights": np.full((1, n), 1 / n, np.float32),
        **(more or {}),
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_"], [name]) for name in answers],
        "constant",
        [helper.make_tensor_value_info("valid", TensorProto.FLOAT, [1, n])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, answers[o].shape) for o in answers],
        [numpy_helper.from_array(answers[name], f"{name}_") for name in answers],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    path = folder / "policy.onnx"
    onnx.save(model, path)
    return path


LANGUAGE = "models/language/encoder.onnx"


class RunningFusion:
    """A fusion node, spun by a thread of its own. Imports ROS when it is made."""

    def __init__(self, domain: int, policy: Path, *parameters: str) -> None:
        import rclpy
        from rclpy.experimental import EventsExecutor
        from rclpy.task import Future
        from sensorium_fusion.nodes.fusion_node import FusionNode

        given = [f"policy:={policy}", f"language:={LANGUAGE}", *parameters]
        words = [word for parameter in given for word in ("-p", parameter)]
        rclpy.init(args=["--ros-args", *words], domain_id=domain)
        self.node = FusionNode()
        self.node.start_up()
        self.executor, self.ended = EventsExecutor(), Future()
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def _spin(self) -> None:
        while not self.ended.done():
            self.executor.spin_until_future_complete(self.ended, timeout_sec=0.1)

    def close(self) -> None:
        import rclpy

        self.ended.set_result(None)
        self.thread.join(10.0)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture(scope="session")
def running_fusion() -> type[RunningFusion]:
    """What starts a fusion node; close it before the test ends."""
    return RunningFusion
