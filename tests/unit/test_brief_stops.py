"""A thread stands for one copy; longer only for what may not change while it is read; and when it stops at once."""

from __future__ import annotations

from nbspy.cpython.layout import Layout

from .unwinder_scene import Scene, every_layout


def _held(layout: Layout) -> Scene:
    """A scene whose first thread holds the GIL, and of which everything has been seen."""
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    scene.stopper.stops = 0
    return scene


@every_layout
def test_new_stack_of_known_functions_keeps_its_thread_standing_for_one_copy(layout: Layout) -> None:
    scene = _held(layout)
    standing: list[bool] = []
    scene.python.memory.before_read = lambda: standing.append(bool(scene.stopper.stopped))
    scene.call(scene.threads[0], "h")

    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    assert scene.stopper.stops == 1
    assert standing.count(True) == 1


@every_layout
def test_function_that_was_never_seen_is_read_again_while_its_thread_stands(layout: Layout) -> None:
    scene = _held(layout)
    mover = scene.threads[0]
    code = scene.python.code("new")

    def run_on(_: int) -> None:
        scene.stopper.after_resume = None
        mover.ret()
        scene.python.recode(code, "other")
        mover.call(code, instruction=2)

    def call(_: int) -> None:
        # After the looks that stop nobody: what they meet of functions is read ahead.
        scene.stopper.before_stop = None
        mover.ret()
        mover.call(code, instruction=1)

    mover.call(scene.codes["h"], instruction=1)
    scene.stopper.before_stop, scene.stopper.after_resume = call, run_on

    assert scene.unwinder.sample()
    assert scene.seen()[0] == "abcother"
    assert scene.stopper.stops == 2
    assert not scene.stopper.stopped


@every_layout
def test_frame_outside_of_the_copy_is_read_while_its_thread_stands(layout: Layout) -> None:
    scene = _held(layout)
    mover = scene.threads[0]
    generator = scene.python.generator()

    def run_on(_: int) -> None:
        scene.stopper.after_resume = None
        mover.ret()
        # The frame is another's by now: with the callers of the copy it would be a stack that never was.
        scene.python.write_frame(generator, code=scene.codes["e"], instruction=(scene.codes["e"], 1))

    def resume(_: int) -> None:
        scene.stopper.before_stop = None
        mover.ret()
        mover.resume(generator, scene.codes["g"], instruction=1)

    mover.call(scene.codes["h"], instruction=1)
    scene.stopper.before_stop, scene.stopper.after_resume = resume, run_on

    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    assert scene.seen()[0] == "abc"
    assert not scene.stopper.stopped


@every_layout
def test_where_every_stack_is_new_threads_are_stopped_without_a_look_before_until_one_is_known(layout: Layout) -> None:
    scene = _held(layout)
    mover = scene.threads[0]
    copied_before_a_stop: list[int] = []
    reads: list[int] = []
    scene.python.memory.before_read = lambda: reads.append(1)
    scene.stopper.before_stop = lambda _: copied_before_a_stop.append(len(reads))

    def sample() -> None:
        reads.clear()
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()

    for _ in range(12):
        scene.call(mover, "h")
        sample()
    assert min(copied_before_a_stop[1:7]) > 1
    assert copied_before_a_stop[-3:] == [1, 1, 1]  # who holds the GIL

    stops = scene.stopper.stops
    mover.ret()
    sample()
    assert scene.stopper.stops == stops + 1
    for _ in range(3):
        mover.ret()
        sample()
    assert scene.stopper.stops == stops + 1
