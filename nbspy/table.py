"""A small table of text, and its three renderings: plain text, HTML that survives a sanitiser, and rich.

What a table says is decided once, by whoever makes the rows; the renderings only escape and align.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from nbspy.plain_text import printable, shorten

if TYPE_CHECKING:
    import rich.table


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, whether it holds numbers (right-aligned), and its widest plain text."""

    heading: str
    number: bool = False
    width: int = 60


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; every row has one cell per column."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return the table as aligned plain text, without a newline at the end."""
        cells = [
            [shorten(printable(cell), column.width) for cell, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]
        headings = [printable(column.heading) for column in self.columns]
        widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
        lines = [printable(self.title)] if self.title else []
        lines += [self._line(row, widths) for row in [headings, *cells]]
        return "\n".join(lines)

    def _line(self, cells: Iterable[str], widths: Iterable[int]) -> str:
        padded = [
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(cells, widths, self.columns, strict=True)
        ]
        return "  ".join(padded).rstrip()

    def html(self) -> str:
        """Return the table as plain ``<table>`` markup; every text is escaped, nothing depends on a style."""
        head = "".join(f"<th{_align(column)}>{escape(printable(column.heading))}</th>" for column in self.columns)
        body = "".join(
            "<tr>"
            + "".join(f"<td{_align(col)}>{escape(printable(c))}</td>" for c, col in zip(row, self.columns, strict=True))
            + "</tr>\n"
            for row in self.rows
        )
        caption = f"<caption>{escape(printable(self.title))}</caption>" if self.title else ""
        return f"<table>{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.text()

    def __rich__(self) -> rich.table.Table:
        import rich.box
        import rich.table
        from rich.text import Text

        table = rich.table.Table(box=rich.box.SIMPLE_HEAD, title=Text(printable(self.title)) if self.title else None)
        table.title_justify = "left"
        for column in self.columns:
            table.add_column(
                Text(printable(column.heading)),
                justify="right" if column.number else "left",
                no_wrap=column.number,
                overflow="fold",
            )
        for row in self.rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        return table


def _align(column: Column) -> str:
    # The attribute, not a style: sanitisers of notebooks drop styles.
    return ' align="right"' if column.number else ' align="left"'
