"""The card that lies beside a fast correction, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fast_card(facts: Mapping[str, Any], difference: float) -> str:
    """What it does, what it came from, its errors and limits, in Markdown."""
    errors = facts["aside"]
    rows = "\n".join(
        f"| {name} | {1e6 * errors[own]:.1f} | {1e6 * errors[without]:.1f} |"
        for name, own, without in (
            ("down", "down_m", "down_without_m"),
            ("aside", "aside_m", "aside_without_m"),
        )
    )
    return f"""# Fast force correction

Moves the tool by up to 0.4 mm along each axis every 10 ms so that it presses as hard as the slow
half wishes, and gives way sideways when told to. Sees the wrench alone; below 0.8 N it does
exactly nothing. `docs/fast_correction.md` says what it is measured to do.

| | |
|---|---|
| parameters | {facts["parameters"]:,} |
| learned from | {facts["episodes"]} episodes of inserting and holding in {facts["rounds"]} \
rounds, all but the first driven by the head itself; labels by damping control that knows the \
spring |
| data hash | `{facts["data_hash"][:16]}` |
| seed | {facts["seed"]} |
| exported at commit | `{facts["git_commit"]}` |
| largest difference ONNX - torch | {difference:.1e} |

Mean absolute error over contacts of scenes kept aside [µm a tick], beside that of doing nothing:

| | this | nothing |
|---|---|---|
{rows}

    python -m sensorium_training.fast.make

## Limits

Trained in simulation only, on one arm, one gripper, pegs of one size and one range of springs. It
has never moved a real arm. Its gains fit that arm's servos: on another arm train it again.
"""
