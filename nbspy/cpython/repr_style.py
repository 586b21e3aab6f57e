"""What the ``repr`` of one object was in one version of Python and is not in another: rows, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReprStyle:
    """How a version writes what others write differently."""

    since: tuple[int, int]
    text_prefix: str = ""
    """Of ``unicode`` in 2.7."""
    bytes_prefix: str = "b"
    long_suffix: str = ""
    """Of ``long`` in 2.7."""
    bytearray_escapes: str = ""
    """Characters that ``bytearray_repr`` escapes although the quotes around do not call for it."""
    set_brackets: tuple[str, str] = ("{", "}")
    frozenset_brackets: tuple[str, str] = ("{", "}")


_STYLES: Final = (
    ReprStyle(since=(3, 15)),
    ReprStyle(since=(3, 0), bytearray_escapes="'"),
    ReprStyle(
        since=(2, 7),
        text_prefix="u",
        bytes_prefix="",
        long_suffix="L",
        bytearray_escapes="'",
        set_brackets=("set([", "])"),
        frozenset_brackets=("[", "]"),
    ),
)


def style_of(version: tuple[int, int]) -> ReprStyle:
    """Return how this version of CPython writes; one older than all rows writes as the oldest."""
    return next((style for style in _STYLES if style.since <= version), _STYLES[-1])
