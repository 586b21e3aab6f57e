"""The formats a profile is written in: a registry with one module each.

To add one, write a module with an :class:`Exporter` and name it in ``_EXPORTERS``; the shell finds it there. A
package of someone else's adds one by an entry point of the group ``nbspy.exporters``, whose name is the format's
and whose object is an :class:`Exporter`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePath
from typing import Final

from nbspy.errors import NbspyError, UsageError
from nbspy.exporters.chrometrace import CHROMETRACE
from nbspy.exporters.collapsed import COLLAPSED
from nbspy.exporters.flamegraph import FLAMEGRAPH
from nbspy.exporters.format import Exporter as Exporter
from nbspy.exporters.gecko import GECKO
from nbspy.exporters.html import HTML
from nbspy.exporters.jsonl import JSONL
from nbspy.exporters.pprof import PPROF
from nbspy.exporters.pstats import PSTATS
from nbspy.exporters.recording import RECORDING
from nbspy.exporters.speedscope import SPEEDSCOPE

_EXPORTERS: Final = (
    RECORDING,
    COLLAPSED,
    FLAMEGRAPH,
    HTML,
    SPEEDSCOPE,
    CHROMETRACE,
    GECKO,
    PPROF,
    PSTATS,
    JSONL,
)
_ALIASES: Final = {"raw": "collapsed"}
"""Names that users of other profilers know a format by."""
ENTRY_POINTS: Final = "nbspy.exporters"


def names() -> list[str]:
    """Return the names of the formats, those of plug-ins last."""
    return [*_own(), *sorted(_plug_ins())]


def get(name: str) -> Exporter:
    """Return the exporter called ``name``; raises :class:`UsageError` that lists the names."""
    name = _ALIASES.get(name, name)
    if name in _own():
        return _own()[name]
    if name in _plug_ins():
        return _loaded(_plug_ins()[name])
    raise UsageError(f"--format: no format is called {name!r}", f"formats are {', '.join(names())}")


def for_path(path: str | PurePath) -> Exporter:
    """Return the exporter that the suffix of ``path`` names; raises :class:`UsageError` where none does."""
    file = PurePath(path).name.lower()
    for exporters in (_own().values(), map(_loaded, _plug_ins().values())):
        fitting = [
            (len(suffix), exporter)
            for exporter in exporters
            for suffix in (exporter.suffix, *exporter.other_suffixes)
            if file.endswith(suffix)
        ]
        if fitting:
            return max(fitting, key=lambda pair: pair[0])[1]
    suffixes = ", ".join(exporter.suffix for exporter in _EXPORTERS)
    raise UsageError(f"the name {file!r} does not tell the format", f"give --format, or a name in {suffixes}")


def _own() -> dict[str, Exporter]:
    return {exporter.name: exporter for exporter in _EXPORTERS}


def _plug_ins() -> dict[str, EntryPoint]:
    """Return the formats of other packages; none takes the place of one of our own."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in _own()}


def _loaded(point: EntryPoint) -> Exporter:
    whose = point.dist.name if point.dist is not None else point.value
    try:
        exporter = point.load()
    except Exception as err:  # whatever a foreign module raises
        raise NbspyError(f"the format {point.name} of {whose} cannot be loaded: {err!r}") from err
    if not isinstance(exporter, Exporter):
        raise NbspyError(f"the format {point.name} of {whose} is no Exporter but a {type(exporter).__name__}")
    return exporter
