"""What an expert decided and why, as one line of JSON: topic `sim/expert`, beside `sim/state`.

With it and the state of the same stamp any decision can be taken again offline, and for other
goals too: it holds what the state does not tell. Plain data, no simulator.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sensorium_core.bounded import one_line, parse_json
from sensorium_core.errors import MessageDecodeError

from sensorium_sim.fast_correction import Intent
from sensorium_sim.feel_expert import FeelMemory
from sensorium_sim.give_expert import WeighMemory
from sensorium_sim.hold_expert import HoldMemory
from sensorium_sim.insert_expert import SearchMemory
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_episode import Memory, Remembered, TouchExpert
from sensorium_sim.touch_sight import Felt, Sight

EXPERT_TOPIC = "/sim/expert"
_MEMORIES: dict[str, type[Remembered]] = {
    "insert": SearchMemory,
    "hold": HoldMemory,
    "give": WeighMemory,
    "feel": FeelMemory,
}


@dataclass(frozen=True)
class ExpertNote:
    """One decision. `memory` is that before it: with `felt` and `tool` it comes out again."""

    family: str
    tool: tuple[float, ...]
    """Commanded tool x y z [m] and yaw [rad], base_link."""
    felt: Felt
    memory: Memory
    move: Move
    """What the expert wanted, before any disturbance."""

    def to_json(self) -> str:
        """One line; floats keep every bit."""
        intent, memory = self.move.intent, self.memory
        data = {
            "family": self.family,
            "tool": self.tool,
            "felt": asdict(self.felt),
            "memory": None if memory is None else asdict(memory),
            "dxyz": self.move.dxyz.tolist(),
            "dyaw": self.move.dyaw,
            "grip": self.move.grip,
            "intent": None if intent is None else [intent.press_n, intent.yield_],
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ExpertNote:
        """What `to_json` wrote. Raises `MessageDecodeError` on anything else."""
        try:
            return _note(parse_json(text))
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise MessageDecodeError(
                "sim/expert", f"is {text[:60]!r} ({one_line(error)})", "what this version writes"
            ) from None


def take_note(family: str, expert: TouchExpert, sight: Sight) -> ExpertNote:
    """Let the expert decide, and note it."""
    kind = _MEMORIES.get(family)
    memory = None if kind is None else _copy(kind, asdict(expert.memory))
    move = expert.decide(sight)
    return ExpertNote(family, tuple(sight.tool.tolist()), sight.felt, memory, move)


def _note(data: dict[str, Any]) -> ExpertNote:
    family, told, intent = data["family"], data["memory"], data["intent"]
    felt = {**data["felt"], "force_n": tuple(data["felt"]["force_n"])}
    memory = None if told is None else _copy(_MEMORIES[family], told)
    asked = None if intent is None else Intent(float(intent[0]), float(intent[1]))
    move = Move(np.array(data["dxyz"], dtype=float), float(data["dyaw"]), data["grip"], asked)
    return ExpertNote(family, tuple(data["tool"]), Felt(**felt), memory, move)


def _copy(kind: type[Remembered], data: dict[str, Any]) -> Memory:
    own: dict[str, Any] = {k: list(v) if isinstance(v, list) else v for k, v in data.items()}
    return kind(**own)
