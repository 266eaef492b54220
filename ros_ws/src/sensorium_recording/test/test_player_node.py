"""The player over real DDS, in a process of its own."""

import os
import signal
import struct
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from sensorium_core.cdr import wrench_layout
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.messages import STRING, encode_string

rclpy = pytest.importorskip("rclpy")
DOMAIN = 72
_DEADLINE_S = 20.0
WRENCH = "geometry_msgs/msg/WrenchStamped"
EPOCH = 1_700_000_000_000_000_000
MS = 1_000_000
N = 300


class Listener:
    """A node of the test's own that keeps what it hears, as bytes."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.node = rclpy.create_node("listener", context=self.context)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard = {}

    def listen(self, topic, message, latched=False):
        from rclpy.qos import DurabilityPolicy, QoSProfile

        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        heard = self.heard[topic] = []
        qos = QoSProfile(depth=2000, durability=durability)
        return self.node.create_subscription(message, topic, heard.append, qos, raw=True)

    def until(self, done):
        end_s = time.monotonic() + _DEADLINE_S
        while not done():
            assert time.monotonic() < end_s, "the condition did not come true"
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, kind, name, request):
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def clocks_ns(self):
        stamps = [struct.unpack_from("<iI", payload, 4) for payload in self.heard["/clock"]]
        return [sec * 1_000_000_000 + nanosec for sec, nanosec in stamps]


@pytest.fixture
def listener(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    made = Listener()
    yield made
    made.executor.shutdown()
    made.node.destroy_node()
    rclpy.shutdown(context=made.context)


@pytest.fixture
def bag(tmp_path):
    """Wrenches at 500 Hz, an instruction, and a transform, whose package is not installed."""
    layout = wrench_layout("tool")
    path = tmp_path / "bag"
    with BagWriter(path) as writer:
        writer.add_topic("/instruction", STRING, latched=True)
        writer.add_topic("/tf_static", "tf2_msgs/msg/TFMessage", latched=True)
        writer.write("/tf_static", "tf2_msgs/msg/TFMessage", EPOCH, b"\0\1\0\0\0\0\0\0")
        writer.write("/instruction", STRING, EPOCH + MS, encode_string("press the red button"))
        for i in range(N):
            log_ns = EPOCH + 2 * i * MS
            writer.write("/wrench", WRENCH, log_ns, layout.encode_one(log_ns, [float(i)] * 6))
    return path


@pytest.fixture
def start():
    started = []

    def _start(bag, *parameters):
        command = [sys.executable, "-m", "sensorium_cli.entry",
                   "sensorium_recording.nodes.player_node:main", "--ros-args"]  # fmt: skip
        for parameter in (f"bag:={bag}", *parameters):
            command += ["-p", parameter]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, env=dict(os.environ), stdout=pipe, stderr=pipe, text=True
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate()


def in_bag(bag, topic):
    return [message.payload for message in BagReader(bag).messages([topic])]


def test_every_byte_arrives_in_order_and_latched_messages_reach_who_comes_late(
    listener, bag, start
):
    from geometry_msgs.msg import WrenchStamped
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
    from rosgraph_msgs.msg import Clock
    from std_msgs.msg import String
    from std_srvs.srv import SetBool

    listener.listen("/clock", Clock)
    wrench = listener.listen("/wrench", WrenchStamped)
    process = start(bag, "paused:=true", "delay_s:=0.0", "loop:=true", "rate:=0.5")
    listener.until(lambda: listener.node.count_publishers("/wrench") > 0)
    (offer,) = listener.node.get_publishers_info_by_topic("/wrench")
    assert offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert offer.qos_profile.durability == DurabilityPolicy.VOLATILE
    listener.until(lambda: len(listener.heard["/clock"]) > 2)
    listener.call(SetBool, "player/pause", SetBool.Request(data=False))
    listener.until(lambda: len(listener.heard["/wrench"]) > N)
    listener.listen("/instruction", String, latched=True)
    listener.until(lambda: listener.heard["/instruction"])
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 0, log
    sent = in_bag(bag, "/wrench")
    assert listener.heard["/wrench"][: N + 1] == [*sent, sent[0]]
    (text,) = in_bag(bag, "/instruction")
    assert listener.heard["/instruction"][0] == text + bytes(-len(text) % 4), "DDS pads to 4 bytes"
    assert "not installed: /tf_static (tf2_msgs/msg/TFMessage)" in log
    assert wrench.topic_name == "/wrench"
    clocks = listener.clocks_ns()
    back = [i for i, (a, b) in enumerate(pairwise(clocks)) if b < a]
    assert 1 <= len(back) <= 2
    assert clocks[back[0] + 1] == EPOCH
    assert clocks[0] == EPOCH
    assert max(clocks) <= EPOCH + 2 * N * MS
    assert back[0] > N * 2 * 2 / 10


def test_services_and_parameter_pause_step_and_set_the_rate(listener, bag, start):
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import WrenchStamped
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters
    from std_srvs.srv import SetBool, Trigger

    listener.listen("/wrench", WrenchStamped)
    statuses = []
    listener.node.create_subscription(
        DiagnosticArray, "diagnostics", lambda m: statuses.extend(m.status), 10
    )
    process = start(bag, "paused:=true", "topics:=wrench", "delay_s:=1.0")
    heard = listener.heard["/wrench"]
    for n in (1, 2):
        assert listener.call(Trigger, "player/step", Trigger.Request()).success
        listener.until(lambda n=n: len(heard) == n)

    def set_rate(rate):
        value = ParameterValue(type=3, double_value=rate)
        request = SetParameters.Request(parameters=[Parameter(name="rate", value=value)])
        return listener.call(SetParameters, "player/set_parameters", request).results[0]

    refused = set_rate(0.0)
    assert not refused.successful
    assert "0.001 to 1000" in refused.reason
    assert set_rate(0.5).successful
    listener.until(
        lambda: any(
            {v.key: v.value for v in s.values}.get("rate") == "0.5" and s.message == "paused"
            for s in statuses
        )
    )
    assert listener.call(SetBool, "player/pause", SetBool.Request(data=False)).success
    assert not listener.call(Trigger, "player/step", Trigger.Request()).success
    listener.until(lambda: len(heard) == N)
    _, log = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 0, log
    assert heard == in_bag(bag, "/wrench")
    assert "300 messages; timing error p50" in log


def test_sigterm_ends_a_paused_player_cleanly(listener, bag, start):
    process = start(bag, "paused:=true")
    listener.until(lambda: listener.node.count_publishers("/wrench") > 0)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 0, log
    assert "Traceback" not in log


def test_a_topic_that_another_node_publishes_is_not_played(listener, bag, start):
    from geometry_msgs.msg import WrenchStamped

    listener.node.create_publisher(WrenchStamped, "/wrench", 10)
    _, log = start(bag, "loop:=true").communicate(timeout=_DEADLINE_S)
    assert "other nodes publish /wrench too" in log
    assert "Traceback" not in log
    process = start(bag, "force:=true", "topics:=wrench")
    _, log = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 0, log


def _nothing(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def _empty(path: Path) -> None:
    next(path.glob("*.mcap")).write_bytes(b"")


def _half(path: Path) -> None:
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flipped(path: Path) -> None:
    file = next(path.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[2000] ^= 0xFF
    file.write_bytes(data)


@pytest.mark.parametrize("spoil", [_nothing, _empty, _half, _flipped])
def test_a_bad_bag_is_a_plain_error_with_exit_code_2(bag, start, spoil):
    spoil(bag)
    process = start(bag, "delay_s:=0.0")
    _, log = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 2, log
    assert "error: bag" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("parameter", "words"),
    [("topics:=lidar", "unknown topic '/lidar'; allowed: /instruction, /tf_static, /wrench"),
     ("topics:=/tf_static", "holds nothing that can be played"),
     ("start_s:=5.0", "lasts 0.598 s"),
     ("rate:=-1.0", "rate = -1.0; expected 0.001 to 1000")],
)  # fmt: skip
def test_a_wrong_setting_is_a_plain_error(bag, start, parameter, words):
    process = start(bag, "delay_s:=0.0", parameter)
    _, log = process.communicate(timeout=_DEADLINE_S)
    assert process.returncode == 2, log
    assert words in log
    assert "Traceback" not in log
