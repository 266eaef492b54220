"""Publishes typed lines as instructions: from the terminal, a pipe or a file.

A thread waits for lines, since reading cannot be interrupted; it only publishes. The last
instruction is kept for late listeners. A line that cannot be an instruction is told to the log
and changes nothing.
"""

import sys
import threading
from pathlib import Path
from typing import TextIO

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensorium_core.errors import InstructionError
from sensorium_core.nodes.process import run_node
from std_msgs.msg import String

from sensorium_drivers.language import read_instructions

_STDIN = "-"


class InstructionNode(Node):
    """Lines of `source` to `instruction`; an empty line stops the arm."""

    def __init__(self) -> None:
        super().__init__("instruction")
        source = self.declare_parameter("source", _STDIN).value
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._instruction = self.create_publisher(String, "instruction", latched)
        if source != _STDIN and not Path(source).is_file():
            raise InstructionError(
                f"source {source!r} is not there", "a file, or - for the terminal"
            )
        threading.Thread(target=self._read, args=(source,), daemon=True).start()

    def _read(self, source: str) -> None:
        if source == _STDIN:
            self._publish_lines(sys.stdin)
            return
        with Path(source).open(encoding="utf-8", errors="replace") as lines:
            self._publish_lines(lines)

    def _publish_lines(self, lines: TextIO) -> None:
        for item in read_instructions(lines):
            if isinstance(item, InstructionError):
                self.get_logger().warning(str(item))
            else:
                self._instruction.publish(String(data=item))


def main(args: list[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM."""
    run_node(InstructionNode, args)


if __name__ == "__main__":
    main()
