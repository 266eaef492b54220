"""Decides when a camera frame is complete, so that a step sees colour and depth of one exposure.

Depth of a stamp arrives after its colour, or before; whichever comes second completes the frame.
"""

from sensorium_core.contract import Contract

_PAIR_NS = 5_000_000
"""Stamps closer than this are one exposure."""


class FramePair:
    """Follows the stamps of one depth stream and of the colour stream beside it."""

    def __init__(self, colour_max_age_s: float) -> None:
        self._colour_max_age_ns = round(colour_max_age_s * 1e9)
        self._colour_ns: int | None = None
        self._depth_ns: int | None = None
        self._waiting = False

    def colour(self, stamp_ns: int) -> int | None:
        """Note a colour image; returns the stamp of the frame that it completes, if it does."""
        self._colour_ns = stamp_ns
        return self._complete()

    def depth(self, stamp_ns: int) -> int | None:
        """Note a depth image; returns the stamp of the frame that it completes, if it does.

        When colour has been silent for too long, depth alone is a frame.
        """
        self._depth_ns, self._waiting = stamp_ns, True
        if self._colour_ns is None or stamp_ns - self._colour_ns > self._colour_max_age_ns:
            return self._fire()
        return self._complete()

    def _complete(self) -> int | None:
        if not self._waiting or self._depth_ns is None or self._colour_ns is None:
            return None
        return self._fire() if abs(self._depth_ns - self._colour_ns) < _PAIR_NS else None

    def _fire(self) -> int | None:
        self._waiting = False
        return self._depth_ns


class Frames:
    """The frames of a contract's depth camera."""

    def __init__(self, contract: Contract) -> None:
        self.depth = next(m for m in contract.modalities if m.kind == "depth")
        self._colour = contract.modality(self.depth.name.replace("_depth", "_rgb"))
        self.clear()

    def clear(self) -> None:
        """Forget every picture."""
        self._pair = FramePair(self._colour.max_age_s)

    def complete(self, modality: str, stamp_ns: int) -> int | None:
        """The stamp of the frame that a message of a modality completes, if it does."""
        if modality == self.depth.name:
            return self._pair.depth(stamp_ns)
        return self._pair.colour(stamp_ns) if modality == self._colour.name else None
