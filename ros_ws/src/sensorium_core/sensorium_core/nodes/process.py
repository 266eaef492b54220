"""One node, one process, one thread: start, spin without burning a core, end on a signal."""

import gc
import signal
from collections.abc import Callable
from types import FrameType

import rclpy
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

_WAKE_S = 0.25
"""The events executor hangs in calls without a timeout; signals are seen this often when idle."""


def run_node(build: Callable[[], Node], args: list[str] | None = None) -> None:
    """Build a node and spin it until SIGINT or SIGTERM; then its `destroy_node` releases things.

    What exists after building is frozen out of garbage collection, so that it costs no pauses.
    """
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    ended = Future()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set_result(None)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    node = build()
    executor = EventsExecutor()
    executor.add_node(node)
    gc.collect()
    gc.freeze()
    try:
        while not ended.done():
            executor.spin_until_future_complete(ended, timeout_sec=_WAKE_S)
    finally:
        executor.remove_node(node)
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
