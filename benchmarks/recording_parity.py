"""Episodes recorded over live ROS 2, each step taken again from the bag, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from recording_stack import Recording
from results_page import table
from sensorium_cli.over_ros import Case, RosCell
from sensorium_cli.parity import verify
from sensorium_core.goal import FAMILIES
from sensorium_sim.grammar import phrases
from sensorium_sim.layout import heldout_seed
from sensorium_sim.tasks import TASKS


def parity(folder: Path, episodes: int) -> dict[str, object]:
    """Record `episodes`, one bag each, verify each bag and drop it."""
    steps = equal = acted = early = success = 0
    mismatches: list[str] = []
    with RosCell({"record": "false"}) as cell:
        for number in range(episodes):
            case = _case(number)
            with Recording(folder, f"parity_{number}", autostart="false") as recording:
                cell.record()
                success += cell.run(case).success
                recording.end()
            report = verify(recording.bag)
            steps, equal = steps + report.steps, equal + report.steps - report.unequal
            acted, early = acted + report.acted, early + report.early
            mismatches += [f"{number}: {mismatch}" for mismatch in report.mismatches]
            shutil.rmtree(recording.bag)
    return {
        "episodes": episodes, "success": success, "steps": steps, "equal": equal,
        "acted": acted, "early": early, "mismatches": mismatches,
    }  # fmt: skip


def _case(number: int) -> Case:
    family = FAMILIES[number % len(FAMILIES)]
    seed = heldout_seed(number)
    _, goal = TASKS[family].reset(seed)
    return Case(seed, goal, phrases(goal, np.random.default_rng(seed)))


def parity_page(result: dict[str, object]) -> str:
    """The table of parity."""
    rows = [
        ["episodes recorded live (successes)", f"{result['episodes']} ({result['success']})", ""],
        ["steps equal: every observation byte, state and action",
         f"{result['equal']}/{result['steps']}", "all"],
        ["of them proposing a motion", str(result["acted"]), ""],
        ["not compared: used messages from before the recording", str(result["early"]), ""],
    ]  # fmt: skip
    return table(["parity", "measured", "bar"], rows) + "".join(
        f"\n\n- {words}" for words in result["mismatches"][:5]
    )
