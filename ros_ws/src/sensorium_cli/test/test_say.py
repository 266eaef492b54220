"""Saying something over real ROS."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SAY = [sys.executable, "-m", "sensorium_cli.main", "say"]
LISTENER = """
import sys, time
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

rclpy.init()
node = Node("listener")
heard = []
node.create_subscription(
    String, "instruction", lambda message: heard.append(message.data),
    QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
)
judge = node.create_publisher(DiagnosticArray, "sim/outcome", 10)
values = [KeyValue(key="success", value=sys.argv[1])]
end = time.monotonic() + 30
while time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
    if heard:
        print(heard[0], flush=True)
        time.sleep(0.3)
        status = DiagnosticStatus(message="judged", values=values)
        for _ in range(20):
            judge.publish(DiagnosticArray(status=[status]))
            time.sleep(0.1)
        break
"""
POLICY = """
import sys, time
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

rclpy.init()
node = Node("policy")
told = {"instruction": "before"}

def take(message):
    if sys.argv[1] == "takes":
        told["instruction"] = message.data

latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
node.create_subscription(String, "instruction", take, latched)
steps = node.create_publisher(DiagnosticArray, "policy/step", 10)
print("up", flush=True)
while True:
    rclpy.spin_once(node, timeout_sec=0.1)
    values = [KeyValue(key=k, value=v) for k, v in told.items()]
    steps.publish(DiagnosticArray(status=[DiagnosticStatus(name="policy", values=values)]))
"""


@pytest.fixture
def ros(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "182")
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


@pytest.mark.parametrize(("success", "code"), [("true", 0), ("false", 1)])
def test_words_arrive_and_the_verdict_is_the_exit_code(ros, success, code):
    listener = subprocess.Popen(
        [sys.executable, "-c", LISTENER, success],
        stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    said = subprocess.run(
        [*SAY, "pick up the red cube", "--wait", "15"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    heard, _ = listener.communicate(timeout=60)
    assert heard == "pick up the red cube\n"
    assert said.returncode == code, said.stderr
    assert f"{'success' if code == 0 else 'failure'}: judged" in said.stdout


def test_saying_it_to_nobody_says_what_to_start(ros):
    said = subprocess.run(
        [*SAY, "hi", "-n", "/void", "--timeout", "0.5"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert said.returncode == 2
    assert "nothing listens to '/void/instruction'" in said.stderr
    assert "sensorium launch launch/sim.launch.yaml" in said.stderr


@pytest.mark.parametrize(("manner", "code"), [("takes", 0), ("ignores", 1)])
def test_it_is_said_once_the_policy_has_it(ros, manner, code):
    policy = subprocess.Popen(
        [sys.executable, "-c", POLICY, manner], stdout=subprocess.PIPE, text=True
    )
    try:
        assert policy.stdout.readline() == "up\n"
        said = subprocess.run(
            [*SAY, "", "--timeout", "5"], capture_output=True, text=True, timeout=60
        )
    finally:
        policy.kill()
        policy.communicate()
    assert said.returncode == code, said.stderr
    assert ("the policy did not take it within 5 s" in said.stderr) == (code == 1)
