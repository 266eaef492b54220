"""The simulator's node in this process: what was meant for one episode does not move the next."""

import os
import time

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from sensorium_core.kinematics import ARM_JOINTS
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

DOMAIN = 87
TOPIC = "arm_controller/joint_trajectory"


@pytest.fixture
def sim(monkeypatch):
    """An active simulator, an executor that spins it, and a publisher of commands."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", "egl"))
    from rclpy.experimental import EventsExecutor
    from sensorium_sim.nodes.sim_node import SimNode

    rclpy.init(domain_id=DOMAIN)
    node, other, executor = SimNode(), rclpy.create_node("commander"), EventsExecutor()
    executor.add_node(node)
    publisher = other.create_publisher(JointTrajectory, TOPIC, 10)
    node.trigger_configure()
    node.trigger_activate()
    end_s = time.monotonic() + 20.0
    while publisher.get_subscription_count() == 0:
        executor.spin_once(timeout_sec=0.02)
        assert time.monotonic() < end_s
    yield node, executor, publisher
    executor.remove_node(node)
    executor.shutdown()
    node.destroy_node()
    other.destroy_node()
    rclpy.try_shutdown()


def move(node, publisher, turn_rad):
    """Turn the base within 0.1 s, stamped 25 ms ahead as the gate does; where it was."""
    start = node._live.cell.setpoint()[:6].copy()
    stamp_ns = time.time_ns() + 25_000_000
    message = JointTrajectory(joint_names=list(ARM_JOINTS))
    message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    point = JointTrajectoryPoint(positions=(start + turn_rad * np.eye(6)[0]).tolist())
    point.time_from_start.nanosec = 100_000_000
    message.points = [point]
    publisher.publish(message)
    return start


def spin(executor, seconds):
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        executor.spin_once(timeout_sec=0.02)


def test_a_command_published_before_a_reset_and_heard_after_it_moves_nothing(sim):
    node, executor, publisher = sim
    spin(executor, 0.2)
    move(node, publisher, 0.3)
    node._on_reset(Trigger.Request(), Trigger.Response())
    begun = node._live.cell.setpoint()[:6].copy()
    spin(executor, 0.4)
    np.testing.assert_array_equal(node._live.cell.setpoint()[:6], begun)
    start = move(node, publisher, 0.3)
    spin(executor, 0.4)
    assert node._live.cell.setpoint()[0] == pytest.approx(start[0] + 0.3)
