"""When to look, and what becomes of what was seen: the clock, the runs, the stream.

The sampler process imports this room and those above it, and little else: its start-up time counts.
"""
