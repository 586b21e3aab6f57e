"""A session without a sampler: the notebook side is tested against it, exactly and without time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from nbspy.errors import NbspyError
from nbspy.session import Session


class FakeStream:
    """Bytes that a test appends; the surface of the session's log that a reader uses."""

    def __init__(self) -> None:
        self._data = b""
        self._closed = False
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        return len(self._data)

    base = head_number = 0
    """Nothing is shortened here."""

    @property
    def closed(self) -> bool:
        return self._closed

    def goes_on_at(self, offset: int) -> int:
        return offset

    def read(self, start: int = 0, limit: int | None = None) -> bytes:
        return self._data[start:] if limit is None else self._data[start : start + limit]

    def wait_beyond(self, offset: int, timeout: float | None = None) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self.size > offset or self._closed, timeout)
            return self.size > offset

    def append(self, data: bytes) -> None:
        with self._changed:
            self._data += data
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class FakeProfile:
    """A value that knows whose profile it is."""

    def __init__(self, session: FakeSession) -> None:
        self.session = session

    def summary(self) -> str:
        return f"summary of {self.session.pid}"

    def __repr__(self) -> str:
        return f"<profile of {self.session.pid}>"


class _Hello:
    command_line = "python target.py"


class FakeSession(Session):
    """Records how it was started and what was asked of it."""

    def __init__(self, pid: int, options: dict[str, Any]) -> None:
        self.pid = pid
        self.options = options
        self.with_source = options.get("source_lines", True)
        self._stream = FakeStream()
        self.labels: dict[str, str] = {}
        self.interrupt_wait = False
        self.ended_by: NbspyError | None = None
        self._running = True
        self._profile = FakeProfile(self)

    @property
    def stream(self) -> Any:
        return self._stream

    @property
    def sample_count(self) -> int:
        return 7

    @property
    def hello(self) -> Any:
        return _Hello()

    @property
    def error(self) -> NbspyError | None:
        return self.ended_by

    @property
    def running(self) -> bool:
        return self._running

    @property
    def profile(self) -> Any:
        return self._profile

    def stop(self, timeout: float = 5.0) -> Any:
        self._running = False
        self._stream.close()
        return self._profile

    def wait(self, timeout: float | None = None) -> Any:
        if self.interrupt_wait:
            raise KeyboardInterrupt
        return self.stop()

    def add_labels(self, labels: Mapping[str, str]) -> None:
        self.labels.update(labels)

    def __repr__(self) -> str:
        return f"<session of {self.pid}>"
