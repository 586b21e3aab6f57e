"""One observation of a process, as full stack traces."""

from __future__ import annotations

from nbspy.cpython.interner import Interner
from nbspy.cpython.unwinder import ObservedFrame, TrackedThread, Unwinder
from nbspy.errors import CorruptTarget
from nbspy.sampling.attach import attached
from nbspy.sampling.thread_labels import ThreadLabels
from nbspy.stack_trace import Frame, ProcessInfo, StackTrace
from nbspy.target.process_tree import process_info
from nbspy.target.source_files import SourceFiles
from nbspy.wire import State

ROUNDS = 8
"""Times a process is looked at before it is said to change too fast."""


def dump_process(pid: int, *, nonblocking: bool = False) -> list[StackTrace]:
    """Return the stack of every thread of ``pid``, frames leaf first, as of one instant.

    Raises :class:`~nbspy.errors.NbspyError` of the kind that fits where the process cannot be read, and CorruptTarget
    where no consistent look at it could be had.
    """
    with attached(pid) as (target, runtime):
        names = SourceFiles(target.resolve_path).names
        unwinder = Unwinder(target, runtime, names, Interner(), blocking=not nonblocking)
        try:
            if not any(unwinder.sample() for _ in range(ROUNDS)):
                raise CorruptTarget(
                    f"process {pid} changes faster than it can be read",
                    "try again, or without --nonblocking" if nonblocking else "try again",
                )
            labels = ThreadLabels(target, runtime).names(unwinder.threads)
            process = process_info(pid)
            return [
                _stack_trace(pid, thread, unwinder.frames(thread), labels[thread], process)
                for thread in unwinder.threads
            ]
        finally:
            unwinder.close()


def _stack_trace(
    pid: int, thread: TrackedThread, frames: list[ObservedFrame], name: str, process: ProcessInfo
) -> StackTrace:
    return StackTrace(
        pid=pid,
        thread_id=thread.state.thread_id,
        thread_name=name or None,
        os_thread_id=thread.state.native_thread_id or None,
        active=bool(thread.bits & State.ACTIVE),
        owns_gil=bool(thread.bits & State.GIL),
        frames=tuple(
            Frame(
                name=frame.key.qualname,
                filename=frame.key.file,
                module=frame.key.module or None,
                short_filename=frame.key.short_file or None,
                line=frame.key.line,
                is_entry=frame.is_entry,
                is_shim_entry=frame.is_shim_entry,
            )
            for frame in frames
        ),
        process_info=process,
    )
