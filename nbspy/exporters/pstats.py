"""The file of ``profile`` and ``cProfile``: what ``pstats.Stats`` and snakeviz load.

It is a marshalled dictionary ``{(file, line, name): (cc, nc, tt, ct, {caller: (cc, nc, tt, ct)})}``, with a
function's first line. A sampling profiler counts no calls: ``cc`` and ``nc`` are the samples that had the function on
the stack; ``tt`` and ``ct`` are seconds in itself and with all that it called, each stack counted once.
"""

from __future__ import annotations

import marshal
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO, Final

from nbspy.exporters.format import Exporter, chosen
from nbspy.model.profile import Profile, Stack
from nbspy.model.tables import FrameInfo
from nbspy.options import ContentOptions

FunctionKey = tuple[str, int, str]


@dataclass(slots=True)
class _Sums:
    samples: int = 0
    self_ns: int = 0
    total_ns: int = 0

    def add(self, samples: int, self_ns: int, total_ns: int) -> None:
        self.samples += samples
        self.self_ns += self_ns
        self.total_ns += total_ns

    def row(self) -> tuple[int, int, float, float]:
        return self.samples, self.samples, self.self_ns / 1e9, self.total_ns / 1e9


@dataclass(slots=True)
class _Function(_Sums):
    callers: defaultdict[FunctionKey, _Sums] = field(default_factory=lambda: defaultdict(_Sums))


def write_pstats(profile: Profile, stream: BinaryIO, options: ContentOptions) -> None:
    """Write ``profile`` to ``stream``."""
    functions: defaultdict[FunctionKey, _Function] = defaultdict(_Function)
    keys: dict[FrameInfo, FunctionKey] = {}
    for stack in chosen(profile, options).stacks():
        for frame in stack.frames:
            if frame not in keys:
                keys[frame] = _key(frame, options)
        _add(functions, [keys[frame] for frame in stack.frames], stack)
    stats = {
        key: (*sums.row(), {caller: edge.row() for caller, edge in sums.callers.items()})
        for key, sums in sorted(functions.items())
    }
    stream.write(marshal.dumps(stats))


def _key(frame: FrameInfo, options: ContentOptions) -> FunctionKey:
    # pstats strips folders itself, and snakeviz opens the file: full names are what both expect.
    return frame.file or "~", 0 if options.nolineno else frame.first_line, frame.name


def _add(functions: defaultdict[FunctionKey, _Function], stack: list[FunctionKey], of: Stack) -> None:
    for key in set(stack):
        functions[key].add(of.count, 0, of.weight_ns)
    edges = set(pairwise(stack))
    for caller, callee in edges:
        functions[callee].callers[caller].add(of.count, 0, of.weight_ns)
    if stack:
        functions[stack[-1]].self_ns += of.weight_ns
    if len(stack) > 1:
        functions[stack[-1]].callers[stack[-2]].self_ns += of.weight_ns


PSTATS: Final = Exporter(
    "pstats", ".pstats", "for pstats and snakeviz: functions and their callers", write_pstats, (".prof",)
)
