"""Greenlets (gevent, eventlet): one thread has many stacks, each with a beginning of its own that is not doubted."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from typing import Any

import pytest

from nbspy.cpython.interner import FrameKey, Interner
from nbspy.cpython.unwinder import Unwinder
from nbspy.sampling.attach import attached

from .interpreters import start_target

pytest.importorskip("greenlet", reason="greenlet is not installed: pip install -e '.[test]'")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads of a target are told by id on Linux")

SAMPLES = 1500


def flaw(stack: list[FrameKey], info: dict[str, Any]) -> str:
    """Return what is impossible about the stack of a greenlet, root first; "" where nothing is."""
    if not stack or stack[0].name not in info["roots"]:
        return f"it begins with {[key.name for key in stack[:3]]}"
    for caller, callee in itertools.pairwise(stack):
        if info["calls"][caller.name].get(str(caller.line)) != callee.name:
            return f"line {caller.line} of {caller.name} does not call {callee.name}"
    return ""


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])
def test_stacks_of_greenlets_in_turn_are_possible_and_where_they_stand_hardly_any_is_discarded(blocking: bool) -> None:
    flaws, stacks = Counter[str](), set()
    with start_target(sys.executable, "greenlets.py") as target, attached(target.pid) as (process, runtime):
        unwinder = Unwinder(process, runtime, lambda file: (file, ""), Interner(), blocking=blocking)
        try:
            for _ in range(SAMPLES):
                if not unwinder.sample():
                    continue
                _, busy = unwinder.threads
                # Between two of them no Python code runs.
                stack = [frame.key for frame in unwinder.frames(busy)][::-1]
                if stack and (wrong := flaw(stack, target.info)):
                    flaws[wrong] += 1
                stacks.add(tuple(key.name for key in stack))
        finally:
            unwinder.close()

    assert not flaws
    # Without stops few or nearly all are discarded, by how fast they switch: what is kept must be true.
    if blocking:
        assert unwinder.discarded < SAMPLES / 50
        assert len(stacks) > 5
