"""Call trees as columns, made and walked without recursion: stacks of ten thousand frames are ordinary.

Two orders. *Merged*: one node for each distinct stack, children by total time, widest first. *Call order*: one
node for each unbroken stretch of time in a call, children by time, the threads one after the other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nbspy.model.tables import NO_FRAME, NodeColumns, RunColumns
from nbspy.model.transforms import CELL, THREAD_START


@dataclass(slots=True)
class CallTree:
    """A call tree; row 0 is the root, and a parent's row comes before its children's."""

    parent: array[int]
    frame: array[int]
    """A frame id of the profile (one of those merged into the node); the root has ``NO_FRAME``."""
    self_samples: list[int]
    self_ns: list[int]
    total_samples: list[int]
    total_ns: list[int]
    start_ns: array[int] | None = None
    """Call order only: when the stretch began."""
    thread: array[int] | None = None
    """Call order only: the thread's id."""
    _children: list[list[int]] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.frame)

    def children(self, node: int) -> Sequence[int]:
        """Return the rows of a node's children: widest first, or by time in call order."""
        if self._children is None:
            children: list[list[int]] = [[] for _ in range(len(self))]
            for row in range(1, len(self)):
                children[self.parent[row]].append(row)
            if self.start_ns is None:
                for rows in children:
                    rows.sort(key=lambda row: (-self.total_ns[row], -self.total_samples[row], row))
            self._children = children
        return self._children[node]

    def walk(self) -> Iterator[tuple[int, int]]:
        """Yield (depth, row) in depth-first order; the root has depth 0."""
        pending = [(0, 0)]
        while pending:
            depth, row = pending.pop()
            yield depth, row
            pending.extend((depth + 1, child) for child in reversed(self.children(row)))

    def hottest_path(self, least_share: float = 0.5) -> list[int]:
        """Return the rows from the root's heaviest child downwards, while each has ``least_share`` of its parent."""
        path: list[int] = []
        node = 0
        while rows := self.children(node):
            widest = max(rows, key=lambda row: (self.total_ns[row], self.total_samples[row]))
            if path and self.total_ns[widest] < least_share * self.total_ns[node]:
                break
            path.append(widest)
            node = widest
        return path


@dataclass(frozen=True, slots=True)
class Rules:
    """How the stream's nodes become nodes of the tree; one element a frame."""

    same_as: array[int]
    """The frame that stands for it: frames with the same one are merged."""
    machinery: bytes | None = None
    """CELL where a stack is to begin at its first such frame, THREAD_START where it is to begin after those that it
    begins with; None: stacks stay whole."""


def node_totals(runs: RunColumns, node_count: int) -> tuple[list[int], list[int]]:
    """Return samples and time (ns) per leaf node."""
    samples, weight_us = [0] * node_count, [0] * node_count
    for node, count, weight in zip(runs.node, runs.count, runs.weight_us, strict=True):
        samples[node] += count
        weight_us[node] += weight
    return samples, [us * 1000 for us in weight_us]


def _beginnings(nodes: NodeColumns, length: int, machinery: bytes | None) -> bytearray:
    """Return for each node 1 where it is the first on its stack that is a CELL."""
    first = bytearray(length)
    if machinery is None:
        return first
    begun = bytearray(length)
    for node in range(1, length):
        begun[node] = begun[nodes.parent[node]]
        if machinery[nodes.frame[node]] == CELL and not begun[node]:
            begun[node] = first[node] = 1
    return first


def _starts(nodes: NodeColumns, length: int, machinery: bytes | None) -> bytearray:
    """Return for each node 1 where its stack up to it is nothing but what a thread begins with."""
    starts = bytearray(length)
    if machinery is None:
        return starts
    starts[0] = 1
    for node in range(1, length):
        starts[node] = starts[nodes.parent[node]] and machinery[nodes.frame[node]] == THREAD_START
    return starts


def _used(nodes: NodeColumns, leaf_samples: Sequence[int], first: bytearray) -> bytearray:
    """Return for each node 1 where it is on a stack that was seen, at or above the stack's beginning."""
    used = bytearray(map(bool, leaf_samples))
    parent = nodes.parent
    for node in range(len(used) - 1, 0, -1):
        if used[node] and not first[node]:
            used[parent[node]] = 1
    return used


def merged_tree(nodes: NodeColumns, samples: list[int], weight_ns: list[int], rules: Rules) -> CallTree:
    """Return the merged tree of the leaf totals ``samples`` and ``weight_ns`` (one element a node)."""
    return merged_tree_and_rows(nodes, samples, weight_ns, rules)[0]


def merged_tree_and_rows(
    nodes: NodeColumns, samples: list[int], weight_ns: list[int], rules: Rules
) -> tuple[CallTree, array[int]]:
    """Return the merged tree, and for each node the row that it is part of."""
    parent, frame = array("I", [0]), array("I", [NO_FRAME])
    row_of, rows = _map_nodes(nodes, samples, rules, parent, frame)
    self_samples, self_ns = [0] * rows, [0] * rows
    for node, row in enumerate(row_of):
        self_samples[row] += samples[node]
        self_ns[row] += weight_ns[node]
    total_samples, total_ns = totals_of(parent, self_samples), totals_of(parent, self_ns)
    return CallTree(parent, frame, self_samples, self_ns, total_samples, total_ns), row_of


def _map_nodes(
    nodes: NodeColumns, samples: list[int], rules: Rules, parent: array[int], frame: array[int]
) -> tuple[array[int], int]:
    """Append a row for each distinct stack to ``parent`` and ``frame``; return each node's row, and how many.

    A parent's id is below its children's, so one pass in the order of ids suffices.
    """
    first = _beginnings(nodes, len(samples), rules.machinery)
    starts = _starts(nodes, len(samples), rules.machinery)
    used = _used(nodes, samples, first)
    row_of = array("I", bytes(4 * len(samples)))
    rows: dict[tuple[int, int], int] = {}
    for node in range(1, len(samples)):
        if not used[node] or starts[node]:
            continue
        row_above = 0 if first[node] else row_of[nodes.parent[node]]
        key = (row_above, rules.same_as[nodes.frame[node]])
        row = rows.get(key)
        if row is None:
            row = rows[key] = len(frame)
            parent.append(row_above)
            frame.append(key[1])
        row_of[node] = row
    return row_of, len(frame)


def totals_of(parent: array[int], own: list[int]) -> list[int]:
    """Return for each row its own and all below it; a parent's row comes before its children's."""
    totals = list(own)
    for row in range(len(totals) - 1, 0, -1):
        totals[parent[row]] += totals[row]
    return totals


def stack_of(nodes: NodeColumns, leaf: int) -> list[int]:
    """Return the frame ids of a leaf's stack, root first."""
    stack = []
    while leaf:
        stack.append(nodes.frame[leaf])
        leaf = nodes.parent[leaf]
    stack.reverse()
    return stack


class _CallOrder:
    """Grows the call-order tree of one thread after the other."""

    def __init__(self) -> None:
        self.parent, self.frame = array("I", [0]), array("I", [NO_FRAME])
        self.start_ns, self.thread = array("Q", [0]), array("I", [0])
        self.self_samples, self.self_ns = [0], [0]
        self._open: list[int] = []

    def close(self) -> None:
        """End all calls that are open: what comes next is another thread, or comes after a gap."""
        self._open.clear()

    def add(self, thread: int, start_ns: int, stack: Sequence[int], samples: int, weight_ns: int) -> None:
        open_rows, frame = self._open, self.frame
        same = 0
        for row, its_frame in zip(open_rows, stack, strict=False):
            if frame[row] != its_frame:
                break
            same += 1
        del open_rows[same:]
        for its_frame in stack[same:]:
            self.parent.append(open_rows[-1] if open_rows else 0)
            open_rows.append(len(frame))
            frame.append(its_frame)
            self.start_ns.append(start_ns)
            self.thread.append(thread)
            self.self_samples.append(0)
            self.self_ns.append(0)
        leaf = open_rows[-1] if open_rows else 0
        self.self_samples[leaf] += samples
        self.self_ns[leaf] += weight_ns

    def tree(self) -> CallTree:
        own = self.self_samples, self.self_ns
        sums = totals_of(self.parent, own[0]), totals_of(self.parent, own[1])
        return CallTree(self.parent, self.frame, *own, *sums, self.start_ns, self.thread)


def _cut(stack: Sequence[int], machinery: bytes | None) -> int:
    """Return how many frames at the root of a stack are machinery."""
    if machinery is None:
        return 0
    cell = next((i for i, frame in enumerate(stack) if machinery[frame] == CELL), None)
    starts = next((i for i, frame in enumerate(stack) if machinery[frame] != THREAD_START), len(stack))
    return starts if cell is None else cell


def call_order_tree(nodes: NodeColumns, runs: RunColumns, rules: Rules, gap_ns: int) -> CallTree:
    """Return the tree in call order; a pause of more than ``gap_ns`` in a thread's samples ends its calls."""
    stacks: dict[int, list[int]] = {}

    def stack(leaf: int) -> list[int]:
        known = stacks.get(leaf)
        if known is None:
            whole = stack_of(nodes, leaf)
            known = stacks[leaf] = [rules.same_as[frame] for frame in whole[_cut(whole, rules.machinery) :]]
        return known

    order = sorted(range(len(runs)), key=lambda i: (runs.thread[i], runs.start_ns[i]))
    tree = _CallOrder()
    last_thread, last_end_ns = -1, 0
    for i in order:
        start_ns, weight_ns = runs.start_ns[i], runs.weight_us[i] * 1000
        if runs.thread[i] != last_thread or start_ns > last_end_ns + gap_ns:
            tree.close()
        tree.add(runs.thread[i], start_ns, stack(runs.node[i]), runs.count[i], weight_ns)
        last_thread, last_end_ns = runs.thread[i], start_ns + weight_ns
    return tree.tree()
