"""No stack that never was: on a target that calls all the time, each caller must stand on the line of its call."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import pytest

import nbspy
from nbspy.cpython.interner import FrameKey, Interner
from nbspy.cpython.unwinder import Unwinder
from nbspy.sampling.attach import attached

from .interpreters import Interpreter, Target, start_target
from .sessions import wait_for_samples

pytestmark = pytest.mark.oldest(3, 11)

SAMPLES = 1500
BOTTOM = ["run", "_bootstrap_inner", "_bootstrap"]
DEEPEST = 7
"""Frames of ``down``, which calls itself."""

variants = pytest.mark.parametrize("variant", ["plain", "recursion", "generators"])


@dataclass
class Judge:
    """Knows which stacks of ``churn.py`` there can be."""

    calls: dict[str, dict[str, list[str]]]
    first: dict[str, int]
    variant: str

    def flaw(self, stack: list[FrameKey]) -> str:
        """Return what is impossible about ``stack``, leaf first; "" where nothing is."""
        names = [key.name for key in stack]
        if names[-3:] != BOTTOM or names[-4:-3] != [self.variant]:
            return f"it ends with {names[-4:]}"
        own = stack[:-3]
        if any(name not in self.calls for name in names[:-3]):
            return f"{names} has another function"
        leaf = own[0]
        # What the compiler adds, to clean up behind an except clause for one, has no line.
        if leaf.line not in (0, self.first[leaf.name]) and str(leaf.line) not in self.calls[leaf.name]:
            return f"line {leaf.line} is none of {leaf.name}"
        for callee, caller in itertools.pairwise(own):
            if callee.name not in self.calls[caller.name].get(str(caller.line), []):
                return f"line {caller.line} of {caller.name} does not call {callee.name}"
        if names.count("down") > DEEPEST:
            return f"{names.count('down')} times down"
        return ""


def sampled(target: Target, variant: str, *, nonblocking: bool) -> tuple[int, Counter[str], Counter[tuple[str, ...]]]:
    """Return how many of the samples were believed, what is impossible about them, and the stacks."""
    judge = Judge(target.info["calls"], target.info["first"], variant)
    believed, flaws, stacks = 0, Counter[str](), Counter[tuple[str, ...]]()
    with attached(target.pid) as (process, runtime):
        unwinder = Unwinder(process, runtime, lambda file: (file, ""), Interner(), blocking=not nonblocking)
        try:
            for _ in range(SAMPLES):
                if not unwinder.sample():
                    continue
                believed += 1
                [churn] = [t for t in unwinder.threads if t.state.native_thread_id == target.info["churn"]]
                stack = [frame.key for frame in unwinder.frames(churn)]
                stacks[tuple(key.name for key in stack)] += 1
                flaw = judge.flaw(stack)
                if flaw:
                    flaws[flaw] += 1
        finally:
            unwinder.close()
    return believed, flaws, stacks


@variants
def test_blocking_samples_of_a_thread_that_never_stands_still_are_all_possible(
    interpreter: Interpreter, variant: str
) -> None:
    with start_target(interpreter.path, "churn.py", variant) as target:
        believed, flaws, stacks = sampled(target, variant, nonblocking=False)

    assert not flaws
    assert believed > 0.99 * SAMPLES
    assert len(stacks) >= 5


@variants
def test_nonblocking_samples_that_are_believed_are_all_possible(interpreter: Interpreter, variant: str) -> None:
    with start_target(interpreter.path, "churn.py", variant) as target:
        believed, flaws, stacks = sampled(target, variant, nonblocking=True)

    assert not flaws
    assert believed > 0
    assert stacks


def test_functions_that_return_within_microseconds_have_their_share_from_the_beginning(
    interpreter: Interpreter,
) -> None:
    with (
        start_target(interpreter.path, "brief_calls.py") as target,
        nbspy.attach(target.pid, rate=1000) as session,
    ):
        wait_for_samples(session, 600)
        profile = session.stop()

    nodes, runs = profile.tables.nodes, profile.runs
    inside = [False]
    for parent, frame in zip(nodes.parent[1:], nodes.frame[1:], strict=True):
        inside.append(inside[parent] or profile.frame(frame).name == "brief")
    seen = sum(count for node, count in zip(runs.node, runs.count, strict=True) if inside[node])
    assert seen > sum(runs.count) / 10  # about a fifth
