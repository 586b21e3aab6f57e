"""What is believed of a target while it runs: whatever happens between two reads, it is one that was there."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import pytest

from nbspy.cpython.known_stacks import PROOFS
from nbspy.cpython.layout import Layout
from nbspy.cpython.running_look import _TOO_OFTEN

from .fake_python import LAYOUTS, FakeThread
from .unwinder_scene import Scene, both_modes, every_layout

OWN_GILS = {name: layout for name, layout in LAYOUTS.items() if layout.gil is not None}
READS = 12
"""More than one sample takes, when its first looks agree."""


@every_layout
def test_thread_that_takes_the_gil_after_one_looked_who_has_it_is_stopped_for_a_new_stack(layout: Layout) -> None:
    """Where nobody holds it nobody is stopped; several looks that agree are less than that where somebody does."""
    for read in range(1, READS):
        scene = Scene(layout)
        mover = scene.threads[0]
        assert scene.unwinder.sample()
        scene.call(mover, "h")

        def take(scene: Scene = scene) -> None:
            scene.python.hold(scene.threads[0])
            scene.call(scene.threads[0], "g")

        scene.between_reads(*[None] * (read - 1), take)
        assert scene.unwinder.sample()

        assert scene.seen()[0] in ("abch", "abchg")
        assert scene.stopper.stops or scene.seen()[0] == "abch"


@every_layout
@both_modes
@pytest.mark.parametrize("between", [None, 0, 1], ids=["all at once", "one after the other", "with a read between"])
def test_threads_that_have_their_turn_while_others_are_copied_are_not_missed(
    layout: Layout, blocking: bool, between: int | None
) -> None:
    for read, thorough in itertools.product(range(1, 8), (0, 9)):
        scene = Scene(layout, blocking=blocking)
        scene.python.hold(scene.threads[0])
        for unit in range(3):
            scene.threads[0].step(unit)
            assert scene.unwinder.sample()
        scene.call(scene.threads[0], "h")

        def turns(stacks: dict[int, str], scene: Scene = scene) -> None:
            for number, stack in stacks.items():
                scene.python.hold(scene.threads[number])
                scene.call(scene.threads[number], stack)

        actions: list[Callable[[], None] | None] = [None] * (read - 1)
        if between is None:
            actions += [partial(turns, {1: "e", 2: "f", 0: "g"})]
        else:
            actions += [partial(turns, {1: "e"}), *[None] * between, partial(turns, {2: "f", 0: "g"})]
        scene.between_reads(*actions)
        if scene.unwinder._standing is not None:
            scene.unwinder._standing._thorough_left = thorough
        assert scene.unwinder.sample()
        scene.python.memory.before_read = None

        # One that was missed would stay so: as far as anybody knows it has not moved since.
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()


@every_layout
def test_stack_that_cannot_be_followed_again_and_again_is_taken_as_it_is_seen(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator at the bottom is one that is just yielding, nearly always."""
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", -1)
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    generator = scene.python.generator()
    mover.resume(generator, scene.codes["g"], instruction=1)
    scene.python.write_frame(generator, previous=0)

    assert not scene.unwinder.sample()
    assert any(scene.unwinder.sample() for _ in range(_TOO_OFTEN + 2))
    assert scene.seen() == ["g", "ad", "efgh"]


def _proved(layout: Layout, *stacks: tuple[int, str], blocking: bool) -> tuple[Scene, FakeThread]:
    """A scene whose first thread called, from these positions, until nobody doubts that it may."""
    scene = Scene(layout, blocking=blocking)
    scene.codes["i"] = scene.python.code("i", first_line=900)
    mover = scene.threads[0]
    scene.python.hold(mover)
    for position, callee in stacks * (PROOFS + 1):
        mover.step(position)
        scene.call(mover, callee)
        assert scene.unwinder.sample()
        mover.ret()
    assert scene.unwinder.sample()
    return scene, mover


@every_layout
@both_modes
def test_known_stack_is_not_put_together_of_a_copy_and_what_was_read_later(layout: Layout, blocking: bool) -> None:
    """The frame of a generator where none was seen yet is outside of the copy, and another's when it is read."""
    scene, mover = _proved(layout, (2, "d"), (2, "e"), (5, "e"), blocking=blocking)
    for read in range(1, READS):
        scene.look_first()
        generator = scene.python.generator()
        mover.step(2)
        mover.resume(generator, scene.codes["d"], instruction=1)

        def go_on(generator: int = generator) -> None:
            mover.ret()
            mover.step(5)
            mover.resume(generator, scene.codes["e"], instruction=1)

        scene.between_reads(*[None] * (read - 1), go_on)
        assert scene.unwinder.sample()
        scene.python.memory.before_read = None

        lines = [frame.key.line for frame in scene.unwinder.frames(scene.unwinder.threads[0])]
        assert lines[:2] in ([401, 302], [501, 305])
        mover.ret()
        assert scene.unwinder.sample()


@every_layout
@both_modes
def test_code_object_that_is_freed_after_the_copy_lends_its_frame_no_other_name(layout: Layout, blocking: bool) -> None:
    for read in range(1, READS // 2):
        scene, mover = _proved(layout, (2, "i"), (3, "i"), blocking=blocking)
        scene.look_first()
        mover.step(2)
        scene.call(mover, "i")
        scene.unwinder._quick.plan = None

        def free(scene: Scene = scene, mover: FakeThread = mover) -> None:
            mover.ret()
            scene.python.recode(scene.codes["i"], "z")

        scene.between_reads(*[None] * (read - 1), free)
        assert scene.unwinder.sample()
        scene.python.memory.before_read = None

        assert scene.seen()[0] in ("abc", "abci")


@every_layout
@both_modes
def test_thread_that_moved_unnoticed_is_seen_when_all_are_looked_at_again(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[0])
    for unit in range(4):
        scene.threads[0].step(unit)
        assert scene.unwinder.sample()
    # The GIL is another's: no CPython does this.
    scene.python.write_frame(scene.threads[1].leaf, code=scene.codes["h"], instruction=(scene.codes["h"], 3))
    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh"]

    scene.unwinder._plans.full_due_ns = 0

    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ah", "efgh"]


@pytest.mark.parametrize("layout", OWN_GILS.values(), ids=OWN_GILS.keys())
@both_modes
def test_thread_of_an_interpreter_with_a_gil_of_its_own_is_copied_when_it_had_its_turn(
    layout: Layout, blocking: bool
) -> None:
    scene = Scene(layout, blocking=blocking)
    second = scene.python.add_interpreter()
    scene.threads += [scene.python.add_thread(second) for _ in range(2)]
    for thread in scene.threads[3:]:
        scene.call(thread, "hh")
    scene.python.hold(scene.threads[0])
    scene.python.hold(scene.threads[3], second)
    for unit in range(4):
        scene.threads[0].step(unit)
        assert scene.unwinder.sample()

    scene.python.hold(scene.threads[4], second)
    scene.call(scene.threads[4], "g")
    scene.python.hold(scene.threads[3], second)

    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh", "hh", "hhg"]


@every_layout
def test_plans_are_bounded(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbspy.cpython.plan_book._MAX_PLANS", 2)
    scene = Scene(layout)
    assert scene.unwinder.sample()
    plans = scene.unwinder._plans

    for count in (1, 2, 3):
        for number in range(3):
            plans.ready(frozenset(thread.address for thread in scene.threads[number : number + count]))
            assert len(plans._plans) <= 2
