"""The merged call tree with frames as they are written: what the options write alike is one node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nbspy.exporters.collapsed import frame_text, roots
from nbspy.model.profile import Stack
from nbspy.model.tables import FrameInfo
from nbspy.options import ContentOptions


@dataclass(slots=True)
class TextTree:
    """Columns, one row a node; row 0 is the root, and a parent's row comes before its children's."""

    parent: list[int] = field(default_factory=lambda: [0])
    text: list[str] = field(default_factory=lambda: ["all"])
    file: list[str] = field(default_factory=lambda: [""])
    """The short file name; "" for a thread's row."""
    samples: list[int] = field(default_factory=lambda: [0])
    """Of the node and all below it."""
    time_ns: list[int] = field(default_factory=lambda: [0])

    def __len__(self) -> int:
        return len(self.text)

    def widths(self) -> list[int]:
        """Return the column that says how wide a row is drawn: its time, or its samples where no time is known."""
        return self.time_ns if self.time_ns[0] else self.samples

    def children(self) -> list[list[int]]:
        """Return the rows of each row's children, the widest first."""
        children: list[list[int]] = [[] for _ in range(len(self))]
        for row in range(1, len(self)):
            children[self.parent[row]].append(row)
        widths = self.widths()
        for rows in children:
            rows.sort(key=lambda row: (-widths[row], self.text[row], row))
        return children


def text_tree(stacks: Iterable[Stack], options: ContentOptions, *, several: bool = False) -> TextTree:
    """Return the tree of ``stacks``, with the thread at the root of each where the options ask for it.

    ``several``: they are of several processes, which are told apart unless the options merge them.
    """
    tree = TextTree()
    rows: dict[tuple[int, str, str], int] = {}
    texts: dict[FrameInfo, str] = {}
    for stack in stacks:
        labels = [(text, "") for text in roots(stack.thread, options, several=several)]
        for frame in stack.frames:
            if frame not in texts:
                texts[frame] = frame_text(frame, options)
            labels.append((texts[frame], frame.short_file))
        row = 0
        for text, file in labels:
            key = (row, text, file)
            if key not in rows:
                rows[key] = len(tree)
                tree.parent.append(row)
                tree.text.append(text)
                tree.file.append(file)
                tree.samples.append(0)
                tree.time_ns.append(0)
            row = rows[key]
        tree.samples[row] += stack.count
        tree.time_ns[row] += stack.weight_ns
    for row in range(len(tree) - 1, 0, -1):
        tree.samples[tree.parent[row]] += tree.samples[row]
        tree.time_ns[tree.parent[row]] += tree.time_ns[row]
    return tree
