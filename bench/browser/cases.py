"""The explorer in Chromium: what it takes to load a profile, to move about in it, and to follow a live one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from bench.browser import viewers
from bench.browser.drive import explorer, heap_mb, thread_cpu_ms
from bench.browser.made_up import Shape, deep_stream, head, hour, parents, samples, stream, texts_and_nodes
from bench.case import Case, NotMeasured, Row, Settings, Tally

if TYPE_CHECKING:
    from playwright.sync_api import Page

WHO: Final = "nbspy"
FRAMES: Final = 120
MOVES: Final = ("zoom", "pan", "scroll", "hover", "thread", "brush", "typing")
QUERIES: Final = ("merge_tree", "render_path", "m")
SIZES: Final = ((100_000, 1_000_000), (1_000_000, 10_000_000))
DELTA_TICKS: Final = 20
"""Samples of each thread in a delta: five deltas a second at 100 Hz."""
_DELTAS: Final = "([ends, every, pause]) => bench.deltas(ends, every, pause)"
HOUR_S: Final = 3600
HOUR_DELTAS: Final = 36_000


def cases(settings: Settings) -> Iterator[Case]:
    for nodes, count in SIZES[:1] if settings.quick else SIZES:
        name = f"browser: {nodes:,} nodes, {count:,} samples"
        seconds = settings.repeat * (50 + count / 250_000)
        yield Case(name, seconds, partial(_repeated, settings, partial(large, nodes, count)))
    yield Case("browser: live", settings.repeat * 25, partial(_repeated, settings, partial(live, 200, 60)))
    if settings.quick:
        return
    yield Case("browser: an hour live", 150, lambda: hour_live(HOUR_S, HOUR_DELTAS))
    yield Case("browser: deep", settings.repeat * 15, partial(_repeated, settings, partial(deep, 10_000)))
    for nodes in viewers.SIZES:
        yield Case(
            f"browser: other viewers, {nodes:,} nodes", 40 + nodes / 10_000, partial(viewers.rows, settings, nodes)
        )
    yield Case("browser: largest profile", 800, partial(viewers.largest, settings))


def _repeated(settings: Settings, measure: partial[Iterator[tuple[str, str, float]]]) -> list[Row]:
    tally = Tally(settings.keep)
    for _ in range(settings.repeat):
        for figure, unit, value in measure():
            tally.add(f"explorer, {figure}", WHO, unit, value)
    return tally.rows()


def large(nodes: int, count: int) -> Iterator[tuple[str, str, float]]:
    """Yield what it takes to load a large profile, and to move about in it."""
    which = f"{nodes:,} nodes, {count:,} samples"
    content = {"/stream": stream(Shape(nodes, count))}
    with explorer(content, capped=True) as page:
        yield from _load(page, which, count)
    with explorer(content) as page:
        page.evaluate("() => bench.fetch('/stream')")
        page.evaluate("() => bench.load()")
        page.evaluate("() => bench.rested()")
        switched = page.evaluate("() => bench.granularity()")
        yield f"{which}: switch to lines", "ms", switched["shown"]
        yield f"{which}: switch to lines, longest frame", "ms", switched["longest"]
        page.evaluate("() => bench.granularity()")
        page.evaluate("() => bench.rested()")
        for text in QUERIES:
            found = page.evaluate("text => bench.search(text)", text)
            yield f"{which}: search for {text}", "ms", found["painted"]
        page.evaluate("() => bench.search('')")
        for move in MOVES:
            yield from _move(page, which, move)


def _load(page: Page, which: str, count: int) -> Iterator[tuple[str, str, float]]:
    page.evaluate("() => bench.fetch('/stream')")
    page.evaluate("() => bench.cut()")
    held, begun = heap_mb(page), thread_cpu_ms(page)
    loaded = page.evaluate("() => bench.load()")
    spent = thread_cpu_ms(page)["page"] - begun["page"]
    if loaded["samples"] != count or loaded["state"] != "ended":
        raise NotMeasured(f"the explorer shows {loaded['samples']:,} of {count:,} samples ({loaded['state']})")
    yield f"{which}: first picture", "ms", loaded["first"]
    yield f"{which}: on the screen", "ms", loaded["all"]
    yield f"{which}: processor time of loading", "ms", spent
    # What came is kept as it came, to be saved: it was in the page before, too.
    yield f"{which}: memory beside the recording", "MB", heap_mb(page) - held
    yield f"{which}: recording", "MB", loaded["bytes"] / 1e6


def _move(page: Page, which: str, move: str) -> Iterator[tuple[str, str, float]]:
    begun = thread_cpu_ms(page)
    frames = page.evaluate("([name, count]) => bench.frames(name, count)", [move, FRAMES])
    spent = thread_cpu_ms(page)
    yield f"{which}: {move}, frame p95", "ms", frames["p95"]
    yield f"{which}: {move}, script of a frame p95", "ms", frames["script"]
    yield f"{which}: {move}, processor time of the page a frame", "ms", (spent["page"] - begun["page"]) / FRAMES
    yield f"{which}: {move}, of drawing beside it", "ms", (spent["drawing"] - begun["drawing"]) / FRAMES
    page.evaluate("() => bench.rested()")


def live(threads: int, deltas: int) -> Iterator[tuple[str, str, float]]:
    """Yield what a delta costs when every thread has another stack at every tick."""
    which = f"live, {threads} threads, all of them busy"
    shape = Shape(5000, threads * DELTA_TICKS * deltas, threads)
    pieces = [head(threads) + b"".join(texts_and_nodes(parents(shape)))]
    for delta in range(deltas):
        part = Shape(shape.nodes, threads * DELTA_TICKS, threads, seed=delta)
        pieces.append(b"".join(samples(part, delta * DELTA_TICKS * 10_000)))
    with explorer({"/stream": b"".join(pieces)}, capped=True) as page:
        page.evaluate("() => bench.fetch('/stream')")
        begun = thread_cpu_ms(page)
        costs = page.evaluate(_DELTAS, [_ends(pieces), 1, 200])
        spent = thread_cpu_ms(page)
    for what, name in (("taken", "taking a delta"), ("frames", "drawing it")):
        yield f"{which}: {name}, median", "ms", _quantile(costs[what][1:], 0.5)
        yield f"{which}: {name}, p95", "ms", _quantile(costs[what][1:], 0.95)
    yield f"{which}: processor time of the page a delta", "ms", (spent["page"] - begun["page"]) / deltas


def hour_live(seconds: int, deltas: int) -> list[Row]:
    """Return what deltas and frames cost at the beginning and at the end of an hour, and what it takes in memory.

    50 threads at 100 Hz, four of them busy; ten deltas a second, of which one in fifty is drawn by itself.
    """
    which = "an hour live"
    tally = Tally()
    pieces = list(hour(seconds, deltas))
    ends = _ends(pieces)
    with explorer({"/stream": b"".join(pieces)}) as page:
        page.evaluate("() => bench.fetch('/stream')")
        tenth = len(ends) // 10
        for part, when in ((slice(0, tenth), "first"), (slice(tenth, -tenth), ""), (slice(-tenth, None), "last")):
            costs = page.evaluate(_DELTAS, [ends[part], 50, 60])
            if not when:
                continue
            for what, name in (("taken", "taking a delta"), ("frames", "drawing")):
                for share, word in ((0.5, "median"), (0.95, "p95")):
                    figure = f"explorer, {which}: {name}, {word} of the {when} tenth"
                    tally.add(figure, WHO, "ms", _quantile(costs[what], share))
        page.evaluate("() => { bench.bytes = null; }")
        size = sum(map(len, pieces)) / 1e6
        tally.add(f"explorer, {which}: memory with the recording", WHO, "MB", heap_mb(page))
        tally.add(f"explorer, {which}: recording", WHO, "MB", size, note=f"{deltas:,} deltas")
    first, last = (
        next(row for row in tally.rows() if row.figure.endswith(f"drawing, median of the {when} tenth")).values[0]
        for when in ("first", "last")
    )
    tally.add(f"explorer, {which}: drawing, last tenth over first", WHO, "times", last / first)
    return tally.rows()


def deep(levels: int) -> Iterator[tuple[str, str, float]]:
    """Yield what a stack of very many levels costs."""
    which = f"{levels:,} levels"
    with explorer({"/stream": deep_stream(levels)}) as page:
        page.evaluate("() => bench.fetch('/stream')")
        yield f"{which}: on the screen", "ms", page.evaluate("() => bench.load()")["all"]
        for move in ("scroll", "zoom"):
            yield from _move(page, which, move)


def _ends(pieces: Sequence[bytes]) -> list[int]:
    ends, at = [], 0
    for piece in pieces:
        at += len(piece)
        ends.append(at)
    return ends


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
