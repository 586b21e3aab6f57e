"""Tables of processes and profiles; every :class:`~nbspy.table.Table` renders as text, HTML and rich."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from nbspy.model.profile import Profile
from nbspy.model.summary import functions_table as functions_table
from nbspy.model.summary import summary_html as summary_html
from nbspy.model.summary import summary_text as summary_text
from nbspy.model.summary import thread_totals_table as thread_totals_table
from nbspy.table import Column as Column
from nbspy.table import Table as Table


class ProcessRow(Protocol):
    """What a process table shows of a process."""

    @property
    def pid(self) -> int: ...
    @property
    def command_line(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def started_unix(self) -> float | None: ...
    @property
    def cpu_percent(self) -> float | None: ...
    @property
    def python_version(self) -> str | None: ...


def profile_tables(profile: Profile) -> list[Table]:
    """Return a profile's thread table and function table."""
    return [thread_totals_table(profile), functions_table(profile)]


def process_table(processes: Sequence[ProcessRow]) -> Table:
    """Return one row a process."""
    rows = [
        (
            str(process.pid),
            process.user or "",
            process.python_version or "",
            f"{process.cpu_percent:.0f} %" if process.cpu_percent is not None else "",
            _clock(process.started_unix),
            process.command_line,
        )
        for process in processes
    ]
    columns = (
        Column("pid", number=True),
        Column("user", width=20),
        Column("Python", width=10),
        Column("CPU", number=True),
        Column("started"),
        Column("command", width=100),
    )
    return Table("Python processes" if rows else "No Python process was found", columns, rows)


def _clock(unix: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix)) if unix is not None else ""
