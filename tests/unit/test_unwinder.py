from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import TooManyThreads
from nbspy.cpython.unwinder import ATTEMPTS
from nbspy.errors import TargetEnded
from nbspy.wire import State

from .fake_python import LAYOUTS, FakeThread
from .unwinder_scene import HOLDS, Scene, both_modes, every_layout


@every_layout
@both_modes
@pytest.mark.parametrize("holder", [None, 0, 2])
def test_sample_sees_all_threads_and_who_holds_the_gil(layout: Layout, blocking: bool, holder: int | None) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(None if holder is None else scene.threads[holder])
    scene.target.running = {scene.threads[1].native}

    for _ in range(3):
        assert scene.unwinder.sample()
        assert scene.seen() == ["abc", "ad", "efgh"]

    expected = [0, int(State.ACTIVE), 0]
    if holder is not None:
        expected[holder] = HOLDS
    assert [thread.bits for thread in scene.unwinder.threads] == expected
    assert [thread.state.native_thread_id for thread in scene.unwinder.threads] == [t.native for t in scene.threads]
    # Seen standing once, it is known from then on.
    assert scene.stopper.stops == (1 if blocking and holder is not None else 0)
    assert len(scene.unwinder.stop_times_ns) == scene.stopper.stops
    assert not scene.stopper.stopped
    assert (scene.unwinder.discarded, scene.unwinder.threads_version) == (0, 1)


@every_layout
def test_sample_tells_lines_and_which_frames_are_entries(layout: Layout) -> None:
    scene = Scene(layout)
    scene.threads[0].enter()
    scene.call(scene.threads[0], "d")
    scene.threads[0].step(7)
    assert scene.unwinder.sample()

    frames = scene.unwinder.frames(scene.unwinder.threads[0])

    assert [(frame.key.name, frame.key.line) for frame in frames] == [("d", 407), ("c", 301), ("b", 201), ("a", 101)]
    if layout.frame.owners_without_code:
        assert [frame.is_shim_entry for frame in frames] == [True, False, False, False]
        assert [frame.is_entry for frame in frames] == [True, False, False, True]


@every_layout
@both_modes
def test_sample_when_only_one_thread_moves_follows_it(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    randomness = random.Random(3)

    for _ in range(60):
        for _ in range(randomness.randrange(4)):
            if randomness.random() < 0.5 and len(mover.frames) > 1:
                mover.ret()
            else:
                scene.call(mover, randomness.choice("abcdefgh"))
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()

    assert scene.unwinder.discarded == 0


@every_layout
@both_modes
def test_sample_when_the_target_ends_raises_and_leaves_nothing_stopped(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()

    def end(_: int) -> None:
        raise TargetEnded("process 1001 has ended")

    scene.python.memory.between_ranges = end

    with pytest.raises(TargetEnded):
        scene.unwinder.sample()
    assert not scene.stopper.stopped
    scene.unwinder.close()


@every_layout
@both_modes
def test_sample_when_threads_come_and_go_sees_those_that_are_there(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    kept = scene.unwinder.threads[0]

    scene.threads.append(scene.python.add_thread())
    scene.call(scene.threads[-1], "hg")
    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh", "hg"]

    scene.python.remove_thread(scene.threads.pop(1))
    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "efgh", "hg"]

    scene.python.remove_thread(scene.threads.pop())
    scene.threads.append(scene.python.add_thread())
    scene.call(scene.threads[-1], "b")
    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "efgh", "b"]
    assert scene.unwinder.threads[0] is kept
    assert scene.unwinder.threads_version == 4


@every_layout
@both_modes
def test_sample_when_threads_come_and_go_while_it_looks_sees_one_state_of_the_list(
    layout: Layout, blocking: bool
) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    born = 0

    def turn_over() -> None:
        nonlocal born
        if born < 3 and not scene.stopper.stopped:
            born += 1
            scene.python.remove_thread(scene.threads.pop())
            scene.threads.append(scene.python.add_thread())
            scene.call(scene.threads[-1], "gf")

    scene.python.memory.before_read = turn_over

    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "gf"] == scene.truth()
    assert scene.unwinder.threads[2].state.native_thread_id == scene.threads[2].native


@every_layout
def test_nonblocking_sample_when_each_copy_is_torn_is_discarded_and_counted(layout: Layout) -> None:
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    before = scene.seen()

    def call_and_return() -> None:
        if mover.frames and len(mover.frames) % 2:
            mover.call(scene.codes["a"], instruction=random.randrange(9))
        else:
            mover.ret()
            mover.ret()
            mover.call(scene.codes["g"])

    scene.python.memory.before_read = call_and_return

    assert not scene.unwinder.sample()
    assert scene.unwinder.discarded == 1
    assert 1 <= scene.unwinder.retried < ATTEMPTS
    nodes = [thread.node for thread in scene.unwinder.threads]

    scene.python.memory.before_read = None
    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    assert len(nodes) == len(before)


@every_layout
@both_modes
def test_frame_that_leads_nowhere_for_an_instant_is_not_taken_for_the_stack(layout: Layout, blocking: bool) -> None:
    """While a generator is resumed or yields, or C calls Python, the leaf pointer is ahead of the links, or behind."""
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    generator = scene.python.generator()
    for _ in range(2):
        assert scene.unwinder.sample()
    looks = 0

    def pass_the_instant() -> None:
        nonlocal looks
        looks += 1
        if looks == 3 and mover.frames[-1].address == generator:
            scene.python.write_frame(generator, previous=mover.frames[-2].address)

    for _ in range(3):
        looks = 0
        mover.resume(generator, scene.codes["g"], instruction=1)
        scene.python.write_frame(generator, previous=0)
        scene.python.memory.before_read = pass_the_instant

        assert scene.unwinder.sample()
        assert scene.seen() == ["abcg", "ad", "efgh"]
        assert looks >= 3
        scene.python.memory.before_read = None
        mover.ret()
        assert scene.unwinder.sample()
        assert scene.seen() == ["abc", "ad", "efgh"]


@every_layout
@both_modes
def test_stack_that_begins_elsewhere_is_believed_once_the_thread_has_moved(
    layout: Layout, blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", 1 << 62)
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    for _ in range(3):
        mover.ret()
    mover.new_chunk()
    scene.call(mover, "g")

    assert not scene.unwinder.sample()
    assert not scene.unwinder.sample()
    mover.step(2)
    assert scene.unwinder.sample()
    assert scene.seen() == ["g", "ad", "efgh"]
    assert scene.unwinder.discarded == 2


@every_layout
def test_plan_is_not_followed_once_its_thread_wants_other_ranges(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", 1 << 62)
    scene = Scene(layout)
    mover = scene.threads[0]
    scene.python.hold(mover)
    for _ in range(3):
        assert scene.unwinder.sample()
    for _ in range(3):
        mover.ret()
    mover.new_chunk()
    scene.call(mover, "gh" * 4)

    # Where its frames are was learnt from copies that were not believed.
    assert not scene.unwinder.sample()
    assert not scene.unwinder.sample()
    mover.step(2)
    assert scene.unwinder.sample()
    assert scene.seen() == ["gh" * 4, "ad", "efgh"]


@every_layout
@both_modes
def test_stack_that_begins_with_a_generator_is_not_believed_because_it_moves(
    layout: Layout, blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", 1 << 62)
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    generator = scene.python.generator()
    for unit in range(5):
        mover.resume(generator, scene.codes["g"], instruction=unit)
        scene.python.write_frame(generator, previous=0)
        assert not scene.unwinder.sample()
        mover.ret()
    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh"]


@every_layout
@both_modes
def test_stack_that_begins_elsewhere_is_believed_after_a_while(
    layout: Layout, blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    for _ in range(3):
        mover.ret()
    mover.new_chunk()
    scene.call(mover, "g")
    assert not scene.unwinder.sample()

    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", -1)

    assert scene.unwinder.sample()
    assert scene.seen() == ["g", "ad", "efgh"]


@every_layout
@both_modes
def test_stack_that_begins_with_a_data_stack_is_believed_as_those_of_greenlets_do(
    layout: Layout, blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", 1 << 62)
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()

    for stack in ("gh", "", "ea"):
        mover.switch()
        if layout.frame.owners_without_code and stack:
            # 3.15: the thread's own frame is below that of the call from C.
            mover.enter()
            mover.enter()
        scene.call(mover, stack)
        assert scene.unwinder.sample()
        assert scene.seen() == [stack, "ad", "efgh"]
    assert scene.unwinder.discarded == 0


@every_layout
@both_modes
def test_generator_that_lies_where_data_stacks_begin_does_not_begin_a_stack(
    layout: Layout, blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", 1 << 62)
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    generator = scene.python.allocate(bytes(0x1000)) + 32
    mover.resume(generator, scene.codes["g"])
    scene.python.write_frame(generator, previous=0)

    assert not scene.unwinder.sample()


@pytest.mark.parametrize("layout", [LAYOUTS["3.11"], LAYOUTS["3.12"]], ids=["3.11", "3.12"])
@both_modes
def test_cframe_that_has_no_frame_yet_is_no_empty_stack(
    layout: Layout, blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.cpython.stack_root.DOUBT_NS", 1 << 62)
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    mover.enter()
    scene.call(mover, "d")
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    head = mover.address + layout.thread_state.current_frame
    scene.python.memory.write_word(head, scene.python.cframe(0, scene.python.memory.word(head)))

    assert not scene.unwinder.sample()


@every_layout
@both_modes
def test_stack_that_begins_elsewhere_is_believed_of_a_thread_that_does_not_hold_the_gil(
    layout: Layout, blocking: bool
) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[1])
    assert scene.unwinder.sample()
    for _ in range(3):
        scene.threads[0].ret()
    # It had the GIL for that.
    scene.python.hold(scene.threads[0])
    scene.python.hold(scene.threads[1])

    assert scene.unwinder.sample()
    assert scene.seen() == ["", "ad", "efgh"]


@every_layout
@both_modes
def test_memory_that_goes_away_is_recovered_from(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    mover.new_chunk()
    scene.call(mover, "defg")
    for _ in range(2):
        assert scene.unwinder.sample()

    for _ in range(4):
        mover.ret()  # the chunk is unmapped
    assert scene.unwinder.sample()
    assert scene.seen() == ["abc", "ad", "efgh"]

    mover.new_chunk()
    scene.call(mover, "h")
    assert scene.unwinder.sample()
    assert scene.seen() == ["abch", "ad", "efgh"]
    assert scene.unwinder.discarded == 0


@every_layout
def test_frames_are_told_also_after_they_are_gone(layout: Layout) -> None:
    scene = Scene(layout)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    mover.new_chunk()
    scene.call(mover, "defg")
    assert scene.unwinder.sample()
    for _ in range(4):
        mover.ret()

    assert scene.seen()[0] == "abcdefg"


@every_layout
@both_modes
def test_corrupt_chain_is_discarded_and_the_next_good_one_is_right(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    frame = scene.threads[0].frames[1].address
    for wild in (frame, scene.threads[0].leaf, 8, (1 << 64) - 8):
        scene.python.write_frame(frame, previous=wild)

        assert not scene.unwinder.sample()

        scene.python.write_frame(frame, previous=scene.threads[0].frames[0].address)
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()
    assert scene.unwinder.discarded == 4
    assert not scene.stopper.stopped


@every_layout
@both_modes
def test_attempts_at_a_corrupt_chain_are_bounded_also_where_time_is_not(layout: Layout, blocking: bool) -> None:
    """As in a dump, which is to show what there is."""
    scene = Scene(layout, blocking=blocking)
    scene.unwinder.while_standing = lambda holders: None
    scene.python.hold(scene.threads[0])
    scene.python.write_frame(scene.threads[0].frames[0].address, previous=scene.threads[0].leaf)
    reads = itertools.count(1)

    def count() -> None:
        assert next(reads) < 40 * ATTEMPTS <= 640

    scene.python.memory.before_read = count

    assert not scene.unwinder.sample()
    assert scene.unwinder.retried < ATTEMPTS
    assert not scene.stopper.stopped


@every_layout
def test_lists_that_cannot_be_read_are_a_discarded_sample_and_a_reason(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(layout)
    next_of_first = scene.threads[0].address + layout.thread_state.next
    scene.python.memory.write_word(next_of_first, scene.threads[2].address)
    assert not scene.unwinder.sample()
    assert scene.unwinder.discarded == 1
    assert "no end" in str(scene.unwinder.failure)

    scene.python.memory.write_word(next_of_first, 0)
    assert scene.unwinder.sample()
    assert scene.unwinder.failure is None
    assert scene.seen() == scene.truth()

    monkeypatch.setattr("nbspy.cpython.thread_state.MAX_THREADS", 3)
    scene.python.add_thread()
    assert not scene.unwinder.sample()
    assert isinstance(scene.unwinder.failure, TooManyThreads)


@every_layout
def test_thread_that_waits_for_the_gil_is_told_from_one_that_sleeps(layout: Layout) -> None:
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    gil = scene.python.interpreters[0].gil
    lock = gil + 40 if layout.gil is not None else scene.python.runtime.address + 400
    scene.target.waits_for = {scene.threads[1].native: lock, scene.threads[2].native: 0x1234}

    assert scene.unwinder.sample()

    assert [thread.bits for thread in scene.unwinder.threads] == [HOLDS, int(State.GIL_WAIT), 0]


@every_layout
@both_modes
@given(data=st.data())
@settings(max_examples=25)
def test_whatever_the_target_does_between_reads_a_sample_is_a_state_that_it_was_in(
    layout: Layout, blocking: bool, data: st.DataObject
) -> None:
    scene = Scene(layout, blocking=blocking)
    holder: FakeThread | None = None
    busy = data.draw(st.integers(0, 40), label="reads during which the target moves")
    choices = random.Random(data.draw(st.integers(0, 10**6), label="seed"))
    history: list[tuple[str, ...]] = [tuple(scene.truth())]

    def live() -> None:
        nonlocal holder, busy
        if busy <= 0 or (holder is not None and holder.native in scene.stopper.stopped):
            return
        busy -= 1
        for _ in range(choices.randrange(3)):
            action = choices.randrange(6)
            if action == 0:
                holder = choices.choice([*scene.threads, None])
                scene.python.hold(holder)
            elif holder is None:
                continue
            elif action < 3:
                scene.call(holder, choices.choice("abcdefgh"))
            elif action < 5 and len(holder.frames) > 1:
                holder.ret()
            elif holder.frames:
                holder.step(choices.randrange(9))
            history.append(tuple(scene.truth()))

    scene.python.memory.before_read = live
    believed = 0
    for _ in range(8):
        del history[:-1]
        if scene.unwinder.sample():
            believed += 1
            observed = tuple(scene.seen())
            assert observed in history
        assert not scene.stopper.stopped
        live()
    assert believed + scene.unwinder.discarded == 8
    if busy <= 0:
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()


@every_layout
@both_modes
def test_threads_that_cannot_have_moved_are_not_copied_again(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    first, second, third = scene.threads

    def threads_of_a_sample() -> int:
        copied = scene.python.memory.copied
        copied.clear()
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()
        return max(len({thread.address for thread in scene.threads} & addresses) for addresses in copied)

    scene.python.hold(first)
    assert scene.unwinder.sample()
    first.step(5)
    alone = threads_of_a_sample()
    scene.python.hold(None)
    first.step(6)
    assert threads_of_a_sample() == alone

    scene.python.hold(third)
    scene.call(third, "a")
    assert threads_of_a_sample() > alone
    scene.python.hold(second)
    scene.call(second, "a")
    scene.python.hold(first)
    everyone = threads_of_a_sample()
    assert everyone > alone
    assert threads_of_a_sample() == alone
    scene.python.hold(second)
    second.ret()
    # The GIL went from one to another once: it is those two.
    assert alone < threads_of_a_sample() < everyone
    scene.python.hold(first)
    threads_of_a_sample()

    scene.python.hold(None)
    second.ret()
    assert threads_of_a_sample() > alone
