"""The kernel's side of a sampling run: starts the sampler process, reads its stream, ends it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from nbspy.errors import NbspyError
from nbspy.model.profile import Profile
from nbspy.wire import End, Hello, Record, Status


class ByteLog:
    """The session's stream so far: append-only bytes that any thread may read. Offsets count from 0."""

    @property
    def size(self) -> int:
        """Bytes so far; always a record boundary."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """True once nothing more will come."""
        raise NotImplementedError

    def read(self, start: int = 0, limit: int | None = None) -> bytes:
        """Return up to ``limit`` bytes from offset ``start``."""
        raise NotImplementedError

    def wait_beyond(self, offset: int, timeout: float | None = None) -> bool:
        """Wait until ``size > offset`` or the log is closed; return whether ``size > offset``."""
        raise NotImplementedError

    def append_record(self, record: Record) -> None:
        """Append a record of the kernel's own (sequence 0), between two records of the sampler."""
        raise NotImplementedError


class Session:
    """A running (or ended) sampling of one process. Also a context manager: leaving it stops."""

    pid: int
    stream: ByteLog

    @property
    def hello(self) -> Hello: ...  # type: ignore[empty-body]

    @property
    def status(self) -> Status | None:
        """The newest counters."""

    @property
    def end(self) -> End | None:
        """How it ended; None while it runs, or where the sampler died without a word (see ``error``)."""

    @property
    def error(self) -> NbspyError | None:
        """Why it ended other than by stop() or its duration: TargetEnded, SamplerFailed, ..."""

    @property
    def running(self) -> bool: ...  # type: ignore[empty-body]

    @property
    def profile(self) -> Profile:
        """What was seen so far (a snapshot while running; the whole when ended)."""
        raise NotImplementedError

    def stop(self, timeout: float = 5.0) -> Profile:
        """End the sampling and return the whole profile. Never raises because of how the run ended: see ``error``."""
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> Profile:
        """Wait until it ends by itself (or ``timeout`` seconds); return what was seen. KeyboardInterrupt passes."""
        raise NotImplementedError

    def add_labels(self, labels: Mapping[str, str]) -> None:
        """Show ``labels[file]`` instead of each file name, e.g. {"/tmp/ipykernel_1/2.py": "In[3]"}."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def attach(pid: int, *, rate: float = 100, duration: float | None = None, nonblocking: bool = False) -> Session:
    """Begin to sample ``pid``; returns when the first data is there. Raises NbspyError kinds, leaves nothing behind."""
    raise NotImplementedError


def profile(*, rate: float = 100, duration: float | None = None, nonblocking: bool = False) -> Session:
    """``with nbspy.profile() as session:`` sample this very process from outside; then ``session.profile``."""
    raise NotImplementedError


def sessions() -> list[Any]:
    """The sessions of this process that still run."""
    raise NotImplementedError
