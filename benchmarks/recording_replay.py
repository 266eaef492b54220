"""A native-load bag played at rate 1: how well the times are kept, and whether the bytes are.

The replay is itself recorded; the two bags must hold the same payloads, topic by topic.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from recording_stack import Recording
from results_page import table
from running_cell import Acting
from sensorium_cli.domain import free_domain
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.over_ros import RosCell
from sensorium_recording.bag_reader import BagReader

_END = re.compile(r"p50 ([\d.]+) ms, p99 ([\d.]+) ms, max ([\d.]+) ms")
_NOT_PLAYED = "/diagnostics,/tf_static,/recorder/episode"


def replay(folder: Path, seconds: float) -> dict[str, object]:
    """Record, play, record the play."""
    with RosCell({"record": "true", "autostart": "false", "output": str(folder)}) as cell:
        bag = Path(cell.record())
        Acting(cell).act(seconds)
    os.sync()
    result: dict[str, object] = {"seconds": seconds, "runs": {}}
    one_camera = {"exclude": f"{_NOT_PLAYED},/camera/wrist/*"}
    result["runs"]["scene camera only, nobody listening"] = _play(bag, one_camera)
    result["runs"]["everything, nobody listening"] = _play(bag, {})
    for name, options in {
        "everything, recorded again meanwhile": {},
        "everything, recorded again, --realtime": {"realtime": True},
    }.items():
        result["runs"][name] = _play_and_record(folder, bag, options)
    shutil.rmtree(bag)
    return result


def _play_and_record(folder: Path, bag: Path, options: dict[str, object]) -> dict[str, object]:
    environment = middleware_environment({**os.environ, "ROS_DOMAIN_ID": str(free_domain())})
    os.environ.update(environment)
    topics = sorted(t for t in BagReader(bag).topics() if t not in _NOT_PLAYED.split(","))
    names = "[" + ", ".join(f'"{topic}"' for topic in topics) + "]"
    with Recording(folder, "replayed", topics=names) as recording:
        times = _play(bag, options)
        recording.end()
    original, played = _payloads(bag, topics), _payloads(recording.bag, topics)
    shutil.rmtree(recording.bag)
    os.sync()
    different = sorted(t for t in topics if original.get(t) != played.get(t))
    count = sum(count for _, count in original.values())
    return {**times, "messages": count, "different_topics": different}


def _play(bag: Path, options: dict[str, object]) -> dict[str, object]:
    command = [sys.executable, "-m", "sensorium_recording.nodes.player_node", "--ros-args"]
    settings = {"bag": bag, "delay_s": 5.0, "exclude": _NOT_PLAYED, **options}
    for key, value in settings.items():
        command += ["-p", f"{key}:={value}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = _END.search(done.stderr + done.stdout)
    assert found is not None, done.stderr
    p50, p99, worst = (float(number) for number in found.groups())
    return {"p50_ms": p50, "p99_ms": p99, "max_ms": worst}


def _payloads(bag: Path, topics: list[str]) -> dict[str, tuple[str, int]]:
    hashes = {topic: hashlib.sha256() for topic in topics}
    counts = dict.fromkeys(topics, 0)
    for message in BagReader(bag).messages(topics):
        hashes[message.topic].update(message.payload)
        counts[message.topic] += 1
    return {topic: (sha.hexdigest(), counts[topic]) for topic, sha in hashes.items()}


def replay_page(result: dict[str, object]) -> str:
    """The table of replays."""
    rows = []
    for name, run in result["runs"].items():
        payloads = "-"
        if "messages" in run:
            wrong = ", ".join(run["different_topics"])
            payloads = f"{run['messages']}: {wrong + ' DIFFER' if wrong else 'equal'}"
        times = f"{run['p50_ms']:.2f} / {run['p99_ms']:.2f} / {run['max_ms']:.1f} ms"
        rows.append([name, times, payloads])
    head = ["rate 1", "timing error p50 / p99 / max (bar: p99 < 2 ms)", "payloads, recorded again"]
    return table(head, rows)
