"""Two profiles side by side, by share of time, with a measure of noise: what differs inside one profile is noise.

Shares are of the time in which threads were active (of all time, where none ever was). A function is the same in
both where its name and its file are, whatever its line; a notebook's cell is the same under any number. Threads
are the same where their processes and names are, or else where their names differ in numbers only.

*Noise* is the standard error of a share. A profile is cut into slices of time, and its slices can be split into
two halves in many ways: were the profile the same all along, the halves would differ by chance alone. The mean
square of that difference over all ways of halving has a closed form, the variance among the slices, and a quarter
of it is the variance of the whole's share. It is never taken below what so few samples could tell at best.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from nbspy.errors import UsageError
from nbspy.model.call_tree import CallTree, Rules, merged_tree_and_rows, node_totals, totals_of
from nbspy.model.profile import Profile
from nbspy.model.selection import between, chosen_rows
from nbspy.model.tables import RunColumns
from nbspy.model.thread_changes import ThreadChange, thread_changes
from nbspy.model.transforms import is_cell_file

if TYPE_CHECKING:
    import rich.console

CLEAR: Final = 3.0
"""A change is clear when it is above so many times its noise: by chance, 3 in 1000 are."""
MAX_SLICES: Final = 20
_SAMPLES_IN_SLICE: Final = 10
FunctionKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FunctionShare:
    """What a function had of one profile's time: in itself, and with all that it called."""

    self_share: float
    total_share: float
    """From 0 to 1."""
    self_noise: float
    total_noise: float
    """Standard errors of the shares."""
    self_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class FunctionChange:
    """One function in both profiles."""

    name: str
    short_file: str
    """As in the profile after, or before where it is not in that one."""
    line: int
    """Its first line there; 0 where it is unknown."""
    before: FunctionShare
    after: FunctionShare

    @property
    def self_change(self) -> float:
        """Share of own time after, less that before: 0.1 is ten points of a hundred more."""
        return self.after.self_share - self.before.self_share

    @property
    def total_change(self) -> float:
        return self.after.total_share - self.before.total_share

    @property
    def self_noise(self) -> float:
        """Standard error of :attr:`self_change`."""
        return math.hypot(self.before.self_noise, self.after.self_noise)

    @property
    def total_noise(self) -> float:
        return math.hypot(self.before.total_noise, self.after.total_noise)

    @property
    def self_is_clear(self) -> bool:
        """Whether the change of own time is more than noise."""
        return abs(self.self_change) > CLEAR * self.self_noise

    @property
    def total_is_clear(self) -> bool:
        return abs(self.total_change) > CLEAR * self.total_noise


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two profiles, and what changed from the one to the other."""

    before: Profile
    after: Profile
    of_active: bool
    """Whether shares are of active threads' time; else they are of all threads' time."""
    before_ns: int
    """The time of which the shares are: the sum over the threads."""
    after_ns: int
    functions: tuple[FunctionChange, ...]
    """Clear changes of own time first, then of total time, then the rest; inside each, the greatest first."""
    threads: tuple[ThreadChange, ...]

    def top(self, n: int = 20) -> list[FunctionChange]:
        """Return the ``n`` functions that changed most, clear changes first."""
        return list(self.functions[:n])

    def __str__(self) -> str:
        from nbspy.model.compare_summary import comparison_text

        return comparison_text(self)

    def _repr_html_(self) -> str:
        from nbspy.model.compare_summary import comparison_html

        return comparison_html(self)

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text("Comparison(...)" if cycle else str(self))  # type: ignore[attr-defined]  # IPython's printer

    def __rich__(self) -> rich.console.RenderableType:
        from nbspy.model.compare_summary import comparison_renderable

        return comparison_renderable(self)


def compare(before: Profile, after: Profile) -> Comparison:
    """Return what changed; raises :class:`UsageError` where one of the profiles has no samples."""
    for profile, which in ((before, "before"), (after, "after")):
        if not profile.thread_sample_count:
            raise UsageError(f"the profile {which} has no samples", "there is nothing to compare it by")
    active = before.select(states="active"), after.select(states="active")
    of_active = all(profile.thread_sample_count for profile in active)
    parts = active if of_active else (before, after)
    first, second = map(_Shares, parts)
    return Comparison(
        before,
        after,
        of_active,
        first.whole_ns,
        second.whole_ns,
        _function_changes(first, second),
        thread_changes(before, after),
    )


def _function_changes(before: _Shares, after: _Shares) -> tuple[FunctionChange, ...]:
    changes = []
    for key in {**before.where, **after.where}:
        file, line = after.where.get(key) or before.where[key]
        changes.append(FunctionChange(key[0], file, line, before.share(key), after.share(key)))
    changes.sort(
        key=lambda one: (
            not one.self_is_clear,
            not one.total_is_clear,
            -abs(one.self_change),
            -abs(one.total_change),
            one.name,
            one.short_file,
        )
    )
    return tuple(changes)


class _Shares:
    """The functions of one profile: shares, and their noise from slice to slice."""

    def __init__(self, profile: Profile) -> None:
        runs, nodes = profile.runs, profile.tables.nodes
        self._samples = sum(runs.count)
        self.whole_ns = sum(runs.weight_us) * 1000
        # Without times (a stream that is cut at its first samples), samples stand for it.
        self._by_time = any(runs.weight_us)
        same_as, keys = _same_functions(profile)
        tree, row_of = merged_tree_and_rows(nodes, *node_totals(runs, len(nodes)), Rules(same_as))
        functions = [keys[frame] for frame in tree.frame[1:]]
        self.where: dict[FunctionKey, tuple[str, int]] = {}
        for frame_id, key in zip(tree.frame[1:], functions, strict=True):
            if key not in self.where:
                self.where[key] = _shown_place(profile, frame_id)
        outermost, slices = _outermost(tree), _slices(profile)
        self._own: defaultdict[FunctionKey, list[int]] = defaultdict(lambda: [0] * len(slices))
        self._total: defaultdict[FunctionKey, list[int]] = defaultdict(lambda: [0] * len(slices))
        self._wholes: list[int] = []
        for index, part in enumerate(slices):
            own = [0] * len(tree)
            for node, amount in zip(part.node, part.weight_us if self._by_time else part.count, strict=True):
                own[row_of[node]] += amount
            totals = totals_of(tree.parent, own)
            self._wholes.append(totals[0])
            for key, is_outermost, self_amount, total in zip(
                functions, outermost[1:], own[1:], totals[1:], strict=True
            ):
                if total:
                    self._own[key][index] += self_amount
                    self._total[key][index] += total * is_outermost

    def share(self, key: FunctionKey) -> FunctionShare:
        """Return a function's share; where it was not seen, the share is 0 and the noise what one sample is."""
        nothing = [0] * len(self._wholes)
        own, total = self._own.get(key, nothing), self._total.get(key, nothing)
        whole = sum(self._wholes) or 1
        times_ns = (1000 * sum(own), 1000 * sum(total)) if self._by_time else (0, 0)
        return FunctionShare(sum(own) / whole, sum(total) / whole, self._noise(own), self._noise(total), *times_ns)

    def _noise(self, parts: Sequence[int]) -> float:
        whole, n = sum(self._wholes) or 1, self._samples
        share = sum(parts) / whole
        slices = len(parts)
        # Slices differ in how much was active in them: a ratio's residuals, not the shares' own differences.
        residuals = sum((part - share * all_of) ** 2 for part, all_of in zip(parts, self._wholes, strict=True))
        among_slices = math.sqrt(residuals * slices / (slices - 1)) / whole if slices > 1 else 0.0
        at_best = math.sqrt((max(0.0, share * (1 - share)) + 1 / n) / n)
        return max(among_slices, at_best)


def _outermost(tree: CallTree) -> bytearray:
    """Return for each row 1 where no row above it on its path is of the same function."""
    outermost = bytearray(len(tree))
    on_path: Counter[int] = Counter()
    path: list[int] = []
    for depth, row in tree.walk():
        if not depth:
            continue
        on_path.subtract(path[depth - 1 :])
        function = tree.frame[row]
        path[depth - 1 :] = [function]
        outermost[row] = not on_path[function]
        on_path[function] += 1
    return outermost


def _slices(profile: Profile) -> list[RunColumns]:
    """Return the runs of up to 20 equal slices of the time in which the profile has samples."""
    runs = profile.runs
    start_ns = min(runs.start_ns)
    end_ns = 1 + max(start + us * 1000 for start, us in zip(runs.start_ns, runs.weight_us, strict=True))
    count = max(1, min(MAX_SLICES, sum(runs.count) // _SAMPLES_IN_SLICE, end_ns - start_ns))
    borders = [start_ns + (end_ns - start_ns) * i // count for i in range(count + 1)]
    # Most runs lie in one slice: only those that reach into it are divided for it.
    reaching = [bytearray(len(runs)) for _ in range(count)]
    for row, (start, us) in enumerate(zip(runs.start_ns, runs.weight_us, strict=True)):
        first, last = bisect_right(borders, start) - 1, bisect_right(borders, start + us * 1000) - 1
        for index in range(first, min(last, count - 1) + 1):
            reaching[index][row] = 1
    return [between(chosen_rows(runs, rows), *border) for rows, border in zip(reaching, pairwise(borders), strict=True)]


def _same_functions(profile: Profile) -> tuple[array[int], list[FunctionKey]]:
    """Return for each frame the first one of the same function, and each frame's function."""
    first: dict[FunctionKey, int] = {}
    same_as, keys = array("I"), []
    for frame_id in range(len(profile.tables.frames)):
        frame = profile.frame(frame_id)
        key = _key(frame.name, frame.file, frame.short_file, profile)
        same_as.append(first.setdefault(key, frame_id))
        keys.append(key)
    return same_as, keys


def _key(name: str, file: str, short_file: str, profile: Profile) -> FunctionKey:
    return name, "a cell" if is_cell_file(file, profile.labels) else short_file


def _shown_place(profile: Profile, frame_id: int) -> tuple[str, int]:
    frame = profile.frame(frame_id)
    return frame.short_file, frame.first_line
