"""The explorer's Python half: what the relay sends and when, over a clock of the test's own."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.views import relay as relay_module
from nbspy.views import widget as widget_module
from nbspy.views.relay import INTERVAL_S, KEYFRAME_INTERVAL_S, KEYFRAME_SPAN_S, MESSAGE_BYTES, YOUNG_S, Relay
from nbspy.views.widget import CLOSED_ESM, Explorer
from tests.unit.fake_session import FakeStream


class Browser:
    """Keeps what arrived of the messages it was not made to lose."""

    def __init__(self) -> None:
        self.data = b""
        self.messages: list[tuple[dict[str, Any], int]] = []
        self.losing = False
        self.ended = False
        self.all_arrived = threading.Event()

    def receive(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        self.messages.append((message, len(buffers[0])))
        if self.losing:
            return
        offset, (data,) = message["offset"], buffers
        assert message["type"] == "stream"
        assert offset + len(data) <= message["total"]
        if offset <= len(self.data) < offset + len(data):
            self.data = self.data[:offset] + data
        if message["ended"] and len(self.data) == message["total"]:
            self.ended = True
            self.all_arrived.set()


class Bench:
    """A relay driven step by step."""

    def __init__(self, prefix: bytes = b"") -> None:
        self.now = 1000.0
        self.stream = FakeStream()
        self.stream.append(prefix)
        self.browser = Browser()
        self.relay = Relay(self.stream, self.browser.receive, clock=lambda: self.now)

    def step(self) -> float | None:
        delay = self.relay.step()
        self.now += delay or 0.0
        return delay

    def run(self, seconds: float, bytes_per_step: int = 0) -> None:
        until = self.now + seconds
        while self.now < until:
            self.stream.append(b"x" * bytes_per_step)
            self.step()

    def finish(self) -> None:
        self.stream.close()
        for _ in range(10_000):
            if self.step() is None:
                return
        raise AssertionError("the relay never ends")


def test_whole_stream_arrives_and_ends() -> None:
    bench = Bench(b"abc")
    bench.run(1.0, bytes_per_step=10)
    bench.finish()
    assert bench.browser.data == bench.stream.read()
    assert bench.browser.ended


def test_rate_and_size_of_messages_are_bounded() -> None:
    bench = Bench()
    bench.run(YOUNG_S + KEYFRAME_SPAN_S)
    before = len(bench.browser.messages)
    bench.run(60.0, bytes_per_step=2_000)
    sent = bench.browser.messages[before:]
    assert 4.0 <= len(sent) / 60.0 <= 5.0
    assert max(size for _, size in sent) <= MESSAGE_BYTES


def test_backlog_is_cut_into_messages_and_caught_up_faster() -> None:
    bench = Bench(b"x" * (3 * MESSAGE_BYTES + 5))
    assert bench.step() < INTERVAL_S  # type: ignore[operator]
    bench.run(1.0)
    assert bench.browser.data == bench.stream.read()
    assert max(size for _, size in bench.browser.messages) == MESSAGE_BYTES


def test_browser_that_listens_late_gets_the_beginning() -> None:
    bench = Bench(b"hello")
    bench.browser.losing = True
    bench.run(YOUNG_S + 2.0, bytes_per_step=500)
    bench.browser.losing = False
    bench.run(1.5, bytes_per_step=500)
    assert bench.browser.data[:5] == b"hello"


def test_lost_messages_are_healed_by_a_keyframe() -> None:
    bench = Bench()
    bench.run(20.0, bytes_per_step=1_000)
    bench.browser.losing = True
    bench.run(2.0, bytes_per_step=1_000)
    bench.browser.losing = False
    bench.run(KEYFRAME_INTERVAL_S + 1.0, bytes_per_step=1_000)
    assert bench.browser.data == bench.stream.read()


def test_last_message_is_sent_twice() -> None:
    bench = Bench()
    bench.run(20.0, bytes_per_step=1_000)
    bench.stream.append(b"end")
    bench.stream.close()
    bench.browser.losing = True
    bench.step()
    bench.browser.losing = False
    assert bench.step() is None
    assert bench.browser.ended
    assert bench.browser.data == bench.stream.read()


def test_request_is_answered_from_its_offset() -> None:
    bench = Bench(b"y" * (2 * MESSAGE_BYTES))
    bench.run(30.0)
    bench.browser.data = b"y" * 100
    bench.relay.rewind(100)
    bench.run(1.0)
    assert bench.browser.data == bench.stream.read()


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * MESSAGE_BYTES), st.booleans(), st.none() | st.integers(-5, 4 * MESSAGE_BYTES)),
        max_size=30,
    )
)
def test_a_request_after_the_end_always_completes_the_stream(steps: list[tuple[int, bool, int | None]]) -> None:
    bench = Bench()
    for appended, losing, request in steps:
        bench.stream.append(bytes([appended % 251]) * appended)
        bench.browser.losing = losing
        if request is not None:
            bench.relay.rewind(request)
        bench.step()
    bench.browser.losing = False
    bench.finish()
    bench.relay.send_from(len(bench.browser.data))
    assert bench.browser.data == bench.stream.read()


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Explorer:
    monkeypatch.setattr(widget_module, "bundle", lambda: "export default {render() {}}")
    return Explorer(FakeStream(), summary="process 7")


def listen(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> Browser:
    browser = Browser()
    monkeypatch.setattr(explorer._relay, "_send", browser.receive)
    return browser


def test_explorer_sends_from_a_thread_and_says_when_all_is_sent(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "INTERVAL_S", 0.001)
    monkeypatch.setattr(relay_module, "CATCH_UP_INTERVAL_S", 0.001)
    browser = listen(explorer, monkeypatch)
    stream = explorer._relay._stream
    assert isinstance(stream, FakeStream)
    ended = threading.Event()
    explorer.start(on_end=ended.set)
    stream.append(b"some bytes")
    stream.close()
    assert ended.wait(30)
    explorer.finish()
    assert browser.data == b"some bytes"
    assert not explorer._relay.running
    assert explorer.counters.messages == len(browser.messages)
    assert explorer.counters.cpu_ns > 0


def test_finish_ends_the_relay_of_a_running_stream_and_drops_the_bundle(explorer: Explorer) -> None:
    explorer.start()
    assert explorer._relay.running
    explorer.finish()
    explorer.finish()
    assert not explorer._relay.running
    assert explorer._esm == CLOSED_ESM


@pytest.mark.parametrize("content", [None, [], {"type": "other", "offset": 0}, {"type": "request", "offset": "0"}])
def test_nonsense_from_the_browser_is_ignored(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch, content: object
) -> None:
    browser = listen(explorer, monkeypatch)
    explorer._relay._stream.append(b"abc")  # type: ignore[attr-defined]
    explorer._answer(explorer, content, [])
    assert browser.messages == []


def test_request_without_a_relay_is_answered_at_once(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = listen(explorer, monkeypatch)
    explorer._relay._stream.append(b"abc")  # type: ignore[attr-defined]
    explorer._answer(explorer, {"type": "request", "offset": 1}, [])
    assert browser.messages == [({"type": "stream", "offset": 1, "total": 3, "ended": False}, 2)]


def test_plain_text_says_what_it_is(explorer: Explorer) -> None:
    assert repr(explorer) == "process 7"
