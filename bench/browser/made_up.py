"""Profiles of programs that never ran, as large as wanted, as streams and in the forms that other viewers read.

Columns are made by numpy: ten million samples take a second. Everything follows from a seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nbspy import wire

ROWS_A_RECORD = 100_000
STATES = np.array([0, 1, 3, 3, 3, 4], dtype=np.uint8)
"""Idle, running, three times holding the GIL, waiting for it."""
Ids: TypeAlias = "NDArray[np.uint32]"


@dataclass(frozen=True)
class Shape:
    """How large a profile is."""

    nodes: int
    samples: int
    threads: int = 16
    chain: int = 20
    """Nodes that follow each other without a branch."""
    seed: int = 1


def parents(shape: Shape) -> Ids:
    """Return the parent of each node from 1 on: chains that hang on nodes of earlier chains."""
    chance = np.random.default_rng(shape.seed)
    nodes = np.arange(1, shape.nodes + 1, dtype=np.int64)
    parent = nodes - 1
    heads = np.arange(0, shape.nodes, shape.chain)
    earlier = (heads // shape.chain) // 6 * shape.chain
    parent[heads] = np.where(heads == 0, 0, earlier + chance.integers(0, shape.chain, len(heads)) + 1)
    parent[heads] = np.minimum(parent[heads], heads)
    ids: Ids = parent.astype(np.uint32)
    return ids


def name(node: int) -> str:
    """Return the name of the function that a node of its own stands for."""
    return f"{_VERBS[node % 13]}_{_NOUNS[node % 17]}_{node}"


_VERBS = (
    "load",
    "parse",
    "decode",
    "fold",
    "merge",
    "render",
    "read",
    "write",
    "check",
    "encode",
    "hash",
    "sort",
    "go",
)
_NOUNS = (
    *("order", "batch", "frame", "tree", "table", "page", "record", "image", "index"),
    *("token", "row", "cell", "node", "user", "path", "query", "state"),
)


def _u32(values: NDArray[Any] | list[int]) -> bytes:
    column: bytes = np.asarray(values, dtype="<u4").tobytes()
    return column


def head(threads: int, sequence: int = 1) -> bytes:
    """Return the beginning of a stream: what was sampled, and its threads."""
    hello = wire.Hello(
        sequence,
        format=wire.FORMAT_VERSION,
        nbspy_version="0.1.0",
        pid=4242,
        command_line="python serve.py",
        python_version="3.13.0",
        free_threaded=False,
        interval_ns=10_000_000,
        clock_origin_ns=1,
        started_unix_ns=1_790_000_000_000_000_000,
        blocking=True,
    )
    rows = [wire.ThreadRow(i, 0, 4242 + i, 0x7F00_0000_0000 + 4096 * i, f"worker-{i}", 0) for i in range(threads)]
    process = wire.Processes(sequence + 1, [wire.ProcessRow(0, 4242, 1, "python serve.py")])
    return wire.MAGIC + b"".join(map(wire.encode, (hello, process, wire.Threads(sequence + 2, rows))))


def texts_and_nodes(parent: Ids, sequence: int = 10) -> Iterator[bytes]:
    """Yield the records of strings, frames and nodes: a function for each node, 500 functions a file."""
    count = len(parent)
    files = count // 500 + 1
    strings = [
        "",
        *(f"/srv/app/part_{i % 37}/module_{i}.py" for i in range(files)),
        *(f"module_{i}" for i in range(files)),
    ]
    base = len(strings)
    strings += [name(node) for node in range(1, count + 1)]
    for first in range(0, len(strings), 10_000):
        yield wire.encode(wire.Strings(sequence, first, strings[first : first + 10_000]))
    for first in range(0, count, 50_000):
        frame = np.arange(first, min(first + 50_000, count))
        file = frame // 500 + 1
        line = frame % 500 * 10 + 1
        name_id, file_id, module_id = _u32(base + frame), _u32(file), _u32(file + files)
        places = (name_id, name_id, file_id, file_id, module_id, _u32(line + 3), _u32(line))
        yield wire.encode(wire.Frames(sequence, first, *places, bytes(len(frame))))
        yield wire.encode(wire.Nodes(sequence, first + 1, _u32(parent[frame]), _u32(frame)))


def samples(shape: Shape, start_us: int = 0) -> Iterator[bytes]:
    """Yield the records of samples: each its own run, the hardest case; threads take turns, 10 ms a sample."""
    chance = np.random.default_rng(shape.seed + 1)
    for first in range(0, shape.samples, ROWS_A_RECORD):
        rows = np.arange(min(ROWS_A_RECORD, shape.samples - first))
        start = rows // shape.threads * 10_000
        node = chance.integers(1, shape.nodes + 1, len(rows), dtype=np.uint32)
        columns = (
            _u32(start),
            _u32(rows % shape.threads),
            _u32(node),
            chance.choice(STATES, len(rows)).tobytes(),
            _u32(np.ones(len(rows))),
            _u32(np.full(len(rows), 10_000)),
        )
        base = start_us + first // shape.threads * 10_000
        yield wire.encode(wire.Samples(100 + first, base * 1000, *columns))


def stream(shape: Shape) -> bytes:
    """Return a whole profile."""
    end = wire.encode(wire.End(1 << 30, shape.samples // shape.threads * 10_000_000, "stopped", "", "", ""))
    return b"".join([head(shape.threads), *texts_and_nodes(parents(shape)), *samples(shape), end])


def deep_stream(levels: int) -> bytes:
    """Return a profile of one stack of ``levels`` frames, and of 200 more that leave it at some depth."""
    parent = np.concatenate([np.arange(levels), np.linspace(1, levels, 200)]).astype(np.uint32)
    shape = Shape(len(parent), 20_000, threads=1)
    end = wire.encode(wire.End(1 << 30, shape.samples * 10_000_000, "stopped", "", "", ""))
    return b"".join([head(1), *texts_and_nodes(parent), *samples(shape), end])


HOUR_THREADS = 50
HOUR_BUSY = 4


def hour(seconds: int, deltas: int) -> Iterator[bytes]:
    """Yield the beginning of a live session at 100 Hz, then its deltas: four threads change their stack at each sample,
    the others stand still and are told with each delta. There are 20,000 nodes.
    """
    shape = Shape(20_000, 0, HOUR_THREADS)
    chance = np.random.default_rng(shape.seed)
    yield head(HOUR_THREADS) + b"".join(texts_and_nodes(parents(shape)))
    delta_us = seconds * 1_000_000 // deltas
    ticks = max(1, delta_us // 10_000)
    moved, still = HOUR_BUSY * ticks, HOUR_THREADS - HOUR_BUSY
    start = np.concatenate([np.repeat(np.arange(ticks) * 10_000, HOUR_BUSY), np.zeros(still, int)])
    thread = np.concatenate([np.tile(np.arange(HOUR_BUSY), ticks), np.arange(HOUR_BUSY, HOUR_THREADS)])
    count = np.concatenate([np.ones(moved, int), np.full(still, ticks)])
    state = bytes([3] * moved + [0] * still)
    leaves = chance.integers(1, shape.nodes + 1, (deltas, moved), dtype=np.uint32)
    resting = np.arange(1, still + 1, dtype=np.uint32)
    fixed = [_u32(column) for column in (start, thread, count, count * 10_000)]
    for delta in range(deltas):
        node = _u32(np.concatenate([leaves[delta], resting]))
        columns = (fixed[0], fixed[1], node, state, fixed[2], fixed[3])
        yield wire.encode(wire.Samples(100 + delta, delta * delta_us * 1000, *columns))


@dataclass(frozen=True)
class Totals:
    """A profile as a tree with weights, for viewers that read trees; node 0 is the root."""

    parent: Ids
    self_samples: NDArray[np.int64]
    samples: NDArray[np.int64]


def totals(shape: Shape) -> Totals:
    """Return the tree of a profile of that shape, with one sample a node at least."""
    parent = np.concatenate([np.zeros(1, np.uint32), parents(shape)])
    chance = np.random.default_rng(shape.seed + 1)
    own = np.bincount(chance.integers(1, shape.nodes + 1, shape.samples), minlength=shape.nodes + 1)
    total = own.copy()
    for node in range(shape.nodes, 0, -1):
        total[parent[node]] += total[node]
    return Totals(parent, own, total)


def speedscope_json(tree: Totals) -> str:
    """Return the profile in speedscope's own format: for each node a call that begins and ends.

    A weighted stack for each node says the same, but a million of them are longer than a browser's string may be.
    """
    children = _children(tree)
    frames = [{"name": name(node), "file": f"module_{node // 500}.py"} for node in range(1, len(tree.parent))]
    events: list[str] = []
    open_at = np.zeros(len(tree.parent), np.int64)
    waiting = [~child for child in reversed(children[0])]
    at = int(tree.self_samples[0])
    while waiting:
        node = waiting.pop()
        if node >= 0:
            at = int(open_at[node] + tree.samples[node])
            events.append(f'{{"type":"C","frame":{node - 1},"at":{at}}}')
            continue
        node = ~node
        if not tree.samples[node]:
            continue
        open_at[node] = at
        events.append(f'{{"type":"O","frame":{node - 1},"at":{at}}}')
        at += int(tree.self_samples[node])
        waiting.append(node)
        waiting.extend(~child for child in reversed(children[node]))
    schema = "https://www.speedscope.app/file-format-schema.json"
    head = json.dumps({"$schema": schema, "shared": {"frames": frames}})[:-1]
    whole = f'"name":"made up","unit":"none","startValue":0,"endValue":{int(tree.samples[0])}'
    return f'{head},"profiles":[{{"type":"evented",{whole},"events":[{",".join(events)}]}}]}}'


def _children(tree: Totals) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in tree.parent]
    for node in range(1, len(tree.parent)):
        children[tree.parent[node]].append(node)
    return children


def nested_json(tree: Totals) -> str:
    """Return the profile as nested objects of name, value and children, as d3-flame-graph reads it."""
    parts: list[str] = []
    children = _children(tree)
    waiting: list[int | str] = [0]
    while waiting:
        at = waiting.pop()
        if isinstance(at, str):
            parts.append(at)
            continue
        parts.append(f'{{"name":"{name(at)}","value":{tree.samples[at]},"children":[')
        waiting.append("]}")
        for position, child in enumerate(children[at]):
            if position:
                waiting.append(",")
            waiting.append(child)
    return "".join(parts)


def icicle_json(tree: Totals) -> str:
    """Return the arrays that plotly's icicle reads."""
    nodes = range(len(tree.parent))
    return json.dumps(
        {
            "ids": [str(node) for node in nodes],
            "labels": [name(node) for node in nodes],
            "parents": ["" if node == 0 else str(tree.parent[node]) for node in nodes],
            "values": [int(value) for value in tree.samples],
        }
    )
