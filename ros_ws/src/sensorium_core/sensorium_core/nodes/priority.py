"""Real-time priority for a process that must answer in time, where the system allows it."""

import os

GATE_PRIORITY, POLICY_PRIORITY = 2, 1


def prefer_this_process(priority: int = GATE_PRIORITY) -> str:
    """Run every thread of this process before ordinary ones; why that is refused, or nothing.

    Needs root, `CAP_SYS_NICE`, or `rtprio` in `/etc/security/limits.conf`. Children do not
    inherit it. Threads that are started later do not have it. Source: sched(7).
    """
    if not hasattr(os, "sched_setscheduler"):
        return "this system has no sched_setscheduler"
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        for thread in os.listdir("/proc/self/task"):
            os.sched_setscheduler(int(thread), policy, os.sched_param(priority))
    except OSError as error:
        return str(error)
    return ""
