"""Targets of sizes and speeds that nobody has on a desk: many threads, brief threads, deep stacks."""

from __future__ import annotations

import pytest

import nbspy

from .interpreters import Interpreter, start_target
from .sessions import check_counts, check_unharmed, function_names, wait_for_samples


@pytest.mark.parametrize("nonblocking", [False, True], ids=["blocking", "nonblocking"])
def test_500_threads(current_interpreter: Interpreter, nonblocking: bool) -> None:
    with start_target(current_interpreter.path, "faults.py", "many_threads", "500") as target:
        with nbspy.attach(target.pid, rate=50, nonblocking=nonblocking) as session:
            wait_for_samples(session, 10)
            profile = session.stop()
        check_unharmed(target)

    assert session.error is None
    check_counts(profile)
    assert len(profile.threads) == 502
    assert {f"parked {number}" for number in range(500)} < {thread.name for thread in profile.threads}
    assert {"many_threads.<locals>.wait", "spin"} < function_names(profile)


def test_threads_born_and_dying_1000_a_second(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "births") as target:
        [before] = target.ask("counter")
        with nbspy.attach(target.pid, rate=200) as session:
            wait_for_samples(session, 60)
            profile = session.stop()
        [after] = target.ask("counter")
        check_unharmed(target)

    assert session.error is None
    check_counts(profile)
    assert "births" in function_names(profile)
    # What a thread takes on a machine under load is not ours to promise; that they were not slowed to a crawl is.
    assert (after - before) / (profile.duration_ns / 1e9) > 100


def test_10_000_frames(current_interpreter: Interpreter) -> None:
    with start_target(current_interpreter.path, "faults.py", "deep", "10000") as target:
        with nbspy.attach(target.pid, rate=100) as session:
            wait_for_samples(session)
            profile = session.stop()
        check_unharmed(target)

    assert session.error is None
    check_counts(profile)
    depths = [0]
    for parent in profile.tables.nodes.parent[1:]:
        depths.append(depths[parent] + 1)
    assert max(depths) >= 10_000
