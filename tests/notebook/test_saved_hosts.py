"""Every view and action in what is saved: the page, and the frozen output inside a notebook's page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbspy.model.builder import profile_from_stream
from nbspy.views.page import frozen_html, page_html
from tests.notebook.every_view import Host, take_every_look, whole_stream

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("kind", ["page", "frozen"])
def test_given_what_is_saved_then_every_view_and_action_works_there(page: Page, tmp_path: Path, kind: str) -> None:
    stream = whole_stream()
    profile = profile_from_stream(stream)
    if kind == "page":
        file = tmp_path / "profile.html"
        file.write_text(page_html(profile, stream, with_tables=False), encoding="utf-8")
        page.goto(file.as_uri())
        root = page.locator(".nbspy-explorer")
    else:
        page.set_content(f"<!doctype html><body style='margin:12px'>{frozen_html(profile, stream)}</body>")
        root = page.frame_locator("iframe").locator(".nbspy-explorer")
    take_every_look(Host(page, root, tmp_path))
