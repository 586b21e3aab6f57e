"""Make the README's animated picture: a session in JupyterLab, live, clicked, searched, brushed.

``python tools/animation.py [FILE] [--theme dark] [--keep FOLDER]`` with the test extra and a Chromium.
Everything in it is real: a demo target, a kernel, a busy cell, a browser. What is added is the pointer, which a
browser without a screen does not draw, and an even pace, which a loaded machine does not have.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.notebook.lab import jupyterlab, open_notebook, run_all  # noqa: E402  # not a package's script
from tools.demo_process import demo_target  # noqa: E402
from tools.find_browser import FLAGS, find_browser  # noqa: E402
from tools.screenshot import prepare  # noqa: E402

MAX_BYTES = 1_500_000
SAMPLED_S = 120
"""The cell is busy for longer than the filming takes on a slow machine; then it is interrupted."""
WIDTH_PX, HEIGHT_PX, SCALE = 1100, 800, 1.25
EXPLORER_PX = 470
GROWTH = 6
"""Pictures of the chart while it grows."""
POINTER = ((0, 0), (0, 16.5), (3.8, 13), (6.3, 18.6), (8.7, 17.6), (6.2, 12.1), (11.4, 11.9))
"""An arrow, its tip at the origin, in CSS pixels."""
QUALITY = 72
ROW_PX = 18
"""Of the chart."""


@dataclass
class Film:
    """Pictures of a part of the page, and for how long each is to be seen."""

    page: Page
    clip: dict[str, float]
    frames: list[tuple[Image.Image, int]] = field(default_factory=list)
    at: tuple[float, float] = (0, 0)
    """Where the pointer is, in CSS pixels of the page."""
    _still: Image.Image | None = None

    def shoot(self, ms: int) -> None:
        """Photograph the page as it is now."""
        data = self.page.screenshot(clip=self.clip, animations="allow", caret="initial")  # type: ignore[arg-type]
        self._still = Image.open(io.BytesIO(data)).convert("RGB")
        self._add(ms)

    def move_to(self, place: Locator, share: float = 0.5, *, drop: float = 0.5) -> None:
        """Let the pointer glide to a place of an element, and the page know when it has come there."""
        box = place.bounding_box()
        assert box is not None
        self.glide(box["x"] + share * box["width"], box["y"] + drop * box["height"])

    def glide(self, x: float, y: float, *, steps: int = 5) -> None:
        before = self.at
        for step in range(1, steps + 1):
            part = (step / steps) ** 2 * (3 - 2 * step / steps)  # slow at both ends
            self.at = (before[0] + part * (x - before[0]), before[1] + part * (y - before[1]))
            if step < steps:
                self._add(50)
        self.page.mouse.move(x, y)

    def _add(self, ms: int) -> None:
        assert self._still is not None
        picture = self._still.copy()
        x, y = ((at - self.clip[side]) for at, side in zip(self.at, ("x", "y"), strict=True))
        arrow = [((x + dx) * SCALE, (y + dy) * SCALE) for dx, dy in POINTER]
        pen = ImageDraw.Draw(picture)
        pen.polygon(arrow, fill=(20, 20, 20))
        pen.line([*arrow, arrow[0]], fill=(255, 255, 255), width=2, joint="curve")
        self.frames.append((picture, ms))

    def save(self, file: Path) -> None:
        """Write the pictures as one that repeats; raises SystemExit where it would be too large for a README."""
        first, *rest = [picture for picture, _ in self.frames]
        durations = [ms for _, ms in self.frames]
        data = io.BytesIO()
        first.save(
            data, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, quality=QUALITY, method=4
        )
        if len(data.getvalue()) > MAX_BYTES:
            sys.exit(f"{len(data.getvalue()):,} bytes are more than {MAX_BYTES:,}: fewer pictures, or lower QUALITY")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.getvalue())


def act(film: Film, explorer: Locator) -> None:
    """Everything that is shown, one thing after the other."""
    page = film.page
    for _ in range(GROWTH):
        film.shoot(400)
        page.wait_for_timeout(700)
    chart = explorer.locator(".nbspy-chart").bounding_box()
    assert chart is not None
    film.glide(chart["x"] + 0.6 * chart["width"], chart["y"] + 4.5 * ROW_PX)
    page.wait_for_timeout(200)
    film.shoot(1000)
    page.mouse.click(*film.at)
    film.shoot(60)
    page.wait_for_timeout(250)
    film.shoot(1100)
    _click(film, explorer.locator(".nbspy-crumb").first, 500)
    search = explorer.get_by_role("searchbox")
    _click(film, search, 250)
    for letters in ("sc", "or", "e"):
        page.keyboard.type(letters)
        film.shoot(180)
    page.wait_for_timeout(500)
    film.shoot(1300)
    search.fill("")
    _brush(film, explorer.locator(".nbspy-timeline"))
    _click(film, explorer.get_by_role("tab", name="Functions"), 1200)
    _click(film, explorer.locator(".nbspy-functions .nbspy-link", has_text="distance"), 1300)
    _click(film, explorer.get_by_role("tab", name="Source"), 1800)
    _click(film, explorer.get_by_role("tab", name="Merged"), 300)


def _click(film: Film, place: Locator, ms: int) -> None:
    film.move_to(place)
    film.page.mouse.click(*film.at)
    film.page.wait_for_timeout(350)
    film.shoot(ms)


def _brush(film: Film, timeline: Locator) -> None:
    film.move_to(timeline, 0.45, drop=0.4)
    box = timeline.bounding_box()
    assert box is not None
    film.page.mouse.down()
    for share in (0.52, 0.59, 0.65):
        film.at = (box["x"] + share * box["width"], film.at[1])
        film.page.mouse.move(*film.at)
        film.page.wait_for_timeout(60)
        film.shoot(90)
    film.page.mouse.up()
    film.page.wait_for_timeout(400)
    film.shoot(1300)
    film.page.mouse.dblclick(*film.at)
    film.page.wait_for_timeout(300)
    film.shoot(400)


def make(browser: Browser, address: str, theme: str) -> Film:
    page = browser.new_page(viewport={"width": WIDTH_PX, "height": HEIGHT_PX}, device_scale_factor=SCALE)
    open_notebook(page, address, "quickstart.ipynb")
    if theme == "dark":
        page.evaluate("() => jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
    run_all(page)
    explorer = page.locator(".nbspy-explorer")
    explorer.wait_for(timeout=60_000)
    explorer.get_by_role("button", name="Active", exact=True).click()
    explorer.get_by_role("button", name="Options of the view").click()
    explorer.get_by_label("Colour by").select_option("function")  # the demo is one package
    page.keyboard.press("Escape")
    page.wait_for_function("(element) => Number(element.dataset.samples) > 0", arg=explorer.element_handle())
    film = Film(page, _clip(page))
    film.at = (film.clip["x"] + 0.8 * film.clip["width"], film.clip["y"] + 30)
    page.mouse.move(*film.at)
    act(film, explorer)
    assert page.evaluate("() => !window.allRan"), f"the cell ended: SAMPLED_S = {SAMPLED_S} is too little here"
    page.evaluate("() => jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.close()
    return film


def _clip(page: Page) -> dict[str, float]:
    """The profiled cell and its output."""
    clip: dict[str, float] = page.evaluate(
        """() => {
            const cells = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];
            const box = cells[cells.length - 1].getBoundingClientRect();
            return {x: box.x, y: box.y - 2, width: box.width, height: Math.min(box.height + 4, innerHeight - box.y)};
        }"""
    )
    return clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", default=str(ROOT / "docs" / "explorer.webp"))
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--keep", metavar="FOLDER", help="write each picture there too")
    arguments = parser.parse_args()
    browser_path = find_browser()
    if browser_path is None:
        sys.exit("no Chromium found: apt install chromium")
    with (
        tempfile.TemporaryDirectory() as scratch,
        demo_target() as pid,
        jupyterlab(prepare(Path(scratch), pid, SAMPLED_S, EXPLORER_PX), Path(scratch, "state")) as address,
        sync_playwright() as playwright,
    ):
        # A browser that is photographed draws more than one that is looked at: it goes behind what it looks at.
        with contextlib.suppress(OSError, AttributeError):
            os.nice(10)
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(FLAGS))
        film = make(browser, address, arguments.theme)
        browser.close()
    if arguments.keep:
        Path(arguments.keep).mkdir(parents=True, exist_ok=True)
        for number, (picture, ms) in enumerate(film.frames):
            picture.save(Path(arguments.keep, f"{number:03}-{ms}.png"))
    film.save(Path(arguments.file))
    print(arguments.file, f"{Path(arguments.file).stat().st_size:,} bytes, {len(film.frames)} pictures")


if __name__ == "__main__":
    main()
