from __future__ import annotations

import pytest

from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import MAX_THREADS, TooManyThreads, read_interpreters
from nbspy.errors import CorruptTarget

from .fake_python import LAYOUTS, RUNTIME, FakePython

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


@every_layout
def test_interpreters_are_listed_main_first_and_their_threads_oldest_first(layout: Layout) -> None:
    python = FakePython(layout)
    main = [python.add_thread() for _ in range(3)]
    second = python.add_interpreter()
    others = [python.add_thread(second) for _ in range(2)]

    found = read_interpreters(python.memory, python.runtime)

    assert [interpreter.id for interpreter in found] == [0, 1]
    assert [[thread.native_thread_id for thread in interpreter.threads] for interpreter in found] == [
        [thread.native for thread in main],
        [thread.native for thread in others],
    ]
    assert [thread.address for thread in found[0].threads] == [thread.address for thread in main]
    assert found[0].threads[0].thread_id == 0xF000_0000 + main[0].native
    assert {thread.interpreter for thread in found[1].threads} == {second.address}
    assert found[1].gil == (second.gil if layout.gil is not None else None)


@every_layout
def test_interpreters_while_python_starts_are_none(layout: Layout) -> None:
    python = FakePython(layout)
    python.memory.write_word(RUNTIME + layout.runtime.interpreters_head, 0)

    assert read_interpreters(python.memory, python.runtime) == []


@every_layout
def test_interpreter_without_threads_has_none(layout: Layout) -> None:
    assert read_interpreters(FakePython(layout).memory, FakePython(layout).runtime)[0].threads == ()


@every_layout
@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_threads_in_a_circle_are_an_error(layout: Layout, back_to: int) -> None:
    python = FakePython(layout)
    threads = [python.add_thread() for _ in range(3)]
    python.memory.write_word(threads[0].address + layout.thread_state.next, threads[back_to].address)

    with pytest.raises(CorruptTarget, match="no end"):
        read_interpreters(python.memory, python.runtime)


@every_layout
def test_interpreters_in_a_circle_are_an_error(layout: Layout) -> None:
    python = FakePython(layout)
    second = python.add_interpreter()
    python.memory.write_word(python.interpreters[0].address + layout.interpreter.next, second.address)

    with pytest.raises(CorruptTarget, match="no end"):
        read_interpreters(python.memory, python.runtime)


@every_layout
def test_thread_that_names_another_interpreter_is_an_error(layout: Layout) -> None:
    python = FakePython(layout)
    thread = python.add_thread()
    python.memory.write_word(thread.address + layout.thread_state.interp, RUNTIME)

    with pytest.raises(CorruptTarget, match="another interpreter"):
        read_interpreters(python.memory, python.runtime)


@every_layout
@pytest.mark.parametrize("wild", [8, 0xFFFF_FFFF_FFFF_FFF8, 0x1234_5678_9ABC])
def test_list_that_leads_outside_is_an_error(layout: Layout, wild: int) -> None:
    python = FakePython(layout)
    thread = python.add_thread()
    python.memory.write_word(thread.address + layout.thread_state.next, wild)

    with pytest.raises(CorruptTarget, match="outside"):
        read_interpreters(python.memory, python.runtime)


def test_more_threads_than_are_read_is_an_error_that_says_so() -> None:
    python = FakePython(LAYOUTS["3.12"])
    fields = python.layout.thread_state
    count = MAX_THREADS + 1
    start = python.allocate(bytes(count * fields.size))
    head = python.interpreters[0].address + python.layout.interpreter.threads_head
    for index in range(count):
        address = start + index * fields.size
        python.memory.write_word(address + fields.interp, python.interpreters[0].address)
        python.memory.write_word(address + fields.next, address + fields.size if index + 1 < count else 0)
    python.memory.write_word(head, start + fields.size)
    assert len(read_interpreters(python.memory, python.runtime)[0].threads) == MAX_THREADS

    python.memory.write_word(head, start)

    with pytest.raises(TooManyThreads, match=f"more than {MAX_THREADS} threads"):
        read_interpreters(python.memory, python.runtime)
