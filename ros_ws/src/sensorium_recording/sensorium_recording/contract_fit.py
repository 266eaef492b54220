"""How the topics of a bag fit a contract, in words: present, missing or of the wrong kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sensorium_core.cdr import CdrCursor, decode_joint_states
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import MessageDecodeError

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.card import sensed_topics

_ENCODINGS = {"image": ("rgb8", "bgr8"), "depth": ("16UC1", "32FC1")}
_REMEDIES = {
    "sensor_msgs/msg/CompressedImage": "decompress it with `ros2 run image_transport republish`",
}


@dataclass(frozen=True)
class Fit:
    """One modality of a contract in a bag."""

    modality: str
    topic: str
    state: Literal["present", "missing", "wrong"]
    words: str = ""


class FitCheck:
    """Looks at the first message of each topic that the contract senses."""

    def __init__(self, contract: Contract, types: Mapping[str, str]) -> None:
        """`types` by topic, as they are in the bag after the map."""
        self._contract, self._types = contract, dict(types)
        self._sensed = sensed_topics(contract, self._types)
        self._first: dict[str, RawMessage] = {}

    def take(self, message: RawMessage) -> None:
        """Take in any message."""
        if message.topic in self._sensed and message.topic not in self._first:
            self._first[message.topic] = message

    def fits(self) -> tuple[Fit, ...]:
        """One for each modality and topic, in the order of the contract."""
        return tuple(self._all())

    def _all(self) -> Iterator[Fit]:
        for modality in self._contract.modalities:
            topics = [topic for topic, m in self._sensed.items() if m is modality]
            if not topics:
                yield Fit(modality.name, modality.topic, "missing", f"map a {modality.message}")
            for topic in topics:
                words = "; ".join(self._differences(topic, modality))
                yield Fit(modality.name, topic, "wrong" if words else "present", words)

    def _differences(self, topic: str, modality: Modality) -> Iterator[str]:
        type_name = self._types[topic]
        if type_name != modality.message:
            remedy = _REMEDIES.get(type_name, "")
            yield f"is {type_name}, the contract says {modality.message}" + (
                f": {remedy}" if remedy else ""
            )
            return
        first = self._first.get(topic)
        if first is None:
            yield "has no messages"
            return
        try:
            if modality.kind in _ENCODINGS:
                yield from _image_differences(first.payload, modality)
            elif modality.kind == "joints":
                yield from _joint_differences(first.payload, self._contract.action.joints)
        except MessageDecodeError as error:
            yield f"cannot be read: {error}"


def _image_differences(payload: bytes, modality: Modality) -> Iterator[str]:
    cursor = CdrCursor(payload, modality.message)
    cursor.header()
    rows, cols, encoding = cursor.u32(), cursor.u32(), cursor.string()
    allowed = _ENCODINGS[modality.kind]
    if encoding not in allowed:
        yield f"is encoded {encoding}, the contract's {modality.kind} takes {' or '.join(allowed)}"
    least = modality.shape[0], modality.shape[1]
    if rows < least[0] or cols < least[1]:
        yield f"is {cols}x{rows}, the contract needs at least {least[1]}x{least[0]}"


def _joint_differences(payload: bytes, joints: tuple[str, ...]) -> Iterator[str]:
    _, names, _, _ = decode_joint_states([payload])
    absent = [joint for joint in joints if joint not in names]
    if absent:
        yield f"lacks {', '.join(absent)}; it has {', '.join(names) or 'no names'}"
