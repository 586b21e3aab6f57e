"""What a profiler takes from its target, from phases in which it samples and others in which it is halted.

Phases are short, for the speed of a shared machine changes by half from one second to the next, and come in blocks of
four: on, off, off, on, or the opposite. In each of the two a speed that changes steadily hits both kinds alike. Which
comes next is left to chance, so that nothing can be in step with it.

A target that is sampled loses time in three ways, which are measured each where noise is least (:class:`Effect`):

- *It stands.* The system counts how long a thread ran and how long it waited for a processor; what is left of the time
  is when it was stopped, or when the host had the processor, which looks the same. But who was stopped has to be given
  a processor anew, which the system counts too. So what is gone of windows without that is the host's share, and what
  is gone beyond it, of those with that, is time that the thread stood.
- *It waits*: the profiler has its processor.
- *It runs slower*: its caches are cold, and the other half of a core is busy. Of each phase the median of the speeds
  of its windows, by time it ran; of each block the ratio of those; of all blocks the median. Where a host was
  half as fast for a fifth of the time, 150 s told 0.2 % by medians and 1.2 % by means.

Sums tell of the first two, which see a single long stop too; the median of the third does not have to.
How sure that is: blocks are drawn anew, with replacement, many times over (bootstrap).
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from random import Random
from typing import Final

from bench.case import NotMeasured
from bench.windows import Window

EDGE_NS: Final = 5_000_000
"""Left out at a phase's begin: who was just let on, or halted, is not yet what it will be."""
_FEWEST_WINDOWS: Final = 10
_FEWEST_BLOCKS: Final = 5
_DRAWS: Final = 600
_SURE: Final = 0.95
_begin: Final = attrgetter("begin_ns")

Order = tuple[bool, bool, bool, bool]
ORDERS: Final[tuple[Order, Order]] = ((True, False, False, True), (False, True, True, False))


@dataclass(frozen=True, slots=True)
class Phase:
    """A time in which the profiler was on, or halted; monotonic times in ns."""

    begin_ns: int
    end_ns: int
    on: bool
    sound: bool = True
    """False where somebody else let the profiler on, or halted the benchmark as well."""


Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """What the target did in one phase, or in several."""

    length_ns: float
    stood_ns: float
    waited_ns: float
    speed: float
    """Work per ns in which it ran; of several phases the mean."""


@dataclass(frozen=True, slots=True)
class Block:
    """The two phases of each kind that lie together."""

    on: Part
    off: Part


@dataclass(frozen=True, slots=True)
class Effect:
    """What sampling takes, in percent of what the target does without it; below 0 within the noise."""

    stands: float
    waits: float
    runs_slower: float

    @property
    def slower(self) -> float:
        """All of it: how much less the target does in the same time."""
        return 100 - (100 - self.stands - self.waits) * (100 - self.runs_slower) / 100

    def words(self) -> str:
        return f"stands {self.stands:.3f}, waits {self.waits:.3f}, runs slower by {self.runs_slower:.2f} %"


def orders(blocks: int, random: Random) -> Iterator[Order]:
    """Yield the order of phases (True: on) for each block."""
    for _ in range(blocks):
        yield random.choice(ORDERS)


def blocks_of(windows: Sequence[Window], phases: Sequence[Phase]) -> list[Block]:
    """Return what the target did in each four of ``phases``, but for those not sound or with too few windows."""
    within = [_within(windows, phase) if phase.sound else [] for phase in phases]
    share = _share_of_host([window for inside in within for window in inside])
    parts = [_part(inside, share) for inside in within]
    found = []
    for start in range(0, len(phases) - 3, 4):
        four = [(phase.on, part) for phase, part in zip(phases[start:][:4], parts[start:][:4], strict=True)]
        on, off = ([part for is_on, part in four if is_on is kind and part is not None] for kind in (True, False))
        if len(on) == len(off) == 2:
            found.append(Block(_together(on), _together(off)))
    return found


def effect(blocks: Sequence[Block]) -> Effect:
    """Return what sampling took in ``blocks``; raises NotMeasured where they are too few."""
    if len(blocks) < _FEWEST_BLOCKS:
        raise NotMeasured(f"the target logged what {len(blocks)} blocks of phases need, {_FEWEST_BLOCKS} at least")
    return _effect([_numbers(block) for block in blocks])


def interval(blocks: Sequence[Block], random: Random) -> Interval:
    """Return between which two values :attr:`Effect.slower` lies, in 95 of 100 such measurements."""
    numbers = [_numbers(block) for block in blocks]
    drawn = sorted(_effect(random.choices(numbers, k=len(numbers))).slower for _ in range(_DRAWS))
    out = round(_DRAWS * (1 - _SURE) / 2)
    return drawn[out], drawn[-1 - out]


def _numbers(block: Block) -> tuple[float, ...]:
    on, off = block.on, block.off
    ratio = on.speed / off.speed
    return on.length_ns, on.stood_ns, on.waited_ns, off.length_ns, off.stood_ns, off.waited_ns, ratio


def _effect(blocks: Sequence[tuple[float, ...]]) -> Effect:
    *times, ratios = zip(*blocks, strict=True)
    on_ns, on_stood_ns, on_waited_ns, off_ns, off_stood_ns, off_waited_ns = map(sum, times)
    return Effect(
        100 * (on_stood_ns / on_ns - off_stood_ns / off_ns),
        100 * (on_waited_ns / on_ns - off_waited_ns / off_ns),
        100 * (1 - statistics.median(ratios)),
    )


def _within(windows: Sequence[Window], phase: Phase) -> Sequence[Window]:
    """Return the windows that begin in ``phase``: one that is long, because the target stood in it, is one of them."""
    first = bisect_left(windows, phase.begin_ns + EDGE_NS, key=_begin)
    return windows[first : bisect_left(windows, phase.end_ns, key=_begin)]


def _share_of_host(windows: Sequence[Window]) -> float:
    """Return the part of the time in which the host had the processor of a thread that nothing else interrupted."""
    alone = [window for window in windows if not window.turns]
    length_ns = sum(window.length_ns for window in alone)
    return sum(window.gone_ns for window in alone) / length_ns if length_ns else 0.0


def _part(windows: Sequence[Window], share_of_host: float) -> Part | None:
    ran = [window for window in windows if window.ran_ns > 0]
    if len(ran) < _FEWEST_WINDOWS:
        return None
    return Part(
        sum(window.length_ns for window in windows),
        sum(window.gone_ns - share_of_host * window.length_ns for window in windows if window.turns),
        sum(window.waited_ns for window in windows),
        statistics.median(window.work / window.ran_ns for window in ran),
    )


def _together(parts: Sequence[Part]) -> Part:
    return Part(
        sum(part.length_ns for part in parts),
        sum(part.stood_ns for part in parts),
        sum(part.waited_ns for part in parts),
        statistics.fmean(part.speed for part in parts),
    )
