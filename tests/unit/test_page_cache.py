from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.page_cache import PAGE_SIZE, PageCache
from nbspy.errors import MemoryFault

from .fake_memory import FakeMemory

START = 16 * PAGE_SIZE
DATA = bytes(index * 7 % 251 for index in range(4 * PAGE_SIZE))
RANGES = st.tuples(st.integers(START - 64, START + 4 * PAGE_SIZE + 64), st.integers(0, 3 * PAGE_SIZE))


@given(st.lists(RANGES, max_size=20))
def test_read_gives_what_the_memory_gives_or_faults_where_it_faults(ranges: list[tuple[int, int]]) -> None:
    memory = FakeMemory({START: DATA})
    cache = PageCache(memory)

    for address, size in ranges:
        inside = address >= START and address + size <= START + len(DATA)
        if inside and size:
            assert cache.read(address, size) == memory.read(address, size)
        elif size:
            with pytest.raises(MemoryFault) as caught:
                cache.read(address, size)
            assert (caught.value.address, caught.value.size) == (address, size)


def test_read_when_a_page_is_wanted_again_does_not_read_it_again() -> None:
    memory = FakeMemory({START: DATA})
    cache = PageCache(memory)

    found = [cache.read(START + offset, 8) for offset in range(0, 2 * PAGE_SIZE - 8, 24)]

    assert b"".join(found[:2]) == DATA[:8] + DATA[24:32]
    assert memory.reads == 2


def test_prepare_when_the_target_writes_sees_the_new_bytes() -> None:
    memory = FakeMemory({START: DATA})
    cache = PageCache(memory)
    cache.read(START, 8)
    memory.write(START, b"changed!")

    prepared = cache.prepare([(START, 8)])
    prepared.read()

    assert bytes(prepared.buffer) == b"changed!"
