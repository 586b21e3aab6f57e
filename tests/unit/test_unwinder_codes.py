"""Code objects that are freed and made anew: no stack shows an old name."""

from __future__ import annotations

import pytest

from nbspy.cpython.layout import Layout

from .unwinder_scene import Scene, both_modes, every_layout


@every_layout
@both_modes
def test_code_object_replaced_at_its_address_shows_its_new_name_at_once(layout: Layout, blocking: bool) -> None:
    scene = Scene(layout, blocking=blocking)
    mover = scene.threads[0]
    scene.python.hold(mover)
    for _ in range(3):
        assert scene.unwinder.sample()
    assert scene.seen()[0] == "abc"

    # The function returns, its code object is freed, and another is made and called in its place.
    mover.ret()
    scene.python.recode(scene.codes["c"], "X", first_line=700)
    mover.call(scene.codes["c"], instruction=2)

    assert scene.unwinder.sample()
    assert scene.seen() == ["abX", "ad", "efgh"]
    assert scene.unwinder.frames(scene.unwinder.threads[0])[0].key.line == 702


@every_layout
def test_code_object_replaced_without_a_trace_in_the_frames_is_found_within_a_few_samples(layout: Layout) -> None:
    """The same frame, address and instruction: 3.14+ counts freed code objects, before they are looked at at times."""
    scene = Scene(layout)
    scene.python.hold(scene.threads[0])
    for _ in range(3):
        assert scene.unwinder.sample()
    scene.python.recode(scene.codes["c"], "X")

    samples = 0
    while scene.seen()[0] != "abX":
        assert scene.unwinder.sample()
        samples += 1

    assert samples <= (1 if layout.interpreter.code_object_generation is not None else 33)


@every_layout
def test_code_object_that_left_the_stack_and_was_freed_lends_no_name_to_the_next_at_its_address(
    layout: Layout,
) -> None:
    scene = Scene(layout)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()

    for round_number in range(3):
        mover.ret()  # c is no longer on any stack, and is freed while others take its place
        scene.python.recode(scene.codes["c"], f"freed {round_number}")
        for name in ("Y", "Z"):
            mover.call(scene.python.code(f"{name}{round_number}"))
        assert scene.unwinder.sample()
        for _ in range(2):
            mover.ret()
        # Made without anything being freed: the counter stands still.
        fields = layout.code
        scene.python.memory.write_word(scene.codes["c"] + fields.name, scene.python.text(f"N{round_number}"))
        scene.python.code_names[scene.codes["c"]] = f"N{round_number}"
        mover.call(scene.codes["c"])

        assert scene.unwinder.sample()
        assert scene.seen()[0] == f"abN{round_number}"


@every_layout
@pytest.mark.parametrize("torn", [1, 2, 3])
def test_code_object_that_a_torn_copy_pointed_to_before_it_was_made_has_its_name(layout: Layout, torn: int) -> None:
    scene = Scene(layout, blocking=False)
    mover = scene.threads[0]
    scene.python.hold(mover)
    assert scene.unwinder.sample()
    later = scene.python.code("later")
    made = scene.python.memory.read(later, layout.code.code_adaptive)
    scene.python.memory.write(later, bytes(len(made)))
    leaf = mover.leaf
    looks = 0

    def tear() -> None:
        nonlocal looks
        looks += 1
        # One copy sees an address that is no code object yet; the next see another frame.
        scene.python.write_frame(leaf, code=later if looks == torn else scene.codes["c"])

    scene.python.memory.before_read = tear
    assert scene.unwinder.sample()
    assert scene.seen()[0] == "abc"
    scene.python.memory.before_read = None
    scene.python.write_frame(leaf, code=scene.codes["c"])

    scene.python.memory.write(later, made)
    mover.call(later)

    assert scene.unwinder.sample()
    assert scene.seen()[0] == "abclater"
