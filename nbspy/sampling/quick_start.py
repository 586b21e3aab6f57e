"""Importing what the sampler process needs in less time: somebody waits for the first sample.

Nothing stays changed: what is imported afterwards finds everything as it would have without.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

_DONE_WITHOUT: Final = "typing_extensions"
"""msgspec asks it for what :mod:`typing` has from 3.11 on, and asks that where it is not installed. It would bring
inspect, ast, dis and tokenize along, which take longer than all modules of nbspy."""
_ASKED_FOR_THE_SYSTEM: Final = "platform"
"""msgspec imports uuid, which asks it one question, and that on POSIX alone; ``os.uname`` answers it."""


@contextmanager
def quick_start() -> Iterator[None]:
    """Import msgspec as if typing_extensions were not installed, and all else without looking for garbage.

    There is none, and looking for it takes a tenth of the time. Where msgspec has been imported before, or
    what it is done without, they stay what they are.
    """
    collects = gc.isenabled()
    gc.disable()
    replaced: dict[str, ModuleType | None] = {}
    if "msgspec" not in sys.modules:
        # None: how the import system is told of no module.
        replaced = {_DONE_WITHOUT: None, _ASKED_FOR_THE_SYSTEM: _system_alone()}
        replaced = {name: module for name, module in replaced.items() if name not in sys.modules}
        sys.modules.update(replaced)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]
        if collects:
            gc.enable()


def _system_alone() -> ModuleType:
    """Return what stands in for :mod:`platform` where nothing but its ``system()`` is asked for, and that on POSIX."""
    module = ModuleType(_ASKED_FOR_THE_SYSTEM)
    module.__dict__["system"] = lambda: os.uname().sysname  # type: ignore[attr-defined,unused-ignore]  # not on Windows
    return module
