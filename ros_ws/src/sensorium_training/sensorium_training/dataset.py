"""From bags of generated episodes to a training cache, through the same aligner as live.

Each frame of the scene's depth camera becomes one row: what was known then, and labels from the
recorded ground truth. Worker processes each build a shard; shards are joined in order.
"""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract, tabletop
from sensorium_core.inputs import CommandHistory, Memory, reference_pose
from sensorium_core.kinematics import Kinematics
from sensorium_core.observation import Aligner, Observation, sense_validity
from sensorium_description import load_urdf
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.episodes import Episode, read_episode
from sensorium_sim.scene_json import goal_from_json, scene_from_json, state_from_json

from sensorium_training.cache import FIELDS, CacheWriter, Rows
from sensorium_training.labels import Frame, label_frames

_OBSERVED = (
    "scene_rgb", "wrist_rgb", "cloud", "wrench", "touch_left", "touch_right", "joints",
)  # fmt: skip


class EpisodeReader:
    """Turns one bag into rows; keeps the kinematics between bags."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._arm = Kinematics(load_urdf())

    def rows(self, path: Path, number: int) -> Rows | None:
        """Rows of one episode, or None when it holds no usable frame."""
        episode = read_episode(path, self._contract)
        states = {stamp: text for stamp, text in episode.states}
        observed: list[Observation] = []
        frames: list[Frame] = []
        flags: list[NDArray[np.float32]] = []
        for seen, setpoint, memory in replay(episode, self._contract):
            if seen.t_ns not in states or not seen.valid["joints"]:
                continue
            state = state_from_json(states[seen.t_ns])
            _, reference = reference_pose(setpoint, seen, self._arm)
            fresh = Memory()
            fresh.feel(seen)
            press_now, peak = float(fresh.vector()[4]), float(memory.vector()[4])
            frames.append(Frame(state, reference, seen.values["cloud"], peak, press_now))
            observed.append(seen)
            flags.append(sense_validity(self._contract, seen))
        if not frames:
            return None
        return {
            **{name: np.stack([o.values[name] for o in observed]) for name in _OBSERVED},
            "reference": np.stack([f.reference for f in frames]),
            "valid": np.stack(flags),
            "episode": np.full(len(frames), number),
            **_labels(path, frames, number),
        }


def replay(
    episode: Episode, contract: Contract
) -> Iterator[tuple[Observation, NDArray[np.float64] | None, Memory]]:
    """Push every message in time order; yield what was known at each depth frame.

    With the observation come the commanded setpoint (None before any) and the memory by then.
    """
    aligner, history, memory = Aligner(contract), CommandHistory(), Memory()
    if episode.camera is not None:
        aligner.set_camera(episode.camera)
    cursors = dict.fromkeys(episode.tracks, 0)
    commands = list(episode.commands)
    depth = next(m.name for m in contract.modalities if m.kind == "depth")
    for stamp in episode.tracks[depth].stamps_ns.tolist():
        for name, track in episode.tracks.items():
            end = int(np.searchsorted(track.stamps_ns, stamp, side="right"))
            for i in range(cursors[name], end):
                aligner.push(name, int(track.stamps_ns[i]), track.values[i])
            cursors[name] = end
        while commands and commands[0].stamp_ns < stamp:
            history.push(commands.pop(0))
        seen = aligner.observe(stamp)
        memory.feel(seen)
        yield seen, history.sample(stamp), memory


def _labels(path: Path, frames: list[Frame], number: int) -> Rows:
    facts = BagReader(path).metadata()["episode"]
    scene, goal = scene_from_json(facts["scene"]), goal_from_json(facts["goal"])
    rng = np.random.default_rng((7, number))
    return label_frames(scene, goal, frames[0].state, frames, rng)


def build_cache(
    bags: list[Path], path: Path, workers: int, progress: Callable[[int, int], None]
) -> None:
    """Build (or complete) a cache of these bags; shards already done are kept."""
    shards = [(i, bags[i : i + _SHARD], path / "shards" / f"{i:06d}") for i in _starts(bags)]
    todo = [s for s in shards if not (s[2] / "index.json").is_file()]
    done = len(shards) - len(todo)
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool:
        for _ in pool.imap_unordered(_build_shard, todo):
            done += 1
            progress(done, len(shards))
    _join([s[2] for s in shards], path, data_hash(bags))


_SHARD = 50


def _starts(bags: list[Path]) -> range:
    return range(0, len(bags), _SHARD)


def data_hash(bags: list[Path]) -> str:
    """SHA-256 over names and sizes of the bags, for provenance."""
    sha = hashlib.sha256()
    for bag in bags:
        size = sum(f.stat().st_size for f in bag.iterdir())
        sha.update(f"{bag.name}:{size};".encode())
    return sha.hexdigest()


def _build_shard(job: tuple[int, list[Path], Path]) -> int:
    first, bags, path = job
    reader = EpisodeReader(tabletop())
    writer = CacheWriter(path)
    for offset, bag in enumerate(bags):
        rows = reader.rows(bag, first + offset)
        if rows is not None:
            writer.append(rows)
    writer.close(episodes=len(bags))
    return first


def _join(shards: list[Path], path: Path, digest: str) -> None:
    """Concatenate shards field by field; they are removed as they are taken in."""
    rows = [json.loads((s / "index.json").read_text())["rows"] for s in shards]
    for name in FIELDS:
        with (path / f"{name}.bin").open("wb") as out:
            for shard in shards:
                out.write((shard / f"{name}.bin").read_bytes())
    index = {"rows": sum(rows), "data_hash": digest, "shards": len(shards)}
    (path / "index.json").write_text(json.dumps(index, indent=1))
