"""The small golden stream in every format, held in files that can be read in a diff.

After a wanted change: ``python -m tests.unit.test_golden_formats`` writes them anew. JSON is indented here, packed
formats are unpacked, and the flame graph is without its script and style.
"""

from __future__ import annotations

import io
import json
import marshal
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nbspy import exporters, importers
from nbspy.model.builder import profile_from_stream
from nbspy.options import ContentOptions

DATA = Path(__file__).parents[1] / "data"


def as_text(data: bytes) -> str:
    return data.decode("utf-8")


def as_json(data: bytes) -> str:
    text = json.dumps(json.loads(data), indent=1, ensure_ascii=False) + "\n"
    # Columns of numbers on one line each.
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: "[" + re.sub(r"\s*\n\s*", " ", found[1]) + "]", text)


def as_stats(data: bytes) -> str:
    rows = []
    for function, (*sums, callers) in sorted(marshal.loads(data).items()):
        rows.append(f"{function} {sums}")
        rows += [f"  from {caller} {list(edge)}" for caller, edge in sorted(callers.items())]
    return "\n".join(rows) + "\n"


def as_stacks(data: bytes) -> str:
    lines = []
    for stack in importers.read(data).stacks():
        thread, process = stack.thread, stack.thread.process
        frames = ";".join(f"{frame.name} ({frame.file}:{frame.line}, {frame.first_line})" for frame in stack.frames)
        of = f"{thread.name} {thread.os_thread_id} {process.pid} {process.command_line}"
        lines.append(f"[{of}] {frames} {stack.count} {stack.weight_ns}")
    return "\n".join(lines) + "\n"


def as_picture(data: bytes) -> str:
    return re.sub(r"<(style|script)>.*?</\1>\n", "", data.decode("utf-8"), flags=re.DOTALL)


READABLE: dict[str, tuple[str, Callable[[bytes], str]]] = {
    "collapsed": ("small.collapsed.txt", as_text),
    "flamegraph": ("small.svg", as_picture),
    "speedscope": ("small.speedscope.json", as_json),
    "chrometrace": ("small.trace.json", as_json),
    "gecko": ("small.gecko.json", as_json),
    "pprof": ("small.pprof.txt", as_stacks),
    "pstats": ("small.pstats.txt", as_stats),
    "jsonl": ("small.jsonl", as_text),
}


def written(name: str) -> str:
    profile = profile_from_stream((DATA / "small.nbspy").read_bytes())
    stream = io.BytesIO()
    exporters.get(name).write(profile, stream, ContentOptions(idle=True, threads=True))
    return READABLE[name][1](stream.getvalue())


@pytest.mark.parametrize("name", READABLE)
def test_given_the_golden_stream_when_exported_then_the_file_is_the_golden_one(name: str) -> None:
    assert written(name) == (DATA / "formats" / READABLE[name][0]).read_text(encoding="utf-8")


if __name__ == "__main__":
    (DATA / "formats").mkdir(exist_ok=True)
    for format_name, (file, _) in READABLE.items():
        (DATA / "formats" / file).write_text(written(format_name), encoding="utf-8")
