from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbspy.cpython.code_object import MAX_FILE_CHARS, MAX_NAME_CHARS, NO_SYMBOL, UNREADABLE_NAME, CodeCache
from nbspy.cpython.interner import FrameKey, Interner
from nbspy.cpython.layout import Layout

from .fake_python import LAYOUTS, FakePython, known

every_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())


def cache(python: FakePython) -> CodeCache:
    return CodeCache(python.memory, python.layout, Interner(), lambda file: (f"short {file}", f"module {file}"))


def key(python: FakePython, codes: CodeCache, address: int, unit: int = 0) -> FrameKey:
    return codes.frame_key(codes.codes[address], address + python.layout.code.code_adaptive + 2 * unit)


@every_layout
def test_frame_key_has_names_file_and_the_line_of_the_instruction(layout: Layout) -> None:
    python = FakePython(layout)
    code = python.code("work", first_line=40, file="/src/caf\xe9.py", qualname="A.b.<locals>.work")
    codes = cache(python)

    assert codes.refresh([code]) is False

    assert key(python, codes, code, 3) == FrameKey(
        "work", "A.b.<locals>.work", "/src/caf\xe9.py", "short /src/caf\xe9.py", "module /src/caf\xe9.py", 43, 40, 0
    )


@every_layout
def test_instructions_on_other_lines_are_other_frames_and_on_the_same_line_the_same(layout: Layout) -> None:
    python = FakePython(layout)
    code = python.code("work")
    codes = cache(python)
    codes.refresh([code])
    first = code + layout.code.code_adaptive

    ids = [codes.frame_id(code, first + offset) for offset in (0, 2, 4, 2, 1, 0)]

    assert ids == [0, 1, 2, 1, 0, 0]


@every_layout
@pytest.mark.parametrize(
    "text",
    [
        "x",
        "caf\xe9",
        "Ωmega",
        "\U0001d11e clef",
        "lone \ud800",
        "\ud83d\ude00 pair",
        "nul\0in",
        "<i>&",
        "x" * MAX_NAME_CHARS,
    ],
)
def test_names_of_every_kind_of_string_are_read(layout: Layout, text: str) -> None:
    python = FakePython(layout)
    code = python.code(text, qualname=text + "q"[: len(text) < MAX_NAME_CHARS], file=text)
    codes = cache(python)

    codes.refresh([code])

    found = codes.codes[code]
    assert (found.name, found.filename) == (text, text)
    assert found.qualname.removesuffix("q") == text


@every_layout
@pytest.mark.parametrize("char", ["x", "Ω", "\U0001f40d"])
def test_names_of_hundreds_of_kilobytes_are_cut(layout: Layout, char: str) -> None:
    python = FakePython(layout)
    code = python.code(char * 300_000, file=char * 1_000_000)
    codes = cache(python)

    codes.refresh([code])

    assert codes.codes[code].name == char * MAX_NAME_CHARS + "…"
    assert codes.codes[code].filename == char * MAX_FILE_CHARS + "…"


@every_layout
def test_name_that_claims_to_be_longer_than_memory_is_unreadable_and_reads_no_more(layout: Layout) -> None:
    python = FakePython(layout)
    code = python.code("work")
    name = python.memory.word(code + layout.code.name)
    python.memory.write_word(name + layout.objects.unicode_length, 1 << 60)
    codes = cache(python)

    codes.refresh([code])

    assert key(python, codes, code).name == UNREADABLE_NAME
    assert key(python, codes, code).flags == NO_SYMBOL
    assert key(python, codes, code).file == "/src/app.py"


@every_layout
def test_code_object_that_cannot_be_read_has_a_name_that_says_so(layout: Layout) -> None:
    python = FakePython(layout)
    good = python.code("good")
    codes = cache(python)

    codes.refresh([8, good, (1 << 64) - 16])

    for address in (8, (1 << 64) - 16):
        found = codes.frame_key(codes.codes[address], 12345)
        assert (found.name, found.file, found.line, found.flags) == (UNREADABLE_NAME, "", 0, NO_SYMBOL)
    assert key(python, codes, good).name == "good"


@every_layout
def test_code_object_whose_line_table_is_no_table_has_names_and_no_line(layout: Layout) -> None:
    for table in (b"\0\1\2", b"\xff" * 100, b""):
        python = FakePython(layout)
        code = python.code("work")
        python.memory.write_word(code + layout.code.linetable, python.byte_string(table))
        codes = cache(python)
        codes.refresh([code])

        found = key(python, codes, code, 150)

        assert (found.name, found.line) == ("work", 0)


@every_layout
def test_refresh_when_nothing_has_changed_is_one_read_and_keeps_everything(layout: Layout) -> None:
    python = FakePython(layout)
    addresses = [python.code(f"f{number}") for number in range(20)]
    codes = cache(python)
    codes.refresh(addresses)
    before = dict(codes.codes)
    reads = python.memory.reads

    assert codes.refresh([*addresses, *addresses]) is False
    assert python.memory.reads == reads + 1
    assert codes.codes == before
    assert codes.refresh([]) is False
    assert python.memory.reads == reads + 1


@every_layout
@pytest.mark.parametrize("number", [1, 3, 20])
def test_refresh_when_another_code_object_lies_at_the_address_has_its_name(layout: Layout, number: int) -> None:
    python = FakePython(layout)
    addresses = [python.code(f"f{index}") for index in range(number)]
    codes = cache(python)
    for _ in range(3):
        codes.refresh(addresses)
    codes.frame_id(addresses[-1], addresses[-1] + layout.code.code_adaptive)

    python.recode(addresses[-1], "another", first_line=70)

    assert codes.refresh(addresses) is True
    assert key(python, codes, addresses[-1], 1).name == "another"
    assert key(python, codes, addresses[-1], 1).line == 71
    assert codes.codes[addresses[-1]].frame_ids == {}
    assert codes.refresh(addresses) is False


@every_layout
def test_refresh_when_only_counters_of_the_code_object_change_keeps_it(layout: Layout) -> None:
    python = FakePython(layout)
    code = python.code("work")
    codes = cache(python)
    codes.refresh([code])
    found = codes.codes[code]
    identity = {layout.code.filename, layout.code.name, known(layout.code.qualname), layout.code.linetable}
    lowest = min(*identity, layout.code.firstlineno)
    for offset in range(lowest + 8 - lowest % 8, max(identity), 8):
        if offset not in identity and not offset <= layout.code.firstlineno < offset + 8:
            python.memory.write(code + offset, struct.pack("<Q", 0xDEAD))

    assert codes.refresh([code]) is False
    assert codes.codes[code] is found


@every_layout
def test_keep_only_forgets_the_others(layout: Layout) -> None:
    python = FakePython(layout)
    first, second = python.code("first"), python.code("second")
    codes = cache(python)
    codes.refresh([first, second])

    codes.keep_only({second, 77})

    assert set(codes.codes) == {second}


@every_layout
@given(data=st.data())
@settings(max_examples=40)
def test_whatever_bytes_a_code_object_holds_refresh_neither_raises_nor_reads_without_bound(
    layout: Layout, data: st.DataObject
) -> None:
    python = FakePython(layout)
    code, victim = python.code("work"), python.code("victim")
    words = [python.memory.word(victim + offset) for offset in (layout.code.name, layout.code.linetable)]
    fields = layout.code
    for offset in (fields.name, known(fields.qualname), fields.filename, fields.linetable, fields.firstlineno):
        word = data.draw(
            st.one_of(st.none(), st.sampled_from([0, code, victim, *words]), st.integers(0, (1 << 64) - 1))
        )
        if word is not None:
            python.memory.write_word(code + offset, word)
    codes = cache(python)

    codes.refresh([code, victim])
    found = codes.frame_key(codes.codes[code], data.draw(st.integers(0, (1 << 64) - 1)))

    assert len(found.name) <= MAX_NAME_CHARS + 1
    assert len(found.qualname) <= MAX_NAME_CHARS + 1
    assert len(found.file) <= MAX_FILE_CHARS + 1
    assert found.line >= 0
    assert key(python, codes, victim).name == "victim"
