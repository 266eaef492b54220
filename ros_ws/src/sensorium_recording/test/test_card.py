"""Cards: the facts of a bag, a verdict for each sense, and the episodes that it tells of."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sensorium_core.cdr import wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError
from sensorium_core.image_cdr import encode_image
from sensorium_core.policy_description import TOPIC, PolicyDescription
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.card import make_card
from sensorium_recording.commands.card import card
from sensorium_recording.episode_log import EpisodeLog
from sensorium_recording.episode_marks import MARKS, Mark
from sensorium_recording.messages import (
    DIAGNOSTICS,
    STRING,
    Status,
    encode_diagnostics,
    encode_string,
)

WRENCH = "geometry_msgs/msg/WrenchStamped"
IMAGE = "sensor_msgs/msg/Image"
S = 10**9


def outcome(status: str, reason: str = "") -> bytes:
    return encode_diagnostics(S, [Status("sim", 0, "", {"status": status, "reason": reason})])


def write(path: Path, namespace: str = "", with_contract: bool = True) -> Path:
    rng = np.random.default_rng(0)
    stamps = np.arange(1000) * 2_000_000 + S
    payloads = wrench_layout("tool").encode(stamps, rng.normal(size=(1000, 6)))
    with BagWriter(path) as bag:
        if with_contract:
            bag.write_metadata("contract", {"json": tabletop().to_json()})
        counts = {"received": 1000, "written": 990, "lost_transport": 0, "lost_queue": 10}
        bag.write_metadata("recording", {"/wrench": json.dumps(counts), "reason": "disk full"})
        bag.write("/instruction", STRING, S, encode_string("push the red cube"))
        for i, payload in enumerate(payloads):
            bag.write(f"{namespace}/wrench", WRENCH, int(stamps[i]), payload)
            if i % 20 == 0:
                picture = rng.integers(0, 200, (48, 64, 3)).astype(np.uint8)
                data = encode_image(int(stamps[i]), "cam", picture, "rgb8")
                bag.write(f"{namespace}/camera/scene/image_raw", IMAGE, int(stamps[i]), data)
        bag.write("/sim/outcome", DIAGNOSTICS, 3 * S, outcome("success", "it moved"))
    return path


@pytest.mark.parametrize("namespace", ["", "/left_arm"])
def test_a_card_tells_the_facts_of_a_bag(tmp_path, namespace):
    made = make_card(write(tmp_path / "ep", namespace))
    assert (made.messages, made.files, made.duration_s) == (1052, 1, 2.0)
    assert made.size_bytes == (tmp_path / "ep" / "ep_0.mcap").stat().st_size
    assert made.payload_bytes == sum(h.payload_bytes for h in made.streams)
    assert made.contract == "tabletop"
    (episode,) = made.episodes
    assert (episode.instruction, episode.outcome, episode.reason) == (
        "push the red cube", "success", "it moved",
    )  # fmt: skip
    assert made.verdicts[f"{namespace}/wrench"].words == "ok"
    assert (made.loss["/wrench"]["lost_queue"], made.recorder) == (10, {"reason": "disk full"})


def test_rates_are_held_against_the_contract_and_missing_senses_are_named(tmp_path):
    made = make_card(write(tmp_path / "ep"))
    wrench = next(h for h in made.streams if h.topic == "/wrench")
    assert (wrench.expected_rate_hz, wrench.max_age_s) == (500.0, 0.1)
    assert (
        made.verdicts["joints"].words == "missing: the contract's joint_states is not in the bag"
    )
    assert made.verdicts["/camera/scene/image_raw"].level == "note"


def test_a_bag_without_contract_has_verdicts_too(tmp_path):
    made = make_card(write(tmp_path / "ep", with_contract=False))
    assert made.contract == ""
    assert set(made.verdicts) == {"/camera/scene/image_raw", "/wrench"}


def test_a_contract_that_cannot_be_read_is_told_and_ends_nothing(tmp_path):
    with BagWriter(tmp_path / "ep") as bag:
        bag.write_metadata("contract", {"json": "{"})
        bag.write("/a", STRING, S, encode_string("x"))
    assert "is not JSON" in make_card(tmp_path / "ep").contract


def test_a_topic_of_another_type_than_the_contract_is_a_fault(tmp_path):
    with BagWriter(tmp_path / "ep") as bag:
        bag.write_metadata("contract", {"json": tabletop().to_json()})
        bag.write("/wrench", STRING, S, encode_string("x"))
    verdict = make_card(tmp_path / "ep").verdicts["/wrench"]
    assert verdict.words == f"is {STRING}; the contract says {WRENCH}"


def test_the_json_of_a_card_is_whole(tmp_path):
    done = CliRunner().invoke(card, [str(write(tmp_path / "ep")), "--json"])
    data = json.loads(done.stdout)
    assert data["compression_ratio"] == pytest.approx(data["payload_bytes"] / data["size_bytes"])
    assert data["streams"][0]["timing"]["gaps"] == 0
    assert data["verdicts"]["/wrench"] == {"level": "ok", "words": "ok"}


def test_the_printed_card_has_each_stream_and_verdict_in_full(tmp_path):
    done = CliRunner().invoke(card, [str(write(tmp_path / "ep"))])
    assert done.exit_code == 0
    for text in ("'push the red cube': success (it moved)", "500.0 of 500", "/wrench: ok"):
        assert text in done.stdout
    assert "the recorder counted 1,000 received, 990 written, 10 lost" in done.stdout
    assert "lost queue" in done.stdout
    assert "recorder: reason disk full" in done.stdout
    assert "…" not in done.stdout


def test_the_policy_that_ran_is_told(tmp_path):
    about = PolicyDescription("abc123", "", "", (), tuple(np.eye(4).reshape(-1).tolist()))
    with BagWriter(tmp_path / "ep") as bag:
        for text in (about.to_json(), "not JSON"):
            bag.write(f"/{TOPIC}", STRING, S, encode_string(text))
    assert make_card(tmp_path / "ep").policy_sha256 == "abc123"


def test_a_damaged_bag_is_a_named_error(tmp_path):
    file = write(tmp_path / "ep") / "ep_0.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BagError):
        make_card(tmp_path / "ep")


def log_of(*said: tuple[str, int, bytes]) -> EpisodeLog:
    log = EpisodeLog()
    for topic, t_ns, payload in said:
        log.take(topic, t_ns, payload)
    return log


def test_each_instruction_is_an_episode_and_an_empty_one_ends_it():
    log = log_of(
        ("/instruction", 1, encode_string("a")),
        ("/instruction", 5, encode_string("b")),
        ("/sim/outcome", 7, outcome("failure", "fell")),
        ("/instruction", 9, encode_string("")),
    )
    first, second = log.episodes()
    assert (first.instruction, first.start_ns, first.end_ns, first.outcome) == ("a", 1, 5, "")
    assert (second.end_ns, second.outcome, second.reason) == (9, "failure", "fell")


def test_a_verdict_that_goes_on_is_not_the_next_episodes():
    log = log_of(
        ("/instruction", 1, encode_string("a")),
        ("/sim/outcome", 2, outcome("success")),
        ("/instruction", 3, encode_string("b")),
        ("/sim/outcome", 4, outcome("success")),
        ("/sim/outcome", 5, outcome("waiting")),
        ("/sim/outcome", 6, outcome("failure")),
    )
    assert [e.outcome for e in log.episodes()] == ["success", "failure"]


def test_the_recorders_marks_come_before_instructions():
    log = log_of(
        ("/instruction", 1, encode_string("a")),
        (f"/{MARKS}", 2, Mark("start", 0, "a").encode(2)),
        (f"/{MARKS}", 8, Mark("end", 0, "a", "done", "policy: placed").encode(8)),
    )
    (episode,) = log.episodes()
    assert (episode.start_ns, episode.end_ns, episode.outcome) == (2, 8, "done")


def test_what_cannot_be_read_is_counted():
    assert log_of(("/instruction", 1, b"\0\1\0\0\xff\xff")).undecodable == 1
