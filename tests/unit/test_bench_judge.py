"""The benchmark's judge of stacks, and its readers of what the contestants write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.case import NotMeasured
from bench.judge import Findings, Judge
from bench.peers import Austin, Frames, Nbspy, ProfilingSampling, PySpy
from bench.targets import churn

JUDGE = Judge.of(
    {
        "callees": {"churn:2": "branch", "branch:5": "leaf", "branch:6": "", "down_a:12": "down_a"},
        "functions": {"churn": [1, 2], "branch": [4, 5, 6], "leaf": [8, 9], "down_a": [11, 12]},
        "roots": ["churn"],
    }
)
BOTTOM: Frames = [("<module>", 90), ("main", 80), ("churn", 2)]


@pytest.mark.parametrize(
    ("above", "flaw"),
    [
        ([("branch", 5), ("leaf", 9)], ""),
        ([("branch", 4)], ""),
        ([("branch", 0)], ""),
        ([("branch", 6), ("encode", 300)], ""),
        ([("branch", 5), ("encode", 300)], "line 5 of branch does not call encode"),
        ([("branch", 6), ("leaf", 9)], "line 6 of branch does not call leaf"),
        ([("branch", 4), ("leaf", 9)], "line 4 of branch calls nothing"),
        ([("leaf", 9)], "line 2 of churn does not call leaf"),
        ([("branch", 9)], "line 9 is none of branch"),
        ([("branch", 6), ("encode", 3), ("leaf", 9)], "encode does not call leaf"),
    ],
)
def test_calling_line_determines_the_callee(above: Frames, flaw: str) -> None:
    assert JUDGE.flaw([*BOTTOM, *above]) == flaw


def test_stacks_that_do_not_reach_the_bottom_are_impossible() -> None:
    assert JUDGE.flaw([("branch", 5), ("leaf", 9)]) == "begins with branch"
    assert JUDGE.flaw([("main", 80)]) == "no function of the target"
    assert JUDGE.flaw([]) == "no function of the target"
    assert JUDGE.flaw([*BOTTOM, *[("down_a", 12)] * 7]) == "deeper than it calls"


def test_findings_weigh_stacks_by_their_count() -> None:
    findings = Findings()

    findings.judge(JUDGE, [([*BOTTOM, ("branch", 5), ("leaf", 9)], 3), ([*BOTTOM, ("leaf", 9)], 1)])

    assert (findings.stacks, findings.impossible, findings.per_million) == (4, 1, 250_000)


@pytest.mark.parametrize("variant", sorted(churn.MAKERS))
def test_targets_say_what_each_line_calls(variant: str) -> None:
    lines = churn.MAKERS[variant]()
    callees, functions = churn.callees_of(lines), churn.functions_of(lines)

    assert set(filter(None, callees.values())) < set(functions)
    for place, callee in callees.items():
        function, _, number = place.partition(":")
        assert int(number) in functions[function]
        assert callee + "(" in lines[int(number) - 1]
    assert len(callees) > 6


def test_what_nbspy_writes(tmp_path: Path) -> None:
    stop = {"count": 3, "median": 60_000, "p99": 90_000, "total": 190_000}
    stats = {"samples": 3, "wall_ns": 2 * 10**9, "discarded": 1, "late": 2, "thread_samples": 6}
    (tmp_path / "stats.json").write_text(json.dumps({**stats, "attach_ns": 10**8, "cpu_ns": 3000, "stop_ns": stop}))
    (tmp_path / "stacks.txt").write_text("<module> (a b.py:3);f (a b.py:12) 2\n")

    contestant = Nbspy("nbspy", True)
    sampled = contestant.outcome("", tmp_path, 2, 2)

    assert (sampled.samples, sampled.seconds, sampled.discarded, sampled.stop_us) == (3, 2.0, 1, (60.0, 90.0))
    assert (sampled.stops, sampled.stopped_ns) == (3, 190_000)
    assert list(contestant.stacks(tmp_path)) == [([("<module>", 3), ("f", 12)], 2)]


def test_what_py_spy_writes(tmp_path: Path) -> None:
    sampled = PySpy("py-spy", True, "py-spy").outcome("py-spy> Wrote it. Samples: 320 Errors: 4\n", tmp_path, 16, 2)

    assert (sampled.samples, sampled.discarded) == (20, 4)
    with pytest.raises(NotMeasured):
        PySpy("py-spy", True, "py-spy").outcome("Error: no such process", tmp_path, 1, 2)


def test_what_profiling_sampling_writes(tmp_path: Path) -> None:
    (tmp_path / "stacks.txt").write_text("tid:7;a.py:<module>:3;<native>;a.py:f:12 5\n")
    contestant = ProfilingSampling("profiling.sampling", False, "python3.15")

    sampled = contestant.outcome("Captured 2000 samples in 2.01 seconds\nError rate: 25.00\n", tmp_path, 1, 2)

    assert (sampled.samples, sampled.discarded, sampled.seconds) == (1500, 500, 2.01)
    assert list(contestant.stacks(tmp_path)) == [([("<module>", 3), ("f", 12)], 5)]


def test_what_austin_writes(tmp_path: Path) -> None:
    stack = "P7;T0:7;/x/a.py:<module>:3;/x/a.py:f:12"
    (tmp_path / "stacks.txt").write_text(f"# austin: 3.7.0\n\n{stack} 1000\n{stack} 990\n")
    contestant = Austin("austin", "austin")

    sampled = contestant.outcome("\x1b[1mError rate\x1b[0m : \x1b[1m1/3\x1b[0m", tmp_path, 1, 2)

    assert (sampled.samples, sampled.discarded) == (2, 1)
    assert list(contestant.stacks(tmp_path)) == [([("<module>", 3), ("f", 12)], 1)] * 2
