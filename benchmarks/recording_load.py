"""Full native load beside the running policy; and what was written against what others read."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from mcap.reader import NonSeekingReader
from recording_stack import Recording
from results_page import table
from rosbags.rosbag2 import Reader
from running_cell import Acting, cpu_seconds, peak_rss_mb
from sensorium_cli.over_ros import RosCell
from sensorium_core.contract import tabletop
from sensorium_core.nodes.raw import read_stamp
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.episode_marks import MARKS
from sensorium_recording.messages import decode_diagnostics

_WITNESS = str(Path(__file__).with_name("recording_witness.py"))
Triple = tuple[str, int, bytes]


def load(folder: Path, minutes: float) -> dict[str, object]:
    """Record for a while; the books, the cost, and whether anything is unaccounted for."""
    with RosCell({"record": "false"}) as cell, Recording(folder, "load") as recording:
        acting = Acting(cell)
        acting.await_recording()
        pid, begun_s, used = recording.process.pid, time.monotonic(), 0.0
        used = cpu_seconds(pid)
        acting.act(60.0 * minutes)
        wall_s = time.monotonic() - begun_s
        cpu = (cpu_seconds(pid) - used) / wall_s
        rss_mb = peak_rss_mb(pid)
        plans_hz = acting.rate_hz(begun_s, time.monotonic())
        recording.end()
        books, counts, sizes, span_s = _books(recording.bag)
        sent, kept = published(recording.bag)
    shutil.rmtree(recording.bag)
    received = sum(b["received"] for b in books.values())
    unaccounted = sum(
        abs(b["received"] - b["written"] - b["lost_queue"] - b["lost_write"])
        + abs(b["written"] - counts.get(topic, 0))
        for topic, b in books.items()
    )
    lost = {
        kind: sum(b[kind] for b in books.values())
        for kind in ("lost_transport", "lost_reader", "lost_queue", "lost_write")
    }
    return {
        "minutes": minutes, "span_s": span_s, "messages": received, **lost,
        "unaccounted": unaccounted, "cpu_of_a_core": cpu, "peak_rss_mb": rss_mb,
        "mb_per_s": sum(sizes.values()) / span_s / 1e6, "messages_per_s": received / span_s,
        "plans_hz": plans_hz, "published": sent, "published_and_in_bag": kept,
        "counted_by_sequence": sum(b["counted_by"] == "sequence" for b in books.values()),
        "topics_counted": sum(b["counted_by"] != "nothing" for b in books.values()),
        "topics": {t: {**books[t], "bytes": sizes.get(t, 0)} for t in sorted(books)},
    }  # fmt: skip


def _books(bag: Path) -> tuple[dict[str, dict], dict[str, int], dict[str, int], float]:
    reader = BagReader(bag)
    record = reader.metadata()["recording"]
    books = {topic: json.loads(text) for topic, text in record.items() if topic.startswith("/")}
    counts: dict[str, int] = {}
    sizes: dict[str, int] = {}
    first_ns = last_ns = 0
    for message in reader.messages():
        counts[message.topic] = counts.get(message.topic, 0) + 1
        sizes[message.topic] = sizes.get(message.topic, 0) + len(message.payload)
        first_ns, last_ns = first_ns or message.log_time_ns, message.log_time_ns
    return books, counts, sizes, (last_ns - first_ns) / 1e9


def published(bag: Path) -> tuple[int, int]:
    """What the simulator says that it published, and how much of it the bag holds.

    From the first report of the simulator since every topic is recorded to its last one: its
    counts, against the messages whose stamps lie between.
    """
    reports: list[tuple[int, dict[str, str]]] = []
    topics = {f"/{m.topic}": m.name for m in tabletop().modalities}
    stamps: dict[str, list[int]] = {topic: [] for topic in topics}
    for message in BagReader(bag).messages([*topics, "/diagnostics"]):
        if message.topic in topics:
            stamps[message.topic].append(read_stamp(message.payload))
            continue
        stamp_ns, statuses = decode_diagnostics(message.payload)
        reports += [(stamp_ns, dict(s.values)) for s in statuses if s.name == "sim"]
    whole_ns = max(min(seen) for seen in stamps.values())
    reports = [report for report in reports if report[0] >= whole_ns]
    (first_ns, before), (last_ns, after) = reports[0], reports[-1]
    sent = kept = 0
    for topic, name in topics.items():
        key = "published/" + ("joint_states" if name == "joints" else name)
        sent += int(after[key]) - int(before[key])
        kept += sum(first_ns < stamp <= last_ns for stamp in stamps[topic])
    return sent, kept


def load_page(result: dict[str, object]) -> str:
    """The table of the load."""
    rows = [
        ["load", f"{result['mb_per_s']:.1f} MB/s, {result['messages_per_s']:.0f} msg/s", ""],
        ["duration", f"{result['span_s']:.0f} s, {result['messages']} messages", "10 minutes"],
        ["lost in transport", str(result["lost_transport"]), "0"],
        ["lost in front of a busy recorder", str(result["lost_reader"]), "0"],
        ["lost for a slow disk", str(result["lost_queue"] + result["lost_write"]), "0"],
        ["unaccounted for", str(result["unaccounted"]), "0"],
        [
            "topics whose losses are counted by the publishers' numbers",
            f"{result['counted_by_sequence']} of {result['topics_counted']}",
            "all",
        ],
        [
            "the simulator's own count of sensor messages, and how many of them the bag holds",
            f"{result['published']}, {result['published_and_in_bag']}",
            "equal",
        ],
        ["recorder's CPU", f"{100 * result['cpu_of_a_core']:.1f} % of a core", "≤ 25 %"],
        ["recorder's peak memory", f"{result['peak_rss_mb']:.0f} MB", ""],
        ["policy meanwhile", f"{result['plans_hz']:.2f} trajectories/s", ""],
    ]
    return table(["what", "measured", "bar"], rows)


def hashes(folder: Path, seconds: float) -> dict[str, object]:
    """Hash what the middleware hands over; then what three readers find in the bag."""
    with RosCell({"record": "false"}) as cell, Recording(folder, "hash", _WITNESS) as recording:
        acting = Acting(cell)
        acting.await_recording()
        acting.act(seconds)
        handed = json.loads(recording.end().strip().splitlines()[-1])
    found = {
        "sensorium": _digests(_ours(recording.bag)),
        "mcap": _digests(_by_mcap(recording.bag)),
        "rosbags": _digests(_by_rosbags(recording.bag)),
    }
    size = sum(file.stat().st_size for file in recording.bag.iterdir())
    shutil.rmtree(recording.bag)
    marks = "/" + MARKS
    messages = {name: count for name, (_, count) in found.items()}
    digests = {n: {t: d for t, d in f.items() if t != marks} for n, (f, _) in found.items()}
    return {
        "topics": len(handed), "bytes_on_disk": size, "messages": messages,
        "equal": {name: digest == handed for name, digest in digests.items()},
    }  # fmt: skip


def _digests(triples: Iterable[Triple]) -> tuple[dict[str, str], int]:
    hashes: dict[str, object] = {}
    count = 0
    for topic, time_ns, payload in triples:
        sha = hashes.setdefault(topic, hashlib.sha256())
        sha.update(struct.pack("<qI", time_ns, len(payload)) + bytes(payload))
        count += 1
    return {topic: sha.hexdigest() for topic, sha in hashes.items()}, count


def _ours(bag: Path) -> Iterator[Triple]:
    for m in BagReader(bag).messages():
        yield m.topic, m.log_time_ns, m.payload


def _by_mcap(bag: Path) -> Iterator[Triple]:
    for file in BagReader(bag).files:
        with file.open("rb") as stream:
            reader = NonSeekingReader(stream, validate_crcs=True)
            for _, channel, message in reader.iter_messages(log_time_order=False):
                yield channel.topic, message.log_time, message.data


def _by_rosbags(bag: Path) -> Iterator[Triple]:
    """In the order of time, which is that of each topic."""
    with Reader(bag) as reader:
        for connection, time_ns, payload in reader.messages():
            yield connection.topic, time_ns, payload


def hashes_page(result: dict[str, object]) -> str:
    """The table of hashes."""
    rows = [
        [name, str(result["messages"][name]), "equal" if equal else "DIFFERENT"]
        for name, equal in result["equal"].items()
    ]
    return table(["read by", "messages", "SHA-256 of every topic against what was received"], rows)
