"""Other shapes of a call tree: what is in focus, hidden, dropped, collapsed; and trees upside down.

The explorer does the same in the browser (``js/src/model/shape.ts``, ``invert.ts``); golden files hold both to one.
A :class:`Shape` applies to each stack from its root, in this order: what runs a notebook's cell is left out; the stack
begins at the function in focus, or is left out; a dropped function takes its stacks along; below a collapsed function
all time is its own; a hidden function's time is its caller's; a collapsed package's frames are one; and recursion leads
back to the function's first frame.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from nbspy.model.call_tree import CallTree, totals_of
from nbspy.model.tables import NO_FRAME, FrameInfo

FrameTest = Callable[[FrameInfo], bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """Which frames the stacks show. Functions are named by their qualified or plain name."""

    focus: Sequence[str] = ()
    """Stacks begin at the first of these, then at the next one on the way, ...; those without them are left out."""
    hide: Sequence[str] = ()
    drop: Sequence[str] = ()
    collapse: Sequence[str] = ()
    packages: Sequence[str] = ()
    """First components of module names."""
    recursion: bool = False
    """Whether recursion is folded."""


@dataclass(slots=True)
class _Growing:
    """A tree that is being made: one row a distinct stack."""

    parent: array[int] = field(default_factory=lambda: array("I", [0]))
    frame: array[int] = field(default_factory=lambda: array("I", [NO_FRAME]))
    self_samples: list[int] = field(default_factory=lambda: [0])
    self_ns: list[int] = field(default_factory=lambda: [0])
    package: list[str] = field(default_factory=lambda: [""])
    """Of a row that stands for a whole package: its name; else ""."""
    _rows: dict[tuple[int, int, str], int] = field(default_factory=dict)

    def child(self, parent: int, frame: int, package: str = "") -> int:
        """Return the row below ``parent`` for ``frame``, or for a package, whichever of its frames is met first."""
        key = (parent, NO_FRAME if package else frame, package)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self.frame)
            self.parent.append(parent)
            self.frame.append(frame)
            self.self_samples.append(0)
            self.self_ns.append(0)
            self.package.append(package)
        return row

    def add(self, row: int, samples: int, weight_ns: int) -> None:
        self.self_samples[row] += samples
        self.self_ns[row] += weight_ns

    def tree(self) -> CallTree:
        sums = totals_of(self.parent, self.self_samples), totals_of(self.parent, self.self_ns)
        return CallTree(self.parent, self.frame, self.self_samples, self.self_ns, *sums)


def shaped(tree: CallTree, frame: Callable[[int], FrameInfo], shape: Shape) -> CallTree:
    """Return a merged tree in another shape. ``frame`` looks up a frame's names, as ``Profile.frame`` does.

    A row of a collapsed package holds one of the package's frames. The machinery of a notebook is left out by
    ``Profile.call_tree(hide_machinery=True)`` beforehand.
    """
    return _Shaping(tree, frame, shape).run()


class _Shaping:
    def __init__(self, tree: CallTree, frame: Callable[[int], FrameInfo], shape: Shape) -> None:
        self._tree, self._shape = tree, shape
        self._out = _Growing()
        self._infos = {one: frame(one) for one in set(tree.frame) if one != NO_FRAME}

    def run(self) -> CallTree:
        tree, wanted = self._tree, len(self._shape.focus)
        length = len(tree)
        # Of each row: the row that it becomes (-1: none), how many functions in focus were passed, whether it is
        # inside a collapsed one.
        place, passed, stuck = [-1 if wanted else 0] * length, [0] * length, bytearray(length)
        dropped = bytearray(length)
        for row in range(length):
            if row:
                parent = tree.parent[row]
                passed[row], dropped[row], stuck[row] = passed[parent], dropped[parent], stuck[parent]
                place[row] = self._place(row, place, passed, dropped, stuck)
            if place[row] >= 0:
                self._out.add(place[row], tree.self_samples[row], tree.self_ns[row])
        return self._out.tree()

    def _place(self, row: int, place: list[int], passed: list[int], dropped: bytearray, stuck: bytearray) -> int:
        shape, info = self._shape, self._infos[self._tree.frame[row]]
        above = place[self._tree.parent[row]]
        if passed[row] < len(shape.focus):
            while passed[row] < len(shape.focus) and is_called(info, shape.focus[passed[row]]):
                passed[row] += 1
            if passed[row] < len(shape.focus):
                return -1
            above = 0
        if dropped[row] or _any_called(info, shape.drop):
            dropped[row] = 1
            return -1
        inside = stuck[row]
        if _any_called(info, shape.collapse):
            stuck[row] = 1
        return above if inside or _any_called(info, shape.hide) else self._child(above, row, info)

    def _child(self, above: int, row: int, info: FrameInfo) -> int:
        out, frame = self._out, self._tree.frame[row]
        package = package_of(info) if package_of(info) in self._shape.packages else ""
        if package and above and out.package[above] == package:
            return above
        at = above if self._shape.recursion else 0
        while at:
            if out.package[at] == package and (package or out.frame[at] == frame):
                return at
            at = out.parent[at]
        return out.child(above, frame, package)


def is_called(info: FrameInfo, name: str) -> bool:
    """Return whether ``name`` is the qualified name of a frame's function, or the last part of it."""
    return name in (info.name, info.name.rpartition(".")[2])


def _any_called(info: FrameInfo, names: Iterable[str]) -> bool:
    return any(is_called(info, name) for name in names)


def package_of(info: FrameInfo) -> str:
    return info.module.partition(".")[0] or info.short_file


def inverted(tree: CallTree) -> CallTree:
    """Return a merged tree upside down: below the root the functions in which time was spent, below them their callers.

    Own time of a row is that of stacks which begin there: nobody called it.
    """
    seeds = [(row, tree.self_samples[row], tree.self_ns[row]) for row in range(len(tree))]
    return _upwards(tree, [seed for seed in seeds if seed[1] or seed[2]])


def callers(tree: CallTree, wanted: Callable[[int], bool]) -> CallTree:
    """Return the callers of a function, upside down; ``wanted`` tells its frames. A stack counts once."""
    return _upwards(tree, [(row, tree.total_samples[row], tree.total_ns[row]) for row in _outermost(tree, wanted)])


def callees(tree: CallTree, wanted: Callable[[int], bool]) -> CallTree:
    """Return what a function calls: the parts of the tree from its outermost frames down, merged."""
    out = _Growing()
    place = [0] * len(tree)
    for row in range(1, len(tree)):
        above = place[tree.parent[row]]
        if above or wanted(tree.frame[row]):
            place[row] = out.child(above, tree.frame[row])
            out.add(place[row], tree.self_samples[row], tree.self_ns[row])
    return out.tree()


def _outermost(tree: CallTree, wanted: Callable[[int], bool]) -> list[int]:
    inside, rows = bytearray(len(tree)), []
    for row in range(1, len(tree)):
        inside[row] = inside[tree.parent[row]]
        if not inside[row] and wanted(tree.frame[row]):
            inside[row] = 1
            rows.append(row)
    return rows


def _upwards(tree: CallTree, seeds: Iterable[tuple[int, int, int]]) -> CallTree:
    out = _Growing()
    for row, samples, weight_ns in seeds:
        at, place = row, 0
        while at:
            place = out.child(place, tree.frame[at])
            at = tree.parent[at]
        out.add(place, samples, weight_ns)
    return out.tree()
