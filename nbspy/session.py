"""A sampling session: one target, one sampler process, one stream, one profile.

    session = nbspy.attach(4242, rate=200)
    ...
    profile = session.stop()

What goes wrong while attaching is raised, and leaves nothing behind. What ends a session later is told by
:attr:`Session.error`: what was seen until then is kept.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from nbspy import recordings, wire
from nbspy.byte_log import ByteLog
from nbspy.errors import NbspyError, SamplerFailed
from nbspy.model.profile import Profile
from nbspy.options import SamplingOptions, check_pid
from nbspy.sampler_process import SamplerProcess, let_trace, sampler_command
from nbspy.source_texts import LateSources, shares_our_files
from nbspy.wire import End, Hello, Labels, Notice, Sources, Status

HELLO_TIMEOUT_S: Final = 30.0
"""How long a sampler may take from its start to its first record."""
LAUNCH_TIMEOUT_S: Final = 30.0
"""The same where it has a command to start, which may take its time."""
KILL_TIMEOUT_S: Final = 5.0


class Session:
    """A running or ended sampling of one process. A context manager: leaving it stops.

    A running session that is no longer referred to stops by itself; so do all at the end of the interpreter.
    """

    def __init__(
        self, pid: int, sampler: SamplerProcess, recording: Path | None = None, *, with_source: bool = True
    ) -> None:
        """Take a sampler that has sent its hello; :func:`attach` makes sessions."""
        self.pid = pid
        self.with_source = with_source
        """Whether who shows it may send lines of source along."""
        self.recording = recording
        """The file that the sampler writes the stream to as well; None where none is asked for or possible."""
        self._sampler = sampler
        self._final: Profile | None = None
        # Nothing that the reading thread holds refers to the session, so this is called when the user drops it.
        weakref.finalize(self, sampler.request_stop).atexit = False

    @property
    def stream(self) -> ByteLog:
        """The stream so far, as the sampler wrote it, with the labels added here."""
        return self._sampler.log

    @property
    def hello(self) -> Hello:
        """What is sampled, and how."""
        hello = self._sampler.builder.hello
        assert hello is not None
        return hello

    @property
    def status(self) -> Status | None:
        """The newest counters of the sampler; None before the first."""
        return self._sampler.builder.status

    @property
    def end(self) -> End | None:
        """How the stream ended; None while it runs, and where the sampler died without a word."""
        return self._sampler.builder.end

    @property
    def error(self) -> NbspyError | None:
        """Why it ended other than by :meth:`stop` or its duration: TargetEnded, SamplerFailed, ...; else None."""
        return self._sampler.error

    @property
    def running(self) -> bool:
        return not self._sampler.finished

    @property
    def sample_count(self) -> int:
        """Instants observed so far, by the newest counters."""
        status = self.status
        return status.samples if status is not None else 0

    @property
    def process_count(self) -> int:
        """Processes seen so far, those that have ended too."""
        return self._sampler.builder.process_count

    @property
    def profile(self) -> Profile:
        """What was seen so far: a snapshot while it runs, the whole when it has ended."""
        with self._sampler.changed:
            if self._final is not None:
                return self._final
            profile = self._sampler.builder.snapshot()
            if self._sampler.finished:
                self._final = profile
            return profile

    def stop(self, timeout: float = KILL_TIMEOUT_S) -> Profile:
        """End the sampling, and return the whole profile.

        The sampler is killed where it does not end within ``timeout`` seconds; :attr:`error` then says so. When
        this returns, its process is reaped and its thread and pipes are gone. Stopping again does nothing.
        """
        self._sampler.end(timeout)
        return self.profile

    def wait(self, timeout: float | None = None) -> Profile:
        """Wait until the session ends by itself, or for ``timeout`` seconds; return what was seen.

        An interrupt (KeyboardInterrupt) passes through and leaves the session running.
        """
        self._sampler.wait(timeout)
        return self.profile

    def add_notice(self, text: str) -> None:
        """Tell the person something about this session: it is shown with the profile and kept in it."""
        status = self.status
        self._add(Notice(0, status.time_ns if status is not None else 0, text))

    def add_labels(self, labels: Mapping[str, str]) -> None:
        """Show ``labels[file]`` instead of these file names, here and in the browser: {".../2.py": "In[3]"}."""
        self._add(Labels(0, list(labels.items())))

    def add_sources(self, rows: Sequence[tuple[str, int, str]]) -> bool:
        """Keep stretches of source files with the session: (file name, number of the first line, text).

        False where its stream has ended: the profile has them, the stream has not.
        """
        return self._add(Sources(0, list(rows)))

    def add_exit_status(self, status: int) -> None:
        """Keep how the target ended, from who was told: as of ``subprocess``, negative for a signal."""
        with self._sampler.changed:
            self._sampler.tell_exit(status)
            self._final = None

    def _add(self, record: Labels | Notice | Sources) -> bool:
        with self._sampler.changed:
            self._sampler.builder.add(record)
            self._final = None
            added = self._sampler.log.append_record(record)
            if added and self.recording is not None and not self._sampler.finished:
                recordings.append(self.recording, wire.encode(record))
            return added

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.running else "ended"
        why = f" ({self.error.message})" if self.error is not None else ""
        return f"<Session of pid {self.pid}: {state}{why}, {self.sample_count} samples>"


def attach(
    pid: int,
    *,
    rate: float = 100,
    duration: float | None = None,
    nonblocking: bool = False,
    recording: bool = True,
    subprocesses: bool = False,
    source_lines: bool = True,
    _command: Sequence[str] | None = None,
) -> Session:
    """Begin to sample process ``pid``, ``rate`` times a second, and return once the sampler reads it.

    ``duration``: seconds, None for until stopped. ``nonblocking``: never stop the target; what cannot be proven
    consistent is discarded. ``recording``: keep the stream in a file too, which outlives this process
    (:mod:`nbspy.recordings`). ``subprocesses``: the processes that it has started too, and those that it starts while
    it is sampled. ``source_lines``: let the explorer send lines of source along, which are then in whatever is saved.
    Raises :class:`~nbspy.errors.NbspyError` of the kind that fits where the process cannot be read; nothing is left
    behind then. (``_command`` is the sampler's command, for tests.)
    """
    options = SamplingOptions(rate, duration, nonblocking, recording, subprocesses, source_lines)
    return begin(check_pid(pid), options, _command)


def begin(
    pid: int,
    options: SamplingOptions,
    command: Sequence[str] | None = None,
    *,
    launched: tuple[int, tuple[int, ...]] | None = None,
) -> Session:
    """Start a sampler and return its session once it has begun; raises what :func:`attach` does.

    ``launched``: instead of a ``pid``, the inherited descriptor with the plan of what the sampler is to start
    (:mod:`nbspy.launched`), and the others that go with it.
    """
    requested_ns = time.monotonic_ns()
    own = pid == os.getpid()
    path, problem = _recording_path(pid or os.getpid()) if options.recording and command is None else (None, "")
    plan, descriptors = launched or (None, ())
    words = command or sampler_command(pid, options, requested_ns, path, plan)
    sampler = SamplerProcess(
        words, reads_this_process=own, inherited=() if plan is None else (plan, *descriptors), recording=path
    )
    try:
        if own:
            let_trace(sampler.pid)
        sampler.go()
        if options.source_lines and plan is None:
            # While the sampler begins, and before anything is seen.
            sampler.builder.read_sources = LateSources(pid, shares_our_files(pid))
        patience_s = HELLO_TIMEOUT_S if plan is None else LAUNCH_TIMEOUT_S
        if not sampler.wait(patience_s, for_hello=True):
            sampler.kill(f"the sampler did not begin within {patience_s:g} s")
            sampler.wait()
        if sampler.finished and not sampler.builder.has_samples:
            if sampler.error is not None and not (launched and sampler.builder.hello is not None):
                raise sampler.error
            if sampler.builder.hello is None:
                raise SamplerFailed("the sampler ended before it began")
    except BaseException:
        sampler.kill("attaching was given up")
        sampler.wait()
        if path is not None:
            recordings.remove(path)
        raise
    hello = sampler.builder.hello
    assert hello is not None
    session = Session(hello.pid if launched else pid, sampler, path, with_source=options.source_lines)
    if problem:
        session.add_notice(f"Nothing is recorded to disk: {problem}.")
    return session


def _recording_path(pid: int) -> tuple[Path | None, str]:
    """Return where the recording goes; or None, and why there is none."""
    try:
        return recordings.new_path(pid), ""
    except NbspyError as err:
        return None, str(err)


def profile(
    *,
    rate: float = 100,
    duration: float | None = None,
    nonblocking: bool = False,
    recording: bool = True,
    subprocesses: bool = False,
    source_lines: bool = True,
) -> Session:
    """Sample this very process from outside.

    ``with nbspy.profile() as session: ...`` and then ``session.profile``. Options and errors as :func:`attach`.
    """
    return attach(
        os.getpid(),
        rate=rate,
        duration=duration,
        nonblocking=nonblocking,
        recording=recording,
        subprocesses=subprocesses,
        source_lines=source_lines,
    )
