"""A target that stands on another stack all the time, and feels when it is kept from running: wander.py FILE.

Goes down 24 calls, left or right at each, by chance: 16 million stacks. There it reads the monotonic clock in a loop
for 300 us, writes each gap of more than 15 us as (begin, length), 64 bits each, and goes down anew.
"""

import json
import os
import random
import struct
import sys
from collections.abc import Callable
from time import monotonic_ns

SHORTEST_NS = 15_000
LINGER_NS = 300_000
DEPTH = 24


def left(way: int, depth: int, linger: Callable[[], None]) -> None:
    if depth == 0:
        return linger()
    if way & 1:
        return left(way >> 1, depth - 1, linger)
    return right(way >> 1, depth - 1, linger)


def right(way: int, depth: int, linger: Callable[[], None]) -> None:
    if depth == 0:
        return linger()
    if way & 1:
        return left(way >> 1, depth - 1, linger)
    return right(way >> 1, depth - 1, linger)


def main() -> None:
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pack = struct.Struct("<qq").pack

    def linger() -> None:
        last = monotonic_ns()
        end = last + LINGER_NS
        while last < end:
            now = monotonic_ns()
            if now - last > SHORTEST_NS:
                os.write(file, pack(last, now - last))
                now = monotonic_ns()
            last = now

    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    ways = random.Random(1)
    while True:
        left(ways.getrandbits(DEPTH), DEPTH, linger)


if __name__ == "__main__":
    main()
