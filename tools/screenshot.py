"""Take the README's picture: the quickstart's live cell in JupyterLab, while it is busy.

``python tools/screenshot.py [FILE] [--theme dark] [--frozen] [--width PIXELS]`` in an environment with the test
extra and a Chromium. The picture is of the real thing: a demo target, a kernel, JupyterLab, a browser.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.notebook.lab import jupyterlab, open_notebook, run_all, write_notebook  # noqa: E402  # not a package's script
from tools.demo_process import demo_target  # noqa: E402
from tools.find_browser import FLAGS, find_browser  # noqa: E402

SAMPLED_S = 14
HEIGHT_PX = 540
PROFILED_CELL = """%%profile_remote {pid}
import time

for second in range({seconds}):  # your code drives the target here
    time.sleep(1)"""


def take(browser: Browser, address: str, arguments: argparse.Namespace) -> None:
    page = browser.new_page(viewport={"width": arguments.width, "height": 1000}, device_scale_factor=2)
    open_notebook(page, address, "quickstart.ipynb")
    if arguments.theme == "dark":
        page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
    run_all(page)
    explorer = page.locator(".nbspy-explorer")
    explorer.wait_for(timeout=60_000)
    explorer.get_by_role("button", name="Active").or_(explorer.get_by_role("radio", name="Active")).first.click()
    page.wait_for_function(
        "([element, least]) => Number(element.dataset.samples) > least",
        arg=[explorer.element_handle(), (SAMPLED_S - 4) * 100 * 5],
        timeout=120_000,
    )
    if arguments.frozen:
        page.wait_for_function("() => window.allRan", timeout=60_000)
        page.frame_locator(".jp-OutputArea iframe").locator(".nbspy-explorer").wait_for(timeout=30_000)
    page.mouse.move(2, 2)
    picture(page, Path(arguments.file))
    page.close()


def picture(page: Page, file: Path) -> None:
    """Photograph the notebook from its first cell to the end of its last output."""
    box = page.evaluate(
        """() => {
            const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
            const first = cells[0].getBoundingClientRect(), last = cells[cells.length - 1].getBoundingClientRect();
            return {x: first.x, y: first.y - 4, width: last.width, height: last.bottom - first.y + 8};
        }"""
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file, clip=box, animations="disabled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default=str(ROOT / "docs" / "quickstart.png"))
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--frozen", action="store_true", help="after the cell has ended instead")
    parser.add_argument("--width", type=int, default=1180)
    arguments = parser.parse_args()
    browser_path = find_browser()
    if browser_path is None:
        sys.exit("no Chromium found: apt install chromium")
    with (
        tempfile.TemporaryDirectory() as scratch,
        demo_target() as pid,
        jupyterlab(prepare(Path(scratch), pid, SAMPLED_S, HEIGHT_PX), Path(scratch, "state")) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        take(browser, address, arguments)
        browser.close()
    print(arguments.file)


def prepare(scratch: Path, pid: int, seconds: int, height_px: int) -> Path:
    """Write the notebook and the kernel's configuration; return the notebook's folder."""
    folder = scratch / "notebooks"
    folder.mkdir()
    cell = PROFILED_CELL.replace("{pid}", str(pid)).replace("{seconds}", str(seconds))
    write_notebook(folder / "quickstart.ipynb", ["%load_ext nbspy", cell])
    profile = scratch / "state" / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(f"c.NbspyMagics.height = {height_px}\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
