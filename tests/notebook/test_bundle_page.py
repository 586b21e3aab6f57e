"""The bundles in a plain page of a real browser: a fake anywidget model replays streams whose numbers are known."""

from __future__ import annotations

import base64
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

from tests.notebook.replay import STATIC, Replay
from tests.notebook.simple_page import ROW_PX, chart_point, mirror, simple_stream, wait_for, wait_for_text
from tests.notebook.synthetic import StreamBuilder, TrainingLoop, hostile_names

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser


def test_given_a_live_stream_then_the_counts_grow_and_the_state_follows(page: Page) -> None:
    replay = Replay(page)
    assert replay.root.get_attribute("data-state") == "starting"
    pieces = simple_stream(end=False)
    for received, piece in enumerate(pieces):
        replay.send(piece)
        assert replay.root.get_attribute("data-samples") == str(40 * received)
    assert replay.root.get_attribute("data-state") == "live"
    wait_for_text(
        replay.root.locator(".nbspy-header"), "Live.1.0.s.*app.py pid 99 · Python 3.13.0.*100 samples · 100/s"
    )
    replay.send(StreamBuilder().end(1000), ended=True)
    assert replay.root.get_attribute("data-state") == "ended"
    wait_for_text(replay.root.locator(".nbspy-header"), "Stopped.1.0.s")


def test_given_the_simple_stream_then_the_text_says_its_shares(replay: Replay) -> None:
    wait_for_text(replay.root.locator(".nbspy-mirror"), "^(?!.*poll).*decode")
    assert mirror(replay) == {"main": "100 %", "load": "60 %", "step": "40 %", "decode": "60 %"}
    row = replay.root.locator("tr[data-thread='0']")
    wait_for_text(row, "worker.*running · step.*100.%.*60.%")
    assert row.locator(".nbspy-thread-name").get_attribute("title") == "worker, thread id 4242"
    wait_for_text(replay.root.locator("tr[data-thread='1']"), "poller.*idle · poll.*0.%.*0.%")
    wait_for_text(replay.root.locator(".nbspy-hot"), "main→load→decode *60.%")


def test_given_clicks_then_the_chart_zooms_in_and_escape_and_breadcrumbs_go_back(replay: Replay) -> None:
    root = replay.root
    replay.page.mouse.click(*chart_point(replay, 0.3, 1))
    wait_for(root, "data-zoom", "load")
    wait_for_text(root.locator(".nbspy-crumbs"), "all.*main.*load.*60.%")
    replay.page.mouse.click(*chart_point(replay, 0.9, 1))
    wait_for(root, "data-zoom", "decode")
    replay.page.keyboard.press("Escape")
    wait_for(root, "data-zoom", "load")
    root.locator(".nbspy-crumb", has_text="main").click()
    wait_for(root, "data-zoom", "main")
    root.locator(".nbspy-crumb", has_text="all").click()
    wait_for(root, "data-zoom", "")
    # The crumb that was pressed is gone: the next key is not to be the notebook's.
    wait_for_focus_inside(root)


def wait_for_focus_inside(root: Locator) -> None:
    root.page.wait_for_function("(root) => root.contains(document.activeElement)", arg=root.element_handle())


def test_given_a_menu_or_a_chip_that_goes_then_the_focus_stays_in_the_view(replay: Replay) -> None:
    root, page = replay.root, replay.page
    # JupyterLab takes the focus when the right button is pressed.
    page.evaluate(
        "() => document.addEventListener('mousedown', ({button}) => {"
        " if (button === 2) setTimeout(() => document.activeElement.blur()); }, {capture: true})"
    )
    page.mouse.click(*chart_point(replay, 0.3, 1), button="right")
    root.get_by_role("menuitem", name="Focus").click()
    chip = root.locator(".nbspy-chip", has_text="focus load")
    chip.wait_for()
    wait_for_focus_inside(root)
    chip.focus()
    page.keyboard.press("Enter")
    chip.wait_for(state="detached")
    wait_for_focus_inside(root)


def test_given_full_screen_then_the_view_fills_it_and_comes_back(replay: Replay) -> None:
    root, page = replay.root, replay.page
    root.get_by_role("button", name="Full screen").click()
    page.wait_for_function("(root) => document.fullscreenElement === root", arg=root.element_handle())
    page.wait_for_function("(root) => root.clientHeight === innerHeight", arg=root.element_handle())
    page.keyboard.press("f")
    page.wait_for_function(
        "(root) => !document.fullscreenElement && root.clientHeight < 430", arg=root.element_handle()
    )


def test_given_a_search_then_matches_are_counted_and_stepped_through(replay: Replay) -> None:
    root = replay.root
    root.locator(".nbspy-chart").focus()
    replay.page.keyboard.press("/")
    replay.page.keyboard.type("e")
    wait_for_text(root.locator(".nbspy-found"), "^2 · 100.%$")
    root.locator(".nbspy-search").fill("/^(load|step)$/")
    wait_for_text(root.locator(".nbspy-found"), "^2 · 100.%$")
    root.locator(".nbspy-search").fill("images.py:20")
    wait_for_text(root.locator(".nbspy-found"), "^1 · 60.%$")
    replay.page.keyboard.press("Enter")
    wait_for_text(root.locator(".nbspy-found"), "^1 of 1 · 60.%$")
    wait_for_text(root.locator("[aria-live]"), "^decode, images.py:20, total 60.%, self 60.%$")
    root.locator(".nbspy-search").fill("/(/")
    wait_for_text(root.locator(".nbspy-found"), "not a regular expression")


def test_given_keys_then_the_focus_moves_along_the_tree_and_is_told(replay: Replay) -> None:
    page, told = replay.page, replay.root.locator("[aria-live]")
    replay.root.locator(".nbspy-chart").focus()
    for key, name in [("ArrowDown", "main"), ("ArrowDown", "load"), ("ArrowRight", "step"), ("ArrowLeft", "load")]:
        page.keyboard.press(key)
        wait_for_text(told, f"^{name}, ")
    page.keyboard.press("Enter")
    wait_for(replay.root, "data-zoom", "load")
    page.keyboard.press("?")
    help_card = replay.root.get_by_role("dialog")
    help_card.wait_for(state="visible")
    page.keyboard.press("Escape")
    help_card.wait_for(state="hidden")
    assert replay.root.get_attribute("data-zoom") == "load"
    page.keyboard.press("Escape")
    wait_for(replay.root, "data-zoom", "")


def test_given_keys_typed_here_then_the_host_does_not_hear_them(replay: Replay) -> None:
    replay.page.evaluate("() => { window.heard = []; document.addEventListener('keydown', (e) => heard.push(e.key)); }")
    replay.root.locator(".nbspy-chart").focus()
    replay.page.keyboard.press("d")
    replay.root.locator(".nbspy-search").press("x")
    assert replay.page.evaluate("() => heard") == []
    assert replay.root.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_given_threads_states_and_lines_then_the_chart_is_of_those(replay: Replay) -> None:
    root = replay.root
    amount = root.locator(".nbspy-crumbs")
    wait_for_text(amount, "1.00.s")
    root.locator("tr[data-thread='1']").click(modifiers=["Shift"])
    wait_for_text(amount, "2.00.s in 2 threads")
    assert root.locator(".nbspy-chip").count() == 2
    root.get_by_role("button", name="GIL", exact=True).click()
    wait_for_text(amount, "600.ms")
    root.get_by_role("button", name="Active", exact=True).click()
    wait_for_text(amount, "1.00.s")
    root.get_by_role("button", name="Options of the view").click()
    options = root.get_by_role("dialog", name="Options of the view")
    options.get_by_role("button", name="line").click()
    options.get_by_role("button", name="below").click()
    replay.page.keyboard.press("Escape")
    options.wait_for(state="hidden")
    root.locator(".nbspy-chart").focus()
    replay.page.keyboard.press("ArrowUp")
    wait_for_text(root.locator("[aria-live]"), r"^main, app.py:4, total 60.%")


def test_given_a_brush_then_all_is_of_that_time_and_a_double_click_clears_it(replay: Replay) -> None:
    root, page = replay.root, replay.page
    strip = root.locator(".nbspy-timeline")
    box = strip.bounding_box()
    assert box is not None
    y = box["y"] + 10
    page.mouse.move(box["x"] + 300, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, y, steps=3)
    wait_for_text(root.locator(".nbspy-crumbs"), r"worker.*0\.\d\d – 0\.\d\d s")
    wait_for_text(root.locator(".nbspy-crumbs"), "1..ms · 100.%")
    page.mouse.move(box["x"] + 600, y)
    page.mouse.up()
    wait_for_text(root.locator(".nbspy-crumbs"), "3...ms · 100.%")
    page.keyboard.press("Control+z")
    wait_for_text(root.locator(".nbspy-crumbs"), "1.00.s")
    page.keyboard.press("Control+Shift+Z")
    wait_for_text(root.locator(".nbspy-crumbs"), "3...ms · 100.%")
    page.mouse.dblclick(box["x"] + 500, y)
    wait_for_text(root.locator(".nbspy-crumbs"), "1.00.s")
    # One click shows a stack in the chart: of a double click that is not what was meant.
    root.get_by_role("tab", name="Functions").click()
    page.mouse.click(box["x"] + 500, y)
    wait_for(root, "data-tab", "merged")
    root.get_by_role("tab", name="Functions").click()
    page.mouse.dblclick(box["x"] + 500, y)
    wait_for(root, "data-tab", "functions")


def test_given_the_wheel_then_the_notebook_keeps_it_unless_ctrl_is_held(replay: Replay) -> None:
    taken = """([selector, ctrlKey]) => !document.querySelector(selector).dispatchEvent(
        new WheelEvent('wheel', {deltaY: -100, ctrlKey, bubbles: true, cancelable: true, clientX: 500}))"""
    for selector in (".nbspy-timeline", ".nbspy-chart", ".nbspy-explorer"):
        assert replay.page.evaluate(taken, [selector, False]) is False
    assert replay.page.evaluate(taken, [".nbspy-timeline", True]) is True


def test_given_a_frame_near_any_edge_then_its_tooltip_is_inside_the_view(replay: Replay) -> None:
    tooltip = replay.root.get_by_role("tooltip")
    for share, row, text in [(0.01, 0, "main.*/srv/app.py:3"), (0.99, 1, "step.*40.%.*40 samples"), (0.3, 2, "decode")]:
        replay.page.mouse.move(*chart_point(replay, share, row))
        tooltip.wait_for(state="visible")
        wait_for_text(tooltip, text)
        inside, root = tooltip.bounding_box(), replay.root.bounding_box()
        assert inside is not None
        assert root is not None
        assert root["x"] <= inside["x"]
        assert inside["x"] + inside["width"] <= root["x"] + root["width"]
        assert inside["y"] + inside["height"] <= root["y"] + root["height"]
    replay.page.mouse.move(2, 2)
    tooltip.wait_for(state="hidden")


def test_given_a_lost_piece_then_it_is_said_asked_for_and_healed(page: Page) -> None:
    page.clock.install()
    replay = Replay(page)
    pieces = simple_stream()
    assert replay.requests() == [{"type": "request", "offset": 0}]
    stream = b"".join(pieces)
    lost = len(pieces[0]) + len(pieces[1]) + 7
    replay.deliver(0, stream[:lost], lost)
    replay.deliver(lost + 50, stream[lost + 50 :], len(stream), ended=True)
    page.clock.run_for(2500)
    wait_for_text(replay.root.locator(".nbspy-header"), "waiting for lost data")
    assert replay.requests() == [{"type": "request", "offset": 0}]
    page.clock.run_for(2000)
    assert replay.requests()[1:] == [{"type": "request", "offset": lost}]
    assert replay.root.get_attribute("data-samples") == "40"
    replay.deliver(lost - 5, stream[lost - 5 : lost + 50], len(stream), ended=True)
    assert replay.root.get_attribute("data-samples") == "200"
    assert replay.root.get_attribute("data-state") == "ended"
    page.clock.run_for(1500)
    assert "lost data" not in replay.root.locator(".nbspy-header").inner_text()


def test_given_a_pointer_that_rests_then_its_tooltip_stays_and_follows_the_data(page: Page) -> None:
    replay = Replay(page)
    pieces = list(TrainingLoop(seconds=4).pieces())
    replay.send(b"".join(pieces[: len(pieces) // 2]))
    chart = replay.root.locator(".nbspy-chart").first
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 9)
    tooltip = replay.root.get_by_role("tooltip")
    wait_for_text(tooltip, r"Total")
    before = tooltip.inner_text()
    replay.send(b"".join(pieces[len(pieces) // 2 : -1]))
    page.wait_for_function("([element, text]) => element.innerText !== text", arg=[tooltip.element_handle(), before])
    assert tooltip.is_visible()
    assert tooltip.inner_text().split("\n")[0] == before.split("\n")[0]
    page.mouse.move(box["x"] + 60, box["y"] - 200)
    tooltip.wait_for(state="hidden")


def test_given_a_pointer_on_the_header_then_its_figures_are_those_of_now(page: Page) -> None:
    replay = Replay(page)
    pieces = list(TrainingLoop(seconds=4).pieces(end=False))
    replay.send(b"".join(pieces[: len(pieces) // 2]))
    replay.root.locator(".nbspy-counts").hover()
    tooltip = replay.root.get_by_role("tooltip")
    wait_for_text(tooltip, "Thread samples")
    before = tooltip.inner_text()
    replay.send(b"".join(pieces[len(pieces) // 2 :]))
    page.wait_for_function("([element, text]) => element.innerText !== text", arg=[tooltip.element_handle(), before])
    wait_for_text(tooltip, "Thread samples")


def test_given_silence_then_it_is_said(page: Page) -> None:
    page.clock.install()
    replay = Replay(page)
    for piece in simple_stream(end=False):
        replay.send(piece)
    page.clock.run_for(8000)
    wait_for_text(replay.root.locator(".nbspy-header"), r"Silent 1\.0.s.*no data for [78] s")


@pytest.mark.parametrize("began", [True, False])
def test_given_a_kernel_that_is_gone_then_it_is_said_until_data_comes_again(page: Page, began: bool) -> None:
    replay = Replay(page)
    pieces = simple_stream(end=False)
    if began:
        for piece in pieces:
            replay.send(piece)
        wait_for_text(replay.root.locator(".nbspy-header"), r"^Live 1\.0.s")
    # What JupyterLab's manager of widgets does when the kernel is started anew.
    page.evaluate("() => host.model.emit('comm_live_update')")
    header = replay.root.locator(".nbspy-header")
    wait_for_text(header, r"^Connection lost")
    if not began:
        wait_for_text(replay.root.locator(".nbspy-message"), "run the cell again")
        return
    wait_for_text(header, r"the kernel is gone; complete up to 1\.0.s")
    assert replay.root.get_by_role("button", name="Pause the view").count() == 0
    replay.send(StreamBuilder().end(1000, "stopped"))
    wait_for_text(header, r"^Stopped 1\.0.s(?!.*gone)")


def test_given_the_functions_then_their_names_stand_beside_their_bars(replay: Replay) -> None:
    replay.root.get_by_role("tab", name="Functions").click()
    row = replay.root.locator(".nbspy-functions tbody tr:not(.nbspy-gap)").first
    boxes = [row.locator(part).bounding_box() for part in (".nbspy-link", ".nbspy-bar", ".nbspy-part >> nth=0")]
    middles = [box["y"] + box["height"] / 2 for box in boxes if box is not None]
    assert len(middles) == 3
    assert max(middles) - min(middles) <= 1.5


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, r"Target ended 1\.0.sapp\.py"),
        (3, r"Target ended 1\.0.s · exit status 3"),
        (-9, r"ended 1\.0.s · SIGKILL"),
    ],
)
def test_given_a_target_that_ended_then_it_is_said_when_and_with_what_status(
    page: Page, status: int | None, said: str
) -> None:
    replay = Replay(page)
    *pieces, _ = simple_stream()
    for piece in pieces:
        replay.send(piece)
    # Its parent may be told how it ended a moment later.
    replay.send(StreamBuilder().end(1000, "target-ended"))
    if status is not None:
        replay.send(StreamBuilder().end(1000, "target-ended", exit_status=status))
    wait_for_text(replay.root.locator(".nbspy-header"), f"{said}.*pid 99 · Python 3.13.0 · .*2026")


def test_given_hostile_names_then_they_are_text(page: Page) -> None:
    title = page.title()
    replay = Replay(page)
    replay.send_all(hostile_names())
    wait_for_text(replay.root.locator(".nbspy-mirror"), re.escape("<img src=x onerror="))
    page.mouse.move(*chart_point(replay, 0.1, 0))
    replay.root.get_by_role("tooltip").wait_for(state="visible")
    replay.root.locator(".nbspy-pill", has_text="notice").hover()
    wait_for_text(replay.root.get_by_role("tooltip"), re.escape("<img"))
    assert page.locator("img, script:not([type])").count() == 0
    assert page.locator("b").count() == 0
    assert page.title() == title
    text = replay.root.inner_text()
    assert "\u202e" not in text
    assert len(text) < 5000


def test_given_an_error_then_its_cause_and_cure_are_shown(page: Page) -> None:
    replay = Replay(page)
    builder = StreamBuilder()
    error = builder.end(
        0, "error", "permission-refused", "not allowed to read process 99", "run as root\nor ask an admin"
    )
    replay.send_all([builder.hello("python app.py", 99), error])
    wait_for_text(replay.root.locator(".nbspy-message"), "not allowed to read process 99run as root\nor ask an admin")
    assert replay.root.get_attribute("data-state") == "error"
    assert replay.root.locator(".nbspy-toolbar").is_hidden()


def test_given_late_and_discarded_samples_then_a_warning_explains_them(page: Page) -> None:
    replay = Replay(page)
    for piece in TrainingLoop(seconds=2).pieces(end=False, late=60, discarded=12):
        replay.send(piece)
    warning = replay.root.locator(".nbspy-amber")
    wait_for_text(warning, "12 discarded · .*late")
    warning.hover()
    wait_for_text(replay.root.get_by_role("tooltip"), "none was guessed.*began late")


def test_given_two_views_of_a_model_then_both_show_it_and_leave_nothing(page: Page) -> None:
    replay = Replay(page)
    pieces = simple_stream()
    replay.send(pieces[0] + pieces[1])
    page.evaluate("() => host.render()")
    assert page.locator(".nbspy-explorer").count() == 2
    replay.send(b"".join(pieces[2:]), ended=True)
    for view in page.locator(".nbspy-explorer").all():
        assert view.get_attribute("data-samples") == "200"
    page.locator(".nbspy-explorer").nth(1).locator("tr[data-thread='0']").click()
    assert page.locator(".nbspy-explorer").nth(0).locator("tr.nbspy-selected").count() == 0
    page.evaluate("() => host.cleanups.forEach((cleanup) => cleanup())")
    assert page.locator("#output > *").count() == 0
    assert page.evaluate("() => host.model.count()") == 0


def test_given_the_handle_then_the_height_is_kept_in_the_model(replay: Replay) -> None:
    handle = replay.root.get_by_role("separator")
    box = handle.bounding_box()
    assert box is not None
    replay.page.mouse.move(box["x"] + 400, box["y"] + 4)
    replay.page.mouse.down()
    replay.page.mouse.move(box["x"] + 400, box["y"] + 84)
    replay.page.mouse.up()
    assert replay.page.evaluate("() => host.model.traits.height") == 500
    assert replay.page.evaluate("() => host.model.saved") >= 1
    replay.page.evaluate("() => host.model.set('height', 300)")
    box = replay.root.bounding_box()
    assert box is not None
    assert box["height"] == 300


def test_given_the_hosts_theme_then_the_view_follows_and_the_trait_overrules(replay: Replay) -> None:
    assert replay.root.get_attribute("data-theme") == "light"
    replay.page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
    wait_for(replay.root, "data-theme", "dark")
    replay.page.evaluate("() => host.model.set('theme', 'light')")
    wait_for(replay.root, "data-theme", "light")
    wait_for(replay.root, "data-host", "false")


@pytest.mark.parametrize(
    ("width", "kind"), [(1000, "wide"), (760, "medium"), (480, "narrow"), (320, "tiny"), (113, "tiny")]
)
def test_given_any_width_then_nothing_hangs_out_and_the_threads_are_reachable(
    page: Page, width: int, kind: str
) -> None:
    replay = Replay(page, width=f"{width}px", height=460)
    replay.send_all(TrainingLoop(seconds=2).pieces())
    root, panel = replay.root, replay.root.locator(".nbspy-threads-panel")
    wait_for(root, "data-width", kind)
    if kind == "tiny":
        assert panel.is_hidden()
        root.locator(".nbspy-threads-button").click()
    panel.wait_for(state="visible")
    if kind == "narrow":
        chart, threads = root.locator(".nbspy-chart").bounding_box(), panel.bounding_box()
        assert chart is not None
        assert threads is not None
        assert threads["y"] + threads["height"] <= chart["y"]
        # The strip ends with a whole row.
        rows = [row.bounding_box() for row in root.locator("tr[data-thread]").all()[:2]]
        assert rows[1] is not None
        assert rows[1]["y"] + rows[1]["height"] <= threads["y"] + threads["height"]
    names = root.locator(".nbspy-hot .nbspy-link:visible")
    assert names.count() == {"wide": 3, "medium": 3, "narrow": 2, "tiny": 0}[kind]
    outside = """(root) => [...root.querySelectorAll('*:not(.nbspy-hidden, .nbspy-hidden *, .nbspy-thread-name *)')]
        .filter((one) => one.getBoundingClientRect().right > root.getBoundingClientRect().right + 0.5)
        .map((one) => one.className)"""
    assert root.evaluate(outside) == []
    if kind == "tiny":
        root.locator(".nbspy-threads-button").click()
        panel.wait_for(state="hidden")
        assert root.locator(".nbspy-chart").first.is_visible()


def test_given_two_hundred_threads_then_the_table_scrolls_inside(page: Page) -> None:
    replay = Replay(page)
    replay.send_all(TrainingLoop(seconds=1, loaders=8, extra_threads=190).pieces())
    wait_for_text(replay.root.locator(".nbspy-threads th >> nth=0"), "Threads 200")
    table, rows = replay.root.locator("table.nbspy-threads"), replay.root.locator("tr[data-thread]")
    assert table.get_attribute("aria-rowcount") == "201"
    assert rows.count() < 20
    replay.root.locator(".nbspy-threads-scroll").evaluate("(box) => box.scrollTo(0, box.scrollHeight)")
    last = replay.root.locator("tr[aria-rowindex='201']")
    wait_for_text(last, "idle · wait")
    assert rows.count() < 20
    # By keys one comes to every row, and the one that has the focus stays while one looks elsewhere.
    last.locator("button").focus()
    for row in range(200, 180, -1):
        page.keyboard.press("ArrowUp")
        page.wait_for_function("(row) => document.activeElement.closest('tr')?.ariaRowIndex === row", arg=str(row))
    replay.root.locator(".nbspy-threads-scroll").evaluate("(box) => box.scrollTo(0, 0)")
    expect(replay.root.locator("tr[aria-rowindex='2']")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('tr')?.ariaRowIndex") == "181"
    page.keyboard.press("Home")
    page.wait_for_function("document.activeElement.closest('tr')?.ariaRowIndex === '2'")
    # The tab key takes one step over all of them.
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.classList.contains('nbspy-timeline')")
    box = replay.root.bounding_box()
    assert box is not None
    assert box["height"] == 420


def frozen_page(pieces: list[bytes], damaged: bool = False) -> str:
    """Return a self-contained page as the exporter writes it: the bundle, and the data compressed."""
    data = base64.b64encode(zlib.compress(b"".join(pieces))).decode("ascii")
    data = data[: len(data) // 2] if damaged else data
    code = (STATIC / "page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html><meta charset="utf-8"><title>t</title><body style="margin:0"><div id="nbspy-root"></div>'
        f'<script type="application/octet-stream" id="nbspy-data" data-encoding="deflate">{data}</script>'
        f"<script>{code}</script></body>"
    )


def test_given_the_page_as_a_file_without_network_then_it_is_complete_and_interactive(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "profile.html"
    file.write_text(frozen_page(simple_stream()), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 600}, color_scheme="dark")
    page = context.new_page()
    page.goto(file.as_uri())
    root = page.locator(".nbspy-explorer")
    wait_for(root, "data-state", "ended")
    assert root.get_attribute("data-samples") == "200"
    assert root.get_attribute("data-theme") == "dark"
    box = root.bounding_box()
    assert box is not None
    assert box["height"] == 600
    root.locator("tr[data-thread='0']").click()
    chart = root.locator(".nbspy-chart").bounding_box()
    assert chart is not None
    page.mouse.click(chart["x"] + 50, chart["y"] + 1.5 * ROW_PX)
    wait_for(root, "data-zoom", "load")
    context.close()


def test_given_the_page_in_a_sandboxed_frame_then_it_works_there(page: Page) -> None:
    page.set_content('<iframe sandbox="allow-scripts" style="width:900px;height:500px;border:0"></iframe>')
    page.evaluate("(html) => { document.querySelector('iframe').srcdoc = html; }", frozen_page(simple_stream()))
    root = page.frame_locator("iframe").locator(".nbspy-explorer[data-state=ended]")
    root.wait_for()
    assert root.get_attribute("data-samples") == "200"


def test_given_a_page_with_damaged_data_then_it_says_so(page: Page) -> None:
    page.set_content(frozen_page(simple_stream(), damaged=True))
    root = page.locator(".nbspy-explorer[data-state=error]")
    root.wait_for()
    wait_for_text(root.locator(".nbspy-message"), "cannot be read further")


@pytest.mark.parametrize("policy", ["script-src blob:", "script-src data: 'unsafe-inline'"])
def test_given_a_host_that_allows_only_some_scripts_then_the_packed_widget_starts(
    browser: Browser, policy: str
) -> None:
    page = browser.new_page()
    replay = Replay(page, policy=policy)
    replay.send_all(simple_stream())
    wait_for(replay.root, "data-samples", "200")
    page.close()


def test_given_a_host_that_allows_the_widget_no_script_then_it_is_said_what_is_missing(browser: Browser) -> None:
    page = browser.new_page()
    with pytest.raises(Error, match="content policy lets no script start: it would have to allow blob: or inline"):
        Replay(page, policy="script-src data:")
    page.close()
