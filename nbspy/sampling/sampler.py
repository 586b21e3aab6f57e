"""The sampler: a clock times an unwinder, written to a stream.

:class:`Sampler` owns the loop of the sampler process: wait for the next deadline, observe, collapse into runs, and a
few times a second write what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import nbspy
from nbspy import wire
from nbspy.cpython.interner import Interner
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import TooManyThreads
from nbspy.cpython.unwinder import TrackedThread, Unwinder
from nbspy.errors import NbspyError, PermissionRefused, TargetEnded
from nbspy.sampling.clock import Clock
from nbspy.sampling.runs import RunTracker
from nbspy.sampling.stop_histogram import DurationHistogram
from nbspy.sampling.stream_writer import StreamWriter
from nbspy.sampling.thread_labels import ThreadLabels
from nbspy.target.process import Target
from nbspy.target.source_files import SourceFiles

FLUSH_NS: Final = 200_000_000
"""Five deltas a second: what a person sees as live, and what a notebook server passes on without dropping."""
FIRST_FLUSH_NS: Final = 20_000_000
_FAILURES_BEFORE_CHECK: Final = 3
"""Samples in a row without a result, before the target itself is looked at again."""

Wait = Callable[[int], bool]
"""Sleep until this monotonic time in ns; True when the sampler is asked to stop."""


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """What a sampler is asked to do."""

    interval_ns: int
    duration_ns: int | None
    """None: until it is stopped."""
    requested_ns: int
    """Monotonic clock when the user asked to attach."""


class Sampler:
    """Samples one attached target until it is stopped, the time is up or the target ends."""

    def __init__(
        self,
        target: Target,
        runtime: Runtime,
        options: SamplerOptions,
        writer: StreamWriter,
        *,
        blocking: bool,
        command_line: str = "",
    ) -> None:
        self._target = target
        self._runtime = runtime
        self._options = options
        self._writer = writer
        self._command_line = command_line
        self._interner = Interner()
        self._unwinder = Unwinder(
            target, runtime, SourceFiles(target.resolve_path).names, self._interner, blocking=blocking
        )
        self._labels = ThreadLabels(target, runtime)
        self._runs = RunTracker()
        self._stops = DurationHistogram()
        self._ids: dict[TrackedThread, int] = {}
        self._untold: dict[TrackedThread, int] = {}
        """Threads whose row is still to be written; they may have ended already."""
        self._next_id = 0
        self._threads_version = -1
        self._thread_samples = 0
        self._failures = 0
        self._notice = ""
        self._recording_ended = False
        self._attach_ns = 0
        self._program = target.program()
        self._origin_ns = time.monotonic_ns()
        self._clock = Clock(options.interval_ns)

    def run(self, wait: Wait) -> None:
        """Sample until the end, and write the stream's end.

        What goes wrong with the target after the first record ends the stream in order; it is not raised.
        """
        self._put_hello()
        try:
            reason = self._loop(wait)
            self._end(reason)
        except TargetEnded as err:
            self._end("target-ended", err)
        except NbspyError as err:
            self._end("error", err)
        finally:
            self._unwinder.close()

    def _now(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def _loop(self, wait: Wait) -> str:
        limit = self._options.duration_ns
        until = None if limit is None else self._origin_ns + limit
        next_flush = self._origin_ns + FIRST_FLUSH_NS
        deadline = self._origin_ns
        while True:
            if until is not None and deadline >= until:
                if wait(until):
                    return "stopped"
                return "duration"
            if wait(deadline) or self._writer.broken:
                return "stopped"
            self._sample()
            now = time.monotonic_ns()
            if now >= next_flush:
                self._flush()
                next_flush = now + FLUSH_NS
            deadline = self._clock.next_deadline()

    def _sample(self) -> None:
        time_ns = self._now()
        unwinder = self._unwinder
        if not unwinder.sample():
            self._failures += 1
            if self._failures >= _FAILURES_BEFORE_CHECK:
                self._check_target()
            return
        self._failures = 0
        if self._attach_ns == 0:
            self._attach_ns = time.monotonic_ns() - self._options.requested_ns
        if unwinder.threads_version != self._threads_version:
            self._follow_threads(time_ns)
        ids = self._ids
        self._thread_samples += len(unwinder.threads)
        self._runs.observe(time_ns, [(ids[thread], thread.node, thread.bits) for thread in unwinder.threads])

    def _follow_threads(self, time_ns: int) -> None:
        """Give new threads an id, and end the runs of those that are gone."""
        # A program may become itself again at the same addresses: its threads are others then.
        self._check_program()
        self._threads_version = self._unwinder.threads_version
        present = self._unwinder.threads
        for gone in self._ids.keys() - set(present):
            self._runs.retire(self._ids.pop(gone), time_ns)
        for thread in present:
            if thread not in self._ids:
                self._ids[thread] = self._untold[thread] = self._next_id
                self._next_id += 1
        self._labels.threads_changed()

    def _check_target(self) -> None:
        """Find out why nothing can be read; raises TargetEnded or TooManyThreads where it is of no use to go on."""
        if not self._target.exists():
            raise TargetEnded(f"process {self._target.pid} has ended")
        self._check_program()
        if isinstance(self._unwinder.failure, TooManyThreads):
            raise self._unwinder.failure
        self._failures = 0

    def _check_program(self) -> None:
        if self._target.program() != self._program:
            raise TargetEnded(f"process {self._target.pid} became another program", "attach again to see the new one")

    def _flush(self, *, last: bool = False) -> None:
        """Write what is new, unless the reader is far behind: then it waits, merged, for the next time or the last."""
        self._stops.add(self._unwinder.stop_times_ns)
        self._unwinder.stop_times_ns.clear()
        self._runs.flush()
        writer = self._writer
        writer.flush()
        if writer.full and not last:
            return
        self._put_notice()
        self._put_threads()
        writer.put_tables(self._interner.take_new())
        writer.put_samples(self._runs.columns)
        writer.put(self._status())
        writer.flush()

    def _put_hello(self) -> None:
        writer = self._writer
        writer.put(
            wire.Hello(
                writer.next_sequence(),
                format=wire.FORMAT_VERSION,
                nbspy_version=nbspy.__version__,
                pid=self._target.pid,
                command_line=self._command_line,
                python_version=self._runtime.version_text,
                free_threaded=self._runtime.layout.free_threaded,
                interval_ns=self._options.interval_ns,
                clock_origin_ns=self._origin_ns,
                started_unix_ns=time.time_ns(),
                blocking=self._unwinder.blocking,
            )
        )
        row = wire.ProcessRow(0, self._target.pid, 0, self._command_line)
        writer.put(wire.Processes(writer.next_sequence(), [row]))
        if self._runtime.warning:
            writer.put(wire.Notice(writer.next_sequence(), 0, self._runtime.warning))
        writer.flush()

    def _put_notice(self) -> None:
        if self._unwinder.notice != self._notice:
            self._notice = self._unwinder.notice
            self._writer.put(wire.Notice(self._writer.next_sequence(), self._now(), self._notice))
        problem = self._writer.recording_problem
        if problem and not self._recording_ended:
            self._recording_ended = True
            text = f"Nothing more is recorded to disk: {problem}. The sampling goes on."
            self._writer.put(wire.Notice(self._writer.next_sequence(), self._now(), text))

    def _put_threads(self) -> None:
        """Write a row for every thread that is new or newly named, in the order of their ids.

        Also for those that have ended since: there are samples of them.
        """
        told = {**dict.fromkeys(self._untold, ""), **self._new_labels()}
        ids = self._untold | self._ids
        rows = [
            wire.ThreadRow(
                id=ids[thread],
                process=0,
                os_thread_id=thread.state.native_thread_id or None,
                thread_id=thread.state.thread_id,
                name=name,
                interpreter=thread.interpreter.id,
            )
            for thread, name in told.items()
        ]
        self._untold.clear()
        if rows:
            rows.sort(key=lambda row: row.id)
            self._writer.put(wire.Threads(self._writer.next_sequence(), rows))

    def _new_labels(self) -> dict[TrackedThread, str]:
        # A sample that was discarded may have seen threads that have no id yet.
        present = [thread for thread in self._unwinder.threads if thread in self._ids]
        try:
            return dict(self._labels.changed(present, self._now()))
        except (TargetEnded, PermissionRefused):
            # What was sampled matters more than how its threads are called; the next sample meets the same error.
            return {}

    def _status(self) -> wire.Status:
        return wire.Status(
            self._writer.next_sequence(),
            time_ns=self._now(),
            samples=self._runs.tick,
            thread_samples=self._thread_samples,
            late=self._clock.late,
            retried=self._unwinder.retried,
            discarded=self._unwinder.discarded,
            cpu_ns=time.process_time_ns(),
            attach_ns=self._attach_ns,
            stop_count=self._stops.count,
            stop_total_ns=self._stops.total_ns,
            stop_median_ns=self._stops.quantile(0.5),
            stop_p99_ns=self._stops.quantile(0.99),
        )

    def _end(self, reason: str, error: NbspyError | None = None) -> None:
        self._runs.finish(self._now())
        self._flush(last=True)
        writer = self._writer
        writer.put(
            wire.End(
                writer.next_sequence(),
                self._now(),
                reason,
                error.kind if error is not None else "",
                error.message if error is not None else "",
                error.help if error is not None else "",
            )
        )
        writer.flush()
