"""Lines of source files, as the target sees them: to be shown, never to be run."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final

MAX_FILE_BYTES: Final = 8 << 20
_MAX_FILES: Final = 1000
_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class SourceLines:
    """The files of one target, each read once."""

    def __init__(self, resolve_path: Callable[[str], str]) -> None:
        self._resolve = resolve_path
        self._files: dict[str, list[str]] = {}

    def line(self, filename: str, number: int) -> str:
        """Return line ``number`` (from 1) of the file a code object was compiled from; "" where that cannot be read."""
        lines = self.lines(filename)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def lines(self, filename: str) -> list[str]:
        """Return all lines of a file; none where it cannot be read."""
        lines = self._files.get(filename)
        if lines is None:
            lines = self._read(filename) if len(self._files) < _MAX_FILES else []
            self._files[filename] = lines
        return lines

    def changed(self, filename: str) -> float:
        """Return when a file was changed last, in seconds of the system's clock; 0 where that cannot be told."""
        try:
            return os.stat(self._resolve(filename)).st_mtime
        except (OSError, ValueError):
            return 0.0

    def _read(self, filename: str) -> list[str]:
        if not filename or "\0" in filename or filename.startswith("<"):
            return []
        try:
            # A name from the target may be that of a pipe or a device: those are not waited for, and not read.
            descriptor = os.open(self._resolve(filename), _OPEN_FLAGS)
            with open(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
                    return []
                return file.read(MAX_FILE_BYTES).decode("utf-8", "replace").splitlines()
        except OSError:
            return []
