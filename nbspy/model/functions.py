"""Self and total per function, over a merged call tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nbspy.model.call_tree import CallTree
from nbspy.model.tables import FrameInfo


@dataclass(frozen=True, slots=True)
class FunctionTotals:
    """What one function cost: in itself, and with all that it called."""

    name: str
    file: str
    short_file: str
    line: int
    """The function's first line; 0 where it is unknown."""
    self_samples: int
    total_samples: int
    self_ns: int
    total_ns: int
    self_share: float
    """Of the profile's time, from 0 to 1."""
    total_share: float


def function_totals(tree: CallTree, frame: Callable[[int], FrameInfo]) -> list[FunctionTotals]:
    """Return one row for each function in ``tree`` (merged by function), most self time first.

    A recursive function's total counts each stack once: only its outermost node on a path adds to it.
    """
    sums: dict[int, list[int]] = {}
    on_path: dict[int, int] = {}
    path: list[int] = []
    for depth, row in tree.walk():
        if not depth:
            continue
        for left in path[depth - 1 :]:
            on_path[left] -= 1
        function = tree.frame[row]
        path[depth - 1 :] = [function]
        total = sums.setdefault(function, [0, 0, 0, 0])
        total[0] += tree.self_samples[row]
        total[1] += tree.self_ns[row]
        if not on_path.get(function):
            total[2] += tree.total_samples[row]
            total[3] += tree.total_ns[row]
        on_path[function] = on_path.get(function, 0) + 1
    rows = [_row(frame(function), total, tree) for function, total in sums.items()]
    rows.sort(key=lambda row: (-row.self_ns, -row.self_samples, -row.total_ns, row.name, row.file, row.line))
    return rows


def _row(frame: FrameInfo, sums: list[int], tree: CallTree) -> FunctionTotals:
    self_samples, self_ns, total_samples, total_ns = sums
    if whole_ns := tree.total_ns[0]:
        shares = self_ns / whole_ns, total_ns / whole_ns
    else:
        whole = tree.total_samples[0] or 1
        shares = self_samples / whole, total_samples / whole
    names = frame.name, frame.file, frame.short_file
    return FunctionTotals(*names, frame.first_line, self_samples, total_samples, self_ns, total_ns, *shares)
