"""The card of a bag: what it holds and how good each stream is, in one pass and flat memory."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sensorium_core import policy_description
from sensorium_core.bounded import parse_json
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import ContractError, MessageDecodeError
from sensorium_core.policy_description import PolicyDescription

from sensorium_recording.bag_facts import contract_in
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.episode_log import EpisodeFacts, EpisodeLog, is_topic
from sensorium_recording.health import Health, TopicHealth
from sensorium_recording.messages import decode_string
from sensorium_recording.verdict import Verdict, judge

_RECORDING = "recording"


@dataclass(frozen=True)
class Card:
    """One bag."""

    path: Path
    files: int
    size_bytes: int
    messages: int
    payload_bytes: int
    start_ns: int
    """Log time of the earliest message; 0 without any."""
    duration_s: float
    contract: str
    """Name of the contract inside, why it cannot be read, or empty."""
    policy_sha256: str
    """Empty where no policy described itself."""
    episodes: tuple[EpisodeFacts, ...]
    streams: tuple[Health, ...]
    """By topic."""
    verdicts: dict[str, Verdict]
    """By topic, and by modality name for those of the contract that are missing."""
    loss: dict[str, dict[str, object]]
    """What the recorder counted, by topic; empty where it left no record."""
    recorder: dict[str, str]
    """What else the recorder noted, such as why it ended."""

    @property
    def compression_ratio(self) -> float:
        """Payload bytes per byte on disk."""
        return self.payload_bytes / self.size_bytes

    def to_json(self) -> str:
        """All of it, for programs."""
        data = asdict(self)
        data["path"] = str(self.path)
        data["compression_ratio"] = self.compression_ratio
        return json.dumps(data, indent=1)


def make_card(path: Path) -> Card:
    """Read a bag once. Raises `BagError` when it is damaged or none."""
    reader = BagReader(path)
    topics, metadata = reader.topics(), reader.metadata()
    contract, name = _contract(metadata)
    sensed = sensed_topics(contract, topics)
    streams = {topic: _collector(topic, topics[topic], sensed.get(topic)) for topic in topics}
    log, policy = EpisodeLog(), ""
    for message in reader.messages():
        stream = streams.get(message.topic)
        if stream is None:  # The summary at the end of the file does not name it.
            stream = streams[message.topic] = TopicHealth(message.topic, message.type_name)
        stream.add(message.log_time_ns, message.payload)
        log.take(message.topic, message.log_time_ns, message.payload)
        if is_topic(message.topic, policy_description.TOPIC):
            policy = _policy_sha(message.payload) or policy
    healths = tuple(streams[topic].summary() for topic in sorted(streams))
    start_ns = min((h.first_ns for h in healths if h.first_ns is not None), default=0)
    end_ns = max((h.last_ns for h in healths if h.last_ns is not None), default=0)
    noted = sorted(metadata.get(_RECORDING, {}).items())
    return Card(
        path=path,
        files=len(reader.files),
        size_bytes=sum(file.stat().st_size for file in reader.files),
        messages=sum(h.count for h in healths),
        payload_bytes=sum(h.payload_bytes for h in healths),
        start_ns=start_ns,
        duration_s=(end_ns - start_ns) / 1e9,
        contract=name,
        policy_sha256=policy,
        episodes=log.episodes(),
        streams=healths,
        verdicts=_verdicts(healths, start_ns, contract, sensed),
        loss={name: counts for name, text in noted if (counts := _counts(text)) is not None},
        recorder={name: text for name, text in noted if _counts(text) is None},
    )


def _counts(text: str) -> dict[str, object] | None:
    """What the recorder counted of a topic; None for what it noted in words."""
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def sensed_topics(contract: Contract | None, topics: dict[str, str]) -> dict[str, Modality]:
    """The contract's modality by topic of the bag, which may carry a namespace."""
    found: dict[str, Modality] = {}
    for modality in contract.modalities if contract else ():
        named = [t for t in topics if t.lstrip("/") == modality.topic]
        for topic in named or [t for t in topics if is_topic(t, modality.topic)]:
            found[topic] = modality
    return found


def _contract(metadata: dict[str, dict[str, str]]) -> tuple[Contract | None, str]:
    try:
        contract = contract_in(metadata)
    except ContractError as error:
        return None, str(error)
    return contract, "" if contract is None else contract.name


def _collector(topic: str, type_name: str, modality: Modality | None) -> TopicHealth:
    if modality is None:
        return TopicHealth(topic, type_name)
    channels = modality.shape[-1] if modality.kind == "vector" else None
    return TopicHealth(topic, type_name, modality.rate_hz, modality.max_age_s, channels)


def _verdicts(
    healths: tuple[Health, ...],
    start_ns: int,
    contract: Contract | None,
    sensed: dict[str, Modality],
) -> dict[str, Verdict]:
    judged = [h for h in healths if h.content is not None or h.topic in sensed]
    verdicts = {h.topic: judge(h, start_ns) for h in judged}
    for modality in contract.modalities if contract else ():
        if modality not in sensed.values():
            words = f"missing: the contract's {modality.topic} is not in the bag"
            verdicts[modality.name] = Verdict("fault", words)
    for topic, modality in sensed.items():
        health = next(h for h in healths if h.topic == topic)
        if health.type_name != modality.message:
            words = f"is {health.type_name}; the contract says {modality.message}"
            verdicts[topic] = Verdict("fault", words)
    return verdicts


def _policy_sha(payload: bytes) -> str:
    try:
        return PolicyDescription.from_json(decode_string(payload)).policy_sha256
    except MessageDecodeError:
        return ""
