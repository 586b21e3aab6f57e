"""The groups of rows: each module named here offers ``cases(settings)``, the cases it can measure."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, cast

from bench.case import Case, Settings

GROUPS: Final = (
    "bench.cpu",
    "bench.rate",
    "bench.stop",
    "bench.harm",
    "bench.attach",
    "bench.memory",
    "bench.truth",
    "bench.distance",
    "bench.agreement",
    "bench.stream",
    "bench.itself",
    "bench.bundle",
    "bench.day",
    "bench.browser.cases",
)
"""Modules, in the order in which they are measured and shown."""


class Group(Protocol):
    """What a module of :data:`GROUPS` offers."""

    __doc__: str | None

    def cases(self, settings: Settings) -> Iterable[Case]:
        """Return what there is to measure; nothing is started before :attr:`Case.measure` is called."""
        ...


def all_cases(settings: Settings, filters: Sequence[str] = ()) -> Iterator[Case]:
    """Yield the cases whose name contains one of ``filters`` (any, where there are none)."""
    for name in GROUPS:
        group = cast(Group, importlib.import_module(name))
        for case in group.cases(settings):
            if not filters or any(word in case.name for word in filters):
                yield case
