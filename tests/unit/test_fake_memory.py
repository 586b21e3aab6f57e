from __future__ import annotations

import pytest

from nbspy.errors import MemoryFault

from .fake_memory import FakeMemory


def test_read_when_the_range_lies_in_a_segment_gives_its_bytes() -> None:
    memory = FakeMemory({0x1000: b"abcdef", 0x2000: b"xyz"})

    assert memory.read(0x1002, 3) == b"cde"
    assert memory.read_many([(0x2000, 3), (0x1005, 1), (0x1006, 0)][:2]) == [b"xyz", b"f"]


def test_read_when_segments_touch_crosses_from_one_to_the_next() -> None:
    assert FakeMemory({0x1000: b"ab", 0x1002: b"cd", 0x1004: b"ef"}).read(0x1001, 4) == b"bcde"


@pytest.mark.parametrize(("address", "size"), [(0xFFF, 1), (0xFFF, 2), (0x1002, 5), (0x1006, 1), (0, 8), (0x1000, -1)])
def test_read_when_the_range_leaves_the_segments_faults_with_address_and_size(address: int, size: int) -> None:
    with pytest.raises(MemoryFault) as caught:
        FakeMemory({0x1000: b"abcdef"}).read(address, size)

    assert (caught.value.address, caught.value.size) == (address, size)


def test_add_when_segments_overlap_is_refused() -> None:
    memory = FakeMemory({0x1000: b"abcdef"})

    for address in (0xFFF, 0x1005):
        with pytest.raises(ValueError, match="overlaps"):
            memory.add(address, b"12")


def test_prepared_read_when_the_target_writes_shows_the_new_bytes_at_the_next_read() -> None:
    memory = FakeMemory({0x1000: b"abcdef"})
    prepared = memory.prepare([(0x1000, 2), (0x1004, 2)])
    prepared.read()
    before = bytes(prepared.buffer)

    memory.write(0x1001, b"XYZ!")
    prepared.read()

    assert (before, bytes(prepared.buffer)) == (b"abef", b"aX!f")
