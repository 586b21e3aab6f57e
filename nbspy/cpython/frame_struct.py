"""What a frame says, unpacked in one call: code object, caller, instruction, owner.

``_PyInterpreterFrame`` (3.11+), or ``PyFrameObject`` before. Hot path: called for every frame that is walked.
"""

from __future__ import annotations

import struct
from typing import Any, Protocol

from nbspy.cpython.layout import FrameLayout
from nbspy.errors import UnsupportedPython


class FrameStruct(Protocol):
    """Unpacks (executable, previous, instruction pointer, owner) from a frame."""

    def unpack_from(self, buffer: bytes | bytearray, /, offset: int = 0) -> tuple[Any, ...]: ...


class FrameObjectStruct:
    """The same from a ``PyFrameObject`` (<= 3.10).

    What stands for the instruction pointer is the index of the instruction, in bytes, on top of the address of the code
    object: as with a pointer, no two instructions share one. The owner, which it lacks, is 0.
    """

    def __init__(self, fields: FrameLayout, unit: int) -> None:
        gaps = (fields.previous, fields.executable - fields.previous - 8, fields.instr_ptr - fields.executable - 8)
        if min(gaps) < 0:
            raise UnsupportedPython("the fields of a frame are in an order that nbspy does not know")
        self._unpack = struct.Struct("<{}xQ{}xQ{}xi".format(*gaps)).unpack_from
        self._unit = unit

    def unpack_from(self, buffer: bytes | bytearray, /, offset: int = 0) -> tuple[int, int, int, int]:
        previous, code, lasti = self._unpack(buffer, offset)
        return code, previous, code + lasti * self._unit, 0


def frame_struct(fields: FrameLayout) -> FrameStruct:
    """Return what unpacks a frame; raises UnsupportedPython where its fields are in an order that is not known."""
    if fields.lasti_unit is not None:
        return FrameObjectStruct(fields, fields.lasti_unit)
    assert fields.owner is not None, "frames that are no objects have owners"
    ordered = (fields.executable, fields.previous, fields.instr_ptr, fields.owner)
    if list(ordered) != sorted(ordered):
        raise UnsupportedPython("the fields of a frame are in an order that nbspy does not know")
    text = "<"
    position = 0
    for offset, code, size in zip(ordered, "QQQB", (8, 8, 8, 1), strict=True):
        text += f"{offset - position}x{code}"
        position = offset + size
    return struct.Struct(text)
