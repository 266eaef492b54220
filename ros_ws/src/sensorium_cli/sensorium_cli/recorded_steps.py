"""Policy steps of a bag, each with the messages that it used. One pass, memory of a few seconds.

A step is handed out a moment after it was recorded, since a message that it used may lie behind
it in the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import BagError, SensoriumError
from sensorium_core.observation import encode_sample
from sensorium_core.policy_description import TOPIC as DESCRIPTION
from sensorium_core.policy_description import PolicyDescription
from sensorium_core.stream import Part
from sensorium_core.trajectory import Trajectory
from sensorium_core.used_messages import crc, read_used
from sensorium_fusion.carried import Carried, command_key, find_commands
from sensorium_fusion.sensor_messages import decoder
from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.episodes import ARM_COMMAND, GRIPPER_COMMAND
from sensorium_recording.messages import decode_string, decode_trajectory, diagnostic_values
from sensorium_recording.surroundings import POLICY_STEP

_PROPOSED = "command/joint_trajectory"
_COMMANDED = (ARM_COMMAND, GRIPPER_COMMAND)
_WAIT_NS = 1_000_000_000
_KEEP_S, _KEEP_LEAST = 8.0, 64
"""How much is kept of each modality, by its rate in the contract."""
_KEEP_COMMANDS = 400
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class RecordedStep:
    """One live step as the bag tells it."""

    number: int
    t_ns: int
    values: dict[str, str]
    """The step's own words; see `step_message`."""
    before: Carried
    parts: dict[str, list[Part]]
    """By modality, the messages of the bag that it used."""
    commanded: list[Trajectory]
    problems: list[tuple[str, str]]
    """Modality, and what is wrong with the first message that the bag does not give."""
    early: bool
    """Whether it used what was sent before the recording began."""
    proposed: str | None
    """Fingerprint of its proposal in the bag; of another of this stamp where that is not there."""
    description: PolicyDescription


@dataclass
class _Track:
    """Recent messages of one modality, by stamp in the order of the bag."""

    limit: int
    values: dict[int, NDArray[np.generic]] = field(default_factory=dict)
    first_ns: int | None = None
    """Stamp of the first message in the bag."""

    def take(self, stamp_ns: int, value: NDArray[np.generic]) -> None:
        self.values.pop(stamp_ns, None)
        self.values[stamp_ns] = value
        if self.first_ns is None:
            self.first_ns = stamp_ns
        shorten(self.values, self.limit)


class StepReader:
    """Reads the steps of one bag."""

    def __init__(self, bag: Path, contract: Contract) -> None:
        """Raises `BagError` when no policy step was recorded."""
        self._reader, self._contract = BagReader(bag), contract
        topics = self._reader.topics()
        found = [t for t in topics if t == "/" + POLICY_STEP or t.endswith("/" + POLICY_STEP)]
        if not found:
            raise BagError(bag, f"holds no {POLICY_STEP}", "record with the policy running")
        if len(found) > 1:
            raise BagError(bag, f"holds steps of several robots: {found}", "record one at a time")
        self._prefix = found[0].removesuffix(POLICY_STEP)
        self._bag = bag
        self._decoders = {m.topic: (m, decoder(m, contract)) for m in contract.modalities}
        self._tracks = {
            m.name: _Track(max(_KEEP_LEAST, round(_KEEP_S * m.rate_hz)))
            for m in contract.modalities
        }
        self._commands: dict[str, Trajectory] = {}
        self._proposals: dict[str, int] = {}
        """Stamps by fingerprint; those of a fast half are among them."""
        self._description: PolicyDescription | None = None
        self._waiting: deque[tuple[int, int, dict[str, str]]] = deque()
        self._number = 0
        self._first_command_ns: int | None = None
        self._complete = False
        """Whether a step came that used nothing from before the recording."""

    def description(self) -> PolicyDescription:
        """What the policy was made of. Raises `BagError` when the bag does not tell."""
        for message in self._reader.messages({self._prefix + DESCRIPTION}):
            return PolicyDescription.from_json(decode_string(message.payload))
        raise BagError(self._bag, f"holds no {DESCRIPTION}", "record it with this version")

    def steps(self) -> Iterator[RecordedStep]:
        """Every step in the order of recording."""
        names = [*self._decoders, *_COMMANDED, _PROPOSED, POLICY_STEP, DESCRIPTION]
        for message in self._reader.messages({self._prefix + name for name in names}):
            self._take(message, message.topic.removeprefix(self._prefix))
            while self._waiting and abs(message.log_time_ns - self._waiting[0][0]) > _WAIT_NS:
                yield self._next()
        while self._waiting:
            yield self._next()

    def _take(self, message: RawMessage, topic: str) -> None:
        if topic in self._decoders:
            self._take_sense(message.payload, topic)
        elif topic in _COMMANDED:
            self._take_command(message.payload)
        elif topic == _PROPOSED:
            proposal = decode_trajectory(message.payload)
            self._proposals[proposal.fingerprint()] = proposal.stamp_ns
            shorten(self._proposals, _KEEP_COMMANDS)
        elif topic == DESCRIPTION:
            self._description = PolicyDescription.from_json(decode_string(message.payload))
        else:
            t_ns, values = diagnostic_values(message.payload)
            self._waiting.append((message.log_time_ns, t_ns, values))

    def _take_sense(self, payload: bytes, topic: str) -> None:
        modality, decode = self._decoders[topic]
        track = self._tracks[modality.name]
        try:
            stamp_ns, value = decode(payload)
            track.take(stamp_ns, encode_sample(modality, value))
        except SensoriumError:
            return

    def _take_command(self, payload: bytes) -> None:
        trajectory = decode_trajectory(payload)
        self._commands[command_key(trajectory)] = trajectory
        if self._first_command_ns is None:
            self._first_command_ns = trajectory.stamp_ns
        shorten(self._commands, _KEEP_COMMANDS)

    def _next(self) -> RecordedStep:
        _, t_ns, values = self._waiting.popleft()
        if "carried" not in values or self._description is None:
            raise BagError(
                self._bag, "was recorded before steps told what they used", "record it anew"
            )
        parts, problems = self._parts(t_ns, values)
        commanded, absent = find_commands(values["commanded"], self._commands)
        problems += [("commanded", f"trajectory {key} is not in the bag") for key in absent[:1]]
        self._number += 1
        early = not self._complete and self._is_early(t_ns, values, absent)
        self._complete = not early
        return RecordedStep(
            self._number - 1, t_ns, values, Carried.from_json(values["carried"]), parts, commanded,
            problems, early, self._proposal(t_ns, values["action"]), self._description,
        )  # fmt: skip

    def _proposal(self, t_ns: int, action: str) -> str | None:
        if action in self._proposals:
            return action
        return next((f for f, stamp_ns in self._proposals.items() if stamp_ns == t_ns), None)

    def _is_early(self, t_ns: int, values: dict[str, str], absent: list[str]) -> bool:
        """Whether it used a message older than the first that was recorded of its topic."""
        used = read_used(t_ns, values)
        for name, track in self._tracks.items():
            told = used.get(name, [])
            if told and (track.first_ns is None or told[0][0] < track.first_ns):
                return True
        first_ns = self._first_command_ns
        return any(first_ns is None or int(k.partition(":")[0]) < first_ns for k in absent)

    def _parts(
        self, t_ns: int, values: dict[str, str]
    ) -> tuple[dict[str, list[Part]], list[tuple[str, str]]]:
        parts: dict[str, list[Part]] = {}
        problems: list[tuple[str, str]] = []
        used = read_used(t_ns, values)
        for name, track in self._tracks.items():
            told = used.get(name, [])
            parts[name] = [(s, track.values[s]) for s, _ in told if s in track.values]
            wrong = (_problem(s, code, track) for s, code in told)
            first = next((words for words in wrong if words), None)
            if first is not None:
                problems.append((name, first))
        return parts, problems


def _problem(stamp_ns: int, code: int, track: _Track) -> str:
    """What is wrong with one message that a live step used, or nothing."""
    if stamp_ns not in track.values:
        return f"the sample stamped {stamp_ns} is not in the bag"
    if crc(track.values[stamp_ns]) != code:
        return f"the sample stamped {stamp_ns} has other bytes in the bag"
    return ""


def shorten(recent: dict[_Key, _Value], limit: int) -> None:
    """Drop the oldest entries beyond a number."""
    while len(recent) > limit:
        del recent[next(iter(recent))]
