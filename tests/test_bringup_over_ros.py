"""The launched stack when its nodes die: they come back unarmed, a few times, and then it stops.

The tests share one graph and follow one another; the last one ends it.
"""

import os
import resource
import signal
import time

import pytest
from sensorium_cli.domain import free_domain
from sensorium_cli.launch.launcher import Launcher
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.packages import BRINGUP, package_share
from sensorium_core.nodes.priority import (
    HEARTBEAT_PRIORITY,
    POLICY_PRIORITY,
    threads_to_schedule,
)

pytestmark = pytest.mark.timeout(300)
_PATIENCE_S = 90.0


class Stack:
    """A launched simulation, and a node that hears what its bringup and gate say."""

    def __init__(self, arguments, log_folder):
        domain = free_domain()
        environment = middleware_environment({**os.environ, "ROS_DOMAIN_ID": str(domain)})
        os.environ.update(environment)
        import rclpy  # ROS reads the environment first.
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.qos import DurabilityPolicy, QoSProfile

        file = package_share(BRINGUP, environment) / "launch" / "sim.launch.yaml"
        self.lines = []
        self.launcher = Launcher(
            file, arguments, environment, on_line=self.lines.append, log_folder=log_folder
        )
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("witness", context=self.context)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.said = {"bringup": {}, "gate": {}}
        for topic in ("bringup/status", "gate/status"):
            self.node.create_subscription(DiagnosticArray, topic, self._hear, latched)

    def _hear(self, array):
        for status in array.status:
            values = {pair.key: pair.value for pair in status.values}
            self.said[status.name] = {"message": status.message, **values}

    def until(self, condition):
        end_s = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < end_s, (self.said, [line.text for line in self.lines])
            self.executor.spin_once(timeout_sec=0.05)
            self.launcher.poll()

    def kill(self, label):
        """Kill a node and wait until the launcher has started it again."""
        pid = self.launcher.running[label]
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: self.launcher.running.get(label, pid) != pid)

    def is_up(self, **restarts):
        said = self.said["bringup"]
        return said.get("message") == "all active" and all(
            said[name] == f"active, {count} restarts" for name, count in restarts.items()
        )

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture(scope="module")
def stack(policy, tmp_path_factory):
    arguments = {
        "policy": str(policy), "camera_width": "128", "camera_height": "96",
        "camera_rate_hz": "5.0", "goal": "none",
    }  # fmt: skip
    made = Stack(arguments, tmp_path_factory.mktemp("log"))
    with made.launcher:
        yield made
    made.close()


def test_all_become_active_and_then_the_gate_is_armed(stack):
    stack.until(lambda: stack.is_up(sim=0, gate=0, fusion=0))
    stack.until(lambda: stack.said["gate"].get("state") in ("armed", "holding"))


def test_the_heartbeat_goes_before_the_steps_of_the_policy(stack):
    """Steps share their priority with a simulator that stands for hardware and draws for 20 ms."""
    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_RTPRIO)[0] < HEARTBEAT_PRIORITY:
        pytest.skip("this system does not permit real-time priority")
    threads = threads_to_schedule(stack.launcher.running["fusion"])
    priorities = [os.sched_getparam(thread).sched_priority for thread in threads]
    assert priorities.count(HEARTBEAT_PRIORITY) == 1
    assert set(priorities) == {HEARTBEAT_PRIORITY, POLICY_PRIORITY}


def test_a_gate_that_crashed_comes_back_and_waits_for_a_person(stack):
    stack.kill("gate")
    stack.said["gate"] = {}
    stack.until(lambda: stack.is_up(gate=1))
    stack.until(lambda: "state" in stack.said["gate"])
    end_s = time.monotonic() + 1.0
    stack.until(lambda: time.monotonic() > end_s)
    assert stack.said["gate"]["state"] == "disarmed"


def test_a_dead_proposer_is_forgotten_and_the_new_one_counted_once(stack):
    stack.kill("fusion")
    stack.until(lambda: stack.is_up(fusion=1))
    topic = "command/joint_trajectory"
    stack.until(lambda: len(stack.node.get_publishers_info_by_topic(topic)) == 1)


def test_the_fourth_crash_ends_everything_and_the_last_lines_name_the_node(stack):
    for count in (2, 3):
        stack.kill("fusion")
        stack.until(lambda count=count: stack.is_up(fusion=count))
    os.kill(stack.launcher.running["fusion"], signal.SIGKILL)
    stack.until(lambda: stack.launcher.poll() is not None)
    assert stack.launcher.poll() == 1
    assert stack.lines[-1].text == "failed: fusion ended: killed by SIGKILL, after 3 restarts"
    assert stack.launcher.running == {}


def test_a_node_that_cannot_be_configured_ends_everything_and_says_why(tmp_path):
    (tmp_path / "policy.onnx").write_text("no model")
    stack = Stack({"policy": str(tmp_path / "policy.onnx")}, tmp_path / "log")
    with stack.launcher:
        stack.until(lambda: stack.launcher.poll() is not None)
        assert stack.launcher.poll() == 1
    stack.close()
    assert "fusion cannot configure" in stack.lines[-1].text
    assert str(tmp_path / "policy.onnx") in stack.lines[-1].text
