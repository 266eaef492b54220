"""Brings a stack of managed nodes up, in order, and keeps it up. ROS-free; one thread.

The node tells what it hears (`beat`, `state`, `done`, `complain`) and does what `update` asks
for. All nodes configure at the same time, since an inactive node does nothing; they are activated
one after another. A node that was restarted is brought up again; one that fails too often, or
that cannot be configured, ends the whole stack, with its name and its last words.
Times are seconds of a monotonic clock.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from sensorium_core.errors import UnknownNameError


@dataclass(frozen=True)
class BringupConfig:
    """What is brought up, and how long it may take."""

    nodes: str = "gate,fusion"
    """Names in the order of activation, parted by commas, relative to the bringup's namespace."""
    arm_on_start: bool = False
    """Whether the gate is armed once all nodes are active for the first time."""
    silence_s: float = 1.0
    """Without a heartbeat for so long a node is lost."""
    most_restarts: int = 3
    """A node that is lost once more than this ends the stack."""
    start_s: float = 60.0
    """A node that is not heard, or not heard again, for so long ends the stack."""
    transition_s: float = 60.0
    """A node that takes longer to configure or to activate ends the stack."""

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or not all(self.names):
            raise UnknownNameError("nodes", self.nodes, ["different names parted by commas"])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the nodes, in order."""
        return tuple(name.strip() for name in self.nodes.split(","))


class Phase(str, Enum):
    """Where a node is, as far as the bringup knows."""

    ABSENT = "absent"
    HEARD = "heard"
    UNCONFIGURED = "unconfigured"
    CONFIGURING = "configuring"
    INACTIVE = "inactive"
    ACTIVATING = "activating"
    ACTIVE = "active"
    LOST = "lost"


class Do(str, Enum):
    """What the bringup asks its node to do."""

    ASK = "ask"
    """For the state of a node's lifecycle; the answer goes to `state`."""
    CONFIGURE = "configure"
    ACTIVATE = "activate"
    ARM = "arm"
    """The gate; the answers of these three go to `done`."""


_ANSWER_S = 1.0
"""A request to a node that beats is lost when it is not answered by then, and is made again."""
_GAP_S = 0.5
"""Between two beats this is long enough for a restart: the node is asked for its state."""
_ARM_AGAIN_S = 0.2
_NEXT = {
    Phase.UNCONFIGURED: (Do.CONFIGURE, Phase.CONFIGURING),
    Phase.INACTIVE: (Do.ACTIVATE, Phase.ACTIVATING),
}
_BUSY = (Phase.CONFIGURING, Phase.ACTIVATING)


@dataclass
class Member:
    """What is known of one node."""

    name: str
    phase: Phase = Phase.ABSENT
    restarts: int = 0
    complaint: str = ""
    """The last error that it logged."""
    since_s: float = 0.0
    """When the phase began."""
    beat_s: float = 0.0
    asked_s: float | None = None
    """When its state was asked for; None when no answer is due."""
    gap: bool = False
    """Whether it was silent for a while since it was last asked to change."""
    has_begun: bool = False
    """Whether it was configured, or lost: unconfigured after that, it was restarted."""


@dataclass
class Bringup:
    """The state of the whole stack."""

    config: BringupConfig
    begun_s: float
    news: list[str] = field(default_factory=list)
    """Lines for the log; whoever reads them clears them."""
    verdict: str = ""
    """Why the stack must end; empty while it need not."""

    def __post_init__(self) -> None:
        self.members = {n: Member(n, since_s=self.begun_s) for n in self.config.names}
        self._may_arm = self.config.arm_on_start
        self._arm_next_s = self.begun_s
        self._arm_is_asked = False
        self.was_up = False
        """Whether all nodes were active once."""

    def beat(self, name: str, now_s: float) -> None:
        """A heartbeat of a node, by its relative name; others than ours do not matter."""
        member = self.members.get(name)
        if member is None:
            return
        gap = now_s - member.beat_s > _GAP_S
        member.beat_s = now_s
        if member.phase in (Phase.ABSENT, Phase.LOST):
            self._enter(member, Phase.HEARD, now_s)
        elif gap:
            member.gap = True
            if member.phase is Phase.ACTIVE:
                self._enter(member, Phase.HEARD, now_s)

    def state(self, name: str, label: str, now_s: float) -> None:
        """A node's answer to `Do.ASK`: the state of its lifecycle."""
        member = self.members[name]
        if member.asked_s is None:
            return
        member.asked_s = None
        phases = {p.value: p for p in (Phase.UNCONFIGURED, Phase.INACTIVE, Phase.ACTIVE)}
        if label not in phases:
            return
        has_begun = member.has_begun or (member.phase in _BUSY and member.gap)
        if label == "unconfigured" and has_begun:
            self._note_restart(member)
        self._enter(member, phases[label], now_s)

    def done(self, name: str, what: Do, success: bool, now_s: float) -> None:
        """A node's answer to a change that was asked for."""
        if what is Do.ARM:
            self._arm_is_asked, self._arm_next_s = False, now_s + _ARM_AGAIN_S
            self._may_arm = self._may_arm and not success
            return
        member = self.members[name]
        if member.phase is not (Phase.CONFIGURING if what is Do.CONFIGURE else Phase.ACTIVATING):
            return
        if not success:
            self._end(f"{name} cannot {what.value}", member)
            return
        member.beat_s = now_s
        member.has_begun = True
        self._enter(member, Phase.INACTIVE if what is Do.CONFIGURE else Phase.ACTIVE, now_s)

    def gate_state(self, state: str) -> None:
        """What the gate says of itself: one that stopped is armed by a person only."""
        if state == "stopped" and self._may_arm:
            self._may_arm = False
            self.news.append("the gate stopped before it was armed; somebody must call gate/arm")

    def complain(self, name: str, text: str) -> None:
        """An error that a node logged: its last words, should it end."""
        if name in self.members:
            self.members[name].complaint = text

    def update(self, now_s: float, can: Callable[[str, Do], bool]) -> Iterator[tuple[str, Do]]:
        """What to do now, of what `can` be done: names and deeds. Sets `verdict` in the end."""
        for member in self.members.values():
            self._look(member, now_s)
            if self.verdict:
                return
            if self._must_ask(member, now_s) and can(member.name, Do.ASK):
                member.asked_s = now_s
                yield member.name, Do.ASK
            what, phase = _NEXT.get(member.phase, (None, member.phase))
            if what is not None and self._may_change(member) and can(member.name, what):
                self._enter(member, phase, now_s)
                member.gap = False
                yield member.name, what
        if not self.was_up and self._all_active(self.members):
            self.was_up = True
            self.news.append(f"all active after {now_s - self.begun_s:.1f} s")
        if self._arm_is_due(now_s) and can("gate", Do.ARM):
            self._arm_is_asked = True
            yield "gate", Do.ARM

    def _look(self, member: Member, now_s: float) -> None:
        """Notice that a node is silent, or takes too long."""
        name, age_s = member.name, now_s - member.since_s
        if member.phase in (Phase.ABSENT, Phase.LOST):
            if age_s > self.config.start_s:
                word = "came back" if member.phase is Phase.LOST else "appeared"
                self._end(f"{name} has not {word} for {age_s:.0f} s", member)
        elif member.phase in _BUSY:
            if age_s > self.config.transition_s:
                self._end(f"{name} is {member.phase.value} for {age_s:.0f} s", member)
        elif now_s - member.beat_s > self.config.silence_s:
            self._lose(member, now_s)

    def _lose(self, member: Member, now_s: float) -> None:
        silent_s = now_s - member.beat_s
        self.news.append(f"{member.name} is silent for {silent_s:.1f} s")
        self._may_arm = self._may_arm and member.name != "gate"
        if member.restarts >= self.config.most_restarts:
            self._end(
                f"{member.name} was restarted {member.restarts} times and is silent again", member
            )
            return
        member.asked_s, member.has_begun = None, True
        self._enter(member, Phase.LOST, now_s)

    def _must_ask(self, member: Member, now_s: float) -> bool:
        """Whether the state is not known, or a change seems to have got lost."""
        beats = now_s - member.beat_s < _GAP_S
        overdue = member.phase in _BUSY and beats and now_s - member.since_s > _ANSWER_S
        if member.phase is not Phase.HEARD and not overdue:
            return False
        return member.asked_s is None or now_s - member.asked_s > _ANSWER_S

    def _note_restart(self, member: Member) -> None:
        member.has_begun = member.gap = False
        member.restarts += 1
        self.news.append(f"{member.name} was restarted ({member.restarts})")
        if member.restarts > self.config.most_restarts:
            self._end(f"{member.name} was restarted {member.restarts} times", member)

    def _may_change(self, member: Member) -> bool:
        """Whether every node before this one is active, if it is to be activated."""
        if member.phase is Phase.UNCONFIGURED:
            return True
        names = list(self.members)
        return self._all_active(names[: names.index(member.name)])

    def _all_active(self, names: Iterable[str]) -> bool:
        return all(self.members[name].phase is Phase.ACTIVE for name in names)

    def _arm_is_due(self, now_s: float) -> bool:
        """Whether to arm: until it is done once, and one request at a time."""
        wanted = self._may_arm and self.was_up and not self._arm_is_asked
        return wanted and now_s >= self._arm_next_s

    def _enter(self, member: Member, phase: Phase, now_s: float) -> None:
        member.phase, member.since_s = phase, now_s

    def _end(self, why: str, member: Member) -> None:
        words = f"; its last error: {member.complaint}" if member.complaint else ""
        self.verdict = f"{why}{words}"
