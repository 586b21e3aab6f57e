"""Local variables of live frames against what the frames themselves say, in every interpreter."""

from __future__ import annotations

import pytest

from nbspy import observe
from nbspy.cpython import locals as reader
from nbspy.options import DumpOptions
from nbspy.stack_trace import Frame, StackTrace

from .interpreters import Interpreter, Target, start_target

modes = pytest.mark.parametrize("nonblocking", [False, True], ids=["blocking", "nonblocking"])


def frames_of(target: Target, **options: object) -> tuple[Frame, ...]:
    """The frames of the only thread."""
    (trace,) = observe.snapshot(target.pid, DumpOptions.from_values(options)).traces
    return trace.frames


@modes
def test_given_arguments_and_cells_of_every_kind_then_all_are_as_python_sees_them(
    interpreter: Interpreter, nonblocking: bool
) -> None:
    with start_target(interpreter.path, "locals.py", "arguments") as target:
        target.wait_until_blocked()
        frames = frames_of(target, locals=3, nonblocking=nonblocking)
    said = target.info["frames"]
    assert [frame.name.rpartition(".")[2] for frame in frames] == [*(name for name, _, _ in said), "<module>"]
    for frame, (_, arguments, variables) in zip(frames, said, strict=False):
        assert frame.locals is not None
        found = sorted((one.name, one.addr, one.repr) for one in frame.locals)
        assert found == sorted((name, address, text) for name, address, text in variables)
        assert sorted(one.name for one in frame.locals if one.arg) == sorted(arguments)
    assert frames[-1].locals == (), "a module's variables are its globals"


def test_given_no_wish_for_locals_then_there_are_none(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "locals.py", "tell") as target:
        target.wait_until_blocked()
        assert [frame.locals for frame in frames_of(target)] == [None, None]
        tell, _ = frames_of(target, locals=1)
        assert tell.locals is not None
        (groups,) = [one for one in tell.locals if one.name == "groups"]
        assert (groups.arg, len(groups.repr or "")) == (False, 128)
        (longer,) = [one for one in frames_of(target, locals=2)[0].locals or () if one.name == "groups"]
        assert len(longer.repr or "") == 512


def test_given_a_busy_thread_then_its_variables_are_of_one_instant(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "locals.py", "changing") as target:
        told = 0
        for _ in range(200):
            if told == 6:
                return
            found = {one.name: one.repr for one in frames_of(target, locals=1)[-2].locals or ()}
            if reader.CHANGED in found.values():
                continue  # on a busy machine it may not have stopped in time
            told += 1
            count = int(found["count"] or "")
            assert found["text"] in (repr(str(count)), repr(str(count - 1)))
            items = found["items"] or ""
            assert items.startswith((f"[{count}, '{count}'", f"[{count - 1}, '{count - 1}'")) or items == "[]"
    raise AssertionError(f"told {told} times")


def test_given_a_busy_thread_that_is_not_stopped_then_what_changed_is_not_told(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "locals.py", "changing") as target:
        for _ in range(6):
            found = [one.repr for one in frames_of(target, locals=1, nonblocking=True)[-2].locals or ()]
            # One: the frame was another before it was known which variables it has.
            assert len(found) == 3 or found == [reader.CHANGED]
            if reader.CHANGED in found:
                assert set(found) == {reader.CHANGED}


def test_given_too_little_time_while_threads_stand_then_the_rest_is_read_afterwards(
    current_interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_target(current_interpreter.path, "locals.py", "arguments") as target:
        target.wait_until_blocked()
        expected = frames_of(target, locals=1)
        monkeypatch.setattr(reader, "STANDING_NS", 0)
        assert frames_of(target, locals=1) == expected
        monkeypatch.setattr(reader, "AFTERWARDS_NS", 0)
        frames = frames_of(target, locals=1)
    assert [frame.name for frame in frames] == [frame.name for frame in expected]
    assert {one.repr for frame in frames for one in frame.locals or ()} == {reader.NOT_READ}


def test_given_many_threads_then_each_has_its_own(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "named_threads.py") as target:
        traces: list[StackTrace] = observe.dump(target.pid, locals=1)
    assert len(traces) == 209
    selves: set[int] = set()
    for trace in traces:
        run = next((frame for frame in trace.frames if frame.name == "Thread.run"), None)
        if run is not None:
            (own,) = [one for one in run.locals or () if one.name == "self"]
            assert own.arg
            selves.add(own.addr)
    assert len(selves) > 100


def test_given_options_then_threads_lines_and_processes_are_what_they_ask_for(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "shell_target.py") as target:
        spinning = observe.snapshot(target.pid, DumpOptions(gil=True)).traces
        assert {trace.thread_name for trace in spinning} <= {"MainThread"}
        both = observe.snapshot(target.pid, DumpOptions(gil=True, idle=True)).traces
        assert "listener" in {trace.thread_name for trace in both}
        first = observe.snapshot(target.pid, DumpOptions(function=True)).traces[0]
        assert [(frame.name, frame.line) for frame in first.frames] == [("spin", 11), ("work", 18), ("<module>", 1)]
        none = observe.snapshot(target.pid, DumpOptions(nolineno=True)).traces[0]
        assert {frame.line for frame in none.frames} == {0}
        found = observe.snapshot(target.pid, DumpOptions())
        assert found.python_version == ".".join(map(str, current_interpreter.version))
        assert "shell_target.py" in found.command_line
        source = observe.source_lines()
        lines = [source(target.pid, frame).strip() for frame in found.traces[0].frames[1:]]
        assert lines == ["return spin()", "work()"]


def test_given_processes_below_then_those_that_run_python_are_found(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "with_children.py") as target:
        assert [dump.pid for dump in observe.snapshots(target.pid, DumpOptions())] == [target.pid]
        dumps = observe.snapshots(target.pid, DumpOptions(subprocesses=True))
        assert [dump.pid for dump in dumps] == [target.pid, *target.info["python"]]
        assert all(dump.traces for dump in dumps)
