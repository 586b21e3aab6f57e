"""What is to be reached, as data: which figure of which contestant, in which relation to what bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from bench.case import Row, number

BLOCKING: Final = "nbspy"
NONBLOCKING: Final = "nbspy --nonblocking"
EXPLORER: Final = "nbspy"
MILLION: Final = 1_000_000
DAY_MIB: Final = {"sampler": 256, "kernel": 300, "model": 1024, "explorer": 1024}
"""What each half may have resident at most, of any day: its budgets in rows, nodes and bytes, as memory."""
FRAME_MS: Final = 16
"""60 frames a second."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on one contestant's figures, absolute or as a share of another contestant's."""

    figures: str
    """Names of figures, with the wildcards of fnmatch."""
    who: str
    relation: Literal["<=", ">="]
    bound: float
    unit: str = ""
    """Unit of an absolute bound, as the rows have it."""
    trials: int = 0
    """How many stacks the figure has to stand on: none wrong of a few says little."""
    times: str = ""
    """The contestant whose figure is multiplied by ``bound``; "" for an absolute bound."""

    def text(self) -> str:
        if not self.times:
            return f"{self.relation} {self.bound:g} {self.unit}".rstrip()
        share = (
            f"1/{1 / self.bound:g} of" if self.bound < 1 else "that of" if self.bound == 1 else f"{self.bound:g} times"
        )
        return f"{self.relation} {share} {self.times}"


def _cpu(frames: str, who: str, bound: float, times: str) -> Goal:
    return Goal(f"CPU per sample: {frames} frames, 1 thread", who, "<=", bound, times=times)


GOALS: Final[tuple[Goal, ...]] = (
    _cpu("10", NONBLOCKING, 1 / 10, "py-spy --nonblocking"),
    *(_cpu(frames, NONBLOCKING, 1 / 20, "py-spy --nonblocking") for frames in ("50", "200", "1000")),
    _cpu("*", NONBLOCKING, 1 / 2, "profiling.sampling"),
    _cpu("*", BLOCKING, 1, "profiling.sampling --blocking"),
    _cpu("10", BLOCKING, 1 / 4, "py-spy"),
    *(_cpu(frames, BLOCKING, 1 / 10, "py-spy") for frames in ("50", "200", "1000")),
    *(Goal("memory at most: * a million stacks", half, "<=", budget, "MiB") for half, budget in DAY_MIB.items()),
    Goal("share of 20 kHz taken, 1 thread", NONBLOCKING, ">=", 95, "%"),
    Goal("distance from what py-spy sees: *", BLOCKING, "<=", 2, times="py-spy"),
    Goal("time stopped at 1 kHz, median", BLOCKING, "<=", 60, "us"),
    Goal("impossible stacks per million: *", BLOCKING, "<=", 0, "per million", trials=MILLION),
    Goal("target slower at 100 Hz*", BLOCKING, "<=", 0.5, "%"),
    Goal("target slower at 100 Hz*", NONBLOCKING, "<=", 0.5, "%"),
    Goal("target slower at 1 kHz*", BLOCKING, "<=", 5, "%"),
    Goal("target slower at 1 kHz*", NONBLOCKING, "<=", 5, "%"),
    Goal("attach to first sample", BLOCKING, "<=", 150, "ms"),
    Goal("attach to first sample", NONBLOCKING, "<=", 150, "ms"),
    Goal("sampler memory after *", BLOCKING, "<=", 45, "MB"),
    Goal("sampler memory after *", NONBLOCKING, "<=", 45, "MB"),
    Goal("sampler memory, 100 minutes over 10", BLOCKING, "<=", 1.05, "times"),
    Goal("sampler memory, 100 minutes over 10", NONBLOCKING, "<=", 1.05, "times"),
    *(
        Goal("impossible stacks per million: 3.15", NONBLOCKING, "<=", 1, times=peer)
        for peer in ("profiling.sampling", "py-spy --nonblocking")
    ),
    Goal("discarded: 3.15", NONBLOCKING, "<=", 1 / 10, times="profiling.sampling"),
    Goal("discarded: an ordinary target", NONBLOCKING, "<=", 5, "%"),
    Goal("impossible stacks per million: an ordinary target", NONBLOCKING, "<=", 0, "per million", trials=MILLION),
    Goal("explorer, 1,000,000 nodes, 10,000,000 samples: on the screen", EXPLORER, "<=", 3000, "ms"),
    Goal("explorer, 1,000,000 nodes, 10,000,000 samples: *, frame p95", EXPLORER, "<=", FRAME_MS, "ms"),
    Goal("explorer, 1,000,000 nodes, 10,000,000 samples: search for *", EXPLORER, "<=", 100, "ms"),
    Goal("explorer, 10,000 levels: on the screen", EXPLORER, "<=", 3000, "ms"),
    Goal("explorer, 10,000 levels: *, frame p95", EXPLORER, "<=", FRAME_MS, "ms"),
    Goal("explorer, live, 200 threads, all of them busy: taking a delta, median", EXPLORER, "<=", 2, "ms"),
    Goal("explorer, live, 200 threads, all of them busy: drawing it, median", EXPLORER, "<=", FRAME_MS, "ms"),
    Goal("explorer, an hour live: drawing, last tenth over first", EXPLORER, "<=", 1.1, "times"),
    Goal("size of the bundle", "widget.js", "<=", 81.92, "kB"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one goal in one row."""

    goal: Goal
    reached: bool | None
    """None where it cannot be told."""
    figure: str
    """How far it is, in the goal's terms; or why it cannot be told."""


def verdicts(rows: Sequence[Row], row: Row, goals: Iterable[Goal] = GOALS) -> list[Verdict]:
    """Return what the goals say of ``row``, one of ``rows``."""
    return [
        _verdict(rows, row, goal) for goal in goals if goal.who == row.who and fnmatchcase(row.figure, goal.figures)
    ]


def _verdict(rows: Sequence[Row], row: Row, goal: Goal) -> Verdict:
    if row.value is None:
        return Verdict(goal, None, "not measured")
    bound = goal.bound
    figure = f"{number(row.value)} {row.unit}"
    if goal.times:
        others = [other.value for other in rows if other.figure == row.figure and other.who == goal.times]
        if not others or others[0] is None:
            return Verdict(goal, None, f"no {goal.times}")
        bound *= others[0]
        share = row.value / others[0] if others[0] else float("inf")
        figure = f"1/{1 / share:.1f}" if 0 < share < 1 else f"{share:.2f} times"
    low, high = row.interval or (row.value, row.value)
    if low <= bound <= high and low < high:
        return Verdict(goal, None, f"{figure}, but may be {row.spread}")
    reached = high <= bound if goal.relation == "<=" else low >= bound
    if reached and (row.trials or 0) < goal.trials:
        return Verdict(goal, None, f"{figure}, but of {row.trials or 0:,} stacks only")
    return Verdict(goal, reached, figure)
