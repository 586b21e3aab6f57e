"""Start a Python below itself, one below that, and a program that is no Python; all end with stdin."""

import json
import subprocess
import sys

CHILD = """
import subprocess, sys
below = subprocess.Popen([sys.executable, "-c", "import sys; print('ready'); sys.stdout.flush(); sys.stdin.read()"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
below.stdout.readline()
print(below.pid)
sys.stdout.flush()
sys.stdin.read()
"""

other = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
below = int(child.stdout.readline())
print(json.dumps({"ready": True, "python": [child.pid, below], "other": other.pid}))
sys.stdout.flush()
sys.stdin.read()
