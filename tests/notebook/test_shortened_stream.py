"""A session so long that the kernel has written the beginning of its stream anew, in the explorer."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from nbspy.views.relay import Relay
from tests.notebook.replay import Replay
from tests.unit.test_bounds import Simulation

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser


def listen(replay: Replay) -> Any:
    def send(message: dict[str, Any], buffers: list[bytes]) -> None:
        data = base64.b64encode(buffers[0]).decode("ascii")
        replay.page.evaluate("([message, data]) => host.receive(message, data)", [message, data])

    return send


def test_page_that_was_there_goes_on_and_one_that_is_loaded_late_has_every_sample(page: Page, browser: Browser) -> None:
    simulation = Simulation(max_runs=4000, max_log_bytes=200_000, kept_bytes=60_000)
    early, late = Replay(page), Replay(browser.new_page())
    simulation.run(5, 10)
    relay = Relay(simulation.log, listen(early))
    relay.send_from(0)
    sent = simulation.log.size
    for _ in range(20):
        simulation.run(3, 10)
        relay.send_from(sent)
        sent = simulation.log.size
    assert simulation.bounds.halvings > 0
    Relay(simulation.log, listen(late)).send_from(0)
    relay.send_from(0)  # everyone hears the answer to the late one, and it is nothing new to the early

    for replay in (early, late):
        assert replay.root.get_attribute("data-samples") == "26000"  # of four threads
        assert replay.root.get_attribute("data-state") == "live"
        shown = replay.root.locator("tr[data-thread='0']").inner_text()
        assert "t0" in shown
    late.page.close()
