"""The formats a profile is written in: a registry with one module each.

To add one, write a module with an :class:`Exporter` and name it in ``_EXPORTERS``; the shell finds it there.
"""

from __future__ import annotations

from typing import Final

from nbspy.errors import UsageError
from nbspy.exporters.collapsed import COLLAPSED
from nbspy.exporters.format import Exporter as Exporter

_EXPORTERS: Final = (COLLAPSED,)
_ALIASES: Final = {"raw": "collapsed"}
"""Names that users of other profilers know a format by."""


def names() -> list[str]:
    """Return the names of the formats."""
    return [exporter.name for exporter in _EXPORTERS]


def get(name: str) -> Exporter:
    """Return the exporter called ``name``; raises :class:`UsageError` that lists the names."""
    for exporter in _EXPORTERS:
        if exporter.name == _ALIASES.get(name, name):
            return exporter
    raise UsageError(f"--format: no format is called {name!r}", f"formats are {', '.join(names())}")
