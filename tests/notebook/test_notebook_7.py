"""Notebook 7: every view and action; live while the cell is busy, frozen and interactive afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.notebook.lab import notebook_7, open_notebook, run_all, save, write_notebook
from tests.notebook.notebook_host import look_at_everything
from tools.demo_process import demo_target

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(400)]

ANY_CELL_IS_BUSY = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(
    prompt => prompt.textContent.includes('[*]'))"""
HAS_MORE = "([element, least]) => Number(element.dataset.samples) > least"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all: what it has fetched of Notebook 7 is not fetched again."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    yield page
    page.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with notebook_7(folder, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


def test_every_view_and_action_works_there(page: Page, address: str, folder: Path) -> None:
    look_at_everything(page, address, folder, below="notebooks")


def test_chart_grows_while_the_cell_is_busy_and_stays_afterwards(page: Page, address: str, folder: Path) -> None:
    flag = folder / "enough"
    body = f"import os\nwhile not os.path.exists({str(flag)!r}): pass"
    with demo_target() as pid:
        write_notebook(folder / "live.ipynb", ["%load_ext nbspy", f"%%profile_remote {pid} --rate 100\n{body}"])
        open_notebook(page, address, "live.ipynb", below="notebooks")
        run_all(page)

        explorer = page.locator(".nbspy-explorer")
        explorer.wait_for(timeout=60_000)
        for _ in range(2):
            seen = int(explorer.get_attribute("data-samples") or 0)
            page.wait_for_function(HAS_MORE, arg=[explorer.element_handle(), seen], timeout=30_000)
        assert page.evaluate(ANY_CELL_IS_BUSY)
        explorer.get_by_role("searchbox").fill("score_batch")
        explorer.get_by_text("%", exact=False).first.wait_for()
        assert page.evaluate(ANY_CELL_IS_BUSY), "the search was answered by the browser alone"

        flag.touch()
        page.wait_for_function("() => window.allRan", timeout=60_000)
        frozen = page.frame_locator(".jp-OutputArea iframe").locator(".nbspy-explorer")
        frozen.wait_for(timeout=30_000)
        assert int(frozen.get_attribute("data-samples") or 0) > seen
        save(page)
    [output] = nbformat.read(folder / "live.ipynb", as_version=4).cells[1].outputs  # type: ignore[no-untyped-call]
    assert set(output.data) == {"text/html", "text/plain"}
    assert "crunch" in output.data["text/plain"]
