"""The documentation names every reason and every state, and no other."""

import re
from pathlib import Path

from sensorium_control.reasons import GateState, Reason

DOCUMENT = Path(__file__).parents[4] / "docs" / "gate.md"


def test_the_table_of_reasons_is_complete():
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|(.+)\|(.+)\|$", DOCUMENT.read_text(), re.MULTILINE)
    assert [code for code, *_ in rows] == [reason.value for reason in Reason]
    assert all(cell.strip() for row in rows for cell in row)


def test_the_table_of_states_is_complete():
    rows = re.findall(
        r"^\| (\w+) \|.+\| (?:OK|WARN|ERROR) \|$", DOCUMENT.read_text(), re.MULTILINE
    )
    assert rows == [state.value for state in GateState]
