"""A target that counts its own work: work.py FILE FRAMES THREADS.

One busy thread, FRAMES deep, writes (begin, pieces of work done) for each window of 50 ms of the monotonic clock, 64
bits each. The other threads sleep. Time in which it was runnable and waited for a processor, which other programs had,
does not count: the work is what a whole window without such waiting would have had.
"""

import json
import os
import struct
import sys
import threading
from collections.abc import Callable
from time import monotonic_ns

WINDOW_NS = 50_000_000
SHORTEST_NS = 10_000_000
PIECES = 200


def step(value: int) -> int:
    return value * 5 % 1000003


def waited_ns(schedstat: int) -> int:
    """Return how long the main thread has waited for a processor so far."""
    return int(os.pread(schedstat, 100, 0).split()[1])


def work(write: Callable[[bytes], object], pack: Callable[[int, int], bytes], schedstat: int) -> None:
    value = 1
    begin, waited = monotonic_ns(), waited_ns(schedstat)
    done = 0
    while True:
        for _ in range(PIECES):
            value = step(value)
        done += 1
        now = monotonic_ns()
        if now - begin >= WINDOW_NS:
            # The last piece runs past the window's end, too.
            total = waited_ns(schedstat)
            own = now - begin - (total - waited)
            if own >= SHORTEST_NS:
                write(pack(begin, done * PIECES * WINDOW_NS // own))
            begin, waited, done = monotonic_ns(), total, 0


def descend(frames: int, work: Callable[..., object], *arguments: object) -> None:
    if frames <= 0:
        work(*arguments)
        return
    descend(frames - 1, work, *arguments)


def main() -> None:
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    frames, threads = int(sys.argv[2]), int(sys.argv[3])
    parked = threading.Event()
    for _ in range(threads - 1):
        threading.Thread(target=descend, args=(frames - 5, parked.wait), daemon=True).start()
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    descend(frames - 4, work, lambda data: os.write(file, data), struct.Struct("<qq").pack, schedstat)


if __name__ == "__main__":
    main()
