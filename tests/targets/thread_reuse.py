"""Runs one short-lived thread after the other, each in a function of its own: ``thread_reuse.py COUNT``.

Begins when a line comes on stdin, then says {function: the system's id of its thread}. For 2.7 and later.
"""

import json
import sys
import threading
import time

from stacks import native_id

COUNT = int(sys.argv[1])
IDS = {}
SPACE = {"ids": IDS, "native_id": native_id, "clock": time.time}
for number in range(COUNT):
    exec(
        "def work_%d():\n"
        "    ids['work_%d'] = native_id()\n"
        "    until = clock() + 0.02\n"
        "    while clock() < until:\n"
        "        pass\n" % (number, number),
        SPACE,
    )

print(json.dumps({"ready": True}))
sys.stdout.flush()
sys.stdin.readline()
for number in range(COUNT):
    thread = threading.Thread(target=SPACE["work_%d" % number])
    thread.start()
    thread.join()
print(json.dumps(IDS))
sys.stdout.flush()
sys.stdin.read()
