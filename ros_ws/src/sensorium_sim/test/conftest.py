"""One cell for all tests: building it is dear, and a reset leaves nothing behind."""

import pytest
from sensorium_sim.cell import Cell
from sensorium_sim.touch_cell import TouchCell


@pytest.fixture(scope="session")
def cell() -> Cell:
    """One cell with the policy's picture size, shared: a reset leaves nothing behind."""
    return Cell()


@pytest.fixture(scope="session")
def touch_cell() -> TouchCell:
    """One cell with fixtures, shared as well."""
    return TouchCell()
