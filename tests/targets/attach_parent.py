"""Attach to the process ``attach_parent.py PID``, tell the sampler's pid, and wait for the end of stdin."""

import json
import sys

import nbspy
from nbspy.sampler_process import running_samplers

session = nbspy.attach(int(sys.argv[1]), rate=200)
print(json.dumps({"ready": True, "sampler": [sampler.pid for sampler in running_samplers()]}), flush=True)
sys.stdin.read()
