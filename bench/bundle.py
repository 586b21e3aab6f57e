"""How large what the browser loads is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.case import Case, Row, Settings

STATIC: Final = Path(__file__).parent.parent / "nbspy" / "static"


def cases(settings: Settings) -> Iterator[Case]:
    yield Case("bundle: size", 0, _sizes)


def _sizes() -> list[Row]:
    return [
        Row("size of the bundle", path.name, "kB", (path.stat().st_size / 1000,))
        for path in sorted(STATIC.glob("*.js"))
    ]
