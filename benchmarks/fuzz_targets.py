"""Every parser of outside data as a function of bytes, and valid inputs to begin from.

A target may raise `SensoriumError` and nothing else. `fuzz_parsers.py` drives them with atheris;
the tests with a fixed set of mutations. Inputs are made at run time; nothing is kept in the tree.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import fuzz_bags
import fuzz_models
import numpy as np
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from sensorium_cli.launch.expression import evaluate
from sensorium_cli.launch.interpreter import declared_arguments, interpret
from sensorium_control.limits import gripper_limits
from sensorium_core.calibration import load_camera_calibration, load_wrench_calibration
from sensorium_core.cdr import decode_joint_states, decode_wrenches
from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import SensoriumError
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.image_cdr import decode_image, decode_images
from sensorium_core.instruction import parse_instruction, shown
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.language import LanguageEncoder
from sensorium_core.nodes.messages import trajectory_from_message
from sensorium_core.nodes.raw import JointStateReader, read_image, read_stamp, read_wrench
from sensorium_core.phrases_file import read_phrases
from sensorium_core.policy import Policy, input_shapes
from sensorium_core.policy_description import PolicyDescription
from sensorium_core.used_messages import read_used
from sensorium_description import load_urdf
from sensorium_fusion.carried import Carried
from sensorium_fusion.fast_loop import READINGS, Felt
from sensorium_fusion.sensor_messages import decoder
from sensorium_recording import messages
from sensorium_recording.bag_entry import BagEntry, TopicFacts
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.built_bag import BuiltBag, BuiltEpisode
from sensorium_recording.card import make_card
from sensorium_recording.definitions import definition_of
from sensorium_recording.importer import import_bag
from sensorium_recording.index import EpisodeIndex
from sensorium_recording.repair import repair
from sensorium_recording.rosbag2_metadata import Offer, offer_yaml, parse_offer
from sensorium_recording.survey import survey
from sensorium_recording.topic_map import parse_map
from sensorium_recording.typestore import decode, schema_text
from sensorium_sim.fast_correction import Intent
from sensorium_sim.scene_json import goal_from_json, scene_from_json, state_from_json

ROOT = Path(__file__).resolve().parents[1]
_CONTRACT = tabletop()
_ROBOT = b"<robot name='a'><link name='b'/></robot>"


@dataclass(frozen=True)
class Target:
    """One parser."""

    run: Callable[[bytes], None]
    """Raises `SensoriumError` for what it refuses."""
    seeds: Callable[[], list[bytes]]
    most: int = 4096
    """Longest input, in bytes, that fuzzing makes; the parser's own bound may be higher."""
    slow_s: float = 1.0
    """CPU time for one input beyond which it counts as a failure."""


@lru_cache(maxsize=1)
def scratch() -> Path:
    """A folder of this process for files that parsers open; in memory where that is possible."""
    memory = Path("/dev/shm")
    return Path(
        tempfile.mkdtemp(prefix="sensorium_fuzz_", dir=memory if memory.is_dir() else None)
    )


def clean() -> None:
    """Remove the scratch folder."""
    shutil.rmtree(scratch(), ignore_errors=True)
    scratch.cache_clear()


def _file(name: str, data: bytes) -> Path:
    path = scratch() / name
    path.write_bytes(data)
    return path


def _text(data: bytes) -> str:
    """Text of any bytes, halves of characters and all: what a terminal hands to a program."""
    return data.decode("utf-8", "surrogateescape")


def _each(*steps: Callable[[], object]) -> None:
    """All steps, whatever the earlier ones refuse."""
    for step in steps:
        with contextlib.suppress(SensoriumError):
            step()


def _policy(data: bytes) -> None:
    policy = Policy(_file("policy.onnx", data))
    kinds = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}
    tensors = {n: np.zeros(s, kinds[k]) for n, (k, s) in input_shapes(policy.contract).items()}
    policy.run(tensors)


def _fast(data: bytes) -> None:
    policy = FastPolicy(_file("correction.onnx", data))
    policy(Felt(np.full((READINGS, 6), 5.0), Intent(8.0, 1.0)))


def _encoder(data: bytes) -> None:
    LanguageEncoder(_file("encoder.onnx", data)).encode("pick the red cubes")


def _contract(data: bytes) -> None:
    _each(
        lambda: Contract.from_json(_text(data)),
        lambda: Contract.load(_file("contract.yaml", data)),
    )


def _calibration(data: bytes) -> None:
    path = _file("calibration.yaml", data)
    _each(lambda: load_camera_calibration(path).camera(), lambda: load_wrench_calibration(path))


def _launch(data: bytes) -> None:
    path = _file("fuzz.launch.yaml", data)
    environment = {"PATH": "/usr/bin", "HOME": "/root"}
    _each(
        lambda: declared_arguments(path),
        lambda: interpret(path, {}, environment),
        lambda: evaluate(_text(data)),
    )


def _urdf(data: bytes) -> None:
    text = _text(data)
    _each(lambda: gripper_limits(text), lambda: Kinematics(text).fk(np.zeros(6)))


def _wire(data: bytes) -> None:
    """What nodes receive, and then the same once more: readers keep what they learned."""
    reader = JointStateReader(JOINTS)
    steps = [
        lambda: read_wrench(data),
        lambda: reader.read(data),
        lambda: reader.read(data),
        lambda: read_image(data, "rgb8"),
        lambda: read_image(data, "16UC1"),
        lambda: read_stamp(data),
    ]
    steps += [lambda m=m: decoder(m, _CONTRACT)(data) for m in _CONTRACT.modalities]
    _each(*steps)


def _cdr(data: bytes) -> None:
    cut = data[: len(data) // 2 * 2]
    _each(
        lambda: decode_wrenches([data, data]),
        lambda: decode_wrenches([data, cut]),
        lambda: decode_joint_states([data, data]),
        lambda: decode_image(data),
        lambda: decode_images([data, data]),
    )


def _messages(data: bytes) -> None:
    _each(
        lambda: messages.decode_string(data),
        lambda: messages.decode_camera_info(data),
        lambda: messages.decode_trajectory(data),
        lambda: messages.diagnostic_values(data),
        lambda: trajectory_from_message(decode(data, messages.TRAJECTORY), 64),
        *(
            lambda kind=kind: decode(data, kind)
            for kind in (messages.MARKERS, messages.TRANSFORMS, messages.POINT_CLOUD)
        ),
    )


def _bag(data: bytes) -> None:
    bag = BagReader(_file("bag.mcap", data))
    _each(
        lambda: sum(1 for _ in bag.messages()),
        lambda: bag.channels(),
        lambda: bag.metadata(),
        lambda: sum(1 for _ in bag.messages_from(1_010_000_000, ("/instruction",)) or ()),
    )


def _repair(data: bytes) -> None:
    output = scratch() / "repaired"
    shutil.rmtree(output, ignore_errors=True)
    repair(_file("broken.mcap", data), output)


def _contents(data: bytes) -> None:
    """Payloads within a whole bag: each begins with a byte that says of which topic."""
    known = fuzz_bags.payloads()
    names = sorted(known)
    parts = []
    for piece in data.split(b"|--|")[:16]:
        if piece:
            topic = names[piece[0] % len(names)]
            parts.append((topic, known[topic][0], piece[1:]))
    words = data.decode("utf-8", "replace")
    facts = {"episode": {"goal": words[:200]}, "contract": {"json": words}}
    path = _file("contents.mcap", fuzz_bags.around(parts, facts))
    survey(scratch(), path.name, 0, 0)
    make_card(path)


def _import(data: bytes) -> None:
    suffix = ".db3" if data.startswith(b"SQLite") else ".mcap"
    output = scratch() / "imported"
    shutil.rmtree(output, ignore_errors=True)
    import_bag(_file("foreign" + suffix, data), output, {}, _CONTRACT)


def _definitions(data: bytes) -> None:
    kind, _, text = _text(data).partition("\n")
    for form in (MessageDefinitionFormat.MSG, MessageDefinitionFormat.IDL):
        definition_of(kind or "a/msg/B", MessageDefinition(form, text))


def _recorded_json(data: bytes) -> None:
    text = _text(data)
    _each(
        lambda: Carried.from_json(text),
        lambda: PolicyDescription.from_json(text).camera_pose,
        lambda: read_used(0, {"used/wrench": text}),
        lambda: state_from_json(text),
        lambda: scene_from_json(text),
        lambda: goal_from_json(text),
    )
    with contextlib.suppress(ValueError, TypeError, KeyError):  # As its documentation says.
        BuiltBag.from_json(text)


def _index(data: bytes) -> None:
    folder = scratch() / "bags"
    (folder / ".sensorium").mkdir(parents=True, exist_ok=True)
    (folder / ".sensorium" / "index.jsonl").write_bytes(data)
    assert EpisodeIndex(folder).entries == []


def _names(data: bytes) -> None:
    text = _text(data)
    path = _file("map.yaml", data)
    _each(
        lambda: parse_offer(text),
        lambda: parse_map([text]),
        lambda: parse_map([], path),
        lambda: read_phrases(path),
    )


@lru_cache(maxsize=1)
def _language() -> LanguageEncoder:
    return LanguageEncoder(fuzz_models.released("language/encoder.onnx"))


def _instruction(data: bytes) -> None:
    text = _text(data)
    assert len(shown(text)) <= 1200
    _each(lambda: parse_instruction(text), lambda: _language().encode(text))


def _texts(folder: str, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / folder).glob(pattern))]


def _payloads() -> list[bytes]:
    return [payload for _, payload in fuzz_bags.payloads().values()]


def _content_seeds() -> list[bytes]:
    known = fuzz_bags.payloads()
    single = [bytes([at]) + known[name][1] for at, name in enumerate(sorted(known))]
    return [b"|--|".join(single), *single]


def _json_seeds() -> list[bytes]:
    carried = Carried("acting", "", "pick", (0.1, 0.2, 0.3), 1.0, (0.5,), 1, False, None)
    pose = tuple(np.eye(4).ravel().tolist())
    about = PolicyDescription("a" * 64, "b" * 64, "c" * 64, ("wrench",), pose)
    built = BuiltBag("d" * 64, (BuiltEpisode(0, 3, "pick", "success", "pick"),), ("pick",))
    goal = {"family": "pick", "colour": "red", "shape": "cube", "direction": None}
    texts = [carried.to_json(), about.to_json(), built.to_json(), json.dumps(goal)]
    return [*(text.encode() for text in texts), b"-1000:0badcafe 0:00000001"]


def _index_seeds() -> list[bytes]:
    facts = TopicFacts("std_msgs/msg/String", 1, 1.0, 0.0, 0, 1)
    entry = BagEntry("a", "whole", 1, 1, "e" * 64, 0, 1.0, 1, {"/a": facts}, (), "")
    return [(json.dumps({"format": 3, **entry.to_json()}) + "\n").encode()]


def _instruction_seeds() -> list[bytes]:
    texts = ("pick up the red cube", "push the blue cylinder to the left", "don't press it",
             "التقط المكعب الأحمر", "הרם את הקובייה", "拿起红色方块", "\u202epick\u202c",
             "a\x1b[2Jb")  # fmt: skip
    return [text.encode() for text in texts]


def _definition_seeds() -> list[bytes]:
    kinds = ("sensor_msgs/msg/JointState", "std_msgs/msg/String", "geometry_msgs/msg/Wrench")
    own = "a/msg/B\n" + "=" * 80 + "\nIDL: a/msg/B\nmodule a { module msg { struct B {\n"
    own += "  double x; sequence<uint8, 3> y; string<8> z;\n}; }; };\n"
    return [*(f"{kind}\n{schema_text(kind)}".encode() for kind in kinds), own.encode()]


def _name_seeds() -> list[bytes]:
    return [offer_yaml(Offer()).encode(), b"/a: /b\n", b"/a=/b", b"pick\tred cube\tgrab it\n"]


def _eval_seeds() -> list[bytes]:
    return [b"1 + 2 * (3 - 4) if 'a' in ['a', 'b'] else max(1, 2)", b"not True and 3 // 2 == 1"]


TARGETS: dict[str, Target] = {
    "policy_file": Target(_policy, lambda: [fuzz_models.tiny_policy()], 16384),
    "fast_file": Target(_fast, lambda: [fuzz_models.tiny_fast()], 16384),
    "language_file": Target(_encoder, lambda: [fuzz_models.tiny_encoder()], 16384),
    "contract": Target(
        _contract,
        lambda: [
            _CONTRACT.to_json().encode(),
            *_texts("ros_ws/src/sensorium_core/sensorium_core/contracts", "*.yaml"),
        ],
        8192,
    ),
    "calibration": Target(_calibration, lambda: _texts("calibration/ur5e_cell", "*.yaml")),
    "launch_file": Target(_launch, lambda: _texts("launch", "*.yaml") + _eval_seeds(), 8192),
    "urdf": Target(_urdf, lambda: [load_urdf().encode(), _ROBOT], 65536),
    "wire": Target(_wire, _payloads),
    "cdr": Target(_cdr, _payloads),
    "messages": Target(_messages, _payloads),
    "bag": Target(_bag, lambda: [fuzz_bags.ours("lz4"), fuzz_bags.ours("zstd")], 65536),
    "bag_repair": Target(_repair, lambda: [fuzz_bags.ours("lz4"), fuzz_bags.ours("zstd")], 65536),
    "bag_contents": Target(_contents, _content_seeds),
    "bag_import": Target(_import, lambda: [fuzz_bags.sqlite_bag(), fuzz_bags.ours("zstd")], 65536),
    "definitions": Target(_definitions, _definition_seeds),
    "recorded_json": Target(_recorded_json, _json_seeds),
    "index": Target(_index, _index_seeds),
    "names": Target(_names, _name_seeds),
    "instruction": Target(_instruction, _instruction_seeds, 2048),
}  # fmt: skip


def run_one(target: Target, data: bytes) -> None:
    """One input through one parser; what it refuses with a house error is well."""
    with contextlib.suppress(SensoriumError):
        target.run(data)
