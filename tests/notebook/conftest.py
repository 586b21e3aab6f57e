"""A real browser for the tests of the explorer and of JupyterLab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.notebook.replay import Replay
from tests.notebook.simple_page import simple_stream, wait_for_text
from tools.find_browser import FLAGS, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_HOW = "no Chromium was found on PATH: apt install chromium, brew install chromium"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless. Missing, it is a skip for a person and a failure in CI."""
    executable = find_browser()
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail(_HOW)
        pytest.skip(_HOW)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page, 1000 x 700 CSS pixels, whose test fails where a script fails or writes an error."""
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def replay(page: Page) -> Replay:
    """The widget with the simple stream in it, only `worker` selected: its shares are round."""
    replay = Replay(page)
    replay.send_all(simple_stream())
    replay.root.locator("tr[data-thread='0']").click()
    wait_for_text(replay.root.locator(".nbspy-crumbs"), "worker")
    return replay
