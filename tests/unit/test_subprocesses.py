"""Which processes below a target are sampled, and when they are tried; on a machine that is a dict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pytest

from nbspy.cpython.runtime import Runtime
from nbspy.cpython.thread_state import TooManyThreads
from nbspy.errors import CorruptTarget, NotPython, PermissionRefused, ProcessNotFound, UnsupportedPython
from nbspy.sampling import subprocesses
from nbspy.sampling.attach import Starting
from nbspy.sampling.subprocesses import POLL_NS, Subprocesses
from nbspy.target.process import Target

from .fake_python import LAYOUTS, FakePython, FakeTarget

ROOT: Final = 100
MS: Final = 1_000_000


@dataclass
class Machine:
    """Its processes; a look at it every 5 ms of its own clock."""

    parents: dict[int, int] = field(default_factory=lambda: {1: 0, ROOT: 1})
    refusals: dict[int, Exception] = field(default_factory=dict)
    """What attaching to a process raises; one without runs Python."""
    zombies: set[int] = field(default_factory=set)
    now_ns: int = 0
    tries: dict[int, list[int]] = field(default_factory=dict)
    """When (in ms) it was tried to attach to a process."""
    known: frozenset[int] = frozenset()

    def poll(self) -> dict[int, int] | None:
        new = self.parents.keys() - self.known
        self.known = frozenset(self.parents)
        return {pid: self.parents[pid] for pid in new} or None

    def is_alive(self, pid: int) -> bool:
        return pid in self.parents and pid not in self.zombies

    def attach(self, pid: int) -> tuple[Target, Runtime]:
        self.tries.setdefault(pid, []).append(self.now_ns // MS)
        if pid not in self.parents:
            raise ProcessNotFound(f"there is no process {pid}")
        if pid in self.refusals:
            raise self.refusals[pid]
        python = FakePython(LAYOUTS["3.12"])
        return FakeTarget(python, pid), python.runtime

    def tree(self, *, excluded: frozenset[int] = frozenset(), root_is_followed: bool = True) -> Subprocesses:
        return Subprocesses(ROOT, self, excluded=excluded, root_is_followed=root_is_followed, attach=self.attach)

    def found(self, tree: Subprocesses, for_ms: int = 200) -> list[tuple[int, int]]:
        """Return (ms, pid) of what is found in the next ``for_ms``."""
        found = []
        for _ in range(for_ms // 5):
            found += [(self.now_ns // MS, one.target.pid) for one in tree.look(self.now_ns)]
            self.now_ns += 5 * MS
        return found


def test_given_children_and_grandchildren_when_looked_then_all_are_found_with_their_parents() -> None:
    machine = Machine()
    machine.parents |= {203: 202, 202: 201, 201: ROOT, 300: 1, 301: 300}
    tree = machine.tree()
    machine.now_ns = 7 * MS
    found = tree.look(machine.now_ns) + tree.look(machine.now_ns + POLL_NS)
    assert sorted((one.target.pid, one.parent_pid) for one in found) == [(201, ROOT), (202, 201), (203, 202)]


def test_given_a_child_that_begins_later_then_it_is_found_within_100_ms_and_not_at_once() -> None:
    machine, born = Machine(), 200
    tree = machine.tree()
    machine.found(tree)
    for shift in range(5):  # at every phase of the clock
        machine.found(tree, 5 * shift)
        machine.parents[born] = ROOT
        begun = machine.now_ns // MS
        ((at, pid),) = machine.found(tree)
        assert pid == born
        assert subprocesses.SETTLE_NS // MS <= at - begun < 100, "most that is forked becomes another program at once"
        born += 1


def test_given_the_samplers_own_process_then_it_and_what_is_below_it_are_no_part() -> None:
    machine = Machine()
    machine.parents |= {201: ROOT, 202: 201, 203: ROOT}
    assert [pid for _, pid in machine.found(machine.tree(excluded=frozenset({201})))] == [203]
    assert machine.tries.keys() == {203}


def test_given_a_program_that_is_no_python_then_it_is_passed_over_and_what_it_starts_is_found() -> None:
    machine = Machine()
    machine.parents |= {201: ROOT, 202: 201}
    machine.refusals[201] = NotPython("process 201 is not a Python process")
    tree = machine.tree()
    assert [pid for _, pid in machine.found(tree, 3000)] == [202]
    assert tree.take_notices() == [], "it is no fault of anyone"
    tries = machine.tries[201]
    assert len([at for at in tries if at < 1000]) <= 7, "its libraries may not have been loaded yet"
    assert all(later - at >= 995 for at, later in zip(tries[-2:], tries[-1:], strict=False))


def test_given_a_program_that_becomes_python_then_it_is_found() -> None:
    machine = Machine()
    machine.parents[201] = ROOT
    machine.refusals[201] = NotPython("process 201 is not a Python process")
    tree = machine.tree()
    assert machine.found(tree, 2000) == []
    del machine.refusals[201]
    assert [pid for _, pid in machine.found(tree, 1100)] == [201]


@pytest.mark.parametrize("problem", [Starting("it does not run yet"), CorruptTarget("it is torn")])
def test_given_a_python_that_starts_then_it_is_tried_at_every_look(problem: Exception) -> None:
    machine = Machine()
    machine.parents[201] = ROOT
    machine.refusals[201] = problem
    tree = machine.tree()
    machine.found(tree, 1000)
    assert len(machine.tries[201]) >= 35
    del machine.refusals[201]
    assert [pid for _, pid in machine.found(tree, 30)] == [201]


@pytest.mark.parametrize(
    "problem",
    [
        PermissionRefused("the system does not let us read process 201", "ask"),
        UnsupportedPython("process 201 runs Python 3.4", "nbspy reads others"),
        TooManyThreads("the process has more than 4096 threads", "nbspy reads no more than that"),
    ],
)
def test_given_a_refusal_then_it_is_said_once_and_the_others_are_followed(problem: Exception) -> None:
    machine = Machine()
    machine.parents |= {201: ROOT, 202: ROOT}
    machine.refusals[201] = problem
    tree = machine.tree()
    assert [pid for _, pid in machine.found(tree, 3000)] == [202]
    (notice,) = tree.take_notices()
    assert notice == f"process 201, which process {ROOT} started: {problem}"
    assert tree.take_notices() == []
    assert len(machine.tries[201]) == 1


def test_given_one_that_was_let_go_when_it_is_another_program_then_it_is_found_anew() -> None:
    machine = Machine()
    machine.parents[201] = ROOT
    tree = machine.tree()
    assert [pid for _, pid in machine.found(tree)] == [201]
    tree.release(201)
    assert [pid for _, pid in machine.found(tree)] == [201]
    tree.release(201, again=False)
    assert machine.found(tree) == []
    tree.release(ROOT)
    assert [pid for _, pid in machine.found(tree)] == [ROOT], "the target itself too"


def test_given_one_that_has_ended_when_its_pid_is_given_to_another_child_then_that_one_is_found() -> None:
    machine = Machine()
    machine.parents[201] = ROOT
    tree = machine.tree()
    machine.found(tree)
    del machine.parents[201]
    tree.release(201)
    assert machine.found(tree) == []
    machine.parents[201] = ROOT
    assert [pid for _, pid in machine.found(tree)] == [201]


def test_given_a_target_that_runs_no_python_then_it_is_tried_as_well() -> None:
    machine = Machine()
    machine.parents[201] = ROOT
    machine.refusals[ROOT] = NotPython("it is a shell")
    tree = machine.tree(root_is_followed=False)
    assert [pid for _, pid in machine.found(tree)] == [201]
    assert machine.tries[ROOT]


def test_given_a_tree_when_the_last_has_ended_then_it_is_extinct_and_not_before() -> None:
    machine = Machine()
    machine.parents |= {201: ROOT}
    tree = machine.tree()
    machine.found(tree)
    machine.zombies.add(ROOT)
    assert not tree.extinct()
    del machine.parents[201]
    assert tree.extinct()


def test_given_more_than_are_followed_then_it_is_said_once_and_they_come_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocesses, "MAX_PROCESSES", 3)
    machine = Machine()
    machine.parents |= dict.fromkeys(range(201, 205), ROOT)
    tree = machine.tree()
    assert len(machine.found(tree)) == 2
    (notice,) = tree.take_notices()
    assert "3 processes are sampled" in notice
    left = next(pid for pid in range(201, 205) if pid not in machine.tries)
    tree.release(next(iter(machine.tries)), again=False)
    assert left in [pid for _, pid in machine.found(tree)]
    assert tree.take_notices() == []
