"""Accounts for every message of a topic: received, written, lost and where.

Publishers number their messages; a gap in the numbers is a loss. Where the middleware tells no
numbers, header stamps are held against the expected rate instead.
"""

from dataclasses import dataclass, field

_MISSED = 1.6
"""Periods between two stamps from which on messages are missing between them."""
_STREAMS = 16


@dataclass
class Account:
    """One topic's books. `received == written + lost_queue + lost_write` when a bag is closed."""

    expected_rate_hz: float = 0.0
    """Zero: not known."""
    received: int = 0
    written: int = 0
    lost_transport: int = 0
    """Sent, by their numbers or stamps, and never received."""
    lost_reader: int = 0
    """As above, while the middleware's queue in front of the recorder was full."""
    lost_queue: int = 0
    """Received, but the disk was too slow for too long."""
    lost_write: int = 0
    """Received, but not on disk when writing failed."""
    publishers: int = 1
    """How many there are; each numbers its own messages, and none is named."""
    counted_by: str = "nothing"
    """What tells of losses: `sequence`, `stamps` or nothing."""
    restarts: int = 0
    """Publishers that came or started anew while recording."""
    _newest: list[int] = field(default_factory=list)
    _stamp_ns: int | None = None

    @property
    def losses(self) -> dict[str, int]:
        """By kind."""
        kinds = ("lost_transport", "lost_reader", "lost_queue", "lost_write")
        return {kind: getattr(self, kind) for kind in kinds}

    @property
    def lost(self) -> int:
        """All that was sent and is not in the bag, as far as it is known."""
        return sum(self.losses.values())

    def take(
        self, sequence: int | None, stamp_ns: int | None = None, queue_was_full: bool = False
    ) -> None:
        """Count one received message by its number, or else by its header stamp."""
        self.received += 1
        if sequence is not None:
            self.counted_by = "sequence"
            missed = self._missed_numbers(sequence)
        else:
            missed = self._missed_stamps(stamp_ns)
        if queue_was_full:
            self.lost_reader += missed
        else:
            self.lost_transport += missed

    def follow(self, sequence: int | None, stamp_ns: int | None = None) -> None:
        """Note the number of a message that is not recorded, so that the next can be judged."""
        restarts = self.restarts
        if sequence is not None:
            self._missed_numbers(sequence)
        else:
            self._missed_stamps(stamp_ns)
        self.restarts = restarts

    def _missed_numbers(self, sequence: int) -> int:
        """A number follows the nearest below; one that follows none is a publisher's first.

        Exact for one publisher. Of several, a loss before each was heard once is not seen.
        """
        below = [n for n in self._newest if n < sequence]
        follows = sequence - 1 in below
        if not below or (not follows and len(self._newest) < self.publishers):
            self.restarts += len(self._newest) >= self.publishers
            self._newest = [*self._newest, sequence][-_STREAMS:]
            return 0
        nearest = max(below)
        self._newest[self._newest.index(nearest)] = sequence
        return sequence - nearest - 1

    def _missed_stamps(self, stamp_ns: int | None) -> int:
        before, self._stamp_ns = self._stamp_ns, stamp_ns
        if stamp_ns is None or self.expected_rate_hz <= 0:
            return 0
        self.counted_by = "stamps"
        if before is None or stamp_ns <= before:
            return 0
        periods = (stamp_ns - before) * 1e-9 * self.expected_rate_hz
        return round(periods) - 1 if periods > _MISSED else 0

    def settle(self, on_disk: int) -> None:
        """Writing failed: what was received and is not on the disk is lost."""
        self.written = on_disk
        self.lost_write = max(self.received - self.lost_queue - on_disk, 0)

    def forget_counts(self) -> None:
        """Begin a new bag; the publishers' numbers go on."""
        self.received = self.written = self.restarts = 0
        self.lost_transport = self.lost_reader = self.lost_queue = self.lost_write = 0

    def summary(self) -> dict[str, int | str]:
        """For diagnostics and the bag's record `recording`."""
        return {
            "received": self.received,
            "written": self.written,
            **self.losses,
            "counted_by": self.counted_by,
            "publisher_restarts": self.restarts,
        }
