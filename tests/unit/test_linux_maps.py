from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbspy.target.process import Mapping

if sys.platform != "linux":
    pytest.skip("reads /proc/PID/maps, which Linux has", allow_module_level=True)

from nbspy.target.linux import parse_mapping


def mapping(path: str, **changes: object) -> Mapping:
    values: dict[str, object] = {
        "start": 0x7F00_1000,
        "end": 0x7F00_3000,
        "offset": 0x1000,
        "readable": True,
        "writable": False,
        "executable": True,
        "path": path,
        "deleted": False,
    }
    return Mapping(**{**values, **changes})  # type: ignore[arg-type]


def line(path: bytes, access: bytes = b"r-xp") -> bytes:
    return b"7f001000-7f003000 %s 00001000 08:02 1234567" % access + (b" " * 20 + path if path else b" ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line(b"/usr/bin/python3.11"), mapping("/usr/bin/python3.11")),
        (line(b""), mapping("")),
        (line(b"[heap]", b"rw-p"), mapping("[heap]", writable=True, executable=False)),
        (line(b"[anon:glibc: malloc arena]"), mapping("[anon:glibc: malloc arena]")),
        (line(b"/with spaces/in  it"), mapping("/with spaces/in  it")),
        (line(b"/with\\012newline"), mapping("/with\nnewline")),
        (line(b"/with\\134backslash\\040"), mapping("/with\\134backslash\\040")),
        (line(b"/not\xff\xfeutf-8"), mapping("/not\udcff\udcfeutf-8")),
        (line("/caf\xe9".encode()), mapping("/caf\xe9")),
        (line(b"/usr/bin/python3 (deleted)"), mapping("/usr/bin/python3", deleted=True)),
        (line(b"/memfd:x (deleted)"), mapping("/memfd:x", deleted=True)),
        (line(b"/a (deleted) b"), mapping("/a (deleted) b")),
        (line(b"/shared", b"---s"), mapping("/shared", readable=False, executable=False)),
        (
            b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
            mapping("[vsyscall]", start=0xFFFFFFFFFF600000, end=0xFFFFFFFFFF601000, offset=0, readable=False),
        ),
    ],
)
def test_parse_mapping_reads_what_the_kernel_writes(text: bytes, expected: Mapping) -> None:
    assert parse_mapping(text) == expected


@pytest.mark.parametrize("text", [b"", b"Size: 4 kB", b"7f00-", b"zz-7f r-xp 0 08:02 1", b"1-2 rx 0 08:02 1 /x"])
def test_parse_mapping_of_another_line_is_nothing(text: bytes) -> None:
    assert parse_mapping(text) is None


@given(st.binary(max_size=100))
def test_parse_mapping_of_any_bytes_never_raises(text: bytes) -> None:
    result = parse_mapping(text)

    assert result is None or result.start >= 0


@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_parse_mapping_of_any_file_name_gives_it_back(name: bytes) -> None:
    # The kernel escapes the newline and nothing else (seq_path in fs/proc/task_mmu.c), so a name that holds a
    # backslash and these digits is read wrongly: the kernel writes the two the same.
    if b"\\012" in name or name.endswith(b" (deleted)"):
        return
    parsed = parse_mapping(line(b"/" + name.replace(b"\n", b"\\012")))

    assert parsed is not None
    assert parsed.path.encode("utf-8", "surrogateescape") == b"/" + name
    assert not parsed.deleted
