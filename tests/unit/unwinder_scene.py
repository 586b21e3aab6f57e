"""A target of three threads on fake memory, with an unwinder that observes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nbspy.cpython.interner import FrameKey, Interner
from nbspy.cpython.layout import Layout
from nbspy.cpython.stop_schedule import STOP_EVERY
from nbspy.cpython.unwinder import Unwinder
from nbspy.wire import State

from .fake_python import LAYOUTS, FakePython, FakeTarget, FakeThread

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
both_modes = pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "nonblocking"])

HOLDS = int(State.ACTIVE | State.GIL)


class Scene:
    """A target with three threads of known stacks, and an unwinder on it."""

    def __init__(self, layout: Layout, *, blocking: bool = True, to_learn: int = 0) -> None:
        """``to_learn``: so many samples stop a thread without a look before, after each that shows something new.

        0: doubts do not make them do so either.
        """
        self.python = FakePython(layout)
        self.codes = {name: self.python.code(name, first_line=100 * n) for n, name in enumerate("abcdefgh", 1)}
        self.threads = [self.python.add_thread() for _ in range(3)]
        for thread, stack in zip(self.threads, ("abc", "ad", "efgh"), strict=True):
            self.call(thread, stack)
        self.target = FakeTarget(self.python)
        self.stopper = self.target.the_stopper
        self.interner = Interner()
        self.unwinder = Unwinder(
            self.target, self.python.runtime, lambda file: (file, ""), self.interner, blocking=blocking
        )
        schedule = self.unwinder.schedule
        schedule.to_learn = schedule._left = schedule._doubtful_for = to_learn
        self._frames: list[FrameKey] = []
        self._nodes: list[tuple[int, int]] = [(0, 0)]

    def look_first(self) -> None:
        """Let no sample of the next few stop a thread without a look before."""
        self.unwinder.schedule._until = STOP_EVERY

    def call(self, thread: FakeThread, stack: str) -> None:
        for name in stack:
            thread.call(self.codes[name], instruction=1)

    def seen(self) -> list[str]:
        """The stacks of the last sample, root first, as its nodes say; :meth:`Unwinder.frames` must say the same."""
        new = self.interner.take_new()
        self._frames += new.frames
        self._nodes += new.nodes
        stacks = []
        for thread in self.unwinder.threads:
            keys, node = [], thread.node
            while node:
                node, frame = self._nodes[node]
                keys.append(self._frames[frame])
            assert keys == [frame.key for frame in self.unwinder.frames(thread)]
            stacks.append("".join(key.name for key in reversed(keys)))
        return stacks

    def truth(self) -> list[str]:
        return ["".join(thread.names()) for thread in self.threads]

    def between_reads(self, *actions: Callable[[], None] | None) -> None:
        """Do one action before each of the next reads."""
        waiting = list(actions)

        def act() -> None:
            action = waiting.pop(0) if waiting else None
            if action is not None:
                action()

        self.python.memory.before_read = act
