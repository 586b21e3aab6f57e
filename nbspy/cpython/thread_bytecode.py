"""The copies of a function's bytecode that threads specialise for themselves: free-threaded 3.14 and later.

``PyCodeObject.co_tlbc`` points to a ``_PyCodeArray``: how many there are, then a pointer to each, NULL for a thread
that has not run the function; the first is the code object's own. A line table counts from the beginning of any.
"""

from __future__ import annotations

import struct
from typing import Final

from nbspy.cpython.layout import Layout
from nbspy.cpython.line_table import CODE_UNIT
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget
from nbspy.target.memory import RemoteMemory

_MAX_COPIES: Final = 1 << 16
_MAX_UNITS: Final = 1 << 24


def instruction_offset(memory: RemoteMemory, layout: Layout, code: int, instruction: int) -> int:
    """Return how many bytes behind the first instruction of the code object at ``code`` an instruction lies.

    ``instruction`` may lie in any of its copies. Raises CorruptTarget where it lies in none, MemoryFault.
    """
    own = instruction - code - layout.code.code_adaptive
    # The number of items of any variable-sized object is where that of a tuple is.
    units = word(memory.read(code + layout.objects.tuple_size, 8), 0)
    if layout.code.tlbc is None or 0 <= own < min(units, _MAX_UNITS) * CODE_UNIT:
        return own
    array = word(memory.read(code + layout.code.tlbc, 8), 0)
    count = word(memory.read(array, 8), 0) if array else 0
    if count > _MAX_COPIES or units > _MAX_UNITS:
        raise CorruptTarget("a code object has more copies of its bytecode than there can be")
    for start in struct.unpack(f"<{count}Q", memory.read(array + 8, 8 * count)):
        if start and 0 <= instruction - start < units * CODE_UNIT:
            return int(instruction - start)
    raise CorruptTarget("an instruction lies in none of its function's copies")
