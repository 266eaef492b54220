"""The bringup's decisions, on a clock of the test's own and nodes that are played."""

import pytest
from sensorium_core.bringup import Bringup, BringupConfig, Do, Phase
from sensorium_core.errors import UnknownNameError

NAMES = "sim,gate,fusion"
STEP_S = 0.1


class Stack:
    """Played nodes that beat, answer and take their time to configure."""

    def __init__(self, **config):
        self.bringup = Bringup(BringupConfig(nodes=NAMES, **config), 0.0)
        self.now_s = 0.0
        self.states = dict.fromkeys(self.bringup.members, "unconfigured")
        self.mute = set()
        self.deaf = set()
        self.refuses = set()
        self.log = []

    def run(self, seconds):
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            for name in self.states.keys() - self.mute:
                self.bringup.beat(name, self.now_s)
            for name, what in list(self.bringup.update(self.now_s, lambda *_: True)):
                self._obey(name, what)

    def _obey(self, name, what):
        if what is not Do.ASK:
            self.log.append((what.value, name))
        if name in self.mute | self.deaf:
            return
        if what is Do.ASK:
            self.bringup.state(name, self.states[name], self.now_s)
            return
        success = (what, name) not in self.refuses
        if success and what is not Do.ARM:
            self.states[name] = "inactive" if what is Do.CONFIGURE else "active"
        self.bringup.done(name, what, success, self.now_s)

    def crash(self, name, down_s=2.0):
        self.mute.add(name)
        self.states[name] = "unconfigured"
        self.run(down_s)
        self.mute.discard(name)

    def phases(self):
        return {name: member.phase for name, member in self.bringup.members.items()}


UP = dict.fromkeys(NAMES.split(","), Phase.ACTIVE)


def test_all_are_configured_before_each_is_activated_in_order():
    stack = Stack()
    stack.run(2.0)
    assert stack.phases() == UP
    activated = [name for what, name in stack.log if what == "activate"]
    assert activated == ["sim", "gate", "fusion"]
    assert sorted(n for what, n in stack.log if what == "configure") == sorted(activated)
    assert ("arm", "gate") not in stack.log


def test_a_node_is_not_activated_while_one_before_it_is_away():
    stack = Stack()
    stack.mute.add("sim")
    stack.run(5.0)
    assert stack.phases() == {
        "sim": Phase.ABSENT, "gate": Phase.INACTIVE, "fusion": Phase.INACTIVE
    }  # fmt: skip
    stack.mute.clear()
    stack.run(2.0)
    assert stack.phases() == UP


def test_the_gate_is_armed_last_and_again_until_it_is():
    stack = Stack(arm_on_start=True)
    stack.refuses.add((Do.ARM, "gate"))
    stack.run(2.0)
    assert stack.log.count(("arm", "gate")) > 2
    assert stack.log.index(("arm", "gate")) > stack.log.index(("activate", "fusion"))
    stack.refuses.clear()
    stack.run(1.0)
    count = stack.log.count(("arm", "gate"))
    stack.run(5.0)
    assert stack.log.count(("arm", "gate")) == count


def test_one_request_to_arm_is_under_way_at_a_time():
    stack = Stack(arm_on_start=True)
    stack.deaf.add("gate")
    stack.bringup.beat("gate", 0.0)
    for name in stack.states:
        stack.bringup.members[name].phase = Phase.ACTIVE
    stack.run(5.0)
    assert stack.log.count(("arm", "gate")) == 1


@pytest.mark.parametrize("when", ["before it was armed", "after it was armed"])
def test_a_gate_that_was_restarted_is_not_armed(when):
    stack = Stack(arm_on_start=True)
    if when == "before it was armed":
        stack.refuses.add((Do.ARM, "gate"))
    stack.run(2.0)
    stack.crash("gate")
    stack.refuses.clear()
    stack.log.clear()
    stack.run(3.0)
    assert stack.phases() == UP
    assert stack.log == [("configure", "gate"), ("activate", "gate")]


def test_a_gate_that_stopped_before_it_was_armed_waits_for_a_person():
    stack = Stack(arm_on_start=True)
    stack.refuses.add((Do.ARM, "gate"))
    stack.run(2.0)
    stack.bringup.gate_state("stopped")
    stack.log.clear()
    stack.run(2.0)
    assert stack.log == []


def test_a_silent_node_is_lost_and_named_and_one_that_paused_goes_on_as_it_was():
    stack = Stack()
    stack.run(2.0)
    stack.mute.add("fusion")
    stack.run(0.8)
    assert stack.phases() == UP
    stack.run(0.4)
    assert stack.phases()["fusion"] is Phase.LOST
    assert any("fusion is silent" in line for line in stack.bringup.news)
    stack.mute.clear()
    stack.log.clear()
    stack.run(1.0)
    assert stack.phases() == UP
    assert stack.log == []
    assert stack.bringup.members["fusion"].restarts == 0


def test_a_restart_too_quick_to_be_missed_is_noticed():
    stack = Stack()
    stack.run(2.0)
    stack.crash("fusion", down_s=0.6)
    stack.run(1.0)
    assert stack.phases() == UP
    assert stack.bringup.members["fusion"].restarts == 1


def test_the_fourth_crash_ends_the_stack_with_the_node_and_its_last_words():
    stack = Stack()
    stack.run(2.0)
    for _ in range(3):
        stack.crash("fusion")
        stack.run(2.0)
        assert stack.phases() == UP
        assert not stack.bringup.verdict
    stack.bringup.complain("fusion", "ValueError: boom")
    stack.crash("fusion")
    assert "fusion was restarted 3 times" in stack.bringup.verdict
    assert "boom" in stack.bringup.verdict


@pytest.mark.parametrize("what", [Do.CONFIGURE, Do.ACTIVATE])
def test_a_node_that_refuses_ends_the_stack(what):
    stack = Stack()
    stack.refuses.add((what, "gate"))
    stack.bringup.complain("gate", "no contract")
    stack.run(1.0)
    assert stack.bringup.verdict == f"gate cannot {what.value}; its last error: no contract"


def test_a_node_that_never_comes_ends_the_stack():
    stack = Stack(start_s=10.0)
    stack.mute.add("gate")
    stack.run(9.0)
    assert not stack.bringup.verdict
    stack.run(2.0)
    assert "gate has not appeared" in stack.bringup.verdict


def test_a_node_may_be_silent_while_it_configures_but_not_for_ever():
    stack = Stack(transition_s=20.0)
    bringup = stack.bringup
    bringup.beat("sim", 0.1)
    assert ("sim", Do.ASK) in list(bringup.update(0.1, lambda *_: True))
    bringup.state("sim", "unconfigured", 0.1)
    assert ("sim", Do.CONFIGURE) in list(bringup.update(0.2, lambda *_: True))
    assert list(bringup.update(15.0, lambda *_: True)) == []
    assert bringup.members["sim"].phase is Phase.CONFIGURING
    assert not bringup.verdict
    list(bringup.update(20.5, lambda *_: True))
    assert "sim is configuring for" in bringup.verdict


def test_a_request_that_got_lost_is_made_again():
    stack = Stack()
    stack.deaf.add("gate")
    stack.run(0.5)
    stack.deaf.clear()
    stack.run(4.0)
    assert stack.phases() == UP
    assert stack.bringup.members["gate"].restarts == 0


@pytest.mark.parametrize("nodes", ["", "a,,b", "a,a"])
def test_names_must_be_names(nodes):
    with pytest.raises(UnknownNameError):
        BringupConfig(nodes=nodes)
