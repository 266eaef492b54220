"""Brings the colour and the depth image of one exposure together, by their stamps. ROS-free."""

from collections import OrderedDict
from typing import Generic, TypeVar

Colour = TypeVar("Colour")
Depth = TypeVar("Depth")
_WAITING = 4


class ExposurePairer(Generic[Colour, Depth]):
    """Pairs images of equal stamp, at most `rate_hz` pairs a second of stamp time.

    Either may come first; what finds no partner among the next few images is forgotten.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._colours: OrderedDict[int, Colour] = OrderedDict()
        self._depths: OrderedDict[int, Depth] = OrderedDict()
        self._last_ns: int | None = None

    def push_colour(self, stamp_ns: int, colour: Colour) -> tuple[Colour, Depth] | None:
        """Add a colour image; the pair when that completes one that is due."""
        _remember(self._colours, stamp_ns, colour)
        return self._take(stamp_ns)

    def push_depth(self, stamp_ns: int, depth: Depth) -> tuple[Colour, Depth] | None:
        """Add a depth image; the pair when that completes one that is due."""
        _remember(self._depths, stamp_ns, depth)
        return self._take(stamp_ns)

    def _take(self, stamp_ns: int) -> tuple[Colour, Depth] | None:
        if stamp_ns not in self._colours or stamp_ns not in self._depths:
            return None
        colour, depth = self._colours.pop(stamp_ns), self._depths.pop(stamp_ns)
        last_ns = self._last_ns
        if last_ns is not None and 0 <= stamp_ns - last_ns < self._period_ns:
            return None
        self._last_ns = stamp_ns
        return colour, depth


Image = TypeVar("Image")


def _remember(images: "OrderedDict[int, Image]", stamp_ns: int, image: Image) -> None:
    images[stamp_ns] = image
    while len(images) > _WAITING:
        images.popitem(last=False)
