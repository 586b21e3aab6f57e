from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from nbspy import wire
from nbspy.cpython.runtime import Runtime
from nbspy.errors import NotPython, PermissionRefused, ProcessNotFound, TargetEnded
from nbspy.model.builder import profile_from_stream
from nbspy.model.profile import Profile
from nbspy.sampling import sampler as sampler_module
from nbspy.sampling import stream_writer, subprocesses
from nbspy.sampling.sampler import Sampler, SamplerOptions
from nbspy.sampling.stream_writer import StreamWriter
from nbspy.sampling.subprocesses import Subprocesses
from nbspy.sampling.thread_ids import SHARED_NAME, ThreadIds
from nbspy.target.process import StopOutcome, Target

from .fake_python import LAYOUTS, FakePython, FakeStopper, FakeTarget, FakeThread

NEVER_NS: Final = 1 << 60


class Scene:
    """A sampler on a target of two threads; ``run`` does one action before each sample and then stops."""

    def __init__(
        self,
        *,
        blocking: bool = True,
        duration_ns: int | None = None,
        version: str = "3.12",
        interval_ns: int = 1000,
    ) -> None:
        self.python = FakePython(LAYOUTS[version])
        self.codes = {name: self.python.code(name) for name in "abcdefgh"}
        self.threads = [self.python.add_thread() for _ in range(2)]
        for thread in self.threads:
            self.call(thread, "ab")
        self.python.hold(self.threads[0])
        self.target = FakeTarget(self.python)
        self.reader, self.writer = os.pipe()
        self.stream_writer = StreamWriter(self.writer)
        self.sampler = Sampler(
            self.target,
            self.python.runtime,
            SamplerOptions(interval_ns=interval_ns, duration_ns=duration_ns, requested_ns=0),
            self.stream_writer,
            blocking=blocking,
            command_line="python app.py",
        )
        self.stream = b""
        self.heard: Callable[[int], object] = lambda _: None
        """Told until when each wait is to last."""

    def call(self, thread: FakeThread, stack: str) -> None:
        for name in stack:
            thread.call(self.codes[name])

    def read_pipe(self) -> None:
        os.set_blocking(self.reader, False)
        try:
            while data := os.read(self.reader, 1 << 20):
                self.stream += data
        except BlockingIOError:
            pass

    def run(self, *actions: Callable[[], object] | None, read: bool = True) -> Profile:
        """Sample once after each action, and return what the stream says."""
        waiting = list(actions)

        def wait(until: int) -> bool:
            self.heard(until)
            if read:
                self.read_pipe()
            if not waiting:
                return True
            action = waiting.pop(0)
            if action is not None:
                action()
            return False

        self.sampler.run(wait)
        while not self.stream_writer.flush():
            self.read_pipe()
        self.read_pipe()
        return profile_from_stream(self.stream)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


@pytest.fixture
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written before the end."""
    monkeypatch.setattr(sampler_module, "FIRST_FLUSH_NS", NEVER_NS)


@pytest.fixture
def flush_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is new is written after every sample."""
    monkeypatch.setattr(sampler_module, "FIRST_FLUSH_NS", 0)
    monkeypatch.setattr(sampler_module, "FLUSH_NS", 0)


def stacks(profile: Profile) -> Counter[tuple[int, str]]:
    """Return the samples of each (OS thread id, stack)."""
    tables, found = profile.tables, Counter[tuple[int, str]]()
    for thread, node, count in zip(profile.runs.thread, profile.runs.node, profile.runs.count, strict=True):
        names = ""
        while node:
            names = tables.strings[tables.frames.name[tables.nodes.frame[node]]] + names
            node = tables.nodes.parent[node]
        found[profile.threads[thread].os_thread_id or 0, names] += count
    return found


def check_totals(profile: Profile) -> None:
    assert profile.status is not None
    assert sum(profile.runs.count) == profile.status.thread_samples
    assert profile.end is not None


@pytest.mark.parametrize("flushing", ["no_flush", "flush_always"])
def test_stream_has_every_sample_of_every_thread(scene: Scene, flushing: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(flushing)
    mover = scene.threads[0]

    profile = scene.run(None, None, lambda: scene.call(mover, "c"), mover.ret, None)

    first, second = (thread.native for thread in scene.threads)
    assert stacks(profile) == {(first, "ab"): 4, (first, "abc"): 1, (second, "ab"): 5}
    check_totals(profile)
    assert profile.status is not None
    assert (profile.status.samples, profile.status.discarded) == (5, 0)
    assert (
        5 <= profile.status.stop_count <= 6
    )  # at first each sample stops a thread; functions are read in a second stop
    assert profile.end is not None
    assert (profile.end.reason, profile.end.kind) == ("stopped", "")
    assert profile.hello.blocking


@pytest.mark.parametrize("flushing", ["no_flush", "flush_always"])
def test_thread_that_lives_between_two_flushes_is_in_the_stream(
    scene: Scene, flushing: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(flushing)
    born: list[FakeThread] = []

    def bear() -> None:
        born.append(scene.python.add_thread())
        scene.call(born[-1], "gh")

    profile = scene.run(None, bear, None, lambda: scene.python.remove_thread(born[0]), bear, None)

    assert stacks(profile)[born[0].native, "gh"] == 2
    assert stacks(profile)[born[1].native, "gh"] == 2
    assert [thread.os_thread_id for thread in profile.threads] == [thread.native for thread in (*scene.threads, *born)]
    check_totals(profile)


@pytest.mark.parametrize("flushing", ["no_flush", "flush_always"])
def test_threads_that_are_listed_in_another_order_than_they_were_seen_are_in_the_stream(
    scene: Scene, flushing: str, request: pytest.FixtureRequest
) -> None:
    """Threads of the main interpreter are listed first, also those that are born last."""
    request.getfixturevalue(flushing)
    born: list[FakeThread] = []

    def bear_in_second() -> None:
        born.append(scene.python.add_thread(scene.python.add_interpreter()))
        scene.call(born[-1], "e")

    def bear_in_main() -> None:
        born.append(scene.python.add_thread())
        scene.call(born[-1], "f")

    profile = scene.run(None, bear_in_second, bear_in_main, None)

    assert stacks(profile)[born[0].native, "e"] == 3
    assert stacks(profile)[born[1].native, "f"] == 2
    assert {thread.os_thread_id: thread.interpreter for thread in profile.threads}[born[0].native] == 1
    check_totals(profile)


def test_flush_after_a_discarded_sample_that_saw_new_threads_goes_on(
    scene: Scene, flush_always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbspy.sampling.thread_labels.SOON_NS", 0)
    monkeypatch.setattr("nbspy.sampling.thread_labels.LATER_NS", 0)
    born: list[FakeThread] = []
    mover = scene.threads[0]

    def bear_into_chaos() -> None:
        born.append(scene.python.add_thread())
        scene.call(born[-1], "h")
        scene.python.write_frame(mover.frames[0].address, previous=mover.leaf)

    def calm() -> None:
        scene.python.write_frame(mover.frames[0].address, previous=0)

    profile = scene.run(None, bear_into_chaos, None, calm, None)

    assert profile.status is not None
    assert (profile.status.samples, profile.status.discarded) == (3, 2)
    [process] = scene.sampler._processes
    assert profile.status.retried == process.unwinder.retried > 0
    assert profile.status.late == scene.sampler._clock.late > 0
    assert stacks(profile)[born[0].native, "h"] == 2
    check_totals(profile)


@pytest.mark.parametrize("flushing", ["no_flush", "flush_always"])
def test_target_that_ends_ends_the_stream_with_what_was_seen(
    scene: Scene, flushing: str, request: pytest.FixtureRequest
) -> None:
    """The names of threads are asked for at the end too, of a target that is no more."""
    request.getfixturevalue(flushing)

    def end() -> None:
        def refuse() -> None:
            raise TargetEnded("process 1001 has ended")

        scene.python.add_thread()
        scene.python.memory.before_read = refuse

    profile = scene.run(None, None, end, None)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.kind) == ("target-ended", "target-ended")
    assert sum(profile.runs.count) == 4
    check_totals(profile)
    assert scene.target.the_stopper.closed


def test_target_that_becomes_unreadable_ends_the_stream_with_the_error(scene: Scene, no_flush: None) -> None:
    def refuse() -> None:
        raise PermissionRefused("the system does not let us read process 1001", "ask")

    def protect() -> None:
        scene.python.memory.before_read = refuse

    profile = scene.run(None, protect, None)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.kind, profile.end.help) == ("error", "permission-refused", "ask")
    assert sum(profile.runs.count) == 2


def test_target_that_becomes_another_program_ends_the_stream_with_that_reason(scene: Scene, no_flush: None) -> None:
    def become_another() -> None:
        scene.target.the_program = "another"
        scene.python.memory.write_word(scene.threads[0].leaf + scene.python.layout.frame.previous, 8)

    profile = scene.run(None, become_another, *[None] * 10)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.message) == ("target-ended", "process 1001 became another program")
    assert profile.status is not None
    assert profile.status.discarded == 3


def test_target_that_seems_to_have_ended_before_it_becomes_another_program_ends_with_that_reason(
    scene: Scene, no_flush: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end() -> None:
        raise TargetEnded("process 1001 has ended")

    def begin_exec() -> None:
        scene.target.alive = False
        scene.python.memory.before_read = end

    def finish_exec(seconds: float) -> None:
        scene.target.the_program = "another"
        scene.target.alive = True

    monkeypatch.setattr("nbspy.sampling.process_sampler.time.sleep", finish_exec)

    profile = scene.run(None, begin_exec, *[None] * 10)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.message) == ("target-ended", "process 1001 became another program")


def test_target_with_too_many_threads_ends_the_stream_with_that_error(
    scene: Scene, no_flush: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bear_too_many() -> None:
        monkeypatch.setattr("nbspy.cpython.thread_state.MAX_THREADS", 2)
        scene.python.add_thread()

    profile = scene.run(None, bear_too_many, *[None] * 10)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.kind) == ("error", "corrupt-target")
    assert "more than 2 threads" in profile.end.message
    assert sum(profile.runs.count) == 2


def test_sampler_that_may_not_stop_threads_says_so_once_and_goes_on(scene: Scene, flush_always: None) -> None:
    scene.target.the_stopper.outcomes = [StopOutcome.REFUSED]

    profile = scene.run(*[None] * 5)

    assert len(profile.notices) == 1
    assert "process 7 already traces it" in profile.notices[0].text
    assert sum(profile.runs.count) == 10
    check_totals(profile)


def test_thread_that_is_slow_to_stop_is_looked_after_between_samples_until_it_stands() -> None:
    scene = Scene(interval_ns=10**9)
    stopper = scene.target.the_stopper
    waits: list[int] = []
    scene.heard = waits.append

    def be_slow() -> None:
        stopper.outcomes, stopper.late = [StopOutcome.TOO_SLOW], 7

    began = time.monotonic_ns()
    scene.run(None, be_slow, *[None] * 12)
    scene.close()

    after = [until for until in waits if until < began + 5 * 10**8]
    assert stopper.late == 0
    assert len(after) >= 5, "each wait was for a millisecond, not for the second until the next sample"


def test_reader_that_stands_still_until_the_end_gets_everything(
    scene: Scene, flush_always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_writer, "MAX_PENDING_BYTES", 10_000)
    mover = scene.threads[0]
    steps = [lambda unit=unit: mover.step(unit % 150) for unit in range(3000)]

    profile = scene.run(*steps, read=False)

    assert stacks(profile) == {(thread.native, "ab"): 3000 for thread in scene.threads}
    check_totals(profile)
    assert [row.os_thread_id for row in profile.threads] == [thread.native for thread in scene.threads]


def test_reader_that_is_gone_stops_the_sampler(scene: Scene, flush_always: None) -> None:
    os.close(scene.reader)
    scene.reader = os.open(os.devnull, os.O_RDONLY)
    waits = 0

    def wait(_: int) -> bool:
        nonlocal waits
        waits += 1
        return waits > 50

    scene.sampler.run(wait)

    assert scene.stream_writer.broken
    assert waits <= 3


def test_duration_that_is_over_ends_the_stream() -> None:
    scene = Scene(duration_ns=0)
    try:
        profile = scene.run(None)
        assert profile.end is not None
        assert profile.end.reason == "duration"
    finally:
        scene.close()


def test_names_of_threads_are_told_late_and_under_the_same_id(scene: Scene, flush_always: None) -> None:
    profile = scene.run(None, None)

    # Nothing is known to ``threading``: what the operating system calls them.
    assert [thread.name for thread in profile.threads] == ["MainThread", "os-1002"]
    records = [wire.decode(body) for body in wire.FrameSplitter().feed(scene.stream)]
    assert sum(isinstance(record, wire.Threads) for record in records) == 1


class Tree:
    """A sampler on a target and the processes that a test lets begin below it."""

    def __init__(self, *, root_runs_python: bool = True) -> None:
        self.scene = Scene()
        self.born: dict[int, Scene] = {}
        self.now_known: set[int] = set()
        self.alive = {self.scene.target.pid}
        self.tree = Subprocesses(self.scene.target.pid, self, root_is_followed=root_runs_python, attach=self.attach)
        self.scene.sampler = Sampler(
            self.scene.target,
            self.scene.python.runtime if root_runs_python else None,
            SamplerOptions(interval_ns=1000, duration_ns=None, requested_ns=0),
            self.scene.stream_writer,
            blocking=True,
            command_line="python app.py",
            subprocesses=self.tree,
        )

    def poll(self) -> dict[int, int] | None:
        new = self.born.keys() - self.now_known
        self.now_known |= new
        return dict.fromkeys(new, self.scene.target.pid) or None

    def is_alive(self, pid: int) -> bool:
        return pid in self.alive

    def attach(self, pid: int) -> tuple[Target, Runtime]:
        if pid == self.scene.target.pid and pid in self.alive:
            raise NotPython(f"process {pid} is not a Python process")
        if pid not in self.alive:
            raise ProcessNotFound(f"there is no process {pid}")
        target = self.born[pid].target
        target.the_stopper = FakeStopper()
        return target, self.born[pid].python.runtime

    def bear(self, pid: int, stack: str = "c") -> None:
        """Let a process begin, whose threads have a call more than the root's."""
        child = self.born[pid] = Scene()
        child.target.pid = pid
        for thread in child.threads:
            child.call(thread, stack)
        self.alive.add(pid)

    def kill(self, scene: Scene) -> None:
        self.alive.discard(scene.target.pid)
        scene.target.alive = False

        def refuse() -> None:
            raise TargetEnded(f"process {scene.target.pid} has ended")

        scene.python.memory.before_read = refuse

    def close(self) -> None:
        for scene in (self.scene, *self.born.values()):
            scene.close()


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    monkeypatch.setattr(subprocesses, "POLL_NS", 0)
    monkeypatch.setattr(subprocesses, "SETTLE_NS", 0)
    tree = Tree()
    yield tree
    tree.close()


def stacks_of(profile: Profile, pid: int) -> Counter[str]:
    """Return the samples of each stack of one process, its threads together."""
    threads = [thread for thread in profile.threads if thread.process.pid == pid]
    found = Counter[str]()
    for stack in profile.select(threads=threads).stacks():
        found["".join(frame.name[-1] for frame in stack.frames)] += stack.count
    return found


@pytest.mark.parametrize("flushing", ["no_flush", "flush_always"])
def test_processes_that_begin_and_end_are_in_the_stream_with_their_threads(
    tree: Tree, flushing: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(flushing)

    profile = tree.scene.run(
        None, lambda: tree.bear(2001), None, lambda: tree.bear(2002, "d"), lambda: tree.kill(tree.born[2001]), None
    )

    root, first, second = profile.processes
    assert [(process.id, process.pid, process.parent_pid) for process in profile.processes] == [
        (0, 1001, 0),
        (1, 2001, 1001),
        (2, 2002, 1001),
    ]
    assert root.ended_ns is second.ended_ns is None
    assert first.ended_ns is not None
    assert first.started_ns <= first.ended_ns <= second.started_ns + 10**9
    assert {process.python_version for process in profile.processes} == {"3.12.0"}
    assert stacks_of(profile, 1001) == {"ab": 12}
    assert stacks_of(profile, 2001) == {"abc": 6}
    assert stacks_of(profile, 2002) == {"abd": 6}
    assert {thread.process.ended_ns for thread in profile.threads if thread.process.pid == 2001} == {first.ended_ns}
    assert profile.status is not None
    assert profile.status.samples == 6
    check_totals(profile)
    assert tree.born[2001].target.the_stopper.closed
    assert tree.born[2002].target.the_stopper.closed


def test_target_that_ends_before_its_children_does_not_end_the_sampling(tree: Tree, no_flush: None) -> None:
    profile = tree.scene.run(
        lambda: tree.bear(2001),
        lambda: tree.kill(tree.scene),
        None,
        None,
        lambda: tree.kill(tree.born[2001]),
        *[None] * 9,
    )

    assert stacks_of(profile, 1001) == {"ab": 2}
    assert stacks_of(profile, 2001) == {"abc": 8}
    assert profile.end is not None
    assert (profile.end.reason, profile.end.message) == (
        "target-ended",
        "process 1001 and those below it have ended",
    )
    check_totals(profile)


def test_threads_of_a_process_that_has_left_are_let_go_when_they_have_stopped(tree: Tree, no_flush: None) -> None:
    late: list[bool] = []

    def kill() -> None:
        tree.born[2001].target.the_stopper.late = 5
        tree.kill(tree.born[2001])

    def look_after() -> None:
        late.append(tree.scene.sampler._some_are_late())

    tree.scene.run(lambda: tree.bear(2001), None, kill, *[look_after] * 5)

    assert late == sorted(late, reverse=True)
    assert (late[0], late[-1]) == (True, False)
    assert tree.born[2001].target.the_stopper.late == 0


def test_process_that_becomes_another_program_is_another_process(tree: Tree, flush_always: None) -> None:
    def become_another() -> None:
        scene = tree.born[2001]
        scene.target.the_program = "another"
        scene.python.add_thread()

    profile = tree.scene.run(lambda: tree.bear(2001), None, become_another, None, None)

    assert [process.pid for process in profile.processes] == [1001, 2001, 2001]
    assert [process.ended_ns is not None for process in profile.processes] == [False, True, False]
    check_totals(profile)


def test_process_that_becomes_unreadable_is_said_and_left(tree: Tree, flush_always: None) -> None:
    def protect() -> None:
        def refuse() -> None:
            raise PermissionRefused("the system does not let us read process 2001", "ask")

        tree.born[2001].python.memory.before_read = refuse

    profile = tree.scene.run(lambda: tree.bear(2001), None, protect, None, None)

    (notice,) = profile.notices
    assert notice.text == ("process 2001 is no longer sampled: the system does not let us read process 2001: ask")
    assert stacks_of(profile, 1001) == {"ab": 10}
    assert len(profile.processes) == 2
    check_totals(profile)


def test_command_line_that_changes_is_told_under_the_same_id(
    tree: Tree, flush_always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler_module, "_NAMES_NS", 0)

    def rename() -> None:
        monkeypatch.setattr(tree.born[2001].target, "command_line", lambda: ["gunicorn:", "worker \udcff" * 5000])

    profile = tree.scene.run(lambda: tree.bear(2001), rename, None)

    assert [process.pid for process in profile.processes] == [1001, 2001]
    assert profile.processes[1].command_line.startswith("gunicorn: 'worker ?worker ?")
    assert len(profile.processes[1].command_line) == 10_000
    assert {thread.process for thread in profile.threads} == set(profile.processes)


def test_target_that_runs_no_python_yet_has_its_children_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses, "POLL_NS", 0)
    monkeypatch.setattr(subprocesses, "SETTLE_NS", 0)
    tree = Tree(root_runs_python=False)
    try:
        profile = tree.scene.run(None, lambda: tree.bear(2001), None)
    finally:
        tree.close()

    assert (profile.hello.pid, profile.hello.python_version) == (1001, "")
    assert [process.pid for process in profile.processes] == [2001]
    assert stacks_of(profile, 2001) == {"abc": 4}
    check_totals(profile)


def test_pid_that_was_given_to_another_process_ends_the_stream(scene: Scene, flush_always: None) -> None:
    """The other one is read just as well: only its identity tells."""

    def give_away() -> None:
        scene.target.alive = False

    profile = scene.run(None, None, give_away, *[None] * 50)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.message) == ("target-ended", "process 1001 has ended")
    assert sum(profile.runs.count) == 6
    check_totals(profile)


def test_sample_of_another_process_with_its_pid_is_not_believed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pids are given away sooner here than any system could.
    monkeypatch.setattr("nbspy.sampling.process_sampler._END_LOOK_NS", 0)
    scene.target.tells_its_end = True

    def give_away() -> None:
        scene.target.alive = False
        for thread in scene.threads:
            scene.call(thread, "cd")

    profile = scene.run(None, None, give_away, *[None] * 50)

    assert profile.end is not None
    assert (profile.end.reason, profile.end.message) == ("target-ended", "process 1001 has ended")
    assert {names for _, names in stacks(profile)} == {"ab"}
    check_totals(profile)


def test_threads_beyond_the_bound_share_rows_and_no_sample_is_lost(
    scene: Scene, flush_always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene.sampler, "_thread_ids", ThreadIds(3))
    scene.sampler._processes[0]._thread_ids = scene.sampler._thread_ids

    def replace_one() -> None:
        scene.python.remove_thread(scene.threads.pop())
        scene.threads.append(scene.python.add_thread())
        scene.call(scene.threads[-1], "cd")

    profile = scene.run(None, *[replace_one] * 20)

    check_totals(profile)
    assert sum(profile.runs.count) == 42
    assert [thread.name for thread in profile.threads[3:]] == [SHARED_NAME]
    assert {names for _, names in stacks(profile)} >= {"ab", "cd"}
