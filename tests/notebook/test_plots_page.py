"""The figures as pages of a real browser: they draw, and hostile names do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbspy.model.builder import profile_from_stream
from tests.notebook.synthetic import TrainingLoop, hostile_names
from tests.unit.test_plots import FIGURES

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_given_every_figure_then_it_draws_with_its_names_as_text(page: Page, tmp_path: Path) -> None:
    profiles = [profile_from_stream(b"".join(pieces)) for pieces in (TrainingLoop(seconds=3).pieces(), hostile_names())]
    for name, figure in FIGURES.items():
        for i, profile in enumerate(profiles):
            path = tmp_path / f"{name}{i}.html"
            figure(profile).write_html(path, include_plotlyjs="directory")
            page.goto(path.as_uri())
            page.wait_for_selector(".main-svg path, .main-svg rect", state="attached")
            assert page.title() == "", "a script in a name would have set it"
            if name == "icicle" and profile is profiles[1]:
                assert "<b>method</b>" in (page.locator(".plot-container").text_content() or "")
