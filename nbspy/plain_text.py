"""Text from a target made safe to show: no control characters, no escape sequences, bounded.

Names, file names, thread names and command lines of a foreign process are hostile input. Whatever goes to a
terminal, a table or a line-based file passes through here; markup (HTML, rich) is escaped where it is made.
"""

from __future__ import annotations

import re
from typing import Final

MAX_SHOWN: Final = 1000
"""Longest text shown, in characters: longer names are shortened in the middle."""

_UNPRINTABLE: Final = (
    "[\x00-\x1f\x7f-\x9f"  # C0 (with escape and newline), delete, C1
    "\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"  # invisible or direction-changing
    "\ud800-\udfff]"  # lone surrogates cannot be encoded
)
"""Compiled when it is first used: the sampler process imports this, and hardly ever needs it."""


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def printable(text: str, limit: int = MAX_SHOWN) -> str:
    """Return ``text`` on one line, with unprintable characters as escapes and at most ``limit`` characters."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    return shorten(re.sub(_UNPRINTABLE, _escape, text[: 4 * limit]), limit)


def shorten(text: str, limit: int) -> str:
    """Return ``text``, with its middle replaced by an ellipsis where it is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    return text[:head] + "…" + text[len(text) - (limit - 1 - head) :]


def call_site(name: str, file: str | None, line: int) -> str:
    """Return a frame as ``name (file:line)``, without the line where it is 0 and the file where there is none.

    Neither name nor file is shortened; what is unprintable is escaped.
    """
    name = printable(name, limit=len(name) * 6 + 1)
    if not file:
        return name
    file = printable(file, limit=len(file) * 6 + 1)
    return f"{name} ({file}:{line})" if line else f"{name} ({file})"
