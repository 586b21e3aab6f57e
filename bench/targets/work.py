"""A target that counts its own work: work.py FILE FRAMES THREADS.

One busy thread, FRAMES deep, writes (begin, pieces of work done) for each window of 50 ms of the monotonic clock, 64
bits each. The other threads sleep.
"""

import json
import os
import struct
import sys
import threading
from time import monotonic_ns

WINDOW_NS = 50_000_000
PIECES = 200


def step(value):
    return value * 5 % 1000003


def work(write, pack):
    value = 1
    begin = monotonic_ns()
    done = 0
    while True:
        for _ in range(PIECES):
            value = step(value)
        done += 1
        now = monotonic_ns()
        if now - begin >= WINDOW_NS:
            # Work is counted for the length that a window should have had: the last piece runs past its end.
            write(pack(begin, done * PIECES * WINDOW_NS // (now - begin)))
            begin, done = now, 0


def descend(frames, work, *arguments):
    if frames <= 0:
        work(*arguments)
        return
    descend(frames - 1, work, *arguments)


def main():
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    frames, threads = int(sys.argv[2]), int(sys.argv[3])
    parked = threading.Event()
    for _ in range(threads - 1):
        threading.Thread(target=descend, args=(frames - 5, parked.wait), daemon=True).start()
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    descend(frames - 4, work, lambda data: os.write(file, data), struct.Struct("<qq").pack)


if __name__ == "__main__":
    main()
