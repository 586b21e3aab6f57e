"""The same profiles in other viewers: speedscope, d3-flame-graph, plotly's icicle.

``npm ci`` in this folder brings them. Every node has ten samples. The largest profile that a viewer handles is the
largest of which it has a picture in a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.browser import made_up
from bench.browser.drive import chromium_page, explorer, served
from bench.browser.made_up import Shape, Totals
from bench.case import NotMeasured, Row, Settings, Tally

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
PATIENCE_MS: Final = 30_000
LONG_PATIENCE_MS: Final = 60_000
"""For the largest profile that a viewer handles."""
MOST_NODES: Final = 4_096_000
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
ALL: Final = ("nbspy", *_WRITERS)


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


def measure(viewer: str, nodes: int, patience_ms: int = PATIENCE_MS, frames: int = FRAMES) -> Measured | str:
    """Measure one viewer with one size, with ``frames`` frames after the picture; gives why where there is none."""
    from playwright.sync_api import Error

    shape = Shape(nodes, 10 * nodes)
    try:
        if viewer == "nbspy":
            with explorer({"/stream": made_up.stream(shape)}) as page:
                # Since the page was opened, as with the others.
                script = """async (count) => {
                    await bench.fetch('/stream');
                    await bench.load();
                    const picture = performance.now();
                    return { picture, ...(count ? await bench.frames('zoom', count) : {}) };
                }"""
                return _asked(page, script, frames, patience_ms)
        path, files = viewer_files(viewer, _WRITERS[viewer](made_up.totals(shape)).encode())
        with served(files) as address, chromium_page() as page:
            page.set_default_timeout(patience_ms)
            page.goto(address + path, wait_until="commit")
            if viewer == "speedscope":
                page.wait_for_load_state("domcontentloaded")
                page.add_script_tag(url="/viewers.js")
            else:
                page.wait_for_function("() => window.measure")
            return _asked(page, f"(count) => measure('{viewer}', count)", frames, patience_ms)
    except (Error, NotMeasured) as err:
        return str(err).splitlines()[0][:80]


def _asked(page: Page, script: str, frames: int, patience_ms: int) -> Measured:
    """Return what ``script`` measures; a page that answers nobody is waited for no longer than one that does."""
    page.evaluate(
        f"""(count) => void ({script})(count).then(
            (result) => {{ window.measured = result; }}, (err) => {{ window.measured = {{ error: String(err) }}; }})""",
        frames,
    )
    # The frames have 20 s of their own: see viewers.js.
    page.wait_for_function("() => window.measured", timeout=patience_ms + (20_000 if frames else 0))
    result = page.evaluate("() => window.measured")
    if "error" in result:
        raise NotMeasured(result["error"])
    if result["picture"] > patience_ms:
        raise NotMeasured(f"a picture after {result['picture'] / 1000:.0f} s")
    return Measured(result["picture"], result.get("p95", 0.0), result.get("rate", 0.0))


def rows(settings: Settings, nodes: int) -> list[Row]:
    """Return the rows of all viewers for one size."""
    tally = Tally(settings.keep)
    which = f"call tree of {nodes:,} nodes"
    for viewer in filter(settings.wants, ALL):
        measured = measure(viewer, nodes)
        if isinstance(measured, str):
            tally.fail(f"{which}: picture", viewer, "ms", f"none in {PATIENCE_MS // 1000} s: {measured}")
            continue
        tally.add(f"{which}: picture", viewer, "ms", measured.picture_ms, against="nbspy")
        tally.add(f"{which}: frame p95", viewer, "ms", measured.frame_ms, against="nbspy")
        tally.add(f"{which}: frames a second", viewer, "a second", measured.rate, against="nbspy")
    return tally.rows()


def largest(settings: Settings) -> list[Row]:
    """Return the largest profile of which each viewer has a picture in time: sizes double until there is none."""
    tally = Tally(settings.keep)
    for viewer in filter(settings.wants, ALL):
        nodes, shown, picture_ms, why = SIZES[0], 0, 0.0, ""
        while nodes <= MOST_NODES and not why:
            measured = measure(viewer, nodes, LONG_PATIENCE_MS, frames=0)
            if isinstance(measured, str):
                why = f"{nodes:,} nodes: {measured}"
            else:
                shown, picture_ms = nodes, measured.picture_ms
            nodes *= 2
        figure = f"largest call tree with a picture in {LONG_PATIENCE_MS // 1000} s"
        note = why or "none larger was tried"
        tally.add(figure, viewer, "nodes", shown, against="nbspy", note=note)
        tally.add(f"{figure}: that picture", viewer, "ms", picture_ms)
    return tally.rows()
