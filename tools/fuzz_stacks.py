"""Stacks on fake memory, for the fuzzer: what is recognised without a stop must be what a walk would have found.

An input is a program: each two bytes are something that the target does, or a look at it. A look that is believed must
show the truth; one at corrupt frames may show anything or be discarded, but ends, leaves no thread stopped, and what is
right again is seen right again, whatever was learnt meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from nbspy.cpython.stack_root import DOUBT_NS

if TYPE_CHECKING:
    from tests.unit.fake_python import FakeThread
    from tests.unit.unwinder_scene import Scene

MAX_MOVES: Final = 200
PATIENCE: Final = 24
"""Looks after which one at a target that stands still is believed, unless its stack begins elsewhere than before."""


class Moves:
    """What one thread, which has the GIL, does; each move takes a byte that says which of its kind."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.mover: FakeThread = scene.threads[0]
        self.generators = [scene.python.generator() for _ in range(2)]
        scene.python.hold(self.mover)

    def step(self, which: int) -> None:
        self.mover.step(which % 10)

    def call(self, which: int) -> None:
        self.scene.call(self.mover, "abcdefgh"[which % 8])

    def leave(self, _: int) -> None:
        if len(self.mover.frames) > 1:
            gone = self.mover.frames[-1]
            self.mover.ret()
            if gone.chunk is None:
                self.generators.append(gone.address)

    def resume(self, which: int) -> None:
        if self.generators:
            self.mover.resume(self.generators.pop(), self.scene.codes["abcd"[which % 4]], 1)

    def chunk(self, _: int) -> None:
        self.mover.call(self.scene.codes["a"], 1, 1500)

    def recode(self, which: int) -> None:
        code = self.scene.codes["abcdefgh"[which % 8]]
        if not any(frame.code == code for thread in self.scene.threads for frame in thread.frames):
            self.scene.python.recode(code, "xyz"[which % 3])

    def hand_over(self, which: int) -> None:
        self.mover = self.scene.threads[which % 3]
        self.scene.python.hold(self.mover)

    def look(self, _: int) -> None:
        self._look()

    def tear(self, which: int) -> None:
        """The thread moves while a copy is taken."""
        moves = iter((self.step, self.call, self.leave)[which % 3 :])

        def move(_: int) -> None:
            if self.mover.native not in self.scene.stopper.stopped:
                next(moves, lambda _: None)(which)

        before = self.scene.truth()
        self.scene.python.memory.between_ranges = move
        believed = self.scene.unwinder.sample()
        self.scene.python.memory.between_ranges = None
        if believed and self.scene.truth() == before:
            assert self.scene.seen() == before
        self._nobody_is_stopped()

    def corrupt(self, which: int) -> None:
        """A word of a frame, or of the thread, is something else for two looks."""
        memory = self.scene.python.memory
        frame = self.mover.frames[which % len(self.mover.frames)]
        address = (frame.address if which & 0x80 else self.mover.address) + 8 * (which >> 3 & 7)
        before = memory.word(address)
        for wild in (frame.address, self.mover.leaf, self.scene.codes["b"], 8, (1 << 64) - 8, before ^ 8, 0):
            memory.write_word(address, wild)
            self.scene.unwinder.sample()
            self._nobody_is_stopped()
        memory.write_word(address, before)
        self.scene.python.take_turn(self.mover)
        self._look()

    def _look(self) -> None:
        patient_until_ns = time.monotonic_ns() + 3 * DOUBT_NS
        looks = 0
        believed = False
        while not believed and (looks < PATIENCE or time.monotonic_ns() < patient_until_ns):
            believed = self.scene.unwinder.sample()
            looks += 1
        assert believed, f"a target that stands still is not believed: {self.scene.unwinder.failure}"
        assert self.scene.seen() == self.scene.truth()
        self._nobody_is_stopped()

    def _nobody_is_stopped(self) -> None:
        assert not self.scene.stopper.stopped

    def all(self) -> list[Callable[[int], None]]:
        return [
            self.step,
            self.call,
            self.leave,
            self.look,
            self.resume,
            self.chunk,
            self.recode,
            self.hand_over,
            self.tear,
            self.corrupt,
        ]


def stacks(data: bytes) -> None:
    """Stacks of a target that moves, tears copies and is corrupt: recognised as a walk would see them."""
    from tests.unit.fake_python import LAYOUTS
    from tests.unit.unwinder_scene import Scene

    layouts = list(LAYOUTS.values())
    kind = data[0] if data else 0
    scene = Scene(layouts[kind // 2 % len(layouts)], blocking=bool(kind & 1))
    moves = Moves(scene)
    choices = moves.all()
    for what, which in _pairs(data[1 : 1 + 2 * MAX_MOVES]):
        choices[what % len(choices)](which)
    moves.look(0)


def _pairs(data: bytes) -> Iterator[tuple[int, int]]:
    return zip(data[::2], data[1::2], strict=False)
