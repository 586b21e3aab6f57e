"""What ``repr`` writes in one version of Python and not in another: rows, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReprStyle:
    """How a version writes what others write differently."""

    since: tuple[int, int]
    bytes_prefix: str = "b"
    static_type: str = "class"
    """2.7: what a type made in C is called."""
    bytearray_escapes_single_quotes: bool = True
    """Until 3.14: also within double quotes."""
    exception_comma: str = ""
    """Until 3.6: what follows the only argument of an exception, as in a tuple."""
    set_brackets: tuple[str, str] = ("{", "}")
    """Of a plain ``set``."""
    items_brackets: tuple[str, str] = ("({", "})")
    """Of the items of another set, behind its name."""
    module_without_file: str = ""
    namedtuples_keep_their_name: bool = False
    """2.7: a class that extends a named tuple is written under the name of that."""
    empty_set: str = "()"
    """Behind the name of any set."""
    deleted_item: str = ""
    """2.7: the text that stands in a set for an item that was taken out."""
    methods_name_their_class: bool = False
    """2.7: a bound method is ``Class.name``; later it has its function's qualified name."""


_STYLES: Final = (
    ReprStyle(since=(3, 15), bytearray_escapes_single_quotes=False),
    ReprStyle(since=(3, 7)),
    ReprStyle(since=(3, 0), exception_comma=","),
    ReprStyle(
        since=(2, 7),
        bytes_prefix="",
        static_type="type",
        exception_comma=",",
        set_brackets=("set([", "])"),
        items_brackets=("([", "])"),
        module_without_file=" (built-in)",
        namedtuples_keep_their_name=True,
        empty_set="([])",
        deleted_item="<dummy key>",
        methods_name_their_class=True,
    ),
)


def style_of(version: tuple[int, int]) -> ReprStyle:
    """Return how this version of CPython writes; one older than all rows writes as the oldest."""
    return next((style for style in _STYLES if style.since <= version), _STYLES[-1])
