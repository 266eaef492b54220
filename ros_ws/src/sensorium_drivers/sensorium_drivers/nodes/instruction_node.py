"""Publishes typed lines as instructions: from the terminal, a pipe or a file.

The last instruction is kept for late listeners. A line that cannot be an instruction is told to
the log and changes nothing; neither does a line that was typed while the node was deactivated.
One thread, the events executor's.
"""

import sys
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensorium_core.errors import InstructionError
from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.process import run_node
from std_msgs.msg import String

from sensorium_drivers.language import read_instructions
from sensorium_drivers.lines import LineReader

_STDIN = "-"
_LOOK_S = 0.02


class InstructionNode(ManagedNode):
    """Lines of `source` to `instruction`; an empty line stops the arm."""

    def __init__(self) -> None:
        super().__init__("instruction")

    def configure(self) -> None:
        """Open the source."""
        source = self.declare_parameter("source", _STDIN).value
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._instruction = self.create_publisher(String, "instruction", latched)
        self._lines = LineReader(sys.stdin.fileno() if source == _STDIN else self._open(source))
        self._is_new = True

    def _open(self, source: str) -> int:
        if not Path(source).is_file():
            raise InstructionError(
                f"source {source!r} is not there", "a file, or - for the terminal"
            )
        file = Path(source).open("rb", buffering=0)  # noqa: SIM115 - closed by `cleanup`
        self.undo_by(file.close)
        return file.fileno()

    def activate(self) -> None:
        """Publish what is typed from now on; the first time also what waits already."""
        if not self._is_new:
            self._lines.take()
        self._is_new = False
        self.create_timer(_LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _look(self) -> None:
        for item in read_instructions(self._lines.take()):
            if isinstance(item, InstructionError):
                self.get_logger().warning(str(item))
            else:
                self._instruction.publish(String(data=item))


def main(args: list[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM."""
    run_node(InstructionNode, args)


if __name__ == "__main__":
    main()
