"""A small stream and what it means, held in files that the browser's side can be tested against too.

``tests/data/small.nbspy`` is the stream, ``tests/data/small.json`` the answer. After a wanted change of either:
``python -m tests.unit.test_golden`` writes both anew, to be read in the diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nbspy import wire
from nbspy.model.builder import profile_from_stream
from nbspy.model.call_tree import CallTree
from nbspy.model.profile import Profile
from nbspy.wire import State
from tests.unit.streams import INTERVAL_NS, Run, StreamWriter, status

DATA = Path(__file__).parents[1] / "data"
ACTIVE, GIL, IDLE, WAIT = int(State.ACTIVE), int(State.ACTIVE | State.GIL), 0, int(State.GIL_WAIT)
CELL = "<module>@/tmp/ipykernel_77/123456.py"
KERNEL = "_run_code@runpy.py:88;start@tornado/platform/asyncio.py:211;run_cell@IPython/core/interactiveshell.py:3075"
STEP = INTERVAL_NS // 1000


def golden_stream() -> bytes:
    """Two threads: cells with recursion at two lines, and a worker that waits, works and is idle."""
    writer = StreamWriter(("MainThread", "worker-é"))
    writer.add(
        [
            Run(f"{KERNEL};{CELL}:1;fib@fib.py:3;fib@fib.py:3;fib@fib.py:4", start_us=0, count=4, state=GIL),
            Run("Thread.run@threading.py:975;pull@queue.py:12", thread=1, start_us=0, count=6, state=IDLE),
            Run(f"{KERNEL};{CELL}:2;sort@data.py:7", start_us=4 * STEP, count=3, state=GIL),
            Run("Thread.run@threading.py:975;work@data.py:30", thread=1, start_us=6 * STEP, count=2, state=WAIT),
            Run("Thread.run@threading.py:975;work@data.py:31", thread=1, start_us=8 * STEP, count=2, state=ACTIVE),
            Run(f"{KERNEL.rpartition(';')[0]};select@selectors.py:468", start_us=7 * STEP, count=3, state=IDLE),
        ]
    )
    writer.records.append(wire.Labels(0, [("/src//tmp/ipykernel_77/123456.py", "In[3]")]))
    writer.records.append(wire.Notice(90, 10 * INTERVAL_NS, "a notice"))
    counters = {"time_ns": 10 * INTERVAL_NS, "samples": 10, "thread_samples": 20, "late": 1}
    writer.records.append(status(sequence=91, **counters))
    writer.records.append(wire.End(92, 10 * INTERVAL_NS, "stopped", "", "", ""))
    return writer.stream()


def answer(profile: Profile) -> dict[str, Any]:
    return {
        "duration_ns": profile.duration_ns,
        "samples": profile.sample_count,
        "thread_samples": profile.thread_sample_count,
        "threads": [
            [
                row.thread.shown_name,
                row.samples,
                row.active_share,
                row.gil_share,
                row.state,
                row.current and row.current.name,
            ]
            for row in profile.thread_totals()
        ],
        "functions": [
            [row.name, row.short_file, row.line, row.self_samples, row.total_samples, row.self_ns, row.total_ns]
            for row in profile.functions()
        ],
        "merged_by_function": tree(profile, profile.call_tree()),
        "merged_by_line": tree(profile, profile.call_tree(by="line")),
        "merged_active": tree(profile, profile.select(states="active").call_tree()),
        "merged_without_machinery": tree(profile, profile.call_tree(hide_machinery=True)),
        "merged_between_25_and_85_ms": tree(profile, profile.select(time=(25_000_000, 85_000_000)).call_tree()),
        "call_order": tree(profile, profile.call_tree("call")),
    }


def tree(profile: Profile, made: CallTree) -> list[str]:
    """Return a tree as folded stacks in the order of the walk: ``root;leaf self_samples total_samples total_ns``."""
    path: list[str] = []
    lines = []
    for depth, row in made.walk():
        if depth:
            frame = profile.frame(made.frame[row])
            path[depth - 1 :] = [f"{frame.name} ({frame.short_file}:{frame.line})"]
            lines.append(f"{';'.join(path)} {made.self_samples[row]} {made.total_samples[row]} {made.total_ns[row]}")
    return lines


def as_text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def test_the_golden_stream_is_what_the_writer_makes() -> None:
    assert (DATA / "small.nbspy").read_bytes() == golden_stream()


def test_the_golden_stream_gives_the_golden_answer() -> None:
    profile = profile_from_stream((DATA / "small.nbspy").read_bytes())
    assert as_text(answer(profile)) == (DATA / "small.json").read_text(encoding="utf-8")


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    (DATA / "small.nbspy").write_bytes(golden_stream())
    (DATA / "small.json").write_text(as_text(answer(profile_from_stream(golden_stream()))), encoding="utf-8")
