"""What passing the stream on costs the kernel: the reading thread and the relay, at 100 Hz and 16 threads."""

from __future__ import annotations

import threading
import time

import nbspy
from bench.measure import target
from nbspy.views.relay import Relay

SECONDS = 4.0


def relay_cost(repeat: int) -> list[tuple[str, str, list[float]]]:
    """Return (name, unit, values): CPU time of a second of relaying, per message, and bytes."""
    share: list[float] = []
    message: list[float] = []
    volume: list[float] = []
    with target("depth.py", "20", "16", "4") as announced:
        for _ in range(repeat):
            sent = 0

            def send(_content: object, buffers: list[bytes]) -> None:
                nonlocal sent
                sent += sum(map(len, buffers))

            with nbspy.attach(announced["pid"], rate=100) as session:
                relay = Relay(session.stream, send)
                relay.start()
                before = time.process_time_ns()
                threading.Event().wait(SECONDS)
                spent = time.process_time_ns() - before
                thread_samples = session.status.thread_samples if session.status else 0
                size = session.stream.size
            counters = relay.counters
            share.append(spent / SECONDS / 1e7)
            message.append(counters.cpu_ns / max(counters.messages, 1) / 1e3)
            volume.append(size / max(thread_samples, 1))
    return [
        ("CPU of the whole kernel side, 100 Hz, 16 threads", "%", share),
        ("CPU per message sent", "us", message),
        ("stream per thread sample", "bytes", volume),
    ]
