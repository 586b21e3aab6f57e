"""Threads that are stopped for a look: whom, when it goes wrong, and that they run on."""

from __future__ import annotations

import pytest

from nbspy.cpython.layout import Layout
from nbspy.errors import MemoryFault
from nbspy.target.process import StopOutcome

from .fake_python import known
from .unwinder_scene import HOLDS, Scene, both_modes, every_layout


@every_layout
def test_blocking_sample_when_the_gil_changes_hands_before_the_stop_looks_again(layout: Layout) -> None:
    scene = Scene(layout)
    first, second, _ = scene.threads
    scene.python.hold(first)
    assert scene.unwinder.sample()
    hand_overs = 0

    def hand_over(_: int) -> None:
        nonlocal hand_overs
        if hand_overs < 2:
            hand_overs += 1
            scene.python.hold(second if hand_overs == 1 else first)
            second.call(scene.codes["b"])

    scene.stopper.before_stop = hand_over
    scene.call(first, "h")

    assert scene.unwinder.sample()
    assert scene.seen() == ["abch", "adbb", "efgh"] == scene.truth()
    assert scene.unwinder.retried == 2
    assert [thread.bits for thread in scene.unwinder.threads] == [HOLDS, 0, 0]
    assert not scene.stopper.stopped


@every_layout
@pytest.mark.parametrize("everyone", [False, True], ids=["those that moved", "all are copied"])
def test_blocking_sample_when_the_stopped_thread_no_longer_holds_the_gil_never_mixes_stacks(
    layout: Layout, everyone: bool
) -> None:
    scene = Scene(layout)
    first, second, _ = scene.threads
    scene.python.hold(first)
    assert scene.unwinder.sample()
    done: list[str] = []

    def hand_over(_: int) -> None:
        if not done:
            done.append("handed over")
            scene.python.hold(second)

    def run_on_while_another_is_stopped(_: int) -> None:
        if scene.stopper.stopped == {first.native} and len(done) == 1:
            done.append("ran on")
            second.ret()
            second.call(scene.codes["h"], instruction=1)
            second.call(scene.codes["g"], instruction=1)

    scene.stopper.before_stop = hand_over
    scene.python.memory.between_ranges = run_on_while_another_is_stopped
    scene.call(first, "h")
    if everyone:
        scene.unwinder._plans.full_due_ns = 0

    assert scene.unwinder.sample()
    assert scene.seen() == ["abch", "ahg", "efgh"] == scene.truth()
    assert [thread.bits for thread in scene.unwinder.threads] == [0, HOLDS, 0]
    assert done == ["handed over", "ran on"]


@every_layout
def test_blocking_sample_when_the_holder_ends_meanwhile_is_taken_again(layout: Layout) -> None:
    scene = Scene(layout)
    first, second, third = scene.threads
    scene.python.hold(second)
    assert scene.unwinder.sample()

    def end(_: int) -> None:
        scene.stopper.before_stop = None
        scene.python.hold(first)
        scene.python.remove_thread(second)

    scene.stopper.before_stop = end
    scene.stopper.outcomes = [StopOutcome.GONE]
    scene.call(second, "h")

    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "efgh"]
    assert [thread.state.native_thread_id for thread in scene.unwinder.threads] == [first.native, third.native]
    assert scene.target.forgotten == {second.native}


@every_layout
def test_blocking_sample_when_a_stop_is_too_slow_looks_without_stopping_and_stops_the_next_time(layout: Layout) -> None:
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    scene.stopper.outcomes = [StopOutcome.TOO_SLOW]

    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    assert scene.unwinder.threads[0].bits == HOLDS
    assert (scene.stopper.stops, scene.unwinder.notice) == (0, "")
    assert scene.unwinder.blocking

    # It may stand by now, also where nobody is to be stopped any more.
    releases = scene.stopper.releases
    scene.python.hold(None)
    assert scene.unwinder.sample()
    assert (scene.stopper.stops, scene.stopper.releases) == (0, releases + 1)
    scene.python.hold(scene.threads[0])
    scene.call(scene.threads[0], "h")
    assert scene.unwinder.sample()
    assert scene.stopper.stops == 1
    assert scene.seen() == scene.truth()


@every_layout
@pytest.mark.parametrize("known", [False, True], ids=["followed", "at a glance"])
def test_blocking_sample_when_stopping_is_refused_goes_on_without_and_says_why(layout: Layout, known: bool) -> None:
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    if known:
        scene.threads[0].step(2)
        assert scene.unwinder.sample()
        scene.stopper.stops = 1
        scene.unwinder.schedule._left = 1
    scene.stopper.outcomes = [StopOutcome.REFUSED]
    scene.call(scene.threads[0], "g")

    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    assert "process 7 already traces it" in scene.unwinder.notice
    assert not scene.unwinder.blocking
    # Another thread may have been asked to stop, and stands when it comes to it.
    releases = scene.stopper.releases
    assert scene.unwinder.sample()
    assert (scene.stopper.stops, scene.stopper.releases) == (1, releases + 1)
    scene.unwinder.close()
    assert scene.stopper.closed

    scene.call(scene.threads[0], "h")
    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()


@every_layout
def test_after_stopping_is_refused_looks_are_those_of_a_target_that_is_never_stopped(layout: Layout) -> None:
    scene = Scene(layout)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    scene.stopper.outcomes = [StopOutcome.REFUSED]
    scene.call(mover, "g")
    for _ in range(3):
        assert scene.unwinder.sample()
    mover.ret()
    assert scene.unwinder.sample()

    plan = scene.unwinder._quick.plan
    # The leaf pointer is copied twice, and what is unknown looked at until it is known or agreed on.
    assert plan is not None
    assert plan.tails
    scene.call(mover, "h")
    scene.between_reads(None, mover.ret)
    reads = scene.python.memory.reads
    assert scene.unwinder.sample()
    assert scene.python.memory.reads - reads == 2
    assert scene.seen() == scene.truth()


@every_layout
@pytest.mark.parametrize("thorough", [0, 9], ids=["brief", "thorough"])
def test_blocking_sample_when_the_copy_faults_lets_the_thread_run(layout: Layout, thorough: int) -> None:
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    assert scene.unwinder._standing is not None
    scene.unwinder._standing._thorough_left = thorough
    faults: list[int] = []

    def fail(_: int) -> None:
        if scene.stopper.stopped and not faults:
            faults.append(1)
            raise MemoryFault(1, 2)

    scene.python.memory.between_ranges = fail
    scene.call(scene.threads[0], "h")

    assert scene.unwinder.sample()
    assert faults
    assert scene.seen() == scene.truth()
    assert not scene.stopper.stopped


@every_layout
def test_thread_that_learns_its_own_id_late_is_stopped_by_that_id(layout: Layout) -> None:
    """A new thread state is listed before its thread runs: with no id (3.12+) or that of its creator (3.11)."""
    scene = Scene(layout)
    newborn = scene.python.add_thread()
    scene.threads.append(newborn)
    place = newborn.address + known(layout.thread_state.native_thread_id)
    scene.python.memory.write_word(place, 0 if layout.version >= (3, 12) else scene.threads[0].native)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()

    scene.python.memory.write_word(place, newborn.native)
    scene.call(newborn, "fb")
    scene.python.hold(newborn)
    stopped: list[int] = []
    scene.stopper.before_stop = stopped.append

    assert scene.unwinder.sample()
    assert stopped[-1] == newborn.native
    assert scene.seen() == scene.truth()
    assert [thread.state.native_thread_id for thread in scene.unwinder.threads] == [t.native for t in scene.threads]


@every_layout
@both_modes
def test_interpreters_with_gils_of_their_own_are_each_stopped(layout: Layout, blocking: bool) -> None:
    if layout.gil is None:
        pytest.skip("3.11 has one GIL for all interpreters")
    scene = Scene(layout, blocking=blocking)
    second = scene.python.add_interpreter()
    other = scene.python.add_thread(second)
    scene.call(other, "hh")
    scene.python.hold(scene.threads[0])
    scene.python.hold(other, second)

    assert scene.unwinder.sample()

    assert scene.seen() == ["abc", "ad", "efgh", "hh"]
    assert [thread.bits for thread in scene.unwinder.threads] == [HOLDS, 0, 0, HOLDS]
    assert [thread.interpreter.id for thread in scene.unwinder.threads] == [0, 0, 0, 1]
    assert scene.stopper.stops == (2 if blocking else 0)
