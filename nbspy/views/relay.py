"""The relay: carries a session's stream from the kernel to the browser while the kernel is busy.

The kernel's main thread cannot answer a browser while a cell runs, but a background thread may send. So the
relay pushes: the same bytes the sampler wrote, in a few messages a second. Servers drop messages above their
limits and a browser may be late to listen, so what was sent is sent again now and then (a keyframe), and
every message says where in the stream its bytes belong. Nothing here knows of widgets: ``send`` takes a
message and its bytes.

A message is ``{"type": "stream", "offset": N, "total": T, "ended": bool}`` with one buffer: the bytes
``[N, N + len)`` of a stream of which the kernel holds ``T`` bytes so far. ``ended`` says that ``T`` is final.

A kernel that has shortened the beginning of its stream sends pieces of that with ``"head": K`` (its number) and
``"next": M``, where the stream goes on. They are for a browser that has nothing yet, or began with that one.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

MESSAGE_BYTES: Final = 100_000
"""At most so many bytes in one message."""
INTERVAL_S: Final = 0.22
"""Time between two messages: servers and browsers take 4-5 a second easily."""
CATCH_UP_INTERVAL_S: Final = 0.05
"""Time between two messages while the browser is behind (a large backlog, a request, the end)."""
KEYFRAME_INTERVAL_S: Final = 5.0
KEYFRAME_SPAN_S: Final = 10.0
"""Every so often, the bytes of the last so many seconds are sent again (at most one message)."""
YOUNG_S: Final = 2.0
"""A browser needs about a second to load the widget, and hears nothing before: until this age each message
begins at the stream's beginning as long as it fits, and until the age of a keyframe's span a keyframe is sent
every second."""
YOUNG_KEYFRAME_INTERVAL_S: Final = 1.0

Send = Callable[[dict[str, Any], list[bytes]], None]


class Stream(Protocol):
    """A growing byte log, as a session keeps it."""

    @property
    def size(self) -> int: ...

    @property
    def base(self) -> int: ...

    @property
    def head_number(self) -> int: ...

    @property
    def closed(self) -> bool: ...

    def goes_on_at(self, offset: int) -> int: ...

    def read(self, start: int, limit: int) -> bytes: ...

    def wait_beyond(self, offset: int, timeout: float | None = None) -> bool: ...


@dataclass(slots=True)
class RelayCounters:
    """What a relay did; ``cpu_ns`` is the CPU time of its thread."""

    messages: int = 0
    bytes: int = 0
    keyframes: int = 0
    cpu_ns: int = 0


class Relay:
    """One thread that sends one stream; it ends when the stream is closed and sent, or on :meth:`stop`."""

    def __init__(self, stream: Stream, send: Send, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.counters = RelayCounters()
        self._stream = stream
        self._send = send
        self._clock = clock
        self._begun = clock()
        self._next = 0
        self._keyframe_due = self._begun + YOUNG_S
        self._history: deque[tuple[float, int]] = deque([(self._begun, 0)])
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, on_end: Callable[[], None] | None = None) -> None:
        """Send from a daemon thread from now on; ``on_end`` is called from it when the whole stream is sent."""
        self._thread = threading.Thread(target=self._run, args=(on_end,), name="nbspy-relay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = 2.0) -> None:
        """Send no more, and wait for the thread to end."""
        self._stopped.set()
        self.join(timeout)

    def join(self, timeout: float | None = None) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def rewind(self, offset: int) -> None:
        """Send again from ``offset`` on: the browser says that it has everything before."""
        with self._lock:
            self._next = min(self._next, max(0, offset))

    def send_from(self, offset: int) -> None:
        """Send everything from ``offset`` on, at once, from the calling thread."""
        ended = self._stream.closed
        total = self._stream.size
        offset = max(0, offset)
        while offset < total:
            offset += self._send_range(offset, total, ended)

    def step(self) -> float | None:
        """Send what is due; return the seconds until the next step, or None when all is said.

        The whole policy is here, without waiting, so that a test can drive it with a clock of its own.
        """
        ended = self._stream.closed  # before the size: what is in the log when it is closed is all of it
        total = self._stream.size
        now = self._clock()
        with self._lock:
            start = self._next
        young = now - self._begun < YOUNG_S and total <= MESSAGE_BYTES
        if total > start:
            sent_from = 0 if young else start
            sent_to = sent_from + self._send_range(sent_from, total, ended)
            self._advance(start, sent_to, now)
            if sent_to < total:
                return CATCH_UP_INTERVAL_S
        elif ended:
            self._send_keyframe(now, total, ended)
            return None
        if ended:
            return CATCH_UP_INTERVAL_S
        if now >= self._keyframe_due:
            self._send_keyframe(now, total, ended)
        return INTERVAL_S

    def _advance(self, start: int, sent_to: int, now: float) -> None:
        with self._lock:
            if self._next == start:  # else the browser asked to go back meanwhile
                self._next = sent_to
        self._history.append((now, sent_to))
        while len(self._history) > 1 and self._history[1][0] <= now - KEYFRAME_SPAN_S:
            self._history.popleft()

    def _send_keyframe(self, now: float, total: int, ended: bool) -> None:
        young = now - self._begun < KEYFRAME_SPAN_S
        self._keyframe_due = now + (YOUNG_KEYFRAME_INTERVAL_S if young else KEYFRAME_INTERVAL_S)
        start = max(self._history[0][1], total - MESSAGE_BYTES, self._stream.base)
        self.counters.keyframes += 1
        self._send_range(start, total, ended)

    def _send_range(self, start: int, total: int, ended: bool) -> int:
        number, base = self._stream.head_number, self._stream.base
        data = self._stream.read(start, min(MESSAGE_BYTES, total - start))
        message = {"type": "stream", "offset": start, "total": total, "ended": ended}
        follows = start + len(data)
        if start < base:
            message["head"] = number
            follows = message["next"] = self._stream.goes_on_at(follows)
        self._send(message, [data])
        self.counters.messages += 1
        self.counters.bytes += len(data)
        return follows - start

    def _run(self, on_end: Callable[[], None] | None) -> None:
        while not self._stopped.is_set():
            delay = self.step()
            self.counters.cpu_ns = time.thread_time_ns()
            if delay is None:
                if on_end is not None:
                    on_end()
                return
            if not self._stopped.wait(delay) and self._next >= self._stream.size:
                self._stream.wait_beyond(self._next, timeout=1.0)
