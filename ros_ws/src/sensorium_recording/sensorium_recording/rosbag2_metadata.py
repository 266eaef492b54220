"""`metadata.yaml` of a rosbag2 directory, and the quality of service that it tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from sensorium_core.bounded import parse_yaml

_VERSION = 9
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's, where PyYAML has it: ten times as fast, same text."""
_FOREVER = {"sec": 9223372036, "nsec": 854775807}


@dataclass(frozen=True)
class Offer:
    """What a topic's publishers offered."""

    latched: bool = False
    """Transient local: who comes late gets the last messages."""
    reliable: bool = True
    depth: int = 10


@dataclass
class FileFacts:
    """One file of a bag: times of its own messages, and all that it holds."""

    name: str
    first_ns: int | None = None
    last_ns: int = 0
    count: int = 0

    def take(self, time_ns: int) -> None:
        """Count a message."""
        self.count += 1
        if self.first_ns is None or time_ns < self.first_ns:
            self.first_ns = time_ns
        if time_ns > self.last_ns:
            self.last_ns = time_ns


@dataclass(frozen=True)
class TopicFacts:
    """One topic of a bag."""

    name: str
    type_name: str
    type_hash: str
    offer: Offer
    count: int


def metadata_yaml(files: Sequence[FileFacts], topics: Sequence[TopicFacts]) -> str:
    """The text of `metadata.yaml`."""
    starts = [f.first_ns for f in files if f.first_ns is not None]
    whole = FileFacts(
        "", min(starts, default=0), max(f.last_ns for f in files), sum(f.count for f in files)
    )
    information = {
        "version": _VERSION,
        "storage_identifier": "mcap",
        **_span(whole),
        "topics_with_message_count": [_topic(topic) for topic in topics],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [f.name for f in files],
        "files": [{"path": f.name, **_span(f)} for f in files],
        "custom_data": None,
        "ros_distro": "jazzy",
    }
    text = yaml.dump({"rosbag2_bagfile_information": information}, Dumper=_Dumper, sort_keys=False)
    return str(text)


def _span(facts: FileFacts) -> dict[str, object]:
    start = facts.first_ns or 0
    return {
        "duration": {"nanoseconds": max(facts.last_ns - start, 0)},
        "starting_time": {"nanoseconds_since_epoch": start},
        "message_count": facts.count,
    }


def _topic(topic: TopicFacts) -> dict[str, object]:
    return {
        "topic_metadata": {
            "name": topic.name,
            "type": topic.type_name,
            "serialization_format": "cdr",
            "offered_qos_profiles": [_profile(topic.offer)],
            "type_description_hash": topic.type_hash,
        },
        "message_count": topic.count,
    }


@lru_cache(maxsize=64)
def offer_yaml(offer: Offer) -> str:
    """A channel's `offered_qos_profiles`, as rosbag2 writes it."""
    return str(yaml.dump([_profile(offer)], Dumper=_Dumper, sort_keys=False))


def parse_offer(text: str) -> Offer:
    """Read `offered_qos_profiles`; what it does not tell is as `Offer()` has it.

    Names and numbers are both understood: rosbag2 wrote numbers before Jazzy.
    """
    try:
        profiles = parse_yaml(text) or []
        profile: dict[str, Any] = dict(profiles[0]) if profiles else {}
        depth = int(profile.get("depth", Offer.depth))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return Offer()
    return Offer(
        latched=profile.get("durability") in ("transient_local", 1),
        reliable=profile.get("reliability", "reliable") not in ("best_effort", 2),
        depth=depth if depth > 0 else Offer.depth,
    )


def _profile(offer: Offer) -> dict[str, object]:
    return {
        "history": "keep_last",
        "depth": offer.depth,
        "reliability": "reliable" if offer.reliable else "best_effort",
        "durability": "transient_local" if offer.latched else "volatile",
        "deadline": dict(_FOREVER),
        "lifespan": dict(_FOREVER),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(_FOREVER),
        "avoid_ros_namespace_conventions": False,
    }
