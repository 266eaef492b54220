"""Real-time priority for a process that must answer in time, where the system allows it."""

import os
from pathlib import Path

GATE_PRIORITY, POLICY_PRIORITY = 2, 1
_SPINNING = "dds.asyn"


def prefer_this_process(priority: int = GATE_PRIORITY) -> str:
    """Run every thread of this process before ordinary ones; why that is refused, or nothing.

    Threads that these start later have it, too: the executor starts one for its timers. So would
    child processes; do not start any. Needs root, `CAP_SYS_NICE`, or `rtprio` in
    `/etc/security/limits.conf`. Source: sched(7).

    Fast DDS' threads for asynchronous writing are left out: while another thread holds the writer
    that they want they try again without a pause (`FlowControllerImpl::run` of 2.14), and before
    ordinary processes would keep the holder from ever letting go.
    """
    if not hasattr(os, "sched_setscheduler"):
        return "this system has no sched_setscheduler"
    try:
        for thread in os.listdir("/proc/self/task"):
            if _name(thread).startswith(_SPINNING):
                continue
            os.sched_setscheduler(int(thread), os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return str(error)
    return ""


def _name(thread: str) -> str:
    return Path(f"/proc/self/task/{thread}/comm").read_text()
