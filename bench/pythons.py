"""The interpreters that targets run on: found as the live tests find them."""

from __future__ import annotations

import functools
import sys

from tests.live.interpreters import Interpreter, find_interpreters

Version = tuple[int, int]


@functools.cache
def by_version() -> dict[Version, Interpreter]:
    """Return the last release that was found of each version from 3.11 on; builds with a GIL, not for debugging."""
    found: dict[Version, Interpreter] = {}
    for interpreter in find_interpreters(oldest=(3, 11)):
        if not interpreter.free_threaded and "debug" not in interpreter.id:
            found[interpreter.version[:2]] = interpreter
    return found


def newest(limit: Version | None = None) -> Interpreter | None:
    """Return the newest interpreter, of those up to version ``limit``."""
    fitting = [version for version in by_version() if limit is None or version <= limit]
    return by_version()[max(fitting)] if fitting else None


def target_python(limit: Version | None = None) -> str:
    """Return the path of :func:`newest`; this interpreter's own where none was found."""
    found = newest(limit)
    return found.path if found is not None else sys.executable
