"""One observation of a process, as full stack traces."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from nbspy.cpython.interner import Interner
from nbspy.cpython.locals import LocalsReader
from nbspy.cpython.method_names import MethodNames
from nbspy.cpython.observed_frames import ObservedFrame
from nbspy.cpython.thread_list import TrackedThread
from nbspy.cpython.thread_state import TooManyThreads
from nbspy.cpython.unwinder import Unwinder
from nbspy.errors import CorruptTarget, TargetEnded
from nbspy.options import DumpOptions, LineMode
from nbspy.sampling.attach import attached, command_line
from nbspy.sampling.thread_labels import ThreadLabels
from nbspy.stack_trace import Dump, Frame, ProcessInfo, StackTrace
from nbspy.target.own_thread import in_own_thread
from nbspy.target.process_tree import process_info
from nbspy.target.source_files import SourceFiles
from nbspy.wire import BESIDE_WORDS, State

ROUNDS: Final = 8
"""Times a process is looked at before it is said to change too fast."""


def dump_process(pid: int, options: DumpOptions) -> Dump:
    """Return the stack of every thread of ``pid``, frames leaf first, as of one instant.

    Raises :class:`~nbspy.errors.NbspyError` of the kind that fits where the process cannot be read, and CorruptTarget
    where no consistent look at it could be had.
    """
    return in_own_thread(lambda: _dump_process(pid, options))


def _dump_process(pid: int, options: DumpOptions) -> Dump:
    with attached(pid) as (target, runtime):
        names = SourceFiles(target.resolve_path).names
        unwinder = Unwinder(target, runtime, names, Interner(), blocking=not options.nonblocking)
        max_chars = options.max_chars
        reader = None if max_chars is None else LocalsReader(target.memory, runtime.layout, max_chars)
        # From 3.11 on code objects have their qualified names.
        methods = MethodNames(target.memory, runtime.layout) if runtime.layout.code.qualname is None else None

        def stand(holders: tuple[int, ...]) -> None:
            for one in (methods, reader):
                if one is not None:
                    one.stand(_stacks(unwinder.threads, holders))

        try:
            unwinder.while_standing = stand
            if not any(unwinder.sample() for _ in range(ROUNDS)):
                if isinstance(unwinder.failure, TooManyThreads):
                    raise unwinder.failure
                raise CorruptTarget(
                    f"process {pid} changes faster than it can be read",
                    "try again, or without --nonblocking" if options.nonblocking else "try again",
                )
            for one in (methods, reader):
                if one is not None:
                    one.finish()
            if target.has_ended():
                raise TargetEnded(f"process {pid} has ended")
            labels = ThreadLabels(target, runtime).names(unwinder.threads)
            process = process_info(pid)

            # The same place is on a deep stack many times.
            positions = functools.cache(unwinder.positions)

            def frame(observed: ObservedFrame) -> Frame:
                method = None if methods is None else methods.name_of(observed.code)
                told = _frame(observed, options.lines, reader, method)
                place = positions(observed.code, observed.instruction) if options.lines is LineMode.CURRENT else None
                if place is None or place.line != told.line:
                    return told
                return replace(told, column=place.column, end_line=place.end_line, end_column=place.end_column)

            traces = [
                _stack_trace(pid, thread, tuple(map(frame, unwinder.frames(thread))), labels[thread], process)
                for thread in unwinder.threads
            ]
            return Dump(tuple(traces), pid, command_line(target), runtime.version_text)
        finally:
            unwinder.close()


def _stacks(threads: list[TrackedThread], holders: tuple[int, ...]) -> Iterator[list[tuple[int, int]]]:
    """Yield (frame, code) of each thread's frames, leaf first; those that hold a GIL, and soon change, come first."""
    for thread in sorted(threads, key=lambda thread: thread.state.address not in holders):
        chain = thread.chain
        yield [(frame, code) for frame, code in zip(chain.addresses, chain.codes, strict=True) if code][::-1]


def _frame(observed: ObservedFrame, lines: LineMode, reader: LocalsReader | None, method: str | None) -> Frame:
    key = observed.key
    return Frame(
        name=method or key.qualname,
        filename=key.file,
        module=key.module or None,
        short_filename=key.short_file or None,
        line={LineMode.CURRENT: key.line, LineMode.FIRST: key.first_line, LineMode.NONE: 0}[lines],
        locals=None if reader is None else reader.locals_of(observed.address),
        is_entry=observed.is_entry,
        is_shim_entry=observed.is_shim_entry,
    )


def _stack_trace(
    pid: int, thread: TrackedThread, frames: tuple[Frame, ...], name: str, process: ProcessInfo
) -> StackTrace:
    return StackTrace(
        pid=pid,
        thread_id=thread.state.thread_id,
        thread_name=name or None,
        os_thread_id=thread.state.native_thread_id or None,
        active=bool(thread.bits & State.ACTIVE),
        owns_gil=bool(thread.bits & State.GIL),
        frames=frames,
        process_info=process,
        states=_states(thread.bits),
        interpreter=thread.interpreter.id,
    )


def _states(bits: int) -> tuple[str, ...]:
    waits = ("gil-wait",) if bits & State.GIL_WAIT else ()
    return waits + tuple(word for bit, word in BESIDE_WORDS if bits & bit)
