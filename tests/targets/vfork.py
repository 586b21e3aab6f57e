"""Hang in the kernel where nothing can stop a thread: ``vfork.py FIFO``, then ``spawn`` on stdin.

The child opens the fifo before it becomes another program; until somebody opens the other end, its parent waits in
vfork, with the GIL. ``signals`` answers how often SIGUSR1 was handled.
"""

import json
import os
import signal
import sys

handled = [0]


def handle(*_):
    handled[0] += 1


def main():
    signal.signal(signal.SIGUSR1, handle)
    print(json.dumps({"ready": True}))
    sys.stdout.flush()
    for line in iter(sys.stdin.readline, ""):
        if line.strip() == "spawn":
            actions = [(os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)]
            child = os.posix_spawn("/bin/true", ["true"], os.environ, file_actions=actions)
            os.waitpid(child, 0)
        print(json.dumps(handled))
        sys.stdout.flush()


main()
