"""The keys of a terminal, one by one; POSIX only."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Keys:
    """The keys that were pressed, from a terminal that is in character mode."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, timeout_s: float) -> list[str]:
        """Wait for keys, for so long at most; an escape sequence is one of them."""
        if not select.select([self._descriptor], [], [], timeout_s)[0]:
            return []
        data = os.read(self._descriptor, 256)
        if not data:  # the terminal is gone
            return ["q"]
        text = data.decode("utf-8", "replace")
        return [text] if text.startswith("\x1b") and len(text) > 1 else list(text)


@contextmanager
def keys_of_terminal() -> Iterator[Keys]:
    """Take the terminal's keys one by one, and put it back as it was."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    stopped = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # stopped in here, the shell would have our picture
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
        signal.signal(signal.SIGTSTP, stopped)
