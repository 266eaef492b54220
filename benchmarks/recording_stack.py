"""A recorder beside the running stack, for benchmarks/recording.py."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

_NODE = "sensorium_recording.nodes.recorder_node"


class Recording:
    """A recorder process of its own. `with Recording(folder, name) as recording: ...`"""

    def __init__(self, folder: Path, name: str, script: str = "", **parameters: object) -> None:
        self.folder, self.name = folder, name
        command = [sys.executable, script] if script else [sys.executable, "-m", _NODE]
        command += ["--ros-args", "-p", f"output:={folder}", "-p", f"name:={name}"]
        for key, value in {"min_free_gb": 1.0, **parameters}.items():
            command += ["-p", f"{key}:={value}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    @property
    def bag(self) -> Path:
        """The bag, once it is closed."""
        return self.folder / self.name

    def end(self, how: signal.Signals = signal.SIGINT) -> str:
        """Send a signal and wait; returns what was printed."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=60)[0]

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
