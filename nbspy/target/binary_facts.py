"""What is looked for in an executable or shared library, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import msgspec


class BinaryFacts(msgspec.Struct, frozen=True):
    """What was found in one file; addresses are as linked, before the load bias."""

    first_load_address: int
    """Page-aligned address of the first loaded segment: what the lowest mapping of the file corresponds to."""
    sections: dict[str, int]
    symbols: dict[str, int]


Inspect = Callable[[BinaryIO, tuple[str, ...], tuple[str, ...]], "BinaryFacts | None"]
"""From a file, names of sections and names of symbols to what the file has of them; None where it is no such file."""


class Damaged(ValueError):
    """A file contradicts its own format, or leaves the bounds that are set to it."""


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Return exactly ``size`` bytes at ``offset``; raises :class:`Damaged` where the file has less."""
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise Damaged(f"the file ends before {offset + size}")
    return data
