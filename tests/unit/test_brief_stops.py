"""A thread stands for one copy; longer only for what may not change while it is read; and when it stops at once."""

from __future__ import annotations

import pytest

from nbspy.cpython.layout import Layout
from nbspy.cpython.stop_schedule import DOUBTFUL, LONGEST, STOP_EVERY, STOP_SELDOM, TO_LEARN, StopSchedule

from .unwinder_scene import HOLDS, Scene, every_layout


def _held(layout: Layout, to_learn: int = 0) -> Scene:
    """A scene whose first thread holds the GIL, and of which everything has been seen."""
    scene = Scene(layout, to_learn=to_learn)
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
def test_threads_are_stopped_without_a_look_before_until_nothing_new_has_shown_for_a_while(layout: Layout) -> None:
    scene = _held(layout, to_learn=5)
    mover = scene.threads[0]
    reads: list[int] = []
    before_stops: list[int] = []
    scene.python.memory.before_read = lambda: reads.append(1)
    scene.stopper.before_stop = lambda _: before_stops.append(len(reads))

    def sample() -> None:
        reads.clear()
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()

    scene.call(mover, "h")
    for _ in range(4):
        sample()
    assert before_stops == [1] * 4  # who holds the GIL
    sample()
    sample()
    scene.unwinder.frames(scene.unwinder.threads[0])
    stops = len(before_stops)
    for _ in range(5):
        sample()
    assert len(before_stops) == stops

    scene.call(mover, "h")
    sample()
    assert before_stops[stops:] != [1]  # it looked, and met what is new
    stops = len(before_stops)
    mover.ret()
    for _ in range(3):
        sample()
    assert len(before_stops) == stops  # one in so many is few enough
    scene.call(mover, "g")
    sample()
    stops = len(before_stops)
    mover.ret()
    for _ in range(3):
        sample()
    assert before_stops[stops:] == [1] * 3


@every_layout
def test_known_stacks_are_told_at_a_glance_of_threads_that_stand_too(layout: Layout) -> None:
    scene = _held(layout)
    mover = scene.threads[0]
    for name in "dd":
        scene.call(mover, name)
        assert scene.unwinder.sample()
        mover.ret()
        assert scene.unwinder.sample()
    unwinder, stops = scene.unwinder, scene.stopper.stops
    unwinder.schedule._left = 9
    seen: list[str] = []
    costs: list[tuple[int, int]] = []
    for calls in (True, False) * 4:
        if calls:
            scene.call(mover, "d")
        else:
            mover.ret()
        reads, settled = scene.python.memory.reads, unwinder._plans.full_due_ns
        assert unwinder.sample()
        costs.append((scene.python.memory.reads - reads, unwinder._plans.full_due_ns - settled))
        seen.append(scene.seen()[0])
        assert scene.seen() == scene.truth()

    assert scene.stopper.stops == stops + 8
    # Who holds the GIL, and the copy.
    assert costs.count((2, 0)) >= 7
    assert unwinder.schedule._left == 1


@every_layout
def test_thread_that_lets_the_gil_go_before_it_stands_is_believed_as_it_stands(layout: Layout) -> None:
    """As one that is stopped in a system call: between the look and the stop it has let the GIL go."""
    scene = _held(layout)
    mover = scene.threads[0]
    retried, stops = scene.unwinder.retried, scene.stopper.stops
    scene.unwinder.schedule._left = 2
    for letting_go in (False, True):
        scene.python.hold(mover)
        scene.call(mover, "dh"[letting_go])
        scene.stopper.before_stop = lambda _, leaves=letting_go: scene.python.hold(None) if leaves else None
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()
        assert [thread.bits for thread in scene.unwinder.threads] == [0 if letting_go else HOLDS, 0, 0]
        mover.ret()

    assert (scene.unwinder.retried, scene.stopper.stops) == (retried, stops + 2)


@every_layout
def test_threads_that_take_turns_are_no_reason_to_stop_them(layout: Layout) -> None:
    """A look at one that has let the GIL go is not torn, and need not tell of the other."""
    scene = _held(layout)
    schedule = scene.unwinder.schedule
    schedule._doubtful_for = TO_LEARN
    for turn in range(4 * DOUBTFUL):
        scene.python.hold((scene.threads[0], None, scene.threads[1])[turn % 3])
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()

    assert schedule._left == 0
    assert scene.stopper.stops <= 4 * DOUBTFUL // STOP_EVERY + 4


def _stops_at_once(scene: Scene, samples: int) -> list[int]:
    """Take so many samples; return which of them, counted from 1, stopped a thread without a look before."""
    found: list[int] = []
    for number in range(1, samples + 1):
        assert scene.unwinder.sample()
        found += [number] * scene.unwinder._at_once
    return found


@every_layout
def test_now_and_then_a_thread_is_stopped_without_a_look_before(layout: Layout) -> None:
    """The more seldom the longer first looks have told what was there."""
    scene = _held(layout)

    assert _stops_at_once(scene, 7 * STOP_EVERY) == [STOP_EVERY, 3 * STOP_EVERY, 7 * STOP_EVERY]


@every_layout
def test_first_look_that_does_not_tell_makes_stops_as_frequent_as_they_were(layout: Layout) -> None:
    scene = _held(layout)
    mover = scene.threads[0]
    _stops_at_once(scene, 7 * STOP_EVERY)
    scene.call(mover, "h")
    # It is over when one looks again: what is seen instead is known.
    scene.between_reads(None, mover.ret)
    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()

    assert _stops_at_once(scene, STOP_EVERY) == [STOP_EVERY]


def _learnt() -> StopSchedule:
    schedule = StopSchedule()
    for _ in range(TO_LEARN):
        assert schedule.stops_at_once()
        schedule.saw(new=False, at_once=True, codes_read=0)
    return schedule


def _looks_until_a_stop(schedule: StopSchedule, *, doubted: bool) -> int:
    looks = 1
    while not schedule.stops_at_once():
        if doubted:
            schedule.doubted()
        looks += 1
    schedule.saw(new=False, at_once=True, codes_read=0)
    return looks


def test_stops_become_no_more_seldom_than_is_said() -> None:
    schedule = _learnt()
    assert max(_looks_until_a_stop(schedule, doubted=False) for _ in range(20)) == STOP_SELDOM


def test_stack_that_is_new_makes_all_samples_stop_unless_they_are_rare() -> None:
    schedule = _learnt()
    # One in a hundred that stopped at once.
    schedule.saw(new=True, at_once=True, codes_read=0)
    assert _looks_until_a_stop(schedule, doubted=False) == STOP_EVERY
    # One in two, found because a first look did not tell.
    schedule.saw(new=True, at_once=False, codes_read=0)
    for _ in range(TO_LEARN):
        assert schedule.stops_at_once()
        # What is seen instead of what a first look did not tell says nothing of what is not known.
        schedule.saw(new=False, at_once=False, codes_read=0)
        schedule.saw(new=False, at_once=True, codes_read=0)
    assert not schedule.stops_at_once()
    schedule.saw(new=False, at_once=True, codes_read=1)
    assert not schedule.stops_at_once()
    schedule.saw(new=False, at_once=True, codes_read=2)
    assert schedule.stops_at_once()


def test_where_first_looks_often_do_not_tell_samples_stop_at_once() -> None:
    """What a torn copy showed instead would depend on what the target does: its profile would be another."""
    schedule = _learnt()
    lengths = []
    for _ in range(8):
        while not schedule.stops_at_once():
            schedule.doubted()
        length = 1
        schedule.saw(new=False, at_once=True, codes_read=0)
        while schedule.stops_at_once():
            length += 1
            schedule.saw(new=False, at_once=True, codes_read=0)
        lengths.append(length)

    assert lengths[:3] == [TO_LEARN, 2 * TO_LEARN, 4 * TO_LEARN]
    assert lengths[-1] == LONGEST


@pytest.mark.parametrize(("one_in", "looks_first"), [(DOUBTFUL // 2, False), (2 * DOUBTFUL, True)])
def test_share_of_looks_that_do_not_tell_decides_whether_they_come_first(one_in: int, looks_first: bool) -> None:
    schedule = _learnt()
    at_once = 0
    looks = 0
    for _ in range(64 * DOUBTFUL):
        if schedule.stops_at_once():
            at_once += 1
            schedule.saw(new=False, at_once=True, codes_read=0)
        else:
            looks += 1
            if looks % one_in == 0:
                schedule.doubted()

    assert (at_once < 2 * 64 * DOUBTFUL // STOP_EVERY) == looks_first
    if not looks_first:
        assert at_once > 32 * DOUBTFUL


def test_after_many_looks_that_told_doubts_are_forgotten() -> None:
    schedule = _learnt()
    while not schedule._left:
        schedule.doubted()
    for _ in range(TO_LEARN):
        schedule.saw(new=False, at_once=True, codes_read=0)
    for _ in range(4 * DOUBTFUL):
        schedule.stops_at_once()
    doubts = 0
    while not schedule._left:
        schedule.doubted()
        doubts += 1

    assert schedule._left == TO_LEARN
    assert doubts > 4
