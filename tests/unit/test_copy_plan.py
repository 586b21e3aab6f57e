from __future__ import annotations

from dataclasses import dataclass

import pytest

from nbspy.cpython.copy_plan import CopyPlan
from nbspy.cpython.frame_chain import FrameChain
from nbspy.cpython.frame_struct import frame_struct
from nbspy.cpython.gil_turns import GilTurns
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_state import ThreadState, read_interpreters
from nbspy.errors import MemoryFault

from .fake_python import LAYOUTS, FakePython, FakeThread

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


@dataclass
class Planned:
    """What a plan needs of a thread."""

    fake: FakeThread
    chain: FrameChain


class Scene:
    """Two threads with some frames, and a plan for them."""

    def __init__(self, layout: Layout, *, tails: bool = True) -> None:
        self.python = FakePython(layout)
        code = self.python.code("f")
        self.threads = []
        for depth in (2, 5):
            fake = self.python.add_thread()
            for _ in range(depth):
                fake.call(code)
            state = ThreadState(fake.address, self.python.interpreters[0].address, 1, fake.native)
            chain = FrameChain(self.python.memory, layout, state, frame_struct(layout.frame))
            for _ in range(2):
                chain.update(b"".join(self.python.memory.read_many(chain.ranges)))
                chain.plan()
            self.threads.append(Planned(fake, chain))
        interpreters = read_interpreters(self.python.memory, self.python.runtime)
        self.plan = CopyPlan(
            self.python.memory,
            self.python.runtime,
            interpreters,
            self.threads,
            tails=tails,
            code_identity=(0, 8),
        )


@every_layout
@pytest.mark.parametrize("tails", [True, False])
def test_copy_has_each_threads_region_where_the_plan_says(layout: Layout, tails: bool) -> None:
    scene = Scene(layout, tails=tails)

    data = scene.plan.copy()

    assert [span.thread for span in scene.plan.spans] == scene.threads
    for thread, start, end in scene.plan.spans:
        assert data[start:end] == b"".join(scene.python.memory.read_many(thread.chain.ranges))
        thread.chain.update(data[start:end])
        assert thread.chain.addresses == [frame.address for frame in thread.fake.frames]


@every_layout
def test_copy_is_one_read(layout: Layout) -> None:
    scene = Scene(layout)
    reads = scene.python.memory.reads

    scene.plan.copy()

    assert scene.python.memory.reads == reads + 1


@every_layout
def test_holders_of_a_copy_are_those_who_held_the_gil_from_its_beginning_to_its_end(layout: Layout) -> None:
    scene = Scene(layout)
    first, second = (thread.fake for thread in scene.threads)
    scene.python.hold(first)
    assert scene.plan.holders(scene.plan.copy()) == scene.plan.look()[0] == (first.address,)

    scene.python.memory.between_ranges = lambda index: scene.python.hold(second) if index == 4 else None
    assert scene.plan.holders(scene.plan.copy()) is None
    assert scene.plan.holders(scene.plan.copy()) == (second.address,)

    scene.python.memory.between_ranges = lambda index: scene.python.hold(None) if index == 4 else None
    assert scene.plan.holders(scene.plan.copy()) is None
    assert scene.plan.holders(scene.plan.copy()) == ()


@every_layout
def test_lists_are_the_same_until_a_thread_or_an_interpreter_comes_or_the_newest_goes(layout: Layout) -> None:
    for change in ("nothing", "thread", "interpreter", "ended"):
        scene = Scene(layout)
        if change == "thread":
            scene.python.add_thread()
        elif change == "interpreter":
            scene.python.add_interpreter()
        elif change == "ended":
            scene.python.remove_thread(scene.threads[-1].fake)
            scene.python.memory.add(scene.threads[-1].fake.address, bytes(4096))

        assert scene.plan.words.same_lists(scene.plan.copy()) == (change == "nothing"), change


@every_layout
def test_tail_tells_a_call_during_the_copy(layout: Layout) -> None:
    scene = Scene(layout)
    span = scene.plan.spans[1]
    still = scene.plan.copy()

    assert scene.plan.tail_agrees(still, span)
    span.thread.fake.call(scene.python.code("g"))
    torn = still[: span.end] + scene.plan.copy()[span.end :]
    assert not scene.plan.tail_agrees(torn, span)
    assert scene.plan.tail_agrees(scene.plan.copy(), span)


@every_layout
def test_turn_is_whose_it_was_during_the_whole_copy(layout: Layout) -> None:
    scene = Scene(layout)
    first, second = (thread.fake for thread in scene.threads)
    scene.python.hold(first)
    turn = scene.plan.turn(scene.plan.copy())
    assert GilTurns.moved(turn, turn) == {first.address}

    scene.python.hold(None)
    assert scene.plan.turn(scene.plan.copy()) == turn
    scene.python.hold(first)
    assert scene.plan.turn(scene.plan.copy()) == turn
    scene.python.hold(second)
    assert GilTurns.moved(turn, scene.plan.turn(scene.plan.copy())) == {first.address, second.address}
    scene.python.hold(first)
    later = scene.plan.turn(scene.plan.copy())
    assert later not in (turn, b"")
    assert GilTurns.moved(turn, later) is None
    assert GilTurns.moved(b"", later) is None

    scene.python.memory.between_ranges = lambda index: scene.python.hold(second) if index == 4 else None
    assert scene.plan.turn(scene.plan.copy()) == b""


@every_layout
def test_generations_are_compared_where_the_version_has_them(layout: Layout) -> None:
    scene = Scene(layout)
    before = scene.plan.words.generations(scene.plan.copy())
    code = scene.threads[0].fake.frames[0].code

    scene.python.recode(code, "another")

    after = scene.plan.words.generations(scene.plan.copy())
    if layout.interpreter.code_object_generation is None:
        assert before == after == b""
    else:
        assert len(before) == 8
        assert before != after


@every_layout
def test_copy_when_a_planned_range_is_gone_is_a_fault(layout: Layout) -> None:
    scene = Scene(layout)
    scene.python.memory.remove(scene.threads[0].fake.chunks[0][0])

    with pytest.raises(MemoryFault):
        scene.plan.copy()
