"""Names that would write ``owned`` to the console, in everything a browser is shown: none of them runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbspy
from nbspy.model.encoding import stream_of
from nbspy.model.profile import Profile
from nbspy.options import DumpOptions
from nbspy.stack_trace import Dump
from nbspy.views.dump_view import dump_html
from nbspy.views.page import frozen_html, page_html
from tests.notebook.replay import Replay
from tests.unit import hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


@pytest.fixture
def watched(browser: Browser) -> Iterator[Page]:
    """A page whose test fails where a name ran anywhere in it, in whatever frame."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: (said.append("owned"), dialog.dismiss()))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    yield page
    page.evaluate("for (const one of document.querySelectorAll('*')) one.dispatchEvent(new Event('mouseover'))")
    assert [text for text in said if "owned" in text or text.startswith("error")] == []
    assert page.evaluate("typeof owned") == "undefined"
    context.close()


@pytest.fixture(scope="module")
def profile() -> Profile:
    return hostile.profile()


def test_flag_is_raised_where_a_name_is_taken_for_markup(browser: Browser) -> None:
    """What the other tests look for can be seen at all."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.set_content(f"<body>{hostile.NAMES['script']}{hostile.NAMES['image']}</body>")
    page.wait_for_function("document.images[0].complete")
    page.evaluate("console.log('last')")
    while "last" not in said:
        page.wait_for_timeout(10)
    assert said.count("owned") == 2
    page.close()


def test_widget_shows_names_as_text(watched: Page, profile: Profile) -> None:
    replay = Replay(watched)
    replay.send_all([stream_of(profile)])
    watched.wait_for_function("document.querySelector('.nbspy-mirror').textContent.includes('<img src=x')")
    box = replay.root.locator(".nbspy-chart").bounding_box()
    assert box is not None
    for x in range(20, int(box["width"]), 80):
        watched.mouse.move(box["x"] + x, box["y"] + 9)
    replay.root.locator(".nbspy-search").fill("script")
    for row in range(0, len(hostile.NAMES), 8):
        named = replay.root.locator(f"tr[data-thread='{row}']")
        # Rows out of sight are not in the page.
        scroller = replay.root.locator(".nbspy-threads-scroll")
        for top in range(0, 40 * len(hostile.NAMES), 100):
            if named.count():
                break
            scroller.evaluate("(element, top) => element.scrollTo(0, top)", top)
            watched.evaluate("() => new Promise(requestAnimationFrame)")
        named.click()
    assert watched.locator("img, iframe, svg set, script:not([type])").count() == 0
    text = replay.root.inner_text()
    assert not any(letter in text for letter in "\u202e\u2066\x1b\x00")
    assert len(text) < 200_000, "names are shortened"


def test_frozen_output_and_page_show_names_as_text(watched: Page, profile: Profile, tmp_path: Path) -> None:
    for number, html in enumerate([page_html(profile), frozen_html(profile, title=hostile.NAMES["double quote"])]):
        path = tmp_path / f"{number}.html"
        path.write_text(f'<meta charset="utf-8">{html}' if number else html, encoding="utf-8", errors="strict")
        watched.goto(path.as_uri())
        frame = watched.frames[-1]
        frame.wait_for_selector(".nbspy-explorer[data-state=ended]")
        assert frame.locator("img, svg set").count() == 0
        assert watched.locator("img, svg set").count() == 0


def test_tables_show_names_as_text(watched: Page, profile: Profile) -> None:
    dump = Dump(tuple(hostile.traces()), 1, hostile.NAMES["end of title"], "3.13.0")
    shown = [
        profile._repr_html_(),
        profile.compare(profile)._repr_html_(),
        dump_html([dump], DumpOptions(locals=1)),
    ]
    # As a notebook puts output into its page; what is in the text of a page is as its parser takes it.
    watched.set_content('<meta charset="utf-8"><div id="output"></div>')
    for html in shown:
        watched.evaluate("html => { document.getElementById('output').innerHTML = html; }", html)
        assert watched.locator("img, iframe, svg, script").count() == 0
        assert "<img src=x" in (watched.locator("#output").text_content() or "")
    watched.set_content("".join(shown))
    assert watched.locator("img, iframe, svg, script").count() == 0


def test_flame_graph_shows_names_as_text(watched: Page, profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "names.svg"
    profile.save(path)
    watched.goto(path.as_uri())
    assert watched.evaluate("document.documentElement.localName") == "svg", "it is well-formed"
    boxes = watched.locator("rect").count()
    assert boxes >= len(hostile.NAMES)
    for place in range(0, boxes, max(1, boxes // 8)):
        watched.locator("rect").nth(place).dispatch_event("click")
    assert watched.locator("img, iframe, set").count() == 0


def test_files_of_others_with_such_names_are_read_and_shown(watched: Page, profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "names.speedscope.json"
    profile.save(path)
    watched.goto("about:blank")
    again = nbspy.load(path)
    watched.set_content(frozen_html(again))
    watched.frames[-1].wait_for_selector(".nbspy-explorer[data-state=ended]")
