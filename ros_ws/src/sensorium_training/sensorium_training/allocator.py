"""Keeps what training frees for its next step instead of giving it back to the kernel.

Activations of a batch are tens of megabytes. By default glibc gives them back when they are freed,
and the kernel clears them anew, page by page, when the next step asks.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
"""Of malloc.h, as are the names."""
_LARGEST_KEPT = 32 << 20
"""The most that glibc takes as a threshold; larger blocks are mapped anew all the same."""
_KEPT, _PAD = 2**31 - 1, 256 << 20


def keep_freed_memory() -> bool:
    """For the whole process; whether the C library could: glibc does, others are left alone."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = (
        (_M_MMAP_THRESHOLD, _LARGEST_KEPT),
        (_M_TRIM_THRESHOLD, _KEPT),
        (_M_TOP_PAD, _PAD),
    )
    return all(mallopt(what, value) == 1 for what, value in wanted)
