"""Reprs over a heap of bytes: the same as Python's, bounded, and never more than text whatever the memory holds."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.cpython.layout import Layout
from nbspy.cpython.objects import TypeFlag
from nbspy.cpython.read_budget import Budget, BudgetedMemory, BudgetSpent
from nbspy.cpython.remote_types import RemoteTypes
from nbspy.cpython.repr_writer import MAX_DEPTH
from nbspy.cpython.reprs import repr_of

from .arbitrary import arbitrary_memory
from .heap import Heap
from .layouts import all_layouts

LAYOUTS = all_layouts()
every_version = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
LAYOUT = next(iter(LAYOUTS.values()))

VALUES = st.recursive(
    st.none()
    | st.integers()
    | st.integers(-(2**1900), 2**1900)
    | st.floats()
    | st.binary(max_size=30)
    | st.text(st.characters(exclude_categories=()), max_size=30),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.integers() | st.text(st.characters(exclude_categories=()), max_size=9), inner, max_size=5)
    ),
    max_leaves=20,
)


def put(heap: Heap, value: Any) -> int:
    """Return the address of ``value`` on the heap."""
    plain: dict[type, Callable[[Any], int]] = {
        int: heap.integer,
        float: heap.real,
        str: heap.text,
        bytes: heap.byte_string,
        list: lambda items: heap.listing([put(heap, item) for item in items]),
        tuple: lambda items: heap.sequence([put(heap, item) for item in items]),
        dict: lambda items: heap.dictionary([(put(heap, key), put(heap, item)) for key, item in items.items()]),
        type(None): lambda _: heap.none,
    }
    return plain[type(value)](value)


def types_of(heap: Heap) -> RemoteTypes:
    return RemoteTypes(heap.memory(), heap.layout)


@every_version
@given(value=VALUES, limit=st.integers(1, 300))
def test_given_a_value_then_its_repr_is_pythons_as_far_as_it_fits(layout: Layout, value: object, limit: int) -> None:
    heap = Heap(layout)
    address = put(heap, value)
    expected = repr(value)

    found = repr_of(types_of(heap), address, limit)

    assert found == (expected if len(expected) <= limit else expected[: limit - 1] + "…")


def test_given_a_set_then_deleted_items_are_not_shown() -> None:
    heap = Heap(LAYOUT)
    full, empty = heap.hashed([put(heap, "a"), put(heap, (1,))]), heap.hashed([])
    assert repr_of(types_of(heap), full, 100) == "{'a', (1,)}"
    assert repr_of(types_of(heap), empty, 100) == "set()"


def test_given_values_that_hold_themselves_then_they_end() -> None:
    heap = Heap(LAYOUT)
    inner = heap.listing([heap.none])
    outer = heap.listing([inner, inner])
    heap.put(inner, 0, outer)
    assert repr_of(types_of(heap), outer, 100) == "[[[...]], [[...]]]"


def test_given_deep_values_then_depth_is_bounded() -> None:
    heap = Heap(LAYOUT)
    address = heap.listing([])
    for _ in range(2 * MAX_DEPTH):
        address = heap.sequence([address])
    assert repr_of(types_of(heap), address, 1000) == "(" * MAX_DEPTH + "(…)" + ",)" * MAX_DEPTH


def test_given_a_wide_value_then_no_more_is_read_than_is_shown() -> None:
    heap = Heap(LAYOUT)
    number = heap.integer(7)
    address = heap.listing([number] * 100_000)
    memory = heap.memory()

    assert repr_of(RemoteTypes(memory, LAYOUT), address, 30) == "[7, 7, 7, 7, 7, 7, 7, 7, 7, 7…"
    assert memory.reads < 200


@pytest.mark.parametrize(("bits", "expected"), [(61_440, "0x1"), (61_441, "0x2"), (61_443, "0x8"), (61_444, "0x1")])
def test_given_an_int_of_very_many_digits_then_it_is_hexadecimal(bits: int, expected: str) -> None:
    heap = Heap(LAYOUT)
    address = heap.integer(1 << bits)
    negative = heap.integer(-(1 << bits))
    assert repr_of(types_of(heap), address, 40) == expected.ljust(39, "0") + "…"
    assert repr_of(types_of(heap), negative, 40) == ("-" + expected).ljust(39, "0") + "…"


def test_given_a_class_that_has_a_repr_of_its_own_then_the_value_is_not_shown_as_such() -> None:
    heap = Heap(LAYOUT)
    with_own = heap.type_object(b"Own", TypeFlag.HEAP_TYPE | TypeFlag.LIST_SUBCLASS, base=heap.list_type)
    heap.write(with_own + LAYOUT.objects.type_repr, 0x123456)
    without = heap.type_object(b"Plain", TypeFlag.HEAP_TYPE | TypeFlag.LIST_SUBCLASS, base=heap.list_type)
    heap.write(with_own + LAYOUT.objects.type_mro, heap.sequence([with_own, heap.list_type, heap.object_type]))

    first, second = heap.listing([heap.none], with_own), heap.listing([heap.none], without)
    assert repr_of(types_of(heap), first, 100) == "<Own [None]>"
    assert repr_of(types_of(heap), second, 100) == "[None]"


def test_given_items_that_cannot_be_read_then_the_others_are_shown() -> None:
    heap = Heap(LAYOUT)
    address = heap.listing([heap.integer(1), 8, 0, heap.text("x")])
    assert repr_of(types_of(heap), address, 100) == "[1, <unreadable>, <unreadable>, 'x']"


def everything(heap: Heap) -> int:
    names = heap.instance({"first": heap.integer(1), "other": heap.text("Ωmega")})
    held = [heap.real(1.5), heap.byte_string(b"it's"), heap.integer(-(10**30)), names, heap.none]
    inner = heap.dictionary([(heap.text("key"), heap.sequence(held)), (heap.integer(2), heap.hashed(held[:2]))])
    return heap.listing([inner, heap.with_dict({"a": inner}), heap.sequence([inner, inner]), heap.list_type])


@every_version
@given(seed=st.integers(0), flips=st.integers(1, 60))
def test_given_damaged_memory_then_there_is_a_bounded_text_soon(layout: Layout, seed: int, flips: int) -> None:
    heap = Heap(layout)
    address = everything(heap)
    chance = random.Random(seed)
    for _ in range(flips):
        position = chance.randrange(len(heap.data))
        heap.data[position] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
    memory = heap.memory()

    assert len(repr_of(RemoteTypes(memory, layout), address, 200)) <= 200
    assert memory.reads < 20_000


@every_version
@given(seed=st.integers(0))
def test_given_arbitrary_memory_then_there_is_a_bounded_text(layout: Layout, seed: int) -> None:
    memory = arbitrary_memory(seed)
    for address in (0x1000, 0x1008, 0x1200, 2**64 - 8, 0):
        assert len(repr_of(RemoteTypes(memory, layout), address, 50)) <= 50


def test_given_a_budget_of_time_or_bytes_then_reading_ends_with_it() -> None:
    heap = Heap(LAYOUT)
    address = heap.listing([put(heap, f"{number}" * 1000) for number in range(1000)])
    now = [0]

    def clock() -> int:
        now[0] += 1000
        return now[0]

    for budget in (Budget(20_000, 1 << 30, clock), Budget(1 << 40, 50_000, clock)):
        memory = BudgetedMemory(heap.memory(), budget)
        with pytest.raises(BudgetSpent):
            repr_of(RemoteTypes(memory, LAYOUT), address, 1 << 20)
        with pytest.raises(BudgetSpent):
            memory.read(address + (1 << 14), 8)
