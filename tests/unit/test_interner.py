from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.interner import ROOT, FrameKey, Interner


def key(name: str, line: int = 1, qualname: str | None = None, flags: int = 0) -> FrameKey:
    return FrameKey(name, qualname or f"Class.{name}", f"/src/{name}.py", f"{name}.py", name, line, 1, flags)


def test_string_zero_is_the_empty_one_and_is_never_handed_over() -> None:
    interner = Interner()

    assert interner.string("") == 0
    assert interner.take_new().strings == []


def test_ids_are_dense_and_the_same_for_the_same() -> None:
    interner = Interner()

    assert [interner.frame(key(name)) for name in "aabca"] == [0, 0, 1, 2, 0]
    assert [interner.node(ROOT, frame) for frame in (0, 1, 0)] == [1, 2, 1]
    assert interner.node(1, 0) == 3  # a recursion


def test_frames_differ_by_line_and_flags_as_by_name() -> None:
    interner = Interner()

    assert len({interner.frame(k) for k in (key("a"), key("a", 2), key("a", 1, "b"), key("a", 1, None, 2))}) == 4


def test_take_new_when_called_twice_hands_nothing_over_again() -> None:
    interner = Interner()
    interner.node(ROOT, interner.frame(key("a")))
    interner.take_new()

    new = interner.take_new()

    assert (new.strings, new.frames, new.nodes) == ([], [], [])
    assert (new.first_string, new.first_frame, new.first_node) == (5, 1, 2)


@given(
    st.lists(
        st.one_of(st.none(), st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 3)), max_size=6)),
        max_size=40,
    )
)
def test_what_was_handed_over_rebuilds_every_stack_in_order(actions: list[list[tuple[str, int]] | None]) -> None:
    """None hands over; a list is a stack, root first, that is interned."""
    interner = Interner()
    strings, nodes = [""], [(0, -1)]
    frames: list[FrameKey] = []
    leaves: list[tuple[int, list[FrameKey]]] = []

    def take() -> None:
        new = interner.take_new()
        assert (new.first_string, new.first_frame, new.first_node) == (len(strings), len(frames), len(nodes))
        strings.extend(new.strings)
        frames.extend(new.frames)
        for index, (parent, frame) in enumerate(new.nodes, new.first_node):
            assert parent < index
            assert frame < len(frames)
        nodes.extend(new.nodes)

    for action in [*actions, None]:
        if action is None:
            take()
            continue
        stack = [key(name, line) for name, line in action]
        node = int(ROOT)
        for frame in stack:
            node = interner.node(node, interner.frame(frame))
        leaves.append((node, stack))

    for node, stack in leaves:
        found = []
        while node:
            node, frame_id = nodes[node]
            found.append(frames[frame_id])
        assert found[::-1] == stack
    assert len(set(strings)) == len(strings)
    for frame in frames:
        assert {frame.name, frame.qualname, frame.file, frame.short_file, frame.module} <= set(strings)


def leaf(interner: Interner, *frames: int) -> int:
    node: int = ROOT
    for frame in frames:
        node = interner.children.get(node << 32 | frame) or interner.node(node, frame)
    return node


def test_stacks_beyond_the_bound_end_in_one_that_says_so_below_what_is_known_of_them() -> None:
    interner = Interner(max_nodes=4)
    frames = [interner.frame(key(name)) for name in "abcdefg"]
    known = leaf(interner, *frames[:3])
    end = leaf(interner, frames[0], frames[3])
    again = leaf(interner, frames[0], frames[4], frames[5], frames[6])
    elsewhere = leaf(interner, frames[0], frames[1], frames[6])
    new = interner.take_new()

    assert leaf(interner, *frames[:3]) == known
    assert end == again != elsewhere
    assert new.nodes[end - 1][0] == leaf(interner, frames[0])
    assert new.nodes[elsewhere - 1][0] == leaf(interner, *frames[:2])
    assert "too many" in new.frames[new.nodes[end - 1][1]].name
    for number in range(1000):
        leaf(interner, *[frames[(number >> shift) % 7] for shift in range(0, 9, 3)])
    assert len(interner.children) <= 2 * 4


def test_what_says_so_below_every_known_stack_is_bounded_too() -> None:
    interner = Interner(max_nodes=1000)
    first, second, new = (interner.frame(key(name)) for name in "abc")
    known = [ROOT]
    for number in range(999):
        known.append(interner.node(known[number // 2], first if number % 2 else second))
    for node in known:
        assert interner.node(node, new) == interner.node(node, new)

    assert len(interner.children) in range(1000, 1000 + 130)


def test_functions_beyond_the_bound_share_a_name() -> None:
    for interner in (Interner(max_frames=3), Interner(max_text=60)):
        numbers = {interner.frame(key(f"name {number}")) for number in range(100)}
        assert max(numbers) <= 4
        assert "too many" in interner.take_new().frames[max(numbers)].name
        assert interner.frame(key("name 0")) == 0
