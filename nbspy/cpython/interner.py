"""Strings, frames and call-tree nodes as small numbers.

A stack is one number: the node of its leaf. Equal stacks have the same leaf, so a thread that stands still costs a
comparison of two integers, and the stream carries each name once.

The tables only grow, up to a bound: a target that makes its functions at run time has new ones for ever. Stacks that
are new after :data:`MAX_NODES` end, below the deepest frame that is known of them, in one that says so; once there are
a quarter of a million of those, in the deepest that is known. Functions that are new after :data:`MAX_FRAMES` or
:data:`MAX_TEXT` are all called the same. No sample is lost.

:meth:`Interner.take_new` hands over what came since the last call, in the order of the ids, for whoever writes it down.
"""

from __future__ import annotations

from typing import Final, NewType

import msgspec

from nbspy.wire import FrameFlag

StringId = NewType("StringId", int)
FrameId = NewType("FrameId", int)
NodeId = NewType("NodeId", int)

MAX_NODES: Final = 2_000_000
"""Nodes of the call tree. One takes about 150 bytes here, 8 in the kernel and in the stream."""
MAX_FRAMES: Final = 500_000
"""Functions at a line. One takes about 400 bytes here."""
MAX_TEXT: Final = 32 << 20
"""Characters of all names together, of up to four bytes."""
_LEAST_ENDS: Final = 4
_NODES_PER_END: Final = 8
"""Of so many nodes one more may be the end of stacks that are new after :data:`MAX_NODES`; the others end without."""
_TOO_MANY_STACKS: Final = "(stacks that are new after too many)"
_TOO_MANY_FUNCTIONS: Final = "(functions that are new after too many)"

ROOT = NodeId(0)
"""The node of an empty stack."""


class FrameKey(msgspec.Struct, frozen=True):
    """What makes two frames the same: function and line, not the call."""

    name: str
    qualname: str
    file: str
    short_file: str
    module: str
    line: int
    """1-based; 0 = unknown."""
    first_line: int
    flags: int = 0


class NewEntries(msgspec.Struct):
    """Entries since the last hand-over; each list continues its table at ``first_*``."""

    first_string: int
    strings: list[str]
    first_frame: int
    frames: list[FrameKey]
    first_node: int
    nodes: list[tuple[int, int]] = []
    """(parent node, frame)."""


class Interner:
    """The tables of one sampler."""

    def __init__(self, max_nodes: int = MAX_NODES, max_frames: int = MAX_FRAMES, max_text: int = MAX_TEXT) -> None:
        self._max_nodes = max_nodes
        self._max_frames = max_frames
        self._max_text = max_text
        self._text = 0
        self._ends: set[int] = set()
        """Nodes that stand for all the stacks that go on above their parent."""
        self._strings: dict[str, int] = {"": 0}
        self._new_strings: list[str] = []
        self._frames: dict[FrameKey, int] = {}
        self._new_frames: list[FrameKey] = []
        self._node_count = 1
        self._new_nodes: list[tuple[int, int]] = []
        self.children: dict[int, int] = {}
        """``parent << 32 | frame`` -> node. Hot path: looked up by the unwinder directly, extended by :meth:`node`."""

    def string(self, text: str) -> int:
        number = self._strings.get(text)
        if number is None:
            number = self._strings[text] = len(self._strings)
            self._new_strings.append(text)
            self._text += len(text)
        return number

    def frame(self, key: FrameKey) -> int:
        number = self._frames.get(key)
        if number is None:
            if len(self._frames) >= self._max_frames or self._text >= self._max_text:
                key = _marker(_TOO_MANY_FUNCTIONS)
                if (number := self._frames.get(key)) is not None:
                    return number
            number = self._frames[key] = len(self._frames)
            self._new_frames.append(key)
            for text in (key.name, key.qualname, key.file, key.short_file, key.module):
                self.string(text)
        return number

    def node(self, parent: int, frame: int) -> int:
        key = parent << 32 | frame
        number = self.children.get(key)
        if number is not None:
            return number
        if self._node_count >= self._max_nodes:
            if parent in self._ends:
                return parent
            frame = self._frame_of_ends()
            key = parent << 32 | frame
            if (number := self.children.get(key)) is not None:
                return number
            if len(self._ends) >= max(_LEAST_ENDS, self._max_nodes // _NODES_PER_END):
                return parent  # what was called counts for who called it
            self._ends.add(self._node_count)
        number = self.children[key] = self._node_count
        self._node_count += 1
        self._new_nodes.append((parent, frame))
        return number

    def _frame_of_ends(self) -> int:
        key = _marker(_TOO_MANY_STACKS)
        number = self._frames.get(key)
        if number is None:
            number = self._frames[key] = len(self._frames)
            self._new_frames.append(key)
            self.string(key.name)
        return number

    def take_new(self) -> NewEntries:
        """Return and forget what is new."""
        entries = NewEntries(
            first_string=len(self._strings) - len(self._new_strings),
            strings=self._new_strings,
            first_frame=len(self._frames) - len(self._new_frames),
            frames=self._new_frames,
            first_node=self._node_count - len(self._new_nodes),
            nodes=self._new_nodes,
        )
        self._new_strings, self._new_frames, self._new_nodes = [], [], []
        return entries


def _marker(name: str) -> FrameKey:
    return FrameKey(name, name, "", "", "", 0, 0, int(FrameFlag.SYNTHETIC))
