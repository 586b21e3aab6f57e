"""What an unwinder tells at a glance, and at one look, must be what it would tell after all of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbspy.cpython import quick_look
from nbspy.cpython.glance import Glance
from nbspy.cpython.known_stacks import PROOFS
from nbspy.cpython.layout import Layout
from nbspy.cpython.quick_look import OFTEN_TORN

from .fake_python import FakeThread
from .unwinder_scene import HOLDS, Scene, both_modes, every_layout


def settled(layout: Layout, *, blocking: bool) -> tuple[Scene, FakeThread]:
    """A scene whose first thread holds the GIL and was sampled until nothing is new any more."""
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    for unit in range(4):
        mover.step(unit)
        assert scene.unwinder.sample()
    scene.seen()
    return scene, mover


def reads_of_a_sample(scene: Scene) -> int:
    before = scene.python.memory.reads
    assert scene.unwinder.sample()
    return scene.python.memory.reads - before


@every_layout
@both_modes
def test_leaf_that_goes_on_is_told_by_one_copy(layout: Layout, blocking: bool) -> None:
    scene, mover = settled(layout, blocking=blocking)

    for unit in (7, 8, 8, 9):
        mover.step(unit)
        assert reads_of_a_sample(scene) == 1
        assert scene.seen() == scene.truth()
        assert scene.unwinder.frames(scene.unwinder.threads[0])[0].key.line == 300 + unit
        assert scene.unwinder.news in ([], [scene.unwinder.threads[0]])
    mover.step(5)
    mover.step(8)
    assert scene.unwinder.sample()
    assert scene.unwinder.frames(scene.unwinder.threads[0])[0].key.line == 308


@every_layout
@both_modes
def test_of_a_thread_that_was_just_found_only_the_leaf_is_walked(layout: Layout, blocking: bool) -> None:
    """All of its stack is new then; that is no sign that its callers are going to change."""
    scene, mover = settled(layout, blocking=blocking)
    plan = scene.unwinder._quick.plan

    assert plan is not None
    assert plan.glance is not None
    assert plan.glance.bottom == len(mover.frames) - 1


@every_layout
@both_modes
def test_stacks_that_were_seen_before_are_told_by_one_copy_each(layout: Layout, blocking: bool) -> None:
    """Also where the callers' positions change, and in whatever order they come."""
    scene, mover = settled(layout, blocking=blocking)
    depth = len(mover.frames)

    def go(stack: str) -> None:
        while len(mover.frames) > depth:
            mover.ret()
        for position, name in enumerate(stack):
            mover.step(position)
            scene.call(mover, name)

    stacks = ["d", "de", "df", "dfg", "h"]
    for _ in range(3 * PROOFS):
        for stack in stacks:
            go(stack)
            assert scene.unwinder.sample()
    stops = scene.stopper.stops

    reads = []
    for stack in [*stacks, *reversed(stacks)]:
        go(stack)
        reads.append(reads_of_a_sample(scene))
        assert scene.seen() == scene.truth()
    # Before 3.14 every 32nd sample looks at all code objects again.
    assert sorted(reads)[-2] == 1
    assert scene.stopper.stops <= stops + 1


@every_layout
def test_thread_is_stopped_for_a_stack_that_is_new_and_for_no_other(layout: Layout) -> None:
    scene, mover = settled(layout, blocking=True)
    for stack, new in (("d", True), ("d", False), ("de", True), ("e", True), ("de", False), ("e", False), ("dh", True)):
        for name in stack:
            scene.call(mover, name)
        stops = scene.stopper.stops
        assert scene.unwinder.sample()
        assert scene.stopper.stops - stops == new
        assert scene.seen() == scene.truth()
        for _ in stack:
            mover.ret()
        assert scene.unwinder.sample()


@every_layout
def test_for_a_copy_that_is_torn_a_thread_is_stopped_and_told_at_a_glance(layout: Layout) -> None:
    """What another copy would show instead would depend on what the thread did meanwhile."""
    scene, mover = settled(layout, blocking=True)
    for position, callee in ((2, "d"), (5, "e")):
        mover.step(position)
        scene.call(mover, callee)
        assert scene.unwinder.sample()
        mover.ret()
        assert scene.unwinder.sample()
    mover.step(2)
    scene.call(mover, "e")
    caller, stops, followed = mover.frames[-2], scene.stopper.stops, scene.unwinder._follower.followed
    looks = 0

    def arrive() -> None:
        # Only the caller of the first copy is not the one that calls e. The second read asks who holds the GIL.
        nonlocal looks
        looks += 1
        if looks == 2:
            scene.python.write_frame(caller.address, instruction=(caller.code, 5))

    scene.python.memory.before_read = arrive
    assert scene.unwinder.sample()
    scene.python.memory.before_read = None

    assert (looks, scene.stopper.stops, scene.stopper.stopped) == (3, stops + 1, set())
    assert scene.unwinder._follower.followed <= followed + 1
    assert scene.unwinder.retried
    assert [frame.key.line for frame in scene.unwinder.frames(scene.unwinder.threads[0])][1] == 305


@every_layout
@both_modes
def test_leaf_that_went_on_at_a_glance_and_back_is_where_it_is(layout: Layout, blocking: bool) -> None:
    scene, mover = settled(layout, blocking=blocking)
    mover.step(3)
    scene.call(mover, "d")
    assert scene.unwinder.sample()
    mover.ret()
    for unit in (3, 6, 3):
        mover.step(unit)
        assert scene.unwinder.sample()
    # Byte for byte what was followed last, with another instruction told in between.
    scene.call(scene.threads[0], "d")
    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    mover.ret()
    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()
    assert scene.unwinder.frames(scene.unwinder.threads[0])[0].key.line == 303


@every_layout
@both_modes
@pytest.mark.parametrize("change", ["code", "recode", "caller", "call", "return", "hand over", "let go", "thread ends"])
def test_whatever_else_changes_is_not_missed_by_a_glance(layout: Layout, blocking: bool, change: str) -> None:
    scene, mover = settled(layout, blocking=blocking)
    expected = [HOLDS, 0, 0]
    if change == "code":
        mover.ret()
        scene.call(mover, "h")
    elif change == "recode":
        scene.python.recode(scene.codes["c"], "z", first_line=50)
    elif change == "caller":
        caller = mover.frames[-2]
        scene.python.write_frame(caller.address, instruction=(caller.code, 8))
    elif change == "call":
        scene.call(mover, "h")
    elif change == "return":
        mover.ret()
    elif change == "hand over":
        scene.python.hold(scene.threads[1])
        scene.call(scene.threads[1], "h")
        expected = [0, HOLDS, 0]
    elif change == "let go":
        scene.python.hold(None)
        expected = [0, 0, 0]
    else:
        scene.python.remove_thread(scene.threads.pop())
        expected = [HOLDS, 0]

    assert scene.unwinder.sample()

    assert scene.seen() == scene.truth()
    assert [thread.bits for thread in scene.unwinder.threads] == expected
    if change == "caller":
        assert scene.unwinder.frames(scene.unwinder.threads[0])[1].key.line == 208


@every_layout
def test_stack_on_which_looks_have_agreed_twice_is_believed_at_one_look(layout: Layout) -> None:
    scene, mover = settled(layout, blocking=False)
    costs = []
    for _ in range(PROOFS + 2):
        scene.call(mover, "d")
        costs.append(reads_of_a_sample(scene))
        assert scene.seen() == scene.truth()
        mover.ret()
        assert scene.unwinder.sample()
        assert scene.seen() == scene.truth()

    assert costs[-1] <= costs[PROOFS - 1] - 2
    # As a stack of another function it is another: three looks again.
    scene.call(mover, "e")
    assert reads_of_a_sample(scene) >= 3


@every_layout
def test_stack_of_known_calls_that_was_never_seen_whole_is_not_known(layout: Layout) -> None:
    """A torn copy shows an old caller with a new callee, each of them well known."""
    scene, mover = settled(layout, blocking=False)
    for position, callee in ((2, "d"), (5, "e")) * (PROOFS + 1):
        mover.step(position)
        scene.call(mover, callee)
        assert scene.unwinder.sample()
        mover.ret()
    mover.step(2)
    scene.call(mover, "e")
    torn = True

    def move_on() -> None:
        nonlocal torn
        frame = mover.frames[-2]
        torn = not torn
        scene.python.write_frame(frame.address, instruction=(frame.code, 2 if torn else 5))

    scene.python.memory.before_read = move_on
    for _ in range(10):
        if scene.unwinder.sample():
            lines = [frame.key.line for frame in scene.unwinder.frames(scene.unwinder.threads[0])]
            assert lines[1] == 305


@every_layout
@both_modes
@pytest.mark.parametrize("entered", [False, True], ids=["by Python", "by C"])
def test_generators_in_turn_are_told_by_one_copy_each(layout: Layout, blocking: bool, entered: bool) -> None:
    """Wherever their frames lie, whatever shim or ``_PyCFrame`` (3.11, 3.12) is below."""
    scene, mover = settled(layout, blocking=blocking)
    depth = len(mover.frames)
    generators = [scene.python.generator() for _ in range(3)]
    c_stack = scene.python.c_stack

    def go(which: int) -> None:
        while len(mover.frames) > depth:
            mover.ret()
        if entered:
            scene.python.c_stack = c_stack - 1024 * which
            mover.enter()
        mover.resume(generators[which], scene.codes["def"[which]], which)
        if which == 2:
            scene.call(mover, "g")

    for _ in range(4 * PROOFS):
        for which in range(3):
            go(which)
            assert scene.unwinder.sample()
    reads = []
    for which in (0, 1, 2, 1, 0, 2, 0):
        go(which)
        reads.append(reads_of_a_sample(scene))
        assert scene.seen() == scene.truth()

    # Before 3.14 every 32nd sample looks at all code objects again, and room for the identities of codes is short.
    assert sorted(reads)[-2] <= (1 if layout.interpreter.code_object_generation else 2)


@every_layout
@both_modes
def test_thread_that_lets_the_gil_go_and_takes_it_again_is_told_by_one_copy(layout: Layout, blocking: bool) -> None:
    scene, mover = settled(layout, blocking=blocking)
    for holder in (None, mover) * 2:
        scene.python.hold(holder)
        assert scene.unwinder.sample()
    stops = scene.stopper.stops

    reads = []
    for unit, holder in enumerate((None, mover, mover, None, None, mover)):
        scene.python.hold(holder)
        scene.python.write_frame(mover.frames[-1].address, instruction=(mover.frames[-1].code, unit))
        before = scene.unwinder.threads[0].bits
        reads.append(reads_of_a_sample(scene))
        expected = HOLDS if holder else 0
        assert [thread.bits for thread in scene.unwinder.threads] == [expected, 0, 0]
        assert (scene.unwinder.threads[0] in scene.unwinder.news) or before == expected
        assert scene.seen() == scene.truth()

    assert sorted(reads)[-2] == 1
    assert scene.stopper.stops == stops


@every_layout
@both_modes
@pytest.mark.parametrize("link", [0, 0xC440F1], ids=["unlinked", "overwritten"])
def test_generator_that_is_just_yielding_is_looked_at_again(layout: Layout, blocking: bool, link: int) -> None:
    """Its frame is unlinked from its caller, or freed, and still the leaf: that is no stack, and undoes nothing."""
    scene, mover = settled(layout, blocking=blocking)
    generator = scene.python.generator()
    for unit in range(4 * PROOFS):
        mover.resume(generator, scene.codes["d"], unit)
        assert scene.unwinder.sample()
        mover.ret()
        assert scene.unwinder.sample()
    scene.look_first()
    stops, discarded = scene.stopper.stops, scene.unwinder.discarded

    mover.resume(generator, scene.codes["d"], 3)
    scene.python.write_frame(generator, previous=link)
    # Others yield too, one after the other: nothing is to be chosen anew for that.
    scene.between_reads(None, None, None, None, None, lambda: mover.ret())
    reads = reads_of_a_sample(scene)
    scene.python.memory.before_read = None

    assert reads <= 7 if blocking else reads == 6
    assert scene.seen() == scene.truth()
    assert scene.unwinder.discarded == discarded
    assert (scene.stopper.stops > stops) == blocking
    assert scene.unwinder.retried


@every_layout
def test_what_call_sites_do_not_vouch_for_is_not_asked_of_them_at_every_sample(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, mover = settled(layout, blocking=False)
    for position, callee in ((2, "d"), (5, "e")) * (PROOFS + 1):
        mover.step(position)
        scene.call(mover, callee)
        assert scene.unwinder.sample()
        mover.ret()
    asked = 0
    prove = Glance.prove

    def count(glance: Glance, copy: bytes) -> bool:
        nonlocal asked
        asked += 1
        return prove(glance, copy)

    monkeypatch.setattr(Glance, "prove", count)
    mover.step(2)
    scene.call(mover, "e")
    torn = False

    def move_on() -> None:
        nonlocal torn
        frame = mover.frames[-2]
        torn = not torn
        scene.python.write_frame(frame.address, instruction=(frame.code, 2 if torn else 5))

    scene.python.memory.before_read = move_on
    quick = scene.unwinder._quick
    for _ in range(8):
        assert scene.unwinder.sample()
    assert asked == 1
    # After a while it is asked again, as a site may have been specialised.
    quick._refused_left = 1
    for _ in range(4):
        assert scene.unwinder.sample()
    assert asked == 2


@every_layout
@both_modes
def test_caller_whose_identity_is_not_copied_is_not_told_by_an_old_name(layout: Layout, blocking: bool) -> None:
    """There is room for a few, those nearest the leaf."""
    scene, mover = settled(layout, blocking=blocking)
    while len(mover.frames) > 1:
        mover.ret()
    for position in (2, 5) * (PROOFS + 1):
        mover.step(position)
        scene.call(mover, "bcdefgh")
        assert scene.unwinder.sample()
        while len(mover.frames) > 1:
            mover.ret()
        assert scene.unwinder.sample()
    scene.call(mover, "bcdefgh")
    assert scene.unwinder.sample()
    scene.look_first()

    scene.python.recode(scene.codes["b"], "z")

    assert scene.unwinder.sample()
    assert scene.seen() == scene.truth()


@every_layout
@both_modes
@given(data=st.data())
@settings(max_examples=15)
def test_whatever_one_thread_does_each_sample_shows_it(layout: Layout, blocking: bool, data: st.DataObject) -> None:
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    generators = [scene.python.generator() for _ in range(2)]
    moves = st.sampled_from(
        ["step", "step", "call", "return", "return", "resume", "enter", "let go", "hold", "chunk", "recode", "nothing"]
    )
    for move in data.draw(st.lists(moves, min_size=5, max_size=40)):
        if move == "step":
            mover.step(data.draw(st.integers(0, 9)))
        elif move == "call":
            scene.call(mover, data.draw(st.sampled_from("abcdefgh")))
        elif move == "return" and len(mover.frames) > 1:
            gone = mover.frames[-1]
            mover.ret()
            if gone.chunk is None:
                generators.append(gone.address)
            if not mover.frames[-1].code:
                mover.ret()
        elif move == "resume" and generators:
            mover.resume(generators.pop(), scene.codes[data.draw(st.sampled_from("abcd"))], 1)
        elif move == "enter":
            mover.enter()
            scene.call(mover, data.draw(st.sampled_from("abcd")))
        elif move in ("let go", "hold"):
            scene.python.hold(mover if move == "hold" else None)
        elif move == "chunk":
            mover.call(scene.codes["a"], 1, 1500)
        elif move == "recode":
            name = data.draw(st.sampled_from("abcdefgh"))
            if not any(frame.code == scene.codes[name] for thread in scene.threads for frame in thread.frames):
                scene.python.recode(scene.codes[name], data.draw(st.sampled_from("xyz")))
        assert scene.unwinder.sample() or scene.unwinder.sample()
        assert scene.seen() == scene.truth()


@every_layout
@both_modes
@pytest.mark.parametrize("torn", [False, True])
def test_shares_of_a_thread_that_is_often_torn_are_said_to_be_doubtful(
    layout: Layout, blocking: bool, torn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick_look, "_ENOUGH", 100)
    scene, mover = settled(layout, blocking=blocking)
    scene.call(mover, "d")
    for _ in range(PROOFS + 1):
        assert scene.unwinder.sample()
    frame = mover.frames[-1]

    def move_on() -> None:
        # Every other copy shows a caller that is none.
        nonlocal broken
        broken = torn and not broken
        scene.python.write_frame(frame.address, previous=0xC440F1 if broken else mover.frames[-2].address)

    broken = False
    scene.python.memory.before_read = move_on
    for _ in range(100):
        scene.unwinder.sample()

    assert scene.unwinder.notice == (OFTEN_TORN if torn and not blocking else "")
