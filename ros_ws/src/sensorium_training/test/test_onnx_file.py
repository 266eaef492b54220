"""Exported files tell what they are, and nothing of the machine that made them."""

from pathlib import Path

import onnx
import onnxruntime as ort
import torch
from sensorium_core.contract import tabletop
from sensorium_training.encoders import NetConfig
from sensorium_training.export import export
from sensorium_training.network import PolicyNet
from sensorium_training.onnx_file import traced
from torch import Tensor, nn


class Doubled(nn.Module):
    """Twice the input, plus a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.more = nn.Parameter(torch.tensor([0.25]))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Shape of `x`."""
        return (2 * x + self.more,)


def test_a_traced_network_answers_under_its_names_and_tells_what_it_is_told() -> None:
    model = traced(Doubled().eval(), [torch.ones(1, 3)], ["x"], ["y"], {"who": "a test"})
    session = ort.InferenceSession(model.SerializeToString())
    assert session.run(["y"], {"x": [[1.0, 2.0, -1.0]]})[0].tolist() == [[2.25, 4.25, -1.75]]
    assert {p.key: p.value for p in model.metadata_props} == {"who": "a test"}
    assert model.producer_name == "sensorium"


def test_a_policy_file_holds_no_path_and_no_stack_trace(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "policy.onnx"
    export(PolicyNet(NetConfig()), tabletop(), path)
    told = path.read_bytes()
    here = Path(__file__).parents[1].parent
    assert b"stack_trace" not in told
    assert str(here).encode() not in told
    assert not any(node.metadata_props or node.doc_string for node in onnx.load(path).graph.node)
