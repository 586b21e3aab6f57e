"""The errors nbspy raises, by cause.

Every error carries two texts: what happened, in one line, and ``help``: what the person who sees it can
do next. An error doubles as the standard library's error of the same cause where there is one, so that
``except ProcessLookupError`` works. ``kind`` is the cause's stable name: it travels in the stream's end
record, and :func:`error_from_kind` turns it back into the class on the other side of the pipe.
"""

from __future__ import annotations

from typing import ClassVar


class NbspyError(Exception):
    """Base class of all errors of nbspy."""

    kind: ClassVar[str] = "error"

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message, help)
        self.message = message
        self.help = help

    def __str__(self) -> str:
        return f"{self.message}: {self.help}" if self.help else self.message


class ProcessNotFound(NbspyError, ProcessLookupError):
    """There is no process with this pid."""

    kind = "no-such-process"


class NotPython(NbspyError):
    """The process is there, but no CPython runtime was found in it."""

    kind = "not-python"


class UnsupportedPython(NbspyError):
    """A CPython was found, of a version or build that nbspy cannot read."""

    kind = "unsupported-python"


class PermissionRefused(NbspyError, PermissionError):
    """The operating system does not let us read the process."""

    kind = "permission-refused"


class TargetEnded(NbspyError, ProcessLookupError):
    """The process ended, or became another program, while it was read."""

    kind = "target-ended"


class UnsupportedPlatform(NbspyError):
    """nbspy has no backend for this operating system or machine type."""

    kind = "unsupported-platform"


class MemoryFault(NbspyError):
    """The target's memory at ``address`` could not be read for ``size`` bytes."""

    kind = "memory-fault"

    def __init__(self, address: int, size: int, help: str = "") -> None:
        super().__init__(f"cannot read {size} bytes at {address:#x} of the target", help)
        self.address = address
        self.size = size


class CorruptTarget(NbspyError):
    """What was read from the target contradicts itself (a torn copy, or memory that was overwritten)."""

    kind = "corrupt-target"


class SamplerFailed(NbspyError):
    """The sampler process ended in a way it did not announce."""

    kind = "sampler-failed"


class StreamError(NbspyError, ValueError):
    """Bytes that should be an nbspy stream or recording are not one."""

    kind = "bad-stream"


class UsageError(NbspyError, ValueError):
    """An option or argument is wrong; the message names it."""

    kind = "usage"


def error_from_kind(kind: str, message: str, help: str = "") -> NbspyError:
    """Return the error whose class has this ``kind``; an unknown kind gives a plain :class:`NbspyError`."""
    for cls in (
        ProcessNotFound,
        NotPython,
        UnsupportedPython,
        PermissionRefused,
        TargetEnded,
        UnsupportedPlatform,
        CorruptTarget,
        SamplerFailed,
        StreamError,
        UsageError,
    ):
        if cls.kind == kind:
            return cls(message, help)
    return NbspyError(message, help)
