"""A target that counts its own work: work.py FILE FRAMES THREADS.

One busy thread, FRAMES deep, writes for each window of 2 ms of the monotonic clock, 64 bits each: when it began and
ended, how much work was done, how long the thread had a processor, how long it waited for one that other programs had,
and how often it was given one. A window ends with the piece of work that runs past its time; the next begins there.
The other threads sleep.
"""

import json
import os
import struct
import sys
import threading
from collections.abc import Callable
from time import monotonic_ns, thread_time_ns

WINDOW_NS = 2_000_000
PIECES = 20


def step(value: int) -> int:
    return value * 5 % 1000003


def scheduled(schedstat: int) -> tuple[int, int]:
    """Return how long the main thread has waited for a processor so far, and how often it was given one."""
    _, waited, turns = os.pread(schedstat, 100, 0).split()
    return int(waited), int(turns)


def work(write: Callable[[bytes], object], pack: Callable[..., bytes], schedstat: int) -> None:
    value = 1
    begin, ran = monotonic_ns(), thread_time_ns()
    waited, turns = scheduled(schedstat)
    done = 0
    while True:
        for _ in range(PIECES):
            value = step(value)
        done += PIECES
        now = monotonic_ns()
        if now - begin >= WINDOW_NS:
            ran_now = thread_time_ns()
            waited_now, turns_now = scheduled(schedstat)
            write(pack(begin, now, done, ran_now - ran, waited_now - waited, turns_now - turns))
            begin, ran, waited, turns, done = now, ran_now, waited_now, turns_now, 0


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
    descend(frames - 4, work, lambda data: os.write(file, data), struct.Struct("<6q").pack, schedstat)


if __name__ == "__main__":
    main()
