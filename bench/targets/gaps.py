"""A target that feels when it is kept from running: gaps.py FILE.

Reads the monotonic clock in a loop and writes each gap of more than 15 us as (begin, length), 64 bits each.
"""

import json
import os
import struct
import sys
from time import monotonic_ns

SHORTEST_NS = 15_000


def work(write, pack):
    last = monotonic_ns()
    while True:
        now = monotonic_ns()
        if now - last > SHORTEST_NS:
            write(pack(last, now - last))
            now = monotonic_ns()
        last = now


def main():
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    work(lambda data: os.write(file, data), struct.Struct("<qq").pack)


if __name__ == "__main__":
    main()
