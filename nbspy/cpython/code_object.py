"""``PyCodeObject``: what function an address stands for, and which line an instruction.

A freed code object's address is soon another function's, so what identifies a code object is read again
(:meth:`CodeCache.refresh`) while the thread that runs it stands still.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from nbspy.cpython.interner import FrameKey, Interner
from nbspy.cpython.layout import Layout
from nbspy.cpython.line_table import CODE_UNIT, Entry, LineTable
from nbspy.cpython.strings import StringExtent, bytes_extent, string_extent, string_header_size
from nbspy.cpython.thread_bytecode import instruction_offset
from nbspy.cpython.thread_state import word
from nbspy.errors import CorruptTarget, MemoryFault
from nbspy.target.memory import PreparedRead, RemoteMemory

MAX_NAME_CHARS: Final = 1024
MAX_FILE_CHARS: Final = 4096
MAX_LINE_TABLE_BYTES: Final = 8 << 20
NO_SYMBOL: Final = 2
"""``FrameFlag.NO_SYMBOL`` of the stream: the code object could not be read."""
UNREADABLE_NAME: Final = "<unreadable code>"
_PROBED: Final = 8
"""Reads of so many code objects are prepared and kept."""
_MAX_PROBES: Final = 1024
_MAX_FUNCTIONS: Final = 200_000

SourceNames = Callable[[str], tuple[str, str]]
"""File name -> (short file name, module); "" for no module."""


class CodeObject(msgspec.Struct):
    """One code object of the target, as copied; names are decoded when they are first asked for."""

    address: int
    copied: bytes
    """The part of it that was copied last: while that is the same, so is all else."""
    identity: bytes
    """Those bytes of ``copied`` that tell it from another code object at the same address."""
    first_line: int
    first_instruction: int
    """Address of instruction 0."""
    name: str
    qualname: str
    filename: str
    line_table: LineTable | None
    """None where it could not be read: lines are then 0."""
    is_trampoline: bool
    """True for the interpreter's own code between a call and the ``__init__`` it is for (3.13+)."""
    function: int
    """Number of the function: the same for every code object of its names, file and line."""
    frame_ids: dict[int, int]
    """Instruction pointer -> frame id. Hot path: looked up by the unwinder directly."""

    def line(self, offset: int) -> int:
        """Return the line of the instruction so many bytes behind the first one; 0 where it has none."""
        return 0 if self.line_table is None else self.line_table.line_at(offset)


class CodeCache:
    """The code objects seen lately, by address; those no longer on a stack are dropped by :meth:`keep_only`."""

    def __init__(self, memory: RemoteMemory, layout: Layout, interner: Interner, names: SourceNames) -> None:
        self._memory = memory
        self._layout = layout
        self._interner = interner
        self._names = names
        self.codes: dict[int, CodeObject] = {}
        self._functions: dict[tuple[str, str, str, int], int] = {}
        self._numbers = itertools.count()
        self._probes: dict[tuple[int, ...], PreparedRead] = {}
        """Prepared reads of the identities of so many code objects."""
        self.fresh: set[int] = set()
        """Addresses of code objects that were not known, or not like that, and were read since it was last emptied."""
        self.read = 0
        """How often code objects were read in full."""
        fields = layout.code
        self._identity_fields = (
            fields.filename,
            fields.name,
            fields.name if fields.qualname is None else fields.qualname,
            fields.linetable,
        )
        self._identity_start = min(*self._identity_fields, fields.firstlineno)
        self._identity_size = max(*self._identity_fields) + 8 - self._identity_start
        self.identity_range = (self._identity_start, self._identity_size)
        """(offset, size) of what tells that a code object is still the same (:attr:`CodeObject.copied`)."""

    def refresh(self, addresses: Iterable[int]) -> bool:
        """Read the code objects at ``addresses`` that are new or no longer the same.

        The threads that run them must stand still. Costs one vectored read where nothing has changed. Returns whether
        a known address now holds another code object: nodes made from it are no longer true.
        """
        wanted = list(dict.fromkeys(addresses))
        start, size = self._identity_start, self._identity_size
        found = self._probe(tuple(wanted)) if len(wanted) <= _PROBED else None
        if found is None:
            found = self._read_each([(address + start, size) for address in wanted])
        changed = False
        fresh: list[tuple[int, bytes]] = []
        for address, identity in zip(wanted, found, strict=True):
            known = self.codes.get(address)
            if known is not None and known.copied == identity:
                continue
            if known is not None and known.identity == self._essence(identity):
                known.copied = identity
                continue
            changed = changed or known is not None
            fresh.append((address, identity))
        if fresh:
            self._load(fresh)
        return changed

    def are_still(self, addresses: Iterable[int]) -> bool:
        """True where what lies at ``addresses`` are code objects that are known. Hot path: one short read."""
        wanted = tuple(dict.fromkeys(addresses))
        found = self._probe(wanted) if len(wanted) <= _PROBED else None
        return found is not None and all(
            self.codes[address].copied == identity for address, identity in zip(wanted, found, strict=True)
        )

    def _probe(self, addresses: tuple[int, ...]) -> list[bytes] | None:
        """Read the identities of a few code objects that are known; None where they are not, or cannot be read.

        The same few are asked for again and again: a prepared read takes 4 us where one of fresh ranges takes 20.
        """
        if not addresses:
            return []
        probe = self._probes.get(addresses)
        start, size = self._identity_start, self._identity_size
        if probe is None:
            if not self.codes.keys() >= set(addresses):
                return None
            if len(self._probes) >= _MAX_PROBES:
                self._probes.clear()
            probe = self._memory.prepare([(address + start, size) for address in addresses])
            self._probes[addresses] = probe
        try:
            probe.read()
        except MemoryFault:
            return None
        data = bytes(probe.buffer)
        return [data[at : at + size] for at in range(0, len(data), size)]

    def keep_only(self, addresses: set[int]) -> None:
        """Forget the code objects that are not at ``addresses``: they may have been freed."""
        if not self.codes.keys() <= addresses:
            self.codes = {address: code for address, code in self.codes.items() if address in addresses}

    def forget_fresh(self) -> None:
        """Forget what was read since :attr:`fresh` was last emptied."""
        for address in self.fresh:
            self.codes.pop(address, None)
        self.fresh.clear()

    def _essence(self, data: bytes) -> bytes:
        """The part of the copied bytes that stays while the code object lives."""
        start = self._identity_start
        line = self._layout.code.firstlineno - start
        parts = [data[offset - start : offset - start + 8] for offset in self._identity_fields]
        return b"".join((*parts, data[line : line + 4]))

    def _read_each(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        """Read all ranges in one call; where one fails, each alone, and b"" for those that cannot be read."""
        try:
            return self._memory.read_many(ranges)
        except MemoryFault:
            pass
        parts = []
        for address, size in ranges:
            try:
                parts.append(self._memory.read(address, size))
            except MemoryFault:
                parts.append(b"")
        return parts

    def _load(self, fresh: list[tuple[int, bytes]]) -> None:
        """Copy what the new code objects point to: two vectored reads for all of them."""
        self.fresh.update(address for address, _ in fresh)
        self.read += 1
        start = self._identity_start
        pointers = [word(data, offset - start) if data else 0 for _, data in fresh for offset in self._identity_fields]
        # No more than the header: a short string may be the last thing that is mapped.
        string_size = string_header_size(self._layout)
        sizes = (string_size, string_size, string_size, self._layout.objects.bytes_size + 8)
        headers = self._read_each([(pointer, sizes[i % 4]) for i, pointer in enumerate(pointers)])
        extents: list[StringExtent | tuple[int, int] | None] = []
        for i, (pointer, header) in enumerate(zip(pointers, headers, strict=True)):
            extents.append(self._extent(i % 4, pointer, header))
        ranges = [(e.address, e.size) if isinstance(e, StringExtent) else e or (0, 0) for e in extents]
        datas = self._read_each(ranges)
        for i, (address, identity) in enumerate(fresh):
            part = slice(4 * i, 4 * i + 4)
            self.codes[address] = self._make(address, identity, extents[part], datas[part])

    def _extent(self, field: int, pointer: int, header: bytes) -> StringExtent | tuple[int, int] | None:
        if not header:
            return None
        try:
            if field == 3:
                return bytes_extent(self._layout, pointer, header, MAX_LINE_TABLE_BYTES)
            return string_extent(self._layout, pointer, header, MAX_FILE_CHARS if field == 0 else MAX_NAME_CHARS)
        except CorruptTarget:
            return None

    def _make(
        self,
        address: int,
        identity: bytes,
        extents: list[StringExtent | tuple[int, int] | None],
        datas: list[bytes],
    ) -> CodeObject:
        texts = []
        for extent, data in zip(extents[:3], datas[:3], strict=True):
            text = ""
            if isinstance(extent, StringExtent) and len(data) == extent.size:
                try:
                    text = extent.decode(data)
                except CorruptTarget:
                    text = ""
            texts.append(text)
        filename, name, qualname = texts
        line = self._layout.code.firstlineno - self._identity_start
        first_line = int.from_bytes(identity[line : line + 4], "little", signed=True) if identity else 0
        table = None
        if isinstance(extents[3], tuple) and len(datas[3]) == extents[3][1]:
            table = LineTable(datas[3], first_line, self._layout.code.line_format)
        return CodeObject(
            address=address,
            copied=identity,
            identity=self._essence(identity) if identity else b"",
            first_line=max(first_line, 0),
            first_instruction=address + self._layout.code.code_adaptive,
            name=name,
            qualname=qualname or name,
            filename=filename,
            line_table=table,
            is_trampoline=self._is_trampoline(identity),
            function=self._number((filename, qualname, name, first_line)),
            frame_ids={},
        )

    def _number(self, function: tuple[str, str, str, int]) -> int:
        number = self._functions.get(function)
        if number is None:
            if len(self._functions) >= _MAX_FUNCTIONS:
                self._functions.clear()
            # Never one that was given before: what is known of a function is known of its number.
            number = self._functions[function] = next(self._numbers)
        return number

    def _is_trampoline(self, data: bytes) -> bool:
        """``_PyInterpreterState.interp.init_cleanup`` and its like: made of one name, from no file, at no line."""
        if not data:
            return False
        fields, start = self._layout.code, self._identity_start
        line = data[fields.firstlineno - start : fields.firstlineno - start + 4]
        return line == b"\0\0\0\0" and word(data, fields.filename - start) == word(data, fields.name - start)

    def frame_id(self, address: int, instruction: int) -> int:
        """Return the id of the frame that runs ``instruction`` in this code object; -1 for a trampoline."""
        code = self.codes[address]
        number = code.frame_ids.get(instruction)
        if number is None:
            number = -1 if code.is_trampoline else self._interner.frame(self.frame_key(code, instruction))
            code.frame_ids[instruction] = number
        return number

    def runs(self, code: CodeObject, instruction: int) -> bool:
        """False where ``instruction`` is none of ``code``: a frame that says so was copied while it became another's.

        True where that is not known: before 3.11, and where threads have copies of the bytecode.
        """
        if instruction in code.frame_ids:
            return True
        if code.line_table is None or self._layout.code.tlbc is not None or not self._layout.code.code_adaptive:
            return True
        try:
            # 3.11, 3.12: prev_instr of a frame that has not begun is one code unit before the first.
            return -CODE_UNIT <= instruction - code.first_instruction < code.line_table.end()
        except CorruptTarget:
            return True

    def _offset(self, code: CodeObject, instruction: int) -> int:
        if self._layout.code.tlbc is None:
            return instruction - code.first_instruction
        return instruction_offset(self._memory, self._layout, code.address, instruction)

    def frame_key(self, code: CodeObject, instruction: int) -> FrameKey:
        """Return the frame that runs ``instruction`` in ``code``."""
        short_file, module = self._names(code.filename) if code.filename else ("", "")
        try:
            line = code.line(self._offset(code, instruction))
        except (CorruptTarget, MemoryFault):
            line = 0
        return FrameKey(
            name=code.name or UNREADABLE_NAME,
            qualname=code.qualname or UNREADABLE_NAME,
            file=code.filename,
            short_file=short_file,
            module=module,
            line=max(line, 0),
            first_line=code.first_line,
            flags=0 if code.name else NO_SYMBOL,
        )

    def positions(self, address: int, instruction: int) -> Entry | None:
        """Return lines and columns (3.11+) of what ``instruction`` is compiled from; None where they are not known."""
        code = self.codes.get(address)
        if code is None or code.line_table is None:
            return None
        try:
            return code.line_table.positions_at(self._offset(code, instruction))
        except (CorruptTarget, MemoryFault):
            return None
