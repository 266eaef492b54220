"""A policy step can be read back from its message."""

import numpy as np
from sensorium_core.contract import tabletop
from sensorium_core.observation import Aligner
from sensorium_core.policy import PolicyOutput
from sensorium_fusion.nodes.step_message import step_message
from sensorium_fusion.step import State, Step

T_NS = 1_700_000_000_123_456_789


def values_of(step, problems=None):
    message = step_message(step, tabletop(), "pick it up", problems or {})
    (status,) = message.status
    return message, status, {v.key: v.value for v in status.values}


def observation():
    aligner = Aligner(tabletop())
    aligner.push("joints", T_NS - 4_000_000, np.zeros(14))
    return aligner.observe(T_NS)


def test_a_step_says_what_it_saw_and_what_it_did_not():
    _, _, values = values_of(Step(T_NS, State.HOLDING, "holding still", observation()))
    assert values["stamp_ns/joints"] == str(T_NS - 4_000_000)
    assert float(values["age_s/joints"]) == 0.004
    assert values["valid/joints"] == "true"
    assert values["valid/wrench"] == "false"
    assert values["age_s/wrench"] == "inf"
    assert values["used/wrench"] == ""
    assert values["used/joints"].startswith("-4000000:")


def test_a_step_says_in_words_why_the_arm_rests():
    message, status, values = values_of(
        Step(T_NS, State.REFUSED, "I see no red cube", observation())
    )
    assert status.message == "refused: I see no red cube"
    assert status.level == b"\x01"
    assert (values["state"], values["planned"]) == ("refused", "false")
    assert message.header.stamp.sec == T_NS // 10**9


def test_a_step_of_the_policy_says_how_much_each_sense_mattered():
    weights = np.array([0.5, 0.2, 0.1, 0.1, 0.05, 0.05], dtype=np.float32)
    output = PolicyOutput(np.zeros((8, 5), np.float32), np.ones(3, np.float32), 0.9, 0.1, weights)
    step = Step(T_NS, State.ACTING, "acting", observation(), output, None, {"policy": 0.002})
    _, _, values = values_of(step, {"wrench": "bent"})
    assert values["weight/scene_rgb"] == "0.500"
    assert values["digest"] == step.observation.digest()
    assert values["latency_s/policy"] == "0.002000"
    assert values["problem/wrench"] == "bent"
