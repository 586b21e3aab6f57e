"""A CPython made of bytes (interpreters, threads, frames, code objects, as a :class:`Layout` says) and its process.

What a test does to it (calls, returns, switches of the GIL) it does at once; :class:`ScriptedMemory` lets it do so
between any two reads of the reader, or between two ranges of one read.
"""

from __future__ import annotations

import struct
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec

from nbspy.cpython.layout import Layout
from nbspy.cpython.runtime import Runtime
from nbspy.errors import MemoryFault
from nbspy.target.memory import RemoteMemory
from nbspy.target.process import Abi, Activity, StopOutcome
from nbspy.target.process import Mapping as ProcessMapping

from .fake_memory import FakeMemory
from .layouts import all_layouts

RUNTIME = 0x10_0000
LOCKED, UNLOCKED = 1, 0
LAST_HOLDER, SWITCH_NUMBER = 8, 24
"""In ``struct _gil_runtime_state``, since 3.7."""
OWNED_BY_THREAD = 0
NONE = 0x20_0000
"""What a frame that C code keeps on the chain has in the place of a code object: a pointer to something else."""
UNITS = 200
"""Code units of every code object; unit n is on line ``first_line + n``."""

_MAX_WORD = (1 << 64) - 1

LAYOUTS = {name: layout for name, layout in all_layouts().items() if layout.version >= (3, 11)}
"""The layouts whose frames lie on a data stack: what :class:`FakePython` can be made of."""


def known(offset: int | None) -> int:
    """Return an offset that every one of :data:`LAYOUTS` has."""
    assert offset is not None
    return offset


class ScriptedMemory(FakeMemory):
    """A memory that lets the target do something when it is read."""

    def __init__(self, segments: Mapping[int, bytes] | None = None) -> None:
        super().__init__(segments)
        self.before_read: Callable[[], None] | None = None
        """Called before each read."""
        self.between_ranges: Callable[[int], None] | None = None
        """Called in a vectored read after each range, with its index: what it changes tears the copy."""
        self._busy = False

    def remove(self, address: int) -> None:
        """Unmap the segment that begins at ``address``."""
        self._segments = [segment for segment in self._segments if segment[0] != address]

    def read(self, address: int, size: int) -> bytes:
        self._call(self.before_read)
        return super().read(address, size)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self._call(self.before_read)
        self.reads += 1
        self.copied.append({address for address, _ in ranges})
        parts = []
        for index, (address, size) in enumerate(ranges):
            parts.append(self._read(address, size))
            if self.between_ranges is not None:
                self._call(lambda index=index: self.between_ranges(index))  # type: ignore[misc]
        return parts

    def word(self, address: int) -> int:
        """Return a word without the target noticing."""
        return int.from_bytes(self._read(address, 8), "little")

    def write_word(self, address: int, value: int) -> None:
        self.write(address, struct.pack("<Q", value & _MAX_WORD))

    def _call(self, hook: Callable[[], None] | None) -> None:
        if hook is not None and not self._busy:
            self._busy = True
            try:
                hook()
            finally:
                self._busy = False


@dataclass(eq=False)
class FakeFrame:
    """One frame of a thread."""

    address: int
    code: int
    """0 for a shim."""
    cframe: int
    """``_PyCFrame`` that was current when it was pushed (3.11, 3.12)."""
    chunk: int | None
    """Data-stack chunk it lies in; None for a generator's or a shim's."""


@dataclass(eq=False)
class FakeThread:
    """One thread state, and the stack of its frames, root first."""

    python: FakePython
    address: int
    native: int
    frames: list[FakeFrame] = field(default_factory=list)
    chunks: list[list[int]] = field(default_factory=list)
    """[start, end, top] of each data-stack chunk."""
    _outer: int = 0
    """``_PyCFrame`` to go back to from the next frame."""

    def call(self, code: int, instruction: int = 0, locals: int = 0) -> FakeFrame:
        """Push a frame on the data stack."""
        self.python.take_turn(self)
        size = self.python.layout.frame.size + 8 * locals
        if not self.chunks or self.chunks[-1][2] + size > self.chunks[-1][1]:
            self.new_chunk()
        chunk = self.chunks[-1]
        frame = self._push(chunk[2], code, OWNED_BY_THREAD, instruction, len(self.chunks) - 1)
        chunk[2] += size
        return frame

    def new_chunk(self, address: int | None = None, size: int = 0x4000) -> None:
        start = self.python.allocate(bytes(size)) if address is None else address
        if address is not None:
            self.python.memory.add(address, bytes(size))
        # The first of a data stack leaves out one word, so that it is never popped.
        self.chunks.append([start, start + size, start + (24 if self.chunks else 32)])

    def switch(self) -> None:
        """Go on with another stack, on which nobody has called yet, as greenlets do."""
        self.python.take_turn(self)
        self.frames, self.chunks = [], []
        if self.python.layout.thread_state.cframe_current_frame is not None:
            head = self.address + self.python.layout.thread_state.current_frame
            self.python.memory.write_word(head, self.python.cframe(0, self.root_cframe))
        self._set_leaf(0)

    @property
    def root_cframe(self) -> int:
        """The ``_PyCFrame`` of the thread state itself (3.11, 3.12)."""
        return self.address + self.python.layout.thread_state.size

    def resume(self, generator: int, code: int, instruction: int = 0) -> FakeFrame:
        """Push the frame at ``generator`` (:meth:`FakePython.generator`), which lies on the heap."""
        self.python.take_turn(self)
        return self._push(generator, code, known(self.python.layout.frame.owner_generator), instruction, None)

    def enter(self) -> None:
        """C code enters the evaluation loop again: a shim where this version has one, and a ``_PyCFrame``."""
        layout = self.python.layout
        self.python.take_turn(self)
        if layout.thread_state.cframe_current_frame is not None:
            head = self.address + layout.thread_state.current_frame
            self._outer = self._outer or self.python.memory.word(head)
            self.python.memory.write_word(head, self.python.cframe(self.leaf, self.python.memory.word(head)))
        owners = layout.frame.owners_without_code
        if owners:
            self._push(self.python.on_c_stack(layout.frame.size), 0, max(owners), 0, None)

    def ret(self) -> None:
        """Pop the leaf."""
        self.python.take_turn(self)
        memory, layout = self.python.memory, self.python.layout
        frame = self.frames.pop()
        self._outer = 0
        if layout.thread_state.cframe_current_frame is not None:
            memory.write_word(self.address + layout.thread_state.current_frame, frame.cframe)
        self._set_leaf(self.leaf)
        if frame.chunk is not None:
            self.chunks[frame.chunk][2] = frame.address
            if frame.chunk and frame.address == self.chunks[frame.chunk][0] + 24:
                memory.remove(self.chunks.pop()[0])

    def step(self, instruction: int) -> None:
        """Move the leaf to another instruction."""
        self.python.take_turn(self)
        self.python.write_frame(self.frames[-1].address, instruction=(self.frames[-1].code, instruction))

    @property
    def leaf(self) -> int:
        return self.frames[-1].address if self.frames else 0

    def _push(self, address: int, code: int, owner: int, instruction: int, chunk: int | None) -> FakeFrame:
        python, layout = self.python, self.python.layout
        head = self._outer or python.memory.word(self.address + layout.thread_state.current_frame)
        self._outer = 0
        frame = FakeFrame(address, code, head, chunk)
        executable = code or NONE
        python.write_frame(address, code=executable, previous=self.leaf, owner=owner, instruction=(code, instruction))
        self.frames.append(frame)
        self._set_leaf(address)
        return frame

    def _set_leaf(self, address: int) -> None:
        memory, fields = self.python.memory, self.python.layout.thread_state
        place = self.address + fields.current_frame
        if fields.cframe_current_frame is not None:
            place = memory.word(place) + fields.cframe_current_frame
        memory.write_word(place, address)

    def names(self) -> list[str]:
        """The functions on the stack, root first, without shims."""
        return [self.python.code_names[frame.code] for frame in self.frames if frame.code]


@dataclass(eq=False)
class FakeInterpreter:
    address: int
    gil: int
    threads: list[FakeThread] = field(default_factory=list)


class FakePython:
    """One CPython: ``python.runtime`` and ``python.memory`` are what a reader is given."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.memory = ScriptedMemory()
        version = (*layout.version, 0)
        self.runtime = Runtime(RUNTIME, version, layout)
        self.interpreters: list[FakeInterpreter] = []
        self.code_names: dict[int, str] = {}
        self.held = False
        """True while a thread holds a GIL."""
        self._next = 0x7000_0000_0000
        self.c_stack = 0x7FFF_FFFF_0000
        self.memory.add(RUNTIME, bytes(0x1000))
        self.memory.add(self.c_stack - 0x20000, bytes(0x20000))
        self._next_native = 1000
        self.add_interpreter()

    def allocate(self, data: bytes, gap: int = 0x1000) -> int:
        """Map ``data`` somewhere, and nothing behind it."""
        address = self._next
        self.memory.add(address, data)
        self._next += (len(data) + gap + 0xFFF) & -0x1000
        return address

    def on_c_stack(self, size: int) -> int:
        self.c_stack -= (size + 15) & -16
        return self.c_stack

    def cframe(self, current: int, previous: int) -> int:
        """Make a ``_PyCFrame`` on the C stack."""
        inner = self.layout.thread_state.cframe_current_frame
        assert inner is not None
        address = self.on_c_stack(32)
        self.memory.write_word(address + inner, current)
        self.memory.write_word(address + inner + 8, previous)
        return address

    def add_interpreter(self, *, own_gil: bool = True) -> FakeInterpreter:
        fields, memory = self.layout.interpreter, self.memory
        offsets = msgspec.structs.asdict(fields)
        del offsets["size"]
        address = self.allocate(bytes(max(offset or 0 for offset in offsets.values()) + 8))
        gil = self.allocate(bytes(256)) if own_gil else self.interpreters[0].gil
        if fields.ceval_gil is not None:
            memory.write_word(address + fields.ceval_gil, gil)
        memory.write_word(address + known(fields.id), len(self.interpreters))
        head = RUNTIME + self.layout.runtime.interpreters_head
        memory.write_word(address + fields.next, memory.word(head))
        memory.write_word(head, address)
        interpreter = FakeInterpreter(address, gil)
        self.interpreters.append(interpreter)
        return interpreter

    def add_thread(self, interpreter: FakeInterpreter | None = None) -> FakeThread:
        """Add a thread at the head of its interpreter's list, as CPython does."""
        owner = interpreter or self.interpreters[0]
        fields, memory = self.layout.thread_state, self.memory
        address = self.allocate(bytes(fields.size + 64))
        self._next_native += 1
        thread = FakeThread(self, address, self._next_native)
        memory.write_word(address + fields.interp, owner.address)
        memory.write_word(address + fields.thread_id, 0xF000_0000 + thread.native)
        memory.write_word(address + known(fields.native_thread_id), thread.native)
        if fields.cframe_current_frame is not None:
            memory.write_word(address + fields.current_frame, thread.root_cframe)
        owner.threads.insert(0, thread)
        self._link(owner)
        return thread

    def remove_thread(self, thread: FakeThread) -> None:
        for interpreter in self.interpreters:
            if thread in interpreter.threads:
                self.take_turn(thread, ended=True)
                interpreter.threads.remove(thread)
                self._link(interpreter)
        self.memory.remove(thread.address)

    def _link(self, interpreter: FakeInterpreter) -> None:
        addresses = [thread.address for thread in interpreter.threads]
        head = interpreter.address + self.layout.interpreter.threads_head
        for place, address in zip(
            [head, *(address + self.layout.thread_state.next for address in addresses)], [*addresses, 0], strict=True
        ):
            self.memory.write_word(place, address)

    def hold(self, thread: FakeThread | None, interpreter: FakeInterpreter | None = None) -> None:
        """Give the GIL to ``thread``, or let it go."""
        self.held = thread is not None
        owner = interpreter or self.interpreters[0]
        address = thread.address if thread is not None else 0
        current = self.layout.runtime.current_thread_state
        if thread is not None:
            self.take_turn(thread, owner)
        if self.layout.gil is None:
            assert current is not None
            self.memory.write_word(RUNTIME + current, address)
            return
        fields = self.layout.gil
        self.memory.write(owner.gil + fields.locked, struct.pack("<i", LOCKED if thread is not None else UNLOCKED))

    def take_turn(self, thread: FakeThread, interpreter: FakeInterpreter | None = None, *, ended: bool = False) -> None:
        """Take down that ``thread`` had the GIL: no thread calls, returns, goes on or ends without it.

        Where another holds it nothing is taken down: then a test does what no CPython does. But one that ``ended``
        had the GIL for that, before the holder took it again.
        """
        owners = [interpreter] if interpreter else [one for one in self.interpreters if thread in one.threads]
        owner = owners[0] if owners else self.interpreters[0]
        gil = owner.gil if self.layout.gil is not None else RUNTIME + known(self.layout.runtime.gil)
        switches = self.memory.word(gil + SWITCH_NUMBER)
        if self.held and interpreter is None:
            self.memory.write_word(gil + SWITCH_NUMBER, switches + 2 * ended)
        elif self.memory.word(gil + LAST_HOLDER) != thread.address:
            self.memory.write_word(gil + LAST_HOLDER, thread.address)
            self.memory.write_word(gil + SWITCH_NUMBER, switches + 1)

    def text(self, text: str) -> int:
        """Make a str; nothing is mapped behind it."""
        return self.allocate(self.text_bytes(text))

    def text_bytes(self, text: str) -> bytes:
        fields = self.layout.objects
        highest = max(map(ord, text), default=0)
        kind = 1 if highest < 0x100 else 2 if highest < 0x10000 else 4
        is_ascii = highest < 0x80
        header = bytearray(fields.unicode_ascii_data if is_ascii else fields.unicode_compact_data)
        struct.pack_into("<Q", header, fields.unicode_length, len(text))
        state = (kind | 8 | (16 if is_ascii else 0)) << fields.unicode_kind_shift
        struct.pack_into("<I", header, fields.unicode_state, state)
        chars = array({1: "B", 2: "H", 4: "I"}[kind], map(ord, text)).tobytes()
        return bytes(header) + chars + bytes(kind)

    def byte_string(self, data: bytes) -> int:
        fields = self.layout.objects
        header = bytearray(fields.bytes_data)
        struct.pack_into("<Q", header, fields.bytes_size, len(data))
        return self.allocate(bytes(header) + data + b"\0")

    def code(self, name: str, *, first_line: int = 1, file: str = "/src/app.py", qualname: str | None = None) -> int:
        """Make a code object."""
        fields = self.layout.code
        size = max(fields.size, fields.code_adaptive, known(fields.qualname) + 8, fields.linetable + 8) + 2 * UNITS
        address = self.allocate(bytes(size))
        self.recode(address, name, first_line=first_line, file=file, qualname=qualname)
        return address

    def recode(
        self, address: int, name: str, *, first_line: int = 1, file: str = "/src/app.py", qualname: str | None = None
    ) -> None:
        """Free the code object at ``address`` and make another there."""
        fields, memory = self.layout.code, self.memory
        table = b"\xe8\x00" + b"\xe8\x02" * (UNITS - 1)
        memory.write_word(address + fields.name, self.text(name))
        memory.write_word(address + known(fields.qualname), self.text(qualname or f"Class.{name}"))
        memory.write_word(address + fields.filename, self.text(file))
        memory.write_word(address + fields.linetable, self.byte_string(table))
        memory.write(address + fields.firstlineno, struct.pack("<i", first_line))
        if address in self.code_names and self.layout.interpreter.code_object_generation is not None:
            place = self.interpreters[0].address + self.layout.interpreter.code_object_generation
            memory.write_word(place, memory.word(place) + 1)
        self.code_names[address] = name

    def generator(self) -> int:
        """Make room for a frame on the heap, inside of a larger object; return the frame's address."""
        return self.allocate(bytes(0x1000)) + 0x80

    def write_frame(
        self,
        address: int,
        *,
        code: int | None = None,
        previous: int | None = None,
        owner: int | None = None,
        instruction: tuple[int, int] | None = None,
    ) -> None:
        """Write fields of the frame at ``address``; ``instruction`` is (code, unit)."""
        fields, memory = self.layout.frame, self.memory
        if code is not None:
            memory.write_word(address + fields.executable, code | (1 if fields.executable_mask != _MAX_WORD else 0))
        if previous is not None:
            memory.write_word(address + fields.previous, previous)
        if owner is not None:
            memory.write(address + known(fields.owner), bytes([owner]))
        if instruction is not None:
            base, unit = instruction
            memory.write_word(address + fields.instr_ptr, base and base + self.layout.code.code_adaptive + 2 * unit)


class FakeStopper:
    """Stops nothing, and remembers what it was asked; ``outcomes`` are given in turn, then STOPPED."""

    def __init__(self) -> None:
        self.outcomes: list[StopOutcome] = []
        self.before_stop: Callable[[int], None] | None = None
        self.after_resume: Callable[[int], None] | None = None
        self.stopped: set[int] = set()
        self.stops = 0
        self.releases = 0
        self.late = 0
        """So many calls of :meth:`release_late` until every thread has stopped and been let go."""
        self.closed = False
        self.asked_ns = 0

    def stop(self, thread: int) -> StopOutcome:
        assert not self.closed
        assert thread not in self.stopped
        if self.before_stop is not None:
            self.before_stop(thread)
        self.asked_ns = time.perf_counter_ns()
        outcome = self.outcomes.pop(0) if self.outcomes else StopOutcome.STOPPED
        if outcome is StopOutcome.STOPPED:
            self.stopped.add(thread)
            self.stops += 1
        return outcome

    def stop_all(self, threads: Sequence[int]) -> list[StopOutcome]:
        return [self.stop(thread) for thread in threads]

    def resume(self, thread: int) -> None:
        self.stopped.remove(thread)
        if self.after_resume is not None:
            self.after_resume(thread)

    def release_late(self) -> bool:
        self.releases += 1
        self.late = max(self.late - 1, 0)
        return self.late > 0

    def refusal(self) -> str:
        return "process 7 already traces it"

    def close(self) -> None:
        assert not self.stopped
        self.closed = True


class FakeTarget:
    """Implements :class:`~nbspy.target.process.Target` around a :class:`FakePython`."""

    abi = Abi("Linux", long_size=8)

    def __init__(self, python: FakePython, pid: int = 1001) -> None:
        self.pid = pid
        self.python = python
        self.memory: RemoteMemory = python.memory
        self.running: set[int] = set()
        self.waits_for: dict[int, int] = {}
        self.forgotten: set[int] = set()
        self.the_stopper = FakeStopper()
        self.alive = True
        self.tells_its_end = False
        self.the_program = "python"

    def mappings(self) -> list[ProcessMapping]:
        return []

    def open_binary(self, mapping: ProcessMapping) -> BinaryIO:
        raise OSError("there is none")

    def resolve_path(self, path: str) -> str:
        return "/nowhere" + path

    def thread_ids(self) -> list[int]:
        return [thread.native for interpreter in self.python.interpreters for thread in interpreter.threads]

    def host_thread_id(self, native: int) -> int:
        return native

    def activity(self, thread: int) -> tuple[Activity, int]:
        return (Activity.RUNNING if thread in self.running else Activity.WAITING), self.waits_for.get(thread, 0)

    def forget_threads(self, gone: set[int]) -> None:
        self.forgotten |= gone

    def thread_name(self, thread: int) -> str:
        return f"os-{thread}" if thread != self.pid else "python"

    def exists(self) -> bool:
        return self.alive

    def has_ended(self) -> bool:
        return self.tells_its_end and not self.alive

    def command_line(self) -> list[str]:
        return ["python", "app.py"]

    def program(self) -> object:
        return self.the_program

    def stopper(self) -> FakeStopper:
        return self.the_stopper

    def close(self) -> None:
        assert not self.the_stopper.stopped


__all__ = ["FakePython", "FakeTarget", "FakeThread", "MemoryFault", "ScriptedMemory"]
