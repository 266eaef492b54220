"""The recorder over real DDS, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.messages import decode_string

rclpy = pytest.importorskip("rclpy")
DOMAIN = 71
_DEADLINE_S = 20.0


@pytest.fixture
def publisher_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    node = rclpy.create_node("source", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.run_until = lambda done: _run_until(executor, done)
    yield node
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def _run_until(executor: object, done: Callable[[], bool]) -> None:
    end = time.monotonic() + _DEADLINE_S
    while not done():
        assert time.monotonic() < end, "the condition did not come true"
        executor.spin_once(timeout_sec=0.02)  # type: ignore[attr-defined]


def _start(output: Path, *parameters: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sensorium_recording.nodes.recorder_node", "--ros-args"]
    for parameter in (f"output:={output}", *parameters):
        command += ["-p", parameter]
    return subprocess.Popen(command, env=dict(os.environ))


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_recorder_keeps_every_message_and_closes_on_signals(
    publisher_node: object, tmp_path: Path, end: signal.Signals
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import WrenchStamped
    from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
    from std_msgs.msg import String

    node = publisher_node
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    text = node.create_publisher(String, "instruction", latched)
    wrench = node.create_publisher(WrenchStamped, "wrench", qos_profile_sensor_data)
    text.publish(String(data="press the red button"))
    process = _start(tmp_path, 'topics:=["instruction", "wrench"]')
    try:
        node.run_until(lambda: wrench.get_subscription_count() and text.get_subscription_count())
        sent = iter(range(1, 10**6))
        heard: list[object] = []
        node.create_subscription(
            DiagnosticArray, "diagnostics", lambda m: heard.extend(m.status), 10
        )

        def enough_recorded() -> bool:
            for _ in range(20):
                message = WrenchStamped()
                message.header.stamp.sec = next(sent)
                wrench.publish(message)
            counts = {v.key: v.value for status in heard for v in status.values}
            return int(counts.get("written//wrench", "0")) > 200

        node.run_until(enough_recorded)
        process.send_signal(end)
        assert process.wait(_DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
    reader = BagReader(tmp_path / "episode")
    seen = list(reader.messages())
    assert [decode_string(m.payload) for m in seen if m.topic == "/instruction"] == [
        "press the red button"
    ]
    stamps = [m.payload[4:8] for m in seen if m.topic == "/wrench"]
    assert len(stamps) > 200
    assert len(set(stamps)) == len(stamps)
    books = json.loads(reader.metadata()["recording"]["/wrench"])
    assert books["received"] == books["written"] == len(stamps)
    assert books["counted_by"] == "sequence"
    sent_since_first = int.from_bytes(stamps[-1], "little") - int.from_bytes(stamps[0], "little")
    lost = books["lost_transport"] + books["lost_reader"]
    assert len(stamps) + lost == sent_since_first + 1
    assert {"contract", "robot_description", "episodes"} <= reader.metadata().keys()


def test_services_start_and_stop_and_counts_are_published(
    publisher_node: object, tmp_path: Path
) -> None:
    from diagnostic_msgs.msg import DiagnosticArray
    from std_msgs.msg import String
    from std_srvs.srv import Trigger

    node = publisher_node
    heard: list[object] = []
    node.create_subscription(DiagnosticArray, "diagnostics", lambda m: heard.extend(m.status), 10)
    text = node.create_publisher(String, "instruction", 10)
    start = node.create_client(Trigger, "recorder/start")
    stop = node.create_client(Trigger, "recorder/stop")
    process = _start(tmp_path, 'topics:=["instruction"]', "record_on_start:=false", "name:=run")

    def call(client: object) -> object:
        node.run_until(client.service_is_ready)
        future = client.call_async(Trigger.Request())
        node.run_until(future.done)
        return future.result()

    try:
        refused = call(stop)
        assert (refused.success, "start first" in refused.message) == (False, True)
        assert call(start).message == str(tmp_path / "run")
        node.run_until(lambda: text.get_subscription_count() > 0)
        text.publish(String(data="hello"))
        node.run_until(
            lambda: any(
                v.key == "written//instruction" and v.value == "1" for s in heard for v in s.values
            )
        )
        assert call(stop).success
        process.send_signal(signal.SIGINT)
        assert process.wait(_DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
    (message,) = BagReader(tmp_path / "run").messages({"/instruction"})
    assert decode_string(message.payload) == "hello"
