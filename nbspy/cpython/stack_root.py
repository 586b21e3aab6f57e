"""Where a thread's stack begins, and when to doubt it.

For a few instructions, while a generator is resumed or yields, or C calls a Python function, CPython's current frame is
one that leads nowhere yet or no longer (seen in builds of 3.11 and 3.12: ``YIELD_VALUE`` unlinks the generator's frame
before it is left, and a new ``_PyCFrame`` is the current one before it has a frame). A thread that is stopped just then
is seen like that, in up to one sample of a hundred where generators are all it does: as a stack that never was.

Such a stack begins elsewhere than the thread's others. So a new beginning is believed only once the thread has moved
and still begins there, or has stood for longer than it takes to get a processor; and one with a generator, which
something must have resumed, only after that time.

Greenlets give one thread many beginnings, each on a data stack of its own. Where that begins, nothing can have called
(``push_chunk`` in ``Python/pystate.c``): such a stack is believed at once. So is any before 3.11: a frame object is
linked to its caller before it becomes the current one, and until another has.
"""

from __future__ import annotations

import time
from typing import Final

from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.layout import FrameLayout

DOUBT_NS: Final = 100_000_000
"""A thread may stand between any two instructions for as long as others have the processor."""
_UNKNOWN: Final = -1
_PAGE: Final = 4096
_SHIMS: Final = 2
"""Frames without code below the first that has one: of the call from C (3.12+), and of the thread itself (3.15)."""
_FIRST_ON_DATA_STACK: Final = 32
"""Where in its page, behind the header of the chunk and one word that is left out, the first frame lies (3.11+)."""

_Sight = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class StackRoot:
    """The lowest frame of one thread."""

    __slots__ = ("_doubted", "_root", "_sight", "_since_ns")

    def __init__(self) -> None:
        self._root = _UNKNOWN
        self._doubted = _UNKNOWN
        self._sight: _Sight = ((), (), ())
        self._since_ns = 0

    def expect(self, chain: FrameChain) -> None:
        """Take the beginning of ``chain`` for the thread's, without further ado."""
        self._root = _root_of(chain)
        self._doubted = _UNKNOWN

    def is_credible(self, chain: FrameChain, fields: FrameLayout, *, on_the_move: bool) -> bool:
        """False where ``chain`` begins elsewhere than before, and another look is wanted.

        ``on_the_move``: the thread holds the GIL, and may have been caught between two instructions. Others stand in a
        call, with all their links made.
        """
        root = _root_of(chain)
        if root == self._root:
            self._doubted = _UNKNOWN
            return True
        if self._root == _UNKNOWN or not on_the_move or fields.owner is None:
            self.expect(chain)
            return True
        if (not root and chain.head.calls_nobody(chain.region)) or _begins_data_stack(chain, fields):
            self.expect(chain)
            return True
        sight = (tuple(chain.addresses), tuple(chain.codes), tuple(chain.instructions))
        now = time.monotonic_ns()
        if root != self._doubted:
            self._doubted, self._sight, self._since_ns = root, sight, now
            return False
        has_moved = sight != self._sight and not _begins_with_generator(chain, fields)
        if has_moved or now - self._since_ns > DOUBT_NS:
            self.expect(chain)
            return True
        return False


def _begins_data_stack(chain: FrameChain, fields: FrameLayout) -> bool:
    """True where the first frame that runs code is the first of a data stack."""
    assert fields.owner is not None, "before 3.11 there is none"
    first = next((index for index, code in enumerate(chain.codes[: _SHIMS + 1]) if code), -1)
    if first < 0 or chain.addresses[first] % _PAGE != _FIRST_ON_DATA_STACK:
        return False
    return chain.byte_at(first, fields.owner) != fields.owner_generator


def _begins_with_generator(chain: FrameChain, fields: FrameLayout) -> bool:
    if fields.owner is None or not chain.addresses:
        return False
    return chain.byte_at(0, fields.owner) == fields.owner_generator


def _root_of(chain: FrameChain) -> int:
    """Address of the lowest frame; 0 where there is none."""
    return chain.addresses[0] if chain.addresses else 0
