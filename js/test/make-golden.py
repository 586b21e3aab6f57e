"""Writes tests/data/js-training.nbspy and .folded: a stream, and what every view of it has to say.

Run from the top of the checkout: ``python js/test/make-golden.py``. The sums are made here in the plainest way from
the decoded records, by neither of the two models that have to agree with them. Each section of the folded file is
``[granularity selection]``, then a line per stack: frames with the root first, samples, self time in us.
"""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from nbspy import wire  # noqa: E402  # run as a script
from nbspy.wire import State  # noqa: E402
from tests.notebook.synthetic import TrainingLoop  # noqa: E402

DATA = ROOT / "tests" / "data"
TIME = (300_000, 740_000)
THREAD = 1


class Reading:
    """The columns of the whole stream, and its stacks as texts."""

    def __init__(self, stream: bytes) -> None:
        self.strings = [""]
        self.frames: list[tuple[int, ...]] = []
        self.nodes: list[tuple[int, int]] = [(0, 0)]
        self.runs: list[tuple[int, ...]] = []
        for body in wire.FrameSplitter().feed(stream):
            self._add(wire.decode(body))

    def _add(self, record: wire.AnyRecord | None) -> None:
        def columns(types: str, *data: bytes) -> Iterator[tuple[int, ...]]:
            return zip(*(wire.column(code, one) for code, one in zip(types, data, strict=True)), strict=True)

        if isinstance(record, wire.Strings):
            self.strings += record.texts
        elif isinstance(record, wire.Frames):
            texts = (record.qualname, record.short_file)
            self.frames += columns("IIii", *texts, record.line, record.first_line)
        elif isinstance(record, wire.Nodes):
            self.nodes += [(parent, frame) for parent, frame in columns("II", record.parent, record.frame)]
        elif isinstance(record, wire.Samples):
            r = record
            base = r.base_time_ns // 1000
            rows = columns("IIIBII", r.start_us, r.thread, r.node, r.state, r.count, r.weight_us)
            self.runs += [(base + start, *rest) for start, *rest in rows]

    def stack(self, node: int, by_line: bool) -> str:
        texts = []
        while node:
            node, frame = self.nodes[node]
            name, file, line, first_line = self.frames[frame]
            texts.append(f"{self.strings[name]} ({self.strings[file]}:{line if by_line else first_line})")
        return ";".join(reversed(texts))

    def section(
        self, name: str, wanted: Callable[[int, int], bool], time: tuple[int, int] | None = None
    ) -> Iterator[str]:
        by_line = name.startswith("line")
        sums: dict[str, array[float]] = defaultdict(lambda: array("d", [0, 0]))
        for start, thread, node, state, count, weight in self.runs:
            begin, end = (max(start, time[0]), min(start + weight, time[1])) if time else (start, start + weight)
            if begin < end and wanted(thread, state):
                entry = sums[self.stack(node, by_line)]
                entry[0] += count * (end - begin) / weight
                entry[1] += end - begin
        yield f"[{name}]"
        for stack, (samples, self_us) in sorted(sums.items()):
            yield f"{stack} {samples:.0f} {self_us:.0f}"


def main() -> None:
    stream = b"".join(TrainingLoop(seconds=1.2, loaders=2).pieces())
    reading = Reading(stream)
    active = State.ACTIVE | State.GIL
    lines = [
        *reading.section("function all", lambda thread, state: True),
        *reading.section("line all", lambda thread, state: True),
        *reading.section("function active", lambda thread, state: bool(state & active)),
        *reading.section("function gil", lambda thread, state: bool(state & State.GIL)),
        *reading.section(f"function thread {THREAD}", lambda thread, state: thread == THREAD),
        *reading.section(f"line time {TIME[0]} {TIME[1]}", lambda thread, state: True, TIME),
    ]
    (DATA / "js-training.nbspy").write_bytes(stream)
    (DATA / "js-training.folded").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
