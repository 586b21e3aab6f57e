"""The smallest target: announces itself, answers each line it hears with the line, ends with its stdin."""

import json
import os
import sys

print(json.dumps({"ready": True, "pid": os.getpid(), "version": sys.version_info[:3], "arguments": sys.argv[1:]}))
sys.stdout.flush()
for line in iter(sys.stdin.readline, ""):
    print(json.dumps([line.rstrip("\n")]))
    sys.stdout.flush()
