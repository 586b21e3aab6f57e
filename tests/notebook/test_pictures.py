"""The explorer looks as in the committed pictures, within a tolerance (``pictures.py``).

After a wanted change: ``python -m tests.notebook.test_pictures`` makes them anew, to be looked at before they are
committed. Every number is chosen, one piece is sent, and nothing moves: a picture is the same each time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.notebook.pictures import TOLERANCE, committed, difference, keep
from tests.notebook.replay import Replay
from tests.notebook.simple_page import wait_for, wait_for_text
from tests.notebook.synthetic import TrainingLoop
from tests.notebook.test_views_page import compare_with, open_tab, recursive_stream

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

SIZE = (900, 460)
STILL = "*, *::before { animation: none !important; transition: none !important; caret-color: transparent !important; }"


def training(replay: Replay) -> None:
    replay.send(b"".join(TrainingLoop(seconds=4).pieces()), ended=True)
    wait_for_text(replay.root.locator(".nbspy-crumbs"), "20.0")


def merged(replay: Replay) -> None:
    training(replay)


def active_flame_by_state(replay: Replay) -> None:
    training(replay)
    _set(replay, "{mode: 'active', flipped: true, color: 'state'}")


def searched_and_brushed(replay: Replay) -> None:
    training(replay)
    _set(replay, "{query: 'decode', time: [1e6, 3e6]}")
    wait_for_text(replay.root.locator(".nbspy-chips"), "1.00 – 3.00 s")


def over_time(replay: Replay) -> None:
    training(replay)
    open_tab(replay.root, "Over time")


def functions(replay: Replay) -> None:
    training(replay)
    open_tab(replay.root, "Functions")


def sandwich(replay: Replay) -> None:
    training(replay)
    _set(replay, "{tab: 'sandwich', subject: {name: 'conv2d', file: '', line: 0}}")


def source(replay: Replay) -> None:
    replay.send(b"".join(recursive_stream()), ended=True)
    _set(replay, "{tab: 'source', subject: {name: 'walk', file: '', line: 0}}")
    wait_for_text(replay.root.locator(".nbspy-source"), "def walk")


def compared(replay: Replay) -> None:
    training(replay)
    compare_with(replay, b"".join(TrainingLoop(seconds=4, loaders=1, seed=2).pieces()))
    wait_for(replay.root, "data-tab", "compare")


def many_threads(replay: Replay) -> None:
    replay.send(b"".join(TrainingLoop(seconds=1, extra_threads=60).pieces()), ended=True)
    wait_for_text(replay.root.locator(".nbspy-threads th >> nth=0"), "Threads 65")


def _set(replay: Replay, view: str) -> None:
    replay.page.evaluate(f"() => host.model.set('view', {view})")


SCENES: tuple[Callable[[Replay], None], ...] = (
    merged,
    active_flame_by_state,
    searched_and_brushed,
    over_time,
    functions,
    sandwich,
    source,
    compared,
    many_threads,
)
THEMES = {"light": False, "dark": True}
DARK = (merged, compared)
"""Scenes that are looked at in the dark too."""
SHOTS = [(scene, "light") for scene in SCENES] + [(scene, "dark") for scene in DARK]


@contextmanager
def standing(browser: Browser, scene: Callable[[Replay], None], theme: str) -> Iterator[Replay]:
    """Give one scene in which nothing moves."""
    width, height = SIZE
    context = browser.new_context(
        viewport={"width": width, "height": height + 24}, reduced_motion="reduce", device_scale_factor=1
    )
    page = context.new_page()
    replay = Replay(page, dark=THEMES[theme], height=height)
    page.add_style_tag(content=STILL)
    scene(replay)
    page.mouse.move(0, 0)
    page.wait_for_function("() => document.querySelector('.nbspy-explorer:not([data-busy])')")
    yield replay
    context.close()


def photograph(replay: Replay) -> Image.Image:
    replay.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return Image.open(io.BytesIO(replay.root.screenshot(animations="disabled"))).convert("RGB")


def take(browser: Browser, scene: Callable[[Replay], None], theme: str) -> Image.Image:
    with standing(browser, scene, theme) as replay:
        return photograph(replay)


@pytest.mark.parametrize(("scene", "theme"), SHOTS, ids=[f"{scene.__name__}-{theme}" for scene, theme in SHOTS])
def test_given_a_scene_then_it_looks_as_in_the_committed_picture(
    browser: Browser, scene: Callable[[Replay], None], theme: str
) -> None:
    picture = take(browser, scene, theme)
    assert difference(committed(f"{scene.__name__}-{theme}"), picture) <= TOLERANCE


CHANGES = {
    "the colours of frames": (".nbspy-chart canvas { filter: hue-rotate(90deg) }", merged),
    "rows that have moved": (".nbspy-chart { transform: translateY(12px) }", merged),
    "a pane that is gone": (".nbspy-threads-panel { display: none !important }", merged),
    "a timeline that is gone": (".nbspy-timeline canvas { visibility: hidden }", merged),
    "heat that is not there": (".nbspy-source td { background: none !important }", source),
    "text that cannot be read": (".nbspy-explorer { color: transparent !important }", functions),
}


@pytest.mark.parametrize("scene", [merged, source, functions], ids=lambda scene: str(scene.__name__))
def test_given_a_view_that_is_visibly_another_then_it_is_noticed(
    browser: Browser, scene: Callable[[Replay], None]
) -> None:
    before = committed(f"{scene.__name__}-light")
    with standing(browser, scene, "light") as replay:
        for change, (style, of) in CHANGES.items():
            if of is not scene:
                continue
            with restyled(replay, style):
                assert difference(before, photograph(replay)) > TOLERANCE, change
        # Wider and lighter letters than any that a system has are no change.
        with restyled(replay, ".nbspy-explorer { font-family: monospace !important }"):
            assert scene is not merged or difference(before, photograph(replay)) <= TOLERANCE


@contextmanager
def restyled(replay: Replay, style: str) -> Iterator[None]:
    added = replay.page.add_style_tag(content=style)
    yield
    added.evaluate("(element) => element.remove()")


def main() -> None:
    from playwright.sync_api import sync_playwright

    from tools.find_browser import FLAGS, find_browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        for scene, theme in SHOTS:
            keep(f"{scene.__name__}-{theme}", take(browser, scene, theme))
        browser.close()


if __name__ == "__main__":
    main()
