"""The formats a profile is read from: a registry with one module each.

Files come from anywhere: whatever is in them, reading ends with a profile or with a :class:`StreamError` in one line,
within bounds of memory. To add a format, write a module with an :class:`Importer` and name it in ``_IMPORTERS``.
"""

from __future__ import annotations

from typing import Final

from nbspy.errors import StreamError
from nbspy.importers.collapsed import COLLAPSED
from nbspy.importers.pprof import PPROF
from nbspy.importers.recording import PAGE, RECORDING
from nbspy.importers.source import MAX_BYTES as MAX_BYTES
from nbspy.importers.source import Importer, unpacked
from nbspy.importers.speedscope import SPEEDSCOPE
from nbspy.model.profile import Profile

# In the order in which they are asked: the surest sign first.
_IMPORTERS: Final = (RECORDING, PAGE, SPEEDSCOPE, COLLAPSED, PPROF)
_FOREIGN_JSON: Final = {
    b'"traceEvents"': "Chrome trace events",
    b'"preprocessedProfileVersion"': "a profile for the Firefox Profiler",
}


def names() -> list[str]:
    """Return the names of the formats that can be read."""
    return [importer.name for importer in _IMPORTERS]


def read(data: bytes) -> Profile:
    """Return the profile in ``data``, in whichever format it is; raises :class:`StreamError`."""
    if len(data) > MAX_BYTES:
        raise StreamError(f"the file is more than {MAX_BYTES >> 20} MiB")
    if not data:
        raise StreamError("the file is empty")
    data = unpacked(data)
    return _importer(data).read(data)


def _importer(data: bytes) -> Importer:
    for importer in _IMPORTERS:
        if importer.accepts(data):
            return importer
    readable = f"nbspy reads {', '.join(names())}"
    if data.lstrip()[:1] == b"{":
        for sign, what in _FOREIGN_JSON.items():
            if sign in data:
                raise StreamError(f"this is {what}, which nbspy writes but does not read", readable)
    raise StreamError("the file is in no format that is known here", readable)
