"""A recorder that also hashes every message as it is handed over, and prints the hashes."""

from __future__ import annotations

import hashlib
import json
import struct
import sys

from sensorium_core.nodes.process import run_node
from sensorium_recording.nodes.recorder_node import RecorderNode


class WitnessNode(RecorderNode):
    """Hashes what the middleware gave, before the recorder sees it."""

    def __init__(self) -> None:
        self.hashes: dict[str, object] = {}
        super().__init__()

    def activate(self) -> None:
        """Put the hashing between the middleware and the recorder."""
        super().activate()
        take = self.recorder.take

        def witnessed(topic: str, time_ns: int, payload: bytes, *rest: object) -> None:
            if self.recorder.recording:
                sha = self.hashes.setdefault(topic, hashlib.sha256())
                sha.update(struct.pack("<qI", time_ns, len(payload)) + payload)
            take(topic, time_ns, payload, *rest)

        self.recorder.take = witnessed

    def destroy_node(self) -> None:
        """Close the bag, then print."""
        super().destroy_node()
        found = {topic: sha.hexdigest() for topic, sha in sorted(self.hashes.items())}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run_node(WitnessNode, None)
