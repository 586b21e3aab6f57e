"""JupyterLab: every view and action; the whole slice, live while the cell is busy, and saved for offline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Frame, Locator, Page, Route

from tests.notebook.axe import violations
from tests.notebook.lab import jupyterlab, open_notebook, run_all, save, write_notebook
from tests.notebook.notebook_host import look_at_everything
from tools.demo_process import demo_target

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.timeout(240)]

CELL_IS_BUSY = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(
    prompt => prompt.textContent.includes('[*]'))"""
SAMPLES_ABOVE = "([element, least]) => Number(element.dataset.samples) > least"


@pytest.fixture(scope="module")
def pid() -> Iterator[int]:
    with demo_target() as pid:
        yield pid


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyterlab(folder, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all: what it has fetched of JupyterLab is not fetched again."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    yield page
    page.close()


def samples(explorer: Locator) -> int:
    return int(explorer.get_attribute("data-samples") or 0)


def wait_for_more(page: Page, explorer: Locator) -> int:
    """Wait until the explorer has more samples than now; return how many it had."""
    before = samples(explorer)
    page.wait_for_function(SAMPLES_ABOVE, arg=[explorer.element_handle(), before], timeout=30_000)
    return before


def click_into_second_row(explorer: Locator) -> None:
    chart = explorer.locator("canvas").first
    box = chart.bounding_box()
    assert box is not None
    chart.click(position={"x": box["width"] * 0.05, "y": 18 * 1.5})


def zoom_by_click(page: Page, explorer: Locator) -> str:
    """Click into the chart's second row; return the name that is zoomed to."""
    click_into_second_row(explorer)
    page.wait_for_function("element => element.dataset.zoom !== ''", arg=explorer.element_handle(), timeout=10_000)
    return explorer.get_attribute("data-zoom") or ""


def test_every_view_and_action_works_there(page: Page, address: str, folder: Path) -> None:
    look_at_everything(page, address, folder, below="lab/tree")


def test_chart_grows_and_answers_while_the_cell_is_busy_and_stays_afterwards(
    page: Page, address: str, folder: Path, pid: int
) -> None:
    flag = folder / "enough"
    body = f"import os\nwhile not os.path.exists({str(flag)!r}): pass"
    write_notebook(folder / "live.ipynb", ["%load_ext nbspy", f"%%profile_remote {pid} --rate 100\n{body}"])
    open_notebook(page, address, "live.ipynb")
    run_all(page)

    explorer = page.locator(".nbspy-explorer")
    explorer.wait_for(timeout=60_000)
    wait_for_more(page, explorer)
    first = wait_for_more(page, explorer)
    assert page.evaluate(CELL_IS_BUSY)
    assert samples(explorer) > first > 0

    assert zoom_by_click(page, explorer)
    search = explorer.get_by_role("searchbox")
    search.fill("score_batch")
    explorer.get_by_text("%", exact=False).first.wait_for()
    wait_for_more(page, explorer)
    assert page.evaluate(CELL_IS_BUSY), "zoom and search were answered by the browser alone"
    assert not page.evaluate("() => window.allRan")
    assert violations(page, ".nbspy-explorer") == []

    flag.touch()
    page.wait_for_function("() => window.allRan", timeout=60_000)
    explorer.wait_for(state="detached", timeout=30_000)
    frozen = page.frame_locator(".jp-OutputArea iframe").locator(".nbspy-explorer")
    frozen.wait_for(timeout=30_000)
    assert int(frozen.get_attribute("data-samples") or 0) > first
    assert violations(explorer_frame(page)) == []
    save(page)
    assert_saved_notebook_is_light_and_complete(folder / "live.ipynb")


def assert_saved_notebook_is_light_and_complete(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    [output] = notebook.cells[1].outputs
    assert set(output.data) == {"text/html", "text/plain"}
    assert "crunch" in output.data["text/plain"]
    assert "widgets" not in notebook.metadata


def test_background_session_is_live_and_freezes_when_it_ends(page: Page, address: str, folder: Path, pid: int) -> None:
    write_notebook(folder / "background.ipynb", ["%load_ext nbspy", f"%profile_remote {pid} -d 6", "40 + 2"])
    open_notebook(page, address, "background.ipynb")
    page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    run_all(page)
    explorer = page.locator(".nbspy-explorer[data-theme=dark]")
    explorer.wait_for(timeout=60_000)
    wait_for_more(page, explorer)
    page.get_by_text("42", exact=True).wait_for(timeout=10_000)
    explorer.get_by_role("tab", name="Functions").click()
    assert violations(page, ".nbspy-explorer") == []
    # The saved picture cannot see the notebook around it: the live view hands on what it was set to, and its theme.
    frozen = page.frame_locator(".jp-OutputArea iframe").locator(".nbspy-explorer[data-theme=dark]")
    frozen.wait_for(timeout=30_000)
    frozen.get_by_role("tab", name="Functions", selected=True).wait_for(timeout=10_000)
    assert violations(explorer_frame(page)) == []


def test_exported_html_works_from_a_file_without_a_network(browser: Browser, folder: Path, pid: int) -> None:
    notebook = folder / "export.ipynb"
    write_notebook(notebook, ["%load_ext nbspy", f"%%profile_remote {pid} --rate 100 --duration 2\n"])
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "--log-level=WARN", str(notebook)]
    subprocess.run(convert, check=True, cwd=folder, stdin=subprocess.DEVNULL, timeout=120)

    context = browser.new_context(viewport={"width": 1200, "height": 900})
    asked_by_frame: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
            return
        if route.request.frame.parent_frame is not None:  # else: nbconvert's own scripts
            asked_by_frame.append(route.request.url)
        route.abort()

    context.route("**/*", refuse)
    page = context.new_page()
    page.goto((folder / "export.html").as_uri(), wait_until="domcontentloaded")
    page.locator("details > summary").first.click()
    assert "crunch" in page.locator("table").first.inner_text()
    page.locator("details > summary").first.click()
    frame = explorer_frame(page)
    frame.wait_for_function("() => Number(document.querySelector('.nbspy-explorer')?.dataset.samples) > 0")
    click_into_second_row(frame.locator(".nbspy-explorer"))
    frame.wait_for_function("() => document.querySelector('.nbspy-explorer').dataset.zoom !== ''")
    assert asked_by_frame == []
    context.close()


def explorer_frame(page: Page) -> Frame:
    handle = page.wait_for_selector("iframe[sandbox]", timeout=30_000)
    assert handle is not None
    frame = handle.content_frame()
    assert frame is not None
    return frame
