"""Ranges that overlap, as they do where frames are objects, or a torn copy was taken for frames."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from nbspy.cpython.frame_places import FramePlaces

SIZE = 8
FIRST = 100

ranges_of_frames = st.lists(st.tuples(st.integers(0, 60), st.integers(SIZE, 40)), max_size=8)


@given(ranges=ranges_of_frames)
@example(ranges=[(0, 40), (10, SIZE)])
@example(ranges=[(0, 20), (10, 20)])
def test_an_address_is_found_in_the_copy_wherever_a_range_has_it_and_always_in_the_same_place(
    ranges: list[tuple[int, int]],
) -> None:
    places = FramePlaces(SIZE)
    places.lay_out(ranges, FIRST)
    copied = [address + at for address, size in ranges for at in range(size)]

    for address in range(100):
        offset = places.offset_of(address)
        is_copied = any(start <= address and address + SIZE <= start + size for start, size in ranges)
        assert (offset >= 0) == is_copied
        if is_copied:
            assert copied[offset - FIRST : offset - FIRST + SIZE] == [*range(address, address + SIZE)]
        low, high, delta = places.range_around(address)
        assert bool(delta) == is_copied
        if is_copied:
            assert low <= address <= high
            assert all(places.offset_of(one) == one + delta for one in range(low, high + 1))
