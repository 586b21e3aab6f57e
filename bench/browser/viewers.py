"""The same profiles in other viewers: speedscope, d3-flame-graph, plotly's icicle.

``npm ci`` in this folder brings them. Sizes grow tenfold; the largest that a viewer has a picture of in time is what it
handles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.browser import made_up
from bench.browser.drive import chromium_page, explorer, served
from bench.browser.made_up import Shape, Totals
from bench.case import Row, Settings, Tally

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
PATIENCE_MS: Final = 30_000
FRAMES: Final = 120
SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
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


@dataclass(frozen=True, slots=True)
class Measured:
    """What a viewer took for one profile."""

    picture_ms: float
    """From nothing to the first picture."""
    frame_ms: float
    """The p95 of the frames while something is done before each."""
    rate: float
    """Frames a second meanwhile."""


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


def measure(viewer: str, nodes: int) -> Measured | str:
    """Measure one viewer with one size; gives why where there is no picture."""
    from playwright.sync_api import Error

    shape = Shape(nodes, 10 * nodes)
    try:
        if viewer == "nbspy":
            with explorer({"/stream": made_up.stream(shape)}) as page:
                # Since the page was opened, as with the others.
                script = "async () => { await bench.fetch('/stream'); await bench.load(); return performance.now(); }"
                picture = page.evaluate(script)
                frames = page.evaluate("count => bench.frames('zoom', count)", FRAMES)
                return Measured(picture, frames["p95"], frames["rate"])
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
            return Measured(result["picture"], result["p95"], result["rate"])
    except Error as err:
        return str(err).splitlines()[0][:80]


def rows(settings: Settings, nodes: int) -> list[Row]:
    """Return the rows of all viewers for one size."""
    tally = Tally()
    which = f"call tree of {nodes:,} nodes"
    for viewer in filter(settings.wants, ("nbspy", *_WRITERS)):
        measured = measure(viewer, nodes)
        if isinstance(measured, str):
            tally.fail(f"{which}: picture", viewer, "ms", f"none in {PATIENCE_MS // 1000} s: {measured}")
            continue
        tally.add(f"{which}: picture", viewer, "ms", measured.picture_ms, against="nbspy")
        tally.add(f"{which}: frame p95", viewer, "ms", measured.frame_ms, against="nbspy")
        tally.add(f"{which}: frames a second", viewer, "a second", measured.rate, against="nbspy")
    return tally.rows()
