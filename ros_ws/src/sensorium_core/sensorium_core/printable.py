"""Text that came from a bag or another node, made safe for a terminal.

Markup is another matter: a rich table or console also needs `Text`, `escape` or `markup=False`.
"""

import re

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # Control characters, which may move the cursor or retitle the window.
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # Line ends, and what turns reading direction.
    "\ud800-\udfff]"  # Halves of characters, which cannot be printed at all.
)


def printable(text: str) -> str:
    r"""The text on one line; a character that steers a terminal becomes its escape, as `\x1b`."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def printable_lines(text: str) -> str:
    """As `printable`, line by line: ends of lines stay."""
    return "\n".join(printable(line) for line in text.split("\n"))
