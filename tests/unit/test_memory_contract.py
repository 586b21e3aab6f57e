"""What every way of reading memory must do, whichever system call is behind it."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbspy.errors import MemoryFault, PermissionRefused, TargetEnded
from nbspy.target.memory import RemoteMemory

if sys.platform != "linux":
    pytest.skip("the ways of Linux", allow_module_level=True)

from nbspy.target import linux_memory, permissions
from nbspy.target.linux_memory import FileMemory, LinuxMemory, gathered, open_memory

from .fake_memory import FakeMemory

PAGE = mmap.PAGESIZE
SIZE = 3 * PAGE


@dataclass
class Subject:
    """A memory, and an address in it from which SIZE known bytes lie; the page after them cannot be read."""

    memory: RemoteMemory
    address: int
    content: bytes
    child: int


def _child(data: bytes) -> tuple[int, int]:
    """Fork a child that holds ``data`` and then nothing; return its pid and the address."""
    area = mmap.mmap(-1, SIZE + PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area[:SIZE] = data
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None, use_errno=True)
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        libc.munmap(ctypes.c_void_p(address + SIZE), ctypes.c_size_t(PAGE))
        os.write(writing, b"x")
        while True:
            signal.pause()
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return pid, address


@pytest.fixture(scope="module", params=["process_vm_readv", "file", "fake"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    content = os.urandom(SIZE)
    if request.param == "fake":
        yield Subject(FakeMemory({1 << 20: content}), 1 << 20, content, 0)
        return
    pid, address = _child(content)
    folder = os.open(f"/proc/{pid}", os.O_RDONLY)
    memory = LinuxMemory(pid) if request.param == "process_vm_readv" else FileMemory(pid, folder)
    try:
        yield Subject(memory, address, content, pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if not isinstance(memory, LinuxMemory):
            with pytest.raises(TargetEnded):
                memory.read(address, 1)
            memory.close()
            memory.close()
        os.close(folder)


def test_whole_content(subject: Subject) -> None:
    assert subject.memory.read(subject.address, SIZE) == subject.content
    assert subject.memory.read(subject.address, 0) == b""


@given(ranges=st.lists(st.tuples(st.integers(0, SIZE - 300), st.integers(0, 300)), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_given_ranges_then_read_many_and_prepared_reads_agree(subject: Subject, ranges: list[tuple[int, int]]) -> None:
    expected = [subject.content[start : start + size] for start, size in ranges]
    asked = [(subject.address + start, size) for start, size in ranges]
    assert subject.memory.read_many(asked) == expected
    prepared = subject.memory.prepare(asked)
    for _ in range(2):
        prepared.read()
        assert bytes(prepared.buffer) == b"".join(expected)


@given(
    near=st.lists(st.tuples(st.integers(0, SIZE - 300), st.integers(0, 300)), max_size=40),
    around=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_given_ranges_in_no_order_then_each_has_its_own_bytes(
    subject: Subject, near: list[tuple[int, int]], around: tuple[int, int]
) -> None:
    before, after = around
    spans = [(8, 16)] * before + near + [(PAGE - 4, 8)] * after
    asked = [(subject.address + start, size) for start, size in spans]
    prepared = subject.memory.prepare(asked, slice(before, before + len(near)))
    if before and after:
        prepared.aim(0, subject.address + 64)
        spans[0] = (64, 16)
    for _ in range(2):
        prepared.read()
        assert bytes(prepared.buffer) == b"".join(subject.content[start : start + size] for start, size in spans)


def test_given_a_range_across_the_end_among_others_in_no_order_then_it_is_a_fault(subject: Subject) -> None:
    ranges = [(subject.address + SIZE - 8 * number, 8) for number in (0, 1, 3, 5)]
    with pytest.raises(MemoryFault) as caught:
        subject.memory.prepare(ranges, slice(0, 4)).read()
    assert caught.value.address == subject.address + SIZE


def test_ranges_near_each_other_are_read_at_once_where_their_order_says_nothing() -> None:
    near = [(PAGE + 64, 8), (PAGE + 8, 8), (PAGE + 12, 8), (3 * PAGE - 4, 8), (3 * PAGE, 8), (PAGE + 4000, 8)]
    assert gathered(near, slice(0, 0)) == [[0], [1], [2], [3], [4], [5]]
    assert gathered(near, slice(0, 6)) == [[1], [2, 0, 5], [3], [4]]
    assert gathered(near, slice(1, 5)) == [[0], [1], [2], [3], [4], [5]]


def test_given_another_aim_then_that_range_is_read_from_there(subject: Subject) -> None:
    prepared = subject.memory.prepare([(subject.address + 8 * number, 8) for number in range(1500)])
    for index in (0, 3, 1100):
        prepared.aim(index, subject.address + SIZE - 8)
    prepared.read()

    expected = bytearray(subject.content[: 8 * 1500])
    for index in (0, 3, 1100):
        expected[8 * index : 8 * index + 8] = subject.content[-8:]
    assert prepared.buffer == expected
    prepared.aim(2, subject.address + SIZE)
    with pytest.raises(MemoryFault):
        prepared.read()


@pytest.mark.parametrize("address", [0, 8, -8, 1 << 63, (1 << 64) - 8, 1 << 64, (1 << 80)])
def test_given_an_address_that_cannot_be_then_it_is_a_fault(subject: Subject, address: int) -> None:
    with pytest.raises(MemoryFault):
        subject.memory.read(address, 8)
    with pytest.raises(MemoryFault):
        subject.memory.read_many([(subject.address, 8), (address, 8)])


def test_given_a_range_across_the_end_then_the_fault_names_it(subject: Subject) -> None:
    across = (subject.address + SIZE - 4, 8)
    for read in (
        lambda: subject.memory.read(*across),
        lambda: subject.memory.read_many([(subject.address, 8), across, (subject.address, 8)]),
        lambda: subject.memory.prepare([(subject.address, 8), across]).read(),
    ):
        with pytest.raises(MemoryFault) as caught:
            read()
        assert (caught.value.address, caught.value.size) == across


@pytest.mark.parametrize("left_over", [errno.ESRCH, errno.EPERM, errno.ENOSYS])
def test_given_a_part_that_can_be_read_then_what_another_call_left_in_errno_means_nothing(
    subject: Subject, left_over: int
) -> None:
    ranges = [(subject.address, 8), (subject.address + SIZE, 8)]
    for read in (lambda: subject.memory.read_many(ranges), lambda: subject.memory.prepare(ranges).read()):
        ctypes.set_errno(left_over)
        with pytest.raises(MemoryFault):
            read()


def test_given_a_negative_size_then_it_is_a_fault(subject: Subject) -> None:
    with pytest.raises(MemoryFault):
        subject.memory.read(subject.address, -1)


def test_given_more_ranges_than_one_call_takes_then_all_are_read(subject: Subject) -> None:
    ranges = [(subject.address + i, 1) for i in range(2500)]
    assert b"".join(subject.memory.read_many(ranges)) == subject.content[:2500]


# --- which way is taken -----------------------------------------------------------------------------


@pytest.fixture
def folder() -> Iterator[int]:
    descriptor = os.open("/proc/self", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_given_the_call_then_it_is_used(folder: int) -> None:
    assert isinstance(open_memory(os.getpid(), folder), LinuxMemory)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_given_no_call_then_the_file_is_used_but_a_refusal_is_not_gone_around(
    monkeypatch: pytest.MonkeyPatch, folder: int, code: int
) -> None:
    def refused(*_: object) -> int:
        ctypes.set_errno(code)
        return -1

    monkeypatch.setattr(linux_memory, "_load_readv", lambda: refused)
    memory = open_memory(os.getpid(), folder)
    assert isinstance(memory, FileMemory if code == errno.ENOSYS else LinuxMemory)
    if isinstance(memory, FileMemory):
        memory.close()


def test_given_a_c_library_without_the_call_then_the_file_is_used(monkeypatch: pytest.MonkeyPatch, folder: int) -> None:
    class Library:
        pass

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library())
    memory = open_memory(os.getpid(), folder)
    assert isinstance(memory, FileMemory)
    memory.close()


def test_given_a_file_that_may_not_be_opened_then_the_refusal_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(permissions, "refusal", lambda pid: PermissionRefused(f"why {pid}"))
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionRefused, match="why 7"):
        FileMemory(7, 0)


def test_given_a_process_that_is_gone_then_it_has_ended(folder: int) -> None:
    empty = os.open("/", os.O_RDONLY)
    with pytest.raises(TargetEnded):
        FileMemory(7, empty)
    os.close(empty)
