"""Finds a ROS domain that nobody on this machine uses, so that runs do not hear each other."""

from __future__ import annotations

import random
import socket

DOMAINS = range(1, 101)
"""Those whose ports lie below Linux's ephemeral ones."""
_PORTS_PER_DOMAIN = 250
_FIRST_PARTICIPANT = 7410


def free_domain() -> int:
    """A domain in which no participant lives now; drawn at random, to keep neighbours apart.

    Source: DDSI-RTPS 9.6.1, port numbers of discovery: the first participant of a domain on a
    host holds port 7410 + 250 * domain.
    """
    candidates = list(DOMAINS)
    random.shuffle(candidates)
    return next((d for d in candidates if _is_free(d)), candidates[0])


def _is_free(domain: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", _FIRST_PARTICIPANT + _PORTS_PER_DOMAIN * domain))
        except OSError:
            return False
    return True
