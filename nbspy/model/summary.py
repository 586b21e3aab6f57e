"""A profile in words: the headline, the threads, the functions with most time. Text and plain HTML."""

from __future__ import annotations

import signal
from html import escape

from nbspy.model.profile import Profile
from nbspy.plain_text import printable
from nbspy.table import Column, Table

SHOWN_FUNCTIONS = 20
SHOWN_THREADS = 50


def headline(profile: Profile) -> str:
    """Return one line: what was sampled, for how long, how often."""
    hello, status = profile.hello, profile.status
    seconds = profile.duration_ns / 1e9
    known = (  # of a profile that another profiler has made, not all is
        printable(hello.command_line, 60) or "process",
        f"pid {hello.pid}" if hello.pid else "",
        f"Python {printable(hello.python_version, 40)}" if hello.python_version else "",
    )
    parts = [
        *filter(None, known),
        *([f"{len(profile.processes):,} processes"] if len(profile.processes) > 1 else []),
        f"{seconds:.1f} s",
        f"{profile.sample_count:,} samples" + (f" · {profile.sample_count / seconds:.0f}/s" if seconds >= 0.1 else ""),
    ]
    if status is not None:
        counts = ((status.late, "late"), (status.discarded, "discarded"))
        parts += [f"{number:,} {word}" for number, word in counts if number]
    return " · ".join(parts)


def notices(profile: Profile) -> list[str]:
    """Return what the person should know besides: how it ended where that was not asked for, and the notices."""
    lines = [printable(notice.text) for notice in profile.notices]
    end = profile.end
    if end is not None and end.reason == "target-ended":
        lines.append(
            f"The target ended after {end.time_ns / 1e9:.1f} s{exit_words(end.exit_status)}; "
            "this is what was seen until then."
        )
    elif end is not None and end.reason == "error":
        lines.append("Sampling ended early: " + printable(": ".join(filter(None, (end.message, end.help)))))
    return lines


def exit_words(status: int | None) -> str:
    """Return ", exit status 3", or the signal's name; "" where nobody knows."""
    if status is None:
        return ""
    if status >= 0:
        return f", exit status {status}"
    try:
        return f", by {signal.Signals(-status).name}"
    except ValueError:
        return f", by signal {-status}"


def thread_totals_table(profile: Profile) -> Table:
    """Return one row a thread: name, id, state, shares, and what it does (or last did)."""
    totals = profile.thread_totals()
    hidden = len(totals) - SHOWN_THREADS
    several = len(profile.processes) > 1
    rows = [
        (
            *([str(row.thread.process.pid)] if several else []),
            row.thread.shown_name,
            row.thread.shown_id,
            row.state,
            _percent(row.active_share),
            _percent(row.gil_share),
            f"{row.current.name} ({row.current.short_file}:{row.current.line})" if row.current else "",
        )
        for row in totals[:SHOWN_THREADS]
    ]
    columns = (
        *([Column("pid", number=True)] if several else []),
        Column("thread", width=30),
        Column("id", number=True),
        Column("state"),
        Column("active", number=True),
        Column("GIL", number=True),
        Column("last seen in"),
    )
    return Table("Threads" + (f" (and {hidden} more)" if hidden > 0 else ""), columns, rows)


def functions_table(profile: Profile, n: int = SHOWN_FUNCTIONS) -> Table:
    """Return the ``n`` functions with most self time (and with any), of the samples in which a thread was active.

    Where no thread was ever active, of all samples.
    """
    active = profile.select(states="active")
    title = "Functions by own time, of active threads"
    if not active.thread_sample_count:
        active, title = profile, "Functions by own time (no thread was active)"
    rows = [
        (_percent(f.self_share), _percent(f.total_share), _seconds(f.self_ns), f.name, place(f.short_file, f.line))
        for f in active.top(n)
        if f.self_samples
    ]
    columns = (
        Column("self", number=True),
        Column("total", number=True),
        Column("self s", number=True),
        Column("function"),
        Column("where", width=50),
    )
    return Table(title, columns, rows)


def tables(profile: Profile, functions: int = SHOWN_FUNCTIONS) -> list[Table]:
    """Return the tables that a summary has, the second with at most ``functions`` rows."""
    return [thread_totals_table(profile), functions_table(profile, functions)]


def summary_text(profile: Profile) -> str:
    """Return the whole summary as plain text."""
    return "\n".join([headline(profile), *notices(profile), *("\n" + table.text() for table in tables(profile))])


def summary_html(profile: Profile, functions: int = SHOWN_FUNCTIONS) -> str:
    """Return the whole summary as plain markup: paragraphs and tables, everything escaped."""
    lines = "".join(f"<p>{escape(line)}</p>\n" for line in (headline(profile), *notices(profile)))
    return lines + "\n".join(table.html() for table in tables(profile, functions))


def place(file: str, line: int) -> str:
    """Return ``file:line``, without the line where it is unknown."""
    return f"{file}:{line}" if line else file


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.2f}"
