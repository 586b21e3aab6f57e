"""axe-core finds nothing in the explorer, whatever it shows, light and dark: in the page and in the frozen output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from nbspy.model.builder import profile_from_stream
from nbspy.views.page import frozen_html, page_html
from tests.notebook.axe import violations
from tests.notebook.replay import Replay
from tests.notebook.simple_page import chart_point, wait_for, wait_for_text
from tests.notebook.synthetic import StreamBuilder, TrainingLoop
from tests.notebook.test_views_page import compare_with, open_tab, recursive_stream

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

ROOT = ".nbspy-explorer"
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that another theme may break: the others see the same elements in the dark."""


def failure() -> bytes:
    """A stream that ended before it began, with what to do about it."""
    return StreamBuilder().end(
        0, "error", "permission-refused", "Process 42 may not be read.", "Run nbspy as its user."
    )


def states(replay: Replay) -> Iterator[str]:
    """Bring the view into one state after the other; yield what each is called."""
    root, page = replay.root, replay.page
    yield "attaching"
    pieces = TrainingLoop(seconds=1).pieces(discarded=3, late=40)
    for piece in pieces[:-1]:
        replay.send(piece)
    wait_for_text(root.locator(".nbspy-crumbs"), "5.00")
    yield "live and late"
    replay.send(pieces[-1], ended=True)
    wait_for(root, "data-state", "ended")
    root.locator(".nbspy-search").fill("decode")
    page.mouse.move(*chart_point(replay, 0.3, 1))
    root.get_by_role("tooltip").wait_for()
    yield "searched, with a tooltip"
    root.locator(".nbspy-search").fill("")
    for button in ("Options of the view", "Save and compare", "Keys and gestures"):
        root.get_by_role("button", name=button).click()
        yield button
        page.keyboard.press("Escape")
    page.mouse.click(*chart_point(replay, 0.3, 3), button="right")
    yield "a frame's menu"
    page.keyboard.press("Escape")
    page.mouse.click(*chart_point(replay, 0.3, 3))
    root.locator("tr[data-thread='1']").click()
    page.evaluate("() => host.model.set('view', {mode: 'gil-wait', threads: [1], time: [2e5, 8e5], zoom: []})")
    wait_for_text(root.locator(".nbspy-chips"), "waiting for the GIL")
    yield "filtered"
    page.evaluate("() => host.model.set('view', {})")
    for tab in ("Over time", "Functions", "Sandwich", "Source"):
        open_tab(root, tab)
        yield tab
    compare_with(replay, b"".join(recursive_stream()))
    wait_for(root, "data-tab", "compare")
    yield "compared"
    open_tab(root, "Functions")
    yield "functions compared"
    for width in (480, 113):
        page.evaluate("(width) => { document.getElementById('output').style.width = `${width}px`; }", width)
        wait_for(root, "data-width", "narrow" if width == 480 else "tiny")
        yield f"{width} pixels wide"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_given_any_state_of_the_widget_then_axe_finds_nothing(page: Page, dark: bool) -> None:
    replay = Replay(page, dark=dark)
    wait_for(replay.root, "data-theme", "dark" if dark else "light")
    rules = COLOURS if dark else ()
    found = {state: violations(page, ROOT, rules) for state in states(replay)}
    assert {state: one for state, one in found.items() if one} == {}
    refused = Replay(page, dark=dark)
    refused.send_all([StreamBuilder().hello() + failure()])
    wait_for_text(refused.root.locator(".nbspy-message"), "may not be read")
    assert violations(page, ROOT, rules) == []


def test_given_text_that_is_too_faint_in_the_dark_then_axe_finds_it(page: Page) -> None:
    replay = Replay(page, dark=True)
    replay.send_all([StreamBuilder().hello() + failure()])
    wait_for_text(replay.root.locator(".nbspy-message"), "may not be read")
    page.add_style_tag(content=".nbspy-target * { color: #444 !important }")
    assert any(one.startswith("color-contrast:") for one in violations(page, ROOT, COLOURS))


def test_given_a_button_without_a_name_then_axe_finds_it(page: Page) -> None:
    replay = Replay(page)
    replay.root.evaluate("(root) => { root.append(document.createElement('button')); }")
    assert any(one.startswith("button-name:") for one in violations(page, ROOT))


@pytest.mark.parametrize("make", [frozen_html, page_html], ids=["frozen", "page"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_given_what_is_saved_then_axe_finds_nothing_in_the_whole_document(
    page: Page, make: Callable[..., str], scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    rules = COLOURS if scheme == "dark" else ()
    stream = b"".join(recursive_stream())
    html = make(profile_from_stream(stream), stream, title="python app.py")
    if make is page_html:
        page.set_content(html)
        place = page.main_frame
    else:
        # The summary tables above the frame are in the notebook's own colours.
        page.set_content(f'<!doctype html><html lang="en"><title>notebook</title><main><h1>n</h1>{html}</main></html>')
        place = page.frames[1]
        assert [one for one in violations(page, "main", rules) if "iframe" not in one] == []
    place.wait_for_function("() => document.querySelector('.nbspy-explorer')?.dataset.samples === '100'")
    assert place.locator(ROOT).get_attribute("data-theme") == scheme
    assert violations(place, "", rules) == []
