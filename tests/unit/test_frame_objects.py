"""The chain of frames of 2.7 to 3.10: each frame an object on the heap, at a place that other frames had before."""

from __future__ import annotations

import struct

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import ThreadState, word
from nbspy.errors import CorruptTarget, MemoryFault, UnsupportedPython

from .fake_memory import FakeMemory
from .layouts import older_layouts

LAYOUTS = older_layouts()
THREAD = 0x1000
HEAP = 0x10_0000
PLACES = 40
"""Places for frames on the heap, some of them so close that a copy of two frames holds a third."""
CODES = [0x7000 + 0x100 * number for number in range(5)]

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
Frame = tuple[int, int, int]
"""(address, code, instruction)"""


class Thread:
    """A thread whose frames are objects at :data:`PLACES`, and the chain that follows it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.memory = FakeMemory({THREAD: bytes(layout.thread_state.size), HEAP: bytes(PLACES * 0x400)})
        self.stack: list[int] = []
        self.chain = FrameChain(self.memory, layout, ThreadState(THREAD, 2, 3, 4), frame_struct(layout.frame))

    def call(self, place: int, code: int, lasti: int = -1) -> None:
        """Push a frame at a place, where none may be."""
        address = HEAP + 0x400 * place
        assert address not in self.stack
        fields = self.layout.frame
        self.memory.write(address + fields.previous, struct.pack("<Q", self.stack[-1] if self.stack else 0))
        self.memory.write(address + fields.executable, struct.pack("<Q", code))
        self.stack.append(address)
        self.go_on(lasti)
        self._set_leaf()

    def ret(self) -> None:
        self.stack.pop()
        self._set_leaf()

    def go_on(self, lasti: int) -> None:
        self.memory.write(self.stack[-1] + self.layout.frame.instr_ptr, struct.pack("<i", lasti))

    def _set_leaf(self) -> None:
        leaf = self.stack[-1] if self.stack else 0
        self.memory.write(THREAD + self.layout.thread_state.current_frame, struct.pack("<Q", leaf))

    def plain(self) -> list[Frame]:
        """Return the frames, root first: one read a frame, nothing remembered. What the chain must equal."""
        fields, found, seen = self.layout.frame, [], set()
        assert fields.lasti_unit is not None
        address = word(self.memory.read(THREAD + self.layout.thread_state.current_frame, 8), 0)
        while address:
            if address in seen:
                raise CorruptTarget("the chain of frames has no end")
            seen.add(address)
            data = self.memory.read(address, 512)
            (lasti,) = struct.unpack_from("<i", data, fields.instr_ptr)
            code = word(data, fields.executable)
            found.append((address, code, code + lasti * fields.lasti_unit))
            address = word(data, fields.previous)
        return found[::-1]

    def look(self) -> list[Frame]:
        """Bring the chain up to date, as the unwinder does, and return what it says."""
        chain = self.chain
        if chain.stale:
            chain.plan()
        before = list(zip(chain.addresses, chain.codes, chain.instructions, strict=True))
        chain.update(b"".join(self.memory.read_many(chain.ranges)))
        after = list(zip(chain.addresses, chain.codes, chain.instructions, strict=True))
        assert after[: chain.changed_from] == before[: chain.changed_from]
        return after


class ThreadMachine(RuleBasedStateMachine):
    """Lets a thread do anything, with a look now and then."""

    layout: Layout

    @initialize()
    def start(self) -> None:
        self.thread = Thread(self.layout)

    @rule(places=st.lists(st.integers(0, PLACES - 1), min_size=1, max_size=8), code=st.sampled_from(CODES))
    def call(self, places: list[int], code: int) -> None:
        for place in places:
            if HEAP + 0x400 * place not in self.thread.stack:
                self.thread.call(place, code, 2 * place)

    @rule(levels=st.integers(1, 10))
    def unwind(self, levels: int) -> None:
        for _ in range(min(levels, len(self.thread.stack))):
            self.thread.ret()

    @precondition(lambda self: self.thread.stack)
    @rule(lasti=st.integers(-1, 20))
    def go_on(self, lasti: int) -> None:
        self.thread.go_on(lasti)

    @rule()
    def look(self) -> None:
        assert self.thread.look() == self.thread.plain()

    @rule()
    def forget(self) -> None:
        self.thread.chain.reset()

    @invariant()
    def ranges_lie_in_what_is_mapped(self) -> None:
        if not self.thread.chain.stale:
            self.thread.memory.read_many(self.thread.chain.ranges)


def machine_for(layout: Layout) -> type[ThreadMachine]:
    return type("Machine", (ThreadMachine,), {"layout": layout})


class TestNewestFrameObjects(machine_for(LAYOUTS["3.10"]).TestCase):  # type: ignore[misc]
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class TestOldestFrameObjects(machine_for(LAYOUTS["2.7"]).TestCase):  # type: ignore[misc]
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@every_layout
def test_instructions_of_two_functions_are_never_the_same(layout: Layout) -> None:
    thread = Thread(layout)
    thread.call(3, CODES[0], 4)
    thread.call(1, CODES[1], 4)

    unit = layout.frame.lasti_unit
    assert unit is not None
    assert thread.look() == [
        (HEAP + 0xC00, CODES[0], CODES[0] + 4 * unit),
        (HEAP + 0x400, CODES[1], CODES[1] + 4 * unit),
    ]


@every_layout
def test_frame_that_has_not_run_stands_before_its_first_instruction(layout: Layout) -> None:
    thread = Thread(layout)
    thread.call(0, CODES[0])

    assert thread.look()[0][2] < CODES[0]


@every_layout
def test_places_that_frames_come_back_to_are_read_in_the_same_copy(layout: Layout) -> None:
    thread = Thread(layout)
    thread.call(20, CODES[0])
    for place in (3, 30, 9):
        thread.call(place, CODES[1])
        thread.look()
        thread.ret()
        thread.look()
    outside = []
    for place in (9, 3, 30):
        thread.call(place, CODES[1])
        assert thread.look() == thread.plain()
        outside.append(thread.chain.unpredicted)
        thread.ret()
        thread.look()

    assert outside == [False] * 3


@every_layout
def test_frame_between_two_others_on_the_heap_is_found_all_the_same(layout: Layout) -> None:
    thread = Thread(layout)
    for place in (0, 2, 1, 7):
        thread.call(place, CODES[place % 5])
    for lasti in (2, 4, 6):
        thread.go_on(lasti)
        assert thread.look() == thread.plain()

    assert not thread.chain.unpredicted
    assert not thread.chain.stale


@every_layout
def test_deep_recursion_is_walked_once(layout: Layout) -> None:
    thread = Thread(layout)
    for place in range(PLACES):
        thread.call(place, CODES[0])
    thread.look()
    for lasti in (2, 4):
        thread.go_on(lasti)
        assert thread.look() == thread.plain()

    assert thread.chain.changed_from == PLACES - 1


@every_layout
def test_frames_in_a_circle_are_refused(layout: Layout) -> None:
    thread = Thread(layout)
    for place in range(3):
        thread.call(place, CODES[0])
    thread.memory.write(HEAP + layout.frame.previous, struct.pack("<Q", HEAP + 0x800))

    with pytest.raises(CorruptTarget):
        thread.look()
    assert thread.chain.addresses == []


@every_layout
def test_frame_that_leads_outside_is_a_fault(layout: Layout) -> None:
    thread = Thread(layout)
    thread.call(0, CODES[0])
    thread.memory.write(HEAP + layout.frame.previous, struct.pack("<Q", 0x10))

    with pytest.raises(MemoryFault):
        thread.look()


def test_fields_in_an_order_that_is_not_known_are_refused() -> None:
    frame = LAYOUTS["3.9"].frame
    with pytest.raises(UnsupportedPython):
        frame_struct(replace(frame, previous=frame.executable + 8))
