"""Against ``py-spy dump --json`` on the same parked threads: equal, but for what :data:`DIFFERENCES` lists.

Where the two differ, the target's own word is told in the reason; :mod:`test_stacks_live` and
:mod:`test_locals_live` hold nbspy against it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nbspy import observe
from nbspy.stack_trace import to_json

from .interpreters import Interpreter, Target, start_target

PY_SPY = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")

pytestmark = pytest.mark.skipif(PY_SPY is None, reason="py-spy is not installed; to get it: pip install py-spy")


@dataclass(frozen=True)
class Difference:
    """A field in which the two may differ, in what way, and why."""

    field: str
    versions: tuple[tuple[int, int], tuple[int, int]]
    """The first and the last that it is about."""
    allows: Callable[[Any, Any], bool]
    """(py-spy's value, ours) -> whether this is it."""
    reason: str


ALWAYS = ((2, 7), (3, 99))
DIFFERENCES = (
    Difference(
        "name",
        ((2, 7), (3, 10)),
        lambda spy, ours: ours.rpartition(".")[2] == spy,
        "py-spy has the bare names of methods; the function found under that name in the class has this qualified one",
    ),
    Difference("module", ALWAYS, lambda spy, ours: spy is None and bool(ours), "py-spy leaves it empty"),
    Difference("process_info", ALWAYS, lambda spy, ours: spy is None, "py-spy fills it for subprocesses only"),
    Difference(
        "thread_name",
        ALWAYS,
        lambda spy, ours: spy is None and ours == "MainThread",
        "where threading is not imported py-spy knows no name",
    ),
    Difference(
        "thread_name",
        ((2, 7), (2, 7)),
        lambda spy, ours: spy is None and bool(ours),
        "of 2.7 py-spy knows no names; threading.enumerate() has this one",
    ),
    Difference(
        "is_shim_entry",
        ((2, 7), (3, 11)),
        lambda spy, ours: spy and not ours,
        "py-spy marks the root; before 3.12 CPython has no shims",
    ),
    Difference(
        "is_entry",
        ((3, 12), (3, 99)),
        lambda spy, ours: ours and not spy,
        "from 3.12 on py-spy marks none; a frame above a shim is one that C entered the evaluation loop for",
    ),
)

OURS_ALONE = {"states", "interpreter", "column", "end_line", "end_column"}
"""Fields that py-spy has not. What they say is held against the interpreter in test_rare_states_live and
test_stacks_live."""

LOCALS_DIFFER = """
py-spy: no free variables; cells not followed (the cell instead of its value), before 3.11 left out; keyword-only
arguments, *args and **kwargs not marked as arguments; texts in double quotes, unescaped; functions without their name;
floats without a fraction written as ints; an unbound name may appear. The target's own f_locals and repr agree with
nbspy (test_locals_live).
"""


def wait_until_parked(target: Target) -> None:
    """Return when every thread sleeps: one that was just announced or stopped has first to come to rest."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        states = [
            path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{target.pid}/task").glob("*/stat")
        ]
        if set(states) == {"S"}:
            return
        os.sched_yield()
    raise AssertionError("the target's threads do not come to rest")


def py_spy(target: Target, *options: str) -> list[dict[str, Any]]:
    wait_until_parked(target)
    command = [str(PY_SPY), "dump", "--json", *options, "--pid", str(target.pid)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        pytest.skip(f"py-spy cannot read this interpreter: {answer.stderr.strip()[-300:]}")
    traces: list[dict[str, Any]] = json.loads(answer.stdout)
    return traces


def fields_of(traces: list[dict[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """Yield (where, field, value) of everything but variables, which are compared apart."""
    for trace in sorted(traces, key=lambda trace: trace["thread_id"]):
        thread = f"thread {trace['thread_id']}"
        for name, value in sorted(trace.items()):
            if name != "frames" and name not in OURS_ALONE:
                yield thread, name, value
        for position, frame in enumerate(trace["frames"]):
            for name, value in sorted(frame.items()):
                if name != "locals" and name not in OURS_ALONE:
                    yield f"{thread} frame {position}", name, value


def is_known(version: tuple[int, int], field: str, spy: Any, ours: Any) -> bool:
    return any(
        known.field == field and known.versions[0] <= version <= known.versions[1] and known.allows(spy, ours)
        for known in DIFFERENCES
    )


def compare(interpreter: Interpreter, target: Target) -> int:
    spy = list(fields_of(py_spy(target)))
    wait_until_parked(target)
    ours = list(fields_of(to_json(observe.dump(target.pid))))
    assert [key[:2] for key in spy] == [key[:2] for key in ours]
    differing = [
        (where, field, theirs, own)
        for (where, field, theirs), (_, _, own) in zip(spy, ours, strict=True)
        if theirs != own and not is_known(interpreter.version[:2], field, theirs, own)
    ]
    assert differing == []
    return len(ours)


@pytest.mark.parametrize(
    "scenario", ["named", "recursion", "generators", "methods", "c_callbacks", "code_without_a_file"]
)
def test_given_parked_threads_then_both_say_the_same(interpreter: Interpreter, scenario: str) -> None:
    if scenario == "generators" and interpreter.version < (3, 6):
        scenario = "plain_generators"
    with start_target(interpreter.path, "stacks.py", scenario) as target:
        assert compare(interpreter, target) > 100


@pytest.mark.oldest(3, 8)
def test_given_sub_interpreters_then_py_spy_sees_the_newest_and_nbspy_all(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "stacks.py", "subinterpreters") as target:
        spy = py_spy(target)
        ours = [(trace.interpreter, trace.thread_id, len(trace.frames)) for trace in observe.dump(target.pid)]
    assert {interpreter for interpreter, _, _ in ours} == {0, 1, 2}
    assert {(trace["thread_id"], len(trace["frames"])) for trace in spy} <= {row[1:] for row in ours if row[0] == 2}


def test_given_the_main_thread_alone_then_both_say_the_same(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "locals.py", "tell") as target:
        assert compare(interpreter, target) > 20


@pytest.mark.oldest(3, 6)
def test_given_local_variables_then_py_spys_are_among_ours_at_the_same_addresses(interpreter: Interpreter) -> None:
    with start_target(interpreter.path, "locals.py", "arguments") as target:
        (spy,), (ours,) = py_spy(target, "--locals"), observe.dump(target.pid, locals=1)
    compared = 0
    for theirs, frame in zip(spy["frames"], ours.frames, strict=True):
        own = {one.name: one for one in frame.locals or ()}
        for variable in theirs["locals"] or ():
            if not variable["repr"].startswith("<cell"):
                assert own[variable["name"]].addr == variable["addr"], LOCALS_DIFFER
                assert own[variable["name"]].arg or not variable["arg"], LOCALS_DIFFER
                compared += 1
        assert {variable["name"] for variable in theirs["locals"] or ()} <= set(own), LOCALS_DIFFER
    assert compared >= 8
