"""What several test modules of this package share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from sensorium_sim.commands.generate import generate


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread, so that sums come out the same on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four demonstrations of the tabletop."""
    folder = tmp_path_factory.mktemp("demos")
    told = CliRunner().invoke(generate, [str(folder), "--episodes", "4"])
    assert told.exit_code == 0, told.output
    return folder
