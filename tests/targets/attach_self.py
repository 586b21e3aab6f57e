"""Sample this very process while it is busy, and tell what was seen: {function: samples in which it was on a stack}."""

import collections
import json

import nbspy


def busy_function(session):
    total = 0
    while session.sample_count < 30:
        total += sum(range(1000))
    return total


session = nbspy.profile(rate=200)
busy_function(session)
profile = session.stop()
tables, runs = profile.tables, profile.runs
seen = collections.Counter()
for node, count in zip(runs.node, runs.count, strict=True):
    while node:
        seen[tables.strings[tables.frames.name[tables.nodes.frame[node]]]] += count
        node = tables.nodes.parent[node]
own = [(trace.thread_name, [frame.name for frame in trace.frames]) for trace in nbspy.dump(profile.hello.pid)]
print(json.dumps({"ready": True, "seen": seen, "error": session.error and str(session.error), "own": own}), flush=True)
