from __future__ import annotations

import struct

import pytest

from nbspy.cpython.pthreads import PthreadIds

from .fake_python import LAYOUTS, FakePython, FakeTarget

PID = 4000
SIZE = 2304
TID_AT = 720


class Threads(FakeTarget):
    """A process whose C library keeps a thread's id somewhere in the thread's struct, among much else."""

    def __init__(self, natives: list[int], *, tid_at: int = TID_AT, host_offset: int = 0) -> None:
        super().__init__(FakePython(LAYOUTS["3.12"]), pid=PID + host_offset)
        self.natives = natives
        self.host_offset = host_offset
        self.tid_at = tid_at
        self.handles: list[int] = []
        for native in natives:
            self.handles.append(self.python.allocate(bytes(SIZE)))
            self.write(native, tid_at, native)

    def write(self, native: int, offset: int, value: int) -> None:
        """Write an int into the struct of one thread."""
        handle = self.handles[self.natives.index(native)]
        self.python.memory.write(handle + offset, struct.pack("<i", value))

    def thread_ids(self) -> list[int]:
        return [native + self.host_offset for native in self.natives]

    def host_thread_id(self, native: int) -> int:
        return native + self.host_offset if native in self.natives else native

    def ids(self, learner: PthreadIds | None = None) -> list[int | None]:
        found = (learner or PthreadIds(self)).native_ids(self.handles)
        return [found.get(handle) for handle in self.handles]


@pytest.mark.parametrize("tid_at", [TID_AT, 208, 48, 0, SIZE - 4])
def test_ids_are_found_wherever_the_library_keeps_them(tid_at: int) -> None:
    assert Threads([PID, 4001, 4007], tid_at=tid_at).ids() == [PID, 4001, 4007]


def test_single_thread_is_the_process() -> None:
    assert Threads([PID]).ids() == [PID]


def test_id_of_the_process_that_old_libraries_keep_beside_it_is_not_taken_for_the_threads() -> None:
    target = Threads([PID, 4001])
    for native in target.natives:
        target.write(native, TID_AT + 4, PID)
    assert target.ids() == [PID, 4001]

    alone = Threads([PID])
    alone.write(PID, TID_AT + 4, PID)
    alone.write(PID, 24, PID)
    learner = PthreadIds(alone)
    assert alone.ids(learner) == [PID]
    alone.write(PID, TID_AT, 0)
    assert alone.ids(learner) == [None], "it was learnt at the place where it usually is"


def test_place_that_one_thread_alone_taught_wrongly_is_learnt_again_with_the_second() -> None:
    target = Threads([PID], tid_at=208)
    target.write(PID, 24, PID)
    learner = PthreadIds(target)
    assert target.ids(learner) == [PID]
    target.natives.append(4001)
    target.handles.append(target.python.allocate(bytes(SIZE)))
    target.write(4001, 208, 4001)
    target.write(4001, 24, 77)

    assert target.ids(learner) == [PID, 4001]


def test_ids_of_another_pid_namespace_are_those_that_the_threads_know() -> None:
    target = Threads([1, 7], host_offset=PID - 1)
    target.pid = PID
    target.write(1, 24, 1)  # a flag, of which there are many
    target.write(7, 24, 1)

    assert target.ids() == [1, 7]


def test_thread_that_has_ended_is_unknown_and_the_others_are_not() -> None:
    target = Threads([PID, 4001, 4002])
    target.natives.remove(4001)

    assert target.ids() == [PID, None, 4002]


def test_handle_that_leads_nowhere_is_unknown() -> None:
    target = Threads([PID, 4001])
    target.handles += [0, 0x10, target.handles[0] + 8]

    assert target.ids() == [PID, 4001, None, None, None]


def test_struct_at_the_end_of_what_is_mapped_is_read_as_far_as_it_goes() -> None:
    target = Threads([PID])
    page = target.python.allocate(bytes(0x1000))
    target.handles = [page + 0x1000 - 1024]
    target.write(PID, TID_AT, PID)

    assert target.ids() == [PID]


def test_place_is_learnt_once_and_again_where_it_was_not() -> None:
    target = Threads([PID, 4001])
    target.write(PID, TID_AT, 0)
    learner = PthreadIds(target)
    assert target.ids(learner) == [None, None]
    target.write(PID, TID_AT, PID)
    assert target.ids(learner) == [PID, 4001]

    target.python.memory.reads = 0
    assert target.ids(learner) == [PID, 4001]
    assert target.python.memory.reads == 2
