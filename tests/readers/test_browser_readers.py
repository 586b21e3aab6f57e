"""speedscope's own application, from npm, in a real browser; and nbspy's files that are to be opened in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import Files

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


class Speedscope:
    """speedscope with a file loaded; it needs WebGL, which the browser computes in software."""

    def __init__(self, browser: Browser, packages: Path, path: Path) -> None:
        self.page = browser.new_context(viewport={"width": 1000, "height": 700}).new_page()
        self.refusals: list[str] = []
        self.page.on("dialog", lambda dialog: (self.refusals.append(dialog.message), dialog.dismiss()))
        self.page.goto((packages / "speedscope" / "dist" / "release" / "index.html").as_uri())
        self.page.locator("input[type=file]").set_input_files(path)
        self.page.wait_for_function("() => / - speedscope$/.test(document.title)")

    def functions(self) -> dict[str, tuple[str, str]]:
        """Return (total, self) of each function of the thread on view, as the sandwich view lists them."""
        self.page.keyboard.press("3")
        self.page.wait_for_selector("text=Symbol Name")
        rows = [row.locator("td").all_inner_texts() for row in self.page.locator("tr").all()]
        return {
            row[-1].strip(): (row[0].split(" ")[0], row[1].split(" ")[0])
            for row in rows
            if len(row) == 3 and "%" in row[1]
        }

    def next_thread(self) -> None:
        before = self.page.locator("body").inner_text()
        self.page.keyboard.press("n")
        self.page.wait_for_function("before => document.body.innerText !== before", arg=before)

    def close(self) -> None:
        self.page.context.close()
        assert self.refusals == []


MAIN = {
    "work": ("600.00ms", "600.00ms"),
    "parse": ("400.00ms", "400.00ms"),
}


def test_given_speedscope_when_speedscope_opens_it_then_each_thread_has_its_times(
    browser: Browser, packages: Path, files: Files
) -> None:
    opened = Speedscope(browser, packages, files("speedscope", function=True))
    assert opened.page.title() == "python demo.py - speedscope"
    assert "MainThread (1/2)" in opened.page.locator("body").inner_text()
    assert opened.functions() == {**MAIN, "main": ("1.00s", "0.00ns")}
    opened.next_thread()
    assert "worker <1> (2/2)" in opened.page.locator("body").inner_text()
    assert opened.functions() == {"parse": ("200.00ms", "200.00ms"), "run": ("200.00ms", "0.00ns")}
    opened.close()


@pytest.mark.parametrize("name", ["pprof", "collapsed"])
def test_given_pprof_or_collapsed_when_speedscope_opens_it_then_the_sums_are_there(
    browser: Browser, packages: Path, files: Files, name: str
) -> None:
    opened = Speedscope(browser, packages, files(name, function=True))
    functions = opened.functions()
    if name == "pprof":
        expected = {
            **MAIN,
            "parse": ("600.00ms", "600.00ms"),
            "main": ("1.00s", "0.00ns"),
            "run": ("200.00ms", "0.00ns"),
        }
        assert functions == expected
    else:
        assert {key: total for key, (total, _) in functions.items()} == {
            "work (lib.py:1)": "60",
            "parse (lib.py:1)": "60",
            "main (app.py:1)": "100",
            "run (app.py:1)": "20",
        }
    opened.close()


def test_given_a_chrome_trace_when_speedscope_opens_it_then_the_threads_calls_are_there(
    browser: Browser, packages: Path, files: Files
) -> None:
    opened = Speedscope(browser, packages, files("chrometrace"))
    shown = {}
    for _ in range(3):
        text = opened.page.locator("body").inner_text()
        thread = next(name for name in ("GIL", "MainThread", "worker <1>") if name + " (tid" in text)
        shown[thread] = opened.functions()
        if len(shown) < 3:
            opened.next_thread()
    assert shown["GIL"] == {"MainThread": ("600.00ms", "600.00ms"), "worker <1>": ("200.00ms", "200.00ms")}
    totals = {name.split(" ")[0]: total for name, (total, _) in shown["MainThread"].items()}
    assert totals == {"main": "1.00s", "work": "600.00ms", "parse": "400.00ms"}
    opened.close()


def test_given_a_flame_graph_when_opened_then_it_zooms_searches_and_asks_nobody(page: Page, files: Files) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    path = files("flamegraph")
    page.goto(path.as_uri())
    svg = page.locator("svg")
    assert svg.get_attribute("data-ready") == "true"
    frame = page.locator(".frame", has_text="work (lib.py:9)").first
    width = frame.locator("rect").bounding_box()
    frame.click()
    assert svg.get_attribute("data-zoom") == "work (lib.py:9)"
    zoomed = frame.locator("rect").bounding_box()
    assert width is not None
    assert zoomed is not None
    assert (round(width["width"]), round(zoomed["width"])) == (500, 1000)
    page.keyboard.press("Escape")
    assert svg.get_attribute("data-zoom") == ""
    page.keyboard.press("/")
    page.keyboard.type("main|parse")
    assert svg.get_attribute("data-matched") == "1.0000"
    assert "4 frames, 100.0 %" in str(svg.text_content())
    assert asked == [path.as_uri()]


def test_given_the_page_when_opened_then_the_explorer_has_the_samples(page: Page, files: Files) -> None:
    page.goto(files("html").as_uri())
    page.wait_for_selector(".nbspy-explorer[data-state=ended]")
    assert page.locator(".nbspy-explorer").get_attribute("data-samples")
    page.locator(".nbspy-explorer", has_text="worker <1>").wait_for()  # the panel comes a step after the chart
