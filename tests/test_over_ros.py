"""The launched graph, over real DDS: sensors flow, words reach the arm only through the gate.

The tests share one graph and follow one another; the last ones end it and read what it recorded.
"""

import os
import time

import numpy as np
import pytest
from sensorium_cli.attempt import missing_senses
from sensorium_cli.over_ros import Case, RosCell
from sensorium_cli.parity import verify
from sensorium_core.contract import tabletop
from sensorium_core.goal import Goal
from sensorium_core.nodes.messages import stamp_to_ns

RATES_HZ = {"scene_rgb": 10, "scene_depth": 10, "wrist_rgb": 10, "wrench": 500, "joints": 500,
            "touch_left": 100, "touch_right": 100}  # fmt: skip
LISTEN_S = 2.0
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return tmp_path_factory.mktemp("bag") / "episode"


@pytest.fixture(scope="module")
def cell(policy, bag, tmp_path_factory):
    arguments = {
        "policy": str(policy), "camera_width": "128", "camera_height": "96",
        "camera_rate_hz": "10.0", "goal": "none", "record": "true", "output": str(bag.parent),
        "name": bag.name, "min_free_gb": "0.1",
    }  # fmt: skip
    with RosCell(arguments, tmp_path_factory.mktemp("log")) as running:
        yield running


def wait_for(cell, condition, limit_s=20.0):
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, cell.client.reports
        cell.client.spin(0.05)


def gate(cell):
    wait_for(cell, lambda: "gate" in cell.client.reports)
    return cell.client.reports["gate"].values


def test_every_sensor_flows_at_about_its_rate_with_increasing_stamps(cell):
    from sensorium_fusion.nodes.fusion_node import MESSAGES

    stamps = {modality.name: [] for modality in tabletop().modalities}
    for modality in tabletop().modalities:
        cell.client.listen(
            MESSAGES[modality.message],
            modality.topic,
            lambda message, name=modality.name: stamps[name].append(
                stamp_to_ns(message.header.stamp)
            ),
        )
    wait_for(cell, lambda: all(stamps.values()))
    for received in stamps.values():
        received.clear()
    cell.client.spin(LISTEN_S)
    for name, received in stamps.items():
        periods_s = 1e-9 * np.diff(received)
        assert periods_s.min() > 0.0, name
        # A busy machine skips frames, but none comes early and most keep the period.
        assert np.quantile(periods_s, 0.1) == pytest.approx(1.0 / RATES_HZ[name], rel=0.05), name
    cell.client.deafen()


def test_the_policy_receives_every_sense(cell):
    wait_for(cell, lambda: not missing_senses(cell.client.reports))


def test_gibberish_is_refused_in_words_and_the_arm_holds_still(cell):
    result = cell.run(Case(1, None, "flibber the wug sideways"))
    assert result.success
    assert result.state == "refused"
    assert result.moved_m < 0.001
    assert "command" in result.reason or "know" in result.reason


def test_a_gate_that_is_not_armed_lets_nothing_pass(cell):
    client = cell.client
    client.say("")
    client.arm(False)
    client.set_episode(2, "pick")
    client.forget()
    accepted = gate(cell)["accepted"]
    client.say("pick up the red cube")
    wait_for(cell, lambda: gate(cell)["last_refusal"] == "not_armed")
    assert gate(cell)["accepted"] == accepted


def test_a_gate_that_is_armed_lets_the_policy_move_the_arm(cell):
    before = int(gate(cell)["accepted"])
    cell.client.arm(True)
    wait_for(cell, lambda: int(gate(cell)["accepted"]) > before)
    wait_for(cell, lambda: float(cell.client.reports["sim"].values["tool_travel_m"]) > 0.05)


def test_a_silent_wrist_sensor_makes_the_gate_hold(cell):
    cell.client.set_fault("wrench", "silence")
    wait_for(cell, lambda: gate(cell)["reason"] == "sense_silent")
    cell.client.set_fault("wrench", "none")
    wait_for(cell, lambda: gate(cell)["state"] == "armed")


@pytest.mark.parametrize(
    ("sensor", "fault", "words"),
    [
        ("scene_rgb", "freeze", "repeats one picture"),
        ("scene_depth", "blackout", "gives no depth"),
        ("scene_depth", "delay:0.5", "behind this clock"),
    ],
)
def test_a_camera_that_cannot_be_believed_makes_the_policy_hold(cell, sensor, fault, words):
    def policy():
        return cell.client.reports["policy"].values

    wait_for(cell, lambda: policy()["state"] == "acting")
    cell.client.set_fault(sensor, fault)
    wait_for(cell, lambda: policy()["state"] == "holding" and words in policy()["reason"])
    assert policy()[f"valid/{sensor}"] == "false"
    cell.client.set_fault(sensor, "none")
    wait_for(cell, lambda: policy()["state"] == "acting")


def test_episodes_follow_one_another(cell):
    first = cell.run(Case(3, Goal("press"), "stop the world"))
    second = cell.run(Case(4, None, "do not touch the red cube"))
    assert not first.success
    assert second.success


def test_sigint_leaves_no_process(cell):
    processes = dict(cell.launcher.running)
    assert set(processes) == {"sim", "gate", "fusion", "recorder", "bringup"}
    cell.launcher.stop()
    assert not [label for label, pid in processes.items() if alive(pid)]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_step_of_all_this_is_equal_offline_bit_for_bit(cell, bag, policy):
    report = verify(bag, policy)
    assert [str(mismatch) for mismatch in report.mismatches] == []
    assert report.acted >= 5
