"""Imports: message for message what the source holds, and clear words for what cannot be."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensorium_core.cdr import joint_state_layout, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError, SensoriumError, TopicMapError, UnknownNameError
from sensorium_core.image_cdr import encode_image
from sensorium_core.kinematics import JOINTS
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.commands.import_bag import import_command
from sensorium_recording.contract_fit import Fit
from sensorium_recording.foreign_bag import ForeignBag
from sensorium_recording.importer import ImportReport, import_bag
from sensorium_recording.messages import STRING, encode_string
from sensorium_recording.topic_map import parse_map

JAZZY = get_typestore(Stores.ROS2_JAZZY)
WRENCH = "geometry_msgs/msg/WrenchStamped"
IMAGE = "sensor_msgs/msg/Image"
STATE = "sensor_msgs/msg/JointState"
CUSTOM = "arm_msgs/msg/Grip"
GRIP_TEXT = "float64 width\nstd_msgs/Header header\n"
S = 10**9
SQLITE, MCAP = StoragePlugin.SQLITE3, StoragePlugin.MCAP
Rows = list[tuple[str, str, int, bytes]]


def rows(n: int = 300) -> Rows:
    """A foreign cell: other names, two wrenches a time, a camera and a text."""
    rng = np.random.default_rng(0)
    found: Rows = [("/told", STRING, S, encode_string("grasp it"))]
    for i in range(n):
        t = S + i * 10_000_000
        stamp = np.array([t - 500])
        wrench = wrench_layout("ft").encode(stamp, rng.normal(size=(1, 6)))[0]
        joints = joint_state_layout(JOINTS).encode(stamp, rng.normal(size=(1, 14)))[0]
        found += [("/ft/raw", WRENCH, t, wrench), ("/arm/states", STATE, t + 1, joints)]
        if i % 3 == 0:
            picture = rng.integers(0, 255, (96, 128, 3)).astype(np.uint8)
            found.append(("/cam/image", IMAGE, t, encode_image(t, "c", picture, "rgb8")))
    return found


def record(
    path: Path,
    messages: Rows,
    plugin: StoragePlugin = MCAP,
    compression: CompressionMode | None = None,
    qos: dict[str, Qos] | None = None,
) -> Path:
    writer = Writer(path, version=9, storage_plugin=plugin)
    if compression is not None:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, time_ns, payload in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, kind, typestore=JAZZY,
                    offered_qos_profiles=[qos[topic]] if qos and topic in qos else [],
                )  # fmt: skip
            writer.write(connections[topic], time_ns, payload)
    return path


def bring(source: Path, output: Path, **topic_map: str) -> ImportReport:
    return import_bag(
        source, output, parse_map([f"{a}={b}" for a, b in topic_map.items()]), tabletop()
    )


def content(path: Path) -> set[tuple[str, str, int, bytes]]:
    return {tuple(message) for message in BagReader(path).messages()}


def fit_of(report: ImportReport, modality: str) -> Fit:
    return next(fit for fit in report.fits if fit.modality == modality)


@pytest.mark.parametrize(
    ("plugin", "compression"),
    [
        (SQLITE, None),
        (SQLITE, CompressionMode.MESSAGE),
        (SQLITE, CompressionMode.FILE),
        (MCAP, None),
        (MCAP, CompressionMode.STORAGE),
        (MCAP, CompressionMode.FILE),
    ],
)
def test_every_message_comes_with_its_bytes_and_time(tmp_path, plugin, compression):
    source = record(tmp_path / "src", rows(), plugin, compression)
    names = {"/ft/raw": "/wrench", "/arm/states": "/joint_states"}
    report = bring(source, tmp_path / "out", **names)
    expected = {(names.get(t, t), kind, time, data) for t, kind, time, data in rows()}
    assert content(tmp_path / "out") == expected
    assert sum(report.counts.values()) == len(rows())
    assert (report.skipped, report.notes) == ({}, ())


@pytest.mark.parametrize(("plugin", "suffix"), [(SQLITE, ".db3"), (MCAP, ".mcap")])
def test_a_lone_file_and_a_directory_without_metadata_are_read(tmp_path, plugin, suffix):
    source = record(tmp_path / "src", rows(10), plugin)
    (source / "metadata.yaml").unlink()
    bring(source, tmp_path / "a")
    bring(source / f"src{suffix}", tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b") == set(rows(10))


@pytest.mark.parametrize(("plugin", "suffix"), [(SQLITE, ".db3"), (MCAP, ".mcap")])
def test_a_recording_of_several_files_is_read_whole(tmp_path, plugin, suffix):
    everything = rows(40)
    source = record(tmp_path / "src", everything[:60], plugin)
    rest = record(tmp_path / "rest", everything[60:], plugin)
    (rest / f"rest{suffix}").rename(source / f"src_1{suffix}")
    text = (source / "metadata.yaml").read_text()
    both = text.replace(f"  - src{suffix}\n", f"  - src{suffix}\n  - src_1{suffix}\n", 1)
    assert both != text
    (source / "metadata.yaml").write_text(both)
    bring(source, tmp_path / "out")
    assert content(tmp_path / "out") == set(everything)


def test_our_own_bags_come_through_as_they_are(tmp_path):
    first = bring(record(tmp_path / "src", rows(50)), tmp_path / "a").path
    bring(first, tmp_path / "b")
    assert list(BagReader(tmp_path / "b").messages()) == list(BagReader(first).messages())


def test_the_bag_tells_where_it_came_from(tmp_path):
    source = record(tmp_path / "src", rows(5))
    bring(source, tmp_path / "out", **{"ft/raw": "wrench"})
    metadata = BagReader(tmp_path / "out").metadata()
    assert json.loads(metadata["import"]["map"]) == {"/ft/raw": "/wrench"}
    assert metadata["import"]["source"] == str(source)
    with ForeignBag(source) as bag:
        assert metadata["import"]["sha256"] == bag.sha256()
    assert metadata["contract"]["json"] == tabletop().to_json()


@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
def test_latched_and_best_effort_topics_stay_so(tmp_path, plugin):
    zero = QosTime(0, 0)
    qos = Qos(QosHistory.KEEP_LAST, 3, QosReliability.BEST_EFFORT, QosDurability.TRANSIENT_LOCAL,
              zero, zero, QosLiveliness.AUTOMATIC, zero, False)  # fmt: skip
    bring(record(tmp_path / "src", rows(2), plugin, qos={"/told": qos}), tmp_path / "out")
    offer = BagReader(tmp_path / "out").channels()["/told"].offer
    assert (offer.latched, offer.reliable, offer.depth) == (True, False, 3)


@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
@pytest.mark.parametrize("form", ["msg", "idl"])
def test_types_of_others_are_kept_with_their_definition(tmp_path, plugin, form):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(GRIP_TEXT, CUSTOM))
    text = store.generate_msgdef(CUSTOM, ros_version=2)[0]
    if form == "idl":
        body = "module arm_msgs { module msg { struct Grip { double width; }; }; };"
        text = "=" * 80 + f"\nIDL: {CUSTOM}\n{body}\n"
    payload = b"\0\1\0\0" + np.float64(0.25).tobytes()
    with Writer(tmp_path / "src", version=9, storage_plugin=plugin) as writer:
        connection = writer.add_connection("/grip", CUSTOM, msgdef=text, rihs01="RIHS01_0")
        writer.write(connection, S, payload)
    report = bring(tmp_path / "src", tmp_path / "out")
    assert (report.counts, report.skipped) == ({"/grip": 1}, {})
    assert content(tmp_path / "out") == {("/grip", CUSTOM, S, payload)}
    with ForeignBag(tmp_path / "out") as bag:
        schema = bag.topics["/grip"].schema
    assert schema is not None
    assert "float64 width" in schema


def test_types_that_nobody_defines_are_left_out_by_name_and_number(tmp_path):
    source = record(
        tmp_path / "src", [("/told", STRING, S + i, encode_string("x")) for i in range(3)], SQLITE
    )
    with sqlite3.connect(source / "src.db3") as base:
        base.execute("UPDATE topics SET type = ?", (CUSTOM,))
        base.execute("DELETE FROM message_definitions")
    base.close()
    text = (source / "metadata.yaml").read_text()
    (source / "metadata.yaml").write_text(text.replace(STRING, CUSTOM))
    report = bring(source, tmp_path / "out")
    assert report.counts == {}
    count, why = report.skipped["/told"]
    assert (count, why) == (3, f"{CUSTOM} is not Jazzy's and the bag does not define it")


def test_a_type_defined_otherwise_than_in_jazzy_keeps_its_definition_and_is_noted(tmp_path):
    text = "string data\nint32 more\n"
    payload = encode_string("abc") + b"\1\0\0\0"
    with Writer(tmp_path / "src", version=9, storage_plugin=MCAP) as writer:
        connection = writer.add_connection("/told", STRING, msgdef=text, rihs01="RIHS01_0")
        writer.write(connection, S, payload)
    report = bring(tmp_path / "src", tmp_path / "out")
    assert report.notes == (
        f"{STRING} is defined otherwise than in Jazzy; kept with the bag's definition",
    )
    with ForeignBag(tmp_path / "out") as bag:
        assert bag.topics["/told"].schema == text


def test_the_report_says_what_fits_the_contract(tmp_path):
    odd = np.zeros((48, 64), np.uint8)
    joints = joint_state_layout(("a", "b")).encode(np.array([S]), np.ones((1, 4)))
    more: Rows = [
        ("/camera/wrist/image_raw", IMAGE, S, encode_image(S, "c", odd, "mono8")),
        ("/touch/left", STRING, S, encode_string("x")),
        ("/joint_states", STATE, S, joints[0]),
    ]
    source = record(tmp_path / "src", rows(5) + more)
    names = {"/ft/raw": "/wrench", "/cam/image": "/camera/scene/image_raw"}
    report = bring(source, tmp_path / "out", **names)
    assert fit_of(report, "wrench").state == fit_of(report, "scene_rgb").state == "present"
    assert fit_of(report, "touch_right").state == "missing"
    assert fit_of(report, "touch_left").words == f"is {STRING}, the contract says {WRENCH}"
    assert fit_of(report, "wrist_rgb").words == (
        "is encoded mono8, the contract's image takes rgb8 or bgr8; "
        "is 64x48, the contract needs at least 128x96"
    )
    assert fit_of(report, "joints").words.startswith("lacks shoulder_pan_joint, ")
    assert fit_of(report, "joints").words.endswith("; it has a, b")


def test_a_topic_that_the_bag_lacks_gets_the_list(tmp_path):
    source = record(tmp_path / "src", rows(2))
    with pytest.raises(UnknownNameError, match="/arm/states, /cam/image, /ft/raw, /told"):
        bring(source, tmp_path / "out", **{"/ft_raw": "wrench"})
    assert not (tmp_path / "out").exists()


def test_two_sources_of_one_topic_are_refused(tmp_path):
    source = record(tmp_path / "src", rows(2))
    with pytest.raises(TopicMapError, match="would come from both"):
        bring(source, tmp_path / "out", **{"/ft/raw": "/told"})


@pytest.mark.parametrize("pair", ["a", "a=", "=b", "a=b c", "a=//b", "1=b", "V" * 60 + ":=b"])
def test_maps_that_are_none_are_refused(pair):
    with pytest.raises(TopicMapError):
        parse_map([pair])


def test_a_map_file_and_options_go_together(tmp_path):
    file = tmp_path / "map.yaml"
    file.write_text("ft/raw: wrench\n/cam/image: other\n")
    assert parse_map(["/cam/image=camera/scene/image_raw"], file) == {
        "/ft/raw": "/wrench",
        "/cam/image": "/camera/scene/image_raw",
    }
    for bad in ("- a\n", "a: 1\n", "a: [\n"):
        file.write_text(bad)
        with pytest.raises(TopicMapError):
            parse_map([], file)


def test_an_output_that_exists_is_left_alone(tmp_path):
    source = record(tmp_path / "src", rows(2))
    (tmp_path / "out").mkdir()
    with pytest.raises(BagError, match="exists already"):
        bring(source, tmp_path / "out")


def test_big_endian_payloads_are_refused_in_words(tmp_path):
    source = record(tmp_path / "src", [("/told", STRING, S, b"\0\0" + encode_string("x")[2:])])
    with pytest.raises(BagError, match="holds big-endian CDR on /told"):
        bring(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_ros_1_bags_are_refused_with_the_way_out(tmp_path):
    store = get_typestore(Stores.ROS1_NOETIC)
    with Writer1(tmp_path / "old.bag") as writer:
        connection = writer.add_connection("/told", STRING, typestore=store)
        writer.write(connection, S, b"\1\0\0\0x")
    with pytest.raises(BagError, match=r"is a ROS 1 bag; convert it with `rosbags-convert"):
        bring(tmp_path / "old.bag", tmp_path / "out")


@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9, 0.999])
def test_sources_cut_short_are_named_errors_and_leave_nothing(tmp_path, plugin, share):
    source = record(tmp_path / "src", rows(), plugin)
    (file,) = (f for f in source.iterdir() if f.suffix != ".yaml")
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BagError) as caught:
        bring(source, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
    assert str(source) in str(caught.value)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("plugin", [SQLITE, MCAP])
def test_flipped_bytes_never_crash(tmp_path, plugin, seed):
    rng = np.random.default_rng(seed)
    source = record(tmp_path / "src", rows(40), plugin)
    (file,) = (f for f in source.iterdir() if f.suffix != ".yaml")
    data = bytearray(file.read_bytes())
    for at in rng.integers(0, len(data), 30):
        data[at] ^= int(rng.integers(1, 256))
    file.write_bytes(data)
    try:
        bring(source, tmp_path / "out")
    except SensoriumError:
        assert not list(tmp_path.glob("out*"))


def test_messages_that_the_source_promises_and_lacks_are_told(tmp_path):
    source = record(tmp_path / "src", rows(9))
    text = (source / "metadata.yaml").read_text()
    (source / "metadata.yaml").write_text(text.replace("message_count: 9", "message_count: 12"))
    assert "/ft/raw: the bag says 12 messages and holds 9" in bring(source, tmp_path / "out").notes


@pytest.mark.parametrize("name", ["nowhere", "empty", "text.txt"])
def test_what_is_no_bag_is_a_named_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(BagError):
        bring(tmp_path / name, tmp_path / "out")


def test_the_command_prints_fit_and_what_is_left_out(tmp_path):
    source = record(tmp_path / "src", rows(5))
    done = CliRunner().invoke(
        import_command,
        [str(source), str(tmp_path / "out"), "--map", "/ft/raw=wrench"],
    )
    assert done.exit_code == 0
    assert "out: 13 messages of 4 topics" in done.output
    assert "tabletop wrench: present, /wrench" in done.output
    assert "tabletop touch_left: missing, touch/left" in done.output
