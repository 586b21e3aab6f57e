"""Results on disk: one JSON file a run, or one that several runs are gathered into."""

from __future__ import annotations

import functools
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.case import Row
from bench.peers import contestants

FOLDER: Final = Path(__file__).parent / "results"


@functools.cache
def machine() -> dict[str, object]:
    """Say what was measured on, and with what; nothing that names the machine."""
    found, missing = contestants()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
        "contestants": {one.name: one.version() for one in found},
        "missing": list(missing),
    }


def write(path: Path, rows: Sequence[Row]) -> list[Row]:
    """Write ``rows`` to ``path``. Of earlier runs what is not measured anew stays; returns all.

    A row is one contestant's figure: a run of some contestants leaves the figures of the others as they are.
    """
    anew = {(new.figure, new.who) for new in rows}
    old = [row for row in read(path) if (row.figure, row.who) not in anew] if path.exists() else []
    together = [*old, *rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        "machine": machine(),
        "rows": [asdict(row) for row in together],
    }
    # Replaced in one step: who is killed while writing leaves the figures of before.
    whole = path.with_name(f"{path.name}.new")
    whole.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(whole, path)
    return together


def read(path: Path) -> list[Row]:
    return [_row(values) for values in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def _row(values: dict[str, Any]) -> Row:
    # Older runs have no intervals.
    interval = values.get("interval")
    known = {"values": tuple(values["values"]), "interval": None if interval is None else tuple(interval)}
    return Row(**{**values, **known})


def missing(path: Path) -> list[str]:
    """Return a line about each peer that was not there when the figures of ``path`` were measured."""
    return [str(line) for line in json.loads(path.read_text(encoding="utf-8"))["machine"]["missing"]]


def about(path: Path) -> list[str]:
    """Say in lines what the figures of ``path`` were measured on, and with what."""
    content = json.loads(path.read_text(encoding="utf-8"))
    found = content["machine"]
    versions = ", ".join(f"{name} ({version})" for name, version in found["contestants"].items())
    return [
        f"Measured {content['measured']} UTC on {found['system']}, {found['processors']} processors. "
        "Ratios matter; absolute values are this machine's.",
        f"Contestants: {versions}.",
        *(f"Missing: {line}." for line in found["missing"]),
    ]
