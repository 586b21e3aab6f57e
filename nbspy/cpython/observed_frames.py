"""The frames that a chain shows, named: what a dump tells, where a sample makes numbers of them."""

from __future__ import annotations

import msgspec

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.interner import FrameKey
from nbspy.cpython.layout import FrameLayout


class ObservedFrame(msgspec.Struct, frozen=True):
    """A frame of one observation."""

    key: FrameKey
    is_entry: bool
    """The C evaluation loop was entered for it."""
    is_shim_entry: bool
    """A shim lies directly below it."""
    address: int
    code: int
    """Address of its code object."""
    instruction: int


def observed_frames(chain: FrameChain, codes: CodeCache, fields: FrameLayout) -> list[ObservedFrame]:
    """Return the frames of ``chain``, leaf first."""
    found: list[ObservedFrame] = []
    for index in range(len(chain.codes) - 1, -1, -1):
        code = codes.codes.get(chain.codes[index])
        if code is None or code.is_trampoline:
            continue
        key = codes.frame_key(code, chain.instructions[index])
        above_shim = index > 0 and chain.codes[index - 1] == 0
        # Before 3.11 C code calls each Python function.
        is_entry = above_shim or index == 0 or fields.owner is None
        if fields.is_entry is not None:
            is_entry = chain.byte_at(index, fields.is_entry) != 0
        address, instruction = chain.addresses[index], chain.instructions[index]
        found.append(ObservedFrame(key, is_entry, above_shim, address, code.address, instruction))
    return found
