"""Fast DDS's files in /dev/shm: finds and removes those whose process is gone.

A living process holds a lock on the `_el` or `_sl` file beside each of its files; one that was
killed does not.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from pathlib import Path

FOLDER = Path("/dev/shm")
_PREFIX = "fastrtps_"
_LOCK_ENDINGS = ("_el", "_sl")


def stale_segments(folder: Path = FOLDER) -> list[str]:
    """Names of this user's segments that no process holds."""
    return [name for name in _own_segments(folder) if _is_free(folder, name, remove=False)]


def remove_stale_segments(folder: Path = FOLDER) -> list[str]:
    """Remove this user's segments that no process holds, while holding their locks.

    Returns:
        The names of what was removed.
    """
    return [name for name in _own_segments(folder) if _is_free(folder, name, remove=True)]


def _own_segments(folder: Path) -> list[str]:
    locks = (path for path in folder.glob(f"{_PREFIX}*") if path.name.endswith(_LOCK_ENDINGS))
    return sorted({path.name[:-3] for path in locks if _is_ours(path)})


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _is_free(folder: Path, name: str, *, remove: bool) -> bool:
    """Whether nobody holds a segment; removes it, if wanted, while that is certain."""
    locks = [folder / (name + ending) for ending in _LOCK_ENDINGS]
    with ExitStack() as stack:
        try:
            for lock in locks:
                _hold(stack, lock)
        except BlockingIOError:
            return False
        if remove:
            for path in (folder / name, folder / f"sem.{name}_mutex", *locks):
                path.unlink(missing_ok=True)
    return True


def _hold(stack: ExitStack, lock: Path) -> None:
    """Take a lock until the stack closes, where the file exists.

    Raises:
        BlockingIOError: if a living process holds it.
    """
    try:
        handle = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return
    stack.callback(os.close, handle)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
