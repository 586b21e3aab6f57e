"""Local variables of frames: their names from the code object, their values from the fast locals behind the frame.

Names and kinds are those of ``co_localsplusnames`` and ``co_localspluskinds`` (``Include/internal/pycore_code.h``,
3.11+), before that of ``co_varnames``, ``co_cellvars`` and ``co_freevars``. A variable that a function shares with an
inner one lies in a cell, and is shown as what the cell holds. Unbound ones are left out, and so are those that the
compiler hides: the variables of a comprehension that was inlined at module level.

The values of the thread that holds the GIL change from one moment to the next, and so may what they hold. So they are
read in two goes: :meth:`LocalsReader.stand` reads while the threads stand still, for as long as it may keep them;
:meth:`LocalsReader.finish` reads the rest afterwards, and checks that each value is still in its place.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import read_bytes, read_str, read_word, tuple_items
from nbspy.cpython.read_budget import Budget, BudgetedMemory, BudgetSpent
from nbspy.cpython.remote_types import RemoteTypes
from nbspy.cpython.repr_writer import UNREADABLE
from nbspy.cpython.reprs import repr_of
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.stack_trace import LocalVariable
from nbspy.target.memory import RemoteMemory

STANDING_NS: Final = 20_000_000
"""How long threads are kept standing for their variables."""
STANDING_BYTES: Final = 16 << 20
AFTERWARDS_NS: Final = 10_000_000_000
"""How long a person waits for the rest, while the target runs on; 2,000 variables take 0.2 s."""
AFTERWARDS_BYTES: Final = 256 << 20
MAX_VARIABLES: Final = 4096
"""Of one function; the compiler allows more, people do not."""
NOT_READ: Final = "<not read: too much to read>"
CHANGED: Final = "<changed while it was read>"

_LOOKS: Final = 3
"""A thread that runs may stand at the same instruction again: not each time it is looked at."""
_VARARGS: Final = 0x04
_VARKEYWORDS: Final = 0x08
"""``co_flags``."""
_HIDDEN: Final = 0x10
_CELL: Final = 0x40
_FREE: Final = 0x80
"""``_PyLocals_Kind``."""
_MAX_NAME_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a code object."""

    name: str
    slot: int
    """Which of the fast locals it is."""
    arg: bool
    in_cell: bool


@dataclass(slots=True, eq=False)
class _Value:
    """What one variable holds, and where that pointer lies."""

    variable: Variable
    source: int
    address: int
    text: str


@dataclass(slots=True, eq=False)
class FrameLocals:
    """One frame whose variables are wanted, or known."""

    frame: int
    code: int
    links: tuple[int, ...]
    """Of the frame when it was observed: what must be the same as long as it is."""
    variables: tuple[Variable, ...] = ()
    values: list[_Value] | None = None
    """None: not read yet."""
    changed: bool = False
    found: tuple[LocalVariable, ...] = field(default=())


def code_variables(types: RemoteTypes, code: int) -> tuple[Variable, ...]:
    """Return the variables of the code object at ``code``; raises CorruptTarget, MemoryFault."""
    memory, layout = types.memory, types.layout
    fields = layout.code
    flags, arguments = _int(memory, code + fields.flags), _int(memory, code + fields.argcount)
    if fields.kwonlyargcount is not None:
        arguments += _int(memory, code + fields.kwonlyargcount)
    arguments += bool(flags & _VARARGS) + bool(flags & _VARKEYWORDS)
    if fields.localsplusnames is not None and fields.localspluskinds is not None:
        names = _names(memory, layout, code + fields.localsplusnames)
        kinds = read_bytes(memory, layout, read_word(memory, code + fields.localspluskinds), MAX_VARIABLES)
        if len(kinds) != len(names):
            raise CorruptTarget("a code object has variables without a kind")
        return tuple(
            Variable(name, slot, slot < arguments, bool(kind & (_CELL | _FREE)))
            for slot, (name, kind) in enumerate(zip(names, kinds, strict=True))
            if not kind & _HIDDEN
        )
    groups = [
        _names(memory, layout, code + offset)
        for offset in (fields.varnames, fields.cellvars, fields.freevars)
        if offset is not None
    ]
    plain = groups[0] if groups else []
    named = [(name, place > 0) for place, group in enumerate(groups) for name in group]
    # An argument that is shared with an inner function is moved to its cell when the call begins.
    return tuple(
        Variable(name, slot, slot < arguments or (in_cell and name in plain[:arguments]), in_cell)
        for slot, (name, in_cell) in enumerate(named)
    )


def _int(memory: RemoteMemory, address: int) -> int:
    return int.from_bytes(memory.read(address, 4), "little")


def _names(memory: RemoteMemory, layout: Layout, pointer: int) -> list[str]:
    items = tuple_items(memory, layout, read_word(memory, pointer), MAX_VARIABLES)
    return [read_str(memory, layout, item, _MAX_NAME_CHARS) for item in items]


class LocalsReader:
    """Reads the variables of many frames within bounds; ``max_chars`` is the longest repr of one."""

    def __init__(self, memory: RemoteMemory, layout: Layout, max_chars: int) -> None:
        self._memory = memory
        self._layout = layout
        self._max_chars = max_chars
        self._frames: dict[int, FrameLocals] = {}
        self._codes: dict[int, tuple[Variable, ...]] = {}
        self._texts: dict[int, str] = {}
        frame = layout.frame
        self._links = (frame.executable, frame.previous, frame.instr_ptr)

    def stand(self, stacks: Iterable[Iterable[tuple[int, int]]]) -> None:
        """Note the frames of ``stacks`` (their address and that of their code, leaf first), and read what time allows.

        The threads stand, or nobody holds the GIL: what is seen to change meanwhile is marked.
        """
        self._frames = {}
        for stack in stacks:
            frames = list(stack)
            for (address, code), links in zip(frames, self._read_links(address for address, _ in frames), strict=True):
                if links is not None:
                    self._frames.setdefault(address, FrameLocals(address, code, links))
        self._describe(Budget(STANDING_NS, STANDING_BYTES))

    def finish(self) -> None:
        """Read what :meth:`stand` did not come to."""
        self._describe(Budget(AFTERWARDS_NS, AFTERWARDS_BYTES))
        for frame in self._frames.values():
            frame.found = tuple(self._outcome(frame))

    def locals_of(self, frame: int) -> tuple[LocalVariable, ...]:
        """Return the variables of the frame at this address; empty for one that was not observed."""
        known = self._frames.get(frame)
        return () if known is None else known.found

    def _outcome(self, frame: FrameLocals) -> Iterable[LocalVariable]:
        if frame.changed or frame.values is None:
            text = CHANGED if frame.changed else NOT_READ
            for variable in frame.variables:
                yield LocalVariable(variable.name, 0, variable.arg, text)
            if not frame.variables and frame.values is None:
                yield LocalVariable("…", 0, False, text)
            return
        for value in frame.values:
            yield LocalVariable(value.variable.name, value.address, value.variable.arg, value.text)

    def _describe(self, budget: Budget) -> None:
        """Read the frames that were not, one after the other, until the budget is spent; then see what has changed."""
        types = RemoteTypes(BudgetedMemory(self._memory, budget), self._layout)
        self._texts.clear()
        read: list[FrameLocals] = []
        try:
            for frame in self._frames.values():
                if frame.values is None and not frame.changed:
                    frame.values = self._values(types, frame)
                    read.append(frame)
        except BudgetSpent:
            pass
        self._verify(read)

    def _values(self, types: RemoteTypes, frame: FrameLocals) -> list[_Value]:
        fields = self._layout.frame
        values: list[_Value] = []
        try:
            frame.variables = self._variables(types, frame.code)
            start = frame.frame + fields.localsplus
            last = max((variable.slot for variable in frame.variables), default=-1)
            slots = struct.unpack(f"<{last + 1}Q", self._memory.read(start, 8 * (last + 1)))
        except (CorruptTarget, MemoryFault):
            return values
        for variable in frame.variables:
            source, address = start + 8 * variable.slot, slots[variable.slot] & fields.executable_mask
            try:
                if variable.in_cell and address and types.of(address).name == "cell":
                    # PyCellObject is the pointer; until the function has begun, an argument is there itself.
                    source = address + self._layout.objects.object_size
                    address = read_word(types.memory, source)
                if address:
                    values.append(_Value(variable, source, address, self._text(types, address)))
            except (CorruptTarget, MemoryFault):
                values.append(_Value(variable, source, address, UNREADABLE))
        # 2.7 leaves an argument that is shared with an inner function where it was, too: what counts is the cell.
        return list({value.variable.name: value for value in values}.values())

    def _text(self, types: RemoteTypes, address: int) -> str:
        """Return the repr; the same objects are the variables of many frames."""
        text = self._texts.get(address)
        if text is None:
            text = self._texts[address] = repr_of(types, address, self._max_chars)
        return text

    def _variables(self, types: RemoteTypes, code: int) -> tuple[Variable, ...]:
        known = self._codes.get(code)
        if known is None:
            known = self._codes[code] = code_variables(types, code)
        return known

    def _verify(self, frames: list[FrameLocals]) -> None:
        """Mark the frames that are no longer what they were observed as, and the values no longer in their place."""
        for _ in range(_LOOKS):
            for frame, links in zip(frames, self._read_links(frame.frame for frame in frames), strict=True):
                frame.changed = frame.changed or links != frame.links
        values = [(frame, value) for frame in frames if frame.values for value in frame.values]
        pointers = self._read_words([value.source for _, value in values])
        for (frame, value), pointer in zip(values, pointers, strict=True):
            if pointer is None or pointer & self._layout.frame.executable_mask != value.address:
                value.text = CHANGED
                # Others may set what is in a cell. A variable of its own only the frame itself sets: it has run.
                frame.changed = frame.changed or not value.variable.in_cell

    def _read_links(self, frames: Iterable[int]) -> list[tuple[int, ...] | None]:
        """Return code, link and instruction of each frame; None for one that cannot be read."""
        addresses = [frame + offset for frame in frames for offset in self._links]
        words, count = self._read_words(addresses), len(self._links)
        found: list[tuple[int, ...] | None] = []
        for start in range(0, len(words), count):
            group = [part for part in words[start : start + count] if part is not None]
            found.append(tuple(group) if len(group) == count else None)
        return found

    def _read_words(self, addresses: list[int]) -> list[int | None]:
        """Read all words in one call; where one cannot be read, each alone."""
        ranges = [(address, 8) for address in addresses]
        try:
            return [int.from_bytes(data, "little") for data in self._memory.read_many(ranges)]
        except MemoryFault:
            found: list[int | None] = []
            for address in addresses:
                try:
                    found.append(read_word(self._memory, address))
                except MemoryFault:
                    found.append(None)
            return found
