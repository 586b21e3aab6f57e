"""Measure the explorer in Chromium: load, frames, search, live deltas, memory; ``python -m bench.browser --quick``."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from bench.browser.drive import explorer, heap_mb
from bench.browser.made_up import Shape, deep_stream, head, parents, samples, stream, texts_and_nodes

GOAL_LOAD_MS = 3000
GOAL_FRAME_MS = 16
GOAL_SEARCH_MS = 100
GOAL_DELTA_MS = 2
DELTA_TICKS = 20
"""Samples of each thread in a delta: five deltas a second at 100 Hz."""


@dataclass(frozen=True)
class Figure:
    """One measured figure."""

    profile: str
    what: str
    value: float
    unit: str
    goal: float | None = None


def large(nodes: int, count: int) -> Iterator[Figure]:
    """Yield what it takes to load a large profile, and to move about in it."""
    which = f"{nodes:,} nodes, {count:,} samples"
    with explorer({"/stream": stream(Shape(nodes, count))}) as page:
        size = page.evaluate("() => bench.fetch('/stream')")
        before = heap_mb(page)
        loaded = page.evaluate("() => bench.load()")
        if loaded["samples"] != count or loaded["state"] != "ended":
            raise RuntimeError(f"the explorer shows {loaded['samples']} of {count} samples ({loaded['state']})")
        yield Figure(which, "stream", size / 1e6, "MB")
        yield Figure(which, "first picture", loaded["first"], "ms")
        yield Figure(which, "all of it on the screen", loaded["all"], "ms", GOAL_LOAD_MS)
        yield Figure(which, "memory", heap_mb(page) - before, "MB")
        for text in ("merge", "render_path"):
            found = page.evaluate("text => bench.search(text)", text)
            yield Figure(which, f"search for {text}", found["handled"], "ms", GOAL_SEARCH_MS)
        page.evaluate("() => bench.search('')")
        for action in ("zoom", "pan", "scroll", "hover", "thread", "brush", "typing"):
            frames = page.evaluate("([name, count]) => bench.frames(name, count)", [action, 120])
            yield Figure(which, f"{action}: frame, p95", frames["p95"], "ms", GOAL_FRAME_MS)


def live(threads: int, deltas: int) -> Iterator[Figure]:
    """Yield what a delta costs when every thread has another stack at every tick, at the beginning and at the end."""
    which = f"live, {threads} threads, all of them busy"
    shape = Shape(5000, threads * DELTA_TICKS * deltas, threads)
    begin = head(threads) + b"".join(texts_and_nodes(parents(shape)))
    pieces = [begin]
    for delta in range(deltas):
        part = Shape(shape.nodes, threads * DELTA_TICKS, threads, seed=delta)
        pieces.append(b"".join(samples(part, delta * DELTA_TICKS * 10_000)))
    ends, at = [], 0
    for piece in pieces:
        at += len(piece)
        ends.append(at)
    with explorer({"/stream": b"".join(pieces)}) as page:
        page.evaluate("() => bench.fetch('/stream')")
        costs = page.evaluate("ends => bench.deltas(ends)", ends)
        fifth = max(1, deltas // 5)
        for when, part in (("the first fifth", slice(1, 1 + fifth)), ("the last fifth", slice(-fifth, None))):
            for what in ("taken", "frames"):
                values = sorted(costs[what][part])
                name = "taking it in" if what == "taken" else "its frame"
                goal = GOAL_DELTA_MS if what == "taken" else GOAL_FRAME_MS
                yield Figure(which, f"delta, {name}, median of {when}", values[len(values) // 2], "ms", goal)


def deep(levels: int) -> Iterator[Figure]:
    """Yield what a stack of very many levels costs."""
    which = f"{levels:,} levels"
    with explorer({"/stream": deep_stream(levels)}) as page:
        page.evaluate("() => bench.fetch('/stream')")
        yield Figure(which, "all of it on the screen", page.evaluate("() => bench.load()")["all"], "ms", GOAL_LOAD_MS)
        for action in ("scroll", "zoom"):
            frames = page.evaluate("([name, count]) => bench.frames(name, count)", [action, 120])
            yield Figure(which, f"{action}: frame, p95", frames["p95"], "ms", GOAL_FRAME_MS)


def table(figures: list[Figure]) -> Table:
    view = Table(title="the explorer in Chromium", title_justify="left")
    for name in ("profile", "figure"):
        view.add_column(name)
    for name in ("measured", "goal"):
        view.add_column(name, justify="right")
    for figure in figures:
        goal = "" if figure.goal is None else f"{figure.goal:g} {figure.unit}"
        view.add_row(figure.profile, figure.what, f"{figure.value:,.1f} {figure.unit}", goal)
    return view


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.browser", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--only", choices=("large", "live", "deep"), help="one part of it")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    figures: list[Figure] = []
    if options.only in (None, "large"):
        figures += large(1_000_000 // part, 10_000_000 // part)
    if options.only in (None, "live"):
        figures += live(200, 300 // part)
    if options.only in (None, "deep"):
        figures += deep(10_000 // part)
    if options.json:
        machine = {"system": platform.platform(), "processors": os.cpu_count(), "load": os.getloadavg()[0]}
        print(json.dumps({"machine": machine, "figures": [asdict(figure) for figure in figures]}, indent=1))
    else:
        Console().print(table(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
