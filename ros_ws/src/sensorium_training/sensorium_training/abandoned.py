"""What a worker process does when the one that asked for its work is gone.

A pool's workers end with it, unless it is killed: then they go on with all that was queued.
"""

import multiprocessing


def leave_if_abandoned() -> None:
    """End this worker process if its parent is gone. Nothing in a process that is no worker."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        raise SystemExit
