"""The made-up profiles of the browser's bench are what they say, in the stream and in other viewers' forms."""

from __future__ import annotations

import json

from bench.browser import made_up
from bench.browser.made_up import Shape
from nbspy.model.builder import profile_from_stream

SHAPE = Shape(nodes=120, samples=500, threads=3)


def test_given_a_shape_then_its_stream_has_so_many_nodes_and_samples() -> None:
    profile = profile_from_stream(made_up.stream(SHAPE))
    assert sum(stack.count for stack in profile.stacks()) == 500
    assert len(profile.threads) == 3


def test_given_levels_then_a_stack_has_so_many() -> None:
    profile = profile_from_stream(made_up.deep_stream(300))
    assert max(len(stack.frames) for stack in profile.stacks()) in range(250, 302)


def test_given_a_tree_then_every_viewer_reads_the_same_samples() -> None:
    tree = made_up.totals(SHAPE)
    nested = json.loads(made_up.nested_json(tree))
    icicle = json.loads(made_up.icicle_json(tree))
    speedscope = json.loads(made_up.speedscope_json(tree))
    nodes, waiting = 0, [nested]
    while waiting:
        node = waiting.pop()
        nodes += 1
        waiting += node["children"]
    assert nodes == len(icicle["ids"]) == 121
    assert nested["value"] == icicle["values"][0] == speedscope["profiles"][0]["endValue"] == 500
    calls, stack = {}, []
    for event in speedscope["profiles"][0]["events"]:
        if event["type"] == "O":
            stack.append(event)
            continue
        begun = stack.pop()
        assert begun["frame"] == event["frame"]
        calls[event["frame"]] = event["at"] - begun["at"]
    assert calls == {node - 1: tree.samples[node] for node in range(1, 121) if tree.samples[node]}


def test_given_an_hour_then_its_deltas_follow_each_other_and_every_thread_is_told() -> None:
    profile = profile_from_stream(b"".join(made_up.hour(60, 600)))
    assert sum(stack.count for stack in profile.stacks()) == 60 * 100 * made_up.HOUR_THREADS
    assert len(profile.threads) == made_up.HOUR_THREADS
