"""A collection, an exception, the end of Python: which threads are said to be in them."""

from __future__ import annotations

import struct

import pytest

from nbspy.cpython.layout import Layout
from nbspy.wire import State

from .fake_python import LAYOUTS, RUNTIME, FakeInterpreter, FakePython, FakeThread, known
from .unwinder_scene import Scene

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
without_gc_frame = pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS.values() if layout.interpreter.gc_frame is None], ids=str
)
GC, EXCEPTION, FINALIZING = State.GC, State.EXCEPTION, State.FINALIZING
HOLDS = State.ACTIVE | State.GIL


def collect(python: FakePython, frame: int | None, interpreter: FakeInterpreter | None = None) -> None:
    """Begin a collection in ``frame`` (3.15 keeps it), or end it."""
    fields, address = python.layout.interpreter, (interpreter or python.interpreters[0]).address
    python.memory.write(address + known(fields.gc_collecting), struct.pack("<i", frame is not None))
    if fields.gc_frame is not None:
        python.memory.write_word(address + fields.gc_frame, frame or 0)


def raise_in(thread: FakeThread, *, handled: int = 0, raised: int = 0) -> None:
    fields, memory = thread.python.layout.thread_state, thread.python.memory
    thread.python.take_turn(thread)
    memory.write_word(thread.address + known(fields.exception_handled), handled)
    memory.write_word(thread.address + fields.exception_raised, raised)


def value_of_type(python: FakePython, name: str) -> int:
    """Make an object of a type with this name."""
    objects = python.layout.objects
    kind = python.allocate(bytes(objects.type_name + 8))
    python.memory.write_word(kind + objects.type_name, python.allocate(name.encode() + bytes(16)))
    address = python.allocate(bytes(objects.object_size))
    python.memory.write_word(address + objects.ob_type, kind)
    return address


def sampled(scene: Scene) -> list[State]:
    assert scene.unwinder.sample()
    return [State(thread.bits) for thread in scene.unwinder.threads]


@every_layout
@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_the_thread_that_holds_the_gil_collects_until_the_collection_ends(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[1])
    assert sampled(scene) == [State(0), HOLDS, State(0)]

    collect(scene.python, scene.threads[1].leaf)
    assert [sampled(scene) for _ in range(3)] == [[State(0), HOLDS | GC, State(0)]] * 3

    collect(scene.python, None)
    assert sampled(scene) == [State(0), HOLDS, State(0)]


@every_layout
def test_a_callback_that_lets_the_gil_go_keeps_the_collection_on_its_thread(layout: Layout) -> None:
    scene = Scene(layout)
    collector, other = scene.threads[0], scene.threads[1]
    scene.python.hold(collector)
    collect(scene.python, collector.leaf)
    assert sampled(scene)[0] == HOLDS | GC

    scene.call(collector, "f")
    assert sampled(scene)[0] == HOLDS | GC
    scene.python.hold(None)
    assert sampled(scene) == [GC, State(0), State(0)]
    scene.python.hold(other)
    assert sampled(scene) == [GC, HOLDS, State(0)]


@every_layout
def test_which_thread_collects_is_not_guessed_where_nothing_tells_it(layout: Layout) -> None:
    scene = Scene(layout)
    collect(scene.python, scene.threads[2].leaf)

    # 3.15 tells it; before, all three may do it.
    assert sampled(scene) == [State(0), State(0), GC if layout.interpreter.gc_frame else State(0)]


@without_gc_frame
def test_a_finalizer_on_a_stack_tells_who_collects_unless_another_holds_the_gil(layout: Layout) -> None:
    scene = Scene(layout)
    finalizer = scene.python.code("__del__")
    scene.threads[2].call(finalizer)
    collect(scene.python, 0)
    assert sampled(scene) == [State(0), State(0), GC]

    other = Scene(layout)
    other.threads[2].call(other.python.code("__del__"))
    other.python.hold(other.threads[0])
    collect(other.python, 0)
    assert sampled(other) == [HOLDS, State(0), State(0)]


@without_gc_frame
def test_a_collector_that_goes_on_with_its_work_is_no_longer_believed_to_be_one(layout: Layout) -> None:
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    collect(scene.python, 0)
    assert sampled(scene)[0] == HOLDS | GC

    scene.threads[0].step(9)
    scene.python.hold(scene.threads[1])
    assert sampled(scene) == [State(0), HOLDS | GC, State(0)]


@every_layout
def test_the_only_thread_of_an_interpreter_is_the_one_that_collects(layout: Layout) -> None:
    scene = Scene(layout)
    second = scene.python.add_interpreter(own_gil=False)
    scene.call(scene.python.add_thread(second), "gh")
    collect(scene.python, 0, second)
    assert sampled(scene) == [State(0), State(0), State(0), GC]


@every_layout
def test_an_exception_is_told_of_the_thread_that_handles_it_and_none_is_no_exception(layout: Layout) -> None:
    scene = Scene(layout)
    none, error = value_of_type(scene.python, "NoneType"), value_of_type(scene.python, "ValueError")
    handles, handled_once, sleeps = scene.threads
    raise_in(handles, handled=error)
    raise_in(handled_once, handled=none)
    assert sampled(scene) == [EXCEPTION, State(0), State(0)]
    assert sleeps.names() == list("efgh")

    raise_in(handles, handled=none)
    raise_in(handled_once, raised=error)
    assert sampled(scene) == [State(0), EXCEPTION, State(0)]


@every_layout
def test_a_value_that_cannot_be_read_is_no_exception_until_it_can(layout: Layout) -> None:
    scene = Scene(layout)
    error = value_of_type(scene.python, "ValueError")
    contents = scene.python.memory.word(error + layout.objects.ob_type)
    scene.python.memory.write_word(error + layout.objects.ob_type, 0x10)
    raise_in(scene.threads[0], handled=error)
    assert sampled(scene)[0] == State(0)

    scene.python.memory.write_word(error + layout.objects.ob_type, contents)
    scene.threads[0].step(3)
    assert sampled(scene)[0] == EXCEPTION


@every_layout
def test_python_that_ends_is_told_of_all_its_threads(layout: Layout) -> None:
    scene = Scene(layout)
    scene.python.memory.write_word(RUNTIME + known(layout.runtime.finalizing), scene.threads[0].address)
    assert sampled(scene) == [FINALIZING] * 3


@every_layout
def test_an_interpreter_or_a_thread_that_ends_is_told_alone(layout: Layout) -> None:
    scene = Scene(layout)
    second = scene.python.add_interpreter(own_gil=False)
    last = scene.python.add_thread(second)
    scene.call(last, "gh")
    fields = layout.thread_state
    if layout.interpreter.finalizing is None:
        assert layout.version == (3, 11)
    else:
        scene.python.memory.write_word(second.address + layout.interpreter.finalizing, last.address)
    if fields.status is not None:
        place = scene.threads[1].address + fields.status
        scene.python.memory.write(place, struct.pack("<I", fields.status_active | fields.status_finalizing))
    expected = [State(0), FINALIZING, State(0), FINALIZING] if layout.version >= (3, 12) else [State(0)] * 4
    assert sampled(scene) == expected
