"""Class 15: a thousand starts and stops beside shared memory that dead processes left behind.

Run as a program, it starts and stops the gate in one process: `fault_cycles.py CYCLES`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from fault_classes import FaultClass
from results_page import commit, table
from sensorium_cli.domain import free_domain
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.shared_memory import FOLDER, remove_stale_segments, stale_segments

_GATE = "sensorium_control.nodes.gate_node"
_KILLS_PER_CYCLE = 0.1
_WARM_UP = 50
_STARTED_S = 5.0
_MOST_GROWTH_MB = 20.0
"""In the second half: what the middleware keeps for reuse is there by then."""


def cycles(fault: FaultClass, count: int) -> dict[str, object]:
    """Kill gates so that files stay behind, cycle one beside them, then clean up as a launch does.

    A tenth as many processes are started and killed as cycles are run in one process.
    """
    environment = middleware_environment({**os.environ, "ROS_DOMAIN_ID": str(free_domain())})
    begun_s = time.monotonic()
    remove_stale_segments()
    before, processes = _files(), _processes()
    kills = max(round(count * _KILLS_PER_CYCLE), 1)
    most = 0
    for _ in range(kills):
        _start_and_kill(environment)
        most = max(most, len(stale_segments()))
    grown = _cycle(count, environment)
    left = len(stale_segments())
    removed = remove_stale_segments()
    after, orphans = _files(), _processes() - processes
    mb = grown["rss_mb"]
    late_mb = mb[-1] - mb[len(mb) // 2]
    failures = [
        words
        for words, wrong in {
            f"{after - before} files more in {FOLDER}": after > before,
            f"{orphans} processes more": orphans > 0,
            f"memory grew by {late_mb:.0f} MB in the last half": late_mb > _MOST_GROWTH_MB,
            f"file handles grew: {grown['handles']}": grown["handles"][-1] > grown["handles"][0],
            f"threads grew: {grown['threads']}": grown["threads"][-1] > grown["threads"][0],
        }.items()
        if wrong
    ]
    rows = [
        ["processes started and killed with SIGKILL", str(kills)],
        ["starts and stops in one process, beside what they left", str(count)],
        [
            "memory after 50 cycles, half of them, all",
            f"{mb[0]:.0f}, {mb[len(mb) // 2]:.0f}, {mb[-1]:.0f} MB",
        ],
        ["file handles after 50 cycles, at the end", f"{grown['handles'][0]}, "
         f"{grown['handles'][-1]}"],
        ["threads after 50 cycles, at the end", f"{grown['threads'][0]}, {grown['threads'][-1]}"],
        ["segments of dead processes, at most and before the launcher's clean-up",
         f"{most}, {left}"],
        ["segments it removed", str(len(removed))],
        ["files of Fast DDS in /dev/shm before and after", f"{before}, {after}"],
        ["processes more than before", str(orphans)],
    ]  # fmt: skip
    return {
        "key": fault.key, "number": fault.number, "title": fault.title, "loaded": False,
        "commit": commit(), "cores": os.cpu_count(), "seconds": time.monotonic() - begun_s,
        "cycles": count, "growth": grown, "failures": failures,
        "text": f"### {fault.title}\n\n{table(['what', 'measured'], rows)}",
    }  # fmt: skip


def _files() -> int:
    """Files of Fast DDS that nobody alive needs count too."""
    return sum(1 for _ in FOLDER.glob("*fastrtps_*"))


def _processes() -> int:
    """Gates that run, ours or not."""
    return sum(_GATE.encode() in _command(path) for path in Path("/proc").glob("[0-9]*"))


def _command(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""


def _start_and_kill(environment: dict[str, str]) -> None:
    """Until the gate says that it is there; then SIGKILL."""
    command = [sys.executable, "-m", _GATE]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as gate:
        assert gate.stderr is not None
        end_s = time.monotonic() + _STARTED_S
        while time.monotonic() < end_s and b"disarmed" not in gate.stderr.readline():
            pass
        gate.send_signal(signal.SIGKILL)


def _cycle(count: int, environment: dict[str, str]) -> dict[str, list[float]]:
    command = [sys.executable, __file__, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result: dict[str, list[float]] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _run(count: int) -> dict[str, list[float]]:
    """Start and stop the gate's node; memory, handles and threads every fifty cycles."""
    import rclpy
    from rclpy.experimental import EventsExecutor
    from sensorium_control.nodes.gate_node import GateNode

    found: dict[str, list[float]] = {"rss_mb": [], "handles": [], "threads": []}
    for number in range(count):
        rclpy.init()
        node = GateNode()
        if hasattr(node, "start_up"):
            node.start_up()
        executor = EventsExecutor()
        executor.add_node(node)
        executor.spin_once(timeout_sec=0.01)
        executor.remove_node(node)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
        if (number + 1) % _WARM_UP == 0 or number + 1 == count:
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            found["rss_mb"].append(pages * os.sysconf("SC_PAGESIZE") / 1e6)
            found["handles"].append(len(os.listdir("/proc/self/fd")))
            found["threads"].append(len(os.listdir("/proc/self/task")))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_run(int(sys.argv[1]))) + "\n")
