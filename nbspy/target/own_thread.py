"""Running what traces in a thread that ends with it.

A thread that was asked to stop and has not yet done so cannot be let go (``ptrace(2)`` detaches only what stands). The
kernel lets go all that a thread traces when that thread ends. The sampler process ends anyway; a notebook's kernel
lives on, and would leave its target standing for as long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def in_own_thread(work: Callable[[], _T]) -> _T:
    """Return what ``work`` returns, or raise what it raises, having run it in a thread of its own."""
    results: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as err:  # it is raised below, in the thread that asked
            errors.append(err)

    thread = threading.Thread(target=run, name="nbspy-tracer", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
