"""The base of all nodes: what its steps make is undone, and what fails leaves nothing behind."""

import os
import subprocess
import sys
import time

import pytest
import rclpy
from rclpy.experimental import EventsExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensorium_core.errors import ContractError
from sensorium_core.nodes.managed import HEARTBEAT, ManagedNode
from std_msgs.msg import Header, String

DOMAIN = 40 + os.getpid() % 60
SUCCESS = TransitionCallbackReturn.SUCCESS


class Sample(ManagedNode):
    """Makes one of everything, and fails where it is told to."""

    def __init__(self):
        super().__init__("sample")
        self.events = []
        self.fails = ""

    def configure(self):
        self.size = self.declare_parameter("size", 1).value
        self.undo_by(self._note, "closed first")
        self.undo_by(self._note, "closed second")
        self.out = self.create_publisher(String, "out", 1)
        self._fail("configure")

    def activate(self):
        self.undo_by(self._fail, "undo")
        self.create_subscription(String, "in", self.events.append, 1)
        self.create_timer(0.01, lambda: None)
        self._fail("activate")

    def _note(self, what):
        self.events.append((what, self.out in list(self.publishers)))

    def _fail(self, where):
        if self.fails == where:
            raise ContractError("sample", f"fails in {where}", "nothing else")


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    rclpy.init(domain_id=DOMAIN)
    made = Sample()
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def counts(node):
    kinds = ("publishers", "subscriptions", "timers", "services", "clients")
    return tuple(len(list(getattr(node, kind))) for kind in kinds)


def test_steps_are_undone_in_reverse_while_what_they_made_still_exists(node):
    bare = counts(node)
    assert node.trigger_configure() == SUCCESS
    configured = counts(node)
    for _ in range(2):
        assert node.trigger_activate() == SUCCESS
        assert (node.state, counts(node) > configured) == ("active", True)
        assert node.trigger_deactivate() == SUCCESS
        assert (node.state, counts(node)) == ("inactive", configured)
    assert node.events == []
    assert node.trigger_cleanup() == SUCCESS
    assert (node.state, counts(node)) == ("unconfigured", bare)
    assert node.events == [("closed second", True), ("closed first", True)]


@pytest.mark.parametrize(
    ("step", "state"), [("configure", "unconfigured"), ("activate", "inactive")]
)
def test_a_step_that_fails_leaves_the_node_as_it_was(node, step, state):
    node.fails = step
    if step == "activate":
        node.trigger_configure()
    before = counts(node)
    assert getattr(node, f"trigger_{step}")() != SUCCESS
    assert (node.state, counts(node)) == (state, before)
    node.fails = ""
    assert getattr(node, f"trigger_{step}")() == SUCCESS


def test_what_cannot_be_undone_makes_the_node_begin_anew(node):
    bare = counts(node)
    node.start_up()
    node.fails = "undo"
    assert node.trigger_deactivate() != SUCCESS
    assert (node.state, counts(node)) == ("unconfigured", bare)


def test_started_by_itself_it_raises_what_is_wrong(node):
    node.fails = "activate"
    with pytest.raises(ContractError, match="fails in activate"):
        node.start_up()


def test_parameters_outlive_a_cleanup(node):
    node.trigger_configure()
    node.trigger_cleanup()
    node.set_parameters([Parameter("size", value=7)])
    node.trigger_configure()
    assert node.size == 7


def test_it_beats_with_its_name_for_as_long_as_its_executor_runs(node):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    listener = rclpy.create_node("listener", context=context)
    ears = rclpy.executors.SingleThreadedExecutor(context=context)
    ears.add_node(listener)
    beats = []
    listener.create_subscription(Header, HEARTBEAT, beats.append, 10)
    executor = EventsExecutor()
    executor.add_node(node)

    def listen(enough, seconds=20.0, spin=True):
        end_s = time.monotonic() + seconds
        while not enough() and time.monotonic() < end_s:
            if spin:
                executor.spin_once(timeout_sec=0.05)
            ears.spin_once(timeout_sec=0.05)

    listen(lambda: len(beats) >= 3)
    assert {beat.frame_id for beat in beats} == {"/sample"}
    stamps = [beat.stamp.sec + beat.stamp.nanosec * 1e-9 for beat in beats]
    assert stamps == sorted(stamps)
    listen(lambda: False, 0.3, spin=False)
    beats.clear()
    listen(lambda: bool(beats), 1.0, spin=False)
    assert not beats, "the executor hung, and it beat"
    executor.remove_node(node)
    executor.shutdown()
    ears.shutdown()
    listener.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    ("fails", "code", "told"), [("configure", 1, "fails in configure"), ("", 0, "")]
)
def test_its_process_ends_when_it_cannot_start_or_is_shut_down(fails, code, told):
    script = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from sensorium_core.nodes.process import run_node
from test_managed import Sample

def build():
    node = Sample()
    node.fails = {fails!r}
    node.create_timer(0.1, lambda: node.state == "active" and node.trigger_shutdown())
    return node

run_node(build)
"""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == code, ran.stderr
    assert told in ran.stderr
