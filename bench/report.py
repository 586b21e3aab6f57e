"""The table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from bench.case import Row, number
from bench.goals import verdicts


def ratio(rows: Sequence[Row], row: Row) -> float | None:
    """Return how many times the figure of the contestant it is against ``row`` has."""
    if row.value is None or not row.against:
        return None
    for other in rows:
        if (other.figure, other.who) == (row.figure, row.against):
            return row.value / other.value if other.value else None
    return None


def table(rows: Sequence[Row], missing: Sequence[str] = ()) -> Table:
    """Return the figures: a block for each, a line for each contestant; ``missing`` says which peers are not there."""
    view = Table(title="nbspy beside its peers: medians", title_justify="left")
    view.add_column("figure", max_width=44)
    view.add_column("contestant")
    for name in ("median", "range", "times"):
        view.add_column(name, justify="right", no_wrap=True)
    view.add_column("goal")
    last = ""
    for row in rows:
        if row.figure != last and last:
            view.add_section()
        times = ratio(rows, row)
        view.add_row(
            Text(row.figure if row.figure != last else ""),
            Text(row.who),
            "-" if row.value is None else f"{number(row.value)} {row.unit}",
            row.spread,
            "" if times is None else f"{number(times)} x",
            _goals(rows, row),
        )
        last = row.figure
    if missing:
        view.add_section()
    for line in missing:
        who, _, why = line.partition(": ")
        view.add_row("", Text(who), "-", "", "", Text(f"MISSING: {why}", "yellow"))
    return view


def _goals(rows: Sequence[Row], row: Row) -> Text:
    text = Text()
    for verdict in verdicts(rows, row):
        if text:
            text.append("\n")
        word, style = {True: ("reached", "green"), False: ("MISSED", "bold red"), None: ("open", "yellow")}[
            verdict.reached
        ]
        text.append(word, style)
        text.append(f" {verdict.goal.text()}: {verdict.figure}")
    if row.note:
        text.append(("\n" if text else "") + row.note, "dim" if row.values else "yellow")
    return text


def tally(rows: Sequence[Row]) -> str:
    """Return in a line how many goals are reached."""
    found = [verdict.reached for row in rows for verdict in verdicts(rows, row)]
    if not found:
        return "no goal is set for these figures"
    words = [f"{found.count(True)} of {len(found)} goals reached"]
    if found.count(None):
        words.append(f"{found.count(None)} open, for want of a figure")
    return ", ".join(words)


def markdown(rows: Sequence[Row]) -> str:
    """Return the figures as a table for a document: a line for each figure, a column for each contestant."""
    names = list(dict.fromkeys(row.who for row in rows if ": " not in row.who))
    lines = [f"| {' | '.join(['figure', *names])} |", f"|---|{'---:|' * len(names)}"]
    for figure, unit in dict.fromkeys((row.figure, row.unit) for row in rows if row.value is not None):
        cells = []
        for name in names:
            own = [row for row in rows if (row.figure, row.unit, row.who) == (figure, unit, name)]
            value = own[0].value if own else None
            cells.append("" if value is None else number(value))
        if any(cells):
            lines.append(f"| {figure}, {unit} | {' | '.join(cells)} |")
    return "\n".join(lines)
