"""Importing what the sampler process needs in less time: somebody waits for the first sample.

Nothing stays changed: what is imported afterwards finds everything as it would have without.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_DONE_WITHOUT: Final = "typing_extensions"
"""msgspec asks it for what :mod:`typing` has from 3.11 on, and asks that where it is not installed. It would bring
inspect, ast, dis and tokenize along, which take longer than all modules of nbspy."""


@contextmanager
def quick_start() -> Iterator[None]:
    """Import msgspec as if typing_extensions were not installed, and all else without looking for garbage.

    There is none, and looking for it takes a tenth of the time. Where msgspec has been imported before, or
    typing_extensions, they stay what they are.
    """
    collects = gc.isenabled()
    gc.disable()
    hidden = "msgspec" not in sys.modules and _DONE_WITHOUT not in sys.modules
    if hidden:
        sys.modules[_DONE_WITHOUT] = None  # type: ignore[assignment]  # how the import system is told of no module
    try:
        yield
    finally:
        if hidden:
            del sys.modules[_DONE_WITHOUT]
        if collects:
            gc.enable()
