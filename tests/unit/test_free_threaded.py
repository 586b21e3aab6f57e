"""Free-threaded builds: any number of threads may change their frames at once."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from nbspy.cpython.attached import AttachedWords
from nbspy.cpython.interner import Interner
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_bytecode import instruction_offset
from nbspy.cpython.thread_state import read_interpreters
from nbspy.cpython.unwinder import Unwinder
from nbspy.errors import CorruptTarget
from nbspy.target.process import StopOutcome
from nbspy.wire import State

from .fake_memory import FakeMemory
from .fake_python import UNITS, FakePython, FakeTarget, FakeThread, known
from .layouts import free_threaded_layouts

LAYOUTS = free_threaded_layouts()
every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
both_modes = pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
ACTIVE = int(State.ACTIVE)


class Scene:
    """A target with three threads of known stacks, and an unwinder on it."""

    def __init__(self, layout: Layout, *, blocking: bool = True) -> None:
        self.python = FakePython(layout)
        self.codes = {name: self.python.code(name, first_line=100 * n) for n, name in enumerate("abcdefgh", 1)}
        for code in self.codes.values():
            self.python.memory.write_word(code + layout.objects.tuple_size, UNITS)
        self.threads = [self.python.add_thread() for _ in range(3)]
        for thread, stack in zip(self.threads, ("abc", "ad", "efgh"), strict=True):
            self.call(thread, stack)
        self.target = FakeTarget(self.python)
        self.stopper = self.target.the_stopper
        self.unwinder = Unwinder(
            self.target, self.python.runtime, lambda file: (file, ""), Interner(), blocking=blocking
        )
        self.unwinder.schedule.to_learn = self.unwinder.schedule._left = 0

    def call(self, thread: FakeThread, stack: str) -> None:
        for name in stack:
            thread.call(self.codes[name], instruction=1)

    def attach(self, *threads: int) -> None:
        """Let these threads be attached, and no others."""
        fields = self.python.layout.thread_state
        for number, thread in enumerate(self.threads):
            bits = 3 | (fields.status_active if number in threads else 0)
            self.python.memory.write(thread.address + known(fields.status), struct.pack("<I", bits))

    def seen(self) -> list[str]:
        frames = map(self.unwinder.frames, self.unwinder.threads)
        return ["".join(frame.key.name for frame in reversed(stack)) for stack in frames]

    def before_reads(self, actions: dict[int, Callable[[], None]]) -> None:
        """Do something before the reads of these numbers, counted from now, the first being 1."""
        count = 0

        def act() -> None:
            nonlocal count
            count += 1
            if count in actions:
                actions[count]()

        self.python.memory.before_read = act


def test_layouts_are_those_of_builds_without_a_gil() -> None:
    assert [layout.version for layout in LAYOUTS.values()] == [(3, 13), (3, 14), (3, 15)]
    assert all(layout.free_threaded and layout.objects.ob_type == 24 for layout in LAYOUTS.values())
    assert [layout.code.tlbc is not None for layout in LAYOUTS.values()] == [False, True, True]


@every_layout
def test_attached_threads_are_told_from_others(layout: Layout) -> None:
    scene = Scene(layout)
    scene.attach(0, 2)
    words = AttachedWords(scene.python.runtime, read_interpreters(scene.python.memory, scene.python.runtime))
    data = b"".join(scene.python.memory.read_many(words.ranges))

    assert len(data) == words.size
    assert set(words.holders(data)) == {scene.threads[0].address, scene.threads[2].address}
    assert words.holders(b"before" + data, 6) == words.holders(data)
    assert not words.is_waited_for(scene.threads[0].address)


@every_layout
@both_modes
@pytest.mark.parametrize("attached", [(), (1,), (0, 2), (0, 1, 2)])
def test_sample_stops_every_attached_thread_and_none_owns_a_gil(
    layout: Layout, blocking: bool, attached: tuple[int, ...]
) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.attach(*attached)

    for _ in range(3):
        assert scene.unwinder.sample()
        assert scene.seen() == ["abc", "ad", "efgh"]

    lines = [[frame.key.line for frame in scene.unwinder.frames(thread)] for thread in scene.unwinder.threads]
    assert lines == [[301, 201, 101], [401, 101], [801, 701, 601, 501]]
    assert [thread.bits for thread in scene.unwinder.threads] == [ACTIVE if n in attached else 0 for n in range(3)]
    # Seen standing once, their stacks are known from then on.
    assert scene.stopper.stops == (len(attached) if blocking else 0)
    assert not scene.stopper.stopped


@every_layout
def test_threads_that_all_move_between_samples_are_followed(layout: Layout) -> None:
    scene = Scene(layout)
    scene.attach(0, 1, 2)
    assert scene.unwinder.sample()
    for thread, stack in zip(scene.threads, ("g", "gh", "b"), strict=True):
        thread.ret()
        scene.call(thread, stack)

    assert scene.unwinder.sample()
    assert scene.seen() == ["abg", "agh", "efgb"]


@every_layout
def test_thread_that_attaches_after_the_look_is_not_believed_while_it_runs(layout: Layout) -> None:
    scene = Scene(layout)
    scene.attach(0)
    assert scene.unwinder.sample()

    def attach_and_call() -> None:
        scene.attach(0, 1)
        scene.call(scene.threads[1], "h")

    stops = scene.stopper.stops
    scene.call(scene.threads[0], "h")
    scene.before_reads({2: attach_and_call})  # the first is the look that shows a stack which is new
    assert scene.unwinder.sample()

    assert scene.seen() == ["abch", "adh", "efgh"]
    assert scene.unwinder.retried == 1
    assert scene.stopper.stops - stops == 3


@every_layout
def test_thread_that_ran_and_detached_during_the_copy_is_looked_at_again(layout: Layout) -> None:
    scene = Scene(layout)
    scene.attach(0)
    assert scene.unwinder.sample()
    thread = scene.threads[1]
    leaf = thread.frames[-1].address
    scene.call(scene.threads[0], "h")

    # As a copy in the midst of a call would be: the leaf is there, what it links to is not yet.
    scene.before_reads(
        {
            2: lambda: scene.python.write_frame(leaf, previous=0),
            3: lambda: scene.python.write_frame(leaf, previous=thread.frames[0].address),
        }
    )
    assert scene.unwinder.sample()

    assert scene.seen() == ["abch", "ad", "efgh"]
    assert scene.unwinder.retried == 1


@every_layout
def test_thread_that_does_not_stop_is_looked_at_several_times(layout: Layout) -> None:
    scene = Scene(layout)
    scene.attach(0, 1)
    scene.stopper.outcomes = [StopOutcome.STOPPED, StopOutcome.TOO_SLOW]

    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh"]
    assert not scene.stopper.stopped
    assert [thread.bits for thread in scene.unwinder.threads] == [ACTIVE, ACTIVE, 0]


@every_layout
def test_threads_that_may_not_be_stopped_are_read_without(layout: Layout) -> None:
    scene = Scene(layout)
    scene.attach(0, 1)
    scene.stopper.outcomes = [StopOutcome.STOPPED, StopOutcome.REFUSED]

    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh"]
    assert not scene.unwinder.blocking
    assert not scene.stopper.stopped
    assert scene.unwinder.notice != ""


def code_with_copies(layout: Layout, copies: list[int]) -> FakeMemory:
    """A code object of 50 code units at 0x1000, its array of copies at 0x8000."""
    code = bytearray(layout.code.size + 100)
    struct.pack_into("<Q", code, layout.objects.tuple_size, 50)
    struct.pack_into("<Q", code, known(layout.code.tlbc), 0x8000)
    return FakeMemory({0x1000: bytes(code), 0x8000: struct.pack(f"<{len(copies) + 1}Q", len(copies), *copies)})


@pytest.mark.parametrize("layout", [LAYOUTS["3.14.10t"], LAYOUTS["3.15.2t"]], ids=["3.14", "3.15"])
def test_instruction_in_a_threads_own_copy_counts_from_where_that_begins(layout: Layout) -> None:
    own = 0x1000 + layout.code.code_adaptive
    memory = code_with_copies(layout, [own, 0, 0x9000, 0xA000])

    def offset(instruction: int) -> int:
        return instruction_offset(memory, layout, 0x1000, instruction)

    assert [offset(own), offset(own + 98)] == [0, 98]
    assert [offset(0x9000), offset(0x9006), offset(0xA000 + 98)] == [0, 6, 98]
    for outside in (own - 2, own + 100, 0x9000 + 100, 0xB000):
        with pytest.raises(CorruptTarget):
            offset(outside)


def test_instruction_where_a_code_object_has_absurdly_many_copies_is_refused() -> None:
    layout = LAYOUTS["3.14.10t"]
    memory = code_with_copies(layout, [])
    memory.write(0x8000, struct.pack("<Q", 1 << 40))

    with pytest.raises(CorruptTarget):
        instruction_offset(memory, layout, 0x1000, 0x9000)
