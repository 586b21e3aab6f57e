from __future__ import annotations

import struct

import pytest

from nbspy.cpython.gil import GilWords
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import read_interpreters

from .fake_python import LAYOUTS, RUNTIME, FakePython

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
with_gil_struct = pytest.mark.parametrize(
    "layout", [layout for layout in LAYOUTS.values() if layout.gil], ids=[name for name in LAYOUTS if LAYOUTS[name].gil]
)


def gil_words(python: FakePython) -> GilWords:
    return GilWords(python.runtime, read_interpreters(python.memory, python.runtime))


def holders(python: FakePython) -> tuple[int, ...]:
    gil = gil_words(python)
    data = b"".join(python.memory.read_many(gil.ranges))
    assert len(data) == gil.size
    assert gil.holders(b"before" + data + b"behind", 6) == gil.holders(data)
    return gil.holders(data)


@every_layout
def test_holder_is_the_thread_that_holds_it_and_nobody_where_it_is_free(layout: Layout) -> None:
    python = FakePython(layout)
    first, second = python.add_thread(), python.add_thread()

    seen = []
    for holder in (None, first, second, None, second):
        python.hold(holder)
        seen.append(holders(python))

    assert seen == [(), (first.address,), (second.address,), (), (second.address,)]


@with_gil_struct
def test_gil_that_is_not_made_yet_is_held_by_nobody(layout: Layout) -> None:
    python = FakePython(layout)
    thread = python.add_thread()
    python.hold(thread)
    assert layout.gil is not None
    python.memory.write(python.interpreters[0].gil + layout.gil.locked, struct.pack("<i", -1))

    assert holders(python) == ()


@with_gil_struct
def test_interpreters_with_gils_of_their_own_may_each_have_a_holder(layout: Layout) -> None:
    python = FakePython(layout)
    second = python.add_interpreter(own_gil=True)
    third = python.add_interpreter(own_gil=False)
    threads = [python.add_thread(), python.add_thread(second), python.add_thread(third)]
    python.hold(threads[2])
    python.hold(threads[1], second)

    assert set(holders(python)) == {threads[2].address, threads[1].address}
    assert len(gil_words(python).ranges) == 2


@every_layout
def test_gil_words_tell_a_holder_that_let_go_and_was_followed_by_another(layout: Layout) -> None:
    python = FakePython(layout)
    first, second = python.add_thread(), python.add_thread()
    python.hold(first)
    gil = gil_words(python)
    before = python.memory.read_many(gil.ranges)
    python.hold(second)
    python.hold(first)

    # 3.12+ counts the switches; in 3.11 only the look at the frames can tell.
    assert (python.memory.read_many(gil.ranges) != before) == (layout.gil is not None)


@every_layout
def test_lock_of_the_gil_is_told_from_other_locks(layout: Layout) -> None:
    python = FakePython(layout)
    gil = gil_words(python)

    start = python.interpreters[0].gil if layout.gil is not None else RUNTIME + (layout.runtime.gil or 0)
    inside = start + 40
    assert gil.is_waited_for(inside)
    assert not gil.is_waited_for(0)
    assert not gil.is_waited_for(python.interpreters[0].gil - 8)
    assert not gil.is_waited_for(python.interpreters[0].gil + 4096)
