"""Live = bag: every step taken live is taken again from its recording, bit for bit."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sensorium_cli.over_ros import Case, RosCell
from sensorium_cli.parity import verify
from sensorium_cli.recorded_steps import StepReader
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import BagError, PolicyFileError
from sensorium_core.goal import Goal
from sensorium_core.hashes import file_sha256
from sensorium_recording.alignment import aligned_frames
from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.bag_writer import BagWriter

pytest.importorskip("rclpy")
Edit = Callable[[int, RawMessage], bytes | None]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    arguments = {
        "record": "true", "output": str(folder), "min_free_gb": "0.1",
        "camera_width": "320", "camera_height": "240", "autostart": "false",
    }  # fmt: skip
    with RosCell(arguments) as cell:
        cell.record()
        cell.run(Case(1_200_000, Goal("pick", "red", "cube"), "pick up the red cube"))
        cell.run(Case(1_200_001, Goal("press", "green"), "press the green button"))
    return folder / "episode"


def edited(bag: Path, target: Path, topic: str, edit: Edit) -> Path:
    """A copy in which `edit` changes, or leaves out, messages of a topic."""
    reader, number = BagReader(bag), 0
    with BagWriter(target) as writer:
        for name, values in reader.metadata().items():
            writer.write_metadata(name, values)
        for message in reader.messages():
            payload: bytes | None = message.payload
            if message.topic == topic:
                payload, number = edit(number, message), number + 1
            if payload is not None:
                writer.write(message.topic, message.type_name, message.log_time_ns, payload)
    return target


def test_every_live_step_is_equal_offline(bag: Path) -> None:
    report = verify(bag)
    assert [str(m) for m in report.mismatches] == []
    assert report.equal
    assert report.acted >= 5
    assert report.early <= 3


def test_training_rows_hold_what_the_live_policy_saw(bag: Path) -> None:
    steps = StepReader(bag, tabletop()).steps()
    live = {step.t_ns: step.values["digest"] for step in steps if not step.early}
    rows = {f.t_ns: f.observation.digest() for f in aligned_frames(bag, tabletop())}
    shared = live.keys() & rows.keys()
    assert len(shared) >= 5
    assert {t: rows[t] for t in shared} == {t: live[t] for t in shared}


def test_a_changed_sample_is_named_with_step_and_modality(bag: Path, tmp_path: Path) -> None:
    def heavier(number: int, message: RawMessage) -> bytes:
        return message.payload[:-1] + bytes([message.payload[-1] ^ 1])

    report = verify(edited(bag, tmp_path / "ep", "/wrench", heavier))
    first = report.mismatches[0]
    assert (first.where, "has other bytes" in first.what) == ("wrench", True)
    assert {m.where for m in report.mismatches} >= {"wrench", "observation"}
    assert not report.equal


def test_a_lost_sample_is_named(bag: Path, tmp_path: Path) -> None:
    lost = edited(bag, tmp_path / "ep", "/touch/left", lambda n, m: None if n % 2 else m.payload)
    first = verify(lost).mismatches[0]
    assert (first.where, "is not in the bag" in first.what) == ("touch_left", True)


def test_a_changed_proposal_is_named(bag: Path, tmp_path: Path) -> None:
    def bent(number: int, message: RawMessage) -> bytes:
        data = bytearray(message.payload)
        data[-20] ^= 1
        return bytes(data)

    report = verify(edited(bag, tmp_path / "ep", "/command/joint_trajectory", bent))
    assert {m.where for m in report.mismatches} == {"proposal"}


def test_another_policy_is_refused_by_name(bag: Path, tmp_path: Path) -> None:
    other = tmp_path / "policy.onnx"
    original = Path(__file__).parents[1] / "models" / "tabletop" / "policy.onnx"
    import onnx

    model = onnx.load(original)
    model.producer_name = "somebody else"
    onnx.save(model, other)
    with pytest.raises(PolicyFileError, match="the one that acted"):
        verify(bag, other)


def test_a_bag_without_steps_says_so(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "ep") as writer:
        writer.write_metadata("contract", {"json": "{}"})
    with pytest.raises(BagError, match="holds no policy/step"):
        verify(tmp_path / "ep")


def test_steps_beside_a_fast_half_are_equal_too(pressing_policy: Path, tmp_path: Path) -> None:
    """A wrench that reads 2 N too little makes it correct in free space."""
    fast = Path(__file__).parents[1] / "models" / "fast"
    arguments = {
        "record": "true", "output": str(tmp_path), "min_free_gb": "0.1",
        "camera_width": "320", "camera_height": "240", "autostart": "false",
        "policy": str(pressing_policy), "fast_policy": str(fast),
    }  # fmt: skip
    with RosCell(arguments) as cell:
        cell.record()
        cell.prepare(Case(1_200_000, Goal("pick", "red", "cube"), "pick up the red cube"))
        cell.client.set_fault("wrench", "bias:-2")
        cell.client.say("pick up the red cube")
        cell.client.spin(4.0)
        cell.client.say("")
        cell.client.spin(0.5)
    bag = tmp_path / "episode"
    report = verify(bag, pressing_policy)
    assert [str(m) for m in report.mismatches] == []
    assert report.equal
    assert report.fast_sha256 == file_sha256(fast / "correction.onnx")
    steps = list(StepReader(bag, touch()).steps())
    assert sum(step.before.ahead is not None for step in steps) >= 3
    assert sum(int(step.values["fast/proposals"]) for step in steps) >= 40
