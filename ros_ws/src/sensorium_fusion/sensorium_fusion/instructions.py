"""Instructions before they are understood: however many come, the last one counts. ROS-free."""

from functools import lru_cache

from sensorium_core.language import Command

from sensorium_fusion.hearing import Language

_CACHED = 32
_PERIOD_S = 0.05


class Mailbox:
    """Keeps the newest text only, and hands out at most twenty a second.

    An empty text, which stops the arm, is handed out at once.
    """

    def __init__(self, period_s: float = _PERIOD_S) -> None:
        self._period_s = period_s
        self._waiting: str | None = None
        self._ready_s = 0.0
        self.replaced = 0
        """Texts that a later one replaced before anybody read them."""

    def put(self, text: str) -> None:
        """Take a text in."""
        self.replaced += self._waiting is not None
        self._waiting = text

    def take(self, now_s: float) -> str | None:
        """The text to act on now, if any; `now_s` is monotonic."""
        text = self._waiting
        if text is None or (text.strip() and now_s < self._ready_s):
            return None
        self._waiting = None
        self._ready_s = now_s + self._period_s
        return text

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting = None


class CachedLanguage:
    """A language that remembers what the last 32 different texts meant."""

    def __init__(self, language: Language) -> None:
        self._encode = lru_cache(maxsize=_CACHED)(language.encode)

    def encode(self, text: str) -> Command:
        """Understand one instruction. Raises as the language does."""
        return self._encode(text)
