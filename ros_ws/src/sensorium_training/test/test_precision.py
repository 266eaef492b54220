"""Mixed precision: coarse where it may be, exact in metres, and only while training."""

import pytest
import torch
from sensorium_core.contract import touch
from sensorium_core.errors import UnknownNameError
from sensorium_training.encoders import Coarse
from sensorium_training.export import example_inputs
from sensorium_training.network import NetOutput, PolicyNet
from sensorium_training.recipe import Recipe
from sensorium_training.stages import network

NET = network(Recipe("touch"))


def outputs(net: PolicyNet) -> NetOutput:
    return net(**example_inputs(touch(), words=NET.words))


@pytest.fixture
def nets() -> tuple[PolicyNet, PolicyNet]:
    """The same weights, exact and coarse."""
    torch.manual_seed(0)
    exact, coarse = PolicyNet(NET), PolicyNet(NET)
    coarse.load_state_dict(exact.state_dict())
    for module in coarse.modules():
        if isinstance(module, Coarse):
            module.is_coarse = True
    return exact, coarse


def test_features_are_coarse_and_metres_are_exact(nets: tuple[PolicyNet, PolicyNet]) -> None:
    exact, coarse = map(outputs, nets)
    assert torch.equal(exact.anchors, coarse.anchors)
    error = (exact.tokens - coarse.tokens).abs().max() / exact.tokens.abs().max()
    assert 1e-5 < error < 0.02
    assert (exact.chunk - coarse.chunk).abs().max() < 0.02 * exact.chunk.abs().max()
    assert coarse.chunk.dtype == coarse.target.dtype == torch.float32


def test_coarse_gradients_point_where_exact_ones_do(nets: tuple[PolicyNet, PolicyNet]) -> None:
    for net in nets:
        out = outputs(net)
        (out.chunk.square().sum() + out.tokens.square().sum()).backward()
    one, other = (
        torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
        for net in nets
    )
    assert torch.cosine_similarity(one, other, 0) > 0.999
    assert torch.isfinite(other).all()


def test_another_precision_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"float16.*float32, bfloat16"):
        Recipe("touch", precision="float16")
