"""Policy networks as files, one with every fusion operator, for the tests of a contract."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sensorium_core.contract import Contract
from sensorium_training.export import export
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.network import PolicyNet


def exported_by(net_of: Callable[[str], PolicyNet], contract: Contract):
    """A fixture: each operator's name, and the file of the network that it gives."""

    @pytest.fixture(scope="module", params=FUSIONS)
    def exported(request, tmp_path_factory) -> tuple[str, Path]:
        path = tmp_path_factory.mktemp(request.param) / "policy.onnx"
        assert export(net_of(request.param), contract, path) <= 1e-4
        return request.param, path

    return exported
