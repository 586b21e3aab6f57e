"""What ``nbspy top`` shows, without a terminal: counts per window and in all, and the rows that they make.

Only what is new in a growing profile is folded at each look, so that a look costs what happened since the last.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from nbspy.model.profile import Profile
from nbspy.model.selection import ACTIVE_STATES, GIL_STATES
from nbspy.model.tables import FrameInfo, ThreadInfo
from nbspy.plain_text import printable

WINDOW_NS: Final = 1_000_000_000
"""A window is at least so long: of less, shares jump."""


class Sort(enum.Enum):
    """What the rows are ordered by; the value is the key to press."""

    OWN_SHARE = "1"
    TOTAL_SHARE = "2"
    OWN_TIME = "3"
    TOTAL_TIME = "4"


@dataclass(frozen=True, slots=True)
class Row:
    """A function, or one of its lines."""

    own_share: float
    """Of the window: 1 is one thread that did nothing else."""
    total_share: float
    own_s: float
    """Since the beginning, or the last reset."""
    total_s: float
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Header:
    """The figures above the table, of the newest window."""

    gil_share: float
    active_share: float
    threads: int
    processes: int


@dataclass(slots=True)
class _Window:
    """Sums of one window, or since the beginning: time in us by (thread, leaf node)."""

    start_ns: int = 0
    end_ns: int = 0
    samples: dict[tuple[int, int], int] = field(default_factory=dict)
    """All that is asked for."""
    gil_us: int = 0
    active_us: int = 0
    seen: set[int] = field(default_factory=set)
    """Threads."""

    @property
    def length_us(self) -> float:
        return max(1.0, (self.end_ns - self.start_ns) / 1000)


class TopCounts:
    """Folds a growing profile, window by window."""

    def __init__(self, *, gil: bool = False, idle: bool = False, full_filenames: bool = False) -> None:
        """``gil``: only threads that hold it count; ``idle``: those that wait count too."""
        self._full_filenames = full_filenames
        self._wanted = GIL_STATES if gil else bytes(b"\1" * 256) if idle else ACTIVE_STATES
        self._next_row = 0
        self._window = _Window()
        """The one that is shown."""
        self._growing = _Window()
        self._all = _Window()
        self._profile: Profile | None = None
        self._keys: dict[tuple[int, bool], tuple[int, frozenset[int]]] = {}
        self._ids: dict[tuple[str, str, str, int], int] = {}
        self._frames: list[FrameInfo] = []
        self._by_frame: dict[tuple[int, bool], int] = {}

    def take(self, profile: Profile) -> None:
        """Fold in what is new in ``profile``, a later snapshot of the same session."""
        self._profile = profile
        runs = profile.runs
        first, self._next_row = self._next_row, len(runs)
        growing, wanted, totals = self._growing, self._wanted, self._all.samples
        for i in range(first, len(runs)):
            state, weight, key = runs.state[i], runs.weight_us[i], (runs.thread[i], runs.node[i])
            growing.seen.add(key[0])
            growing.gil_us += weight * GIL_STATES[state]
            growing.active_us += weight * ACTIVE_STATES[state]
            if wanted[state]:
                growing.samples[key] = growing.samples.get(key, 0) + weight
                totals[key] = totals.get(key, 0) + weight
        growing.end_ns = max(growing.end_ns, profile.span_ns[1])
        if growing.end_ns - growing.start_ns >= WINDOW_NS or not self._window.seen:
            self._window = growing
            if growing.end_ns - growing.start_ns >= WINDOW_NS:
                self._growing = _Window(growing.end_ns, growing.end_ns)

    def reset(self) -> None:
        """Begin to count anew."""
        self._all = _Window()

    def header(self) -> Header:
        """Return the figures of the newest window."""
        window, threads = self._window, self._profile.threads if self._profile else ()
        return Header(
            window.gil_us / window.length_us,
            window.active_us / window.length_us,
            len(window.seen),
            len({threads[thread].process.id for thread in window.seen}),
        )

    def rows(self, *, sort: Sort, by_line: bool = False, thread: str = "", search: str = "") -> list[Row]:
        """Return the table's rows, the greatest first.

        ``thread``: a part of the name or the id (or ``pid`` and a pid) of the threads that count. ``search``: a part of
        the functions' names or places, in any case.
        """
        profile = self._profile
        if profile is None:
            return []
        allowed = {one.id for one in profile.threads if fits(one, thread)} if thread else None
        window = self._sums(self._window.samples, by_line, allowed)
        whole = self._sums(self._all.samples, by_line, allowed)
        length_us, needle = self._window.length_us, search.casefold()
        rows = []
        for number, (own, total) in whole.items():
            frame = self._frames[number]
            line = frame.line if by_line else frame.first_line
            file = frame.file if self._full_filenames else frame.short_file
            place = f"{file}:{line}" if line else file
            if needle and needle not in frame.name.casefold() and needle not in place.casefold():
                continue
            now_own, now_total = window.get(number, (0, 0))
            shares = now_own / length_us, now_total / length_us
            rows.append(Row(*shares, own / 1e6, total / 1e6, printable(frame.name), printable(place)))
        rows.sort(key=_order(sort))
        return rows

    def _sums(
        self, samples: dict[tuple[int, int], int], by_line: bool, allowed: set[int] | None
    ) -> dict[int, tuple[int, int]]:
        """Return (own, total) in us by row number; a function counts once for each stack that it is on."""
        own: dict[int, int] = {}
        total: dict[int, int] = {}
        for (thread, node), weight in samples.items():
            if not node or (allowed is not None and thread not in allowed):
                continue
            leaf, on_stack = self._stack(node, by_line)
            own[leaf] = own.get(leaf, 0) + weight
            for number in on_stack:
                total[number] = total.get(number, 0) + weight
        return {number: (own.get(number, 0), of_all) for number, of_all in total.items()}

    def _stack(self, node: int, by_line: bool) -> tuple[int, frozenset[int]]:
        """Return the row of a node's own frame, and those of its whole stack."""
        known = self._keys.get((node, by_line))
        if known is None:
            assert self._profile is not None
            nodes = self._profile.tables.nodes
            numbers = []
            above = node
            while above:
                numbers.append(self._number(nodes.frame[above], by_line))
                above = nodes.parent[above]
            known = self._keys[node, by_line] = numbers[0], frozenset(numbers)
        return known

    def _number(self, frame_id: int, by_line: bool) -> int:
        known = self._by_frame.get((frame_id, by_line))
        if known is None:
            assert self._profile is not None
            frame = self._profile.frame(frame_id)
            key = (frame.name, frame.file, "line" if by_line else "", frame.line if by_line else frame.first_line)
            known = self._ids.get(key)
            if known is None:
                known = self._ids[key] = len(self._frames)
                self._frames.append(frame)
            self._by_frame[frame_id, by_line] = known
        return known

    def threads_that_fit(self, text: str) -> int:
        """Return how many threads a filter leaves."""
        threads: Iterable[ThreadInfo] = self._profile.threads if self._profile else ()
        return sum(fits(thread, text) for thread in threads)


def fits(thread: ThreadInfo, text: str) -> bool:
    """Whether ``text`` is a part of a thread's name, is its id, or is ``pid`` and the pid of its process."""
    folded = text.casefold().strip()
    ids = (thread.shown_id, f"pid {thread.process.pid}", f"pid{thread.process.pid}")
    return folded in thread.shown_name.casefold() or folded in ids


def _order(sort: Sort) -> Callable[[Row], tuple[object, ...]]:
    """Return the key function that puts the greatest first, and what is equal by name."""
    names = {
        Sort.OWN_SHARE: ("own_share", "total_share", "own_s"),
        Sort.TOTAL_SHARE: ("total_share", "own_share", "total_s"),
        Sort.OWN_TIME: ("own_s", "total_s", "own_share"),
        Sort.TOTAL_TIME: ("total_s", "own_s", "total_share"),
    }[sort]
    return lambda row: (*(-getattr(row, name) for name in names), row.name, row.place)
