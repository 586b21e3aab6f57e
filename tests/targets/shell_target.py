"""A busy main thread below three known calls and an idle thread; a line on stdin ends the process."""

import json
import os
import sys
import threading

stopping = False


def spin() -> int:
    turns = 0
    while not stopping:
        turns += 1
    return turns


def work() -> int:
    return spin()


def heard() -> None:
    global stopping
    sys.stdin.readline()
    stopping = True


threading.Thread(target=heard, name="listener", daemon=True).start()
print(json.dumps({"ready": True, "pid": os.getpid()}))
sys.stdout.flush()
work()
