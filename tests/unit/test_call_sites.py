"""Call sites that say whom they call: on what is certain a single look is enough, on what is not it never is."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable

from nbspy.cpython.call_sites import CALLS, CallSites
from nbspy.cpython.layout import Layout
from nbspy.cpython.standing_frames import COPIES

from .fake_python import FakeFrame, FakePython, FakeThread, known
from .unwinder_scene import Scene, every_layout

VERSION = 4711


def version_of(python: FakePython, code: int, version: int, frame: FakeFrame | None = None) -> int:
    """Give ``code`` its version; where only functions have one (3.11), make one, for ``frame`` if given; return it."""
    fields = CALLS[python.layout.version]
    if fields.function_version is None:
        python.memory.write(code + known(python.layout.code.localsplusnames) - 4, struct.pack("<I", version))
        return 0
    data = bytearray(fields.function_version + 4)
    struct.pack_into("<Q", data, python.layout.objects.function_code, code)
    struct.pack_into("<I", data, fields.function_version, version)
    function = python.allocate(bytes(data))
    if frame is not None:
        python.memory.write_word(frame.address + fields.frame_function, function)
    return function


def specialise(python: FakePython, caller: int, unit: int, version: int, opcode: int | None = None) -> int:
    """Let what is called where the caller's instruction pointer is at ``unit`` be noted; return that pointer."""
    fields = CALLS[python.layout.version]
    site = caller + python.layout.code.code_adaptive + 2 * unit
    chosen = min(fields.opcodes) if opcode is None else opcode
    python.memory.write(site - fields.behind, struct.pack("<BBHI", chosen, 1, 0, version))
    return site


def calling(layout: Layout) -> tuple[Scene, FakeThread]:
    """A scene that nobody may stop, whose thread has gone on between any two looks: they never agree."""
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    version_of(scene.python, scene.codes["d"], VERSION)
    for unit in range(2):
        mover.step(unit)
        assert scene.unwinder.sample()
    assert scene.seen()[0] == "abc"

    scene.python.memory.before_read = going_on(scene, mover)
    return scene, mover


def going_on(scene: Scene, mover: FakeThread) -> Callable[[], None]:
    """Return what moves the caller of the leaf to another position, each time it is called."""
    steps = itertools.count()

    def go_on() -> None:
        caller = mover.frames[-2]
        scene.python.write_frame(caller.address, instruction=(caller.code, 20 + 5 * (next(steps) % 20)))

    return go_on


def sample_through(scene: Scene, mover: FakeThread, *, noted: int) -> bool:
    """Call d from all of the positions that ``go_on`` shows, and sample once."""
    scene.python.memory.before_read, go_on = None, scene.python.memory.before_read
    for unit in range(20, 120, 5):
        specialise(scene.python, mover.frames[-1].code, unit, noted)
    version_of(scene.python, scene.codes["d"], VERSION, mover.call(scene.codes["d"], instruction=2))
    scene.python.memory.before_read = go_on
    believed = scene.unwinder.sample()
    scene.python.memory.before_read = None
    return believed


@every_layout
def test_stack_that_no_two_looks_show_is_believed_where_its_call_site_vouches_for_it(layout: Layout) -> None:
    scene, mover = calling(layout)
    assert sample_through(scene, mover, noted=VERSION)
    assert scene.seen()[0] == "abcd"


@every_layout
def test_stack_that_no_two_looks_show_is_discarded_where_its_call_site_has_called_another(layout: Layout) -> None:
    scene, mover = calling(layout)
    node = scene.unwinder.threads[0].node
    assert not sample_through(scene, mover, noted=VERSION + 1)
    assert scene.unwinder.discarded == 1
    assert scene.unwinder.threads[0].node == node


@every_layout
def test_frames_that_stand_are_known_although_what_they_call_never_does(layout: Layout) -> None:
    """As at the start: nothing is known yet, and the calls of the lowest frames have left no note."""
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    for unit in range(20, 120, 5):
        specialise(scene.python, scene.codes["c"], unit, VERSION)
    version_of(scene.python, scene.codes["d"], VERSION, mover.call(scene.codes["d"], instruction=2))
    scene.python.memory.before_read = going_on(scene, mover)

    assert not scene.unwinder.sample()
    # How many copies one sample takes depends on how long that lasts.
    assert any(scene.unwinder.sample() for _ in range(COPIES))
    scene.python.memory.before_read = None
    assert scene.seen()[0] == "abcd"


@every_layout
def test_stack_that_looks_agree_on_but_whose_call_site_has_called_another_has_to_stand_for_longer(
    layout: Layout,
) -> None:
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    version_of(scene.python, scene.codes["e"], VERSION)
    for unit in range(2):
        mover.step(unit)
        assert scene.unwinder.sample()
    mover.step(30)
    specialise(scene.python, scene.codes["c"], 30, VERSION + 1)
    version_of(scene.python, scene.codes["e"], VERSION, mover.call(scene.codes["e"], instruction=2))

    assert not scene.unwinder.sample()
    assert any(scene.unwinder.sample() for _ in range(COPIES))
    assert scene.seen()[0] == "abce"


@every_layout
def test_frame_whose_instruction_is_of_another_code_is_not_believed(layout: Layout) -> None:
    """A caller that was torn: its old code, and the position of the next one, which does call what is above."""
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    scene.call(mover, "d")
    scene.call(mover, "e")
    version_of(scene.python, scene.codes["d"], VERSION - 1, mover.frames[-2])
    version_of(scene.python, scene.codes["e"], VERSION, mover.frames[-1])
    specialise(scene.python, scene.codes["c"], 1, VERSION - 1)
    specialise(scene.python, scene.codes["f"], 30, VERSION)
    scene.python.write_frame(mover.frames[-2].address, instruction=(scene.codes["f"], 30))

    assert not scene.unwinder.sample()


@every_layout
def test_nothing_is_certain_of_what_is_not_as_the_interpreter_makes_it(layout: Layout) -> None:
    scene = Scene(layout)
    python = scene.python
    scene.python.hold(scene.threads[0])
    assert scene.unwinder.sample()
    caller, callee = scene.codes["b"], scene.codes["c"]
    function = version_of(python, callee, VERSION)
    unwinder = scene.unwinder
    unwinder._codes.codes.clear()
    unwinder._codes.refresh([callee])
    code = unwinder._codes.codes[callee]
    sites = CallSites(python.memory, layout, unwinder._codes.identity_range[0])
    site = specialise(python, caller, 40, VERSION)

    assert sites.calls(site, code, function)
    assert not sites.calls(0, code, function)
    assert not sites.calls(0xDEAD_0000, code, function)
    assert not sites.calls(specialise(python, caller, 60, VERSION, opcode=1), code, function)
    assert not sites.calls(specialise(python, caller, 80, VERSION + 1), code, function)
    if sites.frame_function is not None:
        assert not sites.calls(site, code, 0)
        assert not sites.calls(site, code, 0xDEAD_0000)
        assert not sites.calls(site, code, version_of(python, caller, VERSION))
    # A function whose version was taken away has 0, as has a cache that was never filled.
    nothing = version_of(python, callee, 0)
    unwinder._codes.refresh([callee])
    assert not sites.calls(specialise(python, caller, 100, 0), unwinder._codes.codes[callee], nothing)
