"""The sampler: a clock times the observation of one process, or of several, written to a stream.

:class:`Sampler` owns the loop of the sampler process: wait for the next deadline, observe, collapse into runs, and a
few times a second write what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

import nbspy
from nbspy import wire
from nbspy.cpython.interner import Interner
from nbspy.cpython.runtime import Runtime
from nbspy.errors import NbspyError, TargetEnded
from nbspy.sampling.clock import Clock
from nbspy.sampling.process_sampler import ProcessSampler, shown_command_line
from nbspy.sampling.runs import RunColumns
from nbspy.sampling.stop_histogram import DurationHistogram
from nbspy.sampling.stream_writer import StreamWriter
from nbspy.sampling.subprocesses import Subprocesses
from nbspy.sampling.thread_ids import ThreadIds
from nbspy.target.process import Target

FLUSH_NS: Final = 200_000_000
"""Five deltas a second: what a person sees as live, and what a notebook server passes on without dropping."""
FIRST_FLUSH_NS: Final = 20_000_000
_NAMES_NS: Final = 2_000_000_000
"""Command lines are read again this often: servers name their workers after they have begun."""

_LATE_NS: Final = 1_000_000
"""How often threads that are slow to stop are looked after between samples; each sample does so too."""

Wait = Callable[[int], bool]
"""Sleep until this monotonic time in ns; True when the sampler is asked to stop."""


class SamplerOptions(msgspec.Struct, frozen=True):
    """What a sampler is asked to do."""

    interval_ns: int
    duration_ns: int | None
    """None: until it is stopped."""
    requested_ns: int
    """Monotonic clock when the user asked to attach."""


class Sampler:
    """Samples an attached target, and with ``subprocesses`` those below it, until it is stopped, or the time is up,
    or no process is left."""

    def __init__(
        self,
        target: Target,
        runtime: Runtime | None,
        options: SamplerOptions,
        writer: StreamWriter,
        *,
        blocking: bool,
        command_line: str = "",
        subprocesses: Subprocesses | None = None,
    ) -> None:
        """``runtime`` may be None where there are ``subprocesses``: the target itself then runs no Python (yet)."""
        self._target = target
        self._runtime = runtime
        self._options = options
        self._writer = writer
        self._blocking = blocking
        self._command_line = command_line
        self._subprocesses = subprocesses
        self._interner = Interner()
        self._columns = RunColumns()
        self._stops = DurationHistogram()
        self._thread_ids = ThreadIds()
        self._process_count = 0
        self._processes: tuple[ProcessSampler, ...] = ()
        """Those that are sampled now."""
        self._leaving: list[ProcessSampler] = []
        """Those that have ended, and whose threads may still be untold."""
        self._dropped: list[ProcessSampler] = []
        """Those that are no longer sampled while threads of theirs have still not stopped as they were asked to."""
        self._gone = _Counters()
        self._process_rows: dict[int, wire.ProcessRow] = {}
        """Rows that are still to be written."""
        self._samples = 0
        self._recording_ended = False
        self._attach_ns = 0
        self._next_names_ns = 0
        self._origin_ns = time.monotonic_ns()
        self._clock = Clock(options.interval_ns)
        if runtime is not None:
            self._add(target, runtime, 0)

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
            for process in self._processes:
                process.unwinder.close()
                self._close(process)

    def _now(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def _loop(self, wait: Wait) -> str:
        limit = self._options.duration_ns
        until = None if limit is None else self._origin_ns + limit
        next_deadline = self._clock.next_deadline
        next_flush = self._origin_ns + FIRST_FLUSH_NS
        deadline = self._origin_ns
        while True:
            if until is not None and deadline >= until:
                if self._wait(wait, until):
                    return "stopped"
                return "duration"
            if self._wait(wait, deadline):
                return "stopped"
            if self._subprocesses is not None:
                self._follow_subprocesses(self._subprocesses)
            self._sample()
            now = time.monotonic_ns()
            if now >= next_flush:
                self._check_identities()
                self._flush()
                next_flush = now + FLUSH_NS
                if self._writer.broken:
                    return "stopped"
            deadline = next_deadline()

    def _wait(self, wait: Wait, until: int) -> bool:
        """Sleep until then; True when asked to stop.

        A thread that was slow to stop, because it slept in the kernel, is not left standing for as long.
        """
        if self._options.interval_ns > _LATE_NS:
            while self._some_are_late():
                soon = time.monotonic_ns() + _LATE_NS
                if soon >= until:
                    break
                if wait(soon):
                    return True
        return wait(until)

    def _some_are_late(self) -> bool:
        late = False
        for process in (*self._processes, *self._dropped):
            late = process.unwinder.release_late() or late
        return late

    def _sample(self) -> None:
        seen = False
        origin = self._origin_ns
        for process in self._processes:
            try:
                seen = process.sample(time.monotonic_ns() - origin) or seen
            except NbspyError as err:
                self._drop(process, err)
        if seen:
            self._samples += 1
            if self._attach_ns == 0:
                self._attach_ns = time.monotonic_ns() - self._options.requested_ns

    # which processes

    def _check_identities(self) -> None:
        """Where nothing tells at once (:meth:`Target.has_ended`): memory is read by pid, which another may have got."""
        for process in self._processes:
            try:
                process.check_identity()
            except TargetEnded as err:
                self._drop(process, err)

    def _add(self, target: Target, runtime: Runtime, parent_pid: int) -> None:
        """Begin to sample a process; raises what reading it may raise."""
        row = wire.ProcessRow(
            self._process_count,
            target.pid,
            parent_pid,
            self._command_line if target is self._target else shown_command_line(target),
            self._now(),
            None,
            runtime.version_text,
        )
        process = ProcessSampler(
            target, runtime, self._interner, self._columns, self._thread_ids, row, blocking=self._blocking
        )
        self._process_count += 1
        self._process_rows[row.id] = row
        self._processes = (*self._processes, process)

    def _follow_subprocesses(self, subprocesses: Subprocesses) -> None:
        for found in subprocesses.look(time.monotonic_ns()):
            try:
                self._add(found.target, found.runtime, found.parent_pid)
            except NbspyError:
                found.target.close()  # it has just ended, or became another program: the next look tells
                subprocesses.release(found.target.pid)
        if not self._processes and subprocesses.extinct():
            raise TargetEnded(f"process {self._target.pid} and those below it have ended")

    def _drop(self, process: ProcessSampler, err: NbspyError) -> None:
        """Let go of a process that cannot be sampled any more; raises ``err`` where it is the only one asked for."""
        if self._subprocesses is None:
            raise process.why(err)
        now = self._now()
        process.end(now)
        self._dropped = [one for one in (*self._dropped, process) if one.unwinder.release_late()]
        self._take_stops(process)
        self._processes = tuple(other for other in self._processes if other is not process)
        self._leaving.append(process)
        self._gone.add(process)
        process.row = msgspec.structs.replace(process.row, ended_ns=now)
        self._process_rows[process.row.id] = process.row
        if not isinstance(err, TargetEnded):
            self._put_text(f"process {process.pid} is no longer sampled: {err}")
        self._close(process)
        self._subprocesses.release(process.pid, again=isinstance(err, TargetEnded))

    def _close(self, process: ProcessSampler) -> None:
        if process.target is not self._target:  # that one is whose who opened it
            process.target.close()

    # what is written

    def _flush(self, *, last: bool = False) -> None:
        """Write what is new, unless the reader is far behind: then it waits, merged, for the next time or the last."""
        for process in self._processes:
            self._take_stops(process)
            process.runs.flush()
        writer = self._writer
        writer.flush()
        if writer.full and not last:
            return
        self._put_notices()
        self._put_processes()
        self._put_threads()
        writer.put_tables(self._interner.take_new())
        writer.put_samples(self._columns)
        writer.put(self._status())
        writer.flush()

    def _take_stops(self, process: ProcessSampler) -> None:
        self._stops.add(process.unwinder.stop_times_ns)
        process.unwinder.stop_times_ns.clear()

    def _put_hello(self) -> None:
        writer = self._writer
        runtime = self._runtime
        writer.put(
            wire.Hello(
                writer.next_sequence(),
                format=wire.FORMAT_VERSION,
                nbspy_version=nbspy.__version__,
                pid=self._target.pid,
                command_line=self._command_line,
                python_version=runtime.version_text if runtime is not None else "",
                free_threaded=runtime is not None and runtime.layout.free_threaded,
                interval_ns=self._options.interval_ns,
                clock_origin_ns=self._origin_ns,
                started_unix_ns=time.time_ns(),
                blocking=self._processes[0].unwinder.blocking if self._processes else self._blocking,
            )
        )
        self._put_processes()
        if runtime is not None and runtime.warning:
            self._put_text(runtime.warning)
        writer.flush()

    def _put_text(self, text: str) -> None:
        self._writer.put(wire.Notice(self._writer.next_sequence(), self._now(), text))

    def _put_notices(self) -> None:
        for process in self._processes:
            if process.unwinder.notice != process.notice:
                process.notice = process.unwinder.notice
                self._put_text(f"process {process.pid}: {process.notice}" if self._subprocesses else process.notice)
        if self._subprocesses is not None:
            for text in self._subprocesses.take_notices():
                self._put_text(text)
        problem = self._writer.recording_problem
        if problem and not self._recording_ended:
            self._recording_ended = True
            self._put_text(f"Nothing more is recorded to disk: {problem}. The sampling goes on.")

    def _put_processes(self) -> None:
        """Write a row for each process that is new, has ended or is newly named, in the order of their ids."""
        now = self._now()
        if self._subprocesses is not None and now >= self._next_names_ns:
            self._next_names_ns = now + _NAMES_NS
            for process in self._processes:
                if text := process.new_command_line():
                    process.row = msgspec.structs.replace(process.row, command_line=text)
                    self._process_rows[process.row.id] = process.row
        if self._process_rows:
            rows = [self._process_rows[row_id] for row_id in sorted(self._process_rows)]
            self._process_rows.clear()
            self._writer.put(wire.Processes(self._writer.next_sequence(), rows))

    def _put_threads(self) -> None:
        """Write a row for every thread that is new or newly named, in the order of their ids."""
        now = self._now()
        rows = [row for process in (*self._leaving, *self._processes) for row in process.thread_rows(now)]
        self._leaving.clear()
        if rows:
            rows.sort(key=lambda row: row.id)
            self._writer.put(wire.Threads(self._writer.next_sequence(), rows))

    def _status(self) -> wire.Status:
        total = _Counters(self._gone.thread_samples, self._gone.retried, self._gone.discarded)
        for process in self._processes:
            total.add(process)
        return wire.Status(
            self._writer.next_sequence(),
            time_ns=self._now(),
            samples=self._samples,
            thread_samples=total.thread_samples,
            late=self._clock.late,
            retried=total.retried,
            discarded=total.discarded,
            cpu_ns=time.process_time_ns(),
            attach_ns=self._attach_ns,
            stop_count=self._stops.count,
            stop_total_ns=self._stops.total_ns,
            stop_median_ns=self._stops.quantile(0.5),
            stop_p99_ns=self._stops.quantile(0.99),
        )

    def _end(self, reason: str, error: NbspyError | None = None) -> None:
        for process in self._processes:
            process.finish(self._now())
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


class _Counters(msgspec.Struct):
    """What samplers of processes have counted."""

    thread_samples: int = 0
    retried: int = 0
    discarded: int = 0

    def add(self, process: ProcessSampler) -> None:
        self.thread_samples += process.thread_samples
        self.retried += process.unwinder.retried
        self.discarded += process.unwinder.discarded
