"""One of the processes that a sampler looks at: its unwinder, the ids of its threads, and the runs of their samples."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from nbspy import wire
from nbspy.cpython.interner import Interner
from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_list import TrackedThread
from nbspy.cpython.thread_state import TooManyThreads
from nbspy.cpython.unwinder import Unwinder
from nbspy.errors import NbspyError, PermissionRefused, TargetEnded
from nbspy.sampling.attach import command_line
from nbspy.sampling.runs import RunColumns, RunTracker
from nbspy.sampling.thread_ids import SHARED_NAME, ThreadIds
from nbspy.sampling.thread_labels import ThreadLabels
from nbspy.target.process import Target
from nbspy.target.source_files import SourceFiles

MAX_COMMAND_LINE: Final = 10_000
"""Characters of a command line that are told."""
_FAILURES_BEFORE_CHECK: Final = 3
"""Samples in a row without a result, before the target itself is looked at again."""
_END_LOOK_NS: Final = 2_000_000
"""How often to ask whether what was read was still the target. Pids are given out in turn: where there are the fewest
(300), so many processes cannot begin in this time that one comes again."""

_EXEC_NS: Final = 100_000_000
"""How long a process may seem to have ended before it shows that it became another program."""
_EXEC_LOOK_S: Final = 0.001


class ProcessSampler:
    """Samples one attached process into columns that it may share with others; its tables are the ``interner``'s."""

    def __init__(
        self,
        target: Target,
        runtime: Runtime,
        interner: Interner,
        columns: RunColumns,
        thread_ids: ThreadIds,
        row: wire.ProcessRow,
        *,
        blocking: bool,
    ) -> None:
        """``thread_ids`` gives each new thread its id; ``row`` is what the stream says of the process."""
        self.target = target
        self.runtime = runtime
        self.row = row
        self.unwinder = Unwinder(target, runtime, SourceFiles(target.resolve_path).names, interner, blocking=blocking)
        self.runs = RunTracker(columns)
        self.thread_samples = 0
        self.notice = ""
        """What the unwinder had to say when it was last asked."""
        self._labels = ThreadLabels(target, runtime)
        self._thread_ids = thread_ids
        self._ids: dict[TrackedThread, int] = {}
        self._untold: dict[TrackedThread, int] = {}
        """Threads whose row is still to be written; they may have ended already."""
        self._told_shared: set[int] = set()
        self._threads_version = -1
        self._failures = 0
        self._end_look_ns = 0
        self._program = target.program()

    @property
    def pid(self) -> int:
        return self.target.pid

    def sample(self, time_ns: int) -> bool:
        """Observe all threads once; False where no consistent copy was had.

        Raises TargetEnded, or another NbspyError, where it is of no use to go on.
        """
        unwinder = self.unwinder
        if not unwinder.sample():
            self._failures += 1
            if self._failures >= _FAILURES_BEFORE_CHECK:
                self._check_target()
            return False
        if time_ns >= self._end_look_ns:
            if self.target.has_ended():
                raise self._ended()
            self._end_look_ns = time_ns + _END_LOOK_NS
        self._failures = 0
        news = unwinder.news
        if unwinder.threads_version != self._threads_version:
            self._follow_threads(time_ns)
            news = unwinder.threads
        ids = self._ids
        self.thread_samples += len(ids)
        self.runs.observe(time_ns, [(ids[thread], thread.node, thread.bits) for thread in news])
        return True

    def end(self, time_ns: int) -> None:
        """Close the runs of a process that is no longer looked at, and let go of it."""
        self.runs.finish(time_ns)
        self.unwinder.close()

    def finish(self, time_ns: int) -> None:
        """Close the runs at the end of the sampling."""
        self.runs.finish(time_ns)
        self._labels.rested()

    def thread_rows(self, now_ns: int) -> Iterator[wire.ThreadRow]:
        """Yield a row for every thread that is new or newly named; also for those that have ended since.

        There are samples of them.
        """
        told = {**dict.fromkeys(self._untold, ""), **self._new_labels(now_ns)}
        ids = self._untold | self._ids
        self._untold.clear()
        shared: set[int] = set()
        for thread, name in told.items():
            number = ids[thread]
            if self._thread_ids.shared(number):
                shared.add(number)
                continue
            yield wire.ThreadRow(
                id=number,
                process=self.row.id,
                os_thread_id=thread.state.native_thread_id or None,
                thread_id=thread.state.thread_id,
                name=name,
                interpreter=thread.interpreter.id,
            )
        for number in shared - self._told_shared:
            yield wire.ThreadRow(number, self.row.id, None, 0, SHARED_NAME, 0)
        self._told_shared |= shared

    def check_identity(self) -> None:
        """Raise TargetEnded where the process is no more, though another with its pid may be read in its place."""
        if not self.target.exists():
            raise self._ended()

    def why(self, err: NbspyError) -> NbspyError:
        """Return what ended the sampling, given what was met first.

        Where another thread than the first becomes another program, the first one ends before that, and with it, for
        a moment, the process.
        """
        if not isinstance(err, TargetEnded):
            return err
        until = time.monotonic_ns() + _EXEC_NS
        while not self.target.has_ended() and time.monotonic_ns() < until:
            with contextlib.suppress(TargetEnded):
                if self.target.program() != self._program:
                    return self._became_another()
            time.sleep(_EXEC_LOOK_S)
        return err

    def _became_another(self) -> TargetEnded:
        return TargetEnded(f"process {self.pid} became another program", "attach again to see the new one")

    def _ended(self) -> TargetEnded:
        return TargetEnded(f"process {self.pid} has ended")

    def _new_labels(self, now_ns: int) -> dict[TrackedThread, str]:
        # A sample that was discarded may have seen threads that have no id yet.
        present = [thread for thread in self.unwinder.threads if thread in self._ids]
        try:
            return dict(self._labels.changed(present, now_ns))
        except (TargetEnded, PermissionRefused):
            # What was sampled matters more than how its threads are called; the next sample meets the same error.
            return {}

    def _follow_threads(self, time_ns: int) -> None:
        """Give new threads an id, and end the runs of those that are gone."""
        # A program may become itself again at the same addresses: its threads are others then.
        self._check_program()
        self._threads_version = self.unwinder.threads_version
        present = self.unwinder.threads
        for gone in self._ids.keys() - set(present):
            number = self._ids.pop(gone)
            self.runs.retire(number, time_ns)
            self._thread_ids.give_back(self.row.id, number)
        for thread in present:
            if thread not in self._ids:
                self._ids[thread] = self._untold[thread] = self._thread_ids.take(self.row.id)
        self._labels.threads_changed()

    def _check_target(self) -> None:
        """Find out why nothing can be read; raises TargetEnded or TooManyThreads where it is of no use to go on."""
        self.check_identity()
        self._check_program()
        if isinstance(self.unwinder.failure, TooManyThreads):
            raise self.unwinder.failure
        self._failures = 0

    def _check_program(self) -> None:
        if self.target.program() != self._program:
            raise self._became_another()

    def new_command_line(self) -> str:
        """Return the command line where it is another than the row says (a server that names its workers); else ""."""
        try:
            text = shown_command_line(self.target)
        except NbspyError:
            return ""  # it is ending: it keeps the one it had
        return text if text != self.row.command_line else ""


def shown_command_line(target: Target) -> str:
    """Return the target's command line, as much of it as is told; what is no text in it is replaced."""
    return command_line(target)[:MAX_COMMAND_LINE].encode("utf-8", "replace").decode("utf-8")
