"""A comparison in words: two headlines, the functions that changed, the threads. Text and plain HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from nbspy.model.compare import CLEAR, Comparison, FunctionChange
from nbspy.model.summary import headline, place
from nbspy.model.thread_changes import ThreadShares
from nbspy.table import Column, Table

if TYPE_CHECKING:
    import rich.console

SHOWN_FUNCTIONS: Final = 25
SHOWN_THREADS: Final = 30
LEAST_SHARE: Final = 0.001
"""Functions that never had so much of the time in all are not listed."""


def lines(comparison: Comparison) -> list[str]:
    """Return the lines above the tables: what is compared, and of which time the shares are."""
    whose = "of active threads" if comparison.of_active else "of all threads (none was active)"
    return [
        f"before: {headline(comparison.before)}",
        f"after:  {headline(comparison.after)}",
        f"Shares are of the time {whose}: {_seconds(comparison.before_ns)} before, "
        f"{_seconds(comparison.after_ns)} after. A change is clear when it is above {CLEAR:g} times its noise.",
    ]


def functions_table(comparison: Comparison, n: int = SHOWN_FUNCTIONS) -> Table:
    """Return the ``n`` functions that changed most, in points of a hundred, with their noise."""
    shown = [one for one in comparison.functions if _most(one) >= LEAST_SHARE]
    rows = [
        (
            _percent(one.before.self_share),
            _percent(one.after.self_share),
            _change(one.self_change, one.self_noise, one.self_is_clear) if _has_own_time(one) else "",
            _change(one.total_change, one.total_noise, one.total_is_clear),
            one.name,
            place(one.short_file, one.line),
        )
        for one in shown[:n]
    ]
    clear = sum(one.self_is_clear or one.total_is_clear for one in comparison.functions)
    left_out = f", {len(shown) - n} more are not shown" if len(shown) > n else ""
    columns = (
        Column("self before", number=True),
        Column("after", number=True),
        Column("change of self", number=True),
        Column("change of total", number=True),
        Column("function"),
        Column("where", width=50),
    )
    return Table(f"Functions ({clear} changed clearly: *{left_out})", columns, rows)


def threads_table(comparison: Comparison) -> Table:
    """Return one row for each name of threads: how active they were, and how long they held the GIL."""
    processes = any(one.process for one in comparison.threads)
    rows = []
    for one in comparison.threads[:SHOWN_THREADS]:
        texts = (one.name, *_thread_texts(one.before), *_thread_texts(one.after))
        rows.append((one.process, *texts) if processes else texts)
    columns = [Column("thread", width=30)]
    columns += [
        Column(f"{what} {when}", number=True) for when in ("before", "after") for what in ("number", "active", "GIL")
    ]
    if processes:
        columns.insert(0, Column("process", width=40))
    hidden = len(comparison.threads) - SHOWN_THREADS
    return Table("Threads by name" + (f" (and {hidden} more)" if hidden > 0 else ""), columns, rows)


def tables(comparison: Comparison, n: int = SHOWN_FUNCTIONS) -> list[Table]:
    """Return the tables that a comparison has, the first with at most ``n`` functions."""
    return [functions_table(comparison, n), threads_table(comparison)]


def comparison_text(comparison: Comparison, n: int = SHOWN_FUNCTIONS) -> str:
    """Return the whole comparison as plain text."""
    return "\n".join([*lines(comparison), *("\n" + table.text() for table in tables(comparison, n))])


def comparison_renderable(comparison: Comparison, n: int = SHOWN_FUNCTIONS) -> rich.console.RenderableType:
    """Return the whole comparison for rich to print."""
    from rich.console import Group
    from rich.text import Text

    return Group(*map(Text, lines(comparison)), *tables(comparison, n))


def comparison_html(comparison: Comparison) -> str:
    """Return the whole comparison as plain markup: paragraphs and tables, everything escaped."""
    paragraphs = "".join(f"<p>{escape(line)}</p>\n" for line in lines(comparison))
    return paragraphs + "\n".join(table.html() for table in tables(comparison))


def _most(one: FunctionChange) -> float:
    return max(one.before.total_share, one.after.total_share)


def _has_own_time(one: FunctionChange) -> bool:
    return bool(one.before.self_share or one.after.self_share)


def _thread_texts(shares: ThreadShares | None) -> tuple[str, str, str]:
    if shares is None:
        return "-", "-", "-"
    return str(shares.threads), _percent(shares.active_share), _percent(shares.gil_share)


def _change(change: float, noise: float, is_clear: bool) -> str:
    return f"{100 * change:+.1f} ± {100 * noise:.1f} {'*' if is_clear else ' '}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:.2f} s"
