"""The explorer of a profile that is whole in a notebook's page, with the kernel that made it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.notebook.every_view import Host, take_every_look, whole_stream
from tests.notebook.lab import open_notebook, write_notebook
from tests.notebook.simple_page import wait_for_text

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_CELLS = (
    "import nbspy\nexplorer = nbspy.load('whole.nbspy').explore()\nexplorer",
    "explorer.focus('load')\nexplorer.select(threads='worker', time=(0, 500_000_000))",
    "print('seen', explorer.selection.top(1)[0].name, explorer.selection.duration_ns)\nexplorer",
)


def run_cell(page: Page, number: int) -> None:
    """Run one cell of the notebook in sight, and wait for its end."""
    page.evaluate(
        """async (number) => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = number;
            notebook.deselectAll();
            await jupyterapp.commands.execute('notebook:run-cell');
        }""",
        number,
    )


def look_at_everything(page: Page, address: str, folder: Path, *, below: str) -> None:
    """Take every look, set the view from Python, show it a second time: all in one notebook."""
    (folder / "whole.nbspy").write_bytes(whole_stream())
    write_notebook(folder / "views.ipynb", _CELLS)
    open_notebook(page, address, "views.ipynb", below=below)
    run_cell(page, 0)
    outputs = page.locator(".jp-CodeCell")
    first = outputs.nth(0).locator(".nbspy-explorer")
    first.wait_for(timeout=60_000)
    host = Host(page, first, folder)
    take_every_look(host)
    host.reset()
    run_cell(page, 1)
    _is_set(first)
    run_cell(page, 2)
    # The second output is as the first one was.
    _is_set(outputs.nth(2).locator(".nbspy-explorer"))
    wait_for_text(outputs.nth(2).locator(".jp-OutputArea").first, "seen decode 500000000")


def _is_set(explorer: Locator) -> None:
    wait_for_text(explorer.locator(".nbspy-chips"), "focus load.*worker.*0.00 – 0.50 s")
    wait_for_text(explorer.locator(".nbspy-mirror"), "^(?!.*main).*load.*100.%.*decode")
