"""Real-time priority for a process that must answer in time, where the system allows it."""

import os
from contextlib import suppress
from pathlib import Path

GATE_PRIORITY, HEARTBEAT_PRIORITY, POLICY_PRIORITY = 2, 2, 1
_SPINNING = "dds.asyn"


def prefer_this_process(priority: int = GATE_PRIORITY) -> str:
    """Run this process before ordinary ones; why that is refused, or nothing.

    Threads that these start later have it, too: the executor starts one for its timers. So would
    child processes; do not start any. Needs root, `CAP_SYS_NICE`, or `rtprio` in
    `/etc/security/limits.conf`. Source: sched(7).
    """
    if not hasattr(os, "sched_setscheduler"):
        return "this system has no sched_setscheduler"
    try:
        for thread in threads_to_schedule():
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return str(error)
    return ""


def prefer_this_thread(priority: int) -> None:
    """Run the calling thread before the others of a process that has real-time priority."""
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def threads_to_schedule(process: int | str = "self") -> list[int]:
    """The threads of a process that may have real-time priority.

    Fast DDS' threads for asynchronous writing may not: while another thread holds the writer
    that they want they try again without a pause (`FlowControllerImpl::run` of 2.14), and before
    ordinary processes would keep the holder from ever letting go.
    """
    found = []
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
            if not (thread / "comm").read_text().startswith(_SPINNING):
                found.append(int(thread.name))
    return found
