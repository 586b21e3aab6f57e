"""Collections, exceptions and the end of Python in live targets: what ``dump`` says of the thread that is in one."""

from __future__ import annotations

import pytest

from nbspy.cpython.rare_states import RareWords
from nbspy.cpython.thread_state import read_interpreters
from nbspy.observe import dump
from nbspy.sampling.attach import attached
from nbspy.stack_trace import StackTrace

from .interpreters import Interpreter, Target, start_target


def dumped(target: Target) -> tuple[StackTrace, list[StackTrace]]:
    """Return the trace of the parked thread, and the others."""
    traces = dump(target.pid)
    [parked] = [trace for trace in traces if trace.os_thread_id == target.info["parked"]]
    return parked, [trace for trace in traces if trace is not parked]


def leaf_names(trace: StackTrace) -> list[str]:
    return [frame.name.rpartition(".")[2] for frame in trace.frames]


def is_collecting(target: Target) -> bool:
    """True where the interpreter's own word says that it collects."""
    with attached(target.pid) as (process, runtime):
        words = RareWords(runtime, read_interpreters(process.memory, runtime))
        return bool(words.collecting(b"".join(process.memory.read_many(words.ranges))))


def test_finalizer_that_a_collection_called_is_told_as_a_collection(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "rare_states.py", "finalizer") as target:
        parked, others = dumped(target)
        assert "__del__" in leaf_names(parked)
        assert (parked.status, parked.states) == ("idle", ("gc",))
        assert [trace.states for trace in others] == [(), ()]
        assert is_collecting(target)


@pytest.mark.oldest(3, 6)
def test_callback_of_a_collection_is_told_where_the_interpreter_says_on_which_thread_it_is(
    interpreter: Interpreter,
) -> None:
    with start_target(interpreter.path, "rare_states.py", "callback") as target:
        parked, others = dumped(target)
        assert leaf_names(parked)[:2] == ["park_in_callback", "worker"]
        assert parked.states == (("gc",) if interpreter.version >= (3, 15) else ())
        assert [trace.states for trace in others] == [(), ()]
        assert is_collecting(target)


def test_thread_in_an_except_clause_handles_an_exception(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "rare_states.py", "handler") as target:
        parked, others = dumped(target)
        # 2.7 keeps the last exception of a function until it returns.
        assert parked.states == (("exception",) if interpreter.version >= (3,) else ())
        assert [trace.states for trace in others] == [(), ()]
        assert not is_collecting(target)


def test_thread_that_has_come_to_its_end_is_told_where_its_state_says_so(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "rare_states.py", "thread-end") as target:
        parked, others = dumped(target)
        assert leaf_names(parked) == ["__del__"]
        assert parked.states == (("finalizing",) if interpreter.version >= (3, 12) else ())
        assert [trace.states for trace in others] == [(), ()]


def test_python_that_ends_is_told_and_its_daemon_threads_are_gone(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "rare_states.py", "exit") as target:
        parked, others = dumped(target)
        assert leaf_names(parked) == ["__del__"]
        # 2.7 has no word for it.
        assert parked.states == (("finalizing",) if interpreter.version >= (3,) else ())
        assert all(trace.states == parked.states for trace in others)
        assert (parked.os_thread_id, parked.interpreter) == (target.pid, 0)
