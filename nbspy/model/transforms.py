"""Rules that turn the stream's call tree into the one that is shown: which frames are one, and which are hidden.

A rule is a row per frame, made once; :mod:`nbspy.model.call_tree` applies them in one pass over the nodes.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from nbspy.model.tables import FrameColumns, Tables

# ipykernel compiles a cell as DIR/ipykernel_PID/HASH.py; IPython in a terminal as <ipython-input-N-HASH>.
_CELL_FILE: Final = re.compile(r"[/\\]ipykernel_\d+[/\\]\d+\.py$|^<ipython-input-")


def is_cell_file(file: str, labels: Mapping[str, str]) -> bool:
    """Return whether ``file`` is the code of a notebook's cell: labelled so, or named as kernels name cells."""
    return file in labels or _CELL_FILE.search(file) is not None


def by_function(frames: FrameColumns, length: int) -> array[int]:
    """Return for each frame the first frame of the same function: same names, file and first line."""
    return _representatives(
        length,
        lambda i: (frames.name[i], frames.qualname[i], frames.file[i], frames.first_line[i], frames.flags[i]),
    )


def by_line(frames: FrameColumns, length: int) -> array[int]:
    """Return for each frame the first frame of the same function at the same line."""
    return _representatives(
        length,
        lambda i: (
            frames.name[i],
            frames.qualname[i],
            frames.file[i],
            frames.first_line[i],
            frames.flags[i],
            frames.line[i],
        ),
    )


def _representatives(length: int, key: Callable[[int], Hashable]) -> array[int]:
    first: dict[Hashable, int] = {}
    return array("I", [first.setdefault(key(i), i) for i in range(length)])


def cell_frames(tables: Tables, length: int, labels: Mapping[str, str]) -> bytes:
    """Return for each frame 1 where it is code of a notebook's cell, else 0.

    What lies below a cell on the stack (towards the root) is the machinery that runs it: ipykernel, IPython,
    tornado, asyncio, runpy. It is hidden by beginning the stack at its first cell frame; a stack without a cell
    stays whole.
    """
    strings, files = tables.strings, tables.frames.file
    known: dict[int, bool] = {}
    for file in set(files[:length]):
        known[file] = is_cell_file(strings[file], labels)
    return bytes(known[file] for file in files[:length])
