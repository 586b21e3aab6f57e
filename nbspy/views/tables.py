"""Tables of stacks and processes. Every Table has .text(), .html(), _repr_html_ and __rich__."""

from __future__ import annotations

from collections.abc import Sequence

from nbspy.model.profile import Profile
from nbspy.stack_trace import StackTrace
from nbspy.table import Table


def trace_table(traces: Sequence[StackTrace]) -> Table:
    """One row a thread: name, id, status, what it does now (for %dump_remote)."""
    raise NotImplementedError


def dump_text(traces: Sequence[StackTrace], *, python_version: str | None = None, full_filenames: bool = False) -> str:
    """The stacks as py-spy prints them."""
    raise NotImplementedError


def dump_html(traces: Sequence[StackTrace], *, full_filenames: bool = False) -> str:
    """The thread table, then each thread's whole stack in <details>."""
    raise NotImplementedError


def process_table(processes: Sequence[object]) -> Table:
    """One row a process (nbspy.target.process_tree.PythonProcess)."""
    raise NotImplementedError


def summary_html(profile: Profile) -> str:
    """Headline, thread table, functions with most time."""
    raise NotImplementedError
