"""What a diagnosis says: values and their renderings, the same on every platform."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from nbspy.plain_text import printable

if TYPE_CHECKING:
    import rich.console

    from nbspy.table import Table


class Who(enum.StrEnum):
    """Who has to act."""

    YOU = "you"
    ADMIN = "the machine's admin"
    AUTHOR = "the image's author"


class Cause(msgspec.Struct, frozen=True):
    """Why a process cannot be read, what helps, and who has to do it."""

    cause: str
    cure: str
    who: Who


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    found: str
    ok: bool | None
    """None: neither good nor bad by itself."""


class Diagnosis(msgspec.Struct, frozen=True):
    """Whether one process can be read from here; else the one cause, the one cure and who must apply it."""

    pid: int
    verdict: str
    cause: str
    """ "" where nothing is in the way, and so are the next two."""
    cure: str
    who: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True where nothing is in the way."""
        return not self.cause

    def table(self) -> Table:
        """Return what was checked, one row a check, under the verdict."""
        from nbspy.table import Column, Table

        words = {True: "ok", False: "NO", None: ""}
        rows = [(check.what, check.found, words[check.ok]) for check in self.checks]
        return Table(self.verdict, (Column("checked"), Column("found", width=120), Column("")), rows)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-ready values, under the same names."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    def _conclusion(self) -> Iterator[tuple[str, str]]:
        if self.cause:
            yield from (("cause", self.cause), ("cure", self.cure), ("who must act", self.who))

    def text(self) -> str:
        """Return it as plain text, without a newline at the end."""
        lines = [f"{name + ':':13} {printable(text, 4000)}" for name, text in self._conclusion()]
        return "\n".join([self.table().text(), *([""] if lines else []), *lines])

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from html import escape

        lines = (f"<p><b>{escape(n)}</b>: {escape(printable(t, 4000))}</p>" for n, t in self._conclusion())
        return "\n".join([self.table().html(), *lines])

    def __rich__(self) -> rich.console.Group:
        from rich.console import Group
        from rich.text import Text

        lines = [Text.assemble((f"{n + ':':13} ", "bold"), printable(t, 4000)) for n, t in self._conclusion()]
        return Group(self.table(), *lines)


def from_json(values: object) -> Diagnosis:
    """Return the diagnosis that :meth:`Diagnosis.to_json` made; raises ValueError where it is none."""
    return msgspec.convert(values, Diagnosis)
