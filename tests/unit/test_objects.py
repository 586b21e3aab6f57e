from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython import attributes, dicts, objects
from nbspy.cpython.dicts import KeysKind
from nbspy.cpython.layout import Layout
from nbspy.cpython.thread_names import thread_names
from nbspy.errors import CorruptTarget, MemoryFault

from .arbitrary import arbitrary_memory
from .heap import Heap
from .layouts import all_layouts

LAYOUTS = all_layouts()
TEXTS = st.text(st.characters(exclude_categories=()), max_size=40)
every_version = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@every_version
@given(text=TEXTS)
def test_read_str_gives_the_characters_that_were_written(layout: Layout, text: str) -> None:
    heap = Heap(layout)
    address = heap.text(text)

    assert objects.read_str(heap.memory(), layout, address) == text


@every_version
@given(text=TEXTS, length=st.integers(0, 40))
def test_read_str_when_the_text_is_longer_than_wanted_cuts_it_and_says_so(
    layout: Layout, text: str, length: int
) -> None:
    heap = Heap(layout)
    address = heap.text(text)

    found = objects.read_str(heap.memory(), layout, address, max_chars=length)

    assert found == (text if len(text) <= length else text[:length] + "…")


@every_version
@given(number=st.integers() | st.integers(-(2**1900), 2**1900))
def test_read_int_gives_the_number_that_was_written(layout: Layout, number: int) -> None:
    heap = Heap(layout)
    address = heap.integer(number)

    assert objects.read_int(heap.memory(), layout, address) == number


@every_version
def test_read_int_when_it_has_more_digits_than_wanted_refuses_it_before_reading_them(layout: Layout) -> None:
    heap = Heap(layout)
    address = heap.integer(1 << 3000)

    with pytest.raises(CorruptTarget):
        objects.read_int(heap.memory(), layout, address)


@every_version
@given(data=st.binary(max_size=100), length=st.integers(0, 100))
def test_read_bytes_gives_no_more_than_wanted(layout: Layout, data: bytes, length: int) -> None:
    heap = Heap(layout)
    address = heap.byte_string(data)

    assert objects.read_bytes(heap.memory(), layout, address, length) == data[:length]


@every_version
@pytest.mark.parametrize("kind", [KeysKind.GENERAL, KeysKind.UNICODE])
def test_dict_items_when_entries_were_deleted_passes_over_them(layout: Layout, kind: KeysKind) -> None:
    heap = Heap(layout)
    address = heap.dictionary([(16, 17), (0, 0), (32, 33), (48, 0), (64, 65)], kind)

    assert dicts.dict_items(heap.memory(), layout, address) == [(16, 17), (32, 33), (64, 65)]
    assert dicts.dict_items(heap.memory(), layout, address, max_items=3) == [(16, 17), (32, 33)]


@every_version
def test_dict_value_when_the_dict_is_large_finds_each_key_and_no_other(layout: Layout) -> None:
    heap = Heap(layout)
    address = heap.attributes({f"key {number}": 16 * number + 16 for number in range(600)})
    memory = heap.memory()

    assert dicts.dict_value(memory, layout, address, "key 0") == 16
    assert dicts.dict_value(memory, layout, address, "key 599") == 16 * 600
    assert dicts.dict_value(memory, layout, address, "key 600") is None


@every_version
@pytest.mark.parametrize("materialised", [False, True])
def test_instance_attribute_finds_what_the_instance_holds(layout: Layout, materialised: bool) -> None:
    heap = Heap(layout)
    address = heap.instance({"first": 16, "_name": 32, "größe": 48, "unset": 0}, materialised=materialised)
    memory = heap.memory()

    found = {name: attributes.instance_attribute(memory, layout, address, name) for name in ("first", "_name", "größe")}

    assert found == {"first": 16, "_name": 32, "größe": 48}
    assert attributes.instance_attribute(memory, layout, address, "unset") is None
    assert attributes.instance_attribute(memory, layout, address, "none") is None


@every_version
def test_type_name_when_the_name_has_no_end_is_cut(layout: Layout) -> None:
    heap = Heap(layout)
    kind = heap.type_object(b"x" * 5000, 0)
    address = heap.add(kind.to_bytes(8, "little").rjust(layout.objects.ob_type + 8, b"\0"))

    assert objects.type_name(heap.memory(), layout, address) == "x" * 256


def target_with_threads(layout: Layout) -> tuple[Heap, int]:
    """A heap whose sys.modules leads to threads, in each of the ways an instance keeps its attributes."""
    heap = Heap(layout)
    threads = [
        (heap.integer(140000000000000), heap.instance({"_started": 16, "_name": heap.text("MainThread")})),
        (heap.integer(1), heap.instance({"_name": heap.text("Ωmega")}, materialised=True)),
        (heap.integer(2), heap.with_dict({"_name": heap.text("")})),
        (heap.integer(3), heap.instance({"_name": heap.integer(3)})),
        (heap.integer(4), heap.instance({"other": heap.text("nameless")})),
    ]
    threading = heap.with_dict({"_active": heap.dictionary(threads, KeysKind.GENERAL)})
    return heap, heap.attributes({"sys": heap.with_dict({}), "threading": threading})


@every_version
def test_thread_names_when_some_threads_have_no_readable_name_gives_those_of_the_others(layout: Layout) -> None:
    heap, modules = target_with_threads(layout)

    assert thread_names(heap.memory(), layout, modules) == {140000000000000: "MainThread", 1: "Ωmega", 2: ""}


@every_version
@given(seed=st.integers(0), flips=st.integers(1, 40))
def test_thread_names_when_memory_is_damaged_ends_soon_with_names_or_one_of_its_two_errors(
    layout: Layout, seed: int, flips: int
) -> None:
    heap, modules = target_with_threads(layout)
    chance = random.Random(seed)
    for _ in range(flips):
        position = chance.randrange(len(heap.data))
        heap.data[position] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
    memory = heap.memory()

    try:
        names = thread_names(memory, layout, modules)
    except (CorruptTarget, MemoryFault):
        names = {}

    assert all(isinstance(ident, int) and len(name) <= 257 for ident, name in names.items())
    assert memory.reads < 20_000


@every_version
@given(seed=st.integers(0))
def test_readers_when_memory_is_arbitrary_give_a_value_or_one_of_their_two_errors(layout: Layout, seed: int) -> None:
    memory = arbitrary_memory(seed)

    refused = 0
    for address in (0x1000, 0x1008, 0x1200, 2**64 - 8, 0):
        for reader in (objects.read_str, objects.read_int, objects.read_bytes, dicts.dict_items, objects.type_name):
            try:
                reader(memory, layout, address)
            except (CorruptTarget, MemoryFault):
                refused += 1
        try:
            attributes.instance_attribute(memory, layout, address, "name")
        except (CorruptTarget, MemoryFault):
            refused += 1

    assert refused >= 12, "addresses without memory must be refused"
