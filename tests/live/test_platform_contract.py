"""What every platform's backend must do, on a real process.

``native`` is that of the machine the tests run on. On Linux the others run too, each on its kernel played with a
process of Linux (``tests/played``): all of their code but the system's own.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nbspy.errors import MemoryFault, ProcessNotFound, TargetEnded
from nbspy.target import PLATFORM, Platform, open_target
from nbspy.target.binaries import inspect_binary
from nbspy.target.own_thread import in_own_thread
from nbspy.target.process import Activity, StopOutcome, Target
from tests.live.interpreters import TARGETS
from tests.played.library import stand

# What goes wrong inside a played kernel is raised in a C callback, which has nobody to raise it to.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")

CONTENT = bytes(range(256)) * 64
PATIENCE_S = 30.0

Opener = Callable[[int], Target]


def on_played_macos(pid: int) -> Target:
    from nbspy.target.macos import MacTarget
    from tests.played.mach_kernel import MachKernel

    return MacTarget(pid, MachKernel().mach())


def on_played_windows(pid: int) -> Target:
    from nbspy.target.windows import WindowsTarget
    from tests.played.windows_kernel import WindowsKernel

    return WindowsTarget(pid, WindowsKernel().api())


OPENERS: dict[str, Opener] = {"native": open_target}
if PLATFORM is Platform.LINUX:
    OPENERS |= {"macos-played": on_played_macos, "windows-played": on_played_windows}


@dataclass
class Started:
    """The process of ``tests/targets/contract.py``, and what it said."""

    process: subprocess.Popen[bytes]
    info: dict[str, Any]

    @property
    def pid(self) -> int:
        return self.process.pid

    def counter(self, target: Target) -> int:
        return int.from_bytes(target.memory.read(self.info["counter"], 8), "little")


def start() -> Started:
    command = [sys.executable, str(TARGETS / "contract.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return Started(process, json.loads(process.stdout.readline()))


def end(started: Started) -> None:
    started.process.kill()
    started.process.communicate()


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    running = start()
    yield running
    end(running)


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Opener:
    if PLATFORM is Platform.LINUX:
        from nbspy.target import macos

        # What macOS shares among processes lies where Linux has libraries.
        monkeypatch.setattr(macos, "_SHARED_CACHE", 1 << 47)
    return OPENERS[request.param]


@pytest.fixture
def target(opener: Opener, started: Started) -> Iterator[Target]:
    opened = opener(started.pid)
    yield opened
    opened.close()
    opened.close()


def test_memory_is_read_in_all_three_ways(target: Target, started: Started) -> None:
    address = started.info["content"]
    assert target.memory.read(address, len(CONTENT)) == CONTENT
    assert target.memory.read(address, 0) == b""
    ranges = [(address + 5, 3), (address, 0), (address + 4000, 200)]
    assert target.memory.read_many(ranges) == [CONTENT[at - address : at - address + size] for at, size in ranges]
    prepared = target.memory.prepare(ranges)
    for _ in range(2):
        prepared.read()
        assert bytes(prepared.buffer) == CONTENT[5:8] + CONTENT[4000:4200]


@pytest.mark.parametrize(("address", "size"), [(0, 8), (8, 8), (-8, 8), (1 << 63, 8), (1 << 64, 8), (4096, -1)])
def test_memory_that_cannot_be_is_a_fault_that_names_it(
    target: Target, started: Started, address: int, size: int
) -> None:
    with pytest.raises(MemoryFault) as caught:
        target.memory.read(address, size)
    assert (caught.value.address, caught.value.size) == (address, size)
    with pytest.raises(MemoryFault):
        target.memory.read_many([(started.info["content"], 8), (address, size)])


def test_mappings_are_in_order_and_name_the_files(target: Target, started: Started) -> None:
    mappings = target.mappings()
    assert all(one.end <= two.start for one, two in itertools.pairwise(mappings))
    [held] = [each for each in mappings if each.start <= started.info["content"] < each.end]
    assert (held.readable, held.writable) == (True, True)
    programs = [each for each in mappings if each.is_of_file and Path(each.path).stem.startswith(("python", "Python"))]
    assert any(each.executable for each in programs)
    assert not any(each.executable and each.writable for each in programs)


def test_the_file_of_a_mapping_is_opened_and_holds_python(target: Target) -> None:
    found = {}
    for path, mapping in {each.path: each for each in reversed(target.mappings()) if each.is_of_file}.items():
        if "python" in Path(path).name.lower():
            with target.open_binary(mapping) as file:
                facts = inspect_binary(file, (), ("_PyRuntime", "Py_Version"))
            found.update(facts.symbols if facts is not None else {})
    assert set(found) == {"_PyRuntime", "Py_Version"}


def test_threads_are_those_that_run(target: Target, started: Started) -> None:
    threads = target.thread_ids()
    assert {started.info[name] for name in ("main", "counting", "waiting")} <= set(threads)
    assert started.info["ended"] not in threads
    assert len(set(threads)) == len(threads)
    assert [target.host_thread_id(thread) for thread in threads] == threads


def test_activity_tells_who_runs_who_waits_and_who_is_gone(target: Target, started: Started) -> None:
    assert target.activity(started.info["waiting"])[0] is Activity.WAITING
    assert target.activity(started.info["ended"]) == (Activity.GONE, 0)
    deadline = time.monotonic() + PATIENCE_S  # it may wait for the GIL, or in a list that is a moment old
    while target.activity(started.info["counting"])[0] is not Activity.RUNNING:
        assert time.monotonic() < deadline
    target.forget_threads({started.info["waiting"]})
    assert target.activity(started.info["waiting"])[0] is Activity.WAITING


def test_names_of_threads_are_text(target: Target, started: Started) -> None:
    assert isinstance(target.thread_name(started.info["main"]), str)
    assert target.thread_name(started.info["ended"]) == ""


def test_the_process_is_told_from_others(target: Target, started: Started) -> None:
    assert target.exists()
    assert target.program() == target.program()
    assert str(TARGETS / "contract.py") in target.command_line()
    assert Path(target.resolve_path(str(TARGETS / "contract.py"))).is_file()


def test_a_stopped_thread_stands_and_goes_on_afterwards(opener: Opener, started: Started) -> None:
    thread = started.info["counting"]

    def stop_and_look() -> tuple[StopOutcome, int, int]:
        target = opener(started.pid)
        stopper = target.stopper()
        outcome = stand(stopper, thread)
        before = started.counter(target)
        time.sleep(0.05)
        after = started.counter(target)
        stopper.resume(thread)
        stopper.close()
        target.close()
        return outcome, before, after

    outcome, before, after = in_own_thread(stop_and_look)
    assert outcome is StopOutcome.STOPPED
    assert before == after
    wait_for_progress(opener, started, after)


def wait_for_progress(opener: Opener, started: Started, beyond: int) -> None:
    target = opener(started.pid)
    deadline = time.monotonic() + PATIENCE_S
    while started.counter(target) <= beyond:
        assert time.monotonic() < deadline, "the thread stands still"
    target.close()


def test_closing_the_stopper_lets_every_thread_go(opener: Opener, started: Started) -> None:
    threads = [started.info["counting"], started.info["waiting"]]

    def stop_and_close() -> tuple[list[StopOutcome], int]:
        target = opener(started.pid)
        stopper = target.stopper()
        outcomes = stopper.stop_all(threads)
        outcomes = [
            stand(stopper, t) if o is StopOutcome.TOO_SLOW else o for t, o in zip(threads, outcomes, strict=True)
        ]
        count = started.counter(target)
        stopper.release_late()
        stopper.close()
        stopper.close()
        target.close()
        return outcomes, count

    outcomes, count = in_own_thread(stop_and_close)
    assert outcomes == [StopOutcome.STOPPED] * 2
    wait_for_progress(opener, started, count)


def test_process_that_never_was_is_not_found(opener: Opener) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with pytest.raises(ProcessNotFound):
        opener(ended.pid)


def test_process_that_ends_is_said_to_have_ended(opener: Opener) -> None:
    running = start()
    target = opener(running.pid)
    prepared = target.memory.prepare([(running.info["content"], 8)])
    prepared.read()
    stopper = target.stopper()
    end(running)
    assert not target.exists()
    with pytest.raises(TargetEnded):
        target.memory.read(running.info["content"], 8)
    with pytest.raises(TargetEnded):
        prepared.read()
    with pytest.raises(TargetEnded):
        target.thread_ids()
    with pytest.raises(TargetEnded):
        target.mappings()
    assert target.activity(running.info["waiting"])[0] is Activity.GONE
    assert stopper.stop(running.info["waiting"]) is StopOutcome.GONE
    stopper.close()
    target.close()


# --- the whole reader on the played kernels ---------------------------------------------------------------------------


@pytest.mark.skipif(PLATFORM is not Platform.LINUX, reason="elsewhere all live tests run on the native backend")
@pytest.mark.parametrize("kernel", ["macos", "windows"])
def test_a_dump_through_a_played_kernel_is_that_of_the_native_one(
    kernel: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbspy.options import DumpOptions
    from nbspy.sampling import attach, snapshot
    from nbspy.target import macos
    from nbspy.target.linux import LinuxTarget

    monkeypatch.setattr(macos, "_SHARED_CACHE", 1 << 47)
    native = snapshot.dump_process(started.pid, DumpOptions())

    def opened(pid: int) -> Target:
        target = OPENERS[f"{kernel}-played"](pid)
        monkeypatch.setattr(target, "abi", LinuxTarget.abi, raising=False)  # the structs are still those of Linux
        return target

    monkeypatch.setattr(attach, "open_target", opened)
    played = snapshot.dump_process(started.pid, DumpOptions())
    assert [names(trace) for trace in played.traces] == [names(trace) for trace in native.traces]
    assert {trace.os_thread_id for trace in played.traces} == {
        started.info[who] for who in ("main", "counting", "waiting")
    }


def names(trace: Any) -> tuple[str | None, list[str]]:
    return trace.thread_name, [frame.name for frame in trace.frames]


def test_nothing_is_left_open_after_all_of_it(started: Started) -> None:
    if PLATFORM is not Platform.LINUX:
        pytest.skip("the played kernels need Linux")
    from nbspy.target.macos import MacTarget
    from nbspy.target.windows import WindowsTarget
    from tests.played.mach_kernel import MachKernel
    from tests.played.windows_kernel import WindowsKernel

    mach, windows = MachKernel(), WindowsKernel()
    for target in (MacTarget(started.pid, mach.mach()), WindowsTarget(started.pid, windows.api())):
        for _ in range(3):
            for thread in target.thread_ids():
                target.activity(thread)
                target.thread_name(thread)
            target.mappings()
        stopper = target.stopper()
        assert stopper.stop(started.info["waiting"]) is StopOutcome.STOPPED
        stopper.resume(started.info["waiting"])
        target.forget_threads({started.info["waiting"]})
        stopper.close()
        target.close()
    assert (mach.references, mach.arrays) == ({}, {})
    assert (windows.handles, windows.stopped) == ({}, {})
    assert windows.contexts_read == 1, "only its registers tell that a thread stands"
    assert os.path.exists(f"/proc/{started.pid}")
