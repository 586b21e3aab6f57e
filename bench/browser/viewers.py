"""The same profiles in other viewers: speedscope, d3-flame-graph, plotly's icicle; ``python -m bench.browser.viewers``.

``npm ci`` in this folder brings them. Sizes grow tenfold until a viewer fails or takes longer than its patience.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.browser import made_up
from bench.browser.drive import chromium_page, explorer, served
from bench.browser.made_up import Shape, Totals

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
PATIENCE_MS = 60_000
FRAMES = 120
SIZES = (1_000, 10_000, 100_000, 1_000_000)
_HEAD = '<!doctype html><meta charset="utf-8"><body style="margin:0"><div id="output"></div>'
_SCRIPTS = {
    "d3-flame-graph": ("d3/dist/d3.min.js", "d3-flame-graph/dist/d3-flamegraph.min.js"),
    "plotly icicle": ("plotly.js-dist-min/plotly.min.js",),
}
_WRITERS: dict[str, Callable[[Totals], str]] = {
    "d3-flame-graph": made_up.nested_json,
    "plotly icicle": made_up.icicle_json,
    "speedscope": made_up.speedscope_json,
}
Measured = tuple[float, float] | str
"""ms to the first picture and the p95 of frames in ms; or why there is none."""


def viewer_files(viewer: str, profile: bytes) -> tuple[str, dict[str, bytes]]:
    """Return the path to open and the files to serve."""
    files = {"/profile.json": profile, "/viewers.js": (HERE / "viewers.js").read_bytes()}
    if viewer == "speedscope":
        release = MODULES / "speedscope" / "dist" / "release"
        files |= {f"/{file.name}": file.read_bytes() for file in release.iterdir() if file.is_file()}
        return "/index.html#profileURL=/profile.json&title=profile", files
    scripts = _SCRIPTS[viewer]
    files |= {f"/{name}": (MODULES / name).read_bytes() for name in scripts}
    page = _HEAD + "".join(f'<script src="/{name}"></script>' for name in (*scripts, "viewers.js"))
    return "/page.html", files | {"/page.html": page.encode()}


def measure(viewer: str, nodes: int) -> Measured:
    """Measure one viewer with one size."""
    from playwright.sync_api import Error

    shape = Shape(nodes, 10 * nodes)
    try:
        if viewer == "nbspy":
            with explorer({"/stream": made_up.stream(shape)}) as page:
                page.evaluate("() => bench.fetch('/stream')")
                loaded = page.evaluate("() => bench.load()")
                return loaded["all"], page.evaluate("count => bench.frames('zoom', count)", FRAMES)["p95"]
        path, files = viewer_files(viewer, _WRITERS[viewer](made_up.totals(shape)).encode())
        with served(files) as address, chromium_page() as page:
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address + path, wait_until="commit")
            if viewer == "speedscope":
                page.wait_for_load_state("domcontentloaded")
                page.add_script_tag(url="/viewers.js")
            else:
                page.wait_for_function("() => window.measure")
            script = """([name, count, patience]) => Promise.race([measure(name, count),
                new Promise((_, no) => setTimeout(no, patience, new Error('no picture in time')))])"""
            result = page.evaluate(script, [viewer, FRAMES, PATIENCE_MS])
            return float(result["picture"]), float(result["p95"])
    except Error as err:
        return str(err).splitlines()[0][:80]


def rows(sizes: tuple[int, ...]) -> Iterator[tuple[str, int, Measured]]:
    for viewer in ("nbspy", *_WRITERS):
        for nodes in sizes:
            measured = measure(viewer, nodes)
            yield viewer, nodes, measured
            if isinstance(measured, str) or measured[0] > PATIENCE_MS:
                break


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.browser.viewers", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of nodes, growing")
    options = parser.parse_args()
    table = Table(title="call trees in viewers, ten samples a node", title_justify="left")
    for name in ("viewer", "nodes", "first picture", "frame, p95"):
        table.add_column(name, justify="left" if name == "viewer" else "right")
    for viewer, nodes, measured in rows(tuple(options.sizes)):
        cells = (measured, "") if isinstance(measured, str) else tuple(f"{ms:,.0f} ms" for ms in measured)
        table.add_row(viewer, f"{nodes:,}", *cells)
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
