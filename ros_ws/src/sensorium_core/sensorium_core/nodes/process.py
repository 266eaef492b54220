"""One node, one process, one thread: start, spin without burning a core, end on a signal."""

import ctypes
import gc
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import rclpy
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from sensorium_core.nodes.managed import ManagedNode

_WAKE_S = 0.25
"""The events executor hangs in calls without a timeout; signals are seen this often when idle."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_TRIM_BYTES, _MMAP_BYTES = 256 << 20, 32 << 20


def keep_freed_memory() -> None:
    """Let glibc keep freed pictures for the next ones instead of handing them to the kernel.

    Fetching a picture's pages anew costs up to fifteen times as much as copying the picture.
    Elsewhere than on glibc nothing happens. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def run_node(
    build: Callable[[], Node],
    args: list[str] | None = None,
    over: Callable[[Any], bool] = lambda node: False,
    leave: Callable[[Any, Callable[[Future, float], None]], None] | None = None,
) -> None:
    """Build a node and spin it until SIGINT or SIGTERM; then its `destroy_node` releases things.

    With its parameter `autostart` a managed node is configured and activated first; what prevents
    that is raised. One that is shut down by its lifecycle ends its process. `over` is asked four
    times a second whether the node has ended by itself; what it raises ends the node too. What
    exists once the node is active is frozen out of garbage collection, so that it costs no pauses.
    `leave` has the last word after a signal; it gets the node, and what spins it until a future is
    done or a time is over.
    """
    keep_freed_memory()
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    ended = Future()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set_result(None)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    node = build()
    executor = EventsExecutor()
    try:
        _start(node)
        executor.add_node(node)
        while not (ended.done() or _is_finalized(node) or over(node)):
            executor.spin_until_future_complete(ended, timeout_sec=_WAKE_S)
        if leave is not None and ended.done():
            leave(node, executor.spin_until_future_complete)
    except Exception as error:
        if not getattr(node, "autostart", True):
            node.get_logger().fatal(f"{type(error).__name__}: {error}")  # the bringup hears it
        raise
    finally:
        executor.remove_node(node)
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def _start(node: Node) -> None:
    if isinstance(node, ManagedNode):
        node.owns_process = True
        if node.autostart and node.state == "unconfigured":
            node.start_up()
    else:
        gc.collect()
        gc.freeze()


def _is_finalized(node: Node) -> bool:
    return isinstance(node, ManagedNode) and node.state == "finalized"
