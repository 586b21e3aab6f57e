"""Processes told apart: each stack begins with a frame for its process."""

from __future__ import annotations

from array import array
from dataclasses import fields, replace
from typing import Final

from nbspy.model.tables import FrameColumns, NodeColumns, ProcessInfo, RunColumns, Tables
from nbspy.plain_text import printable
from nbspy.wire import FrameFlag

SHOWN_COMMAND: Final = 120
"""Characters of a command line in a frame."""


def process_text(process: ProcessInfo) -> str:
    """Return what the frame of a process is called: its pid and the beginning of its command line."""
    command = printable(process.command_line, SHOWN_COMMAND)
    return f"process {process.pid}: {command}" if command else f"process {process.pid}"


def with_process_frames(
    tables: Tables, runs: RunColumns, process_of_thread: list[ProcessInfo]
) -> tuple[Tables, RunColumns]:
    """Return tables and runs in which each run's stack has the frame of its thread's process at its root.

    ``process_of_thread`` has one element a thread. Equal stacks of several processes become several nodes.
    """
    frames = FrameColumns(*(getattr(tables.frames, field.name)[:] for field in fields(FrameColumns)))
    strings = list(tables.strings)
    nodes = NodeColumns()
    known: dict[tuple[int, int], int] = {}
    parent, frame = tables.nodes.parent, tables.nodes.frame

    def add(above: int, frame_id: int) -> int:
        nodes.parent.append(above)
        nodes.frame.append(frame_id)
        return len(nodes) - 1

    def root_of(process: ProcessInfo) -> int:
        strings.append(process_text(process))
        name = len(strings) - 1
        for column, value in zip(_columns(frames), (name, name, 0, 0, 0, 0, 0, FrameFlag.SYNTHETIC), strict=True):
            column.append(value)
        return add(0, len(frames) - 1)

    def mapped(process: ProcessInfo, node: int) -> int:
        path = []
        while (process.id, node) not in known:
            path.append(node)
            if not node:
                break
            node = parent[node]
        for one in reversed(path):
            above = known[process.id, parent[one]] if one else 0
            known[process.id, one] = add(above, frame[one]) if one else root_of(process)
        return known[process.id, path[0] if path else node]

    moved = array("I", [mapped(process_of_thread[t], n) for t, n in zip(runs.thread, runs.node, strict=True)])
    return Tables(strings, frames, nodes), replace(runs, node=moved)


def _columns(frames: FrameColumns) -> list[array[int]]:
    return [getattr(frames, field.name) for field in fields(FrameColumns)]
