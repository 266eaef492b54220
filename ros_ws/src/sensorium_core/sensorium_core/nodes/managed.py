"""The base of every node of the stack: a lifecycle node that beats, and undoes what it did.

A subclass says in `configure` what it builds and in `activate` what makes it work; nothing else.
Publishers, subscriptions, services, clients and timers that are made in `configure` end with
`cleanup`, those made in `activate` end with `deactivate`; threads, files and child nodes name
their own end with `undo_by`. So an inactive node does nothing that matters by construction: what
would call it is not there. One thread runs all of it, the executor's.
Private names begin with two underscores, so that no subclass takes one by accident.
"""

import gc
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from sensorium_core.errors import SensoriumError

HEARTBEAT = "heartbeat"
HEARTBEAT_S = 0.2
_SUCCESS, _FAILURE, _ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)
_KINDS = ("timer", "subscription", "service", "client", "publisher")
"""What a node makes, in the order in which it is destroyed."""


class ManagedNode(LifecycleNode):
    """A lifecycle node with a heartbeat; the parameter `autostart` brings it up by itself."""

    owns_process = False
    """Set by `run_node`: what lives once the node is active is kept out of garbage collection."""

    def __init__(self, name: str, **options: Any) -> None:
        """Join the graph and beat; `configure` does everything else."""
        self.__steps: list[ExitStack] = []
        self.__problem: Exception | None = None
        self.__is_starting = False
        super().__init__(name, **options)
        self.autostart = bool(self.declare_parameter("autostart", True).value)
        self.__beats = self.create_publisher(Header, HEARTBEAT, QoSProfile(depth=1))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(HEARTBEAT_S, self.__beat, clock=steady)

    def configure(self) -> None:
        """Declare parameters, load, build, make publishers. What it raises is told to the log."""

    def activate(self) -> None:
        """Make subscriptions, services and timers, start threads: from here on the node acts."""

    def undo_by(self, callback: Callable[..., object], *args: Any) -> None:
        """Have a step of `configure` or `activate` undone: last done, first undone.

        What is undone finds the publishers, subscriptions and timers of its step still there.
        """
        self.__steps[-1].callback(callback, *args)

    @property
    def state(self) -> str:
        """`unconfigured`, `inactive`, `active`, `finalized`, or a transition between them."""
        return str(self._state_machine.current_state[1])

    def start_up(self) -> None:
        """Configure and activate, as `autostart` asks. Raises what prevented it."""
        self.__is_starting = True
        try:
            for trigger in (self.trigger_configure, self.trigger_activate):
                if trigger() != _SUCCESS and self.__problem is not None:
                    raise self.__problem
        finally:
            self.__is_starting = False

    def declare_parameter(self, name: str, *args: Any, **options: Any) -> Any:
        """As rclpy does; a parameter that a configuration before this declared keeps its value."""
        if self.has_parameter(name):
            return self.get_parameter(name)
        return super().declare_parameter(name, *args, **options)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `configure`; when it raises, the node is unconfigured as before."""
        return self.__do(self.configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run `activate`; when it raises, the node is inactive as before."""
        done = self.__do(self.activate)
        if done == _SUCCESS and self.owns_process:
            gc.collect()
            gc.freeze()
            self.undo_by(gc.unfreeze)
        return done

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo `activate`."""
        return self.__undo(1)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo `configure`."""
        return self.__undo(0)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo everything; `run_node` then ends the process."""
        self.__undo(0)
        return _SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Undo everything: a node in which something failed begins anew, unconfigured."""
        self.__undo(0)
        return _SUCCESS

    def destroy_node(self) -> None:
        """Undo everything, then the node."""
        self.__undo(0)
        super().destroy_node()

    def __do(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        undo = ExitStack()
        self.__steps.append(undo)
        undo.callback(self.__destroy_all_but, self.__made())
        try:
            step()
        except Exception as error:  # noqa: BLE001 - a transition's boundary: undo, tell, live on
            self.__tell(f"cannot {step.__name__}", error)
            self.__undo(len(self.__steps) - 1)
            return _FAILURE
        return _SUCCESS

    def __undo(self, keep: int) -> TransitionCallbackReturn:
        """Undo the latest steps until `keep` are left; a failure is told, the rest goes on."""
        result = _SUCCESS
        while len(self.__steps) > keep:
            try:
                self.__steps[-1].close()
            except Exception as error:  # noqa: BLE001 - a transition's boundary: tell, go on
                self.__tell("cannot undo everything", error)
                result = _ERROR
            self.__steps.pop()
        return result

    def __tell(self, what: str, error: Exception) -> None:
        self.__problem = error
        if self.__is_starting:
            return
        deliberate = isinstance(error, SensoriumError)
        words = str(error) if deliberate else "".join(traceback.format_exception(error))
        self.get_logger().error(f"{what}: {words}")

    def __made(self) -> dict[str, list[Any]]:
        return {kind: list(getattr(self, f"{kind}s")) for kind in _KINDS}

    def __destroy_all_but(self, before: dict[str, list[Any]]) -> None:
        for kind, made in self.__made().items():
            for entity in made:
                if entity not in before[kind]:
                    getattr(self, f"destroy_{kind}")(entity)

    def __beat(self) -> None:
        stamp = self.get_clock().now().to_msg()
        self.__beats.publish(Header(stamp=stamp, frame_id=self.get_fully_qualified_name()))
