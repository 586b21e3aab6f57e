"""The most common samples: a stack that is known, on a thread of which nothing else is new.

Told by one look, without bringing the chain up to date: the words that decide and the frames up to some caller are,
byte for byte, those of the last copy that was believed, and the few frames above it make a stack that is known to exist
(:mod:`nbspy.cpython.known_stacks`). That holds also where nothing was stopped.

How many frames are left to be walked follows from where the stack has changed lately. Hot path: one ``struct`` call
takes a copy apart and one comparison of tuples judges all but those few; each of them costs half a microsecond.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from nbspy.cpython.code_object import CodeCache
from nbspy.cpython.faces import Faces
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import FrameStruct
from nbspy.cpython.interner import ROOT
from nbspy.cpython.known_stacks import UNPROVED, FrameWords, KnownStacks

ELSEWHERE: Final = -1
"""More than the frames near the leaf may be new."""
UNKNOWN: Final = -2
"""Only those are new, and not known: perhaps the copy is torn, and another shows what is."""
ASTRAY: Final = -3
"""The links lead out of the copy: to where no frame was seen yet, or, far more often, the copy is torn."""
_MAX_WALK: Final = 48
"""Frames from the leaf that are looked at one by one."""
_FORGET_AFTER: Final = 64
_LOOKS: Final = 1024
"""How deep the stack has changed is kept in mind for so many copies that were remembered, and so many looks."""
_MAX_STRUCTS: Final = 256
_ALIGNMENT: Final = 8
"""Of each frame, in bytes. What links to elsewhere is no frame any more, but what came after it."""
_DEEPEST: Final = 1 << 30
_word: Final = struct.Struct("<Q").unpack_from

Trust = Callable[[Sequence[int]], tuple[bytes, frozenset[int] | None]]


class Glance:
    """Judges the copies of one plan of one thread."""

    def __init__(
        self,
        chain: FrameChain,
        known: KnownStacks,
        codes: CodeCache,
        unpack: FrameStruct,
        region: int,
        behind: Sequence[int],
    ) -> None:
        """Positions in a copy: ``region`` is where the thread's begins, after the words about the whole process.

        ``behind`` is where the identities of codes begin, where what follows them does, and where the copy ends.
        """
        self._chain = chain
        self._known = known
        self._without_code = known.without_code
        self._codes = codes
        self._unpack = unpack.unpack_from
        self._size = chain.frame_size
        self._head = chain.head
        self._leaf_at = region + chain.head.fixed_leaf_at if chain.head.fixed_leaf_at else 0
        """Where the pointer to the leaf frame stands; 0 where each copy says it."""
        self._words = [(region + offset, size) for offset, size in chain.head.deciding_words]
        status = chain.head.status_word
        self.faces = Faces(None if status is None else 1 + status)
        self._region = region
        self._frames = region + chain.frames_start
        self._behind = behind
        self._structs: dict[int, struct.Struct] = {}
        """By the size of the beginning that must be the same."""
        self._apart: struct.Struct | None = None
        self._ranges = chain.ranges
        """Those that the plan copies, while the chain has chosen no others."""
        self.bottom = 0
        """Index of the first frame that is walked."""
        self._bottom = 0
        """Address of the last frame of that beginning, 0 where there is none, and its node."""
        self._node = int(ROOT)
        self._site = 0
        """That frame's instruction pointer; 0 where C code keeps it on the chain."""
        self._low = self._high = self._delta = 0
        """Addresses of the frames that lie where the leaf lay, and what to add to get their place in a copy."""
        self.unknown: tuple[Any, ...] | None = None
        """The links of the stack that was last not known; None where the copy was torn."""
        self._floor = _DEEPEST
        """The lowest index at which the stack has changed lately."""
        self._floor_left = _FORGET_AFTER
        self._looks_left = _LOOKS
        self._whole_is_new = False
        """True where the last copy that was remembered had a stack all of whose frames were new."""
        self._trusted: frozenset[int] | None = None
        """The codes whose identities are copied; None where the copy tells when codes were freed.

        Those of others are read after the copy.
        """

    def remember(self, data: bytes, nodes: Sequence[int], trust: Trust, beside: int) -> None:
        """Take ``data``, a copy that was believed, for what the next ones are compared with.

        ``nodes`` are those of the chain's frames, ``beside`` is that of its thread. ``trust``, given the codes of the
        frames that are going to be walked, tells what their identities in a copy will be, and whose those are (None:
        they need none).
        """
        chain = self._chain
        leaf = len(chain.addresses) - 1
        bottom = max(min(self._lower(chain.differs_from), leaf, chain.ordered), leaf - _MAX_WALK + 1, 0)
        if leaf < 0 or bottom > chain.ordered:
            self.forget()
            return
        before = self._apart, self._trusted, self._bottom, self._node, self._site, self._ranges
        self.bottom = bottom
        identity, self._trusted = trust(chain.codes[bottom:])
        size = 0
        self._bottom, self._node, self._site = 0, int(ROOT), 0
        if bottom:
            self._bottom, self._node = chain.addresses[bottom - 1], nodes[bottom - 1]
            self._site = chain.instructions[bottom - 1] if chain.codes[bottom - 1] else 0
            size = self._region + chain.places.offset_of(self._bottom) + self._size - self._frames
        apart = self._structs.get(size)
        if apart is None:
            if len(self._structs) >= _MAX_STRUCTS:
                self._structs.clear()
            apart = self._structs[size] = self._take_apart(size)
        *rest, _, last = apart.unpack_from(data)
        self._low, self._high, self._delta = chain.places.range_around(chain.addresses[leaf])
        self._delta += self._region
        self._apart = apart
        self._ranges = chain.ranges
        same = (apart, self._trusted, self._bottom, self._node, self._site, chain.ranges) == before
        # What a thread that asks for the GIL does is told by its region (3.15).
        alone = not same or chain.head.asks_for_gil(data, self._region)
        self.faces.remember((*rest, identity, last), beside, alone=alone)

    @property
    def bottom_node(self) -> int:
        """The node of the last frame that has to be the same."""
        return self._node

    def _lower(self, differs_from: int) -> int:
        """Return the lowest index at which the stack has changed lately, given where it has changed now."""
        if not (self._floor_left and self._looks_left):
            self._floor, self._floor_left, self._looks_left = _DEEPEST, _FORGET_AFTER, _LOOKS
        self._floor_left -= 1
        # A thread that is seen for the first time has a stack of which all is new.
        if differs_from or self._whole_is_new:
            self._floor = min(self._floor, differs_from)
        self._whole_is_new = not differs_from
        return self._floor

    def forget(self) -> None:
        """Find nothing until the next :meth:`remember`."""
        self._apart = None

    @property
    def fits(self) -> bool:
        """True where the plan copies what its thread wants copied."""
        return self._chain.ranges is self._ranges

    def codes_differ(self, copy: bytes) -> bool:
        """True where ``copy`` shows that a code near the leaf is not what it was."""
        return self._apart is not None and self._apart.unpack_from(copy)[-2] != self.faces.expected[-2]

    def node(self, copy: bytes | bytearray) -> int:
        """Return the leaf node of the stack that ``copy`` shows, or one of the three above. Hot path."""
        apart = self._apart
        if apart is None or not self._looks_left or self._chain.ranges is not self._ranges:
            return ELSEWHERE
        self.unknown = None
        words = apart.unpack_from(copy)
        if words != self.faces.expected and not self.faces.turn(words):
            return UNKNOWN if self.faces.is_torn(words) else ELSEWHERE
        self._looks_left -= 1
        leaf_at = self._leaf_at or self._head.leaf_at(copy, self._region)
        if not leaf_at:
            return ASTRAY
        (address,) = _word(copy, leaf_at)
        low, high, delta, trusted, unpack = self._low, self._high, self._delta, self._trusted, self._unpack
        offset = address + delta if low <= address <= high else self._offset_of(address)
        if not offset:
            return ASTRAY
        code, previous, instruction, owner = unpack(copy, offset)
        doubted = [code] if trusted is not None and code not in trusted else []
        bottom, node = self._bottom, self._node
        callers: list[tuple[int, int, int]] = []
        if previous != bottom:
            while previous != bottom:
                offset = previous + delta if low <= previous <= high else self._offset_of(previous)
                if len(callers) >= _MAX_WALK:
                    return ELSEWHERE
                if not offset:
                    if previous:
                        return UNKNOWN if previous % _ALIGNMENT else ASTRAY
                    last = callers[-1][2] if callers else owner
                    return UNKNOWN if self._known.is_unlinked(previous, last) else ELSEWHERE
                one, previous, at, whose = unpack(copy, offset)
                if trusted is not None and one not in trusted and whose not in self._without_code:
                    doubted.append(one)
                callers.append((one, at, whose))
            steps = self._known.steps
            for one, at, whose in reversed(callers):
                child = steps.get((node, one, at, whose))
                if child is None:
                    child = self._known.step(node, one, at, whose)
                    if child < 0:
                        self.unknown = (address, code, owner, *callers)
                        return UNKNOWN
                node = child
        top = self._known.tops.get((node, code, instruction, owner))
        if top is None:
            top = self._known.top(node, code, instruction, owner)
            if top < 0:
                if top == UNPROVED:
                    self.unknown = (address, code, owner, *callers)
                return UNKNOWN
        if doubted and not self._codes.are_still(doubted):
            return ELSEWHERE
        return top

    def prove(self, copy: bytes | bytearray) -> bool:
        """True where call sites vouch for the stack that :meth:`node` found unknown in ``copy``: it is known now.

        Reads the target.
        """
        known = self._known
        if self.unknown is None or not known.sites.tell:
            return False
        function_at = known.sites.frame_function
        frames: list[FrameWords] = []
        (address,) = _word(copy, self._leaf_at or self._head.leaf_at(copy, self._region))
        while address != self._bottom:
            offset = self._offset_of(address)
            if not offset or len(frames) > _MAX_WALK:
                return False
            code, previous, instruction, owner = self._unpack(copy, offset)
            function = 0 if function_at is None else _word(copy, offset + function_at)[0]
            frames.append(FrameWords(known.code_of(code, owner), instruction, function))
            address = previous
        frames.reverse()
        return known.prove(self._node, self._site, frames)

    def _offset_of(self, address: int) -> int:
        """Return where in a copy the frame at ``address`` begins; 0 where it is not in one."""
        offset = self._chain.places.offset_of(address)
        return 0 if offset < 0 else offset + self._region

    def _take_apart(self, frames: int) -> struct.Struct:
        identity, last, end = self._behind
        text, position = "<", 0
        for start, size in ((0, self._region), *self._words, (self._frames, frames)):
            text += f"{start - position}x{size}s"
            position = start + size
        return struct.Struct(text + f"{identity - position}x{last - identity}s{end - last}s")
