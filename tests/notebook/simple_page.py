"""A stream of five functions whose numbers are known, and what tests of the page look at and wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import TimeoutError

from tests.notebook.replay import Replay
from tests.notebook.synthetic import GIL, IDLE, RUNNING, Function, StreamBuilder

if TYPE_CHECKING:
    from playwright.sync_api import Locator

ROW_PX = 18
MAIN = Function("main", "/srv/app.py", 3, "app")
LOAD = Function("load", "/srv/app.py", 10, "app")
DECODE = Function("decode", "/srv/images.py", 20, "images")
STEP = Function("step", "/srv/app.py", 30, "app")
POLL = Function("poll", "/srv/poll.py", 1, "poll")


def simple_stream(*, end: bool = True) -> list[bytes]:
    """One second in five pieces. worker: main, of it load > decode 60 %, step 40 %; poller: poll, idle."""
    builder = StreamBuilder()
    pieces = [builder.hello("python app.py", 99) + builder.threads(["worker", "poller"])]
    for part in range(5):
        start = part * 200
        builder.run(0, [MAIN.at(4), LOAD.at(12), DECODE.at(21)], GIL, start, 120, 12)
        builder.run(0, [MAIN.at(5), STEP.at(31)], RUNNING, start + 120, 80, 8)
        builder.run(1, [POLL.at(2)], IDLE, start, 200, 20)
        pieces.append(builder.flush() + builder.status(start + 200, 20 * (part + 1)))
    return [*pieces, builder.end(1000)] if end else pieces


def wait_for(root: Locator, attribute: str, value: str) -> None:
    _wait(root, "([element, name, value]) => element.getAttribute(name) === value", attribute, value)


def wait_for_text(locator: Locator, pattern: str) -> None:
    _wait(locator, "([element, pattern]) => new RegExp(pattern).test(element.textContent)", pattern)


def _wait(locator: Locator, condition: str, *values: str) -> None:
    """Wait for what an element is like; it may be in a frame of the page."""
    handle = locator.element_handle()
    frame = handle.owner_frame()
    assert frame is not None
    try:
        frame.wait_for_function(condition, arg=[handle, *values])
    except TimeoutError as err:
        text = (locator.text_content() or "")[:600]
        raise AssertionError(f"not {' = '.join(values)}: {locator} says {text!r}") from err


def chart_point(replay: Replay, share: float, row: int) -> tuple[float, float]:
    """Return the window's position of a point of the chart: share of the width, and the row from the top."""
    box = replay.root.locator(".nbspy-chart").bounding_box()
    assert box is not None
    return box["x"] + share * box["width"], box["y"] + (row + 0.5) * ROW_PX


def mirror(replay: Replay) -> dict[str, str]:
    """Return the chart's frames and shares, as a screen reader has them."""
    rows = replay.root.locator(".nbspy-mirror tbody tr").all()
    cells = [row.locator("td").all_text_contents() for row in rows]
    return {name: share.replace("\u202f", " ") for name, _, _, share in cells}
