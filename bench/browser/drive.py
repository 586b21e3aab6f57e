"""A page of a local server in a headless Chromium that draws as many frames as it can."""

from __future__ import annotations

import threading
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbspy.errors import NbspyError
from tools.find_browser import FLAGS, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "nbspy" / "static"
MEASURING = ("--enable-precise-memory-info", "--js-flags=--expose-gc")
UNCAPPED = ("--disable-frame-rate-limit", "--disable-gpu-vsync")
"""Without a cap the time between two frames is what a frame costs; but then whatever moves is drawn without end."""
HOST = b"""<!doctype html><meta charset="utf-8"><body style="margin:0"><div id="output"></div>
<script src="/host.js"></script></body>"""
_TYPES = {".js": "text/javascript", ".html": "text/html", ".json": "application/json"}


@contextmanager
def served(files: Mapping[str, bytes]) -> Iterator[str]:
    """Serve ``files`` by their paths on a port of this machine; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", _TYPES.get(Path(self.path).suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def chromium_page(width: int = 1400, height: int = 800, *, capped: bool = False) -> Iterator[Page]:
    """Give a page of a browser that was started for it alone; ``capped``: at most 60 frames a second, as screens do."""
    executable = find_browser()
    if executable is None:
        raise NbspyError("no Chromium was found on PATH", "install one: apt install chromium, brew install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = [*FLAGS, *MEASURING, *(() if capped else UNCAPPED)]
        browser = playwright.chromium.launch(executable_path=executable, args=args)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(180_000)
        yield page
        browser.close()


@contextmanager
def explorer(streams: MutableMapping[str, bytes], *, capped: bool = False) -> Iterator[Page]:
    """Give a page with the explorer in it, and ``window.bench`` to feed it the ``streams``, which have paths as names.

    What ``streams`` gets later is there too.
    """
    own = {
        "/index.html": HOST,
        "/host.js": (HERE / "host.js").read_bytes(),
        "/widget.js": (STATIC / "widget.js").read_bytes(),
    }
    with served(ChainMap(own, streams)) as address, chromium_page(capped=capped) as page:
        page.goto(f"{address}/index.html")
        page.evaluate("() => bench.start()")
        yield page


def heap_mb(page: Page) -> float:
    """Return what the page's script holds after a collection, buffers of typed arrays included, in MB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    return float(usage["usedSize"] + usage.get("backingStorageSize", 0)) / 1e6


def profiled(page: Page, script: str, argument: Any = None, top: int = 25) -> tuple[Any, list[tuple[float, str]]]:
    """Evaluate ``script`` under Chromium's CPU profiler; gives its value, and (ms of its own, function) of the top."""
    session = page.context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.setSamplingInterval", {"interval": 200})
    session.send("Profiler.start")
    value = page.evaluate(script, argument)
    profile = session.send("Profiler.stop")["profile"]
    session.detach()
    names = {}
    for node in profile["nodes"]:
        call = node["callFrame"]
        names[node["id"]] = (
            f"{call['functionName'] or '(anonymous)'} {call['lineNumber'] + 1}:{call['columnNumber'] + 1}"
        )
    spent: dict[str, float] = {}
    for node, delta in zip(profile["samples"], profile["timeDeltas"], strict=True):
        spent[names[node]] = spent.get(names[node], 0.0) + delta / 1000
    return value, sorted(((ms, name) for name, ms in spent.items()), reverse=True)[:top]


def thread_cpu_ms(page: Page) -> dict[str, float]:
    """Return the CPU time so far of the page's main thread ("page") and of all else that draws ("drawing"), in ms.

    Other programs' load does not count in it, as it does in the time that passes. The page's main thread runs its
    script and, without a graphics processor, draws its canvases; the others raster tiles and put them on the screen.
    """
    browser = page.context.browser
    assert browser is not None  # only pages of a persistent context have none
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    spent = {"page": 0.0, "drawing": 0.0}
    for process in found:
        if process["type"] not in ("renderer", "GPU"):
            continue
        pid = process["id"]
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                ms = int((task / "schedstat").read_text().split()[0]) / 1e6
            except OSError:
                continue  # a thread that has ended meanwhile
            spent["page" if process["type"] == "renderer" and task.name == str(pid) else "drawing"] += ms
    return spent
