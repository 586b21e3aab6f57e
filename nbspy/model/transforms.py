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


_THREADING_FILE: Final = re.compile(r"(^|[/\\])threading\.py$")
_THREAD_START: Final = re.compile(r"(__?bootstrap(_inner)?|run)$")


def starts_thread(file: str, name: str) -> bool:
    """Return whether a function is one that every thread begins with, before the one that it is for.

    Lib/threading.py of 2.7 to 3.15: ``_bootstrap`` (2.7: ``__bootstrap``), ``_bootstrap_inner``, ``run``.
    """
    return _THREADING_FILE.search(file) is not None and _THREAD_START.match(name) is not None


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


CELL: Final = 1
THREAD_START: Final = 2


def machinery_frames(tables: Tables, length: int, labels: Mapping[str, str]) -> bytes:
    """Return for each frame CELL where it is code of a notebook's cell, THREAD_START where threads begin, else 0.

    What lies below a cell on the stack (towards the root) is the machinery that runs it: ipykernel, IPython,
    tornado, asyncio, runpy. It is hidden by beginning the stack at its first cell frame; a stack without a cell
    loses what every thread begins with, and stays whole otherwise.
    """
    strings, files, names = tables.strings, tables.frames.file, tables.frames.name
    of_file: dict[int, int] = {}
    for file in set(files[:length]):
        text = strings[file]
        of_file[file] = CELL if is_cell_file(text, labels) else THREAD_START if starts_thread(text, "run") else 0
    return bytes(
        THREAD_START * starts_thread(strings[file], strings[name]) if of_file[file] == THREAD_START else of_file[file]
        for file, name in zip(files[:length], names[:length], strict=True)
    )
