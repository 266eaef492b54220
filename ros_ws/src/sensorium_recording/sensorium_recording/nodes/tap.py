"""A raw subscription that is emptied by hand, with the publishers' message numbers.

The events executor calls back once a message and cannot pass on message numbers; a recorder wants
the numbers, and fares better with one look every few milliseconds.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible


class Taken(NamedTuple):
    """One message off a topic."""

    payload: bytes
    received_ns: int
    """Wall time at which the middleware had it; 0 where it does not say."""
    sequence: int | None
    """The publisher's number of the message, where the middleware tells."""
    queue_was_full: bool
    """As many messages waited as the queue holds: some before them may be lost."""


class Tap:
    """One topic of a node that no executor spins."""

    def __init__(self, node: Node, message: type, topic: str, qos: QoSProfile) -> None:
        self.topic, self._depth, self._message, self._qos = topic, qos.depth, message, qos
        self._subscription = node.create_subscription(message, topic, _never, qos, raw=True)

    @property
    def matched(self) -> bool:
        """Whether a publisher's messages reach us; those that are not latched are lost before."""
        return bool(self._subscription.get_publisher_count())

    def hears(self, offers: list[QoSProfile]) -> bool:
        """Whether publishers with these offers can be heard."""
        return all(
            qos_check_compatible(offer, self._qos)[0] != QoSCompatibility.ERROR for offer in offers
        )

    def anew(self, node: Node, qos: QoSProfile) -> "Tap":
        """The same topic with another quality; what waits here is dropped and shows as lost."""
        node.destroy_subscription(self._subscription)
        return Tap(node, self._message, self.topic, qos)

    def take(self) -> Iterator[Taken]:
        """All messages that wait, oldest first."""
        handle = self._subscription.handle
        found = []
        with handle:
            while len(found) < self._depth:
                taken = handle.take_message(self._message, True)
                if taken is None:
                    break
                found.append(taken)
        full = len(found) >= self._depth
        for number, (payload, info) in enumerate(found):
            sequence = info.get("publication_sequence_number")
            received_ns = info.get("received_timestamp") or 0
            yield Taken(payload, received_ns, sequence, full and number == 0)


def _never(_: Any) -> None:
    raise AssertionError("nothing spins this node")
