"""From a bag to aligned frames, through the same aligner as live, in one pass and bounded memory.

Messages are read in file order and become small tensors at once. A frame of the depth camera
waits `slack_s` for messages of its time that were recorded later; then everything up to its stamp
is pushed, and what was known is observed. A sense that is alive but says nothing, such as a frozen
camera, is not believed, as in the policy loop. ROS-free; one pass serves one thread.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.cdr import NS
from sensorium_core.content_watch import ContentConfig, ContentWatch
from sensorium_core.contract import Contract
from sensorium_core.errors import BagError
from sensorium_core.geometry import Camera
from sensorium_core.inputs import CommandHistory, Memory
from sensorium_core.kinematics import Kinematics
from sensorium_core.memory import copy_of, new_memory
from sensorium_core.observation import Aligner, Observation

from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.episodes import STATIC_TRANSFORMS
from sensorium_recording.grid import Grid
from sensorium_recording.pending import Pending
from sensorium_recording.row_arm import arm_of
from sensorium_recording.surroundings import Surroundings

_EVER = 2**63 - 1


@dataclass(frozen=True)
class AlignedFrame:
    """What was known at one exposure of the depth camera, and what went on then."""

    t_ns: int
    """Stamp of the depth image, or the grid's time."""
    observation: Observation
    setpoint: NDArray[np.float64] | None
    """Commanded joints `(n_joints,)` in the contract's order; None before any command."""
    memory: Memory
    """A copy. It begins with the first instruction, and anew with each one after it."""
    instruction: str
    """In force then; empty before any."""
    state: str | None
    """The simulator's ground truth of this stamp as JSON, when the bag holds it."""
    as_live: bool | None = None
    """Whether this is what the live step of this time saw; false when a message that it used is
    not in the bag, None when no such step is recorded."""
    faults: Mapping[str, str] = field(default_factory=dict)
    """By modality, in words, why it is not believed although messages came; what a live step did
    not believe it did not use."""


@dataclass(frozen=True)
class Span:
    """A part of a bag by header stamps, both ends included."""

    start_ns: int
    end_ns: int


def aligned_frames(
    bag: Path,
    contract: Contract,
    *,
    namespace: str = "",
    span: Span | None = None,
    slack_s: float = 0.5,
    grid: Grid | None = None,
    content: ContentConfig | None = None,
) -> Iterator[AlignedFrame]:
    """One frame for each depth image of a bag, in the order of recording.

    Args:
        bag: a rosbag2 directory or an MCAP file.
        contract: what is sensed, and how.
        namespace: of the robot in the bag, such as `left_arm`, without slashes at the ends.
        span: frames of this time only; what was sensed before it still fills their windows.
        slack_s: how long after a frame messages of its time may come [s].
        grid: frames at its times, as far as there are depth images, instead of at the images.
        content: what counts as frozen.

    Raises:
        BagError: no message of any modality, or a damaged file.
        MessageDecodeError, ShapeError: a payload that is not what its topic promises.
    """
    arm = arm_of(bag) if contract.version > 1 else None
    watch = ContentWatch(contract, content or ContentConfig())
    replay = _Replay(contract, namespace, span, round(slack_s * NS), grid, arm, watch)
    for message in BagReader(bag).messages(replay.topics):
        due = replay.take(message)
        if due:
            yield from due
        if replay.over:
            return
    yield from replay.frames(_EVER)
    if not replay.sensed:
        known = ", ".join(m.topic for m in contract.modalities)
        raise BagError(bag, "holds no topic of the contract", f"it senses: {known}")


class _Replay:
    """The state of one pass over a bag."""

    def __init__(
        self,
        contract: Contract,
        namespace: str,
        span: Span | None,
        slack_ns: int,
        grid: Grid | None,
        arm: Kinematics | None,
        watch: ContentWatch,
    ) -> None:
        self._grid = grid
        self._slack_ns, self._prefix = slack_ns, f"/{namespace}/" if namespace else "/"
        lead_ns = round(NS * (1 + max(m.window_s + m.max_age_s for m in contract.modalities)))
        self._first_ns, self._end_ns = (span.start_ns, span.end_ns) if span else (0, _EVER)
        self._windows_ns = self._first_ns - lead_ns
        self._queues = {
            self._prefix + m.topic: Pending(m, contract.action.joints) for m in contract.modalities
        }
        self._depth = next(
            self._prefix + m.topic for m in contract.modalities if m.kind == "depth"
        )
        self._interpolated = {
            m.name for m in contract.modalities if m.kind == "joints" and not m.window_s
        }
        self._around = Surroundings(contract)
        self._aligner, self._history = Aligner(contract), CommandHistory()
        self._contract, self._arm, self._watch = contract, arm, watch
        self._memory = new_memory(contract, arm)
        self._waiting: deque[tuple[int, int]] = deque()
        """Time of each frame to come, and when its depth image was recorded."""
        self._deadline_ns = _EVER
        """Time of recording at which the next of them need not wait any longer."""
        self._camera: Camera | None = None
        self._instruction = ""
        self.over = False

    @property
    def sensed(self) -> bool:
        """Whether any modality had a message."""
        return any(queue.newest_ns >= 0 for queue in self._queues.values())

    @property
    def topics(self) -> set[str]:
        """All that matters, by full name."""
        slow = {self._prefix + topic for topic in self._around.topics}
        return {*self._queues, *slow, "/" + STATIC_TRANSFORMS}

    def take(self, message: RawMessage) -> list[AlignedFrame]:
        """Take a message in; returns the frames that were due before it."""
        queue = self._queues.get(message.topic)
        jumped = queue is not None and queue.notice(message)
        due: list[AlignedFrame] = []
        if message.log_time_ns >= self._deadline_ns or (jumped and self._waiting):
            due = list(self.frames(_EVER if jumped else message.log_time_ns))
        if queue is None:
            self._around.take(message.topic.removeprefix(self._prefix).lstrip("/"), message)
        elif self._windows_ns <= queue.newest_ns <= self._end_ns:
            queue.add(message)
        if message.topic == self._depth:
            self._expect(self._queues[self._depth].newest_ns, message.log_time_ns)
        return due

    def _expect(self, stamp: int, log_time_ns: int) -> None:
        """Note the coming of a depth image."""
        if self._first_ns <= stamp <= self._end_ns:
            times = [stamp] if self._grid is None else self._grid.due(stamp)
            self._waiting.extend((t_ns, log_time_ns) for t_ns in times)
            self._deadline_ns = self._next_deadline()
        ended = self._grid is not None and self._grid.ended
        self.over = (stamp > self._end_ns or ended) and not self._waiting

    def frames(self, until_ns: int) -> Iterator[AlignedFrame]:
        """Frames that need not wait beyond this time of recording."""
        while self._next_deadline() <= until_ns and self._waiting:
            yield self._frame(*self._waiting.popleft())
        self._deadline_ns = self._next_deadline()

    def _next_deadline(self) -> int:
        return self._waiting[0][1] + self._slack_ns if self._waiting else _EVER

    def _frame(self, t_ns: int, log_time_ns: int) -> AlignedFrame:
        camera = self._around.camera
        if camera is not None and camera is not self._camera:
            self._aligner.set_camera(camera)
            self._camera = camera
        for queue in self._queues.values():
            for stamp, _, value in queue.take(t_ns, queue.name in self._interpolated):
                self._watch.push(self._aligner, queue.name, stamp, value)
        for command in self._around.commands_before(t_ns):
            self._history.push(command)
        for text in self._around.words_until(t_ns, log_time_ns):
            self._listen(text)
        seen, as_live = self._observe(t_ns)
        self._memory.feel(seen)
        setpoint, state = self._history.sample(t_ns), self._around.state_at(t_ns)
        felt, faults = copy_of(self._memory), {} if as_live else dict(self._watch.faults)
        return AlignedFrame(t_ns, seen, setpoint, felt, self._instruction, state, as_live, faults)

    def _observe(self, t_ns: int) -> tuple[Observation, bool | None]:
        """As a live step saw it, where that is in the bag, else all until then; and `as_live`."""
        used = self._around.used_at(t_ns)
        live = None if used is None else self._aligner.observe_from(t_ns, used)
        if live is not None:
            return live, True
        seen = self._aligner.observe(t_ns, distrusted=self._watch.faults)
        return seen, None if used is None else False

    def _listen(self, text: str) -> None:
        """What follows the first instruction is remembered afresh."""
        if self._instruction:
            self._memory = new_memory(self._contract, self._arm)
        self._instruction = text
