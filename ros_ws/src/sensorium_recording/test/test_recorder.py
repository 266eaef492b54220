"""The recorder's states, books, marks and what it does when the disk fails. No ROS."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import BagError, RecorderConfigError
from sensorium_recording import mcap_file, recorder_config
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.episode_marks import MARKS
from sensorium_recording.loss import Account
from sensorium_recording.messages import (
    DIAGNOSTICS,
    Status,
    decode_diagnostics,
    encode_diagnostics,
    encode_string,
)
from sensorium_recording.recorder import Recorder
from sensorium_recording.recorder_config import RecorderConfig
from sensorium_recording.rosbag2_metadata import Offer

STRING = "std_msgs/msg/String"
NS = 10**9


def make(tmp_path: Path, **settings: object) -> Recorder:
    config = RecorderConfig(str(tmp_path), "run", **settings)  # type: ignore[arg-type]
    made = Recorder(config, {"contract": {"json": "{}"}})
    for topic, kind in {
        "/a": STRING, "/instruction": STRING,
        "/sim/outcome": DIAGNOSTICS, "/policy/step": DIAGNOSTICS,
    }.items():  # fmt: skip
        made.declare(topic, kind, Offer())
    return made


def books(bag: Path, topic: str) -> dict[str, int]:
    return json.loads(BagReader(bag).metadata()["recording"][topic])


def judged(status: str) -> bytes:
    return encode_diagnostics(1, [Status("sim", 0, "", {"status": status, "reason": "why"})])


def stepped(state: str, instruction: str) -> bytes:
    values = {"state": state, "instruction": instruction, "reason": "so"}
    return encode_diagnostics(1, [Status("policy", 0, "", values)])


def marks(bag: Path) -> list[tuple[str, str, str, str]]:
    found = []
    for message in BagReader(bag).messages({"/" + MARKS}):
        (status,) = decode_diagnostics(message.payload)[1]
        values = status.values
        found.append((status.message, values["number"], values["instruction"], values["outcome"]))
    return found


def test_bags_are_numbered_and_nothing_is_written_when_off(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.take("/a", 1, encode_string("lost"), 1)
    for expected in ("run", "run_2"):
        assert made.start() == tmp_path / expected
        with pytest.raises(BagError, match="is being recorded"):
            made.start()
        made.take("/a", 1, encode_string("kept"), 2)
        assert made.status().values["written//a"] == "1"
        assert made.stop() == tmp_path / expected
        assert len(list(BagReader(tmp_path / expected).messages())) == 1
    with pytest.raises(BagError, match="start first"):
        made.stop()


def test_what_was_latched_before_is_in_every_bag(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.declare("/about", STRING, Offer(latched=True, depth=1))
    for text in ("old", "new"):
        made.take("/about", 5, encode_string(text), 1)
    for _ in range(2):
        made.start(7)
        bag = made.stop()
        (message,) = BagReader(bag).messages({"/about"})
        assert (message.log_time_ns, message.payload) == (7, encode_string("new"))
        assert books(bag, "/about")["received"] == books(bag, "/about")["written"] == 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 100))
def test_every_number_missing_between_two_received_is_a_loss(gaps: list[int], first: int) -> None:
    account, number = Account(), first
    for gap in gaps:
        account.take(number)
        number += 1 + gap
    assert account.lost == sum(gaps[:-1])
    assert account.received == len(gaps)


@given(st.lists(st.booleans(), min_size=2, max_size=80))
def test_two_publishers_on_one_topic_are_not_taken_for_losses(turns: list[bool]) -> None:
    account, numbers = Account(publishers=2), {True: 5000, False: 10}
    for turn in turns:
        numbers[turn] += 1
        account.take(numbers[turn])
    assert (account.lost, account.restarts) == (0, 0)


def test_a_publisher_that_starts_anew_is_no_loss() -> None:
    account = Account()
    for number in (100, 101, 102, 1, 2, 3):
        account.take(number)
    assert (account.lost, account.restarts) == (0, 1)


def test_without_numbers_stamps_tell_of_losses() -> None:
    account = Account(expected_rate_hz=100.0)
    for stamp in (0, 10, 20, 60, 71, 79, 90):
        account.take(None, stamp * 1_000_000 + NS)
    assert (account.lost_transport, account.counted_by) == (3, "stamps")


def test_losses_are_laid_to_the_queue_that_was_full() -> None:
    account = Account()
    account.take(1)
    account.take(4, queue_was_full=True)
    account.take(6)
    assert (account.lost_reader, account.lost_transport) == (2, 1)


def test_books_are_in_the_bag(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.start()
    for number in (1, 2, 5):
        made.take("/a", number, encode_string("x"), number)
    found = books(made.stop(), "/a")
    assert (found["received"], found["written"], found["lost_transport"]) == (3, 3, 2)


def test_what_the_disk_is_too_slow_for_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    made.start()
    backlog = made._bag.backlog
    made.take("/a", 1, encode_string("x"), 1)
    monkeypatch.setattr(type(backlog), "full", property(lambda _: True))
    made.take("/a", 2, encode_string("x"), 2)
    monkeypatch.undo()
    made.take("/a", 3, encode_string("x"), 3)
    found = books(made.stop(), "/a")
    assert (found["received"], found["written"], found["lost_queue"]) == (3, 2, 1)


def test_each_instruction_is_an_episode_that_a_verdict_ends(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.start()
    made.take("/sim/outcome", 1, judged("success"), 1)
    made.take("/instruction", 2, encode_string("pick up the red cube"), 1)
    made.take("/sim/outcome", 3, judged("success"), 2)
    made.take("/sim/outcome", 4, judged("running"), 3)
    made.take("/sim/outcome", 5, judged("success"), 4)
    made.take("/instruction", 6, encode_string("press the red button"), 2)
    made.take("/instruction", 7, encode_string(""), 3)
    bag = made.stop()
    assert marks(bag) == [
        ("start", "0", "pick up the red cube", ""),
        ("end", "0", "pick up the red cube", "success"),
        ("start", "1", "press the red button", ""),
        ("end", "1", "press the red button", ""),
    ]
    episodes = json.loads(BagReader(bag).metadata()["episodes"]["json"])
    assert [e["outcome"] for e in episodes] == ["success", ""]


def test_without_a_judge_the_policy_ends_an_episode_a_moment_later(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.start()
    made.take("/instruction", NS, encode_string("go"), 1)
    made.take("/policy/step", 2 * NS, stepped("done", "another"), 1)
    made.take("/policy/step", 3 * NS, stepped("done", "go"), 2)
    made.tick(3 * NS + 1, 1)
    assert made.marks.current is not None
    made.tick(5 * NS, 2)
    assert marks(made.stop())[-1] == ("end", "0", "go", "done")


def test_services_mark_episodes(tmp_path: Path) -> None:
    made = make(tmp_path, episodes="service")
    with pytest.raises(BagError, match="start first"):
        made.start_episode(1)
    made.start()
    made.take("/instruction", 1, encode_string("go"), 1)
    with pytest.raises(BagError, match="no episode open"):
        made.end_episode(2, "success")
    assert made.start_episode(3) == 0
    assert made.end_episode(4, "failure") == 0
    assert made.start_episode(5) == 1
    assert marks(made.stop()) == [
        ("start", "0", "go", ""), ("end", "0", "go", "failure"),
        ("start", "1", "go", ""), ("end", "1", "go", ""),
    ]  # fmt: skip


def test_a_disk_error_ends_the_recording_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    made.start()
    made.take("/a", 1, encode_string("kept"), 1)
    made.tick(1, NS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    made._bag.backlog.submit(lambda: None, 0)
    while made._bag.backlog.pending_bytes or made._bag.backlog._jobs:
        pass
    monkeypatch.setattr(mcap_file._Tail, "write_chunk", full)
    made.take("/a", 2, encode_string("lost"), 2)
    made.tick(1, 2 * NS)
    look = 2 * NS
    while made.recording:
        look += NS // 10
        made.tick(1, look)
    status = made.status()
    assert status.level == 2
    assert "No space left" in status.message
    assert "sensorium repair" in status.message
    assert made.accounts["/a"].summary()["lost_write"] == 1
    assert made.accounts["/a"].written == 1


def test_any_error_of_the_writing_thread_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    made.start()
    monkeypatch.setattr(mcap_file._Tail, "write_chunk", lambda *_: [][0])
    made.take("/a", 1, encode_string("lost"), 1)
    with pytest.raises(BagError, match="IndexError"):
        made.stop()
    assert not (tmp_path / "run").exists()
    assert made.accounts["/a"].summary()["lost_write"] == 1


def test_a_mark_that_cannot_be_written_ends_the_recording_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    made.start()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made._bag, "write", full)
    made.take("/instruction", 1, encode_string("go"), 1)
    assert not made.recording
    assert "No space left" in made.problem
    assert made.accounts["/instruction"].lost == 1
    with pytest.raises(BagError, match="No space left"):
        made.stop()


def test_stopping_when_the_last_mark_cannot_be_written_is_a_named_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    made.start()
    made.take("/instruction", 1, encode_string("go"), 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made._bag, "write", full)
    with pytest.raises(BagError, match="No space left"):
        made.stop()


def test_the_books_of_a_closed_bag_stay_while_messages_go_on(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.start()
    made.take("/a", 1, encode_string("x"), 1)
    made.stop()
    made.take("/a", 2, encode_string("x"), 2)
    made.take("/a", 3, encode_string("x"), 9)
    assert made.status().values["received//a"] == made.status().values["written//a"] == "1"
    made.start()
    made.take("/a", 4, encode_string("x"), 10)
    assert books(made.stop(), "/a")["lost_transport"] == 0


def test_an_unfinished_recording_is_never_removed(tmp_path: Path) -> None:
    kept = tmp_path / "run.partial" / "run_0.mcap"
    kept.parent.mkdir()
    kept.write_bytes(b"what a crash has left")
    made = make(tmp_path)
    assert made.start() == tmp_path / "run_2"
    made.stop()
    with pytest.raises(BagError, match="sensorium repair"):
        BagWriter(tmp_path / "run")
    assert kept.read_bytes() == b"what a crash has left"


@pytest.mark.parametrize("replace", [False, True], ids=["deleted", "replaced"])
def test_a_directory_that_vanishes_is_noticed(tmp_path: Path, replace: bool) -> None:
    made = make(tmp_path)
    made.start()
    path = made._bag.path
    made.take("/a", 1, encode_string("kept"), 1)
    shutil.rmtree(path.parent)
    if replace:
        path.parent.mkdir()
        path.write_bytes(b"")
    made.tick(1, NS)
    assert not made.recording
    assert str(path) in made.problem
    assert "nothing of it is left" in made.problem
    assert (made.accounts["/a"].written, made.accounts["/a"].lost) == (0, 1)


def test_the_bag_is_closed_whole_when_room_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    made.start()
    made.take("/a", 1, encode_string("kept"), 1)
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(recorder_config.shutil, "disk_usage", lambda _: usage)
    made.tick(1, NS)
    assert not made.recording
    assert "1.00 GB left" in made.problem
    assert len(list(BagReader(tmp_path / "run").messages())) == 1
    with pytest.raises(BagError, match="make room"):
        made.start()


def test_a_read_only_place_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    made = Recorder(RecorderConfig(str(tmp_path / "file"), "run"), {})
    with pytest.raises(BagError, match="cannot be written"):
        made.start()


def test_a_clock_that_jumps_back_is_recorded_and_told(tmp_path: Path) -> None:
    made = make(tmp_path)
    made.start()
    for number, time_ns in enumerate((100 * NS, 101 * NS, 5 * NS, 6 * NS)):
        made.take("/a", time_ns, encode_string("x"), number)
    bag = made.stop()
    assert [m.log_time_ns // NS for m in BagReader(bag).messages()] == [100, 101, 5, 6]
    assert BagReader(bag).metadata()["recording"]["clock_jumps"] == "1"


@pytest.mark.parametrize(
    ("field", "value"),
    [("split_gb", -1.0), ("min_free_gb", float("nan")), ("episodes", "all"), ("name", "a/b")],
)
def test_settings_outside_their_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(RecorderConfigError, match=field):
        RecorderConfig(**{field: value})  # type: ignore[arg-type]
