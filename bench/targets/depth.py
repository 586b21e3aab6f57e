"""A target with busy and sleeping threads at a given depth: depth.py FRAMES [THREADS [BUSY]]."""

import json
import os
import sys
import threading
from collections.abc import Callable

BEGIN = threading.Event()
"""Threads that are busy would keep the others from starting: 150 take turns of 5 ms, for a minute."""


def busy() -> None:
    BEGIN.wait()
    value = 0
    while True:
        value += 1
        if value > 1 << 30:
            value = 0


def descend(frames: int, work: Callable[[], object]) -> None:
    if frames <= 0:
        work()
        return
    descend(frames - 1, work)


def main() -> None:
    frames = int(sys.argv[1])
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    busy_threads = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    sys.setrecursionlimit(frames + 1000)
    threading.stack_size(64 << 20 if frames > 2000 else 0)
    parked = threading.Event()
    for number in range(threads - 1):
        work = busy if number + 1 < busy_threads else parked.wait
        threading.Thread(target=descend, args=(frames - 5, work), daemon=True).start()
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    BEGIN.set()
    descend(frames - 4, busy)


if __name__ == "__main__":
    main()
