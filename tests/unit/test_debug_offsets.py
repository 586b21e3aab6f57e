from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nbspy.cpython.debug_offsets import MINIMUM_READ, read_layout
from nbspy.cpython.layout import Layout
from nbspy.errors import CorruptTarget, UnsupportedPython

from .layouts import debug_offset_words, runtime_bytes

SAMPLES = debug_offset_words()
NEWEST = SAMPLES["3.15.2"]
VERSION, FREE_THREADED = 0, 1
"""Positions in the words."""
INTERPRETER_SIZE, THREADS_HEAD = 5, 8
VERSION_3_16 = 0x03100000 | 0xF0


def changed(words: list[int], **words_by_position: int) -> bytes:
    copy = list(words)
    for position, value in words_by_position.items():
        copy[int(position.removeprefix("at_"))] = value
    return runtime_bytes(copy)


@pytest.mark.parametrize("release", SAMPLES)
def test_read_layout_when_the_version_is_known_fills_it_without_a_warning(release: str) -> None:
    layout, warning = read_layout(runtime_bytes(SAMPLES[release]))

    assert warning is None
    assert ".".join(map(str, layout.version)) == release.rpartition(".")[0]
    assert not layout.free_threaded


def test_read_layout_when_the_version_is_3_15_takes_every_field_from_its_own_place() -> None:
    layout, _ = read_layout(runtime_bytes(NEWEST))

    assert layout.runtime.interpreters_head == 936
    assert (layout.interpreter.size, layout.interpreter.next, layout.interpreter.code_object_generation) == (
        226240,
        7264,
        7944,
    )
    assert layout.gil is not None
    assert (layout.gil.last_holder, layout.gil.locked, layout.gil.switch_number) == (8, 16, 24)
    thread_state = layout.thread_state
    assert (thread_state.thread_id, thread_state.datastack_chunk, thread_state.size) == (176, 256, 296)
    assert (thread_state.holds_gil, thread_state.gil_requested) == (36, 40)
    assert (layout.frame.owner, layout.frame.localsplus, layout.code.code_adaptive) == (74, 80, 208)
    assert layout.objects.heap_type_cached_keys == 888


def test_read_layout_when_the_build_is_free_threaded_says_so() -> None:
    layout, warning = read_layout(changed(NEWEST, at_1=1))

    assert layout.free_threaded
    assert layout.objects.managed_dict_offset == -8
    assert layout.objects.unicode_kind_shift == 8
    assert warning is None


def test_read_layout_when_the_version_is_newer_than_any_known_reads_it_like_the_newest_and_warns() -> None:
    layout, warning = read_layout(changed(NEWEST, at_0=VERSION_3_16))

    assert layout == replace(read_layout(runtime_bytes(NEWEST))[0], version=(3, 16))
    assert warning is not None
    assert "3.16.0" in warning
    assert "3.15" in warning


def test_read_layout_when_a_newer_version_has_another_table_refuses_it_as_unsupported() -> None:
    with pytest.raises(UnsupportedPython, match=r"3\.16\.0") as caught:
        read_layout(changed([*NEWEST[:20], 1, *NEWEST[20:-1]], at_0=VERSION_3_16))

    assert caught.value.help


def test_read_layout_when_a_known_version_is_a_pre_release_warns() -> None:
    _, warning = read_layout(changed(NEWEST, at_0=0x030F00B2))

    assert warning is not None
    assert "3.15.0b2" in warning


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"xdebugpy",
        runtime_bytes(NEWEST)[: MINIMUM_READ - 1],
        b"X" + runtime_bytes(NEWEST)[1:],
        changed(NEWEST, at_0=0),
        changed(NEWEST, at_0=0x030C0AF0),
        changed(NEWEST, at_0=0x020700F0),
        changed(NEWEST, at_0=0x040000F0),
        changed(NEWEST, at_0=NEWEST[0] | 1 << 32),
        changed(NEWEST, at_1=2),
        changed(NEWEST, at_5=0),
        changed(NEWEST, at_5=1 << 40),
        changed(NEWEST, at_8=NEWEST[INTERPRETER_SIZE]),
        changed(NEWEST, at_8=(1 << 64) - 8),
        runtime_bytes([NEWEST[VERSION], *[0] * 110]),
    ],
)
def test_read_layout_when_the_bytes_cannot_be_a_table_refuses_them(data: bytes) -> None:
    with pytest.raises(CorruptTarget):
        read_layout(data)


@given(st.integers(0), st.integers(0, len(NEWEST) - 1), st.integers(0, 2**64 - 1))
def test_read_layout_when_words_are_arbitrary_gives_offsets_within_bounds_or_refuses(
    seed: int, position: int, value: int
) -> None:
    for words in SAMPLES.values():
        scrambled = list(words)
        scrambled[min(position, len(words) - 1)] = value
        assert_bounded(scrambled)
        tail = scrambled[2:]
        random.Random(seed).shuffle(tail)
        assert_bounded([*words[:2], *tail])


def assert_bounded(words: list[int]) -> None:
    with contextlib.suppress(CorruptTarget, UnsupportedPython):
        layout, _ = read_layout(runtime_bytes(words))
        for part in largest_offsets(layout):
            assert 0 <= part <= 64 << 20


def largest_offsets(layout: Layout) -> list[int]:
    thread_state = layout.thread_state
    frame, code = layout.frame, layout.code
    return [
        layout.interpreter.threads_head,
        thread_state.size,
        thread_state.current_frame,
        frame.size,
        frame.owner,
        code.size,
        code.linetable,
        layout.objects.unicode_ascii_data,
        layout.objects.dict_keys,
    ]
