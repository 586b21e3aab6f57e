"""Layouts on other systems than the one they were generated on, which is Linux on x86-64.

What describes itself (3.13+) is right everywhere but for what the description leaves out. For the rest this holds by
the sources, and is untested where the README says so:

- macOS, and Linux on aarch64, agree with it on every type of C, and differ in the size of ``pthread_mutex_t`` alone (40
  bytes with glibc on x86-64 and with musl, 48 with glibc on aarch64, 64 on macOS). 3.7 to 3.11 keep two of them in
  ``_PyRuntime``, before ``gilstate``: its fields lie so much further on.
- Windows has 32-bit ``long``: nothing but what describes itself is read there.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from nbspy.cpython.layout import Layout
from nbspy.errors import MemoryFault, UnsupportedPython
from nbspy.target.memory import RemoteMemory
from nbspy.target.process import Abi

_OLDEST: Final = {"macOS": (3, 11), "Windows": (3, 13)}
"""Where not every version is known that is known on Linux."""
_MUTEXES: Final = 2
_MUTEX_SIZES: Final = (40, 48, 64)
"""Of ``pthread_mutex_t``; the first is that of the layout tables."""
_AUTO_INTERPRETER: Final = {(3, 9): 8, (3, 10): 8, (3, 11): 8, (3, 7): 16, (3, 8): 16}
"""How far behind ``gilstate.tstate_current`` there is ``autoInterpreterState``: the main interpreter."""
_WORD: Final = 8


def refuse_unknown(version: tuple[int, ...], abi: Abi) -> None:
    """Raise :class:`UnsupportedPython` for a version whose structs are not known on that system."""
    oldest = _OLDEST.get(abi.system)
    if oldest is not None and tuple(version[:2]) < oldest:
        raise UnsupportedPython(
            f"on {abi.system} nbspy does not read Python {version[0]}.{version[1]}",
            f"it reads {oldest[0]}.{oldest[1]} and newer there",
        )


def adapt(layout: Layout, abi: Abi) -> Layout:
    """Return ``layout`` as C compilers of that system lay the same structs out."""
    if abi.long_size == layout.long_size:
        return layout
    gil = layout.gil
    if gil is not None and gil.switch_number is not None:
        # {unsigned long interval; ... *last_holder; int locked; unsigned long switch_number}: the last follows the
        # int directly where both have four bytes.
        gil = replace(gil, switch_number=gil.locked + abi.long_size)
    return replace(layout, gil=gil, long_size=abi.long_size)


def with_mutex_size(layout: Layout, memory: RemoteMemory, runtime: int) -> Layout:
    """Return ``layout`` with ``gilstate`` where it lies in the runtime at that address; raises MemoryFault.

    Told by the one word in it that is known: the main interpreter. Where none fits, as while Python starts, the layout
    stays as it is.
    """
    current = layout.runtime.current_thread_state
    behind = _AUTO_INTERPRETER.get(layout.version)
    if current is None or behind is None:
        return layout
    main = memory.read(runtime + layout.runtime.interpreters_head + _WORD, _WORD)
    for size in _MUTEX_SIZES:
        shifted = current + _MUTEXES * (size - _MUTEX_SIZES[0])
        try:
            found = memory.read(runtime + shifted + behind, _WORD)
        except MemoryFault:
            break
        if found == main and any(main):
            return replace(layout, runtime=replace(layout.runtime, current_thread_state=shifted))
    return layout
