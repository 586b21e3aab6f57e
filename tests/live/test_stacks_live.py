from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from nbspy.cpython.interner import Interner
from nbspy.cpython.thread_list import TrackedThread
from nbspy.cpython.thread_state import MAX_THREADS, TooManyThreads
from nbspy.cpython.unwinder import Unwinder
from nbspy.observe import dump, snapshot
from nbspy.options import DumpOptions
from nbspy.sampling.attach import attached
from nbspy.stack_trace import StackTrace
from nbspy.wire import State

from .interpreters import Interpreter, Target, start_target

SCENARIOS = {
    "recursion": (2, 7),
    "named": (2, 7),
    "plain_generators": (2, 7),
    "generators": (3, 6),
    "small_frames": (2, 7),
    "code_without_a_file": (2, 7),
    "methods": (2, 7),
    "zipimported": (2, 7),
    "deep": (2, 7),
    "c_callbacks": (2, 7),
    "subinterpreters": (3, 8),
}
"""Scenario -> the first version that has what it is about."""
SAMPLES = 50
MANY = 20_000
"""Samples in which a busy thread has moved, also where many others want the processor."""

both_modes = pytest.mark.parametrize("nonblocking", [False, True], ids=["blocking", "nonblocking"])


def rows(trace: StackTrace) -> list[list[object]]:
    """The frames as the target writes them: leaf first, each as [name, file, line]."""
    return [[frame.name, frame.filename, frame.line] for frame in trace.frames]


def said_rows(thread: dict[str, Any]) -> list[list[object]]:
    """What the target wrote, without the columns that it knows from 3.11 on."""
    return [row[:3] for row in thread["frames"]]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_dump_of_parked_threads_is_what_python_itself_says(interpreter: Interpreter, scenario: str) -> None:
    if interpreter.version < SCENARIOS[scenario]:
        pytest.skip(f"{interpreter.id} has nothing of the kind")
    with start_target(interpreter.path, "stacks.py", scenario) as target:
        expected: list[dict[str, Any]] = target.info["threads"]
        assert len(expected) > 1
        target.wait_until_blocked()
        for nonblocking in (False,) if scenario == "deep" else (False, True):
            traces = dump(target.pid, nonblocking=nonblocking)

            for thread in expected:
                found = [trace for trace in traces if rows(trace) == said_rows(thread)]
                assert found, f"{thread['name']}: {thread['frames']} not among {list(map(rows, traces))}"
                if thread["name"] is not None or interpreter.version >= (3, 13):
                    # Before, a sub-interpreter that another thread runs keeps the ids of the one that made it.
                    [trace] = [trace for trace in found if trace.os_thread_id == thread["native"]]
                    assert trace.thread_id == thread["ident"]
                    assert thread["name"] in (None, trace.thread_name)
                assert {(trace.status, trace.pid) for trace in found} == {("idle", target.pid)}
            main = traces[0]
            assert (main.os_thread_id, main.thread_name) == (target.info["main"], "MainThread")
            assert [name for name, _, _ in rows(main)] == ["obey", "main", "<module>"]
            if scenario != "subinterpreters":
                assert len(traces) == len(expected) + 1


@pytest.mark.oldest(3, 11)
def test_dump_tells_which_part_of_the_line_runs(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "stacks.py", "code_without_a_file") as target:
        said = {tuple(row[:3]): row[3] for thread in target.info["threads"] for row in thread["frames"]}
        found = {
            (frame.name, frame.filename, frame.line): [frame.column, frame.end_line, frame.end_column]
            for trace in dump(target.pid)
            for frame in trace.frames
        }
        assert {key: found[key] for key in said} == said  # type: ignore[index]
        assert any(columns[0] for columns in said.values())
        without = [frame for trace in snapshot(target.pid, DumpOptions(function=True)).traces for frame in trace.frames]
        assert {frame.column for frame in without} == {None}


@pytest.mark.oldest(3, 11)
def test_dump_tells_where_the_evaluation_loop_was_entered(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "stacks.py", "c_callbacks") as target:
        [trace] = [trace for trace in dump(target.pid) if trace.thread_name == "in_both"]

    entries = [frame.name.rpartition(".")[2] for frame in trace.frames if frame.is_entry]
    # C calls the callbacks and the first function; how ``run`` is called is another matter in each version.
    assert [name for name in entries if name != "run"] == ["<lambda>", "<lambda>", "_bootstrap"]
    assert trace.frames[-1].is_entry
    assert not trace.frames[0].is_entry


BOTTOM = ("spin", "run", "run", "bootstrap_inner", "bootstrap")
"""Without the underscores in front: 2.7 has two."""


def faulthandler_stacks(target: Target) -> list[tuple[str, ...]]:
    """Return what faulthandler writes: the functions of each thread, leaf first."""
    path = Path(target.ask("trace")[0])
    text = path.read_text()
    path.unlink()
    return [
        tuple(re.findall(r'^  File ".*", line \d+ in (.+)$', part, re.MULTILINE))
        for part in re.split(r"^(?:Current thread|Thread) .*$", text, flags=re.MULTILINE)[1:]
    ]


@contextmanager
def unwinder_on(target: Target, *, nonblocking: bool) -> Iterator[Unwinder]:
    with attached(target.pid) as (process, runtime):
        unwinder = Unwinder(process, runtime, lambda file: (file, ""), Interner(), blocking=not nonblocking)
        try:
            yield unwinder
        finally:
            unwinder.close()


def believed_samples(unwinder: Unwinder, wanted: int) -> Iterator[list[TrackedThread]]:
    """Yield the threads of ``wanted`` samples; without stopping, many copies of a busy target are discarded."""
    for _ in range(100 * wanted):
        if wanted and unwinder.sample():
            wanted -= 1
            yield unwinder.threads
    assert wanted == 0, f"discarded: {unwinder.discarded}"


@both_modes
def test_stacks_of_a_running_thread_are_those_that_faulthandler_sees(
    interpreter: Interpreter, nonblocking: bool
) -> None:
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "sleep") as target:
        known = {stack for _ in range(60) for stack in faulthandler_stacks(target)}
        spinning = target.info["ids"]["spin"]
        seen: list[tuple[str, ...]] = []
        with unwinder_on(target, nonblocking=nonblocking) as unwinder:
            for threads in believed_samples(unwinder, MANY):
                [thread] = [thread for thread in threads if thread.state.native_thread_id == spinning]
                seen.append(tuple(frame.key.name for frame in unwinder.frames(thread)))
                # While others have the processor the thread stands where it stands, for some hundred samples.
                if len(seen) >= SAMPLES and known & set(seen):
                    break

    # faulthandler runs when the busy thread lets it: at calls and jumps, which are not all the places there are.
    assert known & set(seen)
    possible = {(), ("f1",), ("f2",), ("f1", "f2"), ("<listcomp>", "f2"), ("f1", "<listcomp>", "f2")}
    assert {stack[: -len(BOTTOM)] for stack in seen} <= possible
    assert {tuple(name.lstrip("_") for name in stack[-len(BOTTOM) :]) for stack in seen} == {BOTTOM}


def processor_time_ns(target: Target, thread: int) -> int:
    return int(Path(f"/proc/{target.pid}/task/{thread}/schedstat").read_text().split()[0])


def test_while_the_thread_with_the_gil_stands_the_others_run_on(interpreter: Interpreter) -> None:
    if interpreter.free_threaded:
        pytest.skip("without a GIL all attached threads are stopped")
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "calculate") as target:
        spin, other = target.info["ids"]["spin"], target.info["ids"]["calculate"]
        stood: list[tuple[int, int]] = []

        def measure(holders: tuple[int, ...]) -> None:
            """Note what both have computed, for as long as it takes the other to go on, or to wait for the GIL."""
            if holders != tuple(one.state.address for one in unwinder.threads if one.state.native_thread_id == spin):
                return
            before = processor_time_ns(target, spin), processor_time_ns(target, other)
            deadline = time.monotonic() + 1.0
            while processor_time_ns(target, other) < before[1] + 1_000_000 and time.monotonic() < deadline:
                pass
            stood.append((processor_time_ns(target, spin) - before[0], processor_time_ns(target, other) - before[1]))

        with unwinder_on(target, nonblocking=False) as unwinder:
            unwinder.while_standing = measure
            for _ in believed_samples(unwinder, MANY):
                if stood and stood[-1][1] >= 1_000_000:
                    break

    assert [spun for spun, _ in stood] == [0] * len(stood)
    assert stood[-1][1] >= 1_000_000


@both_modes
def test_thread_that_spins_holds_the_gil_and_sleepers_are_idle(interpreter: Interpreter, nonblocking: bool) -> None:
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "sleep") as target:
        ids = target.info["ids"]
        target.wait_until_blocked(ids["sleep"], target.info["main"])
        statuses: dict[int | None, list[str]] = {}
        with unwinder_on(target, nonblocking=nonblocking) as unwinder:
            for threads in believed_samples(unwinder, SAMPLES):
                for thread in threads:
                    statuses.setdefault(thread.state.native_thread_id, []).append(status(thread.bits))

    busy = "active" if interpreter.free_threaded else "active+gil"
    assert statuses[ids["spin"]].count(busy) > SAMPLES * 0.8
    assert set(statuses[ids["sleep"]]) == {"idle"}
    assert set(statuses[target.info["main"]]) == {"idle"}


def status(bits: int) -> str:
    trace = StackTrace(1, 1, None, 1, bool(bits & 1), bool(bits & 2), ())
    return trace.status


def test_thread_that_calculates_without_the_gil_is_active_without_it(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "stacks.py", "busy", "calculate", "sleep") as target:
        words = []
        target.wait_until_blocked(target.info["ids"]["sleep"])
        for _ in range(20):
            traces = {trace.os_thread_id: trace for trace in dump(target.pid)}
            words.append(traces[target.info["ids"]["calculate"]].status)
            assert traces[target.info["ids"]["sleep"]].status == "idle"
        assert words.count("active") > 14


def test_at_most_one_thread_of_an_interpreter_owns_the_gil(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "calculate", "sleep") as target:
        owners = [sum(trace.owns_gil for trace in dump(target.pid)) for _ in range(20)]
        assert max(owners) == (0 if interpreter.free_threaded else 1)


@both_modes
def test_of_two_threads_that_spin_one_waits_for_the_gil_that_the_other_holds(
    interpreter: Interpreter, nonblocking: bool
) -> None:
    wanted = {State.ACTIVE} if interpreter.free_threaded else {State.ACTIVE | State.GIL, State.GIL_WAIT}
    seen = 0
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "rival", "sleep") as target:
        rivals = [target.info["ids"][name] for name in ("spin", "rival")]
        target.wait_until_blocked(target.info["ids"]["sleep"])
        with unwinder_on(target, nonblocking=nonblocking) as unwinder:
            # On a busy machine the one that waits may long have been woken, and wait for a processor.
            for _ in range(200):
                for threads in believed_samples(unwinder, 10):
                    bits = {thread.state.native_thread_id: State(thread.bits) for thread in threads}
                    seen += {bits[rival] for rival in rivals} == wanted
                if seen >= 10:
                    assert bits[target.info["ids"]["sleep"]] == State(0)
                    return
    raise AssertionError(f"{wanted} seen {seen} times")


@both_modes
def test_threads_that_follow_each_other_in_the_same_place_are_told_apart(
    interpreter: Interpreter, nonblocking: bool
) -> None:
    seen: dict[str, set[int]] = {}
    with (
        start_target(interpreter.path, "thread_reuse.py", "40") as target,
        unwinder_on(target, nonblocking=nonblocking) as unwinder,
    ):
        target.send("begin")
        working = True
        while working:
            working = not target.has_spoken()
            if not unwinder.sample():
                continue
            for thread in unwinder.threads:
                for name in {frame.key.name for frame in unwinder.frames(thread)}:
                    if name.startswith("work_"):
                        seen.setdefault(name, set()).add(thread.state.native_thread_id)
        ids = target.read_json()

    assert len(ids) == 40
    assert len(seen) > 5  # of a busy machine's few samples
    wrong = {name: natives for name, natives in seen.items() if natives != {ids[name]}}
    assert not wrong


def test_dump_of_a_process_that_stands_still_by_signal_works(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "stacks.py", "busy", "spin", "sleep") as target:
        target.process.send_signal(signal.SIGSTOP)
        try:
            for nonblocking in (False, True):
                names = {trace.thread_name for trace in dump(target.pid, nonblocking=nonblocking)}
                assert names == {"MainThread", "spin", "sleep"}
        finally:
            target.process.send_signal(signal.SIGCONT)
        before = target.ask("counter")
        while target.ask("counter") == before:
            pass


def test_dump_leaves_the_signals_of_this_thread_as_they_were(current_interpreter: Interpreter) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with start_target(current_interpreter.path, "stacks.py", "recursion") as target:
        dump(target.pid)

    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_as_many_threads_as_are_read_are_all_seen_and_one_more_is_a_clear_error(
    current_interpreter: Interpreter,
) -> None:
    with start_target(current_interpreter.path, "crowd.py", str(MAX_THREADS - 1)) as target:
        traces = dump(target.pid)
        assert len(traces) == len({trace.os_thread_id for trace in traces}) == MAX_THREADS

        assert target.ask("one more") == [MAX_THREADS + 1]
        with pytest.raises(TooManyThreads, match=f"more than {MAX_THREADS} threads"):
            dump(target.pid)
