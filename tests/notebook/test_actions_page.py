"""What one does with the explorer beside clicking: fingers, the clipboard, files, processes; and what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbspy import wire
from tests.notebook.replay import Replay
from tests.notebook.simple_page import chart_point, mirror, simple_stream, wait_for, wait_for_text
from tests.notebook.synthetic import GIL, Function, StreamBuilder, TrainingLoop
from tests.notebook.test_views_page import keys, menu_item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

RECORD_CANVAS = """() => {
    window.drawn = [];
    const proto = CanvasRenderingContext2D.prototype;
    for (const name of ['fillText', 'fillRect', 'strokeRect', 'putImageData', 'drawImage']) {
        const own = proto[name];
        proto[name] = function (...args) {
            const plain = args.map((arg) => typeof arg === 'object' ? null : arg);
            drawn.push([name, this.canvas.parentElement?.className ?? '', ...plain, String(this.fillStyle)]);
            return own.apply(this, args);
        };
    }
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page with a touch screen and a clipboard, whose test fails where a script fails."""
    context = browser.new_context(viewport={"width": 1000, "height": 700}, has_touch=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


class Fingers:
    """A touch screen: what fingers do, as the browser gets it from one."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def touch(self, kind: str, *points: tuple[float, float]) -> None:
        where: list[dict[str, Any]] = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    def pinch(self, x: float, y: float, from_px: float, to_px: float, steps: int = 6) -> None:
        """Two fingers around (x, y), from so far apart to so far."""
        for step in range(steps + 1):
            half = (from_px + (to_px - from_px) * step / steps) / 2
            self.touch("touchStart" if step == 0 else "touchMove", (x - half, y), (x + half, y))
        self.touch("touchEnd")

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 6) -> None:
        for step in range(steps + 1):
            x, y = (a + (b - a) * step / steps for a, b in zip(start, end, strict=True))
            self.touch("touchStart" if step == 0 else "touchMove", (x, y))
        self.touch("touchEnd")


def test_given_fingers_then_a_tap_zooms_a_pinch_widens_and_a_drag_brushes(replay: Replay) -> None:
    root, page, fingers = replay.root, replay.page, Fingers(replay.page)
    x, y = chart_point(replay, 0.3, 1)
    page.touchscreen.tap(x, y)
    wait_for(root, "data-zoom", "load")
    assert root.get_by_role("tooltip").is_hidden()
    root.locator(".nbspy-chart").focus()
    keys(page, "Escape")
    wait_for(root, "data-zoom", "")
    x, y = chart_point(replay, 0.05, 1)
    fingers.pinch(x + 60, y, 40, 900)
    wait_for_text(root.locator(".nbspy-mirror"), "^(?!.*step).*load")  # step is out of sight to the right
    fingers.drag((x + 500, y), (x + 40, y))
    fingers.pinch(x + 300, y, 600, 30)
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load.*step")
    assert root.get_attribute("data-zoom") == "", "neither was a tap"
    box = root.locator(".nbspy-timeline").bounding_box()
    assert box is not None
    fingers.drag((box["x"] + 0.5 * box["width"], box["y"] + 12), (box["x"] + 0.7 * box["width"], box["y"] + 12))
    wait_for_text(root.locator(".nbspy-chips"), r"0\.\d\d – 0\.\d\d s")


def test_given_the_clipboard_then_a_stack_a_function_and_the_table_are_copied(replay: Replay) -> None:
    root, page = replay.root, replay.page
    # A page that was set, not fetched, has no navigator.clipboard: what is copied then goes by a field.
    page.evaluate(
        """() => { window.copied = []; document.execCommand = (what) => {
            copied.push([what, document.activeElement.value]); return true; }; }"""
    )
    for item in ("Copy the stack", "Copy the function"):
        page.mouse.click(*chart_point(replay, 0.3, 2), button="right")
        menu_item(root, item).click()
        wait_for_text(root.locator("[aria-live]"), "copied")
        wait_for_text(root.locator(".nbspy-header"), "copied")
    root.get_by_role("button", name="Save and compare").click()
    menu_item(root, "Copy the functions").click()  # not in the tab of the table
    page.wait_for_function("() => copied.length === 3")
    page.evaluate(
        """() => { window.ClipboardItem = function (parts) { this.parts = parts; };
        Object.defineProperty(navigator, 'clipboard', {configurable: true, value: {
            write: async ([item]) => { window.picture = item.parts['image/png'].size; },
            writeText: async (text) => { copied.push(['text', text]); }}}); }"""
    )
    for note in (".png", ".svg"):
        root.get_by_role("button", name="Save and compare").click()
        menu_item(root, "Copy the picture").filter(has_text=note).click()
    page.wait_for_function("() => window.picture > 1000 && copied.length === 4")
    stack, function, table, svg = (text for _, text in page.evaluate("() => copied"))
    assert svg.startswith("<svg")
    assert stack == "main (/srv/app.py:3)\nload (/srv/app.py:10)\ndecode (/srv/images.py:20)"
    assert function == "decode (/srv/images.py:20)"
    lines = table.split("\n")
    assert lines[0].split("\t") == ["function", "place", "self_s", "total_s", "samples"]
    assert lines[1].split("\t") == ["decode", "/srv/images.py:20", "0.6", "0.6", "60"]


def two_processes() -> list[bytes]:
    builder = StreamBuilder()
    processes = [wire.ProcessRow(0, 99, 1, "python app.py"), wire.ProcessRow(1, 100, 99, "python worker.py")]
    threads = [wire.ThreadRow(0, 0, 99, 4096, "MainThread", 0), wire.ThreadRow(1, 1, 100, 8192, "MainThread", 0)]
    head = builder.hello("python app.py", 99) + wire.encode(wire.Processes(2, processes))
    builder.sequence = 3
    builder.run(0, [Function("serve", "/srv/app.py", 3, "app").at(4)], GIL, 0, 250, 25)
    builder.run(1, [Function("work", "/srv/worker.py", 3, "worker").at(4)], GIL, 0, 750, 75)
    return [head + wire.encode(wire.Threads(3, threads)), builder.flush() + builder.end(750)]


def test_given_several_processes_then_one_is_chosen_and_all_again(page: Page) -> None:
    replay = Replay(page)
    replay.send_all(two_processes())
    root = replay.root
    wait_for_text(root.locator(".nbspy-mirror"), "work.*serve")
    for process, share in (("python worker.py · 100", {"work": "100 %"}), ("all", {"work": "75 %", "serve": "25 %"})):
        root.get_by_role("button", name="Options of the view").click()
        root.get_by_label("Process").select_option(label=process.removeprefix("python "))
        page.keyboard.press("Escape")
        wait_for_text(root.locator(".nbspy-mirror"), "work.*" + share["work"].replace(" ", "."))
        page.wait_for_function(
            "(n) => document.querySelectorAll('.nbspy-mirror tbody tr').length === n", arg=len(share)
        )
        assert mirror(replay) == share


@pytest.mark.parametrize("name", ["before.nbspy", "before.html", "notes.txt"])
def test_given_a_file_to_compare_with_then_it_is_read_or_refused_in_words(
    replay: Replay, tmp_path: Path, name: str
) -> None:
    from nbspy.model.builder import profile_from_stream
    from nbspy.views.page import page_html

    root, page = replay.root, replay.page
    builder = StreamBuilder()
    stream = builder.hello("python old.py", 8) + builder.threads(["worker"])
    builder.run(0, [Function("gone", "/srv/app.py", 50, "app").at(51)], GIL, 0, 800, 80)
    stream += builder.flush() + builder.end(800)
    file = tmp_path / name
    texts = {".nbspy": stream, ".html": page_html(profile_from_stream(stream), stream).encode(), ".txt": b"no profile"}
    file.write_bytes(texts[file.suffix])
    root.get_by_role("button", name="Save and compare").click()
    with page.expect_file_chooser() as chooser:
        menu_item(root, "Compare with a file").click()
    chooser.value.set_files(file)
    if file.suffix == ".txt":
        wait_for_text(root.locator(".nbspy-header"), "notes.txt is neither a recording nor a page of nbspy")
        assert root.get_attribute("data-tab") == "merged"
        return
    wait_for(root, "data-tab", "compare")
    wait_for_text(root.locator(".nbspy-mirror"), "gone.*100.%0.%")
    root.get_by_role("button", name="Save and compare").click()
    menu_item(root, "Compare no more").click()
    wait_for(root, "data-tab", "merged")


def test_given_what_canvases_are_told_then_names_times_brush_and_marks_are_drawn(page: Page) -> None:
    replay = Replay(page)
    page.evaluate(RECORD_CANVAS)
    replay.send_all(simple_stream())
    root = replay.root
    wait_for_text(root.locator(".nbspy-mirror"), "main.*load")
    root.locator(".nbspy-chart").focus()
    keys(page, "ArrowDown")
    page.evaluate("() => host.model.set('view', {time: [200000, 600000], idlers: false})")
    wait_for_text(root.locator(".nbspy-chips"), "0.20 – 0.60 s")
    page.wait_for_function("() => drawn.some(([name, at]) => name === 'strokeRect' && at.includes('nbspy-chart'))")
    drawn = page.evaluate("() => drawn")
    texts = {
        place: {args[0] for name, at, *args in drawn if name == "fillText" and place in at}
        for place in ("nbspy-timeline", "nbspy-chart")
    }
    assert {"worker", "poller", "0.2 s", "0.4 s"} <= texts["nbspy-timeline"]
    assert {"main", "load", "decode", "step", "50\u202f%"} <= texts["nbspy-chart"]
    # The brush: two bars of two pixels, from the top to the axis, at its ends.
    accent = root.evaluate("(element) => getComputedStyle(element).getPropertyValue('--nbspy-own-accent').trim()")
    bars = {
        args[0]
        for name, at, *args in drawn
        if name == "fillRect" and "timeline" in at and args[-1] == accent and args[2] == 2
    }
    left, width = 118, root.locator(".nbspy-timeline").evaluate("(element) => element.clientWidth") - 118 - 10
    assert {round(left + part * width - 1) for part in (0.2, 0.6)} <= {round(x) for x in bars}


def test_given_more_threads_than_lanes_then_lanes_are_whole_the_rest_is_told_and_idle_ones_share_the_last(
    page: Page,
) -> None:
    replay = Replay(page)
    replay.send(b"".join(TrainingLoop(seconds=1, extra_threads=60).pieces()), ended=True)
    strip = replay.root.locator(".nbspy-timeline")
    page.evaluate(RECORD_CANVAS)

    def painted(scroll_px: int) -> tuple[set[str], set[float]]:
        """Scroll; return the texts and the tops of lanes of the picture that follows."""
        strip.evaluate(
            "(one, px) => { drawn.length = 0; one.scrollTop = px; one.dispatchEvent(new Event('scroll')); }",
            scroll_px,
        )
        page.wait_for_function("() => drawn.some(([name, at]) => name === 'drawImage' && at.includes('timeline'))")
        drawn = [one for one in page.evaluate("() => drawn") if "timeline" in one[1]]
        return {args[0] for name, _, *args in drawn if name == "fillText"}, {
            args[6] for name, _, *args in drawn if name == "drawImage"
        }

    whole = {4 + 15 * lane for lane in range(7)}
    texts, tops = painted(0)
    assert "8 more ↓" in texts
    assert tops == whole
    texts, tops = painted(22)
    assert "7 more ↓" in texts
    assert tops == whole
    texts, tops = painted(10_000)
    assert "51 idle threads" in texts
    assert not [text for text in texts if "more" in text]
    assert tops == whole
    box = strip.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 1 + 4 + 6.5 * 15)
    wait_for_text(replay.root.locator("[role=tooltip]"), "51 idle threads")
    page.mouse.down()
    page.mouse.up()
    wait_for_text(replay.root.locator(".nbspy-chips"), "^$")
    assert "58 more ↓" in painted(0)[0]
