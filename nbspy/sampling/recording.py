"""The recording: the same stream once more, into a file, by the sampler itself.

The sampler writes it and not the kernel, because a kernel that is about to die has often not read its pipe for a
while (it swaps, or runs one long call), and what happened last is what one wants to see then. A thread of its own
writes, so that a disk that is slow, full or gone costs the recording and never a sample.

Only whole records are in the file at any time, but for a machine that loses its power.
"""

from __future__ import annotations

import contextlib
import os
import threading
from queue import SimpleQueue
from typing import Final

from nbspy.host import host

MAX_QUEUED_BYTES: Final = 16 << 20
"""What may wait for the disk; beyond it the recording ends."""
CLOSE_TIMEOUT_S: Final = 2.0


class RecordingFile:
    """A new file that takes records. Nothing here raises: :attr:`problem` says why it ended early."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._left = max_bytes
        self._file = -1
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._queued = 0
        self._written = 0
        self._failed = False
        self._thread: threading.Thread | None = None
        self.problem = ""
        """Why there is no recording, or no more of it; "" while all is well. It is set once."""

    def write(self, records: bytes) -> None:
        """Append whole records. The first are written before this returns, so that nothing can come before them."""
        if self.problem:
            return
        if len(records) > self._left:
            self._give_up("it has reached the size that one may have")
            return
        self._left -= len(records)
        if self._thread is None:
            self._begin(records)
            return
        if self._queued - self._written > MAX_QUEUED_BYTES:
            self._give_up("the disk takes it too slowly")
            return
        self._queued += len(records)
        self._queue.put(records)

    def close(self) -> None:
        """Let what waits be written, for a bounded time."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(CLOSE_TIMEOUT_S)

    def _begin(self, records: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._file = os.open(self._path, flags, 0o600)
        except OSError as err:
            self._give_up(err.strerror or str(err))
            return
        host.mark_written(self._file)
        self._append(records)
        self._thread = threading.Thread(target=self._run, name="nbspy-recording", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # The sampler waits for SIGCHLD; a thread that does not block it would swallow it (see linux_ptrace).
        host.block_signals()
        while (records := self._queue.get()) is not None:
            self._append(records)
            self._written += len(records)
        os.close(self._file)

    def _append(self, records: bytes) -> None:
        """Write all of ``records`` or, where the disk does not take them, none of them."""
        if self._failed:
            return
        done = 0
        try:
            while done < len(records):
                done += os.write(self._file, memoryview(records)[done:])
        except OSError as err:
            self._failed = True
            self._give_up(err.strerror or str(err))
            with contextlib.suppress(OSError):
                if done:
                    os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR) - done)

    def _give_up(self, why: str) -> None:
        self.problem = self.problem or why
