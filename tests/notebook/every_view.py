"""What every host of the explorer must show and do: one set of looks for the page, the frozen output and notebooks.

A look uses what a person has: it clicks, types and reads. It begins at the merged view of everything, idle threads too,
and takes a second or less. ``take_every_look`` runs all of them in one session of a host, so that a server and a
browser are started once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Error

from nbspy import wire
from nbspy.model.builder import profile_from_stream
from nbspy.views.page import page_html
from tests.notebook.simple_page import ROW_PX, simple_stream, wait_for, wait_for_text
from tests.notebook.synthetic import GIL, Function, StreamBuilder

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from nbspy.model.profile import Profile

_SOURCE = "\n".join(["def load(path):", '    """Reads."""', "    decode(path)", ""])


def whole_stream() -> bytes:
    """The simple stream, with the lines of one of its functions."""
    *pieces, end = simple_stream()
    return b"".join([*pieces, wire.encode(wire.Sources(0, [("/srv/app.py", 10, _SOURCE)])), end])


def earlier_profile() -> Profile:
    """What it is compared with: half of load's time was another function's."""
    builder = StreamBuilder()
    stream = builder.hello("python old.py", 8) + builder.threads(["worker"])
    main = Function("main", "/srv/app.py", 3, "app")
    builder.run(0, [main.at(4), Function("load", "/srv/app.py", 10, "app").at(12)], GIL, 0, 300, 30)
    builder.run(0, [main.at(6), Function("gone", "/srv/app.py", 50, "app").at(51)], GIL, 300, 700, 70)
    return profile_from_stream(stream + builder.flush() + builder.end(1000))


@dataclass
class Host:
    """An explorer of :func:`whole_stream`, wherever it is shown."""

    page: Page
    root: Locator
    folder: Path
    """For what is saved and compared with."""

    def tab(self, name: str) -> None:
        self.root.get_by_role("tab", name=name).click()

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def chart(self, share: float, row: int, **how: object) -> None:
        """Click at a share of the width in a row of the chart."""
        chart = self.root.locator(".nbspy-chart").first
        box = chart.bounding_box()
        assert box is not None
        chart.click(position={"x": share * box["width"], "y": (row + 0.5) * ROW_PX}, **how)  # type: ignore[arg-type]

    def item(self, text: str, note: str = "") -> Locator:
        menu = self.root.get_by_role("menu").get_by_role("menuitem", name=re.compile("^" + text))
        return menu.filter(has_text=note) if note else menu

    def keys(self, *names: str) -> None:
        self.root.locator(".nbspy-chart").first.focus()
        for name in names:
            self.page.keyboard.press(name)

    def says(self, part: str, pattern: str) -> None:
        wait_for_text(self.root.locator(part), pattern)

    def shows(self, pattern: str) -> None:
        """Wait until the chart's frames, as a screen reader has them, are these."""
        self.says(".nbspy-mirror", pattern)

    def reset(self) -> None:
        """Go back to where every look begins."""
        if self.root.get_by_role("dialog").or_(self.root.get_by_role("menu")).locator("visible=true").count():
            self.page.keyboard.press("Escape")
        self.button("Options of the view").click()
        self.button("Reset").click()
        self.page.keyboard.press("Escape")
        self.tab("Merged")
        self.says(".nbspy-crumbs", r"^all1\.00.s · 100.%.*1 idle thread left out · show")
        self.keys("t")
        self.says(".nbspy-crumbs", r"^all2\.00.s in 2 threads · 100.%(?!.*idle thread)")


Look = Callable[[Host], None]


def header_and_hottest_path(host: Host) -> None:
    host.says(".nbspy-header", r"Stopped 1\.0.s.*app\.py pid 99 · Python 3\.13\.0.*100 samples.*GIL 60.%")
    host.says(".nbspy-hot", "Hottest.*main.*load.*decode60.%")
    host.button("decode").first.click()
    wait_for(host.root, "data-zoom", "decode")


def merged(host: Host) -> None:
    host.shows("main.*50.%.*poll.*50.%.*load.*30.%.*step.*20.%.*decode.*30.%")


def idle_threads(host: Host) -> None:
    host.keys("t")
    host.says(".nbspy-crumbs", r"^all1\.00.s · 100.%")
    host.shows("^(?!.*poll).*main.*100.%.*load.*60.%")
    host.says(".nbspy-threads-panel", "worker.*poller.*idle · poll")
    host.root.get_by_role("searchbox").fill("poll")
    host.says(".nbspy-found", "^0 · 0")
    why = "Ran for less than 1 % of what is selected. Show idle threads too (t)"
    host.button(f"1 idle thread left out · show: {why}").click()
    host.says(".nbspy-crumbs", r"^all2\.00.s in 2 threads · 100.%")
    host.says(".nbspy-found", "^1 · 50.%")
    host.keys("u")
    host.says(".nbspy-found", "^0 · 0")


def over_time(host: Host) -> None:
    host.tab("Over time")
    host.shows("main.*load.*step")
    host.keys("ArrowDown", "ArrowDown", "ArrowRight", "Enter")
    host.says(".nbspy-crumbs", r"0\.\d\d0 – \d\.\d\d0 s")


def callers(host: Host) -> None:
    host.tab("Callers")
    host.shows("poll.*50.%.*decode.*30.%.*step.*20.%.*load.*30.%.*main")


def functions(host: Host) -> None:
    host.tab("Functions")
    host.says(".nbspy-functions", "poll.*decode.*step.*main.*load")
    host.button("Total").click()
    host.says(".nbspy-functions", r"(main|poll).*1\.00.s50.%.*load")
    host.root.get_by_role("searchbox").fill("images.py")
    host.says(".nbspy-found", "^1 ")


def sandwich(host: Host) -> None:
    host.tab("Functions")
    host.root.locator(".nbspy-functions .nbspy-link", has_text="load").click()
    wait_for(host.root, "data-tab", "sandwich")
    host.says(".nbspy-crumbs", "load.*total 30.% · self 0")
    host.shows("load.*100.%.*decode.*100.%")


def source(host: Host) -> None:
    host.chart(0.1, 1, button="right")
    host.item("Source").click()
    host.says(".nbspy-source", r"10def load\(path\):.*12.*30.%.*decode\(path\)")


def threads(host: Host) -> None:
    host.root.locator("tr[data-thread='0']").click()
    host.says(".nbspy-chips", "worker")
    host.shows("^(?!.*poll).*main.*100.%")
    host.root.locator("tr[data-thread='1']").click(modifiers=["Shift"])
    host.shows("poll")
    host.says(".nbspy-threads-panel", "Threads 2.*worker.*poller.*idle · poll")


def timeline(host: Host) -> None:
    lanes = host.root.locator(".nbspy-timeline")
    lanes.scroll_into_view_if_needed()
    box = lanes.bounding_box()
    assert box is not None
    y = box["y"] + 12
    host.page.mouse.move(box["x"] + 0.5 * box["width"], y)
    host.says("[role=tooltip]", "State(holds GIL|running|idle) for")
    host.page.mouse.click(box["x"] + 0.5 * box["width"], y)
    host.says("[aria-live]", r"^(decode|step), \w+\.py:\d+, total")  # the stack of that moment
    host.page.mouse.down()
    host.page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=3)
    host.page.mouse.up()
    host.says(".nbspy-chips", r"0\.\d\d – 0\.\d\d s")
    host.page.mouse.dblclick(box["x"] + 0.6 * box["width"], y)
    host.says(".nbspy-crumbs", r"2\.00.s")


def search(host: Host) -> None:
    box = host.root.get_by_role("searchbox")
    for query, found in (("dec", r"1 · 30.%"), ("/^(load|step)$/", r"2 · 50.%"), ("app.py:30", r"1 · 20.%")):
        box.fill(query)
        host.says(".nbspy-found", found)
    box.fill("o")
    box.press("Enter")
    host.says(".nbspy-found", r"\d of 3")
    host.keys("n", "N", "N")
    host.says(".nbspy-found", r"\d of 3")


def zoom_breadcrumbs_and_back(host: Host) -> None:
    host.chart(0.1, 1)
    wait_for(host.root, "data-zoom", "load")
    host.says(".nbspy-path", "all›main›load")
    host.root.locator(".nbspy-crumb", has_text="main").click()
    wait_for(host.root, "data-zoom", "main")
    host.keys("Escape")
    wait_for(host.root, "data-zoom", "load")


def shapes_and_undo(host: Host) -> None:
    for item, shown in (
        ("Focus", "^(?!.*main).*load.*decode"),
        ("Hide", "^(?!.*load).*main.*decode"),
        ("Drop", "^(?!.*decode).*main.*step"),
        ("Collapse what", "^(?!.*decode).*load"),
        ("Collapse app", r"app \(package\)"),
    ):
        host.chart(0.1, 1, button="right")
        host.item(item).click()
        host.shows(shown)
        host.keys("u")
        host.shows("main.*load.*decode")
    host.keys("U")
    host.shows(r"app \(package\)")


def options_of_the_view(host: Host) -> None:
    host.button("Active").click()
    host.says(".nbspy-crumbs", r"1\.00.s")
    host.button("GIL").click()
    host.says(".nbspy-crumbs", r"600.ms")
    host.button("All").click()
    host.button("Options of the view").click()
    for color in ("file", "function", "state", "thread", "self", "package"):
        host.root.get_by_label("Colour by").select_option(color)
    host.root.get_by_label("Fold recursion").check()
    host.button("line").click()
    host.button("below").click()
    host.page.keyboard.press("Escape")
    host.says(".nbspy-chips", "recursion folded")
    host.shows("main.*30.%.*main.*20.%.*load.*step")  # called from two lines of main


def keyboard_and_help(host: Host) -> None:
    host.keys("Home", "ArrowDown", "ArrowRight")
    host.says("[aria-live]", "^step, app.py:30, total 20.%")
    host.keys("?")
    host.root.get_by_role("dialog", name="Keys and gestures").wait_for()
    host.keys("Escape")
    host.root.get_by_role("dialog", name="Keys and gestures").wait_for(state="hidden")
    host.keys("3")
    wait_for(host.root, "data-tab", "callers")


def wheel(host: Host) -> None:
    chart = host.root.locator(".nbspy-chart").first
    box = chart.bounding_box()
    assert box is not None
    host.page.mouse.move(box["x"] + 20, box["y"] + 1.5 * ROW_PX)
    host.page.keyboard.down("Control")
    for _ in range(8):
        host.page.mouse.wheel(0, -100)
    host.page.keyboard.up("Control")
    host.shows("^(?!.*poll).*main")


def tooltip(host: Host) -> None:
    box = host.root.locator(".nbspy-chart").first.bounding_box()
    assert box is not None
    host.page.mouse.move(box["x"] + 30, box["y"] + 2.5 * ROW_PX)
    host.says("[role=tooltip]", r"decode/srv/images\.py:20.*Total600.ms30.%60 samples")


def saves(host: Host) -> None:
    for item, note, begin in (
        ("Save the recording", ".nbspy", wire.MAGIC),
        ("Save as a page", ".html", b"<!DOCTYPE html>"),
        ("Save what is seen", ".json", b"{"),
        ("Save the picture", ".png", b"\x89PNG"),
        ("Save the picture", ".svg", b"<svg"),
    ):
        host.button("Save and compare (e)").click()
        with host.page.expect_download() as download:
            host.item(item, note).click()
        file = host.folder / f"saved{note}"
        download.value.save_as(file)
        assert file.read_bytes().startswith(begin)
    assert profile_from_stream((host.folder / "saved.nbspy").read_bytes()).thread_sample_count == 200


def comparison_with_a_file(host: Host) -> None:
    file = host.folder / "earlier.html"
    file.write_text(page_html(earlier_profile()), encoding="utf-8")
    host.button("Save and compare (e)").click()
    with host.page.expect_file_chooser() as chooser:
        host.item("Compare with a file").click()
    chooser.value.set_files(file)
    wait_for(host.root, "data-tab", "compare")
    host.shows("gone70.%0.%.70.%.*decode0.%")
    host.button("Save and compare (e)").click()
    host.item("Compare no more").click()
    wait_for(host.root, "data-tab", "merged")


LOOKS: tuple[Look, ...] = (
    header_and_hottest_path,
    merged,
    idle_threads,
    over_time,
    callers,
    functions,
    sandwich,
    source,
    threads,
    timeline,
    search,
    zoom_breadcrumbs_and_back,
    shapes_and_undo,
    options_of_the_view,
    keyboard_and_help,
    wheel,
    tooltip,
    saves,
    comparison_with_a_file,
)


def take_every_look(host: Host) -> None:
    """Take one after the other; the first that fails is named."""
    wait_for(host.root, "data-samples", "200")
    for look in LOOKS:
        try:
            host.reset()
            look(host)
        except (AssertionError, Error) as err:
            raise AssertionError(f"{look.__name__}: {err}") from err
