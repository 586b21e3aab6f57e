from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import ThreadState, word
from nbspy.errors import CorruptTarget, MemoryFault, UnsupportedPython

from .fake_python import LAYOUTS, FakePython, FakeThread, ScriptedMemory, known

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
WITH_SHIMS = {name: layout for name, layout in LAYOUTS.items() if layout.frame.owners_without_code}

Frame = tuple[int, int, int]
"""(address, code or 0, instruction pointer)"""


def walk_plain(memory: ScriptedMemory, layout: Layout, thread_state: int) -> list[Frame]:
    """Return the frames of a thread, root first: one read a frame, nothing remembered. What FrameChain must equal."""
    fields, frames, seen = layout.frame, [], set()
    address = memory.word(thread_state + layout.thread_state.current_frame)
    if layout.thread_state.cframe_current_frame is not None and address:
        address = memory.word(address + layout.thread_state.cframe_current_frame)
    while address:
        if address in seen:
            raise CorruptTarget("the chain of frames has no end")
        seen.add(address)
        data = memory.read(address, fields.size)
        code = word(data, fields.executable) & fields.executable_mask
        shim = data[known(fields.owner)] in fields.owners_without_code
        frames.append((address, 0 if shim else code, word(data, fields.instr_ptr)))
        address = word(data, fields.previous)
    return frames[::-1]


class Watched:
    """A thread, the chain that follows it, and the plain walk beside it."""

    def __init__(self, layout: Layout) -> None:
        self.python = FakePython(layout)
        self.thread = self.python.add_thread()
        interpreter = self.python.interpreters[0].address
        state = ThreadState(self.thread.address, interpreter, 1, self.thread.native)
        self.chain = FrameChain(self.python.memory, layout, state, frame_struct(layout.frame))
        self.codes = [self.python.code(name) for name in "abcd"]

    def plain(self) -> list[Frame]:
        return walk_plain(self.python.memory, self.python.layout, self.thread.address)

    def copy(self) -> bytes:
        """Copy what the chain wants, as the unwinder does: planned where that is stale, anew after a fault."""
        if self.chain.stale:
            self.chain.plan()
        try:
            return b"".join(self.python.memory.read_many(self.chain.ranges))
        except MemoryFault:
            self.chain.reset()
            self.chain.plan()
            return b"".join(self.python.memory.read_many(self.chain.ranges))

    def look(self) -> list[Frame]:
        """Bring the chain up to date and return what it then says."""
        copy = self.copy()
        had_region = bool(self.chain.region)
        before = list(zip(self.chain.addresses, self.chain.codes, self.chain.instructions, strict=True))
        self.chain.update(copy)
        after = list(zip(self.chain.addresses, self.chain.codes, self.chain.instructions, strict=True))
        assert after[: self.chain.changed_from] == before[: self.chain.changed_from]
        self.check_difference(before, after, exact=not had_region)
        return after

    def check_difference(self, before: list[Frame], after: list[Frame], *, exact: bool) -> None:
        pairs = enumerate(zip(before, after, strict=False))
        least = min(len(before), len(after)) if before else len(after)
        first = next((index for index, (old, new) in pairs if old != new), least)
        assert self.chain.differs_from == first if exact else self.chain.differs_from <= first


@every_layout
def test_frames_far_beyond_those_that_were_copied_are_read_by_pages(layout: Layout) -> None:
    watched = Watched(layout)
    watched.thread.new_chunk(size=0x10000)
    watched.thread.call(watched.codes[0])
    watched.look()
    watched.look()
    for _ in range(300):
        watched.thread.call(watched.codes[1])
    region = watched.copy()

    before = watched.python.memory.reads
    watched.chain.update(region)
    reads = watched.python.memory.reads - before

    assert watched.chain.unpredicted
    assert watched.chain.addresses == [address for address, _, _ in watched.plain()]
    assert reads <= len({address // 4096 for address in watched.chain.addresses}) + 1


class FrameChainMachine(RuleBasedStateMachine):
    """Lets a thread do anything, with a look now and then."""

    layout: Layout

    @initialize()
    def start(self) -> None:
        self.watched = Watched(self.layout)
        self.idle_generators = [self.watched.python.generator() for _ in range(3)]
        self.running_generators: list[int | None] = []
        self.freed: list[tuple[int, int]] = []
        self.lowest = self.highest = 0x6000_0000_0000

    @property
    def thread(self) -> FakeThread:
        return self.watched.thread

    @rule(which=st.integers(0, 3), unit=st.integers(0, 9), locals=st.integers(0, 40), times=st.integers(1, 6))
    def call(self, which: int, unit: int, locals: int, times: int) -> None:
        for _ in range(times):
            self.thread.call(self.watched.codes[which], unit, locals)
            self.running_generators.append(None)

    @rule(locals=st.integers(300, 1500))
    def call_large(self, locals: int) -> None:
        self.call(0, 1, locals, 1)

    @rule(levels=st.integers(1, 8))
    def unwind(self, levels: int) -> None:
        for _ in range(min(levels, len(self.thread.frames))):
            chunks = list(self.thread.chunks)
            self.thread.ret()
            self.freed += [(start, end) for start, end, _ in chunks[len(self.thread.chunks) :]]
            generator = self.running_generators.pop()
            if generator:
                self.idle_generators.append(generator)

    @precondition(lambda self: self.thread.frames and self.thread.frames[-1].code)
    @rule(unit=st.integers(0, 9))
    def step(self, unit: int) -> None:
        self.thread.step(unit)

    @precondition(lambda self: self.idle_generators)
    @rule(which=st.integers(0, 3), unit=st.integers(0, 9), index=st.integers(0, 9))
    def resume(self, which: int, unit: int, index: int) -> None:
        generator = self.idle_generators.pop(index % len(self.idle_generators))
        self.thread.resume(generator, self.watched.codes[which], unit)
        self.running_generators.append(generator)

    @rule()
    def enter(self) -> None:
        frames = len(self.thread.frames)
        self.thread.enter()
        self.running_generators += [None] * (len(self.thread.frames) - frames)

    @rule(
        where=st.sampled_from(["below", "above", "freed"]),
        size=st.sampled_from([0x400, 0x1000, 0x4000]),
        gap=st.sampled_from([0, 0x10000]),
    )
    def new_chunk(self, where: str, size: int, gap: int) -> None:
        if where == "freed" and self.freed:
            start, end = self.freed.pop()
            self.thread.new_chunk(start, end - start)
        elif where == "below":
            self.lowest -= size + gap
            self.thread.new_chunk(self.lowest, size)
        else:
            self.thread.new_chunk(self.highest + gap, size)
            self.highest += gap + size
        self.call(1, 1, 3, 1)

    @rule()
    def look(self) -> None:
        assert self.watched.look() == self.watched.plain()

    @precondition(lambda self: not self.watched.chain.stale and not self.watched.chain.unpredicted)
    @rule(data=st.data())
    def same_links_tells_every_change_but_the_leafs_instruction(self, data: st.DataObject) -> None:
        watched = self.watched
        if watched.look() != watched.plain() or watched.chain.stale or watched.chain.unpredicted:
            return
        before = watched.plain()
        action = data.draw(st.sampled_from(["nothing", "step", "call", "unwind", "jump"]))
        if action == "step" and self.thread.frames and self.thread.frames[-1].code:
            self.step(data.draw(st.integers(0, 9)))
        elif action == "call":
            self.call(data.draw(st.integers(0, 3)), 1, 2, 1)
        elif action == "unwind":
            self.unwind(1)
        elif action == "jump" and len(self.thread.frames) > 1:
            self.unwind(2)
            self.call(data.draw(st.integers(0, 3)), 1, 2, 2)
        after = watched.plain()
        try:
            again = b"".join(watched.python.memory.read_many(watched.chain.ranges))
        except MemoryFault:
            return  # the chunk of the old leaf is gone: the unwinder hears it from the memory
        links = [[*before[:-1], before[-1][:2]] if before else [], [*after[:-1], after[-1][:2]] if after else []]
        assert watched.chain.same_links(again) == (links[0] == links[1])

    @invariant()
    def the_plain_walk_sees_what_was_done(self) -> None:
        if hasattr(self, "watched"):
            codes = [code for _, code, _ in self.watched.plain()]
            assert codes == [frame.code for frame in self.thread.frames]

    def teardown(self) -> None:
        if hasattr(self, "watched"):
            self.look()


def machine_of(name: str, layout: Layout) -> Any:
    machine: Any = type(f"FrameChain{name}", (FrameChainMachine,), {"layout": layout})
    machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
    return machine.TestCase


for _name, _layout in LAYOUTS.items():
    globals()[f"TestFrameChain_{_name.replace('.', '_')}"] = machine_of(_name.replace(".", "_"), _layout)


def outcome(read: Callable[[], list[Frame]]) -> list[Frame] | str:
    try:
        return read()
    except (CorruptTarget, MemoryFault):
        return "refused"


def deep(layout: Layout, frames: int = 12) -> Watched:
    """A thread with some frames, some of them in a second chunk, and one on the heap."""
    watched = Watched(layout)
    for number in range(frames):
        if number == frames // 2:
            watched.thread.new_chunk()
            watched.thread.resume(watched.python.generator(), watched.codes[3])
        watched.thread.call(watched.codes[number % 3], number % 5, locals=number)
    return watched


@every_layout
@given(data=st.data())
@settings(max_examples=60)
def test_corrupt_links_end_in_an_error_or_the_plain_walks_answer_and_the_next_good_copy_is_right(
    layout: Layout, data: st.DataObject
) -> None:
    watched = deep(layout)
    memory, frames = watched.python.memory, watched.thread.frames
    for _ in range(data.draw(st.integers(0, 3), label="looks before")):
        watched.look()
    victim = data.draw(st.sampled_from(frames), label="victim")
    place = victim.address + layout.frame.previous
    good = memory.word(place)
    end = watched.thread.chunks[-1][1]
    wild = data.draw(
        st.one_of(
            st.sampled_from([frame.address for frame in frames]),
            st.sampled_from([frame.address + 8 for frame in frames]),
            st.sampled_from([0, 8, end, end - 8, end - layout.frame.size, (1 << 64) - 8, 1 << 47]),
            st.integers(0, (1 << 64) - 1),
        ),
        label="link",
    )
    memory.write_word(place, wild)

    for _ in range(2):
        assert outcome(watched.look) == outcome(watched.plain)

    memory.write_word(place, good)
    assert watched.look() == watched.plain()
    watched.thread.call(watched.codes[0])
    assert watched.look() == watched.plain()
    assert len(watched.chain.codes) == len(frames)


@every_layout
@given(leaf=st.integers(0, (1 << 64) - 1))
@settings(max_examples=20)
def test_leaf_pointer_that_leads_nowhere_is_an_error_and_leaves_an_empty_chain(layout: Layout, leaf: int) -> None:
    watched = deep(layout)
    watched.look()
    place = watched.thread.address + layout.thread_state.current_frame
    good = watched.python.memory.word(place)
    watched.python.memory.write_word(place, leaf)

    expected = outcome(watched.plain)
    assert outcome(watched.look) == expected
    if expected == "refused":
        assert (watched.chain.codes, watched.chain.addresses, watched.chain.instructions) == ([], [], [])

    watched.python.memory.write_word(place, good)
    assert watched.look() == watched.plain()


@every_layout
def test_frame_at_the_end_of_a_mapping_is_read_without_reading_beyond(layout: Layout) -> None:
    watched = Watched(layout)
    size = layout.frame.size
    watched.thread.new_chunk(0x5000_0000_1000 - 24 - 3 * size, 24 + 3 * size)

    for _ in range(3):
        watched.thread.call(watched.codes[0])
        assert watched.look() == watched.plain()
        assert watched.look() == watched.plain()

    assert not watched.chain.unpredicted


def resumed(layout: Layout) -> tuple[Watched, int]:
    """A thread whose leaf is the frame of a generator, which was seen; and that frame's address."""
    watched = deep(layout)
    generator = watched.python.generator()
    watched.thread.resume(generator, watched.codes[0])
    for _ in range(2):
        watched.look()
    return watched, generator


@every_layout
def test_what_a_generator_calls_is_predicted_although_the_leaf_was_the_generator(layout: Layout) -> None:
    watched, _ = resumed(layout)

    watched.thread.call(watched.codes[0])

    assert watched.look() == watched.plain()
    assert not watched.chain.unpredicted


@every_layout
def test_position_of_a_generator_that_lies_behind_the_leaf_in_the_copy_is_among_the_links(layout: Layout) -> None:
    watched, generator = resumed(layout)
    watched.thread.call(watched.codes[0])
    assert watched.look() == watched.plain()
    chain = watched.chain
    assert not chain.unpredicted
    assert not chain.stale
    assert chain.places.offset_of(generator) > chain.places.offset_of(chain.addresses[-1])
    assert chain.same_links(watched.copy())

    watched.python.write_frame(generator, instruction=(watched.codes[0], 7))

    assert not chain.same_links(watched.copy())


@pytest.mark.parametrize("layout", WITH_SHIMS.values(), ids=WITH_SHIMS.keys())
def test_frame_that_c_code_keeps_on_the_chain_is_none_of_python_also_as_the_leaf(layout: Layout) -> None:
    watched = deep(layout)
    watched.thread.enter()
    shim = watched.thread.leaf
    for unit in range(3):
        assert watched.look() == watched.plain()
        assert watched.chain.codes[-1] == 0
        watched.python.write_frame(shim, instruction=(watched.codes[0], unit))


@every_layout
def test_copy_of_a_running_thread_that_leads_nowhere_leaves_the_chain_as_it_was(layout: Layout) -> None:
    watched, generator = resumed(layout)
    before = watched.look()
    addresses = list(watched.chain.addresses)

    watched.python.write_frame(generator, previous=0)
    if layout.frame.owner_generator is not None:
        with pytest.raises(CorruptTarget):
            watched.chain.update(watched.copy(), stood=False)
    watched.python.write_frame(generator, previous=8)
    with pytest.raises(MemoryFault):
        watched.chain.update(watched.copy(), stood=False)

    assert watched.chain.addresses == addresses
    assert not watched.chain.unpredicted
    watched.python.write_frame(generator, previous=addresses[-2])
    assert watched.look() == watched.plain() == before


@every_layout
def test_chain_that_does_not_change_is_predicted_and_replaces_nothing(layout: Layout) -> None:
    watched = deep(layout)
    for _ in range(3):
        watched.look()

    reads = watched.python.memory.reads
    watched.look()

    assert not watched.chain.unpredicted
    assert not watched.chain.stale
    assert watched.python.memory.reads == reads + 1  # the copy itself
    assert watched.chain.changed_from >= len(watched.thread.frames) - 1


@every_layout
def test_chain_of_which_only_the_leaf_moves_keeps_the_frames_below(layout: Layout) -> None:
    watched = Watched(layout)
    for number in range(100):
        watched.thread.call(watched.codes[number % 4], 1, 2)
    watched.look()
    watched.look()

    for unit in range(5):
        watched.thread.step(unit)
        assert watched.look() == watched.plain()
        assert watched.chain.changed_from == 99
    watched.thread.ret()
    watched.thread.step(7)
    assert watched.look() == watched.plain()
    assert watched.chain.changed_from >= 97


@every_layout
def test_thread_without_frames_has_an_empty_chain(layout: Layout) -> None:
    watched = Watched(layout)

    assert watched.look() == []
    watched.thread.call(watched.codes[0])
    assert watched.look() == watched.plain() != []
    watched.thread.ret()
    assert watched.look() == []


@every_layout
def test_ten_thousand_frames_are_followed(layout: Layout) -> None:
    watched = Watched(layout)
    for number in range(10_000):
        watched.thread.call(watched.codes[number % 4], number % 7, number % 9)

    assert watched.look() == watched.plain()
    for _ in range(5_000):
        watched.thread.ret()
    assert watched.look() == watched.plain()
    assert len(watched.chain.codes) == 5_000


@every_layout
def test_endless_chain_of_new_frames_ends_in_an_error(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbspy.cpython.frame_chain.MAX_FRAMES", 500)
    watched = Watched(layout)
    for _ in range(500):
        watched.thread.call(watched.codes[0])
    assert len(watched.look()) == 500
    watched.thread.call(watched.codes[0])
    watched.chain.reset()

    with pytest.raises(CorruptTarget, match="no end"):
        watched.look()


def test_frame_struct_when_the_fields_are_in_another_order_is_refused() -> None:
    layout = LAYOUTS["3.12"]

    with pytest.raises(UnsupportedPython):
        frame_struct(replace(layout.frame, executable=60, previous=8))
