from __future__ import annotations

import msgspec
import pytest

from nbspy.cpython.layout import Layout
from nbspy.cpython.layout_tables import SUPPLEMENTS, TABLES

from .layouts import all_layouts, older_layouts

NEWER, OLDER = all_layouts(), older_layouts()
LAYOUTS = OLDER | NEWER


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_when_a_struct_has_a_size_all_its_fields_lie_within(layout: Layout) -> None:
    for part in (layout.interpreter, layout.thread_state):
        fields = msgspec.structs.asdict(part)
        size = fields.pop("size")
        fields.pop("cframe_current_frame", None)
        assert all(offset + 8 <= size for offset in fields.values() if offset is not None)
    frame = layout.frame
    assert max(frame.previous, frame.executable, frame.instr_ptr, frame.owner or 0) < frame.size <= frame.localsplus
    assert max(layout.code.filename, layout.code.name, layout.code.linetable) + 8 <= layout.code.size


@pytest.mark.parametrize("layout", NEWER.values(), ids=NEWER)
def test_layout_when_frames_lie_on_a_data_stack_says_where_they_end(layout: Layout) -> None:
    assert layout.chunk is not None
    assert layout.thread_state.datastack_chunk is not None
    assert layout.thread_state.datastack_chunk + 24 <= layout.thread_state.size
    assert layout.frame.size == layout.frame.localsplus
    assert layout.code.size == layout.code.code_adaptive
    assert layout.frame.lasti_unit is None
    assert layout.frame.owner is not None


@pytest.mark.parametrize("layout", OLDER.values(), ids=OLDER)
def test_layout_when_frames_are_objects_lacks_what_came_later(layout: Layout) -> None:
    assert layout.chunk is None
    assert layout.frame.lasti_unit == (2 if layout.version == (3, 10) else 1)
    assert (layout.frame.owner, layout.frame.is_entry, layout.thread_state.native_thread_id) == (None, None, None)
    assert layout.code.code_adaptive == 0
    assert layout.objects.text_is_bytes == (layout.version == (2, 7)) == (layout.objects.dict_table is not None)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_when_pointers_are_read_their_places_are_aligned(layout: Layout) -> None:
    thread_state, frame, code = layout.thread_state, layout.frame, layout.code
    for offset in (
        thread_state.next,
        thread_state.current_frame,
        thread_state.datastack_chunk,
        frame.previous,
        frame.executable,
        frame.instr_ptr,
        code.filename,
        code.qualname,
        code.linetable,
        layout.objects.dict_keys,
        layout.objects.heap_type_cached_keys,
    ):
        assert offset is None or offset % 8 == 0


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layout_when_versions_differ_has_a_gil_that_can_be_asked(layout: Layout) -> None:
    asked_through_a_symbol = layout.version < (3, 7)
    asked_through_the_runtime = layout.runtime.current_thread_state is not None
    asked_through_the_interpreter = layout.gil is not None and layout.interpreter.ceval_gil is not None

    assert asked_through_a_symbol + asked_through_the_runtime + asked_through_the_interpreter == 1
    assert asked_through_the_runtime == (layout.runtime.gil is not None)


def test_tables_say_the_version_they_are_under() -> None:
    assert all(layout.version == version for version, layout in TABLES.items())


def test_supplements_are_there_for_both_builds_of_each_version() -> None:
    versions = {version for version, _ in SUPPLEMENTS}

    assert set(SUPPLEMENTS) == {(version, build) for version in versions for build in (False, True)}
